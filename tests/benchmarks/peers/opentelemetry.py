"""OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry_cases import sent_span
from workloads import (
    LEVELS,
    awaiting,
    gather,
    injecting,
    nothing,
    nothing_awaited,
    on_threads,
    received,
)

TITLE = "OpenTelemetry"
SHOWN = ("opentelemetry-sdk",)
IMPORTS = {"import the tracer": "from opentelemetry.sdk.trace import TracerProvider"}


class _Discard(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        pass


def _tracer(sampled: bool = True) -> trace.Tracer:
    provider = TracerProvider() if sampled else TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(_Discard())
    return provider.get_tracer("benchmark")


def _root_span() -> Callable[[], object]:
    tracer = _tracer()
    return lambda: tracer.start_span("GET").end()


def _active_span(tracer: trace.Tracer) -> Callable[[], object]:
    def run() -> None:
        with tracer.start_as_current_span("GET"):
            pass

    return run


def _request(tracer: trace.Tracer) -> Callable[[], object]:
    def run() -> None:
        with tracer.start_as_current_span("GET") as server:
            server.set_attribute("span.kind", "server")
            server.set_attribute("http.method", "GET")
            server.set_attribute("http.url", "http://shop/checkout")
            with tracer.start_as_current_span("charge") as client:
                client.set_attribute("span.kind", "client")
                client.set_attribute("peer.service", "payment")
                client.add_event("retry", {"attempt": 1})
            server.set_attribute("http.status_code", 200)

    return run


def _levels() -> Callable[[], object]:
    tracer = _tracer()

    def run() -> None:
        scopes = [tracer.start_as_current_span("GET") for _ in range(LEVELS)]
        for scope in scopes:
            scope.__enter__()
        for scope in reversed(scopes):
            scope.__exit__(None, None, None)

    return run


def _tagged_span(tracer: trace.Tracer) -> Callable[[], object]:
    def run() -> None:
        with tracer.start_as_current_span("GET") as span:
            span.set_attribute("http.method", "GET")
            span.set_attribute("http.status_code", 200)

    return run


def _inject(propagator: Any) -> Callable[[dict[str, str]], object]:
    context = trace.set_span_in_context(_tracer().start_span("GET"))
    return lambda carrier: propagator.inject(carrier, context)


def _extract(propagator: Any) -> Callable[[], object]:
    headers = received(_inject(propagator))
    return lambda: propagator.extract(headers)


def _decorated(function: Any, tracer: trace.Tracer) -> Any:
    return tracer.start_as_current_span("GET")(function)


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "no-op active span": lambda: _active_span(trace.NoOpTracer()),
    "no-op decorated call": lambda: _decorated(nothing, trace.NoOpTracer()),
    "no-op decorated coroutine": lambda: awaiting(_decorated(nothing_awaited, trace.NoOpTracer())),
    "decorated call": lambda: _decorated(nothing, _tracer()),
    "root span": _root_span,
    "active span": lambda: _active_span(_tracer()),
    "request": lambda: _request(_tracer()),
    "request, not sampled": lambda: _request(_tracer(sampled=False)),
    "10 levels deep": _levels,
    "asyncio.gather of 100 spans": lambda: gather(_active_span(_tracer())),
    "8 threads": lambda: on_threads(_active_span(_tracer())),
    "extract W3C": lambda: _extract(TraceContextTextMapPropagator()),
    "inject W3C": lambda: injecting(_inject(TraceContextTextMapPropagator())),
    "extract b3": lambda: _extract(B3SingleFormat()),
    "inject b3": lambda: injecting(_inject(B3SingleFormat())),
    "extract X-B3-*": lambda: _extract(B3MultiFormat()),
    "inject X-B3-*": lambda: injecting(_inject(B3MultiFormat())),
    "extract uber-trace-id": lambda: _extract(JaegerPropagator()),
    "inject uber-trace-id": lambda: injecting(_inject(JaegerPropagator())),
}


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which a processor keeps."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    return _tagged_span(provider.get_tracer("benchmark"))


Export = tuple[Callable[[], object], Callable[[], object]]
"""A span with 4 tags, and what waits until it is acknowledged."""


def export_zipkin(url: str, count: int) -> Export:
    from opentelemetry.exporter.zipkin.json import ZipkinExporter

    return _export(ZipkinExporter(endpoint=f"{url}/api/v2/spans"), count)


def export_otlp(url: str, count: int) -> Export:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return _export(OTLPSpanExporter(endpoint=f"{url}/v1/traces"), count)


def _export(exporter: Any, count: int) -> Export:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "benchmark"}))
    # No smaller than a batch may be.
    processor = BatchSpanProcessor(exporter, max_queue_size=max(count, 2048))
    provider.add_span_processor(processor)
    return sent_span(provider.get_tracer("benchmark")), lambda: provider.force_flush(60_000)
