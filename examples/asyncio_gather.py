"""Concurrent tasks, each with its own span: children of the span that is active when they start.

    python examples/asyncio_gather.py

The tracer's default scope manager follows asyncio's tasks, so you need not pass spans to them.
"""

from __future__ import annotations

import asyncio

from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.timeline import render_text

recorder = InMemoryRecorder()
tracer = BasicTracer(recorder)


async def fetch(page: int) -> int:
    with tracer.start_active_span("fetch") as scope:
        scope.span.set_tag("page", page)
        await asyncio.sleep(0.01 * page)
        with tracer.start_active_span("parse"):
            await asyncio.sleep(0.005)
        return page


async def main() -> None:
    with tracer.start_active_span("crawl"):
        await asyncio.gather(*(fetch(page) for page in (1, 2, 3)))


if __name__ == "__main__":
    asyncio.run(main())
    print(render_text(Trace.from_spans(recorder.spans)))
