"""The cases for everything that has OpenTracing's API; imported by the programs of those peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workloads import LEVELS, gather, injecting, on_threads, received

import opentracing

Factory = Callable[[], Callable[[], object]]


def root_span(tracer: Any) -> Callable[[], object]:
    """A span that is never active."""
    return lambda: tracer.start_span("GET").finish()


def active_span(tracer: Any) -> Callable[[], None]:
    """A span in a with statement."""

    def run() -> None:
        with tracer.start_active_span("GET"):
            pass

    return run


def request(tracer: Any) -> Callable[[], None]:
    """A server span with 4 tags, and in it a client span with 2 tags and 1 log."""

    def run() -> None:
        with tracer.start_active_span("GET") as server:
            server.span.set_tag("span.kind", "server")
            server.span.set_tag("http.method", "GET")
            server.span.set_tag("http.url", "http://shop/checkout")
            with tracer.start_active_span("charge") as client:
                client.span.set_tag("span.kind", "client")
                client.span.set_tag("peer.service", "payment")
                client.span.log_kv({"event": "retry", "attempt": 1})
            server.span.set_tag("http.status_code", 200)

    return run


def levels(tracer: Any) -> Callable[[], None]:
    """Spans in spans."""

    def run() -> None:
        scopes = [tracer.start_active_span("GET") for _ in range(LEVELS)]
        for scope in reversed(scopes):
            scope.close()

    return run


def tagged_span(tracer: Any) -> Callable[[], None]:
    """A span with 2 tags."""

    def run() -> None:
        with tracer.start_active_span("GET") as scope:
            scope.span.set_tag("http.method", "GET").set_tag("http.status_code", 200)

    return run


def sent_span(tracer: Any) -> Callable[[], None]:
    """A span with 4 tags, as exports send it."""

    def run() -> None:
        with tracer.start_active_span("GET") as scope:
            span = scope.span
            span.set_tag("component", "shop")
            span.set_tag("http.method", "GET")
            span.set_tag("http.url", "http://shop/checkout")
            span.set_tag("http.status_code", 200)

    return run


def span_cases(make: Callable[..., Any]) -> dict[str, Factory]:
    """The cases about spans; `make` gives a tracer, and one that drops all with `sampled=False`.

    Its tracers keep the active span so that threads and tasks are told apart.
    """
    return {
        "root span": lambda: root_span(make()),
        "active span": lambda: active_span(make()),
        "request": lambda: request(make()),
        "request, not sampled": lambda: request(make(sampled=False)),
        "10 levels deep": lambda: levels(make()),
        "asyncio.gather of 100 spans": lambda: gather(active_span(make())),
        "8 threads": lambda: on_threads(active_span(make())),
    }


def header_cases(name: str, make: Callable[[], Any]) -> dict[str, Factory]:
    """Inject and extract for the format of the tracer that `make` gives."""

    def inject(tracer: Any) -> Callable[[dict[str, str]], object]:
        context = tracer.start_span("GET").context
        return lambda carrier: tracer.inject(context, opentracing.Format.HTTP_HEADERS, carrier)

    def extract() -> Callable[[], object]:
        tracer = make()
        headers = received(inject(tracer))
        if tracer.extract(opentracing.Format.HTTP_HEADERS, headers) is None:
            raise RuntimeError("nothing was extracted")
        return lambda: tracer.extract(opentracing.Format.HTTP_HEADERS, headers)

    return {f"extract {name}": extract, f"inject {name}": lambda: injecting(inject(make()))}


def binary_cases(make: Callable[[], Any]) -> dict[str, Factory]:
    """Inject and extract for the binary format."""

    def inject() -> Callable[[], object]:
        tracer = make()
        context = tracer.start_span("GET").context
        return lambda: tracer.inject(context, opentracing.Format.BINARY, bytearray())

    def extract() -> Callable[[], object]:
        tracer = make()
        carrier = bytearray()
        tracer.inject(tracer.start_span("GET").context, opentracing.Format.BINARY, carrier)
        return lambda: tracer.extract(opentracing.Format.BINARY, carrier)

    return {"extract binary": extract, "inject binary": inject}


def noop_case() -> dict[str, Factory]:
    """The tracer that the API itself has."""
    return {"no-op active span": lambda: active_span(opentracing.Tracer())}
