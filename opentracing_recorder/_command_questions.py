"""The commands ``top``, ``slowest``, ``errors``, ``compare`` and ``critical-path``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

from . import statistics
from ._command_files import FILES_HELP, Files, chosen_traces
from ._command_filters import add_filters, where_of
from ._command_output import Output, add_output_arguments, at_least_one
from ._command_report import report
from ._command_table import Cell, Column
from ._critical_path import SpanTimes
from ._terminal_text import BOLD, DIM, GREEN, RED
from ._timeline_axis import counted
from ._timeline_text import title
from .trace import Trace

# The keys that `top` sorts by, with the fields of its rows.
_KEYS = {
    "self": "self_time",
    "path": "critical_share",
    **{name: name for name in ("spans", "errors", "p50", "p95", "p99", "max")},
}
_VERDICT_COLORS = {"slower": RED, "faster": GREEN, "within noise": DIM, "too few": DIM}
_DEEPEST = 8  # levels of indentation


def add_parsers(commands: Any) -> None:
    """Add the commands to those of an `argparse` parser."""
    top = _added(
        commands,
        "top",
        _top,
        "the operations that take the time",
        "For each operation of each service: the number of its spans and of its errors, percentiles"
        " of its durations, its self time (the time in no child), and its share of all critical"
        " paths.",
    )
    _add_files(top)
    top.add_argument("--by", choices=_KEYS, default="self", help="sort by this (default: self)")
    _add_rows(top, 30)
    add_filters(top)

    slowest = _added(
        commands,
        "slowest",
        _slowest,
        "the slowest traces, or spans",
        "The slowest traces; with filters, the slowest spans that match. A span inside another that"
        " matches is left out, unless it took longer.",
    )
    _add_files(slowest)
    _add_rows(slowest, 10)
    add_filters(slowest)

    errors = _added(
        commands,
        "errors",
        _errors,
        "the failures, by operation and message",
        "The failed spans, by operation and message. BEGAN HERE counts those without a failed"
        " child.",
    )
    _add_files(errors)
    _add_rows(errors, 30)
    add_filters(errors)

    compare = _added(
        commands,
        "compare",
        _compare,
        "the operations that became slower",
        "Compare the durations in two files. An operation is slower, or faster, if its median"
        " changed by at least 10 % and that is more than noise: in a U test of the traces' medians,"
        " corrected for the number of operations, the probability of chance is below 5 %."
        " With fewer than 8 traces on one side there are too few.",
    )
    compare.add_argument("before", metavar="BEFORE", help=FILES_HELP)
    compare.add_argument("after", metavar="AFTER", help=FILES_HELP)
    compare.add_argument(
        "--at-least",
        type=_percent,
        default=0.1,
        metavar="PERCENT",
        help="the least change that counts (default: 10)",
    )
    _add_rows(compare, 30)
    add_filters(compare)

    path = _added(
        commands,
        "critical-path",
        _critical_path,
        "the work that a trace's duration consists of",
        "The critical path of the slowest trace: the chain of work that its duration consists of.",
    )
    _add_files(path)
    path.add_argument("--trace", metavar="ID", help="of the traces whose id starts with ID")
    _add_rows(path, 30)


def _added(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], short: str, long: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=short, description=long)
    parser.set_defaults(run=run)
    add_output_arguments(parser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)


def _add_rows(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "-n",
        dest="rows",
        type=_rows,
        default=default,
        metavar="N",
        help=f"the most rows (default: {default})",
    )


def _rows(text: str) -> int:
    return at_least_one(text, "row")


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < math.inf:
        raise argparse.ArgumentTypeError(f"at least 0 percent, not {text!r}")
    return percent / 100


def _top(options: argparse.Namespace) -> int:
    files, out = Files(options.files), Output(options)
    traces = Trace.from_spans(files)
    rows = statistics.by_operation(traces, where_of(options))
    field = _KEYS[options.by]
    rows.sort(key=lambda row: math.inf if (by := getattr(row, field)) is None else -by)
    importance = {"spans": 7, "errors": 6, "p50": 4, "p95": 8, "p99": 1, "max": 3, "self": 5}
    importance.update({"path": 2, options.by: 9})
    columns = [
        Column("OPERATION", is_text=True),
        *(Column(name.upper(), importance=each) for name, each in importance.items()),
    ]
    cells = [
        [
            out.name(row.service, row.operation),
            Cell(str(row.spans)),
            out.failed(row.errors),
            *(out.duration(each) for each in (row.p50, row.p95, row.p99, row.max, row.self_time)),
            out.share(row.critical_share),
        ]
        for row in rows[: options.rows]
    ]
    return _printed(out, columns, cells, len(rows), "operation", traces) or files.status


def _slowest(options: argparse.Namespace) -> int:
    files, out = Files(options.files), Output(options)
    traces = Trace.from_spans(files)
    rows = statistics.slowest(traces, options.rows, where_of(options))
    columns = [
        Column("OPERATION", is_text=True),
        Column("TOOK", importance=4),
        Column("SELF", importance=1),
        Column("STARTED", importance=2),
        Column("TRACE", importance=3),
    ]
    cells = [
        [
            out.name(row.service, row.operation, row.error),
            out.duration(row.duration),
            out.duration(row.self_time),
            out.time(row.start_time),
            out.trace_id(row.trace_id),
        ]
        for row in rows
    ]
    return _printed(out, columns, cells, len(rows), "span", traces) or files.status


def _errors(options: argparse.Namespace) -> int:
    files, out = Files(options.files), Output(options)
    traces = Trace.from_spans(files)
    rows = statistics.errors(traces, where_of(options))
    columns = [
        Column("OPERATION", is_text=True),
        Column("ERRORS", importance=4),
        Column("BEGAN HERE", importance=2),
        Column("LAST", importance=1),
        Column("TRACE", importance=3),
        Column("MESSAGE", is_text=True),
    ]
    cells = [
        [
            out.name(row.service, row.operation),
            out.failed(row.spans),
            Cell(str(row.origins)),
            out.time(row.last),
            out.trace_id(row.trace_id),
            Cell(row.message),
        ]
        for row in rows[: options.rows]
    ]
    return _printed(out, columns, cells, len(rows), "row", traces, "no errors") or files.status


def _compare(options: argparse.Namespace) -> int:
    before, after, out = Files([options.before]), Files([options.after]), Output(options)
    old, new = Trace.from_spans(before), Trace.from_spans(after)
    if not (old and new):
        report(f"{options.after if old else options.before}: no spans")
        return 1
    rows = statistics.compare(old, new, where_of(options), at_least=options.at_least)
    columns = [
        Column("OPERATION", is_text=True),
        Column("", importance=6),
        Column("CHANGE", importance=5),
        Column("MEDIAN", importance=4),
        Column("P95", importance=2),
        Column("TRACES", importance=3),
        Column("ERRORS", importance=1),
    ]
    shown, took = rows[: options.rows], out.duration
    pairs = (
        out.pairs((took(row.before_median), took(row.after_median)) for row in shown),
        out.pairs((took(row.before_p95), took(row.after_p95)) for row in shown),
        out.pairs((Cell(str(row.before_traces)), Cell(str(row.after_traces))) for row in shown),
        out.pairs((Cell(str(row.before_errors)), out.failed(row.after_errors)) for row in shown),
    )
    cells = [
        [
            out.name(row.service, row.operation),
            Cell(row.verdict, _VERDICT_COLORS.get(row.verdict, "")),
            Cell(_change(row.change)),
            *each,
        ]
        for row, each in zip(shown, zip(*pairs))
    ]
    status = before.status or after.status
    return _printed(out, columns, cells, len(rows), "operation", old) or status


def _change(change: float | None) -> str:
    if change is None or change == math.inf:
        return "-"
    return f"{change * 100:+.0f} %" if change < 9.995 else f"x {change + 1:.3g}"


def _printed(
    out: Output,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    number: int,
    noun: str,
    traces: Sequence[Trace],
    nothing: str = "no spans match",
) -> int:
    """Print rows of a table, and how many of `number` these leave out. The status is 1 if none."""
    if not rows:
        report(nothing if traces else "no spans")
        return 1
    out.print_table(columns, rows)
    if number > len(rows):
        out.print_line(f"and {counted(number - len(rows), noun)} more; -n {number} shows all", DIM)
    out.flush()
    return 0


def _critical_path(options: argparse.Namespace) -> int:
    files, out = Files(options.files), Output(options)
    traces = chosen_traces(files, options.trace)
    if not traces:
        return 1
    if options.trace is None:
        traces = [max(traces, key=_longest_root)]
    for number, trace in enumerate(traces):
        if number:
            out.print_line("")
        _print_path(out, trace, options.rows)
    out.flush()
    return files.status


def _longest_root(trace: Trace) -> float:
    return max(root.end_time - root.start_time for root in trace.roots)


def _print_path(out: Output, trace: Trace, most: int) -> None:
    """Print a trace's critical path; if it has more than `most` pieces, only the longest."""
    out.print_line(title(trace, out.width, out.glyphs), BOLD)
    pieces = SpanTimes(trace).path()
    lengths = [end - start for _, start, end in pieces]
    whole = sum(lengths)
    longest = sorted(range(len(pieces)), key=lengths.__getitem__, reverse=True)[:most]
    depths = {id(node): depth for node, depth in trace.walk()}
    columns = [
        Column("AT", importance=1),
        Column("FOR", importance=3),
        Column("SHARE", importance=2),
        Column("OPERATION", is_text=True),
    ]
    rows = []
    for index in sorted(longest):
        node, start, _ = pieces[index]
        name = out.name(node.service, node.operation_name, node.error)
        indent = "  " * min(depths[id(node)], _DEEPEST)
        rows.append(
            [
                out.duration(start - pieces[0][1]),
                out.duration(lengths[index]),
                out.share(lengths[index] / whole),
                name._replace(text=indent + name.text),
            ]
        )
    out.print_table(columns, rows)
    if len(pieces) > most:
        rest = whole - sum(map(lengths.__getitem__, longest))
        text = f"and {counted(len(pieces) - most, 'shorter piece')}, {out.duration(rest).text}"
        out.print_line(text, DIM)
