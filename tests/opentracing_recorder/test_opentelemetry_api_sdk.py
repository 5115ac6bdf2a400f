"""Spans of OpenTelemetry's API, after the same calls on a BasicTracer and on its own SDK."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip(
    "opentelemetry.sdk.version",
    minversion="1.45",  # earlier ones keep fewer types of values, and set no random flag
    reason="no opentelemetry-sdk of 1.45 or later is installed",
)

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from opentracing_recorder import BasicTracer, ConstSampler
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

pytestmark = pytest.mark.needs_os

Seen = list[Any]
Steps = Callable[[trace.Tracer, Seen], None]

REMOTE = SpanContext(7, 9, True, TraceFlags(1), TraceState([("vendor", "x"), ("other", "y")]))
UNSAMPLED = SpanContext(7, 9, True, TraceFlags(0), TraceState([("vendor", "x")]))
INVALID = SpanContext(0, 0, False)
T = 1_700_000_000_123_456_789  # ns


@pytest.fixture(autouse=True)
def _empty_context() -> Iterator[None]:
    token = context.attach(context.Context())
    yield
    context.detach(token)


def plain_context(each: SpanContext | None, names: dict[int, str]) -> Any:
    if each is None:
        return None
    state = tuple(each.trace_state.items())
    known = names.get(each.span_id)
    where = known if known is not None else (each.trace_id, each.span_id)
    return where, each.is_remote, int(each.trace_flags), state


def plain_event(event: Any) -> Any:
    attributes = dict(event.attributes or {})
    if "exception.stacktrace" in attributes:
        lines = str(attributes["exception.stacktrace"]).splitlines() or [""]
        attributes["exception.stacktrace"] = (lines[0], lines[-1])  # frames between differ
    given = event.timestamp if event.timestamp < T + 1000 else None
    return event.name, attributes, given, event.dropped_attributes


def plain_span(span: Any, names: dict[int, str]) -> dict[str, Any]:
    """The fields of a span, without random ids and the clock's times."""
    scope = span.instrumentation_scope
    return {
        "name": span.name,
        "kind": span.kind,
        "context": plain_context(span.context, names),
        "parent": plain_context(span.parent, names),
        "attributes": dict(span.attributes or {}),
        "types": {key: type(value) for key, value in (span.attributes or {}).items()},
        "events": [plain_event(event) for event in span.events],
        "links": [
            (
                plain_context(link.context, names),
                dict(link.attributes or {}),
                link.dropped_attributes,
            )
            for link in span.links
        ],
        "status": (span.status.status_code, span.status.description),
        "scope": (scope.name, scope.version, scope.schema_url, dict(scope.attributes or {})),
        "start": span.start_time if span.start_time < T + 1000 else None,
        "end": span.end_time if span.end_time is None or span.end_time < T + 1000 else "later",
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
    }


def of_sdk(steps: Steps, sampled: bool = True) -> tuple[Seen, Seen]:
    exporter = InMemorySpanExporter()
    sampler = None if sampled else ALWAYS_OFF
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    seen: Seen = []
    steps(provider.get_tracer("lib", "1.0", "https://schema", {"a": 1}), seen)
    return plain_spans(exporter), seen


def of_ours(steps: Steps, sampled: bool = True) -> tuple[Seen, Seen]:
    exporter = InMemorySpanExporter()
    tracer = BasicTracer(
        OpenTelemetryRecorder(lambda: exporter, "shop"),
        ConstSampler(sampled),
        OpenTelemetryScopeManager(),
        trace_id_bits=128,
    )
    seen: Seen = []
    with tracer:
        steps(
            BasicTracerProvider(tracer).get_tracer("lib", "1.0", "https://schema", {"a": 1}), seen
        )
        assert tracer.flush(30)
        return plain_spans(exporter), seen


def plain_spans(exporter: InMemorySpanExporter) -> Seen:
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    return [plain_span(span, names) for span in spans]


ALL: list[Steps] = []


def steps(function: Steps) -> Steps:
    ALL.append(function)
    return function


def raised(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The name of the exception that a call raises."""
    try:
        function(*args, **kwargs)
    except BaseException as error:
        return type(error).__name__
    return "none"


class Count(IntEnum):
    ONE = 1


class Text(str):
    pass


class OwnError(Exception):
    class Inner(Exception):
        pass


@steps
def status_description_only_with_error(tracer: trace.Tracer, seen: Seen) -> None:
    for code in StatusCode:
        span: Any = tracer.start_span(code.name)
        span.set_status(code, "described")
        seen.append((span.status.status_code, span.status.description))
        span.set_status(Status(code, "inside"), "beside")
        seen.append((span.status.status_code, span.status.description))
        span.end()
    span = tracer.start_span("empty text")
    span.set_status(StatusCode.ERROR, "")
    span.end()


@steps
def status_ok_after_an_exception_leaves(tracer: trace.Tracer, seen: Seen) -> None:
    with suppress(ValueError), tracer.start_as_current_span("ok first") as span:
        span.set_status(StatusCode.OK)
        raise ValueError("late")
    with suppress(ValueError), tracer.start_as_current_span("error first") as span:
        span.set_status(StatusCode.ERROR, "early")
        raise ValueError("late")
    with suppress(ValueError), tracer.start_as_current_span("no text"):
        raise ValueError
    with suppress(OwnError.Inner), tracer.start_as_current_span("nested type"):
        raise OwnError.Inner("a", 2)
    with suppress(SystemExit), tracer.start_as_current_span("exit"):
        raise SystemExit(3)


@steps
def exceptions_recorded_twice_and_with_given_fields(tracer: trace.Tracer, seen: Seen) -> None:
    span = tracer.start_span("x")
    error = OwnError("a")
    span.record_exception(error, timestamp=T + 1)
    span.record_exception(error, timestamp=T + 2, escaped=True)
    span.record_exception(error, {"exception.message": "other", "n": [1, 2]}, T + 3)
    span.record_exception(error, {"exception.stacktrace": "none", "exception.escaped": "maybe"})
    try:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise OwnError("effect") from cause
    except OwnError as effect:
        span.record_exception(effect)
    span.end()


@steps
def exceptions_inside_a_used_span(tracer: trace.Tracer, seen: Seen) -> None:
    for records in (True, False):
        for sets_status in (True, False):
            span = tracer.start_span(f"{records} {sets_status}")
            with (
                suppress(ValueError),
                trace.use_span(
                    span, True, record_exception=records, set_status_on_exception=sets_status
                ),
            ):
                raise ValueError("inside")
            seen.append(span.is_recording())


@steps
def exceptions_inside_the_block_of_a_span(tracer: trace.Tracer, seen: Seen) -> None:
    errors = ValueError("a"), KeyError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit("b")
    for error in (*errors, asyncio.CancelledError("c")):
        for records in (True, False):
            for sets_status in (True, False):
                span = tracer.start_span(
                    "x", record_exception=records, set_status_on_exception=sets_status
                )
                with suppress(BaseException), span:
                    raise error
                current = tracer.start_as_current_span(
                    "y", record_exception=records, set_status_on_exception=sets_status
                )
                with suppress(BaseException), current:
                    raise error


@steps
def an_error_passes_nested_blocks(tracer: trace.Tracer, seen: Seen) -> None:
    outer = tracer.start_as_current_span("outer")
    inner = tracer.start_as_current_span("inner", set_status_on_exception=False)
    with suppress(ValueError), outer, inner, tracer.start_span("innermost"):
        raise ValueError("a")


@steps
def events_with_attributes_and_times(tracer: trace.Tracer, seen: Seen) -> None:
    span: Any = tracer.start_span("x", start_time=T)
    span.add_event("plain")
    span.add_event("empty", {})
    span.add_event("", {"a": 1}, T)
    span.add_event("timed", {"list": [1, 2], "none": None, "b": b"x"}, T + 1)
    span.add_event("keyword", attributes={"event": "own"}, timestamp=T + 2)
    given = {"changed": 1}
    span.add_event("copied", given, T + 3)
    given["changed"] = 2
    seen.append([plain_event(event) for event in span.events])
    span.end(T + 4)
    seen.append([plain_event(event) for event in span.events])


@steps
def times_in_nanoseconds(tracer: trace.Tracer, seen: Seen) -> None:
    for start, end in ((T, T + 1), (T, T), (T, T - 5), (1, 2), (T + 1, T + 999)):
        span: Any = tracer.start_span("x", start_time=start)
        seen.append((span.start_time, span.end_time))
        span.end(end)
        seen.append((span.start_time, span.end_time))
    with tracer.start_as_current_span("block", start_time=T):
        pass


@steps
def calls_after_the_end(tracer: trace.Tracer, seen: Seen) -> None:
    span: Any = tracer.start_span("x", start_time=T, attributes={"a": 1})
    span.set_status(StatusCode.ERROR, "first")
    span.end(T + 5)
    span.end(T + 6)
    span.set_attribute("a", 2)
    span.set_attributes({"b": 2})
    span.add_event("late")
    span.add_link(REMOTE)
    span.update_name("late")
    span.set_status(StatusCode.OK)
    span.record_exception(ValueError())
    seen.append(
        (span.is_recording(), span.get_span_context().is_valid, plain_span(span, {})["end"])
    )
    seen.append(
        (dict(span.attributes), span.name, span.status.status_code, span.events, span.links)
    )
    with tracer.start_as_current_span("block") as span:
        span.end(T)
    with tracer.start_span("own block") as span:
        span.end(T)
    with trace.use_span(span, end_on_exit=True):
        tracer.start_span("child of an ended one", start_time=T).end(T)


@steps
def generators_and_decorated_functions(tracer: trace.Tracer, seen: Seen) -> None:
    @tracer.start_as_current_span("generator")
    def numbers() -> Iterator[int]:
        seen.append(trace.get_current_span().is_recording())
        yield 1

    @tracer.start_as_current_span("failing")
    def failing() -> None:
        raise ValueError("a")

    @tracer.start_as_current_span("failing coroutine", record_exception=False)
    async def failing_later() -> None:
        await asyncio.sleep(0)
        raise ValueError("b")

    @tracer.start_as_current_span("recursive")
    def recursive(depth: int) -> int:
        return recursive(depth - 1) + 1 if depth else 0

    @tracer.start_as_current_span("kept open", end_on_exit=False)
    def kept_open() -> trace.Span:
        return trace.get_current_span()

    class Shop:
        @tracer.start_as_current_span("method")
        def sell(self, *, count: int = 1) -> int:
            return count

    seen += [list(numbers()), raised(failing), recursive(2), Shop().sell(count=3)]
    seen.append(raised(asyncio.run, failing_later()))
    seen.append(inspect.iscoroutinefunction(failing_later))
    seen.append(kept_open().is_recording())
    kept_open().end()
    seen.append((recursive.__name__, trace.get_current_span() is trace.INVALID_SPAN))


@steps
def values_of_every_type(tracer: trace.Tracer, seen: Seen) -> None:
    values = {
        "bool": True, "int": -1, "big": 2**63, "float": 1.5, "nan": float("inf"), "text": "é\0",
        "bytes": b"\xff", "none": None, "empty": "", "list": [1, 2], "tuple": ("a",),
        "no items": [], "mixed": [1, "a", None, 2.5, True], "range": range(2),
        "nested": [[1], [["a"]], []], "mapping": {"a": {"b": [1]}},
        "empty mapping": {}, "mapping of none": {"a": None},
        "int enum": Count.ONE, "own text": Text("x"), "bytes in a list": [b"a"],
    }  # fmt: skip
    given: Any = values
    span: Any = tracer.start_span("given", attributes=given)
    seen.append(dict(span.attributes))
    span.end()
    span = tracer.start_span("set")
    for key, value in given.items():
        span.set_attribute(key, value)
        span.set_attribute(key, value)
    seen.append(list(span.attributes))
    span.end()
    span = tracer.start_span("of an event and a link")
    span.add_event("e", given)
    span.add_link(REMOTE, given)
    span.end()


@steps
def sequences_are_copied(tracer: trace.Tracer, seen: Seen) -> None:
    items, mapping = ["a"], {"k": ["a"]}
    span: Any = tracer.start_span("x", attributes={"given": items, "mapping": mapping})
    span.set_attribute("set", items)
    items.append("b")
    mapping["k"].append("b")
    seen.append(dict(span.attributes))
    span.end()


@steps
def names_with_a_meaning_elsewhere(tracer: trace.Tracer, seen: Seen) -> None:
    names = [
        "span.kind", "error", "sampling.priority", "otel.scope.name", "otel.scope.version",
        "otel.status_code", "otel.status_description", "component", "event", "message", "stack",
        "error.kind", "error.object", "peer.service", "service.name", "opentelemetry", "baggage",
    ]  # fmt: skip
    for value in (0, False, "x", ["y"], None):
        given: Any = dict.fromkeys(names, value)
        tracer.start_span("given", kind=SpanKind.CLIENT, attributes=given).end()
        span = tracer.start_span("set", kind=SpanKind.CONSUMER)
        span.set_attributes(given)
        span.set_status(StatusCode.ERROR, "why")
        span.set_status(StatusCode.OK)
        for event in ("error", "exception", "event", "log", "x"):
            span.add_event(event, given)
        span.end()
        span = tracer.start_span("status first", kind=SpanKind.PRODUCER)
        span.set_status(StatusCode.ERROR, "why")
        span.set_attributes(given)
        span.set_status(StatusCode.ERROR)
        span.end()


@steps
def parents_of_another_process(tracer: trace.Tracer, seen: Seen) -> None:
    short = SpanContext(2**64 - 1, 5, True, TraceFlags(1))
    for parent in (REMOTE, UNSAMPLED, short, SpanContext(3, 4, True, TraceFlags(3)),
                   INVALID):  # fmt: skip
        held = trace.set_span_in_context(NonRecordingSpan(parent))
        span: Any = tracer.start_span("by context", context=held)
        mine = span.get_span_context()
        seen.append((span.is_recording(), int(mine.trace_flags), tuple(mine.trace_state.items())))
        seen.append(mine.trace_id == parent.trace_id)
        child_of_it = tracer.start_as_current_span("child")
        with trace.use_span(span, end_on_exit=True), child_of_it as child:
            seen.append(tuple(child.get_span_context().trace_state.items()))
        with trace.use_span(NonRecordingSpan(parent)):
            tracer.start_span("current").end()


@steps
def contexts_given_explicitly(tracer: trace.Tracer, seen: Seen) -> None:
    with tracer.start_as_current_span("outer") as outer:
        empty = context.Context()
        with tracer.start_as_current_span("root", context=empty):
            tracer.start_span("child of the root").end()
        held = trace.set_span_in_context(outer, empty)
        with tracer.start_as_current_span("sibling"):
            tracer.start_span("child of outer", context=held).end()
        tracer.start_span("no parent", context=trace.set_span_in_context(trace.INVALID_SPAN)).end()
        seen.append(trace.get_current_span() is outer)


@steps
def spans_that_are_not_sampled(tracer: trace.Tracer, seen: Seen) -> None:
    with trace.use_span(NonRecordingSpan(UNSAMPLED)):
        with tracer.start_as_current_span("x", attributes={"a": 1}) as span:
            seen.append((isinstance(span, NonRecordingSpan), span.is_recording()))
            mine = span.get_span_context()
            seen.append((mine.trace_id, int(mine.trace_flags) & 1, dict(mine.trace_state)))
            span.set_attribute("a", 1)
            span.add_event("e")
            span.add_link(REMOTE)
            span.set_status(StatusCode.ERROR)
            span.record_exception(ValueError())
            seen.append(trace.get_current_span() is span)
        seen.append(raised(span.end))
        with suppress(ValueError), tracer.start_as_current_span("y"):
            raise ValueError
        with suppress(ValueError), tracer.start_span("z"):
            raise ValueError


@steps
def limits_of_attributes_by_count(tracer: trace.Tracer, seen: Seen) -> None:
    span: Any = tracer.start_span("exact")
    for number in range(128):
        span.set_attribute(f"a{number}", number)
    span.set_attribute("a5", "again")
    seen.append((len(span.attributes), span.dropped_attributes))
    span.end()


@steps
def links_of_every_kind(tracer: trace.Tracer, seen: Seen) -> None:
    span: Any = tracer.start_span("odd", links=[Link(INVALID, {"kept": 1}), Link(INVALID)])
    span.add_link(SpanContext(0, 0, True, trace_state=TraceState([("a", "b")])))
    span.add_link(INVALID, {})
    span.add_link(REMOTE, {"list": ["a"], "none": None})
    span.end()
    span = tracer.start_span("none", links=[])
    seen.append(span.links)
    span.end()


@steps
def values_that_become_text(tracer: trace.Tracer, seen: Seen) -> None:
    class Other:
        def __str__(self) -> str:
            return "other"

    odd: Any = {"object": Other(), "set": {1}, "complex": 1j, "in a list": [Other(), 1]}
    span = tracer.start_span("x", attributes=odd)
    for key, value in odd.items():
        span.set_attribute(f"set {key}", value)
    span.end()


@steps
def names_that_are_no_text(tracer: trace.Tracer, seen: Seen) -> None:
    class Plain:
        pass

    odd: Any = {
        1: "a", 0: "dropped", None: "dropped", "": "dropped", b"x": "d",
        (1, "t"): "e", 2.5: "f", "2.5": "g", Plain(): "dropped", Text("own"): "h", frozenset(): "i",
    }  # fmt: skip
    span: Any = tracer.start_span("given", attributes={**odd, "nested": odd}, links=[
        Link(REMOTE, odd)
    ])  # fmt: skip
    span.add_event("e", odd, T)
    span.add_link(REMOTE, {**odd, "nested": [odd]})
    span.record_exception(ValueError(), odd, T)
    seen.append(plain_span(span, {span.context.span_id: "given"}))
    span.end()
    span = tracer.start_span("set together")
    span.set_attributes({key: value for key, value in odd.items() if key != "2.5"})
    span.end()
    span = tracer.start_span("set one by one")
    for key, value in odd.items():
        span.set_attribute(key, value)
    seen.append(plain_span(span, {span.context.span_id: "set one by one"}))
    span.end()


@steps
def objects_without_a_text_of_their_own(tracer: trace.Tracer, seen: Seen) -> None:
    class Shown:
        def __repr__(self) -> str:
            return "shown"

    odd: Any = {"plain": object(), "shown": Shown(), "in a list": [object(), Shown(), 1]}
    span: Any = tracer.start_span("x", attributes=odd)
    span.set_attributes({f"set {key}": value for key, value in odd.items()})
    span.add_event("e", odd, T)
    span.end()


@steps
def attributes_over_the_limit_of_an_event_and_a_link(tracer: trace.Tracer, seen: Seen) -> None:
    for number in (127, 128, 129, 300):
        many: Any = {str(each): each for each in range(number)}
        span: Any = tracer.start_span(str(number), links=[Link(REMOTE, many)])
        span.add_event("many", many, T)
        span.add_event("with others left out", {"": 1, **many, 0: 2}, T)
        span.add_link(REMOTE, many)
        span.record_exception(ValueError("a"), many, T)
        seen.append(plain_span(span, {span.context.span_id: "x"}))
        span.end()


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.__name__)
def test_the_same_calls_give_the_same_spans(function: Steps) -> None:
    """What is exported, and what the live span shows, are as the SDK has them."""
    (expected, expected_live), (found, live) = of_sdk(function), of_ours(function)
    assert live == expected_live
    assert [span["name"] for span in found] == [span["name"] for span in expected]
    for ours, theirs in zip(found, expected):
        assert ours == theirs


NAMES: Any = st.sampled_from(
    ["a", "b", "error", "span.kind", "sampling.priority", "", 0, 1, None, (), 2.5]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = st.none() | st.dictionaries(NAMES, VALUES, max_size=4)
TIMES = st.integers(1, T)
CONTEXTS = st.sampled_from([REMOTE, UNSAMPLED, INVALID, SpanContext(1, 2, False, TraceFlags(1))])
ERRORS = st.builds(ValueError, st.text())
CODES = st.sampled_from(StatusCode)
CALLS = st.one_of(
    st.tuples(st.just("set_attribute"), NAMES, VALUES),
    st.tuples(st.just("set_attributes"), st.dictionaries(NAMES, VALUES, max_size=4)),
    st.tuples(st.just("add_event"), st.text(), ATTRIBUTES, TIMES),
    st.tuples(st.just("add_link"), CONTEXTS, ATTRIBUTES),
    st.tuples(st.just("set_status"), CODES, st.none() | st.text()),
    st.tuples(st.just("update_name"), st.text()),
    st.tuples(
        st.just("record_exception"),
        st.builds(ValueError, st.text()),
        ATTRIBUTES,
        TIMES,
        st.booleans(),
    ),
    st.tuples(st.just("end"), TIMES),
)


@given(
    kind=st.sampled_from(SpanKind),
    attributes=ATTRIBUTES,
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=3),
    start=TIMES,
    parent=st.none() | CONTEXTS,
    calls=st.lists(CALLS, max_size=12),
)
def test_any_calls_give_the_same_span(
    kind: SpanKind,
    attributes: Any,
    links: list[Link],
    start: int,
    parent: SpanContext | None,
    calls: list[Any],
) -> None:
    """Any sequence of calls on a span leaves it, live and exported, as the SDK has it."""

    def function(tracer: trace.Tracer, seen: Seen) -> None:
        held = context.Context()
        if parent is not None:
            held = trace.set_span_in_context(NonRecordingSpan(parent), held)
        span: Any = tracer.start_span("x", held, kind, attributes, links, start)
        for method, *args in [*calls, ("end", T)]:
            getattr(span, method)(*args)
            if span.is_recording():
                seen.append(plain_span(span, {span.context.span_id: "x"}))

    logging.disable()
    try:
        assert of_ours(function) == of_sdk(function)
    finally:
        logging.disable(logging.NOTSET)


CALLED_LATE: dict[str, Callable[[Any], Any]] = {
    "end": lambda span: span.end(),
    "set_attribute": lambda span: span.set_attribute("a", 1),
    "set_attributes": lambda span: span.set_attributes({"a": 1, "b": 2}),
    "add_event": lambda span: span.add_event("a"),
    "add_link": lambda span: span.add_link(REMOTE),
    "set_status": lambda span: span.set_status(StatusCode.OK),
    "update_name": lambda span: span.update_name("a"),
    "record_exception": lambda span: span.record_exception(ValueError()),
}


@pytest.mark.parametrize("method", CALLED_LATE)
def test_each_call_after_the_end_is_reported(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every call after a span's end is logged as one warning, as the SDK logs it."""

    def function(tracer: trace.Tracer, seen: Seen) -> None:
        span = tracer.start_span("x")
        span.end()
        caplog.clear()
        for _ in range(3):
            CALLED_LATE[method](span)
        seen.extend(record.levelno for record in caplog.records)

    found, expected = of_ours(function)[1], of_sdk(function)[1]
    assert found == expected == [logging.WARNING] * 3


class Plain:
    """An object without a text of its own."""


LEFT_OUT: dict[str, Callable[[Any], Any]] = {
    "no key": lambda span: span.set_attribute("", 1),
    "key of another type": lambda span: span.set_attribute(1, 1),
    "no keys in a mapping": lambda span: span.set_attributes({"": 1, 0: 1, None: 1, "a": 1}),
    "keys that become text": lambda span: span.set_attributes({1: 1, 2.5: 1}),
    "key without text": lambda span: span.set_attributes({Plain(): 1}),
    "keys of an event": lambda span: span.add_event("e", {1: 1, "": 1}),
    "keys of a link": lambda span: span.add_link(REMOTE, {1: 1, "": 1}),
    "nested keys": lambda span: span.set_attribute("a", {1: 1, "": {"": 1}}),
    "values that become text": lambda span: span.set_attribute("a", [{1}, 1j, {"b": {2}}]),
    "value without text": lambda span: span.set_attribute("a", Plain()),
    "description beside a status": lambda span: span.set_status(Status(StatusCode.OK), "why"),
    "description of another type": lambda span: span.set_status(StatusCode.ERROR, 5),
    "all well": lambda span: span.set_attributes({"a": None, "b": [1, "c", None], "d": b""}),
    "link to nothing": lambda span: span.add_link(INVALID),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_as_much_is_reported_as_by_the_sdk(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each name or value that is left out or changed is one warning, wherever it is."""

    def function(tracer: trace.Tracer, seen: Seen) -> None:
        with tracer.start_as_current_span("x") as span:
            caplog.clear()
            LEFT_OUT[case](span)
            seen.extend(record.levelno for record in caplog.records)

    assert of_ours(function) == of_sdk(function)


def test_exporters_take_what_processors_get() -> None:
    """The SDK's processors and exporters show and count a span of ours as the SDK's."""

    def of(provider: Any) -> Any:
        many: Any = {str(number): number for number in range(130)}
        memory, console = InMemorySpanExporter(), io.StringIO()
        for exporter in (memory, ConsoleSpanExporter(out=console)):
            provider.add_span_processor(SimpleSpanProcessor(exporter))
        with trace.use_span(NonRecordingSpan(REMOTE)):
            span = provider.get_tracer("lib", "1").start_span("x", links=[Link(REMOTE, many)])
        span.add_event("e", {"a": 1}, T)
        span.set_status(StatusCode.ERROR, "why")
        span.end()
        shown = json.loads(console.getvalue())
        del shown["context"]["span_id"], shown["start_time"], shown["end_time"]
        (found,) = encode_spans(memory.get_finished_spans()).resource_spans
        (kept,) = found.scope_spans[0].spans
        kept.ClearField("span_id")
        kept.ClearField("start_time_unix_nano")
        kept.ClearField("end_time_unix_nano")
        return shown, found

    resource = {"service.name": "shop"}
    theirs = TracerProvider(resource=Resource(resource), shutdown_on_exit=False)
    tracer = BasicTracer(
        scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128, service_name="shop"
    )
    assert of(BasicTracerProvider(tracer)) == of(theirs)


def test_long_text_is_cut_wherever_attributes_are() -> None:
    """The limit of length holds for spans, events and links, at any depth, as the SDK's does."""
    given: Any = {"text": "12345", "nested": ["12345", {"12345": "12345"}], "bytes": b"12345"}

    def of(provider: Any) -> Any:
        span: Any = provider.get_tracer("lib").start_span(
            "x", attributes=given, links=[Link(REMOTE, given)]
        )
        span.set_attributes({f"set {key}": value for key, value in given.items()})
        span.add_event("e", given, T)
        span.add_link(REMOTE, given)
        return {**plain_span(span, {span.context.span_id: "x"}), "scope": None}

    limits = SpanLimits(max_attribute_length=3)
    theirs = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    tracer = BasicTracer(scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128)
    assert of(BasicTracerProvider(tracer, max_attribute_length=3)) == of(theirs)


def test_a_sampler_that_drops_everything() -> None:
    """Spans that the tracer's sampler drops are the ones that the SDK's sampler drops."""

    def function(tracer: trace.Tracer, seen: Seen) -> None:
        with tracer.start_as_current_span("x", kind=SpanKind.SERVER, links=[Link(REMOTE)]) as span:
            mine = span.get_span_context()
            seen.append((isinstance(span, NonRecordingSpan), span.is_recording(), mine.is_valid))
            seen.append((mine.trace_flags.sampled, mine.is_remote, dict(mine.trace_state)))
            seen.append(trace.get_current_span() is span)
            child = tracer.start_span("child").get_span_context()
            seen.append((child.trace_id == mine.trace_id, child.span_id == mine.span_id))
        seen.append(trace.get_current_span() is trace.INVALID_SPAN)

    assert of_ours(function, sampled=False) == of_sdk(function, sampled=False)


def test_the_newest_links_are_kept() -> None:
    """A live span over the limit of links keeps and counts them as the SDK does."""

    def function(tracer: trace.Tracer, seen: Seen) -> None:
        given = [Link(SpanContext(1, number, False)) for number in range(1, 140)]
        span: Any = tracer.start_span("x", links=given)
        span.add_link(REMOTE, {"last": True})
        seen.append((len(span.links), span.links[0].context, span.links[-1].context))
        seen.append(span.dropped_links)
        span.end()

    assert of_ours(function)[1] == of_sdk(function)[1]
