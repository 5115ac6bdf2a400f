"""A Flask service: a request that succeeds, and one whose handler raises."""

from __future__ import annotations

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor


def run() -> list[int]:
    app = Flask("shop")
    FlaskInstrumentor().instrument_app(app)

    @app.route("/items/<number>")
    def item(number: str) -> str:
        return number

    @app.route("/fail")
    def fail() -> str:
        raise ValueError("no such item")

    client = app.test_client()
    headers = {"traceparent": f"00-{1:032x}-{2:016x}-01", "tracestate": "vendor=1"}
    return [client.get(path, headers=headers).status_code for path in ("/items/7", "/fail")]
