"""This project behind OpenTelemetry's API, and behind OpenTracing's beside it: one active span."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_cases import CASE as FLASK
from flask_cases import flask_request
from opentelemetry import trace
from opentelemetry_cases import sent_span
from opentracing_cases import active_span

from opentracing_recorder import BasicTracer, Recorder
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

TITLE = "opentracing 2.5 for OpenTelemetry"
SHOWN = ("flask", "opentelemetry-instrumentation-flask", "opentelemetry-sdk")
IMPORTS: dict[str, str] = {}


class _Discard(Recorder):
    def record_span(self, span: Any) -> None:
        pass


def _basic_tracer() -> BasicTracer:
    return BasicTracer(_Discard(), scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128)


def _provider() -> trace.TracerProvider:
    return BasicTracerProvider(_basic_tracer())


def _sdk_provider() -> trace.TracerProvider:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())  # which does nothing
    return provider


def _tracer() -> trace.Tracer:
    return _provider().get_tracer("benchmark")


def _active_span() -> Any:
    tracer = _tracer()

    def run() -> None:
        with tracer.start_as_current_span("GET"):
            pass

    return run


def _request() -> Any:
    tracer = _tracer()

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


CASES = {
    "active span": _active_span,
    "request": _request,
    "active span, OpenTracing": lambda: active_span(_basic_tracer()),
    FLASK: lambda: flask_request(_provider()),
}
LEAST = {FLASK: lambda: flask_request(_sdk_provider())}
WITHOUT = {FLASK: lambda: flask_request(None)}


def export_otlp(url: str, count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """A span with 4 attributes, and what waits until it is acknowledged."""
    from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer

    recorder = OTLPRecorder("benchmark", url, queue_size=count)
    tracer = OTLPTracer("benchmark", scope_manager=OpenTelemetryScopeManager(), recorder=recorder)
    return sent_span(BasicTracerProvider(tracer).get_tracer("benchmark")), lambda: tracer.flush(60)
