"""py_zipkin. It encodes a trace when its root span ends; the result is dropped instead of sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from py_zipkin.request_helpers import create_http_headers, extract_zipkin_attrs_from_headers
from py_zipkin.transport import BaseTransportHandler, SimpleHTTPTransport
from py_zipkin.zipkin import zipkin_client_span, zipkin_server_span, zipkin_span
from workloads import LEVELS, gather, injecting, on_threads, received

TITLE = "py_zipkin"
SHOWN = ("py_zipkin",)
IMPORTS = {"import the tracer": "from py_zipkin.zipkin import zipkin_span"}


class _Discard(BaseTransportHandler):
    def get_max_payload_bytes(self) -> None:
        return None

    def send(self, payload: Any) -> None:
        pass


_discard = _Discard()


def _root(name: str = "GET", rate: float = 100.0) -> zipkin_span:
    return zipkin_span("benchmark", name, transport_handler=_discard, sample_rate=rate)


def _active_span() -> None:
    with _root():
        pass


def _root_span() -> None:
    span = _root()
    span.start()
    span.stop()


def _request(rate: float) -> Callable[[], object]:
    def run() -> None:
        with zipkin_server_span(
            "benchmark", "GET", transport_handler=_discard, sample_rate=rate
        ) as server:
            server.update_binary_annotations({"http.method": "GET"})
            server.update_binary_annotations({"http.url": "http://shop/checkout"})
            with zipkin_client_span("benchmark", "charge") as client:
                client.update_binary_annotations({"peer.service": "payment"})
                client.add_annotation("retry")
            server.update_binary_annotations({"http.status_code": "200"})

    return run


def _levels() -> None:
    with ExitStack() as stack:
        stack.enter_context(_root())
        for _ in range(LEVELS - 1):
            stack.enter_context(zipkin_span("benchmark", "GET"))


def _inject() -> Callable[[dict[str, str]], object]:
    _root().start()
    return lambda carrier: carrier.update(create_http_headers())


def _extract() -> Callable[[], object]:
    headers = received(_inject())
    return lambda: extract_zipkin_attrs_from_headers(headers)


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "root span": lambda: _root_span,
    "active span": lambda: _active_span,
    "request": lambda: _request(100.0),
    "request, not sampled": lambda: _request(0.0),
    "10 levels deep": lambda: _levels,
    "asyncio.gather of 100 spans": lambda: gather(_active_span),
    "8 threads": lambda: on_threads(_active_span),
    "extract X-B3-*": _extract,
    "inject X-B3-*": lambda: injecting(_inject()),
}


def export_zipkin(url: str, count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """A span with 4 tags, sent when it ends; hence there is nothing to wait for."""
    parts = urlsplit(url)
    transport = SimpleHTTPTransport(str(parts.hostname), int(parts.port or 80))

    def run() -> None:
        with zipkin_span(
            "benchmark", "GET", transport_handler=transport, sample_rate=100.0
        ) as span:
            span.update_binary_annotations({"component": "shop"})
            span.update_binary_annotations({"http.method": "GET"})
            span.update_binary_annotations({"http.url": "http://shop/checkout"})
            span.update_binary_annotations({"http.status_code": "200"})

    return run, lambda: None
