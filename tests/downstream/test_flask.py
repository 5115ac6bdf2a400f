"""Flask-OpenTracing on a current Flask, as its README shows."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask_opentracing import FlaskTracing

import opentracing

from .conftest import http_tags


def make_app(tracer: Any, **options: Any) -> tuple[flask.Flask, FlaskTracing]:
    app = flask.Flask("shop")
    tracing = FlaskTracing(tracer, app=app, **options)

    @app.route("/order/<number>")
    def order(number: str) -> str:
        with tracer.start_active_span("query"):
            pass
        return number

    @app.route("/broken")
    def broken() -> str:
        raise RuntimeError("no database")

    return app, tracing


def test_each_request_is_a_span(tracer: Any, spans: Any) -> None:
    """With trace_all_requests, the handler's spans are children of the request's."""
    app, _ = make_app(tracer, trace_all_requests=True, traced_attributes=["path"])
    assert app.test_client().get("/order/7").status_code == 200
    query, request = spans()
    assert request.operation_name == "order"
    tags = http_tags("Flask", "server", "GET", "http://localhost/order/7")
    assert request.tags == {**tags, "path": "/order/7"}
    assert request.parent_id is None
    assert query.parent_id == request.context.span_id
    assert tracer.active_span is None


def test_a_request_continues_the_callers_trace(tracer: Any, spans: Any) -> None:
    """The context in the caller's headers is the parent, and its baggage goes on."""
    app, _ = make_app(tracer, trace_all_requests=True)
    caller = tracer.start_span("caller").set_baggage_item("tenant", "7")
    headers: dict[str, str] = {}
    tracer.inject(caller.context, opentracing.Format.HTTP_HEADERS, headers)
    app.test_client().get("/order/7", headers=headers)
    request = spans()[-1]
    assert request.context.trace_id == caller.context.trace_id
    assert request.parent_id == caller.context.span_id
    assert request.get_baggage_item("tenant") == "7"


def test_a_failing_handler_is_an_error(tracer: Any, spans: Any) -> None:
    """The exception is on the span, which is finished, and the next request starts anew."""
    app, _ = make_app(tracer, trace_all_requests=True)
    client = app.test_client()
    assert client.get("/broken").status_code == 500
    client.get("/order/7")
    broken, _, order = spans()
    assert (broken.operation_name, broken.tags["http.status_code"]) == ("broken", 500)
    assert (order.operation_name, order.parent_id) == ("order", None)


def test_one_view_is_traced_by_a_decorator(tracer: Any, spans: Any) -> None:
    """`trace` traces one view; `get_span` gives its span to the handler."""
    app = flask.Flask("shop")
    tracing = FlaskTracing(tracer)

    @app.route("/traced")
    @tracing.trace("method")
    def traced() -> flask.Response:
        tracing.get_span().set_tag("user", "ada")
        return flask.make_response("ok")

    @app.route("/plain")
    def plain() -> str:
        return "ok"

    client = app.test_client()
    client.get("/plain")
    client.get("/traced")
    (span,) = spans()
    assert (span.operation_name, span.tags["user"], span.tags["method"]) == ("traced", "ada", "GET")


@pytest.mark.usefixtures("as_global_tracer")
def test_without_a_tracer_it_uses_the_global_one(spans: Any) -> None:
    """`FlaskTracing(app=app)` reads `opentracing.tracer` when a request comes in."""
    app = flask.Flask("shop")
    FlaskTracing(app=app)
    app.add_url_rule("/plain", "plain", lambda: "ok")
    app.test_client().get("/plain")
    assert [span.operation_name for span in spans()] == ["plain"]
