"""OpenTelemetry's tracing API, served by a BasicTracer beside OpenTracing's."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
)

import opentracing
from opentracing import Format
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    CompositeRecorder,
    ConstSampler,
    InMemoryRecorder,
    Sampler,
    TraceContextPropagator,
)
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

REMOTE = SpanContext(7, 9, True, TraceFlags(1), TraceState([("vendor", "x")]))
RANDOM = SpanContext(7, 9, True, TraceFlags(3))


@pytest.fixture(autouse=True)
def _context() -> Iterator[None]:
    """Each test starts with an empty context, and leaves one."""
    token = context.attach(context.Context())
    yield
    context.detach(token)


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()


@pytest.fixture
def tracer(recorder: InMemoryRecorder) -> BasicTracer:
    return BasicTracer(
        recorder,
        scope_manager=OpenTelemetryScopeManager(),
        trace_id_bits=128,
        propagators={Format.HTTP_HEADERS: TraceContextPropagator()},
        service_name="shop",
    )


@pytest.fixture
def provider(tracer: BasicTracer) -> BasicTracerProvider:
    return BasicTracerProvider(tracer)


@pytest.fixture
def api(provider: BasicTracerProvider) -> trace.Tracer:
    return provider.get_tracer("lib", "1.0")


# The live span.


def test_times_are_exact(api: trace.Tracer, recorder: InMemoryRecorder) -> None:
    """Start, end and events keep the nanoseconds that were given."""
    span: Any = api.start_span("x", start_time=1700000000123456789)
    assert (span.start_time, span.end_time) == (1700000000123456789, None)
    span.add_event("e", {"a": [1]}, timestamp=1700000000123456790)
    span.end(end_time=1700000000123456799)
    (event,) = span.events
    assert (span.end_time, event.timestamp, dict(event.attributes)) == (
        1700000000123456799,
        1700000000123456790,
        {"a": (1,)},
    )
    assert recorder.spans[0].start_time == pytest.approx(1700000000.123456789)


def test_a_live_span_can_be_read(provider: BasicTracerProvider) -> None:
    """What instrumentation reads beyond the API is there, before and after the end."""
    tracer = provider.get_tracer("lib", "1", "https://schema", {"a": 1})
    with trace.use_span(NonRecordingSpan(REMOTE)):
        span: Any = tracer.start_span("x", kind=SpanKind.SERVER, links=[Link(RANDOM)])
    span.set_status(StatusCode.ERROR, "why")
    for _ in range(2):
        assert (span.name, span.kind, span.context) == (
            "x",
            SpanKind.SERVER,
            span.get_span_context(),
        )
        assert (span.parent, span.links[0].context) == (REMOTE, RANDOM)
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "why")
        scope = span.instrumentation_scope
        assert (scope.name, scope.version, scope.schema_url) == ("lib", "1", "https://schema")
        assert (dict(scope.attributes), dict(span.attributes)) == ({"a": 1}, {})
        assert span.resource.attributes["service.name"] == "shop"
        span.end()


def test_an_ended_span_changes_no_more(
    api: trace.Tracer, recorder: InMemoryRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """All calls are ignored after the end, and each is reported, with the line that made it."""
    span = api.start_span("x")
    span.end()
    before = recorder.spans[0].to_dict()
    span.set_attribute("a", 1)
    span.add_event("e")
    span.add_link(REMOTE)
    span.set_status(StatusCode.OK)
    span.record_exception(ValueError())
    span.update_name("y")
    span.end()
    assert (recorder.spans[0].to_dict(), len(recorder.spans)) == (before, 1)
    assert not span.is_recording()
    assert len(caplog.records) == 7
    assert all(f"{__file__}:" in record.getMessage() for record in caplog.records)


def test_calls_of_both_apis_on_an_ended_span_of_opentracing(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each call of OpenTelemetry's API is reported, and the first one of OpenTracing's."""
    with tracer.start_active_span("x") as scope:
        span = trace.get_current_span()
    for _ in range(2):
        span.set_attribute("a", 1)
        span.set_status(StatusCode.ERROR)
        span.end()
        scope.span.set_tag("a", 1)
    methods = [record.getMessage().split(": ")[1].split(",")[0] for record in caplog.records]
    theirs = ["set_attribute", "set_status", "end"]
    assert methods == [*theirs, "set_tag", *theirs]
    assert "a" not in scope.span.tags


def test_limits_are_the_tracers(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Attributes over `max_tags` are dropped and counted, long text is cut."""
    tracer.max_tags, tracer.max_logs = 3, 2
    api = BasicTracerProvider(tracer, max_attribute_length=4, max_links=1).get_tracer("lib")
    span: Any = api.start_span("x", attributes={"a": "123456", "b": 2})
    span.set_attributes({"c": 3, "d": 4, "a": "abcdef"})
    for name in "xyz":
        span.add_event(name)
    span.add_link(RANDOM)
    span.add_link(REMOTE)
    span.end()
    assert ([link.context for link in span.links], span.dropped_links) == ([REMOTE], 1)
    assert len(recorder.spans[0].references) == 1
    assert (dict(span.attributes), span.dropped_attributes) == ({"a": "abcd", "b": 2, "c": 3}, 1)
    assert span.dropped_events == 1


class NoTruth:
    """An object that is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError


class NoText(NoTruth):
    """An object that has no text either."""

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


@pytest.mark.parametrize("kind", [object, NoTruth, NoText])
def test_what_cannot_serve_is_left_out(
    kind: type,
    api: trace.Tracer,
    provider: BasicTracerProvider,
    recorder: InMemoryRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing that an application passes raises, and every span arrives."""
    odd: Any = kind()
    provider.add_span_processor(odd)
    provider.get_tracer(odd, odd, odd, odd)
    span: Any = api.start_span(odd, kind=odd, attributes=odd, links=odd, start_time=odd)
    span.set_attribute("", 1)
    span.set_attribute(odd, 1)
    span.set_attribute("odd", odd)
    span.set_attributes(odd)
    span.set_attributes({odd: odd, "nested": {odd: [odd]}})
    span.add_event(odd, odd, odd)
    span.add_event("e", {odd: odd})
    span.add_link(REMOTE, odd)
    span.add_link(REMOTE, {odd: odd})
    span.set_status(odd)
    span.add_link(odd)
    span.record_exception(odd, odd, odd)
    span.set_status(StatusCode.ERROR, odd)
    span.update_name(odd)
    span.end(odd)
    assert len(recorder.spans) == 1
    assert recorder.spans[0].to_dict()["tags"]["otel.scope.name"] == "lib"


@pytest.mark.parametrize(
    "time", [10**400, -(10**400), 1.5, float("inf")], ids=["late", "early", "float", "infinite"]
)
def test_a_time_that_cannot_serve_is_left_out(
    time: Any, api: trace.Tracer, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A number that no clock shows raises in no call of either API's spans."""
    span = api.start_span("x", start_time=time)
    span.add_event("e", timestamp=time)
    span.end(time)
    with tracer.start_active_span("y"):
        trace.get_current_span().end(time)
    assert [0 <= each.duration < 60 for each in recorder.spans] == [True, True]


class OddText(str):
    """Text whose methods fail."""

    def __len__(self) -> int:
        raise ValueError

    __str__ = __len__  # type: ignore[assignment]


class OddNumber(int):
    """A number that cannot be divided."""

    def __truediv__(self, other: object) -> float:
        raise ValueError


@pytest.mark.parametrize("time", [10**400, -(10**400), 1 << 64, OddNumber(5)])
def test_times_out_of_range_do_not_raise(
    time: int, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """A time that OTLP cannot hold is left out, and a subclass of int is an int."""
    span = api.start_span("x", start_time=time)
    span.add_event("e", None, time)
    span.record_exception(ValueError("x"), None, time, escaped=NoText())  # type: ignore[arg-type]
    span.end(time)
    (found,) = recorder.spans
    seen: Any = span
    assert (seen.start_time == 5, seen.end_time == 5) == (time == 5, time == 5)
    assert len(found.logs) == 2


def test_names_of_odd_classes_are_names(api: trace.Tracer) -> None:
    """A subclass of str is a name, whatever its own methods do."""
    span: Any = api.start_span("x", attributes={OddText("a"): 1})
    span.set_attribute(OddText("b"), 2)
    span.set_attributes({OddText("c"): 3})
    assert dict(span.attributes) == {"a": 1, "b": 2, "c": 3}


ODD_FLAGS: Any = 3
ODD_STATE: Any = {"vendor": "x"}


@pytest.mark.parametrize(
    "odd",
    [SpanContext(7, 9, True, ODD_FLAGS), SpanContext(7, 9, True, TraceFlags(3), ODD_STATE)],
    ids=["flags", "state"],
)
def test_a_context_with_fields_of_other_types_continues_its_trace(
    odd: SpanContext, tracer: BasicTracer, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """Plain numbers serve as flags, and no trace state is taken for one."""
    with trace.use_span(NonRecordingSpan(odd)):
        tracer.start_span("x").finish()
        span = api.start_span("y", links=[Link(odd)])
        span.add_link(odd)
        span.end()
    assert [(each.context.trace_id, each.parent_id) for each in recorder.spans] == [(7, 9)] * 2
    seen: Any = span
    assert [link.context.trace_flags.sampled for link in seen.links] == [True, True]


class NoContext(NonRecordingSpan):
    """A span of another tracer that fails."""

    def get_span_context(self) -> SpanContext:
        raise ValueError


def test_a_failing_span_of_another_tracer_is_no_parent(
    tracer: BasicTracer, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """Where no context can be had, a trace starts; nothing raises."""
    with trace.use_span(NoContext(REMOTE)):
        assert tracer.active_span is None
        tracer.start_span("x").finish()
        api.start_span("y").end()
        with api.start_as_current_span("z"):
            pass
    assert [each.parent_id for each in recorder.spans] == [None] * 3


@pytest.mark.parametrize("odd", [REMOTE, "text", object()])
def test_a_context_of_another_type_is_left_out(
    odd: Any, api: trace.Tracer, recorder: InMemoryRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """A span context given as `context` is reported, and the current span is the parent."""
    with api.start_as_current_span("outer"):
        api.start_span("inner", context=odd).end()
    assert recorder.outline() == "outer\n  inner"
    assert "a context of type" in caplog.text


def test_one_context_manager_entered_again_goes_on(
    tracer: BasicTracer, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """It makes one span at a time, none is left current, and in turn it makes one each."""
    block = api.start_as_current_span("one")
    with block as outer, block as inner:
        assert outer is inner is trace.get_current_span()
    assert tracer.active_span is None
    with block:
        pass
    assert recorder.outline() == "one\none"


class Interrupted(Exception):
    """An exception during whose recording a signal's handler raises."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def test_a_span_ends_if_its_failure_cannot_be_recorded(
    api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """An interrupt, or a stack without space, leaves no span open or current."""
    with pytest.raises(KeyboardInterrupt), api.start_as_current_span("current"):
        raise Interrupted
    assert trace.get_current_span() is trace.INVALID_SPAN
    with pytest.raises(KeyboardInterrupt), api.start_span("span"):
        raise Interrupted
    assert [span.operation_name for span in recorder.spans] == ["current", "span"]


def test_the_sampler_decides(recorder: InMemoryRecorder) -> None:
    """A span that the tracer's sampler drops is no recording one, and so are its children."""
    tracer = BasicTracer(recorder, ConstSampler(False), OpenTelemetryScopeManager())
    api = BasicTracerProvider(tracer).get_tracer("lib")
    with api.start_as_current_span("x") as span:
        assert type(span).__mro__[1] is NonRecordingSpan
        assert trace.get_current_span() is span
        child = api.start_span("y")
        assert child.get_span_context().trace_id == span.get_span_context().trace_id
        with tracer.start_active_span("z") as scope:
            assert scope.span.context.sampled is False
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert recorder.spans == []


def test_a_sampler_sees_what_a_span_starts_with(recorder: InMemoryRecorder) -> None:
    """Its tags are all attributes, cleaned, and the kind; names have no meaning."""
    asked: list[Any] = []

    class ByStart(Sampler):
        def sampled(self, trace_id: int, operation_name: str) -> bool:
            raise NotImplementedError

        def sampled_start(
            self, trace_id: int, operation_name: str, tags: Any, parent: BasicSpanContext
        ) -> bool:
            asked.append((operation_name, dict(tags), parent.has_trace))
            return tags.get("http.target") != "/health"

    tracer = BasicTracer(recorder, ByStart(), OpenTelemetryScopeManager(), max_tags=6)
    api = BasicTracerProvider(tracer).get_tracer("lib")
    given: Any = {"list": [1], "sampling.priority": 0, "http.target": "/pay"}
    many = {str(number): number for number in range(8)}
    health = {"http.target": "/health"}
    with api.start_as_current_span("kept", kind=SpanKind.SERVER, attributes=given) as kept:
        api.start_span("child", attributes=health).end()
    assert not api.start_span("dropped", attributes=health).is_recording()
    over: Any = api.start_span("over the limit", attributes=many)
    over.end()
    assert dict(kept.attributes) == {**given, "list": (1,)}  # type: ignore[attr-defined]
    assert (dict(over.attributes), over.dropped_attributes) == (dict(list(many.items())[:6]), 2)
    assert [span.operation_name for span in recorder.spans] == ["child", "kept", "over the limit"]
    own = {"otel.scope.name": "lib"}
    seen = {**own, "span.kind": "server", "list": (1,), "http.target": "/pay"}
    assert asked == [
        ("kept", seen, False),
        ("dropped", {**own, **health}, False),
        ("over the limit", {**own, **many}, False),
    ]


def test_tracers_of_a_provider(provider: BasicTracerProvider) -> None:
    """The same scope gives the same tracer, by position and by keyword; both are true."""
    one = provider.get_tracer("a", "1", "s", {"k": [1]})
    two = provider.get_tracer(
        instrumenting_module_name="a",
        instrumenting_library_version="1",
        schema_url="s",
        attributes={"k": [1]},
    )
    assert one is two is not provider.get_tracer("a")
    assert all((provider, one))
    held: Any = one
    assert held.resource is provider.resource
    assert held._instrumentation_scope.name == "a"  # some read it, though it is private


def test_a_tracer_for_each_request_leaves_no_memory(provider: BasicTracerProvider) -> None:
    """The number of tracers that are kept is bounded, and each of them serves on."""
    first = provider.get_tracer("0")
    for number in range(3000):
        provider.get_tracer(str(number))
    assert len(provider._tracers) <= 1000
    first.start_span("x").end()


def test_span_processors_hear_of_spans(
    provider: BasicTracerProvider, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """They may set attributes at the start; one that raises harms nobody."""
    ended = []

    class Processor:
        def on_start(self, span: Any, parent_context: Any) -> None:
            span.set_attribute("user", baggage.get_baggage("user", parent_context))

        def on_end(self, span: Any) -> None:
            ended.append(span.name)
            raise RuntimeError

    provider.add_span_processor(Processor())
    token = context.attach(baggage.set_baggage("user", "amy"))
    api.start_span("x").end()
    context.detach(token)
    assert (recorder.spans[0].tags["user"], ended) == ("amy", ["x"])


def test_a_span_processor_that_fails_at_the_end_is_reported(
    provider: BasicTracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A flush has then not delivered all, and the others are shut down, too."""
    closed = []

    class Failing:
        def force_flush(self, timeout_millis: int) -> bool:
            raise RuntimeError("no flush")

        def shutdown(self) -> None:
            raise RuntimeError("no shutdown")

    class Closing:
        def force_flush(self, timeout_millis: int) -> bool:
            return True

        def shutdown(self) -> None:
            closed.append(self)

    for processor in (Failing(), Closing()):
        provider.add_span_processor(processor)
    assert provider.force_flush() is False
    provider.shutdown()
    assert len(closed) == 1
    assert ["no flush" in caplog.text, "no shutdown" in caplog.text] == [True, True]


def test_the_provider_can_be_turned_off(
    tracer: BasicTracer, monkeypatch: pytest.MonkeyPatch, recorder: InMemoryRecorder
) -> None:
    """`OTEL_SDK_DISABLED=true` records nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    BasicTracerProvider(tracer).get_tracer("x").start_span("y").end()
    assert recorder.spans == []


# Both APIs.


def both(tracer: BasicTracer) -> Any:
    """The active span, about which both APIs agree."""
    current: Any = trace.get_current_span()
    span: Any = tracer.active_span
    if current is trace.INVALID_SPAN:
        assert span is None
        return None
    assert span.context.span_id == current.get_span_context().span_id
    return span


def test_one_tree_of_both_apis(
    api: trace.Tracer, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Spans nest whichever API starts them, and the active span is one."""
    with api.start_as_current_span("a"):
        with tracer.start_active_span("b") as scope:
            assert both(tracer) is scope.span
            with trace.use_span(api.start_span("c"), end_on_exit=True):
                assert both(tracer).operation_name == "c"
                both(tracer).set_tag("seen", True)
                tracer.start_span("d").finish()
            trace.get_current_span().set_attribute("from", "the other API")
        assert both(tracer).operation_name == "a"
    assert both(tracer) is None
    assert recorder.outline(tags=["seen", "from"]) == (
        "a\n  b from='the other API'\n    c seen=True\n      d"
    )


def test_a_span_of_opentracing_takes_what_opentelemetry_sets(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It keeps OpenTracing's form, so that every recorder sees an error."""
    with tracer.start_active_span("x", tags={"span.kind": "client"}):
        span: Any = trace.get_current_span()
        assert (span.kind, span.name, span.is_recording()) == (SpanKind.CLIENT, "x", True)
        span.record_exception(ValueError("a"))
        span.set_status(StatusCode.ERROR, "broken")
        span.update_name("y")
    (recorded,) = recorder.spans
    assert (recorded.operation_name, recorded.tags["error"]) == ("y", "broken")
    assert recorded.logs[0].key_values["error.kind"] == "ValueError"


def test_a_remote_span_is_the_parent_for_both(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """What another process sent is active, keeps nothing, and hands on its trace state."""
    with trace.use_span(NonRecordingSpan(REMOTE)):
        active: Any = tracer.active_span
        active.set_tag("a", 1).log_kv({"event": "x"})
        active.finish()
        assert (active.context.trace_id, active.tags) == (7, {})
        tracer.start_span("x").finish()
    (span,) = recorder.spans
    assert (span.context.trace_id, span.parent_id) == (7, 9)
    headers: dict[str, str] = {}
    tracer.inject(span.context, Format.HTTP_HEADERS, headers)
    assert headers["tracestate"] == "vendor=x"


def test_an_unsampled_remote_span_is_obeyed(
    tracer: BasicTracer, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """Neither API records in a trace that another process does not keep."""
    with trace.use_span(NonRecordingSpan(SpanContext(7, 9, True, TraceFlags(0)))):
        tracer.start_span("x").finish()
        api.start_span("y").end()
    assert recorder.spans == []


def test_contexts_travel_between_the_propagators(tracer: BasicTracer, api: trace.Tracer) -> None:
    """What one API injects, the other extracts; 64-bit ids are padded."""
    short = BasicTracer(
        propagators={Format.HTTP_HEADERS: TraceContextPropagator()},
        scope_manager=OpenTelemetryScopeManager(),
    )
    with short.start_active_span("x") as scope:
        scope.span.set_baggage_item("user", "amy")
        theirs: dict[str, str] = {}
        propagate.inject(theirs)
        ours: dict[str, str] = {}
        short.inject(scope.span.context, Format.HTTP_HEADERS, ours)
        assert theirs["baggage"] == ours["baggage"] == "user=amy"
        assert theirs["traceparent"][:52] == ours["traceparent"][:52]
    extracted = propagate.extract(ours)
    found = tracer.extract(Format.HTTP_HEADERS, theirs)
    assert found is not None
    assert trace.get_current_span(extracted).get_span_context().span_id == found.span_id  # type: ignore[attr-defined]
    token = context.attach(extracted)
    child = tracer.start_span("y")
    context.detach(token)
    assert child.get_baggage_item("user") == "amy"


def test_baggage_is_one(tracer: BasicTracer, api: trace.Tracer) -> None:
    """What either API sets, both read, and children have."""
    with api.start_as_current_span("x"):
        active: Any = tracer.active_span
        active.set_baggage_item("a", "1")
        assert baggage.get_baggage("a") == "1"
        token = context.attach(baggage.set_baggage("b", "2"))
        assert tracer.active_span.get_baggage_item("b") == "2"  # type: ignore[union-attr]
        assert tracer.start_span("y").get_baggage_item("a") == "1"
        assert api.start_span("z").basic_span.get_baggage_item("b") == "2"  # type: ignore[attr-defined]
        with tracer.start_active_span("w") as scope:
            assert baggage.get_all() == {"a": "1", "b": "2"}
            scope.span.set_baggage_item("c", "3")
            assert baggage.get_baggage("c") == "3"
        assert baggage.get_baggage("c") is None
        context.detach(token)
    assert baggage.get_all() == {}


def test_baggage_that_cannot_be_compared(tracer: BasicTracer, api: trace.Tracer) -> None:
    """A value whose comparison fails, as that of an array, becomes text."""

    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value is ambiguous")

        __hash__ = None  # type: ignore[assignment]

        def __str__(self) -> str:
            return "[1 2]"

    token = context.attach(baggage.set_baggage("a", Array()))
    with tracer.start_active_span("x") as scope:
        assert scope.span.get_baggage_item("a") == "[1 2]"
    with api.start_as_current_span("y"):
        assert tracer.active_span.get_baggage_item("a") == "[1 2]"  # type: ignore[union-attr]
    context.detach(token)


def test_suppression_holds_for_both(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """While instrumentation is suppressed, OpenTracing's spans are not sampled either."""
    with tracer.start_active_span("x"):
        token = context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
        with tracer.start_active_span("hidden"):
            tracer.start_span("hidden too").finish()
        context.detach(token)
        tracer.start_span("seen").finish()
    assert recorder.outline() == "x\n  seen"


# Order of closing, and other contexts.


def test_a_span_left_in_a_copy_of_its_context_is_current_no_more(
    tracer: BasicTracer, api: trace.Tracer, recorder: InMemoryRecorder
) -> None:
    """Entered in one synchronous call and left in the next, as by asgiref, it ends and is gone."""
    opened = api.start_as_current_span("x")
    copied = contextvars.copy_context()
    copied.run(opened.__enter__)
    for variable, value in copied.items():  # as asgiref takes a call's context over
        variable.set(value)
    assert both(tracer).operation_name == "x"
    contextvars.copy_context().run(opened.__exit__, None, None, None)
    assert both(tracer) is None
    api.start_span("next").end()
    assert [span.parent_id for span in recorder.spans] == [None, None]


def test_closed_out_of_order_by_both_apis(
    tracer: BasicTracer, api: trace.Tracer, caplog: pytest.LogCaptureFixture
) -> None:
    """The outer one waits for the inner one, whichever API opened it."""
    outer = api.start_as_current_span("outer")
    span: Any = outer.__enter__()
    inner = tracer.start_active_span("inner")
    outer.__exit__(None, None, None)
    assert span.is_recording()
    assert both(tracer).operation_name == "inner"
    inner.close()
    assert (span.is_recording(), both(tracer)) == (False, None)
    assert len(caplog.records) == 1


def test_threads_start_with_none_and_tasks_inherit(tracer: BasicTracer, api: trace.Tracer) -> None:
    """The active span of both APIs belongs to a context."""

    async def main() -> None:
        with api.start_as_current_span("x"):
            assert await asyncio.gather(child(), child()) == ["x", "x"]

    async def child() -> str:
        name: str = both(tracer).operation_name
        with tracer.start_active_span("child"):
            await asyncio.sleep(0)
            assert both(tracer).operation_name == "child"
        return name

    asyncio.run(main())
    seen: list[Any] = []
    with api.start_as_current_span("x"):
        thread = threading.Thread(
            target=contextvars.Context().run, args=(lambda: seen.append(both(tracer)),)
        )
        thread.start()
        thread.join()
    assert seen == [None]


ACTIONS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 7)), max_size=30)


@given(actions=ACTIONS)
def test_both_apis_agree_after_any_sequence(actions: Any) -> None:
    """After any starts, ends, attaches and detaches in several contexts, no span is lost."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager())
    api = BasicTracerProvider(tracer).get_tracer("lib")
    contexts = [contextvars.Context()]
    ends: list[tuple[int, Callable[[], Any]]] = []
    started = 0
    logging.disable()
    try:
        for kind, position in actions:
            at = position % len(contexts)
            where = contexts[at]
            if kind == 0:
                ends.append((at, where.run(tracer.start_active_span, "ours").close))
                started += 1
            elif kind == 1:
                opened = api.start_as_current_span("theirs")
                where.run(opened.__enter__)
                ends.append((at, lambda opened=opened: opened.__exit__(None, None, None)))  # type: ignore[misc]
                started += 1
            elif kind == 2:
                used = trace.use_span(where.run(api.start_span, "used"), end_on_exit=True)
                where.run(used.__enter__)
                ends.append((at, lambda used=used: used.__exit__(None, None, None)))  # type: ignore[misc]
                started += 1
            elif kind == 3 and len(contexts) < 3:
                contexts.append(where.copy())
            elif ends:
                _, end = ends.pop(position % len(ends))
                contexts[kind % len(contexts)].run(end)
            for each in contexts:
                each.run(tracer.start_span, "x")
                each.run(both, tracer)
        for at, end in reversed(ends):
            contexts[at].run(end)
    finally:
        logging.disable(logging.NOTSET)
    for each in contexts:
        each.run(both, tracer)
    assert len(recorder.spans) == started


def test_each_recorder_of_several_gets_events_whole() -> None:
    """A copy for a later recorder keeps what OpenTelemetry knows of the span."""
    exporter = InMemorySpanExporter()
    recorder = CompositeRecorder(
        [InMemoryRecorder(), OpenTelemetryRecorder(lambda: exporter, "shop")]
    )
    with BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager()) as tracer:
        span = BasicTracerProvider(tracer).get_tracer("lib").start_span("x")
        span.add_event("e", {"event": 1}, timestamp=5)
        span.end()
    (event,) = exporter.get_finished_spans()[0].events
    assert (event.name, dict(event.attributes or {}), event.timestamp) == ("e", {"event": 1}, 5)


@pytest.mark.parametrize("limit", [128, 3])
def test_an_error_by_opentracing_is_a_status(limit: int) -> None:
    """The tag ``error`` of OpenTracing's API fails a span that OpenTelemetry's API started, also
    where it has all the attributes that it may have.
    """
    exporter = InMemorySpanExporter()
    tracer = BasicTracer(
        OpenTelemetryRecorder(lambda: exporter, "shop"),
        scope_manager=OpenTelemetryScopeManager(),
        max_tags=limit,
    )
    api = BasicTracerProvider(tracer).get_tracer("")
    with api.start_as_current_span("tag", attributes={"a": 1, "b": 2}) as tag:
        tracer.active_span.set_tag("error", True)
    with api.start_as_current_span("text") as text:
        tracer.active_span.set_tag("error", "the card has expired")
    with api.start_as_current_span("false"):
        tracer.active_span.set_tag("error", False)
    with api.start_as_current_span("attribute", attributes={"error": True}):
        pass
    with api.start_as_current_span("later", attributes={"a": 1}) as later:
        tracer.active_span.set_tag("error", True)
        later.set_status(StatusCode.OK)
    for span in (tag, text):
        assert span.status.status_code is StatusCode.ERROR
    tracer.close()
    found = {
        span.name: (span.status.status_code.name, span.status.description, dict(span.attributes))
        for span in exporter.get_finished_spans()
    }
    assert found == {
        "tag": ("ERROR", None, {"a": 1, "b": 2}),
        "text": ("ERROR", "the card has expired", {}),
        "false": ("UNSET", None, {}),
        "attribute": ("UNSET", None, {"error": True}),
        "later": ("OK", None, {"a": 1}),
    }


@pytest.mark.parametrize("starter", ["OpenTracing", "OpenTelemetry"])
@pytest.mark.parametrize("by", ["OpenTracing", "OpenTelemetry"])
def test_both_apis_record_the_same_exception(
    starter: str, by: str, tracer: BasicTracer, api: trace.Tracer
) -> None:
    """The span of either has its type, message and stack with the cause, whoever records it."""
    try:
        raise RuntimeError("payment failed") from KeyError("card-number")
    except RuntimeError as raised:
        error = raised
    exporter = InMemorySpanExporter()
    tracer.recorder = OpenTelemetryRecorder(lambda: exporter, "shop")
    started = tracer.start_active_span if starter == "OpenTracing" else api.start_as_current_span
    with started("pay"):  # type: ignore[operator]
        ours: Any = tracer.active_span
        theirs = trace.get_current_span()
        assert ours.is_recording()
        assert theirs.is_recording()
        (ours if by == "OpenTracing" else theirs).record_exception(error)
    assert not ours.is_recording()
    assert not theirs.is_recording()
    tracer.close()
    (span,) = exporter.get_finished_spans()
    (event,) = span.events
    found = dict(event.attributes or {})
    lines = traceback.format_exception(RuntimeError, error, error.__traceback__)
    assert event.name == "exception"
    assert found["exception.type"] == "RuntimeError"
    assert found["exception.message"] == "payment failed"
    assert found["exception.stacktrace"] == "".join(lines)


def test_a_span_that_does_not_say_is_recording(tracer: BasicTracer) -> None:
    """OpenTelemetry's API asks a span of another tracer; the no-op records nothing."""

    class Own(opentracing.Span):
        pass

    class Odd(opentracing.Span):
        is_recording: Any = True

    spans = [Own, Odd, opentracing.Span]
    found = []
    for kind in spans:
        with tracer.scope_manager.activate(kind(None, opentracing.SpanContext()), False):
            found.append(trace.get_current_span().is_recording())
    assert found == [True, True, False]
