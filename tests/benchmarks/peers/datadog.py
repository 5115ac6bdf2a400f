"""ddtrace, Datadog's tracer. Its traces are made in full, and dropped instead of sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.update(
    DD_TRACE_PROPAGATION_STYLE="tracecontext",
    DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
    DD_REMOTE_CONFIGURATION_ENABLED="false",
)

from ddtrace.propagation.http import HTTPPropagator
from ddtrace.trace import Span, TraceFilter, tracer
from workloads import (
    LEVELS,
    awaiting,
    exhausting,
    gather,
    injecting,
    nothing,
    nothing_awaited,
    nothing_generated,
    on_threads,
    received,
)

TITLE = "ddtrace"
SHOWN = ("ddtrace",)
IMPORTS = {"import the tracer": "from ddtrace.trace import tracer"}


class _Discard(TraceFilter):
    def process_trace(self, trace: list[Span]) -> list[Span] | None:
        return None


class _Keep(TraceFilter):
    def __init__(self) -> None:
        self.traces: list[list[Span]] = []

    def process_trace(self, trace: list[Span]) -> list[Span] | None:
        self.traces.append(trace)
        return None


tracer.configure(trace_processors=[_Discard()])


def _active_span() -> None:
    with tracer.trace("GET"):
        pass


def _disabled() -> Callable[[], object]:
    tracer.enabled = False
    return _active_span


def _root_span() -> None:
    tracer.start_span("GET").finish()


def _request() -> None:
    with tracer.trace("GET") as server:
        server.set_tag("span.kind", "server")
        server.set_tag("http.method", "GET")
        server.set_tag("http.url", "http://shop/checkout")
        with tracer.trace("charge") as client:
            client.set_tag("span.kind", "client")
            client.set_tag("peer.service", "payment")
            client._add_event("retry", {"attempt": 1})
        server.set_tag("http.status_code", 200)


def _levels() -> None:
    spans = [tracer.trace("GET") for _ in range(LEVELS)]
    for span in reversed(spans):
        span.finish()


def _inject() -> Callable[[dict[str, str]], object]:
    span = tracer.start_span("GET")
    return lambda carrier: HTTPPropagator.inject(span, carrier)


def _extract() -> Callable[[], object]:
    headers = received(_inject())
    return lambda: HTTPPropagator.extract(headers)


def _decorated(function: Any, enabled: bool) -> Any:
    tracer.enabled = enabled
    return tracer.wrap("GET")(function)


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "no-op active span": _disabled,
    "no-op decorated call": lambda: _decorated(nothing, False),
    "no-op decorated coroutine": lambda: awaiting(_decorated(nothing_awaited, False)),
    "no-op decorated generator": lambda: exhausting(_decorated(nothing_generated, False)),
    "decorated call": lambda: _decorated(nothing, True),
    "root span": lambda: _root_span,
    "active span": lambda: _active_span,
    "request": lambda: _request,
    "10 levels deep": lambda: _levels,
    "asyncio.gather of 100 spans": lambda: gather(_active_span),
    "8 threads": lambda: on_threads(_active_span),
    "extract W3C": _extract,
    "inject W3C": lambda: injecting(_inject()),
}


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which a processor keeps."""
    tracer.configure(trace_processors=[_Keep()])

    def run() -> None:
        with tracer.trace("GET") as span:
            span.set_tag("http.method", "GET")
            span.set_tag("http.status_code", 200)

    return run
