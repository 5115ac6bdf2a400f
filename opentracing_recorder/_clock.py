"""The clock of spans: `time.time`, looked up at each reading, so that tests can replace it.

If ``time.time is system.time`` when a span starts, its duration is measured on the monotonic clock.
Otherwise, it is measured on the replacement.
"""

from __future__ import annotations

import time

from opentracing.interrupts import reraise_interrupt

from . import _typing as t


class _System:
    """Holds the system's clocks as attributes: freezegun replaces only the names in modules."""

    __slots__ = ("perf_counter", "time")

    def __init__(self) -> None:
        self.time = time.time
        self.perf_counter = time.perf_counter


system = _System()


def now() -> float:
    """Seconds since the epoch, by `time.time`; by the system's clock if a replacement fails."""
    try:
        number = number_or_none(time.time())
    except Exception:  # such as a mock that has run out of values
        reraise_interrupt()
        number = None
    return system.time() if number is None else number


def number_or_none(value: t.Any) -> float | None:
    """`value` as a float if it is a finite number; otherwise None."""
    if value is None or (type(value) is float and value - value == 0):  # not nan, not inf
        return value
    try:
        number = float(value)
    except Exception:
        reraise_interrupt()
        return None
    return number if number - number == 0 else None


def nanoseconds(seconds: float) -> int:
    """Seconds as nanoseconds, at the nearest number."""
    whole = int(seconds)  # apart: the product of both would round to 256 ns
    return whole * 1_000_000_000 + int(((seconds - whole) * 1e9 + 0.5) // 1)
