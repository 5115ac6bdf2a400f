"""Timelines: traces as pictures, in text for terminals and in HTML for browsers."""

from __future__ import annotations

import html
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import IO, Any

from .json_safe import text_of
from .trace import Trace, TraceNode, seconds_or_none

_MIN_BAR = 8  # columns; a narrower bar, or name, says nothing, and the others can use the room

_RED, _DIM, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[0m"
_SERVICE_COLORS = ("\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m")

# Not printable for Python, and yet of use in a browser: they join emoji and letters, and set space.
_HTML_PRINTABLE = "\u200c\u200d\u00a0\u3000"


class _Glyphs:
    """The characters that a text timeline is drawn with."""

    def __init__(self, unicode: bool) -> None:
        self.unicode = unicode
        self.branch, self.last = ("├─ ", "└─ ") if unicode else ("|- ", "`- ")
        self.line = "│  " if unicode else "|  "
        self.full, self.left, self.right = ("━", "╸", "╺") if unicode else ("=", "=", "=")
        self.open, self.tip, self.log = ("┄", "▸", "┿") if unicode else ("~", ">", "+")
        self.error, self.cut, self.dot = ("✗", "…", "·") if unicode else ("!", ">", "-")
        self.micro = "µs" if unicode else "us"


class _Axis:
    """The time from a trace's first start to its last end; places on it go from 0 to 1."""

    def __init__(self, trace: Trace) -> None:
        self.start, self.length = trace.start_time, trace.duration

    def place(self, time: float) -> float:
        """Where a time is drawn; clocks of services differ, so what is outside is at an end."""
        return min(max((time - self.start) / self.length, 0.0), 1.0) if self.length > 0 else 0.0

    def places(self, node: TraceNode) -> tuple[float, float]:
        """Where a span's bar starts and ends; it is open to the end while the span runs."""
        last = 1.0 if node.duration is None else self.place(node.end_time)
        return self.place(node.start_time), last

    def log_places(self, node: TraceNode) -> list[float]:
        """Where a span's logs are marked, on its bar."""
        first, last = self.places(node)
        times = (seconds_or_none(log.get("timestamp")) for log in node.logs)
        places = (self.place(time) for time in times if time is not None)
        return [min(max(place, first), last) for place in places]


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
    encode it, and without it the text is ASCII throughout. `color` adds the terminal's escape
    sequences, which have no width. Where the width is too small for bars, they are left out.
    """
    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    if width < 1:
        raise ValueError(f"width must be at least 1 column, not {width}")
    if unicode is None:
        unicode = _can_encode(sys.stdout if stream is None else stream)
    glyphs = _Glyphs(unicode)
    blocks = (_draw(trace, width, glyphs, color) for trace in traces)
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _can_encode(stream: IO[str] | None) -> bool:
    """Whether a stream takes every character; users' names may hold any."""
    try:
        "✗\U0001f600".encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _draw(trace: Trace, width: int, glyphs: _Glyphs, color: bool) -> Iterator[str]:
    axis, services = _Axis(trace), trace.services
    paint = dict(zip(services, _SERVICE_COLORS * (len(services) // len(_SERVICE_COLORS) + 1)))
    widest = max(width * 45 // 100, 1)
    rows = list(_rows(trace, glyphs, max(widest // 6, 1)))
    times = [_taken(node, glyphs.micro) for _, _, node in rows]
    time_width = max(map(len, times), default=0)
    label_width = min(max((_columns(label) for label, _, _ in rows), default=0), widest)
    bar_width = width - label_width - time_width - 4
    if bar_width < _MIN_BAR:
        bar_width, label_width = 0, width - time_width - 2
        if label_width < _MIN_BAR:
            label_width, time_width = width, 0

    def colored(code: str, text: str) -> str:
        return f"{code}{text}{_PLAIN}" if color and code and text.strip() else text

    def fitted(text: str) -> str:
        return _fit(text, width, glyphs.cut).rstrip()

    title = (f"trace {trace.trace_id}", *_summary(trace, len(rows), glyphs.micro))
    yield fitted(_visible(f" {glyphs.dot} ".join(title), glyphs.unicode))
    if bar_width:
        whole = format_duration(axis.length, glyphs.micro)
        scale = f"0{whole:>{bar_width - 1}}" if len(whole) < bar_width - 2 else ""
        yield colored(_DIM, f"{' ' * label_width}  {scale}".rstrip())
    for (label, below, node), time in zip(rows, times):
        failed = _RED if node.error else ""
        line = colored(failed, _fit(label, label_width, glyphs.cut))
        if bar_width:
            bar = _bar(axis, node, bar_width, glyphs)
            line += f"  {colored(failed or paint.get(node.service or '', ''), bar)}"
        if time_width:
            line += f"  {time:>{time_width}}"
        yield line.rstrip()
        if node.error_message:
            message = _visible(node.error_message, glyphs.unicode)
            yield colored(failed, fitted(f"{below}{message}"))


def _rows(trace: Trace, glyphs: _Glyphs, max_depth: int) -> Iterator[tuple[str, str, TraceNode]]:
    """Each span with its label, and with the lines of the tree that go on below it.

    The lines of the tree would fill the width of any terminal if the tree is deep enough: past
    `max_depth` a number stands for them.
    """
    waiting = [(root, 0, "", "") for root in reversed(trace.roots)]
    while waiting:
        node, depth, prefix, below = waiting.pop()
        service = f"{node.service}: " if node.service else ""
        mark = f"{glyphs.error} " if node.error else ""
        label = f"{prefix}{mark}{_visible(service + node.operation_name, glyphs.unicode)}"
        last = len(node.children) - 1
        yield label, below + (glyphs.line if last >= 0 and depth < max_depth else "   "), node
        for index in range(last, -1, -1):
            elbow, line = (glyphs.last, "   ") if index == last else (glyphs.branch, glyphs.line)
            if depth < max_depth:
                row = (node.children[index], depth + 1, below + elbow, below + line)
            else:
                row = (node.children[index], depth + 1, f"{glyphs.cut}{depth + 1} {elbow}", below)
            waiting.append(row)


def _bar(axis: _Axis, node: TraceNode, width: int, glyphs: _Glyphs) -> str:
    first, last = axis.places(node)
    # Half columns: each column is one where its half is covered on both sides.
    start = min(int(first * 2 * width), 2 * width - 1)
    end = max(round(last * 2 * width), start + 1)
    cells = [" "] * width
    for column in range(start // 2, (end + 1) // 2):
        cells[column] = glyphs.open if node.duration is None else glyphs.full
    if node.duration is None:
        cells[-1] = glyphs.tip
    else:
        if end % 2:
            cells[end // 2] = glyphs.left
        if start % 2:
            cells[start // 2] = glyphs.right
    for place in axis.log_places(node) if end - start > 2 else ():
        cells[min(int(place * width), (end - 1) // 2)] = glyphs.log
    return "".join(cells)


def _taken(node: TraceNode, micro: str = "µs") -> str:
    return "running" if node.duration is None else format_duration(node.duration, micro)


def _summary(trace: Trace, spans: int, micro: str = "µs") -> Iterator[str]:
    yield format_duration(trace.duration, micro)
    yield _count(spans, "span")
    if trace.services:
        yield ", ".join(trace.services)
    if trace.errors:
        yield _count(len(trace.errors), "error")


def format_duration(seconds: float, micro: str = "µs") -> str:
    """A duration for people, with three figures: ``850 µs``, ``12.3 ms``, ``1.20 s``."""
    size = abs(seconds)
    if size < 0.0009995:
        return f"{seconds * 1e6:.0f} {micro}"
    if size < 0.9995:
        return f"{_three_figures(seconds * 1e3)} ms"
    return f"{_three_figures(seconds)} s"


def _three_figures(value: float) -> str:
    size = abs(value)
    if size >= 1e6:
        return f"{value:.3g}"
    return f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:.0f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _visible(text: str, unicode: bool = True, also: str = "") -> str:
    """Text from a span, with nothing in it that would move a cursor or turn its direction.

    Such characters are shown as Python escapes them, and without `unicode` all that is not ASCII.
    """
    if text.isprintable() and (unicode or text.isascii()):
        return text
    return "".join(
        each
        if each in also or (each.isprintable() and (unicode or each.isascii()))
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_width, text))


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
        size = _width(character)
        if size > room:
            break
        room -= size
        kept.append(character)
    return "".join(kept) + cut + " " * room


def render_html(traces: Iterable[Trace], *, title: str = "Traces") -> str:
    """One page that needs nothing else: each trace as a waterfall, a span's details on a click.

    All text from spans is escaped, and the page allows no script.
    """
    body = "\n".join(_html_trace(trace) for trace in traces)
    return _PAGE.format(title=_html(title), style=_STYLE, body=body or "<p>No spans.</p>")


def _html_trace(trace: Trace) -> str:
    axis = _Axis(trace)
    colors = {service: index % 6 for index, service in enumerate(trace.services)}
    rows = [_html_span(node, depth, axis, colors) for node, depth in trace.walk()]
    name = trace.roots[0].operation_name if trace.roots else ""
    summary = " · ".join((_when(trace.start_time), *_summary(trace, len(rows))))
    ticks = "".join(f"<span>{format_duration(axis.length * part / 4)}</span>" for part in range(5))
    return (
        f"<section><h2>{_html(name)} <small>{_html(trace.trace_id)}</small></h2>\n"
        f"<p>{_html(summary)}</p>\n<div class=row><i></i><div class=ticks>{ticks}</div></div>\n"
        + "\n".join(rows)
        + "\n</section>"
    )


def _html_span(node: TraceNode, depth: int, axis: _Axis, colors: Mapping[str, int]) -> str:
    first, last = axis.places(node)
    place = f"left:{100 * first:.3f}%;width:{100 * (last - first):.3f}%"
    kinds = ["span"] + ["error"] * node.error + ["open"] * (node.duration is None)
    if node.service:
        kinds.append(f"s{colors[node.service]}")
    marks = "".join(f'<u style="left:{100 * mark:.3f}%"></u>' for mark in axis.log_places(node))
    service = f"<b>{_html(node.service)}</b> " if node.service else ""
    indent = f"padding-left:{min(depth, 24)}em"
    message = _html(node.error_message)
    if message:
        message = f'<span class=message style="{indent}">{message}</span>'
    facts = {"span": node.span_id, "parent": node.parent_id or "none"}
    for dropped in ("dropped_tags", "dropped_logs"):
        if node.fields.get(dropped):
            facts[dropped.replace("_", " ")] = node.fields[dropped]
    logs = "".join(
        f"<h4>{_html(_log_time(log, node))}</h4>{_html_table(log['fields'])}" for log in node.logs
    )
    return (
        f'<details class="{" ".join(kinds)}"><summary class=row>'
        f'<span class=name style="{indent}">'
        f"{'✗ ' if node.error else ''}{service}{_html(node.operation_name)}</span>"
        f'<span class=axis><i style="{place}"></i>{marks}</span>'
        f"<span class=taken>{_taken(node)}</span>{message}</summary>"
        f"<div>{_html_table(facts)}{_html_table(node.tags)}{logs}</div></details>"
    )


def _log_time(log: Mapping[str, Any], node: TraceNode) -> str:
    time = seconds_or_none(log.get("timestamp"))
    return "" if time is None else f"+ {format_duration(time - node.start_time)}"


def _html_table(fields: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{_html(text_of(key))}</th><td>{_html_value(value)}</td></tr>"
        for key, value in fields.items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _html(text: str, also: str = "") -> str:
    return html.escape(_visible(text, also=also + _HTML_PRINTABLE))


def _html_value(value: Any) -> str:
    return _html(text_of(value), also="\n\t")


def _when(seconds: float) -> str:
    try:
        when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:  # not in the years 1 to 9999
        return f"{seconds:g} s"
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
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
:root { color-scheme: light dark; --page: #fff; --text: #1c2330; --quiet: #5c6675; --line: #dfe3ea;
  --lift: #f4f6f9; --bad: #c62828; --bar: #3b7dd8; --c1: #2a9d8f; --c2: #8b5fc7; --c3: #b7791f;
  --c4: #c2568f; --c5: #5f7f3a }
@media (prefers-color-scheme: dark) { :root { --page: #14181f; --text: #e4e8ee; --quiet: #9aa5b5;
  --line: #2c343f; --lift: #1d232c; --bad: #ff7b72; --bar: #5b9cf0; --c1: #45bfae; --c2: #af8bea;
  --c3: #dba44a; --c4: #e583b5; --c5: #92b867 } }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--page); color: var(--text) }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2.5rem 0 0 }
h2 small { font: 12px ui-monospace, monospace; color: var(--quiet); overflow-wrap: anywhere }
section > p { margin: 0 0 .75rem; color: var(--quiet) }
.row { display: grid; grid-template-columns: minmax(9rem, 36%) 1fr 5.5rem; column-gap: 1rem;
  align-items: center; border-bottom: 1px solid var(--line) }
.ticks { display: flex; justify-content: space-between; color: var(--quiet); font-size: 11px }
summary { padding: .2rem 0; cursor: pointer; list-style: none }
summary:hover, details[open] { background: var(--lift) }
summary::-webkit-details-marker { display: none }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.name b { color: var(--bar); font-weight: 600 }
.axis { position: relative; height: 1rem;
  background: linear-gradient(90deg, var(--line) 1px, transparent 1px) 0 / 25% 100% }
.axis i { position: absolute; top: .15rem; height: .7rem; min-width: 3px; border-radius: 3px;
  background: var(--bar) }
.axis u { position: absolute; top: 0; width: 2px; height: 1rem; background: var(--text) }
.s1 { --bar: var(--c1) } .s2 { --bar: var(--c2) } .s3 { --bar: var(--c3) }
.s4 { --bar: var(--c4) } .s5 { --bar: var(--c5) }
.open .axis i { background: linear-gradient(90deg, var(--bar), transparent) }
.error .axis i { background: var(--bad) } .error .name, .error .name b, .message {
  color: var(--bad) }
.message { grid-column: 1 / -1; overflow-wrap: anywhere }
.taken { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
details > div { padding: .4rem 1rem .8rem; overflow-x: auto }
table { border-collapse: collapse; font: 12px/1.5 ui-monospace, monospace }
th { text-align: left; font-weight: normal; color: var(--quiet); padding-right: 1.5rem;
  vertical-align: top } td { white-space: pre-wrap; overflow-wrap: anywhere }
h4 { margin: .6rem 0 0; font-size: 12px }
@media (max-width: 40rem) { .row { grid-template-columns: 1fr 5rem }
  .row > :first-child { grid-column: 1 / -1 } }
"""
