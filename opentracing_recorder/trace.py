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

Each span has its place in exactly one tree, whatever its ids and parents are:

- If a span's parent was not recorded, the span is a root, and its `TraceNode.is_orphan` is true.
- A span that was recorded twice, such as by a backend that delivers at least once, is one. It has
  the same trace id, span id, service, start and kind. The finished one is kept, and of two that are
  finished, the one with more tags and logs.
- If the two sides of a call share a span id, as in Zipkin, the server's hangs under the client's,
  whatever their clocks say. Their children hang under the side in their own service.
- If clocks disagree, so that a span of another process cannot fit the span that called it, its
  times are corrected. `TraceNode.clock_shift` is the correction.

The time that this takes grows with the number of spans, and not faster. In a notebook, a `Trace`
and the list that `Trace.from_spans` returns show themselves as the page that
`opentracing_recorder.timeline` draws.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Union

from ._json_safe import text_of
from ._stack_text import with_causes
from .span import BasicSpan, is_failed

__all__ = ["AnySpan", "Trace", "TraceNode"]

AnySpan = Union[BasicSpan, Mapping[str, Any]]


class TraceNode:
    """One span in its tree. Its fields are those of `BasicSpan.to_dict`.

    A field that is missing, or has the wrong type, gets an empty value: you often look at a trace
    because something is wrong with it. The times are corrected by `clock_shift`, and those in
    `fields` are as they were recorded.
    """

    __slots__ = (
        "_children",
        "clock_shift",
        "fields",
        "is_orphan",
        "parent_id",
        "service",
        "span_id",
        "start_time",
        "trace_id",
    )

    def __init__(self, fields: Mapping[str, Any]) -> None:
        # The fields that put trees together. The others are read when needed: traces are large.
        self.fields = fields
        self.trace_id = _text(fields.get("trace_id"))
        self.span_id = _text(fields.get("span_id"))
        self.parent_id: str | None = _text(fields.get("parent_id")) or None
        self.service: str | None = _text(fields.get("service")) or None
        self.start_time = seconds_or_none(fields.get("start_time")) or 0.0
        self._children: list[TraceNode] | None = None
        self.is_orphan = False
        """Whether the span has a parent that was not recorded."""
        self.clock_shift = 0.0
        """Seconds that were added to `start_time` and to the times of `logs`.

        They are not 0 if this span's clock disagrees with that of its caller: the parent in
        another service, or the client of this server. A span that starts before its caller is
        moved to the middle of it, as in Jaeger, or to its start if it lasts longer. So is a server
        that starts over a millisecond after its client has ended, but could fit it. The descendants
        in the same service are moved too.

        Spans of producers and consumers, and those that follow from their parent, need not fit it.
        Nor are spans moved that only end after their parent, or that start after a client that
        failed: it may have given up.
        """

    @property
    def children(self) -> list[TraceNode]:
        """The spans below this one, by start."""
        if self._children is None:
            self._children = []
        return self._children

    @property
    def operation_name(self) -> str:
        """The name of the operation."""
        return _text(self.fields.get("operation_name"))

    @property
    def duration(self) -> float | None:
        """Seconds; None if the span is not finished."""
        return seconds_or_none(self.fields.get("duration"))

    @property
    def tags(self) -> Mapping[str, Any]:
        """The tags."""
        tags = self.fields.get("tags")
        return tags if isinstance(tags, Mapping) else {}

    @property
    def logs(self) -> list[Mapping[str, Any]]:
        """The logs, each with a ``timestamp`` and ``fields``."""
        logs = self.fields.get("logs")
        found = [log for log in logs if _is_log(log)] if isinstance(logs, list) else []
        return [self._moved(log) for log in found] if self.clock_shift else found

    def _moved(self, log: Mapping[str, Any]) -> Mapping[str, Any]:
        time = seconds_or_none(log.get("timestamp"))
        return log if time is None else {**log, "timestamp": time + self.clock_shift}

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

        The log's ``stack`` adds the members of an exception group, and the innermost cause.
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
                    return with_causes(found.removesuffix(": "), _text(fields.get("stack")))
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
        self.roots = _linked(sorted(nodes, key=_BY_START))

    @classmethod
    def from_spans(cls, spans: Iterable[AnySpan]) -> list[Trace]:
        """The traces of these spans, ordered by start. Takes spans or their `to_dict` form."""
        by_trace: defaultdict[str, list[TraceNode]] = defaultdict(list)
        records = [span if isinstance(span, Mapping) else span.to_dict() for span in spans]
        with _collector_paused():
            for record in records:
                node = TraceNode(record)
                by_trace[node.trace_id].append(node)
            traces: list[Trace] = [cls(trace_id, nodes) for trace_id, nodes in by_trace.items()]
        if len(traces) > 1:
            traces.sort(key=lambda trace: trace.start_time)
        return _Traces(traces)

    def walk(self) -> Iterator[tuple[TraceNode, int]]:
        """Each span and its depth (0 for a root): parents before children, siblings by start."""
        waiting = [(root, 0) for root in reversed(self.roots)]
        while waiting:
            node, depth = waiting.pop()
            yield node, depth
            if node._children:
                depth += 1
                waiting += [(child, depth) for child in reversed(node._children)]

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
        first, last = float("inf"), float("-inf")
        for node, _ in self.walk():
            first, last = min(first, node.start_time), max(last, node.end_time)
        return max(last - first, 0.0)

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

        return embed_html([self])

    def __repr__(self) -> str:
        return f"<Trace {self.trace_id}, {len(self)} spans>"


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking at all spans again for each few that are added."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_BY_START = attrgetter("start_time")


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
    """Hang each node under its parent; returns the roots. The nodes are ordered by start."""
    number_of: dict[str, int] = {}
    for number, node in enumerate(nodes):
        number_of.setdefault(node.span_id, number)
    if len(number_of) == len(nodes):
        parents = [
            -1 if node.parent_id is None else number_of.get(node.parent_id, -1) for node in nodes
        ]
    else:
        nodes = _distinct(nodes)
        parents = _parents_among_shared_ids(nodes)
    _open_circles(nodes, parents)
    roots: list[TraceNode] = []
    for node, parent in zip(nodes, parents):
        if parent >= 0:
            nodes[parent].children.append(node)
        else:
            roots.append(node)
            node.is_orphan = node.parent_id is not None and node.parent_id not in number_of
    _correct_clocks(roots)
    return roots


def _distinct(nodes: list[TraceNode]) -> list[TraceNode]:
    """The nodes of different spans: of two records of one span, the one that has more."""
    found: dict[tuple[object, ...], TraceNode] = {}
    for node in nodes:
        # Spans without an id may be any spans.
        key = (node.span_id or id(node), node.service, node.start_time, kind_of(node))
        known = found.setdefault(key, node)
        if known is not node and _richness(node) > _richness(known):
            found[key] = node
    return list(found.values())


def _richness(node: TraceNode) -> tuple[bool, int, float]:
    parts = len(node.tags) + len(node.logs)
    return node.duration is not None, parts, node.duration or 0.0


def _parents_among_shared_ids(nodes: list[TraceNode]) -> list[int]:
    """The number of each node's parent, or -1. Several nodes may have one id.

    In Zipkin, both sides of a call may share an id.
    """
    kinds = [kind_of(node) for node in nodes]
    callers: dict[str, int] = {}  # by id; a client if there is one, and no server if possible
    sides: dict[tuple[str, str | None], int] = {}  # by id and service; a server if there is one
    for number, node in enumerate(nodes):
        known = callers.setdefault(node.span_id, number)
        if _CALLERS_FIRST.get(kinds[number], 1) < _CALLERS_FIRST.get(kinds[known], 1):
            callers[node.span_id] = number
        known = sides.setdefault((node.span_id, node.service), number)
        if kinds[number] == "server" != kinds[known]:
            sides[node.span_id, node.service] = number
    parents = []
    for number, node in enumerate(nodes):
        parent = -1
        caller = callers[node.span_id]
        if number != caller and _is_other_side(
            kinds[caller], kinds[number], nodes[caller].parent_id == node.parent_id
        ):
            parent = caller
        elif node.parent_id is not None and node.parent_id != node.span_id:
            side = sides.get((node.parent_id, node.service))
            parent = callers.get(node.parent_id, -1) if side is None else side
        parents.append(parent)
    return parents


_CALLERS_FIRST = {"client": 0, "server": 2}


def _is_other_side(caller_kind: str, kind: str, have_one_parent: bool) -> bool:
    """Whether a span is the called side of the span that has its id."""
    if caller_kind == "client" and kind == "server":
        return True  # which may not know the client's parent
    return have_one_parent and (kind != caller_kind or not kind)


def _open_circles(nodes: list[TraceNode], parents: list[int]) -> None:
    """If nodes are their own ancestors, make the first of them a root."""
    chain_of = [-1] * len(parents)  # the number of the node from which each was reached
    for number in range(len(parents)):
        current = number
        while current >= 0 and chain_of[current] < 0:
            chain_of[current] = number
            current = parents[current]
        if current >= 0 and chain_of[current] == number:
            circle = [current]
            while (current := parents[current]) != circle[0]:
                circle.append(current)
            # Not by number alone: of those that start at once, that would be the first given.
            first = min(circle, key=lambda each: (nodes[each].start_time, nodes[each].span_id))
            parents[first] = -1


def _correct_clocks(roots: list[TraceNode]) -> None:
    """Set the clock shift of each node below these, and order siblings by it."""
    callers = list(roots)
    for caller in callers:  # which grows meanwhile
        children = caller._children
        if not children:
            continue
        callers += children
        is_client = kind_of(caller) == "client"
        is_moved = False
        for node in children:
            if node.service == caller.service and not (is_client and kind_of(node) == "server"):
                seconds = caller.clock_shift
            else:
                seconds = _clock_shift(node, caller, is_client)
            if seconds:
                node.clock_shift = seconds
                node.start_time += seconds
                is_moved = True
        if is_moved:
            children.sort(key=_BY_START)


def _clock_shift(node: TraceNode, caller: TraceNode, is_client: bool) -> float:
    """The seconds by which a span must move to fit its caller in another process."""
    is_early = node.start_time < caller.start_time - _SAME_TIME
    is_late = is_client and node.start_time > caller.end_time + _COARSE
    if not is_early and not (is_late and kind_of(node) == "server" and not caller.error):
        return 0.0
    if kind_of(node) == "consumer" or kind_of(caller) == "producer" or follows_from_parent(node):
        return 0.0
    own, whole = node.duration, caller.duration
    if own is not None and whole is not None and own <= whole:
        # As in Jaeger, the request and its response were equally long on their way.
        return caller.start_time + (whole - own) / 2 - node.start_time
    return caller.start_time - node.start_time if is_early else 0.0


_SAME_TIME = 1e-6  # seconds; formats round to it
_COARSE = 1e-3  # seconds; some clocks, such as a browser's, tell starts no better than that


def follows_from_parent(node: TraceNode) -> bool:
    """Whether a span's reference to its parent is ``follows_from``: the parent does not wait."""
    references = node.fields.get("references")
    return isinstance(references, list) and any(
        isinstance(each, Mapping)
        and _text(each.get("type")) == "follows_from"
        and _text(each.get("span_id")) == node.parent_id
        for each in references
    )


def kind_of(node: TraceNode) -> str:
    """The tag ``span.kind`` in lower case, such as ``server``; ``""`` if it is missing."""
    kind = node.tags.get("span.kind")
    return "" if kind is None else text_of(kind).lower()


class _Traces(list[Trace]):
    """A list of traces that shows itself in a notebook."""

    def _repr_html_(self) -> str:
        from ._timeline_page import embed_html

        return embed_html(self)
