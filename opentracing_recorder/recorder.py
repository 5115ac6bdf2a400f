"""Recorder: where finished spans go. Backends subclass it::

    from opentracing_recorder import BasicTracer, CompositeRecorder, InMemoryRecorder, Recorder

    class LongestRecorder(Recorder):
        seconds = 0.0

        def record_span(self, span):
            self.seconds = max(self.seconds, span.duration)

    longest, recorder = LongestRecorder(), InMemoryRecorder()
    BasicTracer(CompositeRecorder([longest, recorder])).start_span("checkout").finish()
    assert longest.seconds == recorder.spans[0].duration

A recorder writes `record_span`. It may override `flush` and `close`, if it holds spans, and
`span_started`. For a backend that is reached over a network, `BatchRecorder` has the queue, the
thread and the retries.

- `NoopRecorder` keeps nothing; it is the default of a tracer.
- `CompositeRecorder(recorders)` hands each span to several, each of which gets a span of its own.

Limits: `record_span` is called on the thread that finishes the span, so it must be quick. Its
exceptions never reach the application: they are logged, at most once a minute for each recorder,
with a count. `opentracing_recorder.harness.RecorderCheckMixin` tests a recorder.
"""

from __future__ import annotations

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import count
from typing import Any

import opentracing_recorder  # whose names annotations take: `span` imports this module
from opentracing.interrupts import reraise_interrupt

from ._arguments import check_has, check_type
from .error_text import loggable
from .recursion import has_room, times_under_way

_logger = logging.getLogger(__name__)


class Recorder(ABC):
    """Takes each finished, sampled span of a tracer."""

    @abstractmethod
    def record_span(self, span: opentracing_recorder.BasicSpan) -> None:
        """Take one finished span.

        Called once for each span, on the thread that finished it, possibly on several at once: be
        quick, and do not block. An exception is logged, and never reaches the application. The span
        is this recorder's own: a change of its tags or logs reaches no other recorder.
        """

    def span_started(self, span: opentracing_recorder.BasicSpan) -> None:  # noqa: B027
        """See a span at its start; does nothing by default.

        Called for every sampled span, with the ids that will be recorded, on the thread that starts
        it. The span is the application's, which goes on to change it. An exception is logged, and
        never reaches the application. A recorder that does not override this method does not pay
        for it: the tracer looks when it gets the recorder.
        """

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what was recorded before this call, within `timeout` seconds (None: no limit).

        Returns whether all of it was delivered.
        """
        return True

    def close(self, timeout: float | None = None) -> bool:
        """Flush, then release what is held, within `timeout` seconds. A second call does nothing.

        Returns whether everything was delivered.
        """
        return True


class NoopRecorder(Recorder):
    """Keeps nothing; what a tracer has when it is given no recorder."""

    def record_span(self, span: opentracing_recorder.BasicSpan) -> None:
        pass


class CompositeRecorder(Recorder):
    """Hands each span to several recorders, in the order given; one's failure is its own.

    The first gets the span itself, and each of the others a copy with tags and logs of its own.
    """

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        check_type("recorders", recorders, Iterable, "Recorders")
        self._recorders = [(each, FailureLog(each)) for each in recorders]
        for each, _ in self._recorders:
            check_has("recorder", each, "record_span")
        self._any_watches = any(started_hook(each) is not None for each, _ in self._recorders)

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """The recorders, in the order in which they are called."""
        return tuple(each for each, _ in self._recorders)

    def __repr__(self) -> str:
        names = ", ".join(type(each).__name__ for each in self.recorders)
        return f"<{type(self).__name__} of {names}>"

    def record_span(self, span: opentracing_recorder.BasicSpan) -> None:
        # Copied before the first of them may change it.
        spans = [span, *(_detached(span) for _ in self._recorders[1:])]
        for (recorder, failures), own in zip(self._recorders, spans):
            try:
                recorder.record_span(own)
            except Exception:
                reraise_interrupt()
                failures.report("record_span")

    def span_started(self, span: opentracing_recorder.BasicSpan) -> None:
        for recorder, failures in self._recorders:
            hook: Any = getattr(recorder, "span_started", None)
            if hook is not None:
                try:
                    hook(span)
                except Exception:
                    reraise_interrupt()
                    failures.report("span_started")

    def flush(self, timeout: float | None = None) -> bool:
        return self._each_within(timeout, "flush")

    def close(self, timeout: float | None = None) -> bool:
        return self._each_within(timeout, "close")

    def _each_within(self, timeout: float | None, method: str) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        delivered = True
        for recorder, failures in self._recorders:
            left = None
            if timeout is not None and deadline is not None:  # no more, if the clock goes back
                left = min(timeout, max(0.0, deadline - time.monotonic()))
            call = getattr(recorder, method, None)
            if call is None:  # one written for basictracer
                continue
            try:
                delivered = bool(call(left)) and delivered
            except Exception:
                reraise_interrupt()
                failures.report(method)
                delivered = False
        return delivered


def _detached(span: Any) -> Any:
    try:
        return span._detached()
    except Exception:  # a stand-in, or a subclass that cannot be copied: shared rather than lost
        reraise_interrupt()
        return span


def started_hook(recorder: Any) -> Any:
    """The recorder's `span_started`, or None if there is none, or one that does nothing."""
    hook: Any = getattr(recorder, "span_started", None)
    function = getattr(hook, "__func__", None)
    if function is Recorder.span_started:
        return None
    if function is CompositeRecorder.span_started and not hook.__self__._any_watches:
        return None
    return hook


class RareNews:
    """Counts what happens, from any thread, and says at most once a minute how often it did."""

    interval = 60.0
    """Seconds between two pieces of news."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._told = 0
        self._turn = 0
        self._next_time = float("-inf")
        self._turns: dict[int, int] = {}

    def count(self) -> int:
        """Count one more; how many there were since the last news, or 0 if it is too early."""
        number = next(self._numbers)  # one atomic step: nothing goes uncounted
        # In this order: of a turn that has just been taken, the next time is known.
        turn, next_time = self._turn, self._next_time
        now = time.monotonic()
        # A time that is much further away than the interval: the clock has gone back since.
        if next_time - 2 * self.interval <= now < next_time:
            return 0
        # setdefault is atomic too: one of those who see that it is time takes the turn. No lock: a
        # child forked while it is held would never have a turn again.
        if self._turns.setdefault(turn, number) != number:
            return 0
        if len(self._turns) > 1000:
            self._turns = {turn: number}
        times, self._told = number - self._told, number
        self._next_time = now + self.interval
        self._turn = turn + 1
        return times


class FailureLog:
    """Says in the log that a recorder raised: at most once a minute, with the number of times.

    `report` is called in an ``except`` block of a method, from any thread. It says nothing once the
    interpreter takes itself apart: logging may be gone by then, and a finalizer may still finish
    spans.
    """

    def __init__(self, recorder: object) -> None:
        self._recorder = recorder
        self._news = RareNews()

    def report(self, method: str) -> None:
        if isinstance(sys.exc_info()[1], RecursionError):
            # Of calls inside calls the outermost reports: to go on in each would have no end.
            if times_under_way(sys._getframe(1)) > 1:
                raise
            if not has_room():
                return
        times = self._news.count()
        error = sys.exc_info()[1]
        if times and error is not None and not sys.is_finalizing():
            _logger.error(
                "%s.%s raised (%d times since the last such message); the application goes on",
                type(self._recorder).__name__,
                method,
                times,
                exc_info=loggable(error),
            )
