"""A Flask application with code of both APIs, instrumented for OpenTelemetry.

TRACE_URL in the environment says where spans are sent to. The tracer is made before a server forks
if the server loads the application then.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

import opentracing
from opentracing_recorder import BasicTracer
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager
from opentracing_recorder.zipkin import ZipkinRecorder

recorder = ZipkinRecorder("app", os.environ["TRACE_URL"], interval=0.1)
tracer = BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128)
opentracing.set_global_tracer(tracer)
trace.set_tracer_provider(BasicTracerProvider(tracer))
SQLite3Instrumentor().instrument()
app = Flask("shop")
FlaskInstrumentor().instrument_app(app)


@app.get("/")
def order() -> str:
    """Answer with the id of the request's trace, and that of the process."""
    with opentracing.global_tracer().start_active_span("order") as scope:
        price()
        return f"{scope.span.context.trace_id:032x} {os.getpid()}"


@trace.get_tracer("prices").start_as_current_span("price")
def price() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.cursor().execute("SELECT 1")
