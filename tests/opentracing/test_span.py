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


class Kept(Span):
    """A span as a tracer for 2.4 has it, which keeps what it is given."""

    def __init__(self) -> None:  # without the base class's
        self.calls: list[Any] = []

    def set_tag(self, key: str, value: Any) -> Kept:
        self.calls.append((key, value))
        return self

    def log_kv(self, key_values: Any, timestamp: float | None = None) -> Kept:
        self.calls.append(key_values)
        return self

    def finish(self, finish_time: float | None = None) -> None:
        self.calls.append("finish")


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_a_recorded_exception_is_reported_as_one_that_leaves_the_block() -> None:
    """`record_exception` sets the tag, logs the five fields, and does not finish the span."""
    span, error = Kept(), caught(ValueError("sold out"))
    assert span.record_exception(error) is span
    tag, fields = span.calls
    assert tag == ("error", True)
    assert fields == {
        logs.EVENT: "error",
        logs.MESSAGE: "sold out",
        logs.ERROR_OBJECT: error,
        logs.ERROR_KIND: ValueError,
        logs.STACK: error.__traceback__,
    }
    left = Kept()
    with pytest.raises(ValueError, match="sold out"), left:
        raise error
    assert [*span.calls[:1], *map(set, span.calls[1:]), "finish"] == [
        *left.calls[:1],
        *map(set, left.calls[1:2]),
        "finish",
    ]


@pytest.mark.parametrize(
    "other",
    [GeneratorExit(), asyncio.CancelledError(), KeyboardInterrupt(), None, "text", ValueError],
)
def test_what_is_no_error_is_not_recorded(other: Any) -> None:
    """A cancellation, None, a text or a class changes nothing, and raises nothing."""
    span = Kept()
    assert span.record_exception(other) is span
    assert span.calls == []


def test_set_tags_sets_each_tag() -> None:
    """It takes a mapping or pairs, and ignores anything else."""
    span = Kept()
    given: Any
    for given in ({"a": 1}, [("b", 2)], {}, None, 7, "text", [1]):
        assert span.set_tags(given) is span
    assert span.calls == [("a", 1), ("b", 2)]


def test_only_the_no_op_is_not_recording() -> None:
    """A span for 2.4 does not say, and counts as recording; the no-op is free."""
    noop = Tracer().start_span("x")
    assert noop.is_recording() is False
    assert Kept().is_recording() is True
    with mock.patch.object(noop, "set_tag") as set_tag:
        assert noop.set_tags({"a": 1}) is noop
    assert not set_tag.called


def test_attributes_of_these_names_are_the_tracer_s() -> None:
    """A tracer for 2.4 may have its own methods, fields and slots of the new names."""

    class Own(Span):
        __slots__ = ("is_recording", "record_exception")

        def set_tags(self, **tags: Any) -> str:  # type: ignore[override]
            return f"own {tags}"

    span: Any = Own(Tracer(), SpanContext())
    span.is_recording = True
    assert (span.is_recording, span.set_tags(a=1)) == (True, "own {'a': 1}")


@pytest.mark.parametrize("kind", ["span", "scope"])
def test_async_with_does_what_with_does(kind: str) -> None:
    """It calls `__enter__` and `__exit__`, which a tracer may have overridden."""
    span = Kept()

    class Own(Scope):
        def __enter__(self) -> Any:
            return "entered"

        def __exit__(self, *exception: Any) -> bool:  # type: ignore[override]
            super().__exit__(*exception)
            return True

        def close(self) -> None:
            self.span.finish()

    block: Any = span if kind == "span" else Own(ScopeManager(), span)

    async def main() -> Any:
        async with block as entered:
            raise KeyError("x")
        return entered

    ended = main()
    with pytest.raises(KeyError if kind == "span" else StopIteration) as outcome:
        ended.send(None)
    if kind == "scope":
        assert outcome.value.value == "entered"
    assert [each for each in span.calls if type(each) is not dict] == [("error", True), "finish"]
