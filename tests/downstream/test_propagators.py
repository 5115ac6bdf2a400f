"""Our propagators and those of other tracers extract what the other side has injected.

The peers are those of OpenTelemetry (W3C, B3, Jaeger) and the codecs of jaeger-client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jaeger_client
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jaeger_client.codecs import B3Codec, TextCodec
from jaeger_client.reporter import InMemoryReporter
from opentelemetry import baggage as otel_baggage
from opentelemetry import trace as otel_trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator as OtelCompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator as OtelJaegerPropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from opentracing import Format
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    CompositePropagator,
    InMemoryRecorder,
    JaegerPropagator,
    Propagator,
    TraceContextPropagator,
)


class Told(NamedTuple):
    """The fields that one side sends to the other."""

    trace_id: int
    span_id: int
    sampled: bool
    baggage: dict[str, str]


class Peer(NamedTuple):
    ours: Propagator
    inject: Callable[[Told], dict[str, str]]
    extract: Callable[[dict[str, str]], Told]
    has_baggage: bool


def otel_peer(theirs: TextMapPropagator, ours: Propagator, has_baggage: bool = True) -> Peer:
    def inject(told: Told) -> dict[str, str]:
        span_context = otel_trace.SpanContext(
            told.trace_id, told.span_id, True, otel_trace.TraceFlags(told.sampled)
        )
        span = otel_trace.NonRecordingSpan(span_context)
        context = otel_trace.set_span_in_context(span, Context())
        for key, value in told.baggage.items():
            context = otel_baggage.set_baggage(key, value, context)
        carrier: dict[str, str] = {}
        theirs.inject(carrier, context)
        return carrier

    def extract(carrier: dict[str, str]) -> Told:
        context = theirs.extract(carrier, Context())
        span_context = otel_trace.get_current_span(context).get_span_context()
        baggage = {key: str(value) for key, value in otel_baggage.get_all(context).items()}
        sampled = span_context.trace_flags.sampled
        return Told(span_context.trace_id, span_context.span_id, sampled, baggage)

    return Peer(ours, inject, extract, has_baggage)


def jaeger_peer(theirs: Any, ours: Propagator, has_baggage: bool = True) -> Peer:
    def inject(told: Told) -> dict[str, str]:
        carrier: dict[str, str] = {}
        theirs.inject(
            jaeger_client.SpanContext(
                told.trace_id, told.span_id, None, int(told.sampled), told.baggage
            ),
            carrier,
        )
        return carrier

    def extract(carrier: dict[str, str]) -> Told:
        context = theirs.extract(carrier)
        return Told(context.trace_id, context.span_id, bool(context.flags & 1), context.baggage)

    return Peer(ours, inject, extract, has_baggage)


W3C = TraceContextPropagator()
OTEL_W3C = OtelCompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
PEERS = {
    "OpenTelemetry, W3C": otel_peer(OTEL_W3C, W3C),
    "OpenTelemetry, B3": otel_peer(B3MultiFormat(), B3Propagator(), has_baggage=False),
    "OpenTelemetry, b3": otel_peer(B3SingleFormat(), B3Propagator(True), has_baggage=False),
    "OpenTelemetry, Jaeger": otel_peer(OtelJaegerPropagator(), JaegerPropagator(True)),
    "jaeger-client, HTTP": jaeger_peer(TextCodec(url_encoding=True), JaegerPropagator(True)),
    "jaeger-client, text": jaeger_peer(TextCodec(), JaegerPropagator()),
    "jaeger-client, B3": jaeger_peer(
        B3Codec(generate_128bit_trace_id=True), B3Propagator(), has_baggage=False
    ),
}

# Keys in lower case, as of headers; values without blanks at the ends, which some peers strip.
keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=8)
values = st.text(
    st.one_of(st.sampled_from(" +,;=%\"\\&/'"), st.characters(codec="utf-8")), max_size=8
).filter(lambda each: each == each.strip() and each.isprintable())
told = st.builds(
    Told,
    st.one_of(st.integers(1, 2**64 - 1), st.integers(1, 2**128 - 1)),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.dictionaries(keys, values, max_size=4),
)


def fields(context: BasicSpanContext | None) -> Told:
    assert context is not None
    assert context.trace_id is not None
    assert context.span_id is not None
    assert context.sampled is not None
    return Told(context.trace_id, context.span_id, context.sampled, dict(context.baggage))


@pytest.mark.parametrize("name", PEERS)
@given(told)
def test_what_a_peer_injects_is_extracted(name: str, told: Told) -> None:
    """Ids of 64 and 128 bits, the decision, and baggage where the format has it."""
    peer = PEERS[name]
    if not peer.has_baggage:
        told = told._replace(baggage={})
    if name == "jaeger-client, B3":
        assume(told.sampled)  # it does not write that a trace is not sampled
    found = fields(peer.ours.extract(peer.inject(told)))
    if (
        name == "OpenTelemetry, W3C"
    ):  # it writes a space as "+", which in the specification is itself
        spaced = {key: value.replace(" ", "+") for key, value in told.baggage.items()}
        told = told._replace(baggage=spaced)
    assert found == told


@pytest.mark.parametrize("name", PEERS)
@given(told)
def test_what_is_injected_a_peer_extracts(name: str, told: Told) -> None:
    """Ids of 64 and 128 bits, the decision, and baggage where the format has it."""
    peer = PEERS[name]
    carrier: dict[str, str] = {}
    peer.ours.inject(
        BasicSpanContext(told.trace_id, told.span_id, told.baggage, told.sampled), carrier
    )
    theirs = peer.extract(carrier)
    if not peer.has_baggage:
        told = told._replace(baggage={})
    assert theirs._replace(baggage=theirs.baggage or {}) == told


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_tracestate_and_flags_pass_through_opentelemetry(flags: int) -> None:
    """Into it and out of it, with the random flag and without."""
    headers = {
        "traceparent": f"00-{1:032x}-{2:016x}-{flags:02x}",
        "tracestate": "rojo=00f067aa0ba902b7,congo@tenant=t61rcWkgMzE",
    }
    ours = W3C.extract(headers)
    assert ours is not None
    carrier: dict[str, str] = {}
    W3C.inject(ours, carrier)
    assert carrier == headers
    context = OTEL_W3C.extract(carrier, Context())
    carrier = {}
    OTEL_W3C.inject(carrier, context)
    assert carrier == headers


@pytest.fixture
def event_loop() -> Iterator[None]:
    """The main thread's event loop, which jaeger-client asks for; `asyncio.run` leaves none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


# jaeger-client leaves open the socket by which it finds its own address.
@pytest.mark.usefixtures("event_loop")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_trace_of_jaeger_client_runs_through_this_tracer_and_back() -> None:
    """Two services with Jaeger's tracer, and one with ours in the middle."""
    reporter = InMemoryReporter()
    jaeger = jaeger_client.Tracer("edge", reporter, jaeger_client.ConstSampler(True))
    recorder = InMemoryRecorder()
    ours = BasicTracer(
        recorder,
        propagators={Format.HTTP_HEADERS: CompositePropagator([W3C, JaegerPropagator(True)])},
    )
    edge = jaeger.start_span("edge").set_baggage_item("user", "alice b")
    headers: dict[str, str] = {}
    jaeger.inject(edge.context, Format.HTTP_HEADERS, headers)
    parent = ours.extract(Format.HTTP_HEADERS, headers)
    with ours.start_active_span("middle", child_of=parent) as scope:
        headers = {}
        ours.inject(scope.span, Format.HTTP_HEADERS, headers)
    inner = jaeger.start_span("inner", child_of=jaeger.extract(Format.HTTP_HEADERS, headers))
    inner.finish()
    edge.finish()
    (middle,) = recorder.get_spans()
    assert inner.trace_id == middle.context.trace_id == edge.trace_id
    assert (inner.parent_id, middle.parent_id) == (middle.context.span_id, edge.span_id)
    assert [span.operation_name for span in reporter.get_spans()] == ["inner", "edge"]
    assert inner.get_baggage_item("user") == "alice b"
    jaeger.close()
