"""Timelines for browsers: one self-contained page, with its style and its script.

Spans are untrusted. They reach the page as JSON, and its script shows them only as text. The page's
security policy allows no other script, no other style and no request.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from pkgutil import get_data
from typing import Any

from ._errors import visible
from ._json_safe import json_safe, text_of
from ._timeline_axis import summary
from ._timeline_text import render_text
from .trace import Trace, TraceNode, seconds_or_none

# Python counts these as not printable, but browsers need them: joiners of emoji, and wide spaces.
_PRINTABLE = "\u200c\u200d\u00a0\u3000"

# The text for browsers without scripts; for more spans it would double the size of the page.
_MOST_SPANS_AS_TEXT = 2000


def render_html(traces: Iterable[Trace], *, title: str = "Traces") -> str:
    """A self-contained page: each trace as a waterfall that you can fold, search and zoom.

    Write it to a file as UTF-8. Spans are shown only as text, and no script can run but the page's
    own. If scripts are turned off, the page shows the timeline as text.
    """
    traces = list(traces)
    style, script = _asset("timeline.css"), _asset("timeline.js")
    services = list(dict.fromkeys(name for trace in traces for name in trace.services))
    numbers = {name: number for number, name in enumerate(services)}
    island = {
        "services": [_shown(name) for name in services],
        "traces": [_trace(trace, numbers) for trace in traces],
    }
    return _PAGE.format(
        title=html.escape(_shown(title)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        island=_for_script(island),
        empty="hidden" if traces else "",
        text=html.escape(_as_text(traces)),
    )


def embed_html(trace: Trace) -> str:
    """The page of one trace in a sandboxed frame, for a notebook."""
    page = html.escape(render_html([trace], title="Trace"))
    height = min(200 + 28 * len(trace), 640)
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{page}" title="Timeline of a trace"'
        f' style="width: 100%; height: {height}px; border: 1px solid #8886; border-radius: 6px">'
        "</iframe>"
    )


@cache
def _asset(name: str) -> str:
    content = get_data("opentracing_recorder", name)
    assert content is not None  # loaders that have no files raise OSError
    # A browser reads line ends as line feeds, and hashes them so.
    return content.decode("utf-8").replace("\r\n", "\n")


def _hash(source: str) -> str:
    return f"sha256-{b64encode(sha256(source.encode('utf-8')).digest()).decode('ascii')}"


def _for_script(value: Any) -> str:
    """JSON that cannot end its ``<script>`` element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _trace(trace: Trace, services: Mapping[str, int]) -> dict[str, Any]:
    nodes = list(trace.walk())
    known = {node.span_id for node, _ in nodes}
    start = trace.start_time
    return {
        "id": _shown(trace.trace_id),
        "name": _shown(trace.roots[0].operation_name if trace.roots else ""),
        "when": _when(start),
        "length": trace.duration,
        "services": [services[name] for name in trace.services],
        "errors": len(trace.errors),
        "spans": [_span(node, depth, start, services, known) for node, depth in nodes],
    }


def _span(
    node: TraceNode, depth: int, start: float, services: Mapping[str, int], known: set[str]
) -> dict[str, Any]:
    """One span as timeline.js reads it; a field without a value is left out."""
    parent = node.parent_id
    orphan = parent is not None and parent not in known
    facts = [["span", _shown(node.span_id)]]
    if parent:
        facts.append(["parent", _shown(parent) + (" (not recorded)" if orphan else "")])
    references = node.fields.get("references")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, Mapping) and reference.get("span_id") != parent:
            kind, span_id = (text_of(reference.get(key)) for key in ("type", "span_id"))
            facts.append([_shown(kind).replace("_", " "), _shown(span_id)])
    for dropped in ("dropped_tags", "dropped_logs"):
        if node.fields.get(dropped):
            facts.append([dropped.replace("_", " "), _shown(text_of(node.fields[dropped]))])
    baggage = node.fields.get("baggage")
    span = {
        "depth": depth,
        "name": _shown(node.operation_name),
        "at": node.start_time - start,
        "facts": facts,
        "service": None if node.service is None else services[node.service],
        "took": node.duration,
        "error": node.error or None,
        "message": _shown(node.error_message, also="\n\t") or None,
        "tags": _fields(node.tags) or None,
        "logs": [[_log_time(log, start), _fields(log["fields"])] for log in node.logs] or None,
        "baggage": _fields(baggage) if isinstance(baggage, Mapping) and baggage else None,
    }
    return {key: value for key, value in span.items() if value is not None}


def _fields(fields: Mapping[str, Any]) -> list[list[str]]:
    return [[_shown(text_of(key)), _value(value)] for key, value in fields.items()]


def _value(value: Any) -> str:
    """A text unchanged; any other value as JSON."""
    if not isinstance(value, str):
        value = json.dumps(json_safe(value), ensure_ascii=False)
    return _shown(value, also="\n\t")


def _log_time(log: Mapping[str, Any], start: float) -> float | None:
    time = seconds_or_none(log.get("timestamp"))
    return None if time is None else time - start


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


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src '{script_hash}'; style-src '{style_hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<div class="legend" id="legend" role="group" aria-label="Services"></div>
<div class="find" role="search" data-live hidden>
<input id="query" type="search" placeholder="Search: name, service, tag=value" autocomplete="off" \
spellcheck="false" aria-label="Search spans by name, service, tag or id" aria-keyshortcuts="/">
<output id="found" aria-live="polite"></output>
</div>
</header>
<main data-live hidden>
<div id="list" role="tree" tabindex="0" aria-label="Spans">
<div id="ruler" aria-hidden="true"><span></span><div id="ticks"></div></div>
<div id="rows" role="none"></div>
</div>
<aside id="details" aria-label="Details" hidden></aside>
</main>
<footer data-live hidden><span><kbd>↑</kbd> <kbd>↓</kbd> move</span>
<span><kbd>←</kbd> <kbd>→</kbd> fold, unfold</span> <span><kbd>Enter</kbd> details</span>
<span><kbd>/</kbd> search</span> <span><kbd>n</kbd> next match</span>
<span><kbd>e</kbd> next error</span> <span><kbd>z</kbd> zoom</span>
<span><kbd>Esc</kbd> back</span></footer>
<p class="empty" {empty}>No spans.</p>
<noscript><pre>{text}</pre></noscript>
<script id="traces" type="application/json">{island}</script>
<script>{script}</script>
</body>
</html>
"""
