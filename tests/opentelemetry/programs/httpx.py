"""A client on httpx, both kinds: an answer, an error of the server, and nobody who answers."""

from __future__ import annotations

import asyncio

import httpx
from _server import URL, carried, server
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

CALLER = SpanContext(1, 2, True, TraceFlags(3), TraceState([("vendor", "1")]))


def run() -> object:
    HTTPXClientInstrumentor().instrument()
    caller = trace.set_span_in_context(NonRecordingSpan(CALLER))
    token = context.attach(baggage.set_baggage("user", "amy", caller))
    with server() as received:
        statuses = [httpx.get(URL + path).status_code for path in ("/", "/fail")]
        statuses += asyncio.run(asynchronously())
    try:
        httpx.get(URL)
    except httpx.ConnectError:
        statuses.append(0)
    context.detach(token)
    return [statuses, carried(received)]


async def asynchronously() -> list[int]:
    async with httpx.AsyncClient() as client:
        return [(await client.get(URL + path)).status_code for path in ("/", "/fail")]
