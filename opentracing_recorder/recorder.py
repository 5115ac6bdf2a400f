"""Recorder: where finished spans go. Vendors subclass it; see README, "Writing a Recorder"."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opentracing.interrupts import reraise_interrupt

from ._failure_log import FailureLog

if TYPE_CHECKING:
    from .span import BasicSpan


class Recorder(ABC):
    """Takes each finished, sampled span of a tracer.

    A recorder may also define ``span_started(span)``: a tracer then calls it for every sampled span
    at its start. It is left undefined here, so that other recorders do not pay for it.
    """

    @abstractmethod
    def record_span(self, span: BasicSpan) -> None:
        """Take one finished span.

        Called once for each span, on the thread that finished it, possibly on several at once: be
        quick, and do not block. What this raises is logged, and never reaches the application.
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

    def record_span(self, span: BasicSpan) -> None:
        pass


class CompositeRecorder(Recorder):
    """Hands each span to several recorders, in the order given; one's failure is its own."""

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        if not isinstance(recorders, Iterable):
            raise TypeError(f"recorders must be Recorders, not {type(recorders).__name__}")
        self._recorders = [(check_recorder(each), FailureLog(each)) for each in recorders]
        if any(hasattr(each, "span_started") for each, _ in self._recorders):
            self.span_started = self._span_started

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """The recorders, in the order in which they are called."""
        return tuple(each for each, _ in self._recorders)

    def record_span(self, span: BasicSpan) -> None:
        for recorder, failures in self._recorders:
            try:
                recorder.record_span(span)
            except Exception:
                reraise_interrupt()
                failures.report("record_span")

    def _span_started(self, span: BasicSpan) -> None:
        for recorder, failures in self._recorders:
            hook = getattr(recorder, "span_started", None)
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


def check_recorder(value: Any) -> Recorder:
    """`value`, if it can record spans; a `TypeError` that names the argument otherwise.

    What code written for basictracer passes need not derive from `Recorder`.
    """
    check_instance("recorder", value)
    if not callable(getattr(value, "record_span", None)):
        raise TypeError(f"recorder must have a record_span method; {type(value).__name__} has none")
    return value  # type: ignore[no-any-return]


def check_instance(name: str, value: object) -> None:
    """Refuse a class where an instance of it belongs: it has the methods, but cannot serve."""
    if isinstance(value, type):
        raise TypeError(f"{name} must be an instance, not the class {value.__name__}")
