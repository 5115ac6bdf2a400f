"""A service on aiohttp: an answer, a handler that raises, and a path that is not there."""

from __future__ import annotations

import asyncio
import os

import aiohttp
from aiohttp import web
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

HEADERS = {
    "traceparent": f"00-{1:032x}-{2:016x}-01",
    "tracestate": "vendor=1",
    "baggage": "user=amy",
}


async def item(request: web.Request) -> web.Response:
    with trace.get_tracer("shop").start_as_current_span("look up"):
        return web.Response(text="here")


async def fail(request: web.Request) -> web.Response:
    raise ValueError("no such item")


async def serve() -> list[int]:
    app = web.Application()
    app.add_routes([web.get("/items/{number}", item), web.get("/fail", fail)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = int(os.environ["PORT"])
    await web.TCPSite(runner, "127.0.0.1", port).start()
    found = []
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        for path in ("/items/7", "/fail", "/missing"):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                found.append(answer.status)
    await runner.cleanup()
    return found


def run() -> object:
    AioHttpServerInstrumentor().instrument()
    return asyncio.run(serve())
