"""What `export.py` measures: OpenTelemetry's SDK with its Zipkin JSON exporter."""

from __future__ import annotations

import sys

from measure import measure
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url, count = sys.argv[1], int(sys.argv[2])
provider = TracerProvider(resource=Resource.create({"service.name": "benchmark"}))
provider.add_span_processor(BatchSpanProcessor(ZipkinExporter(endpoint=url), max_queue_size=count))
tracer = provider.get_tracer("benchmark")


def span() -> None:
    with tracer.start_as_current_span("GET") as current:
        current.set_attribute("http.method", "GET")
        current.set_attribute("http.status_code", 200)


measure(span, lambda: provider.force_flush(60_000), count)
