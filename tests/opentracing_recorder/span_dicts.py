"""Spans as plain dicts, as `to_dict` and JSON lines have them."""

from __future__ import annotations

from typing import Any


def span(span_id: str, parent_id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "trace_id": "t1",
        "span_id": span_id,
        "parent_id": parent_id,
        "operation_name": f"op {span_id}",
        "service": None,
        "start_time": 0.0,
        "duration": 1.0,
        "tags": {},
        "logs": [],
        **fields,
    }
