"""Spans as plain dicts that are the same each time a test runs, for comparing with a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentracing import logs

from .trace import AnySpan, Trace, TraceNode


def snapshot(spans: Iterable[AnySpan]) -> list[dict[str, Any]]:
    """The `to_dict` form of spans, in the order of their trees, without what differs by chance.

    Ids count from 1, and keep their width. Times count steps through the tree from 0, one a second:
    a span's start, its logs, its children, its end. The text of a traceback, which names files and
    lines, is ``"..."``.
    """
    numbered = _Numbered()
    found: list[dict[str, Any]] = []
    for trace in Trace.from_spans(spans):
        numbered.trace_id(trace.trace_id)
        for root in trace.roots:
            _visit(root, numbered, found)
    for fields in found:
        # Now that every recorded span has its number, those of spans elsewhere follow.
        fields["parent_id"] = numbered.span_id(fields["parent_id"])
        for reference in fields["references"]:
            reference["trace_id"] = numbered.trace_id(reference["trace_id"])
            reference["span_id"] = numbered.span_id(reference["span_id"])
    return found


class _Numbered:
    """Ids and times that count."""

    def __init__(self) -> None:
        self._time = 0
        self._trace_ids: dict[str, str] = {}
        self._span_ids: dict[str, str] = {}

    def step(self) -> float:
        """The next time, in seconds."""
        self._time += 1
        return self._time - 1.0

    def trace_id(self, trace_id: str) -> str:
        return self._number(self._trace_ids, trace_id)

    def span_id(self, span_id: str | None) -> str | None:
        return None if span_id is None else self._number(self._span_ids, span_id)

    def _number(self, known: dict[str, str], id: str) -> str:
        return known.setdefault(id, f"{len(known) + 1:0{len(id)}x}") if id else id


def _visit(root: TraceNode, numbered: _Numbered, found: list[dict[str, Any]]) -> None:
    # Not recursive: a chain of spans may be longer than the interpreter's stack.
    waiting: list[tuple[TraceNode, dict[str, Any] | None]] = [(root, None)]
    while waiting:
        node, entered = waiting.pop()
        if entered is not None:
            if node.duration is not None:
                entered["duration"] = numbered.step() - entered["start_time"]
            continue
        fields = dict(node.fields)
        fields["trace_id"] = numbered.trace_id(node.trace_id)
        fields["span_id"] = numbered.span_id(node.span_id)
        fields["start_time"] = numbered.step()
        fields["logs"] = [
            {"timestamp": numbered.step(), "fields": _without_stack(log["fields"])}
            for log in node.logs
        ]
        fields["references"] = [dict(each) for each in node.fields.get("references", ())]
        found.append(fields)
        waiting.append((node, fields))
        waiting.extend((child, None) for child in reversed(node.children))


def _without_stack(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, logs.STACK: "..."} if logs.STACK in fields else fields
