"""A Starlette service: an answer, a handler that raises, and a path that is not there."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

HEADERS = {
    "traceparent": f"00-{1:032x}-{2:016x}-01",
    "tracestate": "vendor=1",
    "baggage": "user=amy",
}


async def item(request: Request) -> PlainTextResponse:
    trace.get_current_span().set_attribute("number", request.path_params["number"])
    return PlainTextResponse("here")


def fail(request: Request) -> PlainTextResponse:
    raise ValueError("no such item")


def run() -> object:
    app = Starlette(routes=[Route("/items/{number:int}", item), Route("/fail", fail)])
    StarletteInstrumentor.instrument_app(app)
    client = TestClient(app, raise_server_exceptions=False)
    paths = ("/items/7", "/fail", "/missing")
    return [client.get(path, headers=HEADERS).status_code for path in paths]
