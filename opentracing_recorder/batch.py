"""BatchRecorder: a bounded queue and a worker thread, the base of every backend that does I/O."""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import sys
import threading
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import count
from random import Random
from time import monotonic
from typing import NamedTuple

from .fork import at_fork
from .json_safe import text_of
from .recorder import RareNews, Recorder
from .span import BasicSpan

_logger = logging.getLogger(__name__)

_LONGEST_BACK_OFF = 30.0
_LONGEST_RETRY_AFTER = 120.0
_LONGEST_IDLE = 60.0

_jitter = Random()  # of our own: the application's random numbers stay as it seeded them


class Stats(NamedTuple):
    """What became of the spans of this process; ``recorded`` is the sum of the others."""

    recorded: int
    """Spans given to `record_span`, but for those of the worker's own thread."""

    sent: int
    """Spans that the backend has acknowledged."""

    dropped: int
    """Spans that never got a try to the end: the queue was full, or the recorder closed."""

    failed: int
    """Spans that the backend refused, or that could not be delivered in `attempts` attempts."""

    queued: int
    """Spans that wait, or are being sent."""


class Rejected(Exception):
    """Raised by `send`: the backend will never accept this batch. It counts as failed."""


class BatchTooLarge(Exception):
    """Raised by `send`: the batch is sent again in halves. One span too large counts as failed."""


class Unavailable(Exception):
    """Raised by `send`: try again, after `retry_after` seconds if the backend named a time."""

    def __init__(self, message: object = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BatchRecorder(Recorder):
    """Queues each span, and sends them in batches from a thread of its own.

    A backend writes `send`. The application's thread never waits, and sees no exception.

    - `queue_size`: how many spans wait or are being sent at most. More are dropped, the newest
      first, and counted; a warning says how many, at most once a minute.
    - `batch_size`: how many spans `send` gets at most.
    - `interval`: seconds that a span waits at most for its batch to fill; also the first back-off.
    - `send_timeout`: seconds that one `send` may take; see there.
    - `attempts`: how often a batch is sent before its spans count as failed. The pauses between
      attempts grow from `interval` threefold each time, to 30 seconds at most, less a random part.
    - `exit_timeout`: seconds that the interpreter's exit, or `close()`, waits for the last spans.

    After a fork, the child starts with an empty queue, zero `stats` and a worker of its own; what
    the parent has queued is sent by the parent. Works under gevent's monkey patching.

    Raises TypeError or ValueError for an option that cannot serve, and names it.
    """

    def __init__(
        self,
        *,
        queue_size: int = 16384,
        batch_size: int = 512,
        interval: float = 1.0,
        send_timeout: float = 10.0,
        attempts: int = 10,
        exit_timeout: float = 5.0,
    ) -> None:
        self.queue_size = _check_count("queue_size", queue_size)
        self.batch_size = min(_check_count("batch_size", batch_size), self.queue_size)
        self.interval = _check_seconds("interval", interval)
        self.attempts = _check_count("attempts", attempts)
        self.exit_timeout = _check_seconds("exit_timeout", exit_timeout)
        self._send_timeout = _check_seconds("send_timeout", send_timeout)
        self._dropped_news, self._rejected_news, self._error_news = (RareNews() for _ in range(3))
        self._worker = _Worker(self)
        _register(self)

    # What a backend writes.

    @abstractmethod
    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        """Deliver a batch; return when the backend has acknowledged it.

        Called on the worker's thread, one call at a time. Bound your I/O with `send_timeout`.
        Returns how many of the spans had to be left out because they cannot be encoded; None is 0.

        Raise `Rejected`, `BatchTooLarge` or `Unavailable`; anything else is retried too.
        """

    def release(self) -> None:
        """Close connections: called once when the recorder closes, after the last `send`."""

    def forked(self) -> None:
        """Forget connections without closing them: called in a forked child, which shares them."""

    @property
    def send_timeout(self) -> float:
        """Seconds that the next `send` may take: less than was asked for while closing."""
        deadline = self._worker.deadline
        if deadline is None:
            return self._send_timeout
        return min(self._send_timeout, max(0.1, deadline - monotonic()))

    # What an application calls.

    def record_span(self, span: BasicSpan) -> None:
        worker = self._worker
        # Appending is one atomic step; `limit` stands for all that is out of the ordinary.
        if len(worker.queue) < worker.limit and _thread.get_ident() != worker.ident:
            worker.queue.append(span)
        else:
            self._record_rarely(span)

    @property
    def stats(self) -> Stats:
        """What became of the spans; exact whenever no span is being recorded or sent."""
        return self._current().stats()

    def flush(self, timeout: float | None = None) -> bool:
        """Send what was recorded before this call, within `timeout` seconds (None: no limit).

        Returns whether all of it was sent: False when time ran out, or when spans recorded before
        this call were dropped or failed and no earlier `flush` has said so. Pauses between attempts
        are cut short.
        """
        _check_timeout(timeout)
        return self._current().flush(self, timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Send what is queued, then release what is held, within `timeout` seconds.

        None means `exit_timeout`. What is left by then is dropped, and so is what is recorded from
        now on. Returns, each time, whether every span ever recorded was sent.
        """
        _check_timeout(timeout)
        return self._current().close(self, self.exit_timeout if timeout is None else timeout)

    # The rare paths.

    def _record_rarely(self, span: BasicSpan) -> None:
        worker = self._current()
        queue = worker.queue
        if _thread.get_ident() == worker.ident:
            return
        if worker.deadline is not None:
            next(worker.drops)
        elif len(queue) >= self.queue_size:
            next(worker.drops)
            times = self._dropped_news.count()
            if times:
                _logger.warning(
                    "%s dropped %d spans since the last such message: its queue of %d is full",
                    type(self).__name__,
                    times,
                    self.queue_size,
                )
        else:
            queue.append(span)
            worker.wake_for_span(self)

    def _current(self) -> _Worker:
        """The worker of this process: another one after a fork that Python did not see."""
        worker = self._worker
        if worker.pid != os.getpid():
            self._after_fork()
        return self._worker

    def _after_fork(self) -> None:
        pid = os.getpid()
        old, new = self._worker, _Worker(self)
        if old.pid == pid:
            return
        if old.deadline is not None:  # closed stays closed
            new.deadline, new.over, new.outcome = old.deadline, True, old.outcome
        # setdefault is one atomic step: of several threads that get here, all take one worker.
        self._worker = old.heirs.setdefault(pid, new)
        old.over = True  # under gevent the parent's worker, a greenlet, lives on in the child
        if self._worker is new:
            try:
                self.forked()
            except Exception:
                _logger.exception("%s.forked raised", type(self).__name__)


class _Worker:
    """The queue of one recorder in one process, and the thread that empties it.

    Spans stay in the queue until they are sent or given up, so that its length tells how many there
    are. Threads append on the right; only the thread that has `role` removes, on the left.

    The thread refers to the recorder only while spans are queued, else nobody could forget one.
    """

    def __init__(self, recorder: BatchRecorder) -> None:
        self.queue: deque[BasicSpan] = deque()
        self.limit = 0  # as long as the queue is shorter, a span is appended and no more
        self.ident: int | None = None  # of the thread at work
        self.pid = os.getpid()
        self.heirs: dict[int, _Worker] = {}
        self.queue_size = recorder.queue_size
        self.batch_size = recorder.batch_size
        self.interval = recorder.interval
        self.drops = count()
        self.sent = self.failed = self.removed = self.abandoned = 0
        self.told = 0  # losses that a flush has returned False for
        # Both raw: nothing that `record_span` calls may wait.
        self.role = _thread.allocate_lock()
        self.bell = _thread.allocate_lock()
        self.bell.acquire()
        # Re-entrant: a finalizer or a signal handler may run meanwhile. Held for counting only.
        self.lock = threading.RLock()
        self.waiters: list[_Waiter] = []
        self.hurry = False
        self.deadline: float | None = None  # set when closing
        self.over = False
        self.outcome: bool | None = None
        self.recorder: BatchRecorder | None = None
        self.recorder_ref = weakref.ref(recorder, self.forgotten)

    # On the application's threads.

    def wake_for_span(self, recorder: BatchRecorder) -> None:
        full = len(self.queue) >= self.batch_size
        self.set_limit(self.queue_size if full else self.batch_size - 1)
        self.wake(recorder)

    def set_limit(self, limit: int) -> None:
        self.limit = limit
        if self.deadline is not None:
            self.limit = 0

    def wake(self, recorder: BatchRecorder) -> bool:
        """Ring the bell, and see that somebody hears it; False if no thread can be started."""
        self.recorder = recorder
        self.ring()
        if not self.role.acquire(False):
            return True
        _close_with_multiprocessing()
        try:
            # Not threading.Thread: its start waits, and takes a lock that may be held by the very
            # code that a signal handler or a finalizer has interrupted.
            _thread.start_new_thread(self.run, ())
        except RuntimeError:  # the interpreter is exiting, or the system has no thread to give
            self.role.release()
            return False
        return True

    def ring(self) -> None:
        try:
            self.bell.release()
        except RuntimeError:  # it rings already
            pass

    def forgotten(self, ref: object) -> None:
        self.ring()

    def stats(self) -> Stats:
        with self.lock:
            queued = len(self.queue)
            dropped = self.drop_count() + self.abandoned
            if self.over:  # what slipped in while the recorder closed
                dropped, queued = dropped + queued, 0
            recorded = self.sent + dropped + self.failed + queued
            return Stats(recorded, self.sent, dropped, self.failed, queued)

    def drop_count(self) -> int:
        return int(repr(self.drops)[6:-1])  # "count(5)": all else that tells the number changes it

    def flush(self, recorder: BatchRecorder, timeout: float | None) -> bool:
        deadline = None if timeout is None else monotonic() + timeout
        with self.lock:
            told = self.told
            lost = self.drop_count() + self.abandoned
            waiter = _Waiter(self.removed + len(self.queue))
            if self.queue and not self.over:
                self.waiters.append(waiter)
            else:
                waiter.settle(self.failed)
        if not waiter.settled and _thread.get_ident() != self.ident:
            self.hurry = True
            if not self.wake(recorder):
                self.run_here(recorder, deadline)
            waiter.wait(deadline)
        with self.lock:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            lost += self.failed if waiter.failed is None else waiter.failed
            self.told = max(self.told, lost)
        return waiter.settled and lost <= told

    def close(self, recorder: BatchRecorder, timeout: float) -> bool:
        deadline = self.start_closing(recorder, timeout)
        if _thread.get_ident() != self.ident:
            with self.lock:
                waiter = _Waiter(sys.maxsize)
                if self.over:
                    waiter.settle(0)
                else:
                    self.waiters.append(waiter)
            if not waiter.settled:
                # Without a span to send, no thread is started only to end.
                if not self.queue or not self.wake(recorder):
                    self.run_here(recorder, deadline)
                if not self.over:
                    self.wake(recorder)
                waiter.wait(deadline)
        with self.lock:
            if self.outcome is None:
                stats = self.stats()
                self.outcome = self.over and stats.sent == stats.recorded
            return self.outcome

    def start_closing(self, recorder: BatchRecorder, timeout: float) -> float:
        """Refuse spans from now on; returns when `timeout` ends."""
        now = monotonic()
        if self.deadline is None:
            # The last tenth is for `release`.
            self.deadline = now + timeout * 0.9
            self.limit = 0
            self.hurry = True
            if self.queue:
                self.wake(recorder)
        return now + timeout

    def run_here(self, recorder: BatchRecorder, deadline: float | None) -> None:
        """Send on this thread, where none can be started."""
        if self.role.acquire(False):
            try:
                self.ident = _thread.get_ident()
                self.serve(recorder, deadline)
            finally:
                self.ident = None
                self.role.release()

    # On the worker's thread.

    def run(self) -> None:
        self.ident = _thread.get_ident()
        try:
            threading.current_thread().name = "opentracing-batch-recorder"
            idle = self.interval
            while not self.over:
                # Not for ever: a thread may be held up between reading `limit` and appending.
                rang = self.bell.acquire(True, idle)
                recorder = self.recorder or self.recorder_ref()
                if recorder is None:
                    break
                if self.queue or self.deadline is not None:
                    idle = self.interval
                    self.serve(recorder)
                elif not rang:
                    idle = _LONGEST_IDLE
                self.recorder = None
                self.set_limit(0)
                if self.queue or self.deadline is not None:
                    self.recorder = recorder
                    self.ring()
                del recorder
        finally:
            self.ident = None  # another thread may get the same
            self.limit = 0
            self.role.release()

    def serve(self, recorder: BatchRecorder, until: float | None = None) -> None:
        """Send until the queue is empty; when closing, to the end."""
        while self.queue and not self.time_is_up(until):
            if until is None:
                self.collect()
            self.set_limit(self.queue_size)
            self.deliver(recorder, until)
        if self.deadline is not None and not self.over:
            self.finish(recorder)

    def collect(self) -> None:
        """Wait until a batch is full, its time is over, or somebody is in a hurry."""
        self.set_limit(self.batch_size - 1)
        end = monotonic() + self.interval
        while len(self.queue) < self.batch_size and not self.waiters and self.deadline is None:
            left = end - monotonic()
            if left <= 0 or not self.bell.acquire(True, left):
                break

    def time_is_up(self, until: float | None) -> bool:
        """Whether sending must stop: at `until`, or when the time to close is over."""
        now = monotonic()
        return (
            self.over
            or (until is not None and now >= until)
            or (self.deadline is not None and now >= self.deadline)
        )

    def deliver(self, recorder: BatchRecorder, until: float | None) -> None:
        """Send one batch, in parts if it is too large, until it is settled or time runs out."""
        left = size = min(len(self.queue), self.batch_size)
        attempt = 0
        while left and not self.time_is_up(until):
            size = min(size, left)
            batch = [self.queue[index] for index in range(size)]
            self.hurry = False
            try:
                attempt += 1
                left_out = recorder.send(batch)
            except Rejected as error:
                self.report(recorder, recorder._rejected_news, "rejected", error)
                self.settle(size, failed=size)
            except BatchTooLarge as error:
                if size > 1:
                    size //= 2
                    attempt = 0
                    continue
                self.report(recorder, recorder._rejected_news, "too large", error)
                self.settle(1, failed=1)
            except Exception as error:
                self.report(recorder, recorder._error_news, "failed", error)
                if attempt < recorder.attempts:
                    self.back_off(attempt, error, until)
                    continue
                self.settle(size, failed=size)
            else:
                self.settle(size, failed=min(max(0, left_out), size) if left_out else 0)
            left -= size
            attempt = 0

    def back_off(self, attempt: int, error: Exception, until: float | None) -> None:
        """Wait before the next attempt, until somebody is in a hurry or time is up."""
        pause = min(self.interval * 3.0 ** (attempt - 1), _LONGEST_BACK_OFF)
        pause *= _jitter.uniform(0.5, 1.0)
        if isinstance(error, Unavailable) and isinstance(error.retry_after, (int, float)):
            pause = max(pause, min(error.retry_after, _LONGEST_RETRY_AFTER))
        end = monotonic() + pause
        while not self.hurry and not self.time_is_up(until):
            stops = [each for each in (end, until, self.deadline) if each is not None]
            left = min(stops) - monotonic()
            if left <= 0:
                break
            self.bell.acquire(True, left)

    def settle(self, number: int, failed: int) -> None:
        """Take `number` spans out of the queue, of which `failed` were not sent."""
        if self.over:  # they are another process's
            return
        with self.lock:
            settled = [self.queue.popleft() for _ in range(number)]
            self.removed += number
            self.failed += failed
            self.sent += number - failed
            for waiter in [each for each in self.waiters if each.position <= self.removed]:
                self.waiters.remove(waiter)
                waiter.settle(self.failed)
        del settled  # not under the lock: freeing may run code of the application

    def finish(self, recorder: BatchRecorder) -> None:
        try:
            recorder.release()
        except Exception:
            _logger.exception("%s.release raised", type(recorder).__name__)
        with self.lock:
            abandoned = list(self.queue)
            self.abandoned += len(abandoned)
            self.queue.clear()
            self.over = True
            for waiter in self.waiters:
                waiter.settle(None)
            self.waiters.clear()

    def report(self, recorder: BatchRecorder, news: RareNews, what: str, error: Exception) -> None:
        times = news.count()
        if times:
            _logger.error(
                "%s: sending spans %s (%d times since the last such message): %s: %s",
                type(recorder).__name__,
                what,
                times,
                type(error).__name__,
                text_of(error)[:500],
            )


class _Waiter:
    """A call of `flush` or `close` that waits until the worker has removed `position` spans."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.settled = False
        self.failed: int | None = None
        self._bell = _thread.allocate_lock()
        self._bell.acquire()

    def settle(self, failed: int | None) -> None:
        self.failed = failed
        self.settled = True
        self._bell.release()

    def wait(self, deadline: float | None) -> None:
        if deadline is None:
            self._bell.acquire()
        else:
            self._bell.acquire(True, min(max(0.0, deadline - monotonic()), threading.TIMEOUT_MAX))


# Recorders to close at exit, and to renew in a forked child; a forgotten one is neither.
_open: weakref.WeakSet[BatchRecorder] = weakref.WeakSet()
_registered: list[bool] = []


def _register(recorder: BatchRecorder) -> None:
    if not _registered:
        _registered.append(True)
        # At the first recorder, not at the import: what the backend's libraries registered to tear
        # down runs later then.
        atexit.register(_close_all)
        at_fork(_renew_all)
    _open.add(recorder)


def _close_all() -> None:
    recorders = list(_open)
    for recorder in recorders:  # all at once
        recorder._current().start_closing(recorder, recorder.exit_timeout)
    for recorder in recorders:
        recorder.close()


def _close_with_multiprocessing() -> None:
    """Have a child of multiprocessing close its recorders: it ends without atexit."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, _close_all, exitpriority=0)


def _renew_all() -> None:
    for recorder in list(_open):
        recorder._after_fork()


def _check_count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value


def _check_seconds(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 < value <= threading.TIMEOUT_MAX:
        raise ValueError(f"{name} must be more than 0 seconds, not {value}")
    return value


def _check_timeout(value: float | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError(f"timeout must be a number of seconds or None, not {type(value).__name__}")
    if value is not None and value != value:
        raise ValueError("timeout must be a number of seconds, not nan")
