"""The critical path of a trace, and the self time of its spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .trace import Trace, TraceNode, follows_from_parent, kind_of

__all__ = ["PathPiece", "SpanTimes", "critical_path"]

_OVERLAP = 0.01  # of the parent's duration


class PathPiece(NamedTuple):
    """A part of a critical path: a time in which one span kept its trace waiting."""

    trace_id: str
    span_id: str
    service: str | None
    operation: str
    start_time: float
    """Seconds since the epoch."""
    duration: float
    """Seconds."""


def critical_path(trace: Trace) -> list[PathPiece]:
    """The chain of work that a trace's duration consists of, as pieces in the order of time.

    If a piece gets shorter, the trace can end earlier; if anything else does, it cannot. The pieces
    follow each other without a gap, and together they are as long as the trace's root. If the trace
    has several roots, it is the path of the longest.

    The path is found from the root's end backwards. A span is on the path until the child that
    ended last has ended. That child's own path comes before, then the span again, and then the last
    child that had ended when this child started. A child that was still running then is not on
    the path. This is the path of Jaeger's UI, and of CRISP (Zhang et al., "CRISP: Critical Path
    Analysis of Large-Scale Microservice Architectures", USENIX ATC 2022), from which two more rules
    are:

    - A child that outlives its parent counts until its parent's end, as does one that starts too
      early from its parent's start. A child that is wholly outside does not count.
    - Clocks are imprecise. A child also counts as ended if it ended a little after the next one's
      start: 1 % of the parent's duration, and less than half of its own.

    A span does not wait for a child that follows from it (the reference ``follows_from``), or for
    one that consumes a message (``span.kind`` is ``consumer``). They are not on the path. A span
    that is not finished is taken to last as long as the spans below it.
    """
    return [
        PathPiece(
            node.trace_id, node.span_id, node.service, node.operation_name, start, end - start
        )
        for node, start, end in SpanTimes(trace).path()
    ]


class SpanTimes:
    """The times of one trace's spans, which may contradict each other."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.nodes = [node for node, _ in trace.walk()]
        self._ends: dict[int, float] = {}
        self._apart: set[int] = set()  # the spans that their parent does not wait for
        for node in reversed(self.nodes):  # children before their parents
            end, duration = node.start_time, node.duration
            if duration is None:
                end = max([end, *map(self.end, node.children)])
            elif duration > 0:
                end += duration
            self._ends[id(node)] = end
            if kind_of(node) == "consumer" or follows_from_parent(node):
                self._apart.add(id(node))

    def end(self, node: TraceNode) -> float:
        """When a span ended, or the last span below it if it is not finished."""
        return self._ends[id(node)]

    def self_time(self, node: TraceNode) -> float:
        """A span's duration less the time that its children cover, in seconds."""
        start, end = node.start_time, self.end(node)
        free, done = end - start, start
        for child in sorted(self._awaited(node), key=_start):
            first, last = max(child.start_time, done), min(self.end(child), end)
            if first < last:
                free -= last - first
                done = last
        return max(free, 0.0)

    def path(self) -> list[tuple[TraceNode, float, float]]:
        """The critical path of the longest root: spans with start and end, in order."""
        if not self.trace.roots:
            return []
        root = min(self.trace.roots, key=self._longest_first)
        pieces = []
        # Spans whose path is known only from `until` on, and those of their children that ended
        # before, from the last.
        until = self.end(root)
        open_spans = [(root, root.start_time, until, self._from_last(root, until))]
        while open_spans:
            node, start, end, children = open_spans[-1]
            allowed = (end - start) * _OVERLAP
            for child in children:
                first, last = max(child.start_time, start), min(self.end(child), end)
                overlap = last - until
                if first < min(last, until) and (
                    overlap <= 0 or (overlap <= allowed and overlap < (last - first) / 2)
                ):
                    break
            else:
                if start < until:
                    pieces.append((node, start, until))
                    until = start
                open_spans.pop()
                continue
            if last < until:
                pieces.append((node, last, until))
                until = last
            open_spans.append((child, first, until, self._from_last(child, until)))
        pieces.reverse()
        return pieces

    def _from_last(self, node: TraceNode, end: float) -> Iterator[TraceNode]:
        # Of two that end together, the longer: the end of a span that is clipped is its parent's.
        def order(child: TraceNode) -> tuple[float, float, str, str]:
            return -min(self.end(child), end), child.start_time, child.span_id, child.operation_name

        return iter(sorted(self._awaited(node), key=order))

    def _awaited(self, node: TraceNode) -> list[TraceNode]:
        """The children that a span may have waited for."""
        children = node.children
        if self._apart:
            children = [child for child in children if id(child) not in self._apart]
        return children

    def _longest_first(self, root: TraceNode) -> tuple[float, float, str, str]:
        start = root.start_time
        return start - self.end(root), start, root.span_id, root.operation_name


def _start(node: TraceNode) -> float:
    return node.start_time
