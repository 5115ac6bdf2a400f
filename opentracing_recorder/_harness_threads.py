"""Calls on threads, with a time limit, for the contract kits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from ._errors import one_line

T = TypeVar("T")


def on_threads(what: str, calls: Sequence[Callable[[], T]], limit: float) -> list[T]:
    """Run calls at once, each on its own thread, and return their results in any order.

    If one raises, or does not return within `limit` seconds, raises an AssertionError about `what`.
    A thread that does not return is abandoned.
    """
    barrier = threading.Barrier(len(calls))
    results: list[T] = []
    errors: list[BaseException] = []

    def run(call: Callable[[], T]) -> None:
        try:
            barrier.wait()
            results.append(call())
        except BaseException as error:
            errors.append(error)

    started = time.monotonic()
    threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, started + limit - time.monotonic()))
        if thread.is_alive():
            raise AssertionError(f"{what} still blocks after {time.monotonic() - started:.1f} s")
    if errors and isinstance(errors[0], AssertionError):
        raise errors[0]
    if errors:
        raise AssertionError(f"{what} raised {shown_error(errors[0])}") from errors[0]
    return results


def shown_error(error: BaseException) -> str:
    """An exception in one line, with its class."""
    return one_line(f"{type(error).__name__}: {error}")
