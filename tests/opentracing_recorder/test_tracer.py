"""BasicTracer: parents, references, recorders that fail, and what it takes."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

import opentracing
from opentracing import Format, Reference, Span, SpanContext, child_of, follows_from
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    InMemoryRecorder,
    NoopRecorder,
)


def context(trace_id: int, span_id: int = 7, **baggage: str) -> BasicSpanContext:
    return BasicSpanContext(trace_id, span_id, baggage)


def test_defaults() -> None:
    """No recorder keeps nothing; scopes follow contextvars; every required format works."""
    tracer = BasicTracer()
    assert isinstance(tracer.recorder, NoopRecorder)
    assert isinstance(tracer.scope_manager, ContextVarsScopeManager)
    tracer.register_required_propagators()
    span = tracer.start_span("x").set_baggage_item("k", "v")
    carrier: Any
    for format, carrier in [
        (Format.TEXT_MAP, {}),
        (Format.HTTP_HEADERS, {}),
        (Format.BINARY, bytearray()),
    ]:
        tracer.inject(span, format, carrier)
        extracted = tracer.extract(format, carrier)
        assert isinstance(extracted, BasicSpanContext)
        assert extracted.trace_id == span.context.trace_id
        assert extracted.span_id == span.context.span_id
        assert extracted.baggage == {"k": "v"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"recorder": 5}, "recorder"),
        ({"sampler": object()}, "sampler"),
        ({"scope_manager": "threads"}, "scope_manager"),
        ({"propagators": [1]}, "propagators"),
        ({"propagators": {"x": 1}}, "propagator"),
        ({"trace_id_bits": 96}, "trace_id_bits"),
        ({"max_tags": 0}, "max_tags"),
        ({"max_logs": "many"}, "max_logs"),
        ({"service_name": 1}, "service_name"),
    ],
)
def test_wrong_argument_is_named(arguments: dict[str, Any], name: str) -> None:
    """The constructor refuses what cannot serve, and says which argument it was."""
    with pytest.raises((TypeError, ValueError), match=name):
        BasicTracer(**arguments)


def test_parent_rules() -> None:
    """child_of, else the first CHILD_OF, else the first FOLLOWS_FROM, else the active span."""
    tracer = BasicTracer()

    def parent_of(**arguments: Any) -> Any:
        return tracer.start_span("x", **arguments).context.trace_id

    one, two, three = context(1), context(2), context(3)
    assert parent_of(child_of=one, references=[child_of(two)]) == 1
    assert parent_of(references=[follows_from(one), child_of(two), child_of(three)]) == 2
    assert parent_of(references=[follows_from(one), follows_from(two)]) == 1
    assert parent_of(references=child_of(three)) == 3
    with tracer.start_active_span("active", child_of=context(9)):
        assert parent_of() == 9
        assert parent_of(child_of=None, references=[child_of(None)]) == 9
        assert parent_of(child_of=one) == 1
        assert parent_of(ignore_active_span=True) not in (1, 9)
    assert parent_of() != 9


def test_parent_may_be_a_span_with_or_without_its_context_made() -> None:
    """A child has its parent's trace, parent id, decision and baggage either way."""
    tracer = BasicTracer()
    plain, asked = tracer.start_span("plain"), tracer.start_span("asked")
    asked_id = asked.context.span_id
    children = [tracer.start_span("x", child_of=each) for each in (plain, asked, asked.context)]
    assert [each.parent_id for each in children] == [plain.context.span_id, asked_id, asked_id]
    assert children[0].context.trace_id == plain.context.trace_id


def test_references_are_kept_and_carry_baggage() -> None:
    """References to something are all kept; where baggage clashes the parent's wins."""
    tracer = BasicTracer()
    references = [
        follows_from(context(2, a="2", b="2")),
        child_of(None),
        child_of(context(3, c="3")),
    ]
    span = tracer.start_span("x", child_of=context(1, a="1"), references=references)
    assert [each.type for each in span.references] == ["follows_from", "child_of"]
    assert span.context.baggage == {"a": "1", "b": "2", "c": "3"}
    assert span.to_dict()["references"][0]["trace_id"] == "0000000000000002"


@pytest.mark.parametrize(
    "foreign", [SpanContext(), Span(None, SpanContext()), mock.MagicMock(spec=Span), object()]
)
def test_foreign_parent_starts_a_new_trace(foreign: Any) -> None:
    """Another tracer's span or context is no reason to raise."""
    tracer = BasicTracer()
    with tracer.start_active_span("active") as scope:
        for span in (
            tracer.start_span("x", child_of=foreign),
            tracer.start_span("x", child_of=foreign, references=[child_of(foreign)]),
        ):
            assert span.parent_id is None
            assert span.context.trace_id != scope.span.context.trace_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("references", [5, "text", [1, None], [Reference("odd", None)], {}])
def test_odd_references_are_ignored(references: Any) -> None:
    """What is no reference to anything does not count."""
    assert BasicTracer().start_span("x", references=references).references == ()


def test_names_are_always_text() -> None:
    """A span without a name has an empty one."""
    assert BasicTracer().start_span().operation_name == ""
    assert BasicTracer().start_span(5).operation_name == "5"  # type: ignore[arg-type]


def test_subclass_overrides_record_and_start_span() -> None:
    """As with basictracer: `record` sees each span, and active spans start through start_span."""
    seen: list[Any] = []

    class Own(BasicTracer):
        def record(self, span: BasicSpan) -> None:
            seen.append(span.operation_name)
            super().record(span)

        def start_span(self, operation_name: str | None = None, **rest: Any) -> BasicSpan:  # type: ignore[override]
            return super().start_span(f"own {operation_name}", **rest)

    recorder = InMemoryRecorder()
    with Own(recorder, None, ThreadLocalScopeManager()).start_active_span("x"):
        pass
    assert seen == ["own x"]
    assert len(recorder.get_spans()) == 1


def test_inject_without_a_trace_writes_nothing() -> None:
    """No span, a no-op context, a foreign one: the carrier stays empty, and nothing raises."""
    tracer = BasicTracer()
    carrier: dict[str, str] = {}
    for each in (None, SpanContext(), Span(None, SpanContext()), object()):
        tracer.inject(each, Format.TEXT_MAP, carrier)  # type: ignore[arg-type]
    assert carrier == {}
    for format in ("unknown", []):
        with pytest.raises(opentracing.UnsupportedFormatException, match="text_map"):
            tracer.extract(format, {})
