"""How the API is used, for type checkers alone: never imported, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import opentracing
import opentracing_recorder
from opentracing import Format, Reference, Scope, Span, SpanContext, Tracer
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositePropagator,
    InMemoryRecorder,
    ProbabilisticSampler,
    Recorder,
    Sampler,
    TextPropagator,
    Trace,
)
from opentracing_recorder.kafka import KafkaRecorder
from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer
from opentracing_recorder.timeline import render_html, render_text


def a_library(tracer: Tracer, headers: dict[str, str]) -> None:
    caller: SpanContext | None = tracer.extract(Format.HTTP_HEADERS, headers)
    with tracer.start_active_span("x", child_of=caller, tags={"a": 1}) as scope:
        entered: Scope = scope
        span: Span = entered.span.set_tag("a", 1).log_kv({"event": "e"}, 1.0)
        tracer.inject(span, Format.HTTP_HEADERS, headers)
        tracer.inject(span.context, Format.HTTP_HEADERS, headers)
    reference: Reference = opentracing.follows_from(caller)
    tracer.start_span("x", references=reference).finish()
    tracer.start_span("x", references=[reference]).finish(1.0)
    active: Span | None = tracer.active_span
    if active is not None:
        opentracing.start_child_span(active, "child").finish()
    with opentracing.use_tracer(tracer) as used:
        opentracing.set_global_tracer(used)
    trace_id: str = span.context.to_trace_id()
    baggage: Mapping[str, str] = span.context.baggage
    print(trace_id, baggage, tracer.close(timeout=1))


class VendorRecorder(Recorder):
    def record_span(self, span: BasicSpan) -> None:
        seconds: float = span.duration
        name: str = span.operation_name
        context: BasicSpanContext = span.context
        print(seconds, name, context.trace_id, span.to_dict()["tags"])


class OwnSampler(Sampler):
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return trace_id % 2 == 0

    def sampled_start(
        self,
        trace_id: int,
        operation_name: str,
        tags: Mapping[str, Any],
        parent: BasicSpanContext,
    ) -> bool:
        if parent.has_trace and parent.baggage.get("debug"):
            return True
        decision: bool = super().sampled_start(trace_id, operation_name, tags, parent)
        return decision and tags.get("span.kind") != "consumer"


def an_application() -> None:
    recorder = InMemoryRecorder(max_spans=10)
    propagator = CompositePropagator([TextPropagator(encode_values=True)])
    tracer = BasicTracer(
        recorder,
        ProbabilisticSampler(0.5),
        ThreadLocalScopeManager(),
        propagators={Format.HTTP_HEADERS: propagator},
        service_name="shop",
    )
    with BasicTracer(VendorRecorder(), OwnSampler()) as other:
        span: BasicSpan = other.start_span("x").set_tag("a", 1)
        span.finish()
    found: list[BasicSpan] = recorder.find(tags={"a": 1}, error=False)
    traces: list[Trace] = Trace.from_spans(found)
    print(render_text(traces), render_html(traces), tracer.flush(1.0))


def over_otlp() -> None:
    recorder = OTLPRecorder("shop", resource_attributes={"host.name": "a"}, send_timeout=1.0)
    tracer: BasicTracer = OTLPTracer("shop", recorder=recorder)
    print(recorder.stats.sent, OTLPTracer("shop", "http://localhost:4318").close(), tracer)


def over_kafka() -> None:
    recorder = KafkaRecorder("shop", "kafka:9092", format="otlp", config={"linger.ms": 20})
    print(recorder.topic, recorder.stats.sent, OTLPTracer("shop", recorder=recorder).close())


def a_name_that_is_not_there() -> None:
    print(opentracing_recorder.Nonsense)  # type: ignore[attr-defined]
