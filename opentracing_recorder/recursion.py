"""An end to what has none: a recorder that finishes spans of its own tracer each time it gets one.

Each of them comes back to the recorder. Calls are counted at the first, and then only once Python
has raised a RecursionError: in between, a span costs no more for it.
"""

from __future__ import annotations

import logging
import sys
from types import FrameType
from typing import Any

_logger = logging.getLogger(__name__)

_MOST = 2  # a recorder may trace its own work; who traces that as well does not end
_MOST_AT_FIRST = 10
_ROOM = 100  # calls that it takes to log a message, by the application's own handlers


def times_under_way(frame: FrameType) -> int:
    """How many calls of this frame's method, for the same object, have not returned yet.

    Those of this thread, or greenlet, which has a stack of its own.
    """
    code, owner = frame.f_code, frame.f_locals.get("self")
    times = 0
    each: FrameType | None = frame
    while each is not None:
        if each.f_code is code and each.f_locals.get("self") is owner:
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
    held.end(method)
    if not held.told:
        raise RecursionError
    return True


def watched(attribute: str, inner: Any) -> Any:
    """What stands for `inner`, in this attribute of a tracer, until its first call has returned.

    Who makes spans in each call does so in the first. One that lets no exception out must be found
    here: no RecursionError would tell, and with two spans a call it takes for ever to return.
    """
    return Outermost(inner, _MOST_AT_FIRST, attribute)


def inner_of(held: Any) -> Any:
    """What a tracer was given: without what may stand for it now."""
    return held.inner if type(held) is Outermost else held


class Outermost:
    """Stands for a recorder, its ``span_started`` or a sampler; answers calls from within itself.

    Each method has one caller, a method of the tracer's.
    """

    def __init__(self, inner: Any, most: int = 1, attribute: str = "") -> None:
        self.inner = inner
        self.told = False
        self._most = most
        self._attribute = attribute

    def end(self, method: str) -> None:
        """Answer all but the outermost calls from now on, and log it where there is room."""
        self._most = 1
        if not self.told and has_room():
            self.told = True
            _logger.error(
                "%s.%s makes spans of the tracer that calls it, without end; from now on,"
                " what it makes does not come back to it",
                type(getattr(self.inner, "__self__", self.inner)).__name__,
                method,
            )

    def record_span(self, span: Any) -> None:
        """A recorder's method."""
        frame = sys._getframe(1)
        if self._goes_on(frame, "record_span"):
            self.inner.record_span(span)
            self._returned(frame)

    def __call__(self, span: Any) -> None:
        frame = sys._getframe(1)
        if self._goes_on(frame, "span_started"):
            self.inner(span)
            self._returned(frame)

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        """A sampler's method; keeps what it may not be asked about."""
        frame = sys._getframe(1)
        if not self._goes_on(frame, "sampled"):
            return True
        decision = bool(self.inner.sampled(trace_id, operation_name))
        self._returned(frame)
        return decision

    def sampled_remote(self, context: Any, operation_name: str) -> bool:
        """As `sampled`; of a sampler that does not derive from `Sampler`, that is what is asked."""
        frame = sys._getframe(1)
        if not self._goes_on(frame, "sampled"):
            return True
        ask = getattr(self.inner, "sampled_remote", None)
        decision = bool(
            self.inner.sampled(context.trace_id, operation_name)
            if ask is None
            else ask(context, operation_name)
        )
        self._returned(frame)
        return decision

    def _goes_on(self, frame: FrameType, method: str) -> bool:
        if times_under_way(frame) <= self._most:
            return True
        self.end(method)
        return False

    def _returned(self, frame: FrameType) -> None:
        """Step aside after the first call, unless it had no end."""
        if self._most > 1 and times_under_way(frame) == 1:
            tracer = frame.f_locals.get("self")
            if getattr(tracer, self._attribute, None) is self:
                setattr(tracer, self._attribute, self.inner)
