"""OpenTelemetry's SDK under its OpenTracing shim."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.shim.opentracing_shim import TracerShim, create_tracer
from opentracing_cases import header_cases, span_cases, tagged_span

TITLE = "its shim"
SHOWN = ("opentelemetry-opentracing-shim", "opentelemetry-sdk", "opentracing")
IMPORTS = {
    "import the tracer": "from opentelemetry.shim.opentracing_shim import create_tracer;"
    " from opentelemetry.sdk.trace import TracerProvider"
}


class _Discard(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        pass


def _tracer(sampled: bool = True) -> TracerShim:
    provider = TracerProvider() if sampled else TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(_Discard())
    return create_tracer(provider)


CASES = {**span_cases(_tracer), **header_cases("W3C", _tracer)}


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which a processor keeps."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    return tagged_span(create_tracer(provider))
