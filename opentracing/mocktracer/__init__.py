"""MockTracer, for the test suites of instrumentation: it keeps every span, with ids 1, 2, 3.

::

    from opentracing.mocktracer import MockTracer

    tracer = MockTracer()
    with tracer.start_active_span("fetch") as scope:
        scope.span.set_tag("http.method", "GET")

    (span,) = tracer.finished_spans()
    assert (span.operation_name, span.tags) == ("fetch", {"http.method": "GET"})
    assert (span.context.trace_id, span.context.span_id) == (2, 1)
    assert tracer.unfinished_spans() == []
    tracer.reset()

It is a `BasicTracer` with an `InMemoryRecorder`. Spans stay changeable after they are finished, and
a carrier without a trace raises `SpanContextCorruptedException`. To test an application, the pytest
fixture of `opentracing_recorder.captrace` does more.

This is the one place where `opentracing` uses `opentracing_recorder`. `import opentracing` does not
load it.
"""

from __future__ import annotations

from .propagator import Propagator
from .tracer import MockTracer

__all__ = ["MockTracer", "Propagator"]
