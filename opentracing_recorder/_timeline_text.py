"""Timelines for terminals: each trace as a tree, with bars on a time axis beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from ._terminal_text import (
    BOLD,
    DIM,
    RED,
    SERVICE_COLORS,
    Glyphs,
    can_encode,
    columns_of,
    fit,
    in_color,
    shown_start,
    terminal_width,
)
from ._timeline_axis import Axis, clock_note, format_duration, parent_note, summary
from .trace import Trace, TraceNode

_MIN_BAR = 8  # columns; a narrower bar, or name, is left out, and the others use its space


class _Row(NamedTuple):
    """One line of the picture: a span, or several similar ones folded into one."""

    nodes: list[TraceNode]
    tree: str  # the lines of the tree before the name
    below: str  # the lines of the tree before a message under the name

    @property
    def node(self) -> TraceNode:
        return self.nodes[0]


def render_text(
    traces: Iterable[Trace],
    *,
    width: int | None = None,
    unicode: bool | None = None,
    color: bool = False,
    stream: IO[str] | None = None,
    fold: int | None = 10,
) -> str:
    """Each trace as a tree with bars on a time axis; no line is wider than `width` columns.

    `width` defaults to the terminal's. `unicode` defaults to whether `stream` (default: standard
    output) can encode it; without it, the text is pure ASCII. `color` adds the terminal's escape
    sequences, which have no width. If the width is too small for bars, they are left out.

    If at least `fold` children of a span have the same service, operation and failure, they share
    one line, and so do their children that are alike. With None, each span has its own line.
    """
    if width is None:
        width = terminal_width()
    if width < 1:
        raise ValueError(f"width must be at least 1 column, not {width}")
    if fold is not None and fold < 2:
        raise ValueError(f"fold must be at least 2 spans, or None, not {fold}")
    if unicode is None:
        unicode = can_encode(sys.stdout if stream is None else stream)
    glyphs = Glyphs(unicode)
    blocks = (_draw(trace, width, glyphs, color, fold) for trace in traces)
    return "\n\n".join("\n".join(lines) for lines in blocks)


def render_line(
    trace: Trace, *, width: int | None = None, color: bool = False, stream: IO[str] | None = None
) -> str:
    """A trace of one span as one line: its id, duration, name and error."""
    ((node, _),) = trace.walk()
    width = terminal_width() if width is None else width
    glyphs = Glyphs(can_encode(stream))
    service = f"{node.service}: " if node.service else ""
    parts = [f"trace {trace.trace_id}", _taken([node], glyphs.micro), service + node.operation_name]
    if node.error:
        parts[-1] = f"{glyphs.error} {parts[-1]}"
        parts += [node.error_message] * bool(node.error_message)
    text = shown_start(f" {glyphs.dot} ".join(parts), width, glyphs)
    return in_color(RED if color and node.error else "", fit(text, width, glyphs.cut).rstrip())


def title(trace: Trace, width: int, glyphs: Glyphs) -> str:
    """The line above a trace; where space is short, it names fewer services."""
    for most in (None, 3, 2, 1, 0):
        parts = f"trace {trace.trace_id}", *summary(trace, glyphs.micro, most)
        text = shown_start(f" {glyphs.dot} ".join(parts), width, glyphs)
        if columns_of(text) <= width:
            break
    return text


def _draw(trace: Trace, width: int, glyphs: Glyphs, color: bool, fold: int | None) -> Iterator[str]:
    axis, services = Axis(trace), trace.services
    paint = dict(zip(services, SERVICE_COLORS * (len(services) // len(SERVICE_COLORS) + 1)))
    widest = max(width * 45 // 100, 1)
    rows = list(_rows(trace, glyphs, max(widest // 6, 1), fold))
    labels = [_label(row, glyphs, width) for row in rows]
    times = [_taken(row.nodes, glyphs.micro) for row in rows]
    time_width = max(map(len, times), default=0)
    needed = max((columns_of("".join(parts)) for parts in labels), default=0)
    label_width = min(needed, widest)
    bar_width = width - label_width - time_width - 4
    if bar_width < _MIN_BAR:
        bar_width, label_width = 0, width - time_width - 2
        if label_width < _MIN_BAR:
            label_width, time_width = width, 0

    def colored(code: str, text: str) -> str:
        return in_color(code, text) if color else text

    def fitted(text: str) -> str:
        return fit(text, width, glyphs.cut).rstrip()

    yield colored(BOLD, fitted(title(trace, width, glyphs)))
    if note := clock_note(trace, glyphs.micro):
        yield colored(DIM, fitted(shown_start(note, width, glyphs)))
    if bar_width:
        whole = format_duration(axis.length, glyphs.micro)
        scale = f"0{whole:>{bar_width - 1}}" if len(whole) < bar_width - 2 else ""
        yield colored(DIM, f"{' ' * label_width}  {scale}".rstrip())
    for row, parts, time in zip(rows, labels, times):
        node = row.node
        failed = RED if node.error else ""
        own = failed or paint.get(node.service or "", "")
        line, shown = "", _fit_label(parts, label_width, glyphs.cut)
        for code, part in zip((DIM, failed, own, failed), parts):
            line += colored(code, shown[: len(part)])
            shown = shown[len(part) :]
        line += shown
        if bar_width:
            line += f"  {colored(own, _bar(axis, row.nodes, bar_width, glyphs))}"
        if time_width:
            line += f"  {time:>{time_width}}"
        yield line.rstrip()
        if message := node.error_message:
            yield colored(failed, fitted(f"{row.below}{shown_start(message, width, glyphs)}"))
        if note := parent_note(row.nodes):
            yield colored(DIM, fitted(f"{row.below}{shown_start(note, width, glyphs)}"))
        if len(row.nodes) > 1 and node.duration is not None:
            yield colored(DIM, fitted(f"{row.below}{_each(row.nodes, glyphs.micro)}"))


def _rows(trace: Trace, glyphs: Glyphs, max_depth: int, fold: int | None) -> Iterator[_Row]:
    """Each span, or each group of folded ones, with the lines of the tree before and below it.

    Below `max_depth`, the depth as a number replaces these lines, which would fill the width.
    """
    waiting = [(nodes, 0, "", "") for nodes in reversed(_folded(trace.roots, fold))]
    while waiting:
        nodes, depth, tree, below = waiting.pop()
        children = [child for node in nodes for child in node.children]
        if len(nodes) > 1:
            # The children of a fold are folded as if it were one span: already two of a kind.
            groups = _folded(sorted(children, key=lambda node: node.start_time), 2)
        else:
            groups = _folded(children, fold)
        last = len(groups) - 1
        yield _Row(nodes, tree, below + (glyphs.line if last >= 0 and depth < max_depth else "   "))
        for index in range(last, -1, -1):
            elbow, line = (glyphs.last, "   ") if index == last else (glyphs.branch, glyphs.line)
            if depth < max_depth:
                waiting.append((groups[index], depth + 1, below + elbow, below + line))
            else:
                number = f"{glyphs.cut}{depth + 1} {elbow}"
                waiting.append((groups[index], depth + 1, number, below))


def _folded(nodes: Sequence[TraceNode], at_least: int | None) -> list[list[TraceNode]]:
    """The nodes in groups, ordered by their first: `at_least` similar ones, or a single one."""
    if at_least is None or len(nodes) < at_least:
        return [[node] for node in nodes]
    alike: dict[object, list[TraceNode]] = {}
    for node in nodes:
        running = node.duration is None
        message = node.error_message
        kind = node.service, node.operation_name, node.error, message, running, node.is_orphan
        alike.setdefault(kind, []).append(node)
    groups = []
    for group in alike.values():
        groups += [group] if len(group) >= at_least else [[node] for node in group]
    return sorted(groups, key=lambda group: group[0].start_time)


def _label(row: _Row, glyphs: Glyphs, width: int) -> tuple[str, str, str, str, str]:
    """The lines of the tree, the mark of a failure, the service, the name, and the count."""
    node = row.node
    service = f"{shown_start(node.service, width, glyphs)}: " if node.service else ""
    name = shown_start(node.operation_name, width, glyphs)
    times = f" {glyphs.times} {len(row.nodes)}" if len(row.nodes) > 1 else ""
    return row.tree, f"{glyphs.error} " if node.error else "", service, name, times


def _bar(axis: Axis, nodes: list[TraceNode], width: int, glyphs: Glyphs) -> str:
    # One item for each half of a column: 1 if a bar covers it.
    halves = bytearray(2 * width)
    start = end = 0
    for node in nodes:
        first, last = axis.places(node)
        start = min(int(first * 2 * width), 2 * width - 1)
        end = max(round(last * 2 * width), start + 1)
        halves[start:end] = b"\1" * (end - start)
    running = nodes[0].duration is None
    left, right, full = (glyphs.open,) * 3 if running else (glyphs.left, glyphs.right, glyphs.full)
    drawn = ((" ", right), (left, full))
    cells = [drawn[halves[2 * each]][halves[2 * each + 1]] for each in range(width)]
    if running:
        cells[-1] = glyphs.tip
    # The marks of logs would hide the bar of a fold, and a bar of one column.
    if len(nodes) == 1 and end - start > 2:
        for place in axis.log_places(nodes[0]):
            cells[min(int(place * width), (end - 1) // 2)] = glyphs.log
    return "".join(cells)


def _taken(nodes: list[TraceNode], micro: str) -> str:
    """The time that the bar covers: for a fold, from the first start to the last end."""
    if nodes[0].duration is None:
        return "running"
    if len(nodes) == 1:
        return format_duration(nodes[0].duration, micro)
    first = min(node.start_time for node in nodes)
    return format_duration(max(node.end_time for node in nodes) - first, micro)


def _each(nodes: list[TraceNode], micro: str) -> str:
    durations = sorted(node.duration or 0.0 for node in nodes)
    least, middle, most = (
        format_duration(durations[index], micro) for index in (0, len(nodes) // 2, -1)
    )
    return f"{least} to {most} each, median {middle}"


def _fit_label(parts: Sequence[str], width: int, cut: str) -> str:
    """A label in `width` columns; its last part, the number of spans, is kept whole."""
    *before, last = parts
    if columns_of("".join(parts)) <= width or len(last) >= width:
        return fit("".join(parts), width, cut)
    return fit("".join(before), width - len(last), cut) + last
