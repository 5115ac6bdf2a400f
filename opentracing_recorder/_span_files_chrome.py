"""Spans in Chrome's trace event format, which Perfetto, speedscope and chrome://tracing open.

Source: the Trace Event Format, by Google, and the rules that Perfetto's documentation has for it.
The events of one track must nest: two that overlap in part stand on two tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

from ._clock import nanoseconds
from ._json_safe import json_safe, text_of
from .trace import Trace, TraceNode, seconds_or_none

_NO_SERVICE = "no service"


class _Placed(NamedTuple):
    """A span on its track; times are in nanoseconds since the first span."""

    node: TraceNode
    start: int
    end: int
    track: int


class _Process:
    """The tracks of a service. Its spans are placed in the order of their starts."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.tracks = 0
        self._free: list[int] = []
        self._busy: list[tuple[int, int]] = []  # the end of the outermost span, and its track
        self._open: dict[int, list[_Placed]] = {}  # by track: spans inside of each other

    def place(self, node: TraceNode, start: int, end: int, parent: _Placed | None) -> _Placed:
        while self._busy and self._busy[0][0] <= start:
            heappush(self._free, heappop(self._busy)[1])
        placed = self._inside(parent, node, start, end)
        if placed is None:
            if self._free:
                track = heappop(self._free)
            else:
                self.tracks += 1
                track = self.tracks
            placed = _Placed(node, start, end, track)
            self._open[track] = [placed]
            heappush(self._busy, (end, track))
        return placed

    def _inside(
        self, parent: _Placed | None, node: TraceNode, start: int, end: int
    ) -> _Placed | None:
        """Place the span on its parent's track, unless something else stands there."""
        if parent is None or parent.end < end or start < parent.start:
            return None
        inside = self._open[parent.track]
        while inside and inside[-1] is not parent and inside[-1].end <= start:
            inside.pop()
        if not inside or inside[-1] is not parent:
            return None
        placed = _Placed(node, start, end, parent.track)
        inside.append(placed)
        return placed


def events_of(spans: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events of spans, in their `to_dict` form: processes first, then spans with their logs."""
    nodes = [
        (node, parent)
        for trace in Trace.from_spans(spans)
        for root in trace.roots
        for node, parent in _with_parents(root)
    ]
    first = min((node.start_time for node, _ in nodes), default=0.0)
    times = {id(node): _times(node, first) for node, _ in nodes}
    # A parent stands before its children where both start at once: the sort is stable.
    nodes.sort(key=lambda pair: times[id(pair[0])][0])
    processes: dict[str, _Process] = {}
    placed: dict[int, _Placed] = {}
    for node, parent in nodes:
        name = node.service or _NO_SERVICE
        process = processes.setdefault(name, _Process(len(processes) + 1, name))
        is_own = parent is not None and (parent.service or _NO_SERVICE) == name
        beside = placed.get(id(parent)) if is_own else None
        placed[id(node)] = process.place(node, *times[id(node)], beside)
    for process in processes.values():
        yield _meta(process, 0, "process_name", name=process.name)
        yield _meta(process, 0, "process_sort_index", sort_index=process.number)
        for track in range(1, process.tracks + 1):
            yield _meta(process, track, "thread_name", name=f"{process.name} {track}")
            yield _meta(process, track, "thread_sort_index", sort_index=track)
    number = 0
    for node, parent in nodes:
        process, own = processes[node.service or _NO_SERVICE], placed[id(node)]
        yield _span(process, own)
        for log in node.logs:
            yield _log(process, own, log, first)
        caller = placed.get(id(parent))
        caller_process = processes[parent.service or _NO_SERVICE] if parent else process
        # An arrow, if the parent stands elsewhere; it starts in the parent's time.
        if caller is not None and (caller.track != own.track or caller_process is not process):
            number += 1
            at = min(max(own.start, caller.start), caller.end)
            flow = {"cat": "call", "name": "call", "id": number}
            yield {"ph": "s", **_at(caller_process, caller.track, at), **flow}
            yield {"ph": "f", "bp": "e", **_at(process, own.track, own.start), **flow}


def _with_parents(root: TraceNode) -> Iterator[tuple[TraceNode, TraceNode | None]]:
    waiting: list[tuple[TraceNode, TraceNode | None]] = [(root, None)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting.extend((child, node) for child in node.children)


def _times(node: TraceNode, first: float) -> tuple[int, int]:
    start = nanoseconds(node.start_time - first)
    return start, start + nanoseconds(max(node.duration or 0.0, 0.0))


def _meta(process: _Process, track: int, kind: str, **arguments: Any) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process.number, "tid": track, "args": arguments}


def _at(process: _Process, track: int, time: int) -> dict[str, Any]:
    return {"pid": process.number, "tid": track, "ts": time / 1000}  # microseconds


def _span(process: _Process, placed: _Placed) -> dict[str, Any]:
    node = placed.node
    arguments = {"trace_id": node.trace_id, "span_id": node.span_id}
    if node.parent_id is not None:
        arguments["parent_id"] = node.parent_id
    if node.duration is None:
        arguments["unfinished"] = "true"
    span: dict[str, Any] = {
        "ph": "X",
        "cat": "error" if node.error else "span",
        "name": node.operation_name or "(no name)",
        **_at(process, placed.track, placed.start),
        "dur": (placed.end - placed.start) / 1000,
        "args": {**arguments, **_plain(node.tags)},
    }
    if node.error:
        span["cname"] = "terrible"  # red, where it is known
    return span


def _log(process: _Process, placed: _Placed, log: Any, first: float) -> dict[str, Any]:
    time = seconds_or_none(log.get("timestamp"))
    at = placed.start if time is None else nanoseconds(time - first)
    fields = _plain(log["fields"])
    return {
        "ph": "i",
        "s": "t",
        "cat": "log",
        "name": text_of(fields.get("event") or fields.get("message") or "log"),
        **_at(process, placed.track, min(max(at, placed.start), placed.end)),
        "args": fields,
    }


def _plain(fields: Any) -> dict[str, Any]:
    return json_safe(fields)  # type: ignore[no-any-return]
