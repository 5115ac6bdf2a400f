"""The cases of trees from spans; imported by the programs of this project's builds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

from opentracing_recorder import Trace


def trees(count: int, traces: int = 1) -> Callable[[], object]:
    """A call that makes the tree of one trace of that many spans, of several in turn."""
    given = cycle([_spans(count, str(number)) for number in range(traces)])
    return lambda: Trace.from_spans(next(given))


def _spans(count: int, trace_id: str) -> list[dict[str, Any]]:
    """The spans of one trace, each of which has three children."""
    return [
        {
            "trace_id": trace_id,
            "span_id": f"{number:016x}",
            "parent_id": f"{(number + 1) // 3:016x}" if number > 1 else None,
            "operation_name": "GET",
            "service": f"service {number % 100 // 20}",
            "start_time": 1.7e9 + number * 1e-6,
            "duration": 1.0,
            "tags": {"http.method": "GET", "http.status_code": 200},
            "logs": [],
        }
        for number in range(1, count + 1)
    ]
