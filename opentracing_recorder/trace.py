"""Trace: recorded spans, put together into trees; for timelines and for tests.

Spans may come from several services, in any order. Whatever their ids and parents are, each span
has its place in exactly one tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from .span import BasicSpan

    AnySpan = Union[BasicSpan, dict[str, Any]]


class TraceNode:
    """One span in its tree. Its fields are those of `BasicSpan.to_dict`."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.trace_id: str = fields["trace_id"]
        self.span_id: str = fields["span_id"]
        self.parent_id: str | None = fields["parent_id"]
        self.operation_name: str = fields["operation_name"]
        self.service: str | None = fields.get("service")
        self.start_time: float = fields["start_time"]
        self.duration: float | None = fields["duration"]
        self.tags: dict[str, Any] = fields["tags"]
        self.logs: list[dict[str, Any]] = fields["logs"]
        self.children: list[TraceNode] = []

    @property
    def end_time(self) -> float:
        """Seconds since the epoch; the start's, for a span that is not finished."""
        return self.start_time + (self.duration or 0.0)

    @property
    def error(self) -> bool:
        """Whether the span is tagged as failed."""
        return self.tags.get("error") not in (None, False, "false", 0)

    @property
    def error_message(self) -> str:
        """What the span's logs say of its failure, the last one first; ``""`` if nothing."""
        if not self.error:
            return ""
        for log in reversed(self.logs):
            fields = log["fields"]
            if fields.get("event") == "error":
                kind = fields.get("error.kind")
                message = fields.get("message") or fields.get("error.object")
                return ": ".join(str(each) for each in (kind, message) if each)
        return ""

    def __repr__(self) -> str:
        return f"<TraceNode {self.operation_name!r} {self.trace_id}:{self.span_id}>"


class Trace:
    """All recorded spans with one trace id, as trees.

    A complete trace has one root; a span whose parent was not recorded is a root as well.
    """

    def __init__(self, trace_id: str, nodes: Iterable[TraceNode]) -> None:
        self.trace_id = trace_id
        self.roots = _linked(sorted(nodes, key=_by_start))

    @classmethod
    def from_spans(cls, spans: Iterable[AnySpan]) -> list[Trace]:
        """The traces that these spans make up, the one that started first in front.

        Takes spans, or their `to_dict` form.
        """
        by_trace: dict[str, list[TraceNode]] = {}
        for span in spans:
            node = TraceNode(span if isinstance(span, dict) else span.to_dict())
            by_trace.setdefault(node.trace_id, []).append(node)
        traces = [cls(trace_id, nodes) for trace_id, nodes in by_trace.items()]
        return sorted(traces, key=lambda trace: trace.start_time)

    def walk(self) -> Iterator[tuple[TraceNode, int]]:
        """Each span and its depth (0 for a root): parents before children, siblings by start."""
        waiting = [(root, 0) for root in reversed(self.roots)]
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            waiting.extend((child, depth + 1) for child in reversed(node.children))

    def __len__(self) -> int:
        """The number of spans."""
        return sum(1 for _ in self.walk())

    @property
    def start_time(self) -> float:
        """When the first span started, in seconds since the epoch."""
        return min((node.start_time for node, _ in self.walk()), default=0.0)

    @property
    def duration(self) -> float:
        """From the first start to the last end, in seconds."""
        return max((node.end_time for node, _ in self.walk()), default=0.0) - self.start_time

    @property
    def services(self) -> list[str]:
        """The names of the services that took part, in the order of the tree."""
        return list(dict.fromkeys(node.service for node, _ in self.walk() if node.service))

    @property
    def errors(self) -> list[TraceNode]:
        """The spans that failed, in the order of the tree."""
        return [node for node, _ in self.walk() if node.error]

    def __repr__(self) -> str:
        return f"<Trace {self.trace_id}, {len(self)} spans>"


def _by_start(node: TraceNode) -> float:
    return node.start_time


def _linked(nodes: list[TraceNode]) -> list[TraceNode]:
    """Hang each node under its parent; returns the roots."""
    by_id: dict[str, list[TraceNode]] = {}
    for node in nodes:
        by_id.setdefault(node.span_id, []).append(node)
    parent_of: dict[int, TraceNode] = {}
    for same_id in by_id.values():
        for index, node in enumerate(same_id):
            if index and node.parent_id == same_id[0].parent_id:
                # Both sides of one call under one id, as Zipkin has it: the later is the server's.
                parent_of[id(node)] = same_id[0]
            else:
                for parent in by_id.get(node.parent_id or "", ())[:1]:
                    parent_of[id(node)] = parent
    _open_cycles(nodes, parent_of)
    roots: list[TraceNode] = []
    for node in nodes:
        above = parent_of.get(id(node))
        (roots if above is None else above.children).append(node)
    return roots


def _open_cycles(nodes: list[TraceNode], parent_of: dict[int, TraceNode]) -> None:
    """Where parents lead round in a circle, make a root of the node that started first."""
    settled: set[int] = set()
    for node in nodes:
        path: set[int] = set()
        current: TraceNode | None = node
        while current is not None and id(current) not in settled:
            if id(current) in path:
                del parent_of[id(current)]
                break
            path.add(id(current))
            current = parent_of.get(id(current))
        settled |= path
