"""Span and SpanContext: the no-ops, and how a block reports errors and ends."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import types
from typing import Any
from unittest import mock

import pytest

from opentracing import (
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    Tracer,
    logs,
    tags,
)


def test_setters_chain_and_deprecated_ones_work() -> None:
    """Each setter returns the span; `log_event` and `log` call `log_kv`."""
    span = Tracer().start_span()
    chained = span.set_tag("a", 1).set_operation_name("b").set_baggage_item("c", "d")
    assert chained.log_kv({}).log_event("e", 1).log(event="f") is span
    assert span.get_baggage_item("c") is None
    with mock.patch.object(span, "log_kv") as log_kv:
        span.log_event("e")
        span.log_event("e", "p")
        span.log(event="e", payload="p", timestamp=5, other=1)
        span.log()
    assert log_kv.call_args_list == [
        mock.call({"event": "e"}),
        mock.call({"event": "e", "payload": "p"}),
        mock.call({"event": "e", "payload": "p"}, 5),
        mock.call({}, None),
    ]


@pytest.mark.parametrize(
    "kind", [GeneratorExit, asyncio.CancelledError, KeyboardInterrupt, SystemExit]
)
@pytest.mark.parametrize("block_kind", ["span", "scope"])
def test_other_exits_are_no_errors(kind: type[BaseException], block_kind: str) -> None:
    """Other exceptions finish the span, or close the scope, and set no tag."""
    span = Tracer().start_span()
    block = span if block_kind == "span" else Scope(ScopeManager(), span)
    with (
        mock.patch.object(span, "set_tag") as set_tag,
        mock.patch.object(span, "log_kv") as log_kv,
        mock.patch.object(block, "finish" if block_kind == "span" else "close") as ended,
        pytest.raises(kind),
        block,
    ):
        raise kind
    assert not set_tag.called
    assert not log_kv.called
    ended.assert_called_once_with()


@pytest.mark.parametrize("kind", ["span", "scope"])
def test_exception_is_tagged_logged_and_passed_on(kind: str) -> None:
    """An Exception that leaves the block sets the error tag, logs five fields, and propagates."""
    span = Tracer().start_span()
    block = span if kind == "span" else Scope(ScopeManager(), span)
    error = ValueError("unexpected")
    end = "finish" if kind == "span" else "close"
    with (
        mock.patch.object(span, "set_tag") as set_tag,
        mock.patch.object(span, "log_kv") as log_kv,
        mock.patch.object(block, end) as ended,
        pytest.raises(ValueError, match="unexpected"),
        block,
    ):
        raise error
    set_tag.assert_called_once_with(tags.ERROR, True)
    assert set_tag.call_args[0][1] is True
    ended.assert_called_once_with()
    ((fields,), _) = log_kv.call_args
    assert isinstance(fields.pop(logs.STACK), types.TracebackType)
    assert fields == {
        logs.EVENT: "error",
        logs.MESSAGE: "unexpected",
        logs.ERROR_OBJECT: error,
        logs.ERROR_KIND: ValueError,
    }


def test_span_is_finished_even_when_marking_it_fails() -> None:
    """If `str` of the exception or `set_tag` raises, the span finishes nevertheless."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    span = Tracer().start_span()
    with (
        mock.patch.object(span, "finish") as finish,
        mock.patch.object(span, "log_kv") as log_kv,
        pytest.raises(Mute),
        span,
    ):
        raise Mute
    assert log_kv.call_args[0][0][logs.MESSAGE] == "Mute"
    with (
        mock.patch.object(span, "finish") as finish_again,
        mock.patch.object(span, "set_tag", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
        span,
    ):
        raise KeyError
    finish.assert_called_once_with()
    finish_again.assert_called_once_with()


def test_empty_baggage_is_an_empty_dict_that_stays_empty() -> None:
    """It equals `{}`, copies to a plain dict, serializes, and refuses every change."""
    empty = SpanContext.EMPTY_BAGGAGE
    assert empty == {}
    assert SpanContext().baggage is empty
    assert type(empty.copy()) is dict  # type: ignore[attr-defined]
    assert json.dumps(empty) == "{}"
    assert copy.deepcopy(empty) == pickle.loads(pickle.dumps(empty)) == {}
    for change in (
        lambda: empty.__setitem__("a", "b"),  # type: ignore[attr-defined]
        lambda: empty.update(a="b"),  # type: ignore[attr-defined]
        lambda: empty.__ior__({"a": "b"}),  # type: ignore[attr-defined]
        lambda: empty.setdefault("a", "b"),  # type: ignore[attr-defined]
    ):
        with pytest.raises(TypeError, match="EMPTY_BAGGAGE"):
            change()


def test_copies_of_empty_baggage_can_be_written() -> None:
    """However a copy is made, it can be written, and the original does not change."""
    empty: Any = SpanContext.EMPTY_BAGGAGE
    for copied in (
        *(copy.copy(empty), copy.deepcopy(empty), pickle.loads(pickle.dumps(empty))),
        *(empty.copy(), dict(empty), empty | {}, {} | empty),
    ):
        copied["a"] = "b"
        assert type(copied) is dict
    assert empty == {}


def test_no_op_context_has_empty_ids() -> None:
    """The ids of a context without a trace are empty strings."""
    assert SpanContext().to_trace_id() == SpanContext().to_span_id() == ""


@pytest.mark.parametrize("kind", ["span", "scope"])
def test_a_block_gives_itself_and_marks_before_it_ends(kind: str) -> None:
    """`with ... as x` gives the span or the scope; an error is reported before the span ends."""
    calls: list[str] = []

    class Listed(Span):
        def set_tag(self, key: str, value: Any) -> Listed:
            calls.append(f"tag {key}")
            return self

        def log_kv(self, key_values: Any, timestamp: float | None = None) -> Listed:
            calls.append("log")
            return self

        def finish(self, finish_time: float | None = None) -> None:
            calls.append("end")

    class Closing(Scope):
        def close(self) -> None:
            self.span.finish()

    span = Listed(Tracer(), SpanContext())
    block: Any = span if kind == "span" else Closing(ScopeManager(), span)
    with pytest.raises(KeyError), block as entered:
        raise KeyError(calls.append(f"entered {entered is block}"))
    assert calls == ["entered True", "tag error", "log", "end"]


def test_errors_are_marked_through_the_static_method_of_the_base_class() -> None:
    """Applications call and replace `Span._on_error`; a subclass's own method is not called."""

    class Own(Span):
        _on_error = None  # type: ignore[assignment]

    span = Own(Tracer(), SpanContext())
    error = KeyError("x")
    with mock.patch.object(Span, "_on_error") as on_error:
        for block in (span, Scope(ScopeManager(), span)):
            with pytest.raises(KeyError), block:  # type: ignore[attr-defined]
                raise error
    assert [call[0][:3] for call in on_error.call_args_list] == [(span, KeyError, error)] * 2
    with mock.patch.object(span, "set_tag") as set_tag:
        Span._on_error(span, KeyError, error, None)
        Span(Tracer(), SpanContext())._on_error(span, KeyError, error, None)
    assert set_tag.call_args_list == [mock.call(tags.ERROR, True)] * 2


def test_marking_no_span_does_nothing() -> None:
    """A scope without a span passes None."""
    Span._on_error(None, KeyError, KeyError("x"), None)
