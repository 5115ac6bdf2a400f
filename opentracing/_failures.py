"""Reports of what a tracer raises where the application must not see it."""

from __future__ import annotations

import sys
import time

from . import _typing as t
from .interrupts import reraise_interrupt

_INTERVAL = 60.0  # seconds between two reports of one place


class Failures:
    """The exceptions of tracers in one module, logged at most once a minute.

    `name` is that of the logger, and `message` says what happened; `report` formats it with the
    rest of its arguments.
    """

    def __init__(self, name: str, message: str) -> None:
        self._name = name
        self._message = message
        self._count = 0
        self._next_time = float("-inf")

    def report(self, *args: t.Any) -> None:
        """Log the exception, in its ``except`` block."""
        self._count += 1
        now = time.monotonic()
        if now < self._next_time or sys.is_finalizing():
            return
        times, self._count, self._next_time = self._count, 0, now + _INTERVAL
        since_last = "" if times == 1 else f" ({times} times since the last such message)"
        try:
            import logging

            logging.getLogger(self._name).error(self._message + since_last, *args, exc_info=True)
        except RecursionError:  # the stack has no space for it
            pass
        except Exception:  # of the application's log handler
            reraise_interrupt()
