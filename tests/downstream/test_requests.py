"""requests-opentracing between a real client and a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from requests_opentracing import SessionTracing

import opentracing

from .conftest import http_tags


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Answers 200, and keeps the headers that it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.seen.append(self.headers)  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_is_a_span_and_carries_it(tracer: Any, spans: Any, server: Any) -> None:
    """The server extracts the very context of the client's span."""
    url = f"http://127.0.0.1:{server.server_port}/stock"
    session = SessionTracing(tracer, span_tags={"team": "shop"})
    with tracer.start_active_span("checkout"), session:
        assert session.get(url).status_code == 200
    request, checkout = spans()
    assert request.operation_name == "requests.get"
    tags = http_tags("requests", "client", "get", url)
    assert request.tags == {**tags, "team": "shop"}
    assert request.parent_id == checkout.context.span_id
    received = tracer.extract(opentracing.Format.HTTP_HEADERS, server.seen[0])
    assert received.trace_id == request.context.trace_id
    assert received.span_id == request.context.span_id


def test_a_refused_connection_is_an_error(tracer: Any, spans: Any, server: Any) -> None:
    """The exception reaches the caller, and the span has it as its error."""
    with pytest.raises(requests.ConnectionError):
        SessionTracing(tracer).get("http://127.0.0.1:1/")
    (span,) = spans()
    assert span.tags["error"] is True
    assert any(log.key_values["error.object"] for log in span.logs)


@pytest.mark.usefixtures("as_global_tracer")
def test_without_a_tracer_it_uses_the_global_one(spans: Any, server: Any) -> None:
    """`SessionTracing()` reads `opentracing.tracer` at each request."""
    SessionTracing().get(f"http://127.0.0.1:{server.server_port}/")
    assert [span.operation_name for span in spans()] == ["requests.get"]
