"""What `export.py` measures: ZipkinTracer."""

from __future__ import annotations

import sys

from measure import measure

from opentracing_recorder.zipkin import ZipkinTracer

url, count = sys.argv[1], int(sys.argv[2])
tracer = ZipkinTracer("benchmark", url, queue_size=count)


def span() -> None:
    with tracer.start_active_span("GET") as scope:
        scope.span.set_tag("http.method", "GET").set_tag("http.status_code", 200)


measure(span, lambda: tracer.flush(60), count)
