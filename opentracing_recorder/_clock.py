"""The one clock of spans: `time.time`, looked up at each reading, so that tests can replace it.

A span that starts while ``time.time is system.time`` is measured on the monotonic clock, and any
other by the times that the replacement gives.
"""

from __future__ import annotations

import time
from typing import Any

from opentracing.interrupts import reraise_interrupt


class _System:
    """Holds the system's clocks where freezegun, which replaces what modules have bound, does not
    look.
    """

    __slots__ = ("perf_counter", "time")

    def __init__(self) -> None:
        self.time = time.time
        self.perf_counter = time.perf_counter


system = _System()


def now() -> float:
    """Seconds since the epoch, by `time.time`; by the system where a replacement gives no time."""
    try:
        number = number_or_none(time.time())
    except Exception:  # a mock that has run out of values, say
        reraise_interrupt()
        number = None
    return system.time() if number is None else number


def number_or_none(value: Any) -> float | None:
    """`value` if it can be a point in time; anything else counts as not given."""
    if value is None or (type(value) is float and value - value == 0):  # not nan, not inf
        return value
    try:
        number = float(value)
    except Exception:
        reraise_interrupt()
        return None
    return number if number - number == 0 else None
