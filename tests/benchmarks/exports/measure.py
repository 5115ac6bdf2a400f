"""What each of the programs here does: make spans, wait for the acknowledgement, print the cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter, process_time


def measure(span: Callable[[], None], flush: Callable[[], object], count: int) -> None:
    """Print the CPU seconds of this process, and the seconds on the clock, for `count` spans."""
    for _ in range(count // 10):
        span()
    flush()
    cpu, clock = process_time(), perf_counter()
    for _ in range(count):
        span()
    flush()
    print(json.dumps({"cpu": process_time() - cpu, "clock": perf_counter() - clock}))
