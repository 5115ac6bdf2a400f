"""The queue of a BatchRecorder in one process, and the thread that empties it."""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import count, islice
from random import Random
from time import monotonic
from typing import Protocol

from opentracing.interrupts import reraise_interrupt

from ._errors import error_text, loggable
from ._failure_log import RateLimit
from ._process import at_fork, has_yet_to_fork, is_first_worker
from .batch_outcome import BatchTooLarge, Rejected, Stats, Unavailable
from .span import BasicSpan
from .untraced import send_untraced

_logger = logging.getLogger(__name__)

_LONGEST_BACK_OFF = 5.0  # a backend that is back is used again before a bounded queue is full
_LONGEST_RETRY_AFTER = 120.0
_LONGEST_IDLE = 60.0
_LOOK_AFTER = 512  # spans that are recorded while one call of `send` lasts
_LATE = 1.1  # of `send_timeout`: what gives up in time does so a little late

_jitter = Random()  # of our own: the application's random numbers stay as it seeded them
at_fork(_jitter.seed)  # else all children would come back to a busy backend at the same moments


class Sender(Protocol):
    """What a worker needs of its recorder."""

    queue_size: int
    batch_size: int
    interval: float
    attempts: int
    _send_timeout: float

    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        """Deliver a batch."""

    def release(self) -> None:
        """Close connections."""


class Worker:
    """The queue of one recorder in one process, and the thread that empties it.

    Spans stay in the queue until they are sent or given up, so that its length tells how many there
    are. Threads append on the right; only the thread that has `role` removes, on the left.

    The thread refers to the recorder only while spans are queued, else nobody could forget one.
    """

    def __init__(self, recorder: Sender) -> None:
        self.queue: deque[BasicSpan] = deque()
        self.limit = 0  # as long as the queue is shorter, a span is appended and no more
        self.ident: int | None = None  # of the thread at work
        self.pid = os.getpid()
        self.heirs: dict[int, Worker] = {}
        self.queue_size = recorder.queue_size
        self.batch_size = recorder.batch_size
        self.interval = recorder.interval
        self.longest_send = recorder._send_timeout * _LATE
        self.drops = count()
        self.drop_news, self.rejected_news, self.error_news = RateLimit(), RateLimit(), RateLimit()
        self.slow_news = RateLimit()
        self.slow = 0  # calls of `send` that lasted too long, and are over
        self.send_start: float | None = None  # of the one under way
        self.sent = self.failed = self.removed = self.abandoned = 0
        self.told = 0  # losses that a flush has returned False for
        # Both raw: nothing that `record_span` calls may wait.
        self.role = _thread.allocate_lock()
        self.bell = _thread.allocate_lock()  # another one for each thread at work: see `take_role`
        # Re-entrant: a finalizer or a signal handler may run meanwhile. Held for counting only.
        self.lock = threading.RLock()
        self.waiters: list[_Waiter] = []
        self.hurry = False
        self.borrowed = False  # at work on a thread of the application's
        self.held_back = False  # no thread may be started yet
        self.deadline: float | None = None  # set when closing
        self.over = False
        self.outcome: bool | None = None
        self.recorder: Sender | None = None
        self.recorder_ref = weakref.ref(recorder, self.forgotten)

    # On the application's threads.

    def drop(self, recorder: Sender) -> None:
        next(self.drops)
        if self.deadline is None:
            times = self.drop_news.count()
            if times:
                _logger.warning(
                    "%s dropped %d spans since the last such message: its queue of %d is full",
                    type(recorder).__name__,
                    times,
                    self.queue_size,
                )
                self.look_at_send(recorder)
            if not self.role.locked():  # no thread could be started, and perhaps one can now
                self.wake(recorder)

    def wake_for_span(self, recorder: Sender) -> None:
        full = len(self.queue) >= self.batch_size
        if full:
            self.look_at_send(recorder)
        woken = False
        try:
            self.set_limit(self.next_look() if full else self.batch_size - 1)
            woken = self.wake(recorder)
        finally:
            if not woken:
                self.set_limit(0)  # the next span tries again

    def next_look(self) -> int:
        """The limit while a batch is sent: a call of `send` that never returns is noticed then."""
        return min(self.queue_size, len(self.queue) + _LOOK_AFTER)

    def look_at_send(self, recorder: Sender) -> None:
        """Log that the call of `send` under way lasts too long; called where something is rare."""
        lasted = self.lasted_too_long()
        if lasted and self.slow_news.count():
            _logger.warning(
                "%s: send has lasted %.1f s, and goes on; send_timeout allows %g s. Spans wait, and"
                " are dropped when the queue is full: check the backend, and its client's timeout",
                type(recorder).__name__,
                lasted,
                recorder._send_timeout,
            )

    def lasted_too_long(self) -> float:
        """For how many seconds `send` has lasted if that is too long; otherwise 0."""
        start = self.send_start
        lasted = 0.0 if start is None else monotonic() - start
        return lasted if lasted > self.longest_send else 0.0

    def set_limit(self, limit: int) -> None:
        self.limit = limit
        if self.deadline is not None:
            self.limit = 0

    def wake(self, recorder: Sender) -> bool:
        """Ring the bell, and see that somebody hears it; False if no thread can be started."""
        self.recorder = recorder
        self.ring()
        if not self.take_role():
            return True
        # Who is the first to put itself there has the role: the thread, unless what a signal's
        # handler raises here comes before. setdefault is one atomic step.
        owner: dict[str, str] = {}
        try:
            self.held_back = has_yet_to_fork()
            if not self.held_back:
                # Not threading.Thread: its start waits, and takes a lock that may be held by the
                # very code that a signal handler or a finalizer has interrupted.
                _thread.start_new_thread(self.run, (owner,))
                return True
        except BaseException as error:
            if owner.setdefault("role", "starter") == "starter":
                self.role.release()
            reraise_interrupt()
            # The interpreter is exiting, or the system has no thread to give.
            if not isinstance(error, RuntimeError):
                raise
            return False
        self.role.release()
        return False

    def take_role(self) -> bool:
        """Whether this thread may send, or start the one that will; the bell rings then."""
        if not self.role.acquire(False):
            return False
        # Made now, by what makes threads now: gevent may have patched both since the recorder was
        # made, and a greenlet that waits for a lock of the system's holds up all others. What rang
        # the earlier one has queued its span before.
        self.bell = _thread.allocate_lock()
        return True

    def ring(self) -> None:
        try:
            self.bell.release()
        except RuntimeError:  # it rings already
            reraise_interrupt()

    def say_what_stays(self, recorder: Sender) -> None:
        """Called in a forked child: uWSGI's master ends without the interpreter's exit."""
        if self.held_back and self.queue and is_first_worker():
            _logger.warning(
                "%s: %d spans were recorded before uWSGI forked, where no thread may run, and are "
                "not sent: call flush() when the application is loaded",
                type(recorder).__name__,
                len(self.queue),
            )

    def forgotten(self, ref: object) -> None:
        self.ring()

    def stats(self) -> Stats:
        with self.lock:
            queued = len(self.queue)
            dropped = self.drop_count() + self.abandoned
            # What slipped in while the recorder closed, or was left when its time was over. If a
            # `send` that hangs returns after that, its spans count as sent.
            if self.over or (self.outcome is not None and self.time_is_up(None)):
                dropped, queued = dropped + queued, 0
            recorded = self.sent + dropped + self.failed + queued
            slow = self.slow + (self.lasted_too_long() > 0)
            return Stats(recorded, self.sent, dropped, self.failed, queued, slow)

    def drop_count(self) -> int:
        return int(repr(self.drops)[6:-1])  # "count(5)": all else that tells the number changes it

    def flush(self, recorder: Sender, timeout: float | None) -> bool:
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
        if not waiter.settled:
            self.look_at_send(recorder)
        return waiter.settled and lost <= told

    def close(self, recorder: Sender, timeout: float) -> bool:
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
                if not self.queue:
                    self.run_here(recorder, deadline)
                elif not self.wake(recorder):
                    # At the exit, the recorders before this one may have used up its time.
                    now = monotonic()
                    self.deadline, deadline = now + timeout * 0.9, now + timeout
                    self.run_here(recorder, deadline)
                if not self.over:
                    self.wake(recorder)
                waiter.wait(deadline)
        with self.lock:
            left = 0
            if self.outcome is None:
                stats = self.stats()
                self.outcome = self.over and stats.sent == stats.recorded
                left = stats.queued + self.abandoned
            outcome = self.outcome
        if left:
            self.look_at_send(recorder)
            name = type(recorder).__name__
            _logger.warning("%s was closed before %d spans were sent", name, left)
        return outcome

    def start_closing(self, recorder: Sender, timeout: float) -> float:
        """Refuse spans from now on; returns when to wait no longer."""
        now = monotonic()
        if self.deadline is None:
            # The last tenth is for `release`.
            self.deadline = now + timeout * 0.9
            self.limit = 0
            self.hurry = True
            if self.queue:
                self.wake(recorder)
        # Where closing began before, as it does for all recorders at the exit, so did its time.
        return min(now + timeout, self.deadline + timeout * 0.1)

    def run_here(self, recorder: Sender, deadline: float | None) -> None:
        """Send on this thread, where none can be started."""
        if self.take_role():
            try:
                self.ident = _thread.get_ident()
                self.borrowed = True
                self.serve(recorder, deadline)
            finally:
                self.ident = None
                self.borrowed = False
                self.role.release()

    # On the worker's thread.

    def run(self, owner: dict[str, str]) -> None:
        if owner.setdefault("role", "thread") != "thread":
            return
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

    def serve(self, recorder: Sender, until: float | None = None) -> None:
        """Send until the queue is empty; when closing, to the end."""
        while self.queue and not self.time_is_up(until):
            if until is None:
                self.collect()
            self.set_limit(self.next_look())
            self.deliver(recorder, until)
        if self.deadline is not None and not self.over:
            self.finish(recorder)

    def collect(self) -> None:
        """Wait until a batch is full, its time is over, or somebody is in a hurry."""
        self.set_limit(self.batch_size - 1)
        end = monotonic() + self.interval
        while len(self.queue) < self.batch_size and not self.waiters and self.deadline is None:
            # No longer than asked for, if the clock goes back.
            left = min(end - monotonic(), self.interval)
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

    def deliver(self, recorder: Sender, until: float | None) -> None:
        """Send one batch, in parts if it is too large, until it is settled or time runs out."""
        left = size = min(len(self.queue), self.batch_size)
        attempt = 0
        while left and not self.time_is_up(until):
            size = min(size, left)
            batch = self.first(size)
            self.hurry = False
            failure = None
            try:
                attempt += 1
                left_out = self.send(recorder, batch)
            except Rejected as error:
                self.report(recorder, self.rejected_news, "rejected", error)
                self.settle(size, failed=size)
            except BatchTooLarge as error:
                if size > 1:
                    size //= 2
                    attempt = 0
                    continue
                self.report(recorder, self.rejected_news, "too large", error)
                self.settle(1, failed=1)
            except BaseException as error:
                reraise_interrupt()
                # Of the worker's own thread nobody else is told, and the next one would meet the
                # same: a value's CancelledError, say, or a panic of an encoder written in Rust.
                if not isinstance(error, Exception) and (self.borrowed or _kills_greenlet(error)):
                    raise
                self.report(recorder, self.error_news, "failed", error)
                if attempt < recorder.attempts:
                    # Without the error itself: its frames would keep the body during the pause.
                    asked = error.retry_after if isinstance(error, Unavailable) else None
                    failure = Unavailable(retry_after=asked)
                else:
                    self.settle(size, failed=size)
            else:
                self.settle(size, failed=min(max(0, left_out), size) if left_out else 0)
            if failure is not None:
                self.back_off(attempt, failure, until)
                continue
            left -= size
            attempt = 0

    def send(self, recorder: Sender, batch: list[BasicSpan]) -> int | None:
        """Call `send`, so that others see how long it lasts; log it if that was too long."""
        self.send_start = monotonic()
        try:
            return send_untraced(recorder.send, batch)
        finally:
            with self.lock:  # `stats` counts it as under way, or as over
                lasted = self.lasted_too_long()
                self.slow += lasted > 0
                self.send_start = None
            if lasted and self.slow_news.count():
                _logger.warning(
                    "%s: send lasted %.1f s; send_timeout allows %g s. Spans wait meanwhile: check"
                    " the backend, and its client's timeout",
                    type(recorder).__name__,
                    lasted,
                    recorder._send_timeout,
                )

    def first(self, number: int) -> list[BasicSpan]:
        """As many spans from the queue, which keeps them."""
        try:
            return list(islice(self.queue, number))
        except RuntimeError:  # another thread appended meanwhile, which a global lock would prevent
            reraise_interrupt()
            return [self.queue[index] for index in range(number)]

    def back_off(self, attempt: int, error: BaseException, until: float | None) -> None:
        """Wait before the next attempt, until somebody is in a hurry or time is up."""
        # Bounded twice: a high power of 2 is no float.
        pause = min(self.interval * 2.0 ** min(attempt - 1, 100), _LONGEST_BACK_OFF)
        pause *= _jitter.uniform(0.5, 1.0)
        if isinstance(error, Unavailable) and isinstance(error.retry_after, (int, float)):
            pause = max(pause, min(error.retry_after, _LONGEST_RETRY_AFTER))
        end = monotonic() + pause
        while not self.hurry and not self.time_is_up(until):
            stops = [each for each in (end, until, self.deadline) if each is not None]
            # No longer than asked for, if the clock goes back.
            left = min(min(stops) - monotonic(), pause)
            if left <= 0 or not self.bell.acquire(True, left):
                break

    def settle(self, number: int, failed: int) -> None:
        """Take `number` spans out of the queue, of which `failed` were not sent."""
        if self.over:  # they are another process's
            return
        take = self.queue.popleft
        with self.lock:
            settled = [take() for _ in range(number)]
            self.removed += number
            self.failed += failed
            self.sent += number - failed
            for waiter in [each for each in self.waiters if each.position <= self.removed]:
                self.waiters.remove(waiter)
                waiter.settle(self.failed)
        del settled  # not under the lock: freeing may run code of the application

    def finish(self, recorder: Sender) -> None:
        try:
            recorder.release()
        except Exception as error:
            reraise_interrupt()
            name = type(recorder).__name__
            _logger.error("%s.release raised", name, exc_info=loggable(error))
        with self.lock:
            abandoned = list(self.queue)
            self.abandoned += len(abandoned)
            self.queue.clear()
            self.over = True
            for waiter in self.waiters:  # what they wait for is among these
                waiter.settle(self.failed + len(abandoned))
            self.waiters.clear()

    def report(self, recorder: Sender, news: RateLimit, what: str, error: BaseException) -> None:
        name = type(recorder).__name__
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("%s: sending spans %s", name, what, exc_info=loggable(error))
        times = news.count()
        if times:
            _logger.error(
                "%s: sending spans %s (%d times since the last such message): %s",
                name,
                what,
                times,
                error_text(error),
            )


def _kills_greenlet(error: BaseException) -> bool:
    greenlet = sys.modules.get("greenlet")
    return greenlet is not None and isinstance(error, greenlet.GreenletExit)


class _Waiter:
    """A call of `flush` or `close` that waits until the worker has removed `position` spans."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.settled = False
        self.failed: int | None = None
        self._bell = _thread.allocate_lock()
        self._bell.acquire()

    def settle(self, failed: int) -> None:
        self.failed = failed
        self.settled = True
        self._bell.release()

    def wait(self, deadline: float | None) -> None:
        if deadline is None:
            self._bell.acquire()
        else:
            self._bell.acquire(True, min(max(0.0, deadline - monotonic()), threading.TIMEOUT_MAX))
