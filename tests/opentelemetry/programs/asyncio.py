"""asyncio: traced coroutines in tasks, a function in a thread, and a coroutine that raises."""

from __future__ import annotations

import asyncio
import os

from opentelemetry import trace
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor


async def fetch(item: str) -> str:
    await asyncio.sleep(0)
    return item


async def fail() -> str:
    raise ValueError("no such item")


def compute() -> str:
    return trace.get_current_span().name  # type: ignore[attr-defined, no-any-return]


async def _run() -> list[str]:
    with trace.get_tracer("shop").start_as_current_span("order"):
        fetched = await asyncio.gather(fetch("pear"), fetch("plum"))
        computed = await asyncio.to_thread(compute)
        failed = await asyncio.gather(fail(), return_exceptions=True)
    return [*fetched, computed, repr(failed[0])]


def run() -> list[str]:
    os.environ["OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE"] = "fetch,fail"
    os.environ["OTEL_PYTHON_ASYNCIO_TO_THREAD_FUNCTION_NAMES_TO_TRACE"] = "compute"
    AsyncioInstrumentor().instrument()
    return asyncio.run(_run())
