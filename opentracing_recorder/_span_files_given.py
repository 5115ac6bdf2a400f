"""A span in its `to_dict` form, given to the encoders of finished spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._hex_ids_read import parse_hex_id
from ._json_safe import text_of
from ._zipkin_json import SharedSpanContext
from .context import BasicSpanContext
from .span import LogData
from .trace import seconds_or_none


class GivenSpan:
    """Has the attributes of `BasicSpan` that encoders read.

    Raises ValueError for a span whose ids no trace can have: the encoders' formats have no place
    for them.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        trace_id = _id("trace id", fields.get("trace_id"), 32)
        span_id = _id("span id", fields.get("span_id"), 16)
        is_shared = fields.get("shared") is True
        extra = {"debug": "1"} if fields.get("debug") is True else {}
        kind = SharedSpanContext if is_shared else BasicSpanContext
        self.context = kind(trace_id, span_id, extra=extra)
        self.parent_id = _id_or_none(fields.get("parent_id"), 16)
        self.operation_name = text_of(fields.get("operation_name") or "")
        self.start_time = seconds_or_none(fields.get("start_time")) or 0.0
        duration = seconds_or_none(fields.get("duration"))
        self.duration = duration or 0.0
        self.is_finished = duration is not None
        self.tags: dict[str, Any] = dict(_dict(fields.get("tags")))
        self._logs = [
            LogData(dict(_dict(log.get("fields"))), seconds_or_none(log.get("timestamp")) or 0.0)
            for log in _dicts(fields.get("logs"))
        ]
        self.references = [
            (text_of(each.get("type") or ""), found)
            for each in _dicts(fields.get("references"))
            if (found := _context(each)) is not None
        ]
        self.dropped_tags = _count(fields.get("dropped_tags"))
        self.dropped_logs = _count(fields.get("dropped_logs"))

    @property
    def _trace_id(self) -> Any:
        return self.context.trace_id

    @property
    def _span_id(self) -> Any:
        return self.context.span_id

    @property
    def _own_context(self) -> BasicSpanContext:
        return self.context


def _id(name: str, value: Any, digits: int) -> int:
    try:
        return parse_hex_id(name, text_of(value or ""), digits)
    except SpanContextCorruptedException as error:
        raise ValueError(str(error)) from None


def _id_or_none(value: Any, digits: int) -> int | None:
    try:
        return _id("parent id", value, digits) if value else None
    except ValueError:
        reraise_interrupt()
        return None


def _context(reference: Mapping[str, Any]) -> BasicSpanContext | None:
    trace_id = _id_or_none(reference.get("trace_id"), 32)
    span_id = _id_or_none(reference.get("span_id"), 16)
    return BasicSpanContext(trace_id, span_id) if trace_id and span_id else None


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 1 << 32 else 0


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
