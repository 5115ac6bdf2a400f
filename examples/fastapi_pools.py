"""A traced FastAPI application that hands work to a pool of threads and to a pool of processes.

    pip install opentracing fastapi uvicorn
    python examples/fastapi_pools.py
    curl http://127.0.0.1:8000/albums/7

One trace has the whole request: the handler, its jobs on threads, the jobs that those give to
processes, and the work that goes on after the answer. All processes append their spans to one file.
The program prints its path, and the command that draws it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

import opentracing
from opentracing import Format, SpanContextCorruptedException, TracedExecutor, tags
from opentracing_recorder import BasicTracer, JSONLinesRecorder


def start_tracing(path: str, service: str) -> None:
    """Install a tracer: in the server, and in each process of the pool."""
    opentracing.set_global_tracer(BasicTracer(JSONLinesRecorder(path), service_name=service))


class TracedRequests:
    """Middleware for any ASGI application: a span for each request, in its caller's trace."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        tracer = opentracing.global_tracer()
        try:
            caller = tracer.extract(Format.HTTP_HEADERS, scope["headers"])
        except SpanContextCorruptedException:
            caller = None  # a malformed header must not fail the request
        name = f"{scope['method']} {scope['path']}"
        with tracer.start_active_span(name, child_of=caller, ignore_active_span=True) as active:
            span = active.span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)

            async def send_and_note(message: Any) -> None:
                if message["type"] == "http.response.start":
                    span.set_tag(tags.HTTP_STATUS_CODE, message["status"])
                await send(message)

            await self.app(scope, receive, send_and_note)


@asynccontextmanager
async def pools(app: FastAPI) -> AsyncIterator[None]:
    """Both pools, for as long as the application runs.

    Each job has the span that is active where it is submitted. The processes are spawned: a fork
    would copy a server whose threads may hold locks.
    """
    processes = ProcessPoolExecutor(
        2,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_tracing,
        initargs=(app.state.spans, "thumbnails"),
    )
    app.state.processes = TracedExecutor(processes)
    app.state.threads = TracedExecutor(ThreadPoolExecutor(4))
    with app.state.processes, app.state.threads:  # threads end first: they give jobs to processes
        yield


app = FastAPI(lifespan=pools)
app.add_middleware(TracedRequests)


@app.get("/albums/{album}")
async def show(album: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    threads = app.state.threads
    photos = [f"{album}-{number}.jpg" for number in (1, 2)]
    thumbnails = await asyncio.gather(
        *[loop.run_in_executor(threads, prepare, photo) for photo in photos]
    )
    threads.submit(count_view, album)  # nobody waits for it
    span = opentracing.global_tracer().active_span
    assert span is not None
    return {"thumbnails": thumbnails, "trace": span.context.to_trace_id()}


def prepare(photo: str) -> str:
    """Load a photo, on a thread, and have it shrunk by a process."""
    with opentracing.global_tracer().start_active_span("prepare") as scope:
        scope.span.set_tag("photo", photo)
        time.sleep(0.02)
        thumbnail: str = app.state.processes.submit(shrink, photo).result()
        return thumbnail


def shrink(photo: str) -> str:
    """Work for a processor, in a process of the pool."""
    with opentracing.global_tracer().start_active_span("shrink") as scope:
        scope.span.set_tag("photo", photo)
        sum(number * number for number in range(200_000))
        return f"small-{photo}"


def count_view(album: int) -> None:
    """Work that goes on after the answer."""
    with opentracing.global_tracer().start_active_span("count view") as scope:
        scope.span.set_tag("album", album)
        time.sleep(0.02)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve a traced application.")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 is any free port")
    parser.add_argument("--spans", help="the file to append spans to; default: a new one")
    arguments = parser.parse_args()
    app.state.spans = arguments.spans or os.path.join(tempfile.mkdtemp(), "spans.jsonl")
    start_tracing(app.state.spans, "albums")
    print(f"Draw the traces: python -m opentracing_recorder show {app.state.spans}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
