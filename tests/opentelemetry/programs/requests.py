"""A client on requests: an answer, an error of the server, and nobody who answers."""

from __future__ import annotations

import requests
from _server import URL, carried, server
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

CALLER = SpanContext(1, 2, True, TraceFlags(3), TraceState([("vendor", "1")]))


def run() -> object:
    RequestsInstrumentor().instrument()
    caller = trace.set_span_in_context(NonRecordingSpan(CALLER))
    token = context.attach(baggage.set_baggage("user", "amy", caller))
    with server() as received:
        statuses = [requests.get(URL + path, timeout=30).status_code for path in ("/", "/fail")]
    try:
        requests.get(URL, timeout=30)
    except requests.ConnectionError:
        statuses.append(0)
    context.detach(token)
    return [statuses, carried(received)]
