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

`render_html` draws the same trees as one file to send to a colleague. It makes no network requests,
and works by mouse, keyboard and touch::

    with open("timeline.html", "w", encoding="utf-8") as file:
        file.write(render_html(traces, title="Orders"))

- Many traces are an overview: a row for each, with a bar as long as its duration, in the colours of
  the services on its critical path. They are sorted by start, duration or errors. Above, they are
  dots: their durations over their starts.
- Filters combine: ``duration>100ms``, ``status>=500``, ``service=cart``, ``-name``, and words.
  ``self`` and ``critical`` are a span's own time, and its time on the critical path.
- A line under the bars is the critical path, as `opentracing_recorder.statistics.critical_path`
  defines it. A span's details have its self time, and those of a trace the operations that took it.
- Drag on the map above the list to zoom. Each span has an address, such as
  ``timeline.html#3a21e51af77ae93b/1f2d``, to go back to and to send.
- Press ``?`` for all keys, signs and filters.

A span whose parent was not recorded is marked, and so is one whose clock was corrected, with the
time by which it was moved.

The command ``python -m opentracing_recorder show`` draws both from files of spans. Spans are
treated as hostile: control characters are escaped, and the page shows all text as text.
"""

from __future__ import annotations

from ._timeline_axis import format_duration
from ._timeline_page import render_html
from ._timeline_text import render_text

__all__ = ["format_duration", "render_html", "render_text"]
