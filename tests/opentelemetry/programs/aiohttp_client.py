"""A client on aiohttp: an answer, an error of the server, and nobody who answers."""

from __future__ import annotations

import asyncio

import aiohttp
from _server import URL, carried, server
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

CALLER = SpanContext(1, 2, True, TraceFlags(3), TraceState([("vendor", "1")]))


def run() -> object:
    AioHttpClientInstrumentor().instrument()
    caller = trace.set_span_in_context(NonRecordingSpan(CALLER))
    token = context.attach(baggage.set_baggage("user", "amy", caller))
    with server() as received:
        statuses = asyncio.run(asynchronously())
    asyncio.run(refused(statuses))
    context.detach(token)
    return [statuses, carried(received)]


async def asynchronously() -> list[int]:
    async with aiohttp.ClientSession() as session:
        found = []
        for path in ("/", "/fail"):
            async with session.get(URL + path) as answer:
                found.append(answer.status)
        return found


async def refused(statuses: list[int]) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            await session.get(URL)
        except aiohttp.ClientConnectionError:
            statuses.append(0)
