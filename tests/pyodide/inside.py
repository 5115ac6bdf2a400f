"""Run the tests inside Pyodide; for run.mjs, which mounts the checkout there."""

from __future__ import annotations

import asyncio
import platform
import time
from typing import Any

import pyodide
import pytest


class ClockLoop(asyncio.BaseEventLoop):
    """An event loop that waits for the clock alone.

    The standard library's loops start with a pair of sockets, and Pyodide's own with the next
    turn of JavaScript's, which comes when all tests have ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = self

    def select(self, timeout: float | None) -> list[Any]:
        """A selector for which nothing is ever ready."""
        if timeout is None:
            raise RuntimeError("every task waits, and nothing can wake one")
        time.sleep(timeout)
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing calls from another thread while this one waits."""


class Count:
    """The pytest plugin that counts the tests that are run and those that are left out."""

    def __init__(self) -> None:
        self.run = 0
        self.left_out = 0

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.left_out += len(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.run += report.when == "call" and not report.skipped


def main() -> int:
    """Run them; pytest's exit status."""
    # The loop that Pyodide calls running keeps asyncio.run() from starting another.
    asyncio._set_running_loop(None)
    asyncio.events.new_event_loop = ClockLoop
    count = Count()
    # The tests of real servers import what is not installed for Pyodide.
    chosen = ["-m", "not needs_os and not long", "--ignore=tests/backends", "--ignore=tests/faults"]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *chosen], plugins=[count])
    print(
        f"Pyodide {pyodide.__version__}, Python {platform.python_version()}: {count.run} tests run,"
        f" {count.left_out} left out, which need a thread, a process or a socket"
    )
    return int(status)
