"""How the API is used, for type checkers alone: never imported, never run."""

from __future__ import annotations

import io
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
    NotASpan,
    ProbabilisticSampler,
    Recorder,
    Sampler,
    TextPropagator,
    Trace,
    read_spans,
    write_spans,
)
from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer
from opentracing_recorder.statistics import (
    Comparison,
    PathPiece,
    by_operation,
    compare,
    critical_path,
    errors,
    matching,
    slowest,
)
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
    skipped: list[NotASpan] = []
    read: list[dict[str, Any]] = list(read_spans("spans.json", skipped.append))
    number: int = write_spans(read, "spans.json.gz", "otlp") + write_spans(found, io.BytesIO())
    print(number, Trace.from_spans(read_spans(b"[]")))


def over_otlp() -> None:
    recorder = OTLPRecorder("shop", resource_attributes={"host.name": "a"}, send_timeout=1.0)
    tracer: BasicTracer = OTLPTracer("shop", recorder=recorder)
    print(recorder.stats.sent, OTLPTracer("shop", "http://localhost:4318").close(), tracer)


def questions(before: list[Trace], after: list[Trace]) -> None:
    where = matching(operation="x", tags={"http.status_code": 500}, slower_than=0.2, since=1e9)
    slow: list[str] = [row.trace_id for row in slowest(after, 3, where)]
    middles: list[float | None] = [row.p50 for row in by_operation(after, lambda span: span.error)]
    changes: list[Comparison] = compare(before, after, where, at_least=0.2)
    path: list[PathPiece] = critical_path(after[0])
    print(slow, middles, changes, path, errors(after)[0].message)


def a_name_that_is_not_there() -> None:
    print(opentracing_recorder.Nonsense)  # type: ignore[attr-defined]
