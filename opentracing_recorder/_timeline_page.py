"""Timelines for browsers: one self-contained page, with its style and its script.

Spans are untrusted. They reach the page as JSON, and its script shows them only as text. The page's
security policy allows no other script, no other style and no request.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from pkgutil import get_data
from typing import Any

from ._critical_path import SpanTimes
from ._errors import visible
from ._json_safe import json_safe, text_of
from ._timeline_axis import summary
from ._timeline_text import render_text
from .trace import Trace, TraceNode, seconds_or_none

# Python counts these as not printable, but browsers need them: joiners of emoji, and wide spaces.
_PRINTABLE = "\u200c\u200d\u00a0\u3000"

# The characters that a text of several lines has besides.
_LINES = "\n\t"

_MOST_SPANS_EMBEDDED = 5000

_MOST_UNFOLDED = 10  # traces; MANY in timeline_model.js

_EMPTY = (0, None)

# The text for browsers without scripts; for more spans it would double the size of the page.
_MOST_SPANS_AS_TEXT = 2000


# Together they are the page's one script, in this order.
_SCRIPTS = ("model", "paths", "filter", "axis", "list", "map", "tip", "details")


def render_html(traces: Iterable[Trace], *, title: str = "Traces") -> str:
    """A self-contained page: all traces in a list, each a waterfall to fold, filter and zoom.

    Write it to a file as UTF-8. Spans are shown only as text, and no script can run but the page's
    own. If scripts are turned off, the page shows the timeline as text.
    """
    traces = list(traces)
    style, script = _asset("timeline.css"), _script()
    return _asset("timeline.html").format(
        title=html.escape(_shown(title)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        island=_for_script(_Island(traces).content),
        empty="hidden" if traces else "",
        text=html.escape(_as_text(traces)),
    )


def embed_html(traces: Sequence[Trace]) -> str:
    """The page of some traces in a sandboxed frame, for a notebook.

    A notebook keeps its pages: of very many traces, the page has the last ones, and their number.
    """
    first, spans = len(traces), 0
    while first > 0 and (not spans or spans + len(traces[first - 1]) <= _MOST_SPANS_EMBEDDED):
        first -= 1
        spans += len(traces[first])
    title = "Trace" if len(traces) == 1 else "Traces"
    if first:
        title += f": the last {len(traces) - first} of {len(traces)}"
    page = html.escape(render_html(traces[first:], title=title))
    rows = spans if len(traces) <= _MOST_UNFOLDED else 1.6 * (len(traces) - first)
    height = min(round(280 + 28 * rows), 720)
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{page}" title="Timeline"'
        f' style="width: 100%; height: {height}px; border: 1px solid #8886; border-radius: 6px">'
        "</iframe>"
    )


@cache
def _asset(name: str) -> str:
    content = get_data("opentracing_recorder", name)
    assert content is not None  # loaders that have no files raise OSError
    # A browser reads line ends as line feeds, and hashes them so.
    return content.decode("utf-8").replace("\r\n", "\n")


@cache
def _script() -> str:
    parts = [_asset(f"timeline_{name}.js") for name in _SCRIPTS]
    source = "\n".join([*parts, _asset("timeline.js")])
    return f'"use strict";\n(() => {{\n{source}}})();'


def _hash(source: str) -> str:
    return f"sha256-{b64encode(sha256(source.encode('utf-8')).digest()).decode('ascii')}"


def _for_script(value: Any) -> str:
    """JSON that cannot end its ``<script>`` element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class _Island:
    """The traces as the scripts read them; each text is in it once, and spans have its number."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        self._numbers: dict[tuple[str, str], int] = {("", ""): 0, ("", _LINES): 0}
        self._strings = [""]
        self._services: dict[str, int] = {}
        self.content = {
            "traces": [self._trace(trace) for trace in traces],
            "services": [_shown(name) for name in self._services],
            "strings": self._strings,
        }

    def _text(self, text: str, also: str = "") -> int:
        """The number of a text; that of the empty one is 0."""
        number = self._numbers.get((text, also))
        if number is None:
            number = self._numbers[text, also] = len(self._strings)
            self._strings.append(_shown(text, also))
        return number

    def _trace(self, trace: Trace) -> dict[str, Any]:
        nodes = list(trace.walk())
        times = SpanTimes(trace)
        start = min((node.start_time for node, _ in nodes), default=0.0)
        end = max((node.end_time for node, _ in nodes), default=0.0)
        spans: list[list[Any]] = []
        path: list[str] = []  # the ids of a span's ancestors
        for node, depth in nodes:
            del path[depth:]
            above = path[-1] if path else None
            path.append(node.span_id)
            spans.append(self._span(node, depth, start, above, times))
        services = dict.fromkeys(node.service for node, _ in nodes if node.service)
        return {
            "id": _shown(trace.trace_id),
            "name": _shown(trace.roots[0].operation_name if trace.roots else ""),
            "start": start,
            "when": _when(start),
            "length": end - start,
            "services": [self._service(name) for name in services],
            "errors": sum(node.error for node, _ in nodes),
            "spans": spans,
            "path": self._path(times, start),
        }

    def _path(self, times: SpanTimes, start: float) -> list[float]:
        """The start of the critical path, then for each piece of it the span's number and its end.

        The pieces follow each other without a gap.
        """
        numbers = {id(node): number for number, node in enumerate(times.nodes)}
        pieces = times.path()
        path = [_seconds(pieces[0][1] - start)] if pieces else []
        for node, _, end in pieces:
            path += numbers[id(node)], _seconds(end - start)
        return path

    def _service(self, name: str) -> int:
        return self._services.setdefault(name, len(self._services))

    def _span(
        self, node: TraceNode, depth: int, start: float, above: str | None, times: SpanTimes
    ) -> list[Any]:
        """One span; its last values are left out if they are empty."""
        parent, fields = node.parent_id, node.fields
        facts: list[int] = []
        if parent and (node.is_orphan or parent != above):
            shown = f"{parent} (not recorded)" if node.is_orphan else parent
            facts += self._text("parent"), self._text(shown)
        references = fields.get("references")
        for reference in references if isinstance(references, list) else ():
            if isinstance(reference, Mapping) and reference.get("span_id") != parent:
                kind, span_id = (text_of(reference.get(key)) for key in ("type", "span_id"))
                facts += self._text(kind.replace("_", " ")), self._text(span_id)
        for dropped in ("dropped_tags", "dropped_logs"):
            if fields.get(dropped):
                count = text_of(fields[dropped])
                facts += self._text(dropped.replace("_", " ")), self._text(count)
        baggage = fields.get("baggage")
        span = [
            depth,
            self._text(node.operation_name),
            self._text(node.span_id),
            _seconds(node.start_time - start),
            None if node.duration is None else _seconds(node.duration),
            0 if node.service is None else self._service(node.service) + 1,
            int(node.error),
            self._text(node.error_message, _LINES),
            self._pairs(node.tags) or 0,
            [[_log_time(log, start), *self._pairs(log["fields"])] for log in node.logs] or 0,
            facts or 0,
            (self._pairs(baggage) if isinstance(baggage, Mapping) else None) or 0,
            int(node.is_orphan),
            _seconds(node.clock_shift),
            _seconds(times.self_time(node)) if node.children else None,
        ]
        while len(span) > 4 and span[-1] in _EMPTY:
            span.pop()
        return span

    def _pairs(self, fields: Mapping[str, Any]) -> list[int]:
        """The numbers of keys and values in turn."""
        numbers: list[int] = []
        for key, value in fields.items():
            numbers += self._text(text_of(key)), self._text(_value(value), _LINES)
        return numbers


def _value(value: Any) -> str:
    """A text unchanged; any other value as JSON."""
    return value if isinstance(value, str) else _as_json(json_safe(value))


# json.dumps makes an encoder for each call, which takes as long as the rest of it.
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def _seconds(seconds: float) -> float:
    """A time in a trace, to the nanosecond."""
    return round(seconds, 9)


def _log_time(log: Mapping[str, Any], start: float) -> float | None:
    time = seconds_or_none(log.get("timestamp"))
    return None if time is None else _seconds(time - start)


def _shown(text: str, also: str = "") -> str:
    return visible(text, also=also + _PRINTABLE)


def _when(seconds: float) -> str:
    try:
        when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:  # not in the years 1 to 9999
        return f"{seconds:g} s"
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _as_text(traces: list[Trace]) -> str:
    if sum(map(len, traces)) <= _MOST_SPANS_AS_TEXT:
        return render_text(traces, width=100, unicode=True)
    return "\n".join(" · ".join((trace.trace_id, *summary(trace))) for trace in traces)
