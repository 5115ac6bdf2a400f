"""A traced ASGI application: each request is a span.

TRACE_URL in the environment says where spans are sent. `plain` knows nothing of lifespans, as
Django's does; `app` does, and records a span of its own when it is shut down. Run as a program, it
is served by uvicorn without the lifespan: then the signal alone closes the recorder.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from opentracing_recorder.shutdown import FlushAtShutdown, close_at_signals
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

# Nothing but the end of the process sends these.
recorder = ZipkinRecorder("app", os.environ["TRACE_URL"], interval=60)
tracer = ZipkinTracer("app", recorder=recorder)


async def answer(request: Request) -> PlainTextResponse:
    with tracer.start_active_span(request.url.path):
        print("begun", request.url.path)
        await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return PlainTextResponse(str(os.getpid()))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    with tracer.start_active_span("startup"):
        pass
    yield
    with tracer.start_active_span("shutdown"):
        pass


app = Starlette(routes=[Route("/{path:path}", answer)], lifespan=lifespan)
app.add_middleware(FlushAtShutdown)


async def serve(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise ValueError("Django can only handle ASGI/HTTP connections")
    with tracer.start_active_span(scope["path"]):
        print("begun", scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


plain = FlushAtShutdown(serve)


if __name__ == "__main__":
    import uvicorn

    close_at_signals()
    uvicorn.run(serve, port=0, lifespan="off")
