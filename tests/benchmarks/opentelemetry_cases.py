"""A case for everything that has OpenTelemetry's API; imported by the programs of those peers."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace


def sent_span(tracer: trace.Tracer) -> Callable[[], None]:
    """A span with 4 attributes, as exports send it."""

    def run() -> None:
        with tracer.start_as_current_span("GET") as span:
            span.set_attribute("component", "shop")
            span.set_attribute("http.method", "GET")
            span.set_attribute("http.url", "http://shop/checkout")
            span.set_attribute("http.status_code", 200)

    return run
