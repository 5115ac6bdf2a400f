"""Shared by the programs: the sizes of the cases, tasks, threads, and the headers of a request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

LEVELS = 10
TASKS = 100
THREADS = 8
SPANS_A_THREAD = 250

OTHER_HEADERS = {
    "Host": "shop.example",
    "User-Agent": "benchmark",
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "Content-Type": "application/json",
    "Content-Length": "512",
    "X-Request-Id": "5f0c3a",
}
"""Of a request, those that have nothing to do with tracing."""

HEADERS = 11
"""How many a request has together with those of its trace."""


def nothing() -> None:
    """A function to decorate."""


async def nothing_awaited() -> None:
    """A coroutine function to decorate."""


def nothing_generated() -> Iterator[None]:
    """A generator to decorate."""
    yield


def awaiting(function: Callable[[], Coroutine[Any, Any, object]]) -> Callable[[], None]:
    """A call that runs a coroutine which does not wait."""

    def run() -> None:
        try:
            function().send(None)
        except StopIteration:
            pass

    return run


def exhausting(function: Callable[[], Iterator[object]]) -> Callable[[], None]:
    """A call that runs a generator to its end."""

    def run() -> None:
        for _ in function():
            pass

    return run


Inject = Callable[[dict[str, str]], object]


def received(inject: Inject) -> dict[str, str]:
    """The headers of a request into which `inject` wrote, as a server sees them."""
    headers: dict[str, str] = {}
    inject(headers)
    for filler in range(HEADERS - len(OTHER_HEADERS) - len(headers)):
        headers[f"X-Filler-{filler}"] = "x"
    headers.update(OTHER_HEADERS)
    return headers


def injecting(inject: Inject) -> Callable[[], object]:
    """A call that writes into a new carrier."""
    return lambda: inject({})


def gather(span: Callable[[], object]) -> Callable[[], None]:
    """A call that runs `span` in each of 100 tasks, which wait for their turn."""
    loop = asyncio.new_event_loop()

    async def task() -> None:
        await asyncio.sleep(0)
        span()

    async def all_tasks() -> None:
        await asyncio.gather(*[task() for _ in range(TASKS)])

    return lambda: loop.run_until_complete(all_tasks())


def on_threads(span: Callable[[], object]) -> Callable[[], None]:
    """A call that runs `span` 250 times in each of 8 threads."""

    def many() -> None:
        for _ in range(SPANS_A_THREAD):
            span()

    def run() -> None:
        threads = [threading.Thread(target=many) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run
