"""Questions about many traces: which operation is slow, what fails, and what became slower.

Each function takes the traces of `Trace.from_spans` and returns rows, which are named tuples::

    from opentracing_recorder import BasicTracer, JSONLinesRecorder, Trace, read_spans
    from opentracing_recorder.statistics import by_operation, matching, slowest

    with BasicTracer(JSONLinesRecorder("spans.jsonl"), service_name="shop") as tracer:
        for start in (1700000000.0, 1700000060.0):
            order = tracer.start_span("order", start_time=start)
            query = tracer.start_span("SELECT", child_of=order, start_time=start + 0.125)
            query.finish(finish_time=start + 0.375)
            order.finish(finish_time=start + 1.0)

    traces = Trace.from_spans(read_spans("spans.jsonl"))
    for row in by_operation(traces):
        print(row.operation, row.spans, row.p95, row.self_time, row.critical_share)
    (worst,) = slowest(traces, 1, where=matching(operation="SELECT"))
    print(worst.operation, worst.duration, worst.start_time)

which prints::

    order 2 1.0 1.5 0.75
    SELECT 2 0.25 0.5 0.25
    SELECT 0.25 1700000000.125

``pandas.DataFrame(by_operation(traces))`` makes a table of them, whose columns are the fields.

- `by_operation`: number of spans, errors, percentiles, self time and share of the critical paths.
- `slowest`: the slowest traces, or the slowest spans of those that you ask for.
- `errors`: the failures, grouped by their message.
- `compare`: which operations became slower, and whether that is more than noise.
- `critical_path`: what one trace spent its time on.

Commands ask the same of files: ``top``, ``slowest``, ``errors``, ``compare`` and
``critical-path``. They are those of ``python -m opentracing_recorder``, here called from Python::

    from opentracing_recorder.__main__ import main

    main(["top", "spans.jsonl", "--by", "p95", "--service", "shop", "--width", "90"])

which prints::

    OPERATION     SPANS  ERRORS     P50     P95     P99     MAX    SELF  PATH
    shop: order       2       0  1.00 s  1.00 s  1.00 s  1.00 s  1.50 s  75 %
    shop: SELECT      2       0  250 ms  250 ms  250 ms  250 ms  500 ms  25 %

- They take the filters ``--operation``, ``--service``, ``--tag key=value``, ``--slower-than 200ms``
  and ``--since``. The last takes a time such as ``2026-11-30T14:05``, which is local unless it ends
  with an offset or ``Z``, or a duration before now such as ``15m``.
- A table fits the terminal's width, or ``--width``: names are cut, and the least important columns
  left out. ``-n`` is the most rows.
- Colours are those of ``show``.
- The exit status is 1 if a file could not be read, or no span was found.

The terms:

- The duration of a span is in seconds. A span that is not finished is counted, and has no duration.
- *Self time* is a span's duration less the time that its children cover. The time that several
  children cover at once counts once, and the time of a child outside its parent does not count. A
  child that the span does not wait for, as `critical_path` defines it, covers nothing.
- A *percentile* is the nearest rank: p95 is the least duration that at least 95 % of the spans do
  not exceed (definition 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The
  American Statistician 50, 1996). It is the duration of a real span, however few there are.
- A span is an *error* as `TraceNode.error` defines it.

`where` selects spans. It is a function that takes a `TraceNode`, such as `matching` returns. Self
times and critical paths are always those of the whole trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import nsmallest
from typing import Any, NamedTuple

from ._critical_path import PathPiece, SpanTimes, critical_path
from ._json_safe import text_of
from ._statistics_compare import Comparison, compare, percentile
from .trace import Trace, TraceNode

__all__ = [
    "Comparison",
    "ErrorGroup",
    "Operation",
    "PathPiece",
    "SlowSpan",
    "by_operation",
    "compare",
    "critical_path",
    "errors",
    "matching",
    "slowest",
]

_Where = Callable[[TraceNode], bool]


class Operation(NamedTuple):
    """The spans of one operation of one service. Durations are in seconds, None without any."""

    service: str | None
    operation: str
    spans: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    self_time: float
    """The sum of all spans."""
    critical_share: float
    """The part of the critical paths of all traces, from 0 to 1."""


class SlowSpan(NamedTuple):
    """A span that took long. Its duration and self time are in seconds."""

    trace_id: str
    span_id: str
    service: str | None
    operation: str
    start_time: float
    """Seconds since the epoch."""
    duration: float
    self_time: float
    error: bool


class ErrorGroup(NamedTuple):
    """The failed spans of one operation that have the same message."""

    service: str | None
    operation: str
    message: str
    """That of `TraceNode.error_message`."""
    spans: int
    origins: int
    """How many of the spans have no failed child: the failure began there."""
    last: float
    """When the last of the spans started, in seconds since the epoch."""
    trace_id: str
    """The trace of that span."""


def matching(
    *,
    operation: str | None = None,
    service: str | None = None,
    tags: Mapping[str, Any] | None = None,
    slower_than: float | None = None,
    since: float | None = None,
) -> Callable[[TraceNode], bool]:
    """A `where` that selects the spans for which everything given holds.

    `operation` and `service` are whole names. `tags` are compared as text, so ``"500"`` selects
    500 as well; ``"true"`` and ``"false"`` select booleans. `slower_than` is in seconds, and
    selects no span that is not finished. `since` is the earliest start, in seconds since the epoch.
    """
    texts = {key: _tag_text(value) for key, value in (tags or {}).items()}

    def where(span: TraceNode) -> bool:
        return (
            (operation is None or span.operation_name == operation)
            and (service is None or span.service == service)
            and (slower_than is None or (span.duration or 0.0) > slower_than)
            and (since is None or span.start_time >= since)
            and all(
                key in span.tags and _tag_text(span.tags[key]) == text
                for key, text in texts.items()
            )
        )

    return where


def by_operation(traces: Iterable[Trace], where: _Where | None = None) -> list[Operation]:
    """A row for each operation of each service, those with the most self time first."""
    operations: dict[tuple[str, str], _Spans] = {}
    all_paths = 0.0
    for trace in traces:
        times = SpanTimes(trace)
        for node in times.nodes:
            if where is None or where(node):
                spans = operations.setdefault((node.service or "", node.operation_name), _Spans())
                spans.count += 1
                spans.errors += node.error
                if node.duration is not None:
                    spans.durations.append(times.end(node) - node.start_time)
                    spans.self_time += times.self_time(node)
        for node, start, end in times.path():
            all_paths += end - start
            if where is None or where(node):
                operations[node.service or "", node.operation_name].on_paths += end - start
    rows = [spans.row(*key, all_paths) for key, spans in operations.items()]
    return sorted(rows, key=lambda row: (-row.self_time, row.operation, row.service or ""))


def slowest(traces: Iterable[Trace], n: int = 10, where: _Where | None = None) -> list[SlowSpan]:
    """The `n` slowest spans, the slowest first. Without `where`, these are traces' roots.

    A span inside another that is selected too is left out, unless it took longer: its time is a
    part of the other's. So ``matching(service="stock")`` finds the slowest requests to that
    service, and not the spans below them.
    """
    found: list[tuple[float, float, str, str, TraceNode, Trace]] = []
    for trace in traces:
        # With each span, the longest that is selected above it.
        waiting = [(root, -1.0) for root in trace.roots]
        while waiting:
            node, above = waiting.pop()
            if node.duration is not None and (where is None or where(node)):
                took = node.end_time - node.start_time
                if took > above:
                    above = took
                    found.append((-took, node.start_time, node.trace_id, node.span_id, node, trace))
            waiting.extend((child, above) for child in node.children)
    times: dict[int, SpanTimes] = {}
    rows = []
    for minus, start, trace_id, span_id, node, trace in nsmallest(
        n, found, key=lambda row: row[:4]
    ):
        if id(trace) not in times:
            times[id(trace)] = SpanTimes(trace)
        self_time = times[id(trace)].self_time(node)
        rows.append(
            SlowSpan(
                trace_id,
                span_id,
                node.service,
                node.operation_name,
                start,
                -minus,
                self_time,
                node.error,
            )
        )
    return rows


def errors(traces: Iterable[Trace], where: _Where | None = None) -> list[ErrorGroup]:
    """A row for each message of each operation; those where most failures began come first."""
    groups: dict[tuple[str, str, str], list[TraceNode]] = {}
    for trace in traces:
        for node, _ in trace.walk():
            if node.error and (where is None or where(node)):
                key = (node.service or "", node.operation_name, node.error_message)
                groups.setdefault(key, []).append(node)
    rows = []
    for (service, operation, message), nodes in groups.items():
        last = max(nodes, key=lambda node: (node.start_time, node.trace_id))
        origins = sum(not any(child.error for child in node.children) for node in nodes)
        rows.append(
            ErrorGroup(
                service or None,
                operation,
                message,
                len(nodes),
                origins,
                last.start_time,
                last.trace_id,
            )
        )
    return sorted(
        rows,
        key=lambda row: (-row.origins, -row.spans, row.operation, row.service or "", row.message),
    )


class _Spans:
    """The spans of one operation."""

    def __init__(self) -> None:
        self.count = self.errors = 0
        self.durations: list[float] = []
        self.self_time = self.on_paths = 0.0

    def row(self, service: str, operation: str, all_paths: float) -> Operation:
        durations = sorted(self.durations)
        return Operation(
            service or None,
            operation,
            self.count,
            self.errors,
            percentile(durations, 50),
            percentile(durations, 95),
            percentile(durations, 99),
            percentile(durations, 100),
            self.self_time,
            self.on_paths / all_paths if all_paths else 0.0,
        )


def _tag_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else text_of(value)
