"""Three services on this machine, traced: a shop that calls stock and payment.

    python examples/checkout.py [--html FILE] [--zipkin URL]

Prints each trace as a timeline, and writes them all to one HTML page. With the URL of a Zipkin,
such as http://localhost:9411, it sends them there too. `TracedHandler` and `call` show how to
instrument a server and a client.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import socket
from typing import Any

import opentracing
from opentracing import Format, logs, tags
from opentracing_recorder import BasicTracer, CompositeRecorder, InMemoryRecorder, Trace
from opentracing_recorder.timeline import render_html, render_text


class TracedHandler(BaseHTTPRequestHandler):
    """Inbound: continues the caller's trace, and keeps the server span active in `respond`."""

    server: Service

    def do_GET(self) -> None:
        tracer = self.server.tracer
        try:
            caller = tracer.extract(Format.HTTP_HEADERS, self.headers)
        except opentracing.SpanContextCorruptedException:
            caller = None  # a broken header must not fail the request: a new trace starts
        # Backends group spans by name, so it has the route; a tag has the whole address. The only
        # parent of a request is its caller, even if a span is active on the accepting thread.
        with tracer.start_active_span(
            f"GET {self.server.route}", child_of=caller, ignore_active_span=True
        ) as scope:
            span = scope.span
            span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)
            span.set_tag(tags.COMPONENT, "http.server")
            span.set_tag(tags.HTTP_METHOD, "GET")
            span.set_tag(tags.HTTP_URL, f"{self.server.url}{self.path}")
            span.set_tag(tags.PEER_HOST_IPV4, self.client_address[0])
            span.set_tag(tags.PEER_PORT, self.client_address[1])
            try:
                status, body = self.server.respond(self.path)
            except Exception as error:
                span.set_tag(tags.ERROR, True)
                span.log_kv({logs.EVENT: "error", logs.ERROR_OBJECT: error})
                status, body = 500, f"{type(error).__name__}: {error}"
            span.set_tag(tags.HTTP_STATUS_CODE, status)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Log nothing: the timeline has more than an access log."""


def call(tracer: opentracing.Tracer, service: Service, path: str) -> str:
    """Outbound: a client span around the request, with its context in the request's headers."""
    with tracer.start_active_span(f"call {service.name}") as scope:
        span = scope.span
        span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_CLIENT)
        span.set_tag(tags.COMPONENT, "http.client")
        span.set_tag(tags.HTTP_METHOD, "GET")
        span.set_tag(tags.HTTP_URL, f"{service.url}{path}")
        span.set_tag(tags.PEER_SERVICE, service.name)
        span.set_tag(tags.PEER_PORT, service.server_port)
        headers: dict[str, str] = {}
        tracer.inject(span.context, Format.HTTP_HEADERS, headers)
        connection = http.client.HTTPConnection("127.0.0.1", service.server_port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        span.set_tag(tags.HTTP_STATUS_CODE, response.status)
        if response.status >= 500:
            raise CallFailed(f"{service.name} answered {response.status}: {body}")
        return body


class CallFailed(Exception):
    """Another service has failed."""


class Service(HTTPServer):
    """An HTTP service with its own pool of threads, its own tracer, and its own name."""

    route: str

    def __init__(self, name: str, zipkin: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), TracedHandler)
        self.name = name
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.recorder = InMemoryRecorder()
        self.tracer = make_tracer(name, self.recorder, zipkin)
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix=name)
        self._acceptor = threading.Thread(target=self.serve_forever, args=(0.02,), name=name)

    def respond(self, path: str) -> tuple[int, str]:
        """The service's own work, with the server span active."""
        raise NotImplementedError

    def process_request(self, request: Any, client_address: Any) -> None:
        self._pool.submit(self._work, request, client_address)

    def _work(self, request: socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # such as a client that disconnected; the pool does not report it
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def __enter__(self) -> Service:
        self._acceptor.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self._acceptor.join()
        self._pool.shutdown()
        self.server_close()
        self.tracer.close()


def make_tracer(service: str, recorder: InMemoryRecorder, zipkin: str | None) -> BasicTracer:
    """A tracer that records in memory, and sends to Zipkin if there is one."""
    if zipkin is None:
        return BasicTracer(recorder, service_name=service)
    from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer  # needs an extra

    both = CompositeRecorder([recorder, ZipkinRecorder(service, f"{zipkin}/api/v2/spans")])
    return ZipkinTracer(recorder=both)


class Stock(Service):
    """Reports which items are in store, from a database that is slow for rare items."""

    route = "/stock"

    def respond(self, path: str) -> tuple[int, str]:
        item = path.rpartition("/")[2]
        with self.tracer.start_active_span("SELECT stock") as scope:
            scope.span.set_tag(tags.DATABASE_TYPE, "sql")
            scope.span.set_tag(tags.DATABASE_STATEMENT, "SELECT * FROM stock WHERE item = ?")
            slow = item == "unicorn"
            time.sleep(0.12 if slow else 0.004)
            if slow:
                scope.span.log_kv({"event": "slow query", "rows.examined": 1_204_331})
        return 200, "in store"


class Payment(Service):
    """Charges a card; one of the cards has expired."""

    route = "/charge"

    def respond(self, path: str) -> tuple[int, str]:
        with self.tracer.start_active_span("charge card"):
            time.sleep(0.01)
            if path.endswith("expired"):
                raise ValueError("the card has expired")
        return 200, "charged"


class Shop(Service):
    """The service for customers: /checkout/ITEM/CARD."""

    route = "/checkout"

    def __init__(self, stock: Stock, payment: Payment, zipkin: str | None = None) -> None:
        super().__init__("shop", zipkin)
        self.stock = stock
        self.payment = payment

    def respond(self, path: str) -> tuple[int, str]:
        item, card = path.split("/")[-2:]
        call(self.tracer, self.stock, f"{self.stock.route}/{item}")
        try:
            call(self.tracer, self.payment, f"{self.payment.route}/{card}")
        except CallFailed as error:
            return 402, f"not sold: {error}"
        return 200, "sold"


def main() -> None:
    """Send a few orders through the shop, and show the recorded traces."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--html", type=Path, help="write the page to this file (default: a new one)"
    )
    parser.add_argument("--zipkin", metavar="URL", help="send the traces to this Zipkin too")
    arguments = parser.parse_args()
    zipkin = arguments.zipkin and arguments.zipkin.rstrip("/")

    stock, payment = Stock("stock", zipkin), Payment("payment", zipkin)
    shop = Shop(stock, payment, zipkin)
    with stock, payment, shop:
        for order in ("teapot/valid", "teapot/expired", "unicorn/valid"):
            connection = http.client.HTTPConnection("127.0.0.1", shop.server_port, timeout=10)
            connection.request("GET", f"/checkout/{order}")
            response = connection.getresponse()
            print(f"{order:16} {response.status} {response.read().decode()}")
            connection.close()

    recorded = [span for service in (shop, stock, payment) for span in service.recorder.spans]
    traces = Trace.from_spans(recorded)
    print(f"\n{render_text(traces)}\n")
    page = arguments.html or Path(tempfile.mkdtemp(prefix="checkout-")) / "traces.html"
    page.write_text(render_html(traces, title="Three orders at the shop"), encoding="utf-8")
    print(f"The same as a page: {page}")
    if zipkin:
        for trace in traces:
            print(f"In Zipkin: {zipkin}/zipkin/traces/{trace.trace_id}")


if __name__ == "__main__":
    main()
