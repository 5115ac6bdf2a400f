"""Trace, which puts recorded spans together into trees, for timelines and for tests.

Spans may come from several services, in any order, as spans or in their `to_dict` form::

    from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="shop")
    with tracer.start_active_span("checkout"):
        tracer.start_span("charge", tags={"error": True}).finish()

    (trace,) = Trace.from_spans(recorder.spans)
    for span, depth in trace.walk():
        print("    " * depth + span.operation_name)
    print(len(trace), trace.services, [span.operation_name for span in trace.errors])

which prints::

    checkout
        charge
    2 ['shop'] ['charge']

Each span has its place in exactly one tree, whatever its ids and parents are. If a span's parent
was not recorded, the span is a root. In a notebook, a `Trace` shows itself as the page that
`opentracing_recorder.timeline` draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

from ._json_safe import text_of
from .span import BasicSpan, is_failed

__all__ = ["AnySpan", "Trace", "TraceNode"]

AnySpan = Union[BasicSpan, Mapping[str, Any]]


class TraceNode:
    """One span in its tree. Its fields are those of `BasicSpan.to_dict`.

    A field that is missing, or has the wrong type, gets an empty value: you often look at a trace
    because something is wrong with it.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.trace_id = _text(fields.get("trace_id"))
        self.span_id = _text(fields.get("span_id"))
        self.parent_id: str | None = _text(fields.get("parent_id")) or None
        self.operation_name = _text(fields.get("operation_name"))
        self.service: str | None = _text(fields.get("service")) or None
        self.start_time = seconds_or_none(fields.get("start_time")) or 0.0
        self.duration = seconds_or_none(fields.get("duration"))
        tags, logs = fields.get("tags"), fields.get("logs")
        self.tags: Mapping[str, Any] = tags if isinstance(tags, Mapping) else {}
        self.logs = [log for log in logs if _is_log(log)] if isinstance(logs, list) else []
        self.children: list[TraceNode] = []

    @property
    def end_time(self) -> float:
        """Seconds since the epoch; if the span is not finished, the same as `start_time`."""
        return self.start_time + max(self.duration or 0.0, 0.0)

    @property
    def error(self) -> bool:
        """Whether the span failed: its tag ``error`` is true, and not the text ``false``."""
        return is_failed(self.tags)

    @property
    def error_message(self) -> str:
        """The message of the span's last error log; ``""`` if it has none.

        If no log has a message, the text of the tag ``error`` is used, as Zipkin's users set it.
        """
        if not self.error:
            return ""
        for log in reversed(self.logs):
            fields = log["fields"]
            if fields.get("event") == "error":
                kind, message = _text(fields.get("error.kind")), _text(fields.get("message"))
                message = message or _text(fields.get("error.object"))
                # The JSON-safe text of an exception already begins with its class.
                parts = (message,) if message.startswith(f"{kind}:") else (kind, message)
                found = ": ".join(part for part in parts if part)
                if found:
                    return found.removesuffix(": ")
        value = self.tags["error"]
        return value if isinstance(value, str) and value.lower() != "true" else ""

    def __repr__(self) -> str:
        return f"<TraceNode {self.operation_name!r} {self.trace_id}:{self.span_id}>"


class Trace:
    """All recorded spans with one trace id, as trees.

    A complete trace has one root. A span whose parent was not recorded is a root too.
    """

    def __init__(self, trace_id: str, nodes: Iterable[TraceNode]) -> None:
        self.trace_id = trace_id
        self.roots = _linked(sorted(nodes, key=lambda node: node.start_time))

    @classmethod
    def from_spans(cls, spans: Iterable[AnySpan]) -> list[Trace]:
        """The traces of these spans, ordered by start. Takes spans or their `to_dict` form."""
        by_trace: dict[str, list[TraceNode]] = {}
        for span in spans:
            node = TraceNode(span if isinstance(span, Mapping) else span.to_dict())
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

    def outline(self, tags: Iterable[str] = ()) -> str:
        """A line for each span: its name, indented by its depth, and `` !`` if it failed.

        The `tags` that it has follow as ``key='value'``. The text has no ids and no times, so a
        test can compare it with a literal.
        """
        wanted = [tags] if isinstance(tags, str) else list(tags)
        return "\n".join(
            "  " * depth
            + node.operation_name
            + " !" * node.error
            + "".join(f" {key}={node.tags[key]!r}" for key in wanted if key in node.tags)
            for node, depth in self.walk()
        )

    def __len__(self) -> int:
        """The number of spans."""
        return sum(1 for _ in self.walk())

    @property
    def start_time(self) -> float:
        """The start of the first span, in seconds since the epoch."""
        return min((node.start_time for node, _ in self.walk()), default=0.0)

    @property
    def duration(self) -> float:
        """From the first start to the last end, in seconds."""
        return max((node.end_time for node, _ in self.walk()), default=0.0) - self.start_time

    @property
    def services(self) -> list[str]:
        """The names of the services, in the order of the tree."""
        return list(dict.fromkeys(node.service for node, _ in self.walk() if node.service))

    @property
    def errors(self) -> list[TraceNode]:
        """The spans that failed, in the order of the tree."""
        return [node for node, _ in self.walk() if node.error]

    def _repr_html_(self) -> str:
        """The page of `render_html` in a frame, which notebooks show."""
        from ._timeline_page import embed_html  # here, because it imports this module

        return embed_html([self], "a trace")

    def __repr__(self) -> str:
        return f"<Trace {self.trace_id}, {len(self)} spans>"


def _text(value: Any) -> str:
    return "" if value is None else text_of(value)


def seconds_or_none(value: Any) -> float | None:
    """A number as a float, or None; below 1e15, so that sums and differences stay finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e15 else None


def _is_log(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("fields"), Mapping)


def _linked(nodes: list[TraceNode]) -> list[TraceNode]:
    """Hang each node under its parent; returns the roots."""
    first: dict[str, TraceNode] = {}
    first_of_service: dict[tuple[str, str | None], TraceNode] = {}
    for node in nodes:
        first.setdefault(node.span_id, node)
        first_of_service.setdefault((node.span_id, node.service), node)
    parent_of: dict[int, TraceNode] = {}
    for node in nodes:
        same_id = first[node.span_id]
        parent: TraceNode | None = None
        if node is not same_id and node.parent_id == same_id.parent_id:
            # In Zipkin, both sides of a call may share an id: the later span is the server's.
            parent = same_id
        elif node.parent_id is not None:
            # If two spans have the parent's id, the parent is the one in the child's service.
            own_side = first_of_service.get((node.parent_id, node.service))
            parent = own_side or first.get(node.parent_id)
        if parent is not None:
            parent_of[id(node)] = parent
    _open_cycles(nodes, parent_of)
    roots: list[TraceNode] = []
    for node in nodes:
        parent_or_none = parent_of.get(id(node))
        (roots if parent_or_none is None else parent_or_none.children).append(node)
    return roots


def _open_cycles(nodes: list[TraceNode], parent_of: dict[int, TraceNode]) -> None:
    """If spans are their own ancestors, make the one that started first a root."""
    order = {id(node): index for index, node in enumerate(nodes)}
    settled: set[int] = set()
    for node in nodes:
        path: list[TraceNode] = []
        current: TraceNode | None = node
        while current is not None and id(current) not in settled:
            settled.add(id(current))
            path.append(current)
            current = parent_of.get(id(current))
        if current in path:
            circle = path[path.index(current) :]
            del parent_of[min(map(id, circle), key=order.__getitem__)]
