"""A FastAPI service: an answer, a handler that raises, and a path that is not there."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry import baggage, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

HEADERS = {
    "traceparent": f"00-{1:032x}-{2:016x}-01",
    "tracestate": "vendor=1",
    "baggage": "user=amy",
}


def run() -> object:
    app = FastAPI()
    seen = []

    @app.get("/items/{number}")
    async def item(number: int) -> int:
        with trace.get_tracer("shop").start_as_current_span("look up"):
            seen.append(baggage.get_baggage("user"))
        return number

    @app.get("/fail")
    def fail() -> None:
        raise ValueError("no such item")

    FastAPIInstrumentor.instrument_app(app)
    client = TestClient(app, raise_server_exceptions=False)
    paths = ("/items/7", "/fail", "/missing")
    return [[client.get(path, headers=HEADERS).status_code for path in paths], seen]
