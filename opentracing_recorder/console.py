"""ConsoleRecorder, which draws each trace in the terminal as soon as it ends, for developing.

::

    import sys
    from contextlib import suppress

    from opentracing_recorder import BasicTracer, ConsoleRecorder

    tracer = BasicTracer(ConsoleRecorder(sys.stdout, width=80), service_name="shop")
    with tracer.start_active_span("order"):
        with tracer.start_active_span("look up stock"):
            pass
        with suppress(ValueError), tracer.start_active_span("charge"):
            raise ValueError("card expired")
    with tracer.start_active_span("health check"):
        pass

which prints::

    trace e0d236235f7f1f53 · 437 µs · 3 spans · shop · 1 error
                            0                                         437 µs
    shop: order             ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  437 µs
    ├─ shop: look up stock           ╺━━━                                      26 µs
    └─ ✗ shop: charge                          ━━━━━━━━━━━━━━━━━━━━━━━━━┿━╸   247 µs
          ValueError: card expired

    trace bd72d59f51ebd3ef · 19 µs · shop: health check

- A tree is drawn when a span ends whose parent is not running here: the root of a trace, or of the
  part of it that this process does. Spans that end later are drawn when they end.
- It writes to standard error, or to `stream`. Each tree is written at once, so log lines and the
  trees of other threads stay whole.
- Colors are used on a terminal, unless ``NO_COLOR`` is set; `color` decides otherwise. `width` is
  in columns (default: the terminal's).
- At most `max_spans` spans wait for their root (default: 10,000). Above that, spans are drawn when
  they end. `close`, and the exit of the process, draw those whose root is still running. A forked
  child draws its own spans only.

It may be used from any thread. It draws on the thread that ends the trace, which takes about a
millisecond: production needs another recorder.
"""

from __future__ import annotations

import sys
import threading
from typing import IO, Optional

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_has
from ._living import Living
from ._process import at_exit, cover_child, holding, under_lock
from ._terminal_text import has_color
from ._timeline_text import render_line, render_text
from .recorder import Recorder
from .span import BasicSpan
from .trace import Trace

__all__ = ["ConsoleRecorder"]

_Key = tuple[Optional[int], Optional[int]]


class ConsoleRecorder(Recorder):
    """Draws each trace as a tree on standard error, or on `stream`, when its local part ends.

    `color` is True, False, or None for what the terminal has. `width` is in columns; None is the
    terminal's. At most `max_spans` spans wait for their root. Safe to use from any thread.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        color: bool | None = None,
        width: int | None = None,
        max_spans: int = 10_000,
    ) -> None:
        if stream is not None:
            check_has("stream", stream, "write")
        if width is not None:
            check_count("width", width)
        check_count("max_spans", max_spans)
        self._stream = stream
        self._color = color
        self._width = width
        self._max_spans = max_spans
        self._forget()
        _living.add(self)

    def _forget(self) -> None:
        """Start with nothing, as a new recorder and a forked child do."""
        self._lock = threading.RLock()
        self._writing = threading.RLock()  # not `_lock`: a slow terminal blocks no start of a span
        # The spans that run here, each with the spans below it that have ended.
        self._running: dict[_Key, list[BasicSpan]] = {}

    def span_started(self, span: BasicSpan) -> None:
        """Remember the span, as those that start below it wait for its end."""
        self._draw(self._started(span))

    def record_span(self, span: BasicSpan) -> None:
        self._draw(self._ended(span))

    def close(self, timeout: float | None = None) -> bool:
        """Draw the spans that wait for their root."""
        self._draw(self._all_waiting())
        return True

    # These return the spans to draw now.

    @under_lock
    def _started(self, span: BasicSpan) -> list[BasicSpan]:
        self._running.setdefault((span.context.trace_id, span.context.span_id), [])
        if len(self._running) > self._max_spans:  # the oldest may never finish
            return self._running.pop(next(iter(self._running)))
        return []

    @under_lock
    def _ended(self, span: BasicSpan) -> list[BasicSpan]:
        trace_id = span.context.trace_id
        spans = [*self._running.pop((trace_id, span.context.span_id), ()), span]
        above = self._running.get((trace_id, span.parent_id))
        if above is None or sum(map(len, self._running.values())) >= self._max_spans:
            return spans
        above += spans
        at_exit(_draw_all, _draw_all)
        cover_child()
        return []

    @under_lock
    def _all_waiting(self) -> list[BasicSpan]:
        waiting = [span for spans in self._running.values() for span in spans]
        self._running.clear()
        return waiting

    def _draw(self, spans: list[BasicSpan]) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        if not spans or stream is None:
            return
        color = has_color(stream) if self._color is None else self._color
        blocks = []
        for trace in Trace.from_spans(spans):
            if len(trace) == 1:
                blocks.append(render_line(trace, width=self._width, color=color, stream=stream))
            else:
                tree = render_text([trace], width=self._width, color=color, stream=stream)
                blocks.append(f"{tree}\n")
        text = "\n".join(blocks)
        self._write(stream, f"{text}\n")

    @holding("_writing")
    def _write(self, stream: IO[str], text: str) -> None:
        stream.write(text)
        stream.flush()


# The spans that run and wait in a parent do so only there.
_living = Living(ConsoleRecorder._forget)


def _draw_all() -> None:
    for recorder in _living:
        try:
            recorder.close()
        except Exception:  # the terminal is closed
            reraise_interrupt()
