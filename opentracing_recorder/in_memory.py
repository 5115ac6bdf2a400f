"""InMemoryRecorder: keeps finished spans in a list; for tests, demos and small scripts.

::

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    with tracer.start_active_span("request"):
        tracer.start_span("query", tags={"rows": 3}).finish()

    assert recorder.outline() == "request\\n  query"
    assert recorder.one("query").tags == {"rows": 3}
    assert recorder.find(error=True) == []

``max_spans`` limits the number of spans kept, to the newest ones (default: no limit). `wait_for`
waits for spans that finish on other threads, 5 seconds by default. Assertions that fail raise an
AssertionError that shows the trees recorded. In pytest, `opentracing_recorder.captrace` makes the
tracer and the recorder for each test.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._errors import shown, visible
from .recorder import Recorder
from .span import BasicSpan, is_failed
from .trace import Trace

_MAX_SHOWN = 400  # characters of one line of a message


class InMemoryRecorder(Recorder):
    """Keeps every span, or the last `max_spans` of them. Safe to use from any thread."""

    def __init__(self, max_spans: int | None = None) -> None:
        if max_spans is not None:
            if isinstance(max_spans, bool) or not isinstance(max_spans, int):
                raise TypeError(f"max_spans must be an int or None, not {type(max_spans).__name__}")
            if max_spans < 1:
                raise ValueError(f"max_spans must be at least 1, not {max_spans}")
        # A deque's append, copy and clear are each one atomic step: no lock is needed.
        self._spans: deque[BasicSpan] = deque(maxlen=max_spans)
        # One for each `wait_for` that is waiting; any item put there wakes it.
        self._waiting: list[SimpleQueue[None]] = []

    def record_span(self, span: BasicSpan) -> None:
        self._spans.append(span)
        if self._waiting:
            for waiting in self._waiting.copy():
                waiting.put(None)

    @property
    def spans(self) -> list[BasicSpan]:
        """The spans recorded so far, in the order in which they finished; a copy."""
        return list(self._spans.copy())

    def get_spans(self) -> list[BasicSpan]:
        """`spans`, under the name that basictracer gave it."""
        return self.spans

    def clear(self) -> None:
        """Forget the spans recorded so far."""
        self._spans.clear()

    def find(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        error: bool | None = None,
    ) -> list[BasicSpan]:
        """The recorded spans that fit everything asked for, in the order in which they finished.

        `tags` are those a span must have, with equal values; `error` asks for spans that failed,
        or that did not.
        """
        wanted = {} if tags is None else tags
        if not isinstance(wanted, Mapping):
            raise TypeError(f"tags must be a mapping of tags to values, not {type(tags).__name__}")
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
        tags: Mapping[str, Any] | None = None,
        error: bool | None = None,
    ) -> BasicSpan:
        """The one span that `find` finds; otherwise an `AssertionError` that shows the trees."""
        __tracebackhide__ = True  # pytest shows the caller's line
        found = self.find(operation_name, tags, error)
        if len(found) == 1:
            return found[0]
        asked = _asked(operation_name, tags, error)
        raise AssertionError(f"{len(found)} spans fit{asked}; expected one. {self._shown(tags)}")

    def wait_for(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        error: bool | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
    ) -> list[BasicSpan]:
        """What `find` finds, as soon as that is `count` spans or more; for spans of other threads.

        Otherwise an `AssertionError` that shows the trees, after `timeout` seconds. It blocks its
        thread: a coroutine awaits what it waits for instead.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout
        # Reentrant, where an Event is not: a span may finish in a finalizer or a signal handler.
        news: SimpleQueue[None] = SimpleQueue()
        found: list[BasicSpan] = []
        self._waiting.append(news)
        try:
            while True:
                found = self.find(operation_name, tags, error)
                if len(found) >= count:
                    return found
                # No more than that, if the clock goes back.
                news.get(timeout=min(timeout, max(0.0, deadline - time.monotonic())))
        except Empty:
            asked = _asked(operation_name, tags, error)
            raise AssertionError(
                f"{len(found)} spans fit{asked} after {timeout:g} s; expected {count}."
                f" {self._shown(tags)}"
            ) from None
        finally:
            self._waiting.remove(news)

    def outline(self, tags: Iterable[str] = ()) -> str:
        """Each recorded trace's `Trace.outline`, the one that started first in front."""
        return "\n".join(trace.outline(tags) for trace in Trace.from_spans(self.in_order()))

    def in_order(self) -> list[BasicSpan]:
        """`spans`, in the order in which those are shown that started at the same time."""
        return self.spans

    def _shown(self, tags: Iterable[str] | None) -> str:
        """What an error says of all that was recorded: no more than a person would read."""
        outline = self.outline(tags or ())
        if not outline:
            return "Recorded: none"
        lines = shortened([visible(_cut(line)) for line in outline.split("\n")])
        return "\n".join(["Recorded:", *lines])


def shortened(lines: list[str], most: int = 200) -> list[str]:
    """The first lines of a message, and how many more there are."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"... and {len(lines) - most} more lines"]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _equal(value: Any, wanted: Any) -> bool:
    try:
        return bool(value == wanted)
    except Exception:  # as arrays of several elements do
        reraise_interrupt()
        return False


def _asked(operation_name: str | None, tags: Mapping[str, Any] | None, error: bool | None) -> str:
    asked = {"operation_name": operation_name, "tags": tags, "error": error}
    return "".join(
        f" {key}={shown(value, _MAX_SHOWN)}" for key, value in asked.items() if value is not None
    )
