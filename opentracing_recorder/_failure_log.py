"""Logs failures of recorders and samplers, at most once a minute, and ends their recursion."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count

from . import _typing as t
from ._errors import loggable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

_LOGGER = "opentracing_recorder.recorder"

_MOST_CALLS = 3  # inside each other; a recorder may trace its own work, and another that too
_ROOM = 100  # calls that it takes to log a message, by the application's own handlers


def logger(name: str) -> Logger:
    """The logger of that name, for a report.

    `logging` is imported with the first one: it takes longer than all that a tracer needs.
    """
    import logging

    return logging.getLogger(name)


class RateLimit:
    """Counts events, from any thread, and allows one report of them a minute."""

    interval = 60.0
    """Seconds between two reports."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._reported = 0
        self._turn = 0
        self._next_time = float("-inf")
        self._turns: dict[int, int] = {}

    def count(self) -> int:
        """Count one more. Returns the number since the last report, or 0 if it is too early."""
        number = next(self._numbers)  # one atomic step, so that nothing goes uncounted
        # In this order: the next time of a turn is known before the turn is taken.
        turn, next_time = self._turn, self._next_time
        now = time.monotonic()
        # If the next time is much further away than the interval, the clock has gone back.
        if next_time - 2 * self.interval <= now < next_time:
            return 0
        # setdefault is atomic too: of the threads that find that it is time, one takes the turn.
        # A lock could stay taken, by a thread that a fork or a signal's handler interrupts.
        if self._turns.setdefault(turn, number) != number:
            return 0
        if len(self._turns) > 1000:
            self._turns = {turn: number}
        times, self._reported = number - self._reported, number
        self._next_time = now + self.interval
        self._turn = turn + 1
        return times


def since_last(times: int) -> str:
    """The number of events, for a log line; empty if the line is about a single one."""
    return "" if times == 1 else f" ({times} times since the last such message)"


class FailureLog:
    """Logs that a recorder or sampler raised: at most once a minute, with the number of times.

    `report` is called in an ``except`` block of a method, from any thread. While the interpreter
    exits, it logs nothing: finalizers may still finish spans when logging is gone. If a
    RecursionError leaves no room to log it, `report` raises it again, for a caller with more room.
    If `is_last`, there is no such caller, and the error is skipped.
    """

    def __init__(self, recorder: object, is_last: bool = False) -> None:
        self._recorder = recorder
        self._is_last = is_last
        self._limit = RateLimit()

    def report(self, method: str) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, RecursionError) and not _has_room():
            if self._is_last:
                return
            raise
        times = self._limit.count()
        if times and error is not None and not sys.is_finalizing():
            logger(_LOGGER).error(
                "%s.%s raised%s; the application goes on",
                type(self._recorder).__name__,
                method,
                since_last(times),
                exc_info=loggable(error),
            )


class RecursionGuard:
    """Stands for a recorder, its `span_started` or a sampler while that is watched for recursion.

    Each span that it makes of its own tracer comes back to it. The guard counts the calls inside
    each other on each thread; from the first time that they are too many, it answers all inner
    calls itself. A tracer has one for the first call, after which that steps aside: a recorder that
    makes spans in each call does so in the first. It has another from a RecursionError on.
    """

    def __init__(self, inner: t.Any, step_aside: Callable[[t.Any], object] | None = None) -> None:
        self.inner = inner
        self._step_aside = step_aside
        self._calls = threading.local()
        self._is_endless = False
        self._reported = False

    def __getattr__(self, method: str) -> Callable[..., t.Any]:
        return partial(self._call, method, getattr(self.inner, method))

    def __call__(self, span: t.Any) -> None:
        self._call("span_started", self.inner, span)

    def _call(self, method: str, call: Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        depth = getattr(self._calls, "depth", 0)
        if depth >= (1 if self._is_endless else _MOST_CALLS):
            self._end(method)
            return True  # a sampler's answer
        self._calls.depth = depth + 1
        try:
            return call(*arguments)
        finally:
            self._calls.depth = depth
            if not depth and not self._is_endless and self._step_aside is not None:
                self._step_aside(self)

    def _end(self, method: str) -> None:
        self._is_endless = True
        if not self._reported and _has_room():
            self._reported = True
            logger(_LOGGER).error(
                "%s.%s makes spans of the tracer that calls it, without end; from now on,"
                " those do not come back to it",
                type(getattr(self.inner, "__self__", self.inner)).__name__,
                method,
            )


def watch_first_call(tracer: object, attribute: str, inner: t.Any) -> RecursionGuard:
    """A guard for this attribute of a tracer, until its first call has returned."""
    from weakref import ref

    reference = ref(tracer)

    def step_aside(guard: t.Any) -> None:
        owner = reference()
        if getattr(owner, attribute, None) is guard:
            setattr(owner, attribute, inner)

    return RecursionGuard(inner, step_aside)


def watch_after_recursion(tracer: object, attribute: str) -> None:
    """Put a guard in place for good if a RecursionError was raised: for an ``except`` block."""
    held = getattr(tracer, attribute)
    if isinstance(sys.exc_info()[1], RecursionError) and type(held) is not RecursionGuard:
        setattr(tracer, attribute, RecursionGuard(held))


def unguarded(held: t.Any) -> t.Any:
    """The recorder or sampler itself, for which a guard may stand."""
    return held.inner if type(held) is RecursionGuard else held


def _has_room() -> bool:
    """Whether Python's limit leaves room to log a message, which would otherwise be lost."""
    try:
        _descend(_ROOM)
    except RecursionError:
        return False
    return True


def _descend(calls: int) -> None:
    if calls:
        _descend(calls - 1)
