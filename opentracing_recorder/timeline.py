"""Timelines: traces as pictures, in text for terminals and in HTML for browsers."""

from __future__ import annotations

import html
import shutil
import sys
import unicodedata
from collections.abc import Iterable
from typing import IO, Any

from .trace import Trace, TraceNode

_MIN_WIDTH = 40

_RED, _DIM, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[0m"


class _Glyphs:
    """The characters that a text timeline is drawn with."""

    def __init__(self, unicode: bool) -> None:
        self.branch, self.last, self.bar_on, self.gap = (
            ("├─ ", "└─ ", "│  ", "   ") if unicode else ("|- ", "`- ", "|  ", "   ")
        )
        self.full, self.error, self.open = ("█", "✗", "▒") if unicode else ("#", "!", "~")
        self.thin = "▏" if unicode else "|"
        self.cut = "…" if unicode else ">"
        self.micro = "µs" if unicode else "us"
        self.dot = "·" if unicode else "-"


def render_text(
    traces: Iterable[Trace],
    *,
    width: int | None = None,
    unicode: bool | None = None,
    color: bool = False,
    stream: IO[str] | None = None,
) -> str:
    """Each trace as a tree with bars on a time axis; no line is wider than `width` columns.

    `width` defaults to the terminal's; `unicode` to whether `stream` (default: standard output) can
    encode it. `color` adds the terminal's escape sequences, which have no width.
    """
    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    if unicode is None:
        unicode = _can_encode(sys.stdout if stream is None else stream)
    glyphs = _Glyphs(unicode)
    blocks = [_draw(trace, max(width, _MIN_WIDTH), glyphs, color) for trace in traces]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _can_encode(stream: IO[str]) -> bool:
    try:
        "├└│█▒✗µ…".encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _draw(trace: Trace, width: int, glyphs: _Glyphs, color: bool) -> list[str]:
    rows = list(_rows(trace, glyphs))
    started, whole = trace.start_time, trace.duration
    services = ", ".join(_visible(each) for each in trace.services)
    title = f" {glyphs.dot} ".join(
        each
        for each in (
            f"trace {_visible(trace.trace_id)}",
            format_duration(whole, glyphs.micro),
            _count(len(rows), "span"),
            services,
            _count(len(trace.errors), "error") if trace.errors else "",
        )
        if each
    )
    time_width = 9
    label_width = min(max((_columns(label) for label, _, _ in rows), default=0), width * 45 // 100)
    bar_width = width - label_width - time_width - 4
    lines = [_fit(title, width, glyphs.cut).rstrip()]
    for label, margin, node in rows:
        bar = _bar(*_share(node, started, whole), node.duration is None, bar_width, glyphs)
        taken = "running" if node.duration is None else format_duration(node.duration, glyphs.micro)
        line = f"{_fit(label, label_width, glyphs.cut)}  {bar}  {taken:>{time_width}}"
        if color:
            line = f"{_RED}{line}{_PLAIN}" if node.error else line
        lines.append(line.rstrip())
        if node.error_message:
            note = _fit(f"{margin}{_visible(node.error_message)}", width, glyphs.cut).rstrip()
            lines.append(f"{_DIM}{note}{_PLAIN}" if color else note)
    return lines


def _rows(trace: Trace, glyphs: _Glyphs) -> Iterable[tuple[str, str, TraceNode]]:
    """Each span with its label (the lines of the tree, an error mark, service and operation), and
    with the lines of the tree that go on beside a note below it.
    """
    waiting = [(root, "", "") for root in reversed(trace.roots)]
    while waiting:
        node, prefix, below = waiting.pop()
        mark = f"{glyphs.error} " if node.error else ""
        service = f"{_visible(node.service)}: " if node.service else ""
        margin = below + (glyphs.bar_on if node.children else glyphs.gap)
        yield f"{prefix}{mark}{service}{_visible(node.operation_name)}", margin, node
        # Past this depth the lines of the tree would fill any terminal, and take quadratic space.
        deep = len(below) > 120
        for index, child in reversed(list(enumerate(node.children))):
            last = index == len(node.children) - 1
            waiting.append(
                (
                    child,
                    below + (glyphs.last if last else glyphs.branch),
                    below if deep else below + (glyphs.gap if last else glyphs.bar_on),
                )
            )


def _bar(first: float, last: float, running: bool, width: int, glyphs: _Glyphs) -> str:
    left = min(int(first * width), width - 1)
    if running:
        return " " * left + glyphs.open * (width - left)
    cells = round(last * width) - left
    return (" " * left + (glyphs.full * cells if cells > 0 else glyphs.thin)).ljust(width)[:width]


def _share(node: TraceNode, started: float, whole: float) -> tuple[float, float]:
    """Where a span starts and ends on its trace's axis, from 0 to 1."""
    if whole <= 0:
        return 0.0, 0.0
    offset = node.start_time - started
    first = min(max(offset / whole, 0.0), 1.0)
    if node.duration is None:
        return first, 1.0
    return first, min(max((offset + node.duration) / whole, first), 1.0)


def format_duration(seconds: float, micro: str = "µs") -> str:
    """A duration for people, with three figures: ``850 µs``, ``12.3 ms``, ``1.20 s``."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} {micro}"
    if seconds < 0.9995:
        return f"{_three_figures(seconds * 1e3)} ms"
    return f"{_three_figures(seconds)} s"


def _three_figures(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _visible(text: str) -> str:
    """Text from a span, with nothing in it that would move a terminal's cursor."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(_width(each) for each in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fit(text: str, width: int, cut: str) -> str:
    """Text cut or filled to exactly `width` columns."""
    columns = _columns(text)
    if columns <= width:
        return text + " " * (width - columns)
    kept = []
    room = width - 1
    for character in text:
        room -= _width(character)
        if room < 0:
            break
        kept.append(character)
    text = "".join(kept) + cut
    return text + " " * (width - _columns(text))


def render_html(traces: Iterable[Trace], *, title: str = "Traces") -> str:
    """One page that needs nothing else: each trace as a waterfall, details on a click.

    All text from spans is escaped, and the page allows no script.
    """
    body = "\n".join(_html_trace(trace) for trace in traces)
    name = html.escape(title)
    return _PAGE.format(title=name, style=_STYLE, body=body or "<p>No spans.</p>")


def _html_trace(trace: Trace) -> str:
    whole, started = trace.duration, trace.start_time
    rows = []
    count = failed = 0
    for node, depth in trace.walk():
        count += 1
        failed += node.error
        rows.append(_html_span(node, depth, whole, started))
    summary = [format_duration(whole), _count(count, "span"), ", ".join(trace.services)]
    if failed:
        summary.append(_count(failed, "error"))
    line = html.escape(" · ".join(each for each in summary if each))
    return (
        f"<section><h2>{html.escape(trace.roots[0].operation_name if trace.roots else '')}"
        f" <small>{html.escape(trace.trace_id)}</small></h2><p>{line}</p>\n"
        + "\n".join(rows)
        + "\n</section>"
    )


def _html_span(node: TraceNode, depth: int, whole: float, started: float) -> str:
    first, last = _share(node, started, whole)
    left, length = 100 * first, 100 * (last - first)
    taken = "running" if node.duration is None else format_duration(node.duration)
    kind = " error" if node.error else ""
    service = f"<b>{html.escape(node.service)}</b> " if node.service else ""
    message = f"<p class=message>{html.escape(node.error_message)}</p>" if node.error else ""
    logs = "".join(
        f"<h4>{html.escape(format_duration(max(0.0, log['timestamp'] - node.start_time)))}</h4>"
        + _html_table(log["fields"])
        for log in node.logs
    )
    ids = {"span": node.span_id, "parent": node.parent_id or "none"}
    return (
        f'<details class="span{kind}"><summary>'
        f'<span class=name style="padding-left:{min(depth, 30)}em">{service}'
        f"{html.escape(node.operation_name)}</span>"
        f'<span class=axis><i style="margin-left:{left:.3f}%;width:{length:.3f}%"></i></span>'
        f"<span class=taken>{html.escape(taken)}</span></summary>{message}"
        f"{_html_table({**ids, **node.tags})}{logs}</details>"
    )


def _html_table(fields: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(key))}</th><td>{html.escape(str(value))}</td></tr>"
        for key, value in fields.items()
    )
    return f"<table>{rows}</table>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #3b7dd8; --bad: #d33c3c; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 2rem 0 0 }
h2 small { font: 12px ui-monospace, monospace; opacity: .65 }
section > p { margin: 0 0 .5rem; opacity: .8 }
summary { display: grid; grid-template-columns: minmax(9rem, 38%) 1fr 5.5rem; gap: .75rem;
  align-items: center; padding: .15rem 0; border-bottom: 1px solid var(--line); cursor: pointer }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.axis { background: linear-gradient(90deg, var(--line) 1px, transparent 1px) 0 / 25% 100% }
.axis i { display: block; height: .8em; min-width: 2px; border-radius: 2px; background: var(--bar) }
.error .axis i { background: var(--bad) } .error .name, .message { color: var(--bad) }
.taken { text-align: right; font-variant-numeric: tabular-nums }
details > :not(summary) { margin: .4rem 1rem }
table { border-collapse: collapse; font: 12px/1.5 ui-monospace, monospace }
th { text-align: left; font-weight: normal; opacity: .7; padding-right: 1.5rem;
  vertical-align: top } td { white-space: pre-wrap; word-break: break-word } h4 { font-size: 12px }
"""
