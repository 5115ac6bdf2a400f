"""A request through code of both APIs, for tests that look at its trace in different places.

An instrumented client asks an instrumented Flask service. Its handler calls a library on
`opentracing`, which calls code on OpenTelemetry's API, which asks a second service by an
instrumented client. OpenTelemetry's provider and the global tracer are those of the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import requests
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from werkzeug.serving import make_server

import opentracing

TREE = """\
GET span.kind='client'
  GET /orders/<item> span.kind='server'
    look up item='pear'
      price
        GET span.kind='client'
          GET /rate span.kind='server'"""
"""The trace, as `outline` has it with the tags ``span.kind`` and ``item``."""


def order() -> None:
    """Send the request, and return when everything that it started has ended."""
    with ExitStack() as stack:
        RequestsInstrumentor().instrument()
        stack.callback(RequestsInstrumentor().uninstrument)
        rates, shop = Flask("rates"), Flask("shop")
        rates.add_url_rule("/rate", view_func=lambda: "2")
        rates_url = stack.enter_context(_served(rates))
        shop.add_url_rule("/orders/<item>", view_func=lambda item: str(_look_up(item, rates_url)))
        shop_url = stack.enter_context(_served(shop))
        with requests.get(f"{shop_url}/orders/pear") as answer:
            assert answer.text == "6"


def _look_up(item: str, rates_url: str) -> int:
    """What a library does that knows OpenTracing alone."""
    with opentracing.global_tracer().start_active_span("look up", tags={"item": item}):
        return _price(3, rates_url)


def _price(amount: int, rates_url: str) -> int:
    """What a library does that knows OpenTelemetry alone."""
    tracer = trace.get_tracer("prices", "1.2")
    with tracer.start_as_current_span("price"), requests.get(f"{rates_url}/rate") as answer:
        return amount * int(answer.text)


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    """Instrument and serve the application, one request after the other."""
    FlaskInstrumentor().instrument_app(app)
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
