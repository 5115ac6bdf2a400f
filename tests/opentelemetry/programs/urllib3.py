"""A client on urllib3: an answer, an error of the server, and nobody who answers."""

from __future__ import annotations

import urllib3
from _server import URL, carried, server
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

CALLER = SpanContext(1, 2, True, TraceFlags(3), TraceState([("vendor", "1")]))


def run() -> object:
    URLLib3Instrumentor().instrument()
    caller = trace.set_span_in_context(NonRecordingSpan(CALLER))
    token = context.attach(baggage.set_baggage("user", "amy", caller))
    with server() as received:
        statuses = [urllib3.request("GET", URL + path).status for path in ("/", "/fail")]
    try:
        urllib3.request("GET", URL, retries=False)
    except urllib3.exceptions.HTTPError:
        statuses.append(0)
    context.detach(token)
    return [statuses, carried(received)]
