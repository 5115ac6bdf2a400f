"""Counts requests, errors and durations by operation, without a lock on the application's threads.

A span is noted in one atomic step. The notes are counted some at a time, by the thread that makes
the last of them, and before each scrape.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple, Optional

from opentracing import tags

from ._clock import number_or_none
from ._errors import visible
from ._json_safe import text_of
from .span import BasicSpan, is_failed

KINDS = {
    kind: f"SPAN_KIND_{kind.upper()}"
    for kind in ("server", "client", "producer", "consumer", "internal")
}
"""The values of `span.kind`, with those that the Collector's span metrics have in its place."""

OTHER = "other"
"""The label of all operations, and of all services, beyond the limit."""

MAX_NAME = 120
"""The most characters of the name of an operation or a service."""

_AT_ONCE = 128  # notes: counting them takes about 0.1 ms

_SPAN_KIND = tags.SPAN_KIND
_ERROR = tags.ERROR


class Options(NamedTuple):
    """The options that all recorders of one registry share."""

    buckets: tuple[float, ...]
    """The upper bounds in seconds, in order; the last is infinite."""
    max_operations: int
    kinds: frozenset[str]


class Labels(NamedTuple):
    """The labels of one series, by the names that the Collector's span metrics have."""

    service_name: str
    span_name: str
    span_kind: str
    status_code: str


Note = tuple[tuple[str, str, Optional[str], bool], float, float, Any, Any]
"""Of a span: what its labels come from, its duration and start in seconds, and its ids."""


class Series:
    """The spans of one operation, kind and outcome: by bucket their number, and the latest."""

    __slots__ = ("latest", "numbers", "sum")

    def __init__(self, buckets: int) -> None:
        self.numbers = [0] * buckets
        self.latest: list[Note | None] = [None] * buckets
        self.sum = 0.0


class Operations:
    """The series of one registry in one process."""

    def __init__(self, options: Options, begin: Callable[[], bool] | None = None) -> None:
        """`begin` is called with each span, until it returns True."""
        self.options = options
        self._begin = begin
        self._limit = _AT_ONCE if begin is None else 1
        self._bounds = options.buckets[:-1]
        self._notes: deque[Note] = deque()
        self._services: set[str] = set()
        self._names: set[tuple[str, str]] = set()  # of operations, each with its service
        self._series: dict[Labels, Series] = {}
        self._known: dict[Any, Series] = {}  # the same, by the first item of a note
        # Re-entrant, so that a finalizer or a signal's handler that runs while a thread counts can
        # see that it is this thread's. A thread of the application never waits for it.
        self._lock = threading.RLock()

    def note(self, service: str | None, span: BasicSpan) -> None:
        """Count a finished span; never waits."""
        span_tags = span.tags
        name, kind, duration = span.operation_name, span_tags.get(_SPAN_KIND), span.duration
        if type(name) is not str:
            name = text_of(name)
        if type(kind) is not str and kind is not None:
            kind = text_of(kind)
        if type(duration) is not float or not 0.0 <= duration < inf:
            duration = max(0.0, number_or_none(duration) or 0.0)
        if service is None:
            service = span._tracer.service_name or ""
        notes = self._notes
        # One step: even a signal's handler that interrupts this one counts exactly.
        notes.append(
            (
                (service, name, kind, _ERROR in span_tags and is_failed(span_tags)),
                duration,
                span.start_time,
                span._trace_id,
                span._span_id,
            )
        )
        if len(notes) >= self._limit:
            if self._begin is not None and self._begin():
                self._begin, self._limit = None, _AT_ONCE
            self._count_notes(wait=False)

    def all(self) -> list[tuple[Labels, Sequence[int], Sequence[Note | None], float]]:
        """All series, with every span that was noted before."""
        self._count_notes(wait=True)
        return [
            (labels, list(each.numbers), list(each.latest), each.sum)
            for labels, each in list(self._series.items())
        ]

    def _count_notes(self, wait: bool) -> None:
        lock: Any = self._lock
        if lock._is_owned():  # this thread counts already, and was interrupted
            return
        try:
            if lock.acquire(wait):
                notes, known, bounds = self._notes, self._known, self._bounds
                for _ in range(len(notes)):
                    note = notes.popleft()
                    series = known.get(note[0]) or self._series_of(note[0])
                    if series is not None:
                        duration = note[1]
                        place = bisect_left(bounds, duration)
                        series.numbers[place] += 1
                        series.sum += duration
                        series.latest[place] = note
        finally:
            if lock._is_owned():
                lock.release()

    def _series_of(self, key: tuple[str, str, str | None, bool]) -> Series | None:
        """The series of spans like this one; None if they are not counted."""
        service, name, kind, failed = key
        if kind not in KINDS:
            kind = "" if kind is None else kind.lower()
            kind = kind if kind in KINDS else "internal"
        if kind not in self.options.kinds:
            return None
        own = visible(service[:MAX_NAME]), visible(name[:MAX_NAME])
        shown_service = own[0] if self._has_label(self._services, own[0]) else OTHER
        shown = own[1] if self._has_label(self._names, (shown_service, own[1])) else OTHER
        status = "STATUS_CODE_ERROR" if failed else "STATUS_CODE_UNSET"
        labels = Labels(shown_service, shown, KINDS[kind], status)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series(len(self.options.buckets))
        # Others are looked for each time: all that is kept has a limit.
        if (service, name) == (shown_service, shown) and (key[2] is None or key[2] in KINDS):
            self._known[key] = series
        return series

    def _has_label(self, labels: set[Any], label: Any) -> bool:
        """Add a label while there is space; whether it is there now."""
        if label not in labels and len(labels) < self.options.max_operations:
            labels.add(label)
        return label in labels
