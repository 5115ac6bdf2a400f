"""How the API is used, for type checkers alone: never imported, never run."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
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
    FilterCounts,
    FilterRecorder,
    InMemoryRecorder,
    NotASpan,
    ProbabilisticSampler,
    Recorder,
    Redaction,
    Sampler,
    TailCounts,
    TailRecorder,
    TextPropagator,
    Trace,
    read_spans,
    write_spans,
)
from opentracing_recorder.kafka import KafkaRecorder
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
        recording: bool = span.set_tags({"a": 1}).is_recording()
        failed: Span = span.record_exception(ValueError(recording))
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
    print(trace_id, baggage, failed, tracer.close(timeout=1))


async def a_task(tracer: Tracer) -> Span:
    async with tracer.start_active_span("x") as scope, tracer.start_span("y") as span:
        entered: Scope = scope
        return span.record_exception(ValueError(entered))


def work_handed_on(tracer: Tracer) -> None:
    def double(number: int) -> int:
        return 2 * number

    async def triple(number: int) -> int:
        return 3 * number

    bound: Callable[[int], int] = opentracing.wrap(double, tracer=tracer)
    coroutine: Coroutine[Any, Any, int] = opentracing.wrap(triple)(1)
    coroutine.close()
    with opentracing.TracedExecutor(ThreadPoolExecutor(), tracer=tracer) as pool:
        executor: Executor = pool
        future: Future[int] = pool.submit(double, 1)
        numbers: list[int] = list(executor.map(bound, [1, 2], timeout=1.0))
    opentracing.wrap(double)("1")  # type: ignore[arg-type]
    print(future.result(), numbers)


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
    filtered = FilterRecorder(VendorRecorder(), lambda span: span if span.tags else None)
    filter_counts: FilterCounts = FilterRecorder(filtered, Redaction(["iban"])).counts
    dropped: int = filter_counts.dropped
    assert dropped == 0
    recorder = InMemoryRecorder(max_spans=10)
    propagator = CompositePropagator([TextPropagator(encode_values=True)])
    tracer = BasicTracer(
        recorder,
        ProbabilisticSampler(0.5),
        ThreadLocalScopeManager(),
        propagators={Format.HTTP_HEADERS: propagator},
        service_name="shop",
    )
    tail = TailRecorder(recorder, slower_than=0.5, keep=lambda spans: len(spans) > 9, rate=0.1)
    counts: TailCounts = tail.counts
    held: int = counts.held
    assert held == 0
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


def over_kafka() -> None:
    recorder = KafkaRecorder("shop", "kafka:9092", format="otlp", config={"linger.ms": 20})
    print(recorder.topic, recorder.stats.sent, OTLPTracer("shop", recorder=recorder).close())


def a_name_that_is_not_there() -> None:
    print(opentracing_recorder.Nonsense)  # type: ignore[attr-defined]


@opentracing.traced
def decorated(first: int, *, second: str = "") -> bool:
    return bool(first and second)


@opentracing.traced()
async def decorated_coroutine(first: int) -> str:
    return str(first)


@opentracing.traced("items", tags={"component": "shop"}, tracer=Tracer())
def decorated_generator(count: int) -> Generator[int, str, bool]:
    word = yield count
    return bool(word)


@opentracing.traced("pages")
async def decorated_async_generator() -> AsyncGenerator[bytes, None]:
    yield b""


class Decorated:
    @opentracing.traced
    def method(self, first: int) -> int:
        return first

    @classmethod
    @opentracing.traced
    def class_method(cls, first: int) -> Decorated:
        return cls()

    @staticmethod
    @opentracing.traced("static")
    def static_method(first: int) -> int:
        return first

    @opentracing.traced
    @classmethod
    def class_method_inside(cls, first: int) -> Decorated:
        return cls()

    @opentracing.traced("static")
    @staticmethod
    def static_method_inside(first: int) -> int:
        return first

    @property
    @opentracing.traced
    def name(self) -> str:
        return ""


async def a_decorated_program(shop: Decorated) -> None:
    same: bool = decorated(1, second="a")
    text: str = await decorated_coroutine(1)
    generator: Generator[int, str, bool] = decorated_generator(1)
    async for page in decorated_async_generator():
        part: bytes = page
        print(part)
    number: int = shop.method(1) + Decorated.static_method(1) + shop.static_method_inside(2)
    other: Decorated = Decorated.class_method(1).class_method_inside(2)
    name: str = other.name
    print(same, text, generator, number, name)
    decorated("1")  # type: ignore[arg-type]
    opentracing.traced(1)  # type: ignore[call-overload]
    opentracing.traced(decorated, tags=1)  # type: ignore[call-overload]
