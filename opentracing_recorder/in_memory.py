"""InMemoryRecorder, which keeps finished spans in a list, for tests, demos and small scripts.

::

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder(max_spans=1000)  # the last thousand; the default keeps all
    tracer = BasicTracer(recorder)
    with tracer.start_active_span("request", tags={"user": "ada"}):
        pass

    assert recorder.one("request", tags={"user": "ada"}) is recorder.spans[0]
    assert recorder.outline() == "request"
    recorder.clear()
    assert recorder.spans == []

`spans` is a copy, in the order in which the spans finished. `find`, `one` and `wait_for` look for
spans by name, tags and failure; `wait_for` waits for spans that finish on another thread, 5 seconds
by default. `outline` returns the names as indented trees. In a notebook, a recorder shows itself as
the page that `opentracing_recorder.timeline` draws. It may be used from any thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_count, check_type
from ._errors import shown, visible
from .recorder import Recorder
from .span import BasicSpan, is_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["InMemoryRecorder"]

_MAX_SHOWN = 400  # characters of one line of a message


class InMemoryRecorder(Recorder):
    """Keeps every span, or the last `max_spans` of them. Safe to use from any thread."""

    def __init__(self, max_spans: int | None = None) -> None:
        if max_spans is not None:
            check_count("max_spans", max_spans)
        # A deque's append, copy and clear are atomic, so no lock is needed.
        self._spans: deque[BasicSpan] = deque(maxlen=max_spans)
        # One queue for each waiting `wait_for`; any item wakes it.
        self._waiting: list[SimpleQueue[None]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._spans)} spans>"

    def record_span(self, span: BasicSpan) -> None:
        self._spans.append(span)
        if self._waiting:
            for waiting in self._waiting.copy():
                waiting.put(None)

    @property
    def spans(self) -> list[BasicSpan]:
        """A copy of the spans recorded so far, in the order in which they finished."""
        return list(self._spans.copy())

    def get_spans(self) -> list[BasicSpan]:
        """`spans`, under the name that basictracer uses."""
        return self.spans

    def clear(self) -> None:
        """Remove the spans recorded so far."""
        self._spans.clear()

    def find(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, t.Any] | None = None,
        error: bool | None = None,
    ) -> list[BasicSpan]:
        """The recorded spans that match every argument, in the order in which they finished.

        A span matches `tags` if it has all of them, with equal values. With `error` True, only
        failed spans match; with False, only the others.
        """
        wanted = {} if tags is None else tags
        check_type("tags", wanted, Mapping, "a mapping of tags to values")
        return [
            span
            for span in self.spans
            if (operation_name is None or span.operation_name == operation_name)
            and all(key in span.tags and _equal(span.tags[key], wanted[key]) for key in wanted)
            and (error is None or is_failed(span.tags) is error)
        ]

    def one(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, t.Any] | None = None,
        error: bool | None = None,
    ) -> BasicSpan:
        """The one span that matches, as in `find`; otherwise raises AssertionError."""
        __tracebackhide__ = True  # pytest shows the caller's line
        found = self.find(operation_name, tags, error)
        if len(found) == 1:
            return found[0]
        asked = _asked(operation_name, tags, error)
        raise AssertionError(f"{len(found)} spans fit{asked}; expected one. {self._shown(tags)}")

    def wait_for(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, t.Any] | None = None,
        error: bool | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
    ) -> list[BasicSpan]:
        """Wait until `find` returns at least `count` spans, for spans of other threads.

        After `timeout` seconds, it raises AssertionError with an outline. It blocks its
        thread, so a coroutine must await its tasks instead.
        """
        __tracebackhide__ = True
        from queue import Empty, SimpleQueue

        deadline = time.monotonic() + timeout
        # Reentrant, unlike an Event: a span may finish in a finalizer or a signal handler.
        wakeup: SimpleQueue[None] = SimpleQueue()
        found: list[BasicSpan] = []
        self._waiting.append(wakeup)
        try:
            while True:
                found = self.find(operation_name, tags, error)
                if len(found) >= count:
                    return found
                # The minimum holds if the clock is set back.
                wakeup.get(timeout=min(timeout, max(0.0, deadline - time.monotonic())))
        except Empty:
            asked = _asked(operation_name, tags, error)
            raise AssertionError(
                f"{len(found)} spans fit{asked} after {timeout:g} s; expected {count}."
                f" {self._shown(tags)}"
            ) from None
        finally:
            self._waiting.remove(wakeup)

    def outline(self, tags: Iterable[str] = ()) -> str:
        """The `Trace.outline` of each recorded trace, ordered by start."""
        from .trace import Trace

        return "\n".join(trace.outline(tags) for trace in Trace.from_spans(self.in_order()))

    def _repr_html_(self) -> str:
        """The page of `render_html` in a frame, which notebooks show."""
        from ._timeline_page import embed_html
        from .trace import Trace

        return embed_html(Trace.from_spans(self.in_order()))

    def in_order(self) -> list[BasicSpan]:
        """`spans`, in the order that spans with equal start times have in an outline."""
        return self.spans

    def _shown(self, tags: Iterable[str] | None) -> str:
        """The outline of all recorded spans, shortened for an error message."""
        outline = self.outline(tags or ())
        if not outline:
            return "Recorded: none"
        lines = shortened([visible(_cut(line)) for line in outline.split("\n")])
        return "\n".join(["Recorded:", *lines])


def shortened(lines: list[str], most: int = 200) -> list[str]:
    """The first lines of a message, and the number of the others."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"... and {len(lines) - most} more lines"]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _equal(value: t.Any, wanted: t.Any) -> bool:
    try:
        return bool(value == wanted)
    except Exception:  # arrays with several elements raise it
        reraise_interrupt()
        return False


def _asked(operation_name: str | None, tags: Mapping[str, t.Any] | None, error: bool | None) -> str:
    asked = {"operation_name": operation_name, "tags": tags, "error": error}
    return "".join(
        f" {key}={shown(value, _MAX_SHOWN)}" for key, value in asked.items() if value is not None
    )
