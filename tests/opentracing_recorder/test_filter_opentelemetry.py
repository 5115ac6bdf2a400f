"""Filters and redaction of spans that OpenTelemetry's API started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.trace", reason="opentelemetry-api is not installed")

from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from opentracing_recorder import (
    BasicTracer,
    CompositeRecorder,
    FilterRecorder,
    InMemoryRecorder,
    Redaction,
)
from opentracing_recorder._opentelemetry_fields import fields_of
from opentracing_recorder.opentelemetry_api import BasicTracerProvider

pytestmark = pytest.mark.needs_os

SECRET = "password=hunter2"


def recorded(function: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What goes out of a span with a secret in each of its parts, and the span itself."""
    memory = InMemoryRecorder()
    tracer = BasicTracer(FilterRecorder(memory, function))
    link = Link(SpanContext(1, 2, False, TraceFlags(1)), {"note": SECRET, "fine": 1})
    span = (
        BasicTracerProvider(tracer)
        .get_tracer("shop")
        .start_span(
            SECRET,
            kind=SpanKind.CLIENT,
            links=[link],
            attributes={"note": SECRET, "cookie": ["a=b"]},
        )
    )
    span.add_event(SECRET, {"note": SECRET})
    span.record_exception(ValueError(SECRET))
    span.set_status(Status(StatusCode.ERROR, SECRET))
    span.end()
    return memory.spans[0], span


def test_every_part_is_redacted() -> None:
    """Name, attributes, events with their names, exceptions, links and the status description."""
    own, span = recorded(Redaction())
    fields = fields_of(own, True)
    assert "hunter2" not in repr(fields)
    assert "hunter2" not in repr(own.to_dict())
    assert fields.attributes == {"note": "[redacted]", "cookie": "[redacted]"}
    assert fields.links[0].attributes == {"note": "[redacted]", "fine": 1}
    assert own.opentelemetry.status.status_code is StatusCode.ERROR
    assert own.opentelemetry.status.description == "[redacted]"
    assert (span.name, span.status.description) == (SECRET, SECRET)
    assert dict(span.links[0].attributes) == {"note": SECRET, "fine": 1}
    assert span.events[0].name == SECRET


def test_a_function_that_fails_sends_kind_and_status_code_alone() -> None:
    """Nothing of the span's values is left; links keep their contexts."""
    own, _ = recorded(lambda span: 1 / 0)
    fields = fields_of(own, True)
    assert "hunter2" not in repr(fields)
    assert (fields.attributes, fields.events) == ({}, [])
    assert fields.links[0].attributes == {}
    assert own.opentelemetry.status.status_code is StatusCode.ERROR
    assert own.opentelemetry.status.description is None
    assert own.opentelemetry.kind is SpanKind.CLIENT


STATES = [[("congo", "t61")], [("congo", "t61"), ("token", "hunter2")]]


@pytest.mark.parametrize("state", STATES)
def test_a_trace_state_with_a_secret_is_left_out(state: list[tuple[str, str]]) -> None:
    """Of the span and of its links; any other stays, and the function that fails sends none."""
    memory, bare = InMemoryRecorder(), InMemoryRecorder()
    recorders = [FilterRecorder(memory, Redaction()), FilterRecorder(bare, lambda span: 1 / 0)]  # type: ignore[arg-type, return-value]
    given = SpanContext(1, 2, True, TraceFlags(1), TraceState(state))
    tracer = BasicTracerProvider(BasicTracer(CompositeRecorder(recorders))).get_tracer("shop")
    parent = set_span_in_context(NonRecordingSpan(given))
    span = tracer.start_span("x", parent, links=[Link(given)])
    span.end()
    fields, nothing = fields_of(memory.spans[0], True), fields_of(bare.spans[0], True)
    expected = "congo=t61" if state == STATES[0] else ""
    assert (fields.trace_state, fields.links[0].trace_state) == (expected, expected)
    assert (nothing.trace_state, nothing.links[0].trace_state) == ("", "")
    assert span.get_span_context().trace_state == TraceState(state)


def test_an_event_without_its_field_has_no_name_of_its_own() -> None:
    """A function that clears a log clears the name of the event, too."""

    def clear(span: Any) -> Any:
        for log in span.logs:
            log.key_values.clear()
        return span

    own, _ = recorded(clear)
    assert "hunter2" not in repr([event.name for event in fields_of(own, True).events])


@pytest.mark.parametrize(("new", "description"), [("fine", "fine"), (None, None)])
def test_a_change_of_the_tag_reaches_the_status(new: str | None, description: str | None) -> None:
    """So does one of an event; links may be replaced. The application has its span as it was."""

    def change(span: Any) -> Any:
        span.tags.pop("otel.status_description")
        if new is not None:
            span.tags["otel.status_description"] = new
        span.logs[0].key_values["event"] = "renamed"
        span.opentelemetry.links = ()
        return span

    own, span = recorded(change)
    assert own.opentelemetry.status == Status(StatusCode.ERROR, description) or (
        own.opentelemetry.status.description == description
    )
    assert fields_of(own, True).links == []
    assert own.logs[0].name == "renamed"
    assert span.status.description == SECRET
    assert len(span.links) == 1
    assert span.events[0].name == SECRET
