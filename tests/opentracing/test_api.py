"""The no-op tracer, span, scope and context, and what code written for 2.4 expects of them."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import types
from unittest import mock

import pytest

import opentracing
from opentracing import (
    Format,
    Reference,
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    Tracer,
    UnsupportedFormatException,
    child_of,
    follows_from,
    logs,
    tags,
)


def test_no_op_returns_the_same_objects() -> None:
    """Every span, scope and context of a no-op tracer is one and the same."""
    tracer = Tracer()
    assert tracer.start_span("a") is tracer.start_span("b", references=child_of(None))
    assert tracer.start_span("a") is tracer._noop_span
    assert tracer.start_active_span("a") is tracer._noop_scope
    assert tracer.start_span().context is tracer._noop_span_context
    assert tracer.active_span is tracer.scope_manager.active.span  # type: ignore[union-attr]
    assert not hasattr(tracer.start_span("a"), "operation_name")
    assert tracer.scope_manager.active is tracer.scope_manager._noop_scope
    assert opentracing.start_child_span(tracer._noop_span, "c") is tracer._noop_span


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
def test_no_op_inject_and_extract(format: str) -> None:
    """Inject writes nothing, a span being as good as its context; extract returns a context."""
    tracer = Tracer()
    carrier: dict[str, str] = {}
    tracer.inject(tracer.start_span(), format, carrier)
    tracer.inject(tracer.start_span().context, format, carrier)
    assert carrier == {}
    assert tracer.extract(format, carrier) is tracer._noop_span_context


@pytest.mark.parametrize("format", ["unknown", None, ["unhashable"]])
def test_unknown_format_is_refused(format: object) -> None:
    """Only the three formats are supported."""
    with pytest.raises(UnsupportedFormatException):
        Tracer().inject(SpanContext(), format, {})
    with pytest.raises(UnsupportedFormatException):
        Tracer().extract(format, {})


def test_close_can_be_repeated() -> None:
    """Closing a no-op tracer succeeds, each time."""
    tracer = Tracer()
    assert tracer.close()
    assert tracer.close(timeout=0)


def test_setters_chain_and_deprecated_ones_work() -> None:
    """Each setter returns the span; `log_event` and `log` go through `log_kv`."""
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


@pytest.mark.parametrize("kind", ["span", "scope"])
def test_exception_is_tagged_logged_and_passed_on(kind: str) -> None:
    """An Exception leaving the block sets the error tag, logs five fields, and goes on."""
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
    ended.assert_called_once_with()
    ((fields,), _) = log_kv.call_args
    assert isinstance(fields.pop(logs.STACK), types.TracebackType)
    assert fields == {
        logs.EVENT: "error",
        logs.MESSAGE: "unexpected",
        logs.ERROR_OBJECT: error,
        logs.ERROR_KIND: ValueError,
    }


@pytest.mark.parametrize(
    "kind", [GeneratorExit, asyncio.CancelledError, KeyboardInterrupt, SystemExit]
)
def test_other_exits_are_no_errors(kind: type[BaseException]) -> None:
    """What is no Exception finishes the span and leaves no mark on it."""
    span = Tracer().start_span()
    with (
        mock.patch.object(span, "set_tag") as set_tag,
        mock.patch.object(span, "finish") as finish,
        pytest.raises(kind),
        span,
    ):
        raise kind
    assert not set_tag.called
    finish.assert_called_once_with()


def test_span_is_finished_even_when_marking_it_fails() -> None:
    """Neither a broken `str` of the exception nor a broken `set_tag` keeps a span open."""

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
        lambda: empty.setdefault("a", "b"),  # type: ignore[attr-defined]
    ):
        with pytest.raises(TypeError, match="EMPTY_BAGGAGE"):
            change()


def test_no_op_context_has_empty_ids() -> None:
    """The ids of a context without a trace are empty strings."""
    assert SpanContext().to_trace_id() == SpanContext().to_span_id() == ""


def test_references_unpack() -> None:
    """A reference is a named pair."""
    context = SpanContext()
    kind, referenced = child_of(context)
    assert (kind, referenced) == ("child_of", context)
    assert follows_from(context) == Reference("follows_from", context)
    assert follows_from().referenced_context is None


def test_base_classes_may_be_subclassed_without_their_constructors() -> None:
    """Subclasses that skip the base constructor, or repeat its names in slots, work."""

    class OwnTracer(Tracer):
        __slots__ = ("_scope_manager",)

        def __init__(self) -> None:
            self._scope_manager = ScopeManager()

    class OwnContext(SpanContext):
        __slots__ = ("_baggage",)

    class OwnManager(ScopeManager):
        def __init__(self) -> None:
            pass

        @property
        def active(self) -> Scope | None:
            return None

    assert OwnTracer().scope_manager.active is not None
    assert OwnContext().baggage == {}
    assert Tracer(OwnManager()).active_span is None


def test_instances_take_any_attribute() -> None:
    """Spans, contexts and scopes can be extended and patched, the no-op's too."""
    tracer = Tracer()
    for each in (tracer.start_span(), tracer.start_span().context, tracer.start_active_span("x")):
        each.extra = 1  # type: ignore[union-attr]
        assert each.extra == 1  # type: ignore[union-attr]


def test_scope_without_a_manager_or_span_is_a_context_manager() -> None:
    """`Scope(None, None)` lets exceptions through, and nothing else happens."""
    with pytest.raises(ValueError, match="x"), Scope(None, None):  # type: ignore[arg-type]
        raise ValueError("x")
    span = Span(Tracer(), SpanContext())
    with Scope(None, span) as scope:  # type: ignore[arg-type]
        assert scope.span is span
