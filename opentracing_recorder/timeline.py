"""Timelines: traces drawn as text for terminals, and as HTML for browsers.

`render_text` draws each trace as a tree with bars on a time axis::

    from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
    from opentracing_recorder.timeline import render_html, render_text

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="shop")
    order = tracer.start_span("order", start_time=1700000000.0)
    order.log_kv({"event": "packed"}, timestamp=1700000000.125)
    order.finish(finish_time=1700000000.25)
    traces = Trace.from_spans(recorder.spans)
    print(render_text(traces, width=80))

On a bar, ``┿`` is a log. This prints::

    trace 3a21e51af77ae93b · 250 ms · 1 span · shop
                 0                                                    250 ms
    shop: order  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┿━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  250 ms

A failed span has ``✗`` and the message of its error. If a span has ten or more children that are
alike, one line with their number, such as ``× 40``, stands for them.

`render_html` draws the same trees as one file to send to a colleague: a waterfall to fold and
search, with all tags and logs, by mouse or keyboard, on a phone too. It makes no network requests::

    with open("timeline.html", "w", encoding="utf-8") as file:
        file.write(render_html(traces, title="Orders"))

The command ``python -m opentracing_recorder show`` draws both from files of spans. Spans are
treated as hostile: control characters are escaped, and the page shows all text as text.
"""

from __future__ import annotations

from ._timeline_axis import format_duration
from ._timeline_page import render_html
from ._timeline_text import render_text

__all__ = ["format_duration", "render_html", "render_text"]
