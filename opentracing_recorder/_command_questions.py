"""The commands ``top``, ``slowest``, ``errors``, ``compare`` and ``critical-path``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from . import statistics
from ._command_files import FILES_HELP, Files, report
from ._command_filters import add_filters, where_of
from ._command_output import add_output_arguments, is_colored
from ._command_table import Cell, Column, table
from ._critical_path import SpanTimes
from ._terminal_text import (
    BOLD,
    DIM,
    GREEN,
    RED,
    Glyphs,
    can_encode,
    fit,
    in_color,
    shown_start,
    terminal_width,
)
from ._timeline_axis import counted, format_duration, summary
from .trace import Trace

_DEEPEST = 8  # levels of indentation

# What `top` can be sorted by, with the fields of its rows.
_KEYS = {
    "self": "self_time",
    "path": "critical_share",
    **{name: name for name in ("spans", "errors", "p50", "p95", "p99", "max")},
}


def add_parsers(commands: Any) -> None:
    """Add the commands to those of an `argparse` parser."""
    top = _added(
        commands,
        "top",
        _top,
        "which operations take the time",
        "For each operation of each service: the number of its spans and errors, percentiles of"
        " their durations in the nearest rank, their self time (in no child), and the share of all"
        " critical paths.",
    )
    top.add_argument("--by", choices=_KEYS, default="self", help="sort by this (default: self)")
    slowest = _added(
        commands,
        "slowest",
        _slowest,
        "the slowest traces, or spans",
        "The slowest traces. With filters, the slowest spans that match, but for those inside"
        " others that match.",
    )
    slowest.add_argument(
        "-n", dest="rows", type=_rows, default=10, metavar="N", help="how many (default: 10)"
    )
    _added(
        commands,
        "errors",
        _errors,
        "what fails",
        "The failed spans, by operation and message. BEGAN HERE counts those without a failed"
        " child.",
    )
    compare = _added(
        commands,
        "compare",
        _compare,
        "which operations became slower",
        "The medians of two files. An operation is slower if its median changed by at least 10 %%,"
        " and a U test of one duration for each trace excludes chance, corrected for the number of"
        " operations.",
        files=("before", "after"),
    )
    compare.add_argument(
        "--at-least",
        type=_percent,
        default=0.1,
        metavar="PERCENT",
        help="the least change that counts (default: 10)",
    )
    path = commands.add_parser(
        "critical-path",
        help="what a trace spent its time on",
        description="The chain of work that a trace's duration consists of: of the slowest trace,"
        " or of those that --trace selects.",
    )
    path.set_defaults(run=_critical_path)
    path.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    path.add_argument("--trace", metavar="ID", help="traces whose id starts with ID")
    _add_rows(path)
    add_output_arguments(path)


def _added(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    short: str,
    description: str,
    files: Sequence[str] = (),
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=short, description=description)
    parser.set_defaults(run=run)
    for each in files:
        parser.add_argument(each, metavar=each.upper(), help=FILES_HELP)
    if not files:
        parser.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    add_filters(parser)
    if name != "slowest":
        _add_rows(parser)
    add_output_arguments(parser)
    return parser


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-n", dest="rows", type=_rows, default=30, metavar="N", help="most rows (default: 30)"
    )


def _rows(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {number}")
    return number


def _percent(text: str) -> float:
    percent = float(text.removesuffix("%"))
    if not 0 <= percent < math.inf:
        raise argparse.ArgumentTypeError(f"at least 0 percent, not {text}")
    return percent / 100


def _top(options: argparse.Namespace) -> int:
    files = Files(options.files)
    rows = statistics.by_operation(Trace.from_spans(files), where_of(options))
    by = _KEYS[options.by]
    rows.sort(key=lambda row: -1.0 if getattr(row, by) is None else getattr(row, by), reverse=True)
    out = _Output(options)
    columns = [
        Column("OPERATION", is_text=True),
        *(
            Column(name.upper(), importance=9 if name == options.by else importance)
            for name, importance in (
                ("spans", 7),
                ("errors", 6),
                ("p50", 4),
                ("p95", 8),
                ("p99", 1),
                ("max", 3),
                ("self", 5),
                ("path", 2),
            )
        ),
    ]
    cells = [
        [
            out.name(row.service, row.operation),
            Cell(str(row.spans)),
            out.failed(row.errors),
            *(out.duration(each) for each in (row.p50, row.p95, row.p99, row.max, row.self_time)),
            Cell(_share(row.critical_share)),
        ]
        for row in rows[: options.rows]
    ]
    return out.printed(columns, cells, len(rows), "operation", files.status)


def _slowest(options: argparse.Namespace) -> int:
    files = Files(options.files)
    rows = statistics.slowest(Trace.from_spans(files), options.rows, where_of(options))
    out = _Output(options)
    columns = [
        Column("OPERATION", is_text=True),
        Column("TOOK", importance=4),
        Column("SELF", importance=2),
        Column("STARTED", importance=1),
        Column("TRACE", is_text=True),
    ]
    cells = [
        [
            out.name(row.service, row.operation, row.error),
            out.duration(row.duration),
            out.duration(row.self_time),
            Cell(_local(row.start_time)),
            Cell(row.trace_id, DIM),
        ]
        for row in rows
    ]
    return out.printed(columns, cells, len(rows), "span", files.status)


def _errors(options: argparse.Namespace) -> int:
    files = Files(options.files)
    traces = Trace.from_spans(files)
    rows = statistics.errors(traces, where_of(options))
    if traces and not rows:
        report("no errors")
        return 1
    out = _Output(options)
    columns = [
        Column("OPERATION", is_text=True),
        Column("ERRORS", importance=4),
        Column("BEGAN HERE", importance=2),
        Column("LAST", importance=1),
        Column("TRACE", is_text=True),
        Column("MESSAGE", is_text=True),
    ]
    cells = [
        [
            out.name(row.service, row.operation),
            out.failed(row.spans),
            Cell(str(row.origins)),
            Cell(_local(row.last)),
            Cell(row.trace_id, DIM),
            Cell(row.message),
        ]
        for row in rows[: options.rows]
    ]
    return out.printed(columns, cells, len(rows), "group", files.status)


_VERDICT_COLORS = {"slower": RED, "faster": GREEN, "within noise": DIM, "too few": DIM}


def _compare(options: argparse.Namespace) -> int:
    where = where_of(options)
    before, after = Files([options.before]), Files([options.after])
    old, new = Trace.from_spans(before), Trace.from_spans(after)
    for name, traces in ((options.before, old), (options.after, new)):
        if not traces:
            report(f"{name}: no spans")
            return 1
    rows = statistics.compare(old, new, where, at_least=options.at_least)
    number = len(rows)
    out = _Output(options)
    columns = [
        Column("OPERATION", is_text=True),
        Column("", importance=9),
        Column("CHANGE", importance=8),
        Column("MEDIAN", importance=7),
        Column("P95", importance=5),
        Column("TRACES", importance=6),
        Column("ERRORS", importance=4),
    ]
    del rows[options.rows :]
    pairs = zip(
        out.pairs(
            (out.duration(row.before_median), out.duration(row.after_median)) for row in rows
        ),
        out.pairs((out.duration(row.before_p95), out.duration(row.after_p95)) for row in rows),
        out.pairs((Cell(str(row.before_traces)), Cell(str(row.after_traces))) for row in rows),
        out.pairs((Cell(str(row.before_errors)), out.failed(row.after_errors)) for row in rows),
    )
    cells = [
        [
            out.name(row.service, row.operation),
            Cell(row.verdict, _VERDICT_COLORS.get(row.verdict, "")),
            Cell(_change(row.change)),
            *each,
        ]
        for row, each in zip(rows, pairs)
    ]
    return out.printed(columns, cells, number, "operation", before.status | after.status)


def _critical_path(options: argparse.Namespace) -> int:
    files = Files(options.files)
    traces = Trace.from_spans(files)
    if options.trace is not None:
        wanted = options.trace.lower()
        traces = [trace for trace in traces if trace.trace_id.lower().startswith(wanted)]
    if not traces:
        report("no spans" if options.trace is None else f"no trace {options.trace}")
        return 1
    if options.trace is None:
        traces = [max(traces, key=_longest_root)]
    out = _Output(options)
    for number, trace in enumerate(traces):
        if number:
            print()
        out.path(trace, options.rows)
    sys.stdout.flush()
    return files.status


def _longest_root(trace: Trace) -> float:
    return max(root.end_time - root.start_time for root in trace.roots)


class _Output:
    """Standard output, as the options want it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.glyphs = Glyphs(can_encode(sys.stdout))
        self.width: int = options.width or terminal_width()
        self.color = is_colored(options)

    def name(self, service: str | None, operation: str, error: bool = False) -> Cell:
        named = f"{service}: {operation}" if service else operation
        return Cell(f"{self.glyphs.error} {named}", RED) if error else Cell(named)

    def duration(self, seconds: float | None) -> Cell:
        return Cell("-" if seconds is None else format_duration(seconds, self.glyphs.micro))

    def failed(self, number: int) -> Cell:
        return Cell(str(number), RED if number else "")

    def pairs(self, pairs: Iterable[tuple[Cell, Cell]]) -> list[Cell]:
        """Cells with two figures, before and after."""
        both = list(pairs)
        width = max((len(after.text) for _, after in both), default=0)
        return [
            Cell(f"{before.text} {self.glyphs.to} {after.text:>{width}}", after.color)
            for before, after in both
        ]

    def printed(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Cell]],
        number: int,
        noun: str,
        status: int,
    ) -> int:
        """Print a table, and the number of rows that it leaves out; return the exit status."""
        if not rows:
            report("no spans match")
            return 1
        self._print_table(columns, rows)
        if number > len(rows):
            self._print_line(
                f"and {counted(number - len(rows), noun)} more; -n {number} shows all", DIM
            )
        sys.stdout.flush()
        return status

    def path(self, trace: Trace, most: int) -> None:
        """Print the critical path of a trace, with its longest pieces only if there are more."""
        title = (f"trace {trace.trace_id}", *summary(trace, self.glyphs.micro))
        self._print_line(f" {self.glyphs.dot} ".join(title), BOLD)
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
            name = self.name(node.service, node.operation_name, node.error)
            indent = "  " * min(depths[id(node)], _DEEPEST)
            rows.append(
                [
                    self.duration(start - pieces[0][1]),
                    self.duration(lengths[index]),
                    Cell(_share(lengths[index] / whole)),
                    name._replace(text=indent + name.text),
                ]
            )
        self._print_table(columns, rows)
        rest = len(pieces) - len(longest)
        if rest:
            length = whole - sum(map(lengths.__getitem__, longest))
            took = format_duration(length, self.glyphs.micro)
            self._print_line(f"and {counted(rest, 'shorter piece')}, together {took}", DIM)

    def _print_table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        lines = table(columns, rows, width=self.width, glyphs=self.glyphs, color=self.color)
        print("\n".join(lines))

    def _print_line(self, text: str, color: str) -> None:
        line = fit(shown_start(text, self.width, self.glyphs), self.width, self.glyphs.cut).rstrip()
        print(in_color(color, line) if self.color else line)


def _share(share: float) -> str:
    return f"{share * 100:.0f} %"


def _change(change: float | None) -> str:
    if change is None or change == math.inf:
        return "-"
    return f"{change * 100:+.0f} %" if change < 9.995 else f"x {change + 1:.3g}"


def _local(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # not in the years 1 to 9999
        return f"{seconds:g} s"
