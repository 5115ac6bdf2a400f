"""A bounded queue of spans that wait to be sent, and counts of all spans by outcome."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from itertools import count, islice
from math import inf
from typing import Any, NamedTuple

from ._process import under_lock
from .span import BasicSpan


class Stats(NamedTuple):
    """Numbers of spans of this process by outcome.

    ``recorded`` is the sum of ``sent``, ``dropped``, ``failed`` and ``queued``.
    """

    recorded: int
    """Spans given to `record_span`."""

    sent: int
    """Spans that the backend has acknowledged."""

    dropped: int
    """Spans that were given up early: the queue was full, or the recorder closed."""

    failed: int
    """Spans that the backend refused, that could not be encoded, or whose attempts all failed."""

    queued: int
    """Spans that wait, or are being sent."""

    slow: int = 0
    """Calls of `send` that have lasted longer than `send_timeout`, the one under way included.

    A tenth of it is tolerated: a client that gives up in time does so a little late.
    """


class BatchQueue:
    """A bounded queue that keeps spans until they are sent or given up, and counts them.

    Any thread appends to `spans` while it is shorter than `limit`. One thread at a time settles.
    """

    # Both are read for each span, and a slot is the fastest attribute on every Python.
    __slots__ = ("__dict__", "limit", "spans")

    def __init__(self, capacity: int, lock: Any) -> None:
        """`lock`, a `threading.RLock`, is held for counting only."""
        self._lock = lock
        self.spans: deque[BasicSpan] = deque()
        self.capacity = capacity
        self.limit = 0
        self.sent = self.failed = 0
        self._drop_numbers = count(1)
        self._last_drop = deque([0], maxlen=1)
        self.abandoned = 0  # left when the queue ended
        self.reported = 0  # losses for which a flush has returned False
        self.is_closing = False  # takes no more spans
        self.is_ended = False  # settles no more spans
        self.waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self.spans)

    def set_limit(self, limit: int) -> None:
        """Set the length from which on `record` is called; 0 while closing."""
        self.limit = limit
        if self.is_closing:  # asked last: another thread may close meanwhile
            self.limit = 0

    def close(self) -> None:
        """Take no more spans."""
        self.is_closing = True
        self.limit = 0

    def drop(self) -> None:
        """Count a span that is not taken."""
        # One atomic step: even a signal's handler that interrupts this one counts exactly.
        self._last_drop.extend(islice(self._drop_numbers, 1))

    @property
    def dropped(self) -> int:
        return self._last_drop[0]

    def first(self, number: int) -> list[BasicSpan]:
        """The oldest spans, which stay in the queue."""
        # By index: an iterator raises if another thread, or a finalizer, appends meanwhile.
        spans = self.spans
        return [spans[index] for index in range(number)]

    def settle(self, number: int, failed: int = 0) -> None:
        """Remove the oldest spans, of which `failed` were not sent."""
        if not self.is_ended:  # otherwise the spans are another process's
            self._settle(number, failed)

    # What these two return is freed after the lock: freeing may run code of the application.

    @under_lock
    def _settle(self, number: int, failed: int) -> list[BasicSpan]:
        settled = [self.spans.popleft() for _ in range(number)]
        self.failed += failed
        self.sent += number - failed
        position = self.sent + self.failed
        for waiter in [each for each in self.waiters if each.position <= position]:
            self.waiters.remove(waiter)
            waiter.settle(self.failed)
        return settled

    @under_lock
    def end(self) -> list[BasicSpan]:
        """Give up all spans that are left, and return them."""
        left = [self.spans.popleft() for _ in range(len(self))]
        self.abandoned += len(left)
        self.is_ended = True
        for waiter in self.waiters:  # they wait for some of these
            waiter.settle(self.failed + len(left))
        self.waiters.clear()
        return left

    @under_lock
    def waiter(self, for_end: bool = False) -> Waiter:
        """A waiter for the spans that are queued now, or for the end of the queue."""
        waiter = Waiter(inf if for_end else self.sent + self.failed + len(self), self)
        if self.is_ended or not (self.spans or for_end):
            waiter.settle(self.failed)
        else:
            self.waiters.append(waiter)
        return waiter

    @under_lock
    def has_sent(self, waiter: Waiter) -> bool:
        """Whether a waiter's spans are settled, and no loss before them is still unreported."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
            waiter.lost += self.failed
        self.reported = max(self.reported, waiter.lost)
        return waiter.is_settled and waiter.lost <= waiter.reported

    @under_lock
    def stats(self, slow: int, has_closed: bool) -> Stats:
        """The counts. The spans left in a queue that has closed count as dropped."""
        queued, dropped = len(self), self.dropped + self.abandoned
        if has_closed:
            dropped, queued = dropped + queued, 0
        recorded = self.sent + dropped + self.failed + queued
        return Stats(recorded, self.sent, dropped, self.failed, queued, slow)


class Waiter:
    """A call of `flush` or `close` that waits until `position` spans are settled."""

    def __init__(self, position: float, queue: BatchQueue) -> None:
        self.position = position
        self.is_settled = False
        self.reported = queue.reported
        self.lost = queue.dropped + queue.abandoned
        self._settled = _thread.allocate_lock()
        self._settled.acquire()

    def settle(self, failed: int) -> None:
        self.lost += failed
        self.is_settled = True
        self._settled.release()

    def wait(self, timeout: float | None) -> None:
        if timeout is None:
            self._settled.acquire()
        else:
            self._settled.acquire(True, min(max(0.0, timeout), threading.TIMEOUT_MAX))
