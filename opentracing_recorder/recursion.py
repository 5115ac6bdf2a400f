"""An end to what has none: a recorder that finishes spans of its own tracer each time it gets one.

Each of them comes back to the recorder. Calls are counted only once Python has raised a
RecursionError; up to then a span costs no more for it.
"""

from __future__ import annotations

import logging
import sys
from types import FrameType
from typing import Any

_logger = logging.getLogger(__name__)

_MOST = 2  # a recorder may trace its own work; who traces that as well does not end
_ROOM = 100  # calls that it takes to log a message, by the application's own handlers


def times_under_way(frame: FrameType) -> int:
    """How many calls of this frame's method, for the same object, have not returned yet.

    Those of this thread, or greenlet, which has a stack of its own.
    """
    code, owner = frame.f_code, frame.f_locals["self"]
    times = 0
    each: FrameType | None = frame
    while each is not None:
        if each.f_code is code and each.f_locals["self"] is owner:
            times += 1
        each = each.f_back
    return times


def has_room() -> bool:
    """Whether Python's limit leaves room to log a message, which would be lost else."""
    try:
        _descend(_ROOM)
    except RecursionError:
        return False
    return True


def _descend(calls: int) -> None:
    if calls:
        _descend(calls - 1)


def is_ended(tracer: Any, attribute: str, method: str) -> bool:
    """Whether what was raised came of recursion without end; `attribute` has an `Outermost` then.

    For the ``except`` block of the tracer's method that calls what `attribute` holds. Raises
    RecursionError while there is no room to log it: then the call around this one tries again.
    """
    if not isinstance(sys.exc_info()[1], RecursionError):
        return False
    if times_under_way(sys._getframe(1)) <= _MOST:
        return False
    held = getattr(tracer, attribute)
    if type(held) is not Outermost:
        held = Outermost(held)
        setattr(tracer, attribute, held)
    if not held.told:
        if not has_room():
            raise RecursionError
        held.told = True
        inner = held.inner
        _logger.error(
            "%s.%s makes spans of the tracer that calls it, without end; from now on,"
            " what it makes does not come back to it",
            type(getattr(inner, "__self__", inner)).__name__,
            method,
        )
    return True


def inner_of(held: Any) -> Any:
    """What a tracer was given: without what may stand for it now."""
    return held.inner if type(held) is Outermost else held


class Outermost:
    """Stands for a recorder, its ``span_started`` or a sampler; answers calls from within itself.

    Each method has one caller, a method of the tracer's.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.told = False

    def record_span(self, span: Any) -> None:
        """A recorder's method."""
        if times_under_way(sys._getframe(1)) == 1:
            self.inner.record_span(span)

    def __call__(self, span: Any) -> None:
        if times_under_way(sys._getframe(1)) == 1:
            self.inner(span)

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        """A sampler's method; keeps what it may not be asked about."""
        if times_under_way(sys._getframe(1)) > 1:
            return True
        return bool(self.inner.sampled(trace_id, operation_name))
