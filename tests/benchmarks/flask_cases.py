"""A request of Flask, instrumented for OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from werkzeug.test import EnvironBuilder
from workloads import OTHER_HEADERS

CASE = "tracing of a Flask request, against OpenTelemetry's"
"""With the instrumentation, less without, and the same with OpenTelemetry's SDK."""


def flask_request(provider: trace.TracerProvider | None) -> Callable[[], None]:
    """A request as a server passes it on, which `provider` traces unless that is None."""
    app = Flask("benchmark")

    @app.get("/carts/<int:number>")
    def cart(number: int) -> str:
        return "empty"

    if provider is not None:
        FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    environ = EnvironBuilder("/carts/7", headers=OTHER_HEADERS).get_environ()

    def ignore(*args: Any) -> Any:
        pass

    def run() -> None:
        response: Any = app(dict(environ), ignore)
        for _ in response:
            pass
        response.close()

    return run
