"""The thread that empties the queue of a BatchRecorder; it is woken, flushed and closed here."""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from opentracing.interrupts import reraise_interrupt

from ._batch_queue import BatchQueue, Stats
from ._batch_retry import Attempt, BatchTooLarge, Rejected, RetryPolicy
from ._errors import error_text, loggable
from ._failure_log import RateLimit
from ._process import cover_child, has_yet_to_fork, is_first_worker
from .context import BasicSpanContext
from .span import BasicSpan

if TYPE_CHECKING:
    from .batch import BatchRecorder

_logger = logging.getLogger(__name__)

_LONGEST_IDLE = 60.0
_LOOK_AFTER = 512  # spans that are recorded while one call of `send` lasts
_LATE = 1.1  # of `send_timeout`: what gives up in time does so a little late

_NOT_SAMPLED = BasicSpanContext(sampled=False)


class Worker:
    """Fills the queue of one recorder in one process; has it sent, flushed and closed.

    Spans stay in the queue until they are sent or given up. Any thread appends; only the one that
    sends, which `SendingThread` lets be one at a time, removes.
    """

    def __init__(self, recorder: BatchRecorder) -> None:
        self.queue = BatchQueue(recorder.queue_size)
        self.thread = SendingThread()
        self.sender = Sender(recorder, self.queue, self.thread)
        self.pid = os.getpid()
        self._name = type(recorder).__name__
        self._batch_size = recorder.batch_size
        self._drop_reports = RateLimit()
        self._all_sent: bool | None = None  # known when a first `close` returns
        self._children: dict[int, Worker] = {}  # by process

    def record(self, recorder: BatchRecorder, span: BasicSpan) -> None:
        """Queue a span, or drop it, if the queue has reached its `limit`."""
        queue = self.queue
        if self.sender.deadline is not None or len(queue) >= queue.capacity:
            self._drop(recorder)
            return
        cover_child()
        queue.spans.append(span)
        is_full = len(queue) >= self._batch_size
        if is_full:
            self.sender.watch.warn_if_late()
        woken = False
        try:
            queue.set_limit(self.sender.next_look() if is_full else self._batch_size - 1)
            woken = self._wake(recorder)
        finally:
            if not woken:
                queue.set_limit(0)  # the next span tries again

    def _drop(self, recorder: BatchRecorder) -> None:
        self.queue.drop()
        if self.sender.deadline is not None:
            return
        times = self._drop_reports.count()
        if times:
            _logger.warning(
                "%s dropped %d spans since the last such message: its queue of %d is full",
                self._name,
                times,
                self.queue.capacity,
            )
            self.sender.watch.warn_if_late()
        if not self.thread.is_sending():  # none could be started, and perhaps one can now
            self._wake(recorder)

    def _wake(self, recorder: BatchRecorder) -> bool:
        """Wake the thread that sends, or start one; False if none can be started."""
        self.sender.recorder = recorder
        return self.thread.wake(self.sender.run)

    def stats(self) -> Stats:
        # After the deadline too: if a `send` that hangs returns later, its spans count as sent.
        has_closed = self._all_sent is not None and self.sender.time_is_up(None)
        return self.queue.stats(self.sender.watch.late_calls, has_closed or self.queue.is_ended)

    def flush(self, recorder: BatchRecorder, timeout: float | None) -> bool:
        deadline = None if timeout is None else monotonic() + timeout
        waiter = self.queue.waiter()
        if not waiter.is_settled and _thread.get_ident() != self.thread.ident:
            self.sender.skip_pause = True
            if not self._wake(recorder):
                self.thread.run_here(lambda: self.sender.send_all(recorder, deadline))
            waiter.wait(None if deadline is None else deadline - monotonic())
        if not waiter.is_settled:
            self.sender.watch.warn_if_late()
        return self.queue.has_sent(waiter)

    def start_closing(self, recorder: BatchRecorder, timeout: float) -> float:
        """Take no more spans; returns when to wait no longer."""
        now = monotonic()
        if self.sender.deadline is None:
            # The last tenth is for `release`.
            self.sender.deadline = now + timeout * 0.9
            self.queue.close()
            self.sender.skip_pause = True
            if self.queue:
                self._wake(recorder)
        # If closing began before, as it does for all recorders at the exit, so did its time.
        return min(now + timeout, self.sender.deadline + timeout * 0.1)

    def close(self, recorder: BatchRecorder, timeout: float) -> bool:
        deadline = self.start_closing(recorder, timeout)
        if _thread.get_ident() != self.thread.ident:
            waiter = self.queue.waiter(for_end=True)
            if not waiter.is_settled:
                # Without a span to send, no thread is started only to end.
                has_thread = bool(self.queue) and self._wake(recorder)
                if self.queue and not has_thread:
                    # At the exit, the recorders before this one may have used up its time.
                    now = monotonic()
                    self.sender.deadline, deadline = now + timeout * 0.9, now + timeout
                if not has_thread:
                    self.thread.run_here(lambda: self.sender.send_all(recorder, deadline))
                if not self.queue.is_ended:
                    self._wake(recorder)
                waiter.wait(deadline - monotonic())
        left = 0
        with self.queue.lock:
            if self._all_sent is None:
                stats = self.stats()
                self._all_sent = self.queue.is_ended and stats.sent == stats.recorded
                left = stats.queued + self.queue.abandoned
        if left:
            self.sender.watch.warn_if_late()
            _logger.warning("%s was closed before %d spans were sent", self._name, left)
        return self._all_sent

    def hand_over(self, worker: Worker) -> Worker:
        """In a forked child: stop, and return the worker that takes over, which may be another's.

        What is queued is sent by the parent.
        """
        if self.sender.deadline is not None:  # closed stays closed
            worker.sender.deadline, worker._all_sent = self.sender.deadline, self._all_sent
            worker.queue.close()
            worker.queue.end()
        self.queue.limit = 0
        self.queue.is_ended = True  # under gevent the thread, a greenlet, lives on in the child
        # setdefault is one atomic step: of several threads that get here, all take one worker.
        return self._children.setdefault(worker.pid, worker)

    def warn_of_unsent(self) -> None:
        """In a forked child: log the spans that stay in a process that may never send them."""
        # uWSGI's master ends without the interpreter's exit.
        if self.thread.awaits_fork and self.queue and is_first_worker():
            _logger.warning(
                "%s: %d spans were recorded before uWSGI forked, where no thread may run, and are "
                "not sent: call flush() when the application is loaded",
                self._name,
                len(self.queue),
            )


class Sender:
    """Sends the spans of a queue, on the thread that may, until they are settled.

    It refers to the recorder only while spans are queued: a recorder that the application has
    forgotten can be freed.
    """

    def __init__(self, recorder: BatchRecorder, queue: BatchQueue, thread: SendingThread) -> None:
        self.deadline: float | None = None  # set when closing
        self.left_out = 0  # spans of the batch under way that cannot be encoded
        self.skip_pause = False
        self.recorder: BatchRecorder | None = None
        self._recorder_ref = weakref.ref(recorder, lambda ref: thread.notify())
        self._queue = queue
        self._thread = thread
        self._name = type(recorder).__name__
        self._batch_size = recorder.batch_size
        self._interval = recorder.interval
        self._retry = RetryPolicy(recorder.attempts, recorder.interval)
        self.watch = _SendWatch(self._name, recorder._send_timeout, queue)
        self._refusal_reports = RateLimit()
        self._error_reports = RateLimit()

    def next_look(self) -> int:
        """The limit while a batch is sent: a call of `send` that never returns is noticed then."""
        return min(self._queue.capacity, len(self._queue) + _LOOK_AFTER)

    def run(self) -> None:
        """Send until the recorder is closed or forgotten."""
        idle = self._interval
        try:
            while not self._queue.is_ended:
                # Not for ever: a thread may be held up between reading `limit` and appending.
                notified = self._thread.wait(idle)
                recorder = self.recorder or self._recorder_ref()
                if recorder is None:
                    break
                if self._queue or self.deadline is not None:
                    idle = self._interval
                    self.send_all(recorder)
                elif not notified:
                    idle = _LONGEST_IDLE
                self.recorder = None
                self._queue.set_limit(0)
                if self._queue or self.deadline is not None:
                    self.recorder = recorder
                    self._thread.notify()
                del recorder
        finally:
            self._queue.limit = 0

    def send_all(self, recorder: BatchRecorder, until: float | None = None) -> None:
        """Send until the queue is empty; when closing, end it."""
        while self._queue and not self.time_is_up(until):
            if until is None:
                self._collect()
            self._queue.set_limit(self.next_look())
            self._send_batch(recorder, until)
        if self.deadline is not None and not self._queue.is_ended:
            try:
                recorder.release()
            except Exception as error:
                reraise_interrupt()
                _logger.error("%s.release raised", self._name, exc_info=loggable(error))
            self._queue.end()

    def _collect(self) -> None:
        """Wait until a batch is full, its time is over, or somebody waits for it."""
        queue = self._queue
        queue.set_limit(self._batch_size - 1)
        end = monotonic() + self._interval
        while len(queue) < self._batch_size and not queue.waiters and self.deadline is None:
            # No longer than asked for, if the clock goes back.
            left = min(end - monotonic(), self._interval)
            if left <= 0 or not self._thread.wait(left):
                break

    def time_is_up(self, until: float | None) -> bool:
        """Whether sending must stop: at `until`, or when the time to close is over."""
        now = monotonic()
        return (
            self._queue.is_ended
            or (until is not None and now >= until)
            or (self.deadline is not None and now >= self.deadline)
        )

    def _send_batch(self, recorder: BatchRecorder, until: float | None) -> None:
        """Send a batch, in parts if it is too large, until it is settled or time runs out."""
        left = min(len(self._queue), self._batch_size)
        attempt = Attempt(left)
        while left and not self.time_is_up(until):
            following = self._attempt(recorder, attempt)
            if following is None:
                left -= attempt.size
                attempt = Attempt(min(attempt.size, left))
            else:
                attempt = following
                self._pause(attempt.pause, until)

    def _attempt(self, recorder: BatchRecorder, attempt: Attempt) -> Attempt | None:
        """Call `send`; the attempt that follows if it failed, and None if its spans are settled."""
        size = attempt.size
        batch = self._queue.first(size)
        self.skip_pause = False
        self.left_out = 0
        try:
            with self.watch:
                left_out = _send_untraced(recorder.send, batch)
        except BaseException as error:
            reraise_interrupt()
            if self.must_raise(error):
                raise
            following = self._retry.next(attempt, error)
            if following is None or following.size == size:
                self._report(error)
            if following is None:
                self._queue.settle(size, failed=size)
            return following
        failed = self.left_out + (left_out if type(left_out) is int else 0)
        self._queue.settle(size, failed=max(0, min(failed, size)))
        return None

    def must_raise(self, error: BaseException) -> bool:
        """Whether an error in `send` is an interrupt of this thread rather than a failure.

        On the worker's own thread, nobody else would get it, and the next call would meet the same:
        a value's CancelledError, for example, or a panic of an encoder written in Rust.
        """
        if isinstance(error, Exception):
            return False
        greenlet = sys.modules.get("greenlet")
        is_end = greenlet is not None and isinstance(error, greenlet.GreenletExit)
        return self._thread.is_callers or is_end

    def _pause(self, seconds: float, until: float | None) -> None:
        """Wait before the next attempt, until somebody flushes or time is up."""
        end = monotonic() + seconds
        while not self.skip_pause and not self.time_is_up(until):
            stops = [each for each in (end, until, self.deadline) if each is not None]
            # No longer than asked for, if the clock goes back.
            left = min(min(stops) - monotonic(), seconds)
            if left <= 0 or not self._thread.wait(left):
                break

    def _report(self, error: BaseException) -> None:
        reports, what = self._error_reports, "failed"
        if isinstance(error, (Rejected, BatchTooLarge)):
            reports = self._refusal_reports
            what = "rejected" if isinstance(error, Rejected) else "too large"
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("%s: sending spans %s", self._name, what, exc_info=loggable(error))
        times = reports.count()
        if times:
            _logger.error(
                "%s: sending spans %s (%d times since the last such message): %s",
                self._name,
                what,
                times,
                error_text(error),
            )


class SendingThread:
    """The one thread that sends at a time: one of its own, or one of the application's."""

    def __init__(self) -> None:
        self.ident: int | None = None  # of the thread that sends
        self.is_callers = False  # the application's
        self.awaits_fork = False  # no thread may be started yet
        # Both raw: nothing that `record_span` calls may wait.
        self._sending = _thread.allocate_lock()
        self._wakeup = _thread.allocate_lock()  # another one for each thread: see `_acquire`

    def is_sending(self) -> bool:
        return self._sending.locked()

    def wait(self, seconds: float) -> bool:
        """Wait for `notify`, on the thread that sends; False if it did not come."""
        return self._wakeup.acquire(True, seconds)

    def notify(self) -> None:
        """End the wait under way, or the next one."""
        try:
            self._wakeup.release()
        except RuntimeError:  # it was notified already
            reraise_interrupt()

    def wake(self, run: Callable[[], None]) -> bool:
        """Notify the thread that sends, or start one; False if none can be started."""
        self.notify()
        if not self._acquire():
            return True
        # The first to put itself there has `_sending`: the thread, unless what a signal's handler
        # raises here comes before. setdefault is one atomic step.
        owner: dict[str, str] = {}
        try:
            self.awaits_fork = has_yet_to_fork()
            if not self.awaits_fork:
                # Not threading.Thread: its start waits, and takes a lock that may be held by the
                # very code that a signal handler or a finalizer has interrupted.
                _thread.start_new_thread(self._run, (run, owner))
                return True
        except BaseException as error:
            if owner.setdefault("sending", "starter") == "starter":
                self._sending.release()
            reraise_interrupt()
            # The interpreter is exiting, or the system has no thread to give.
            if not isinstance(error, RuntimeError):
                raise
            return False
        self._sending.release()
        return False

    def run_here(self, run: Callable[[], None]) -> None:
        """Run on this thread, if no other sends; for the case that none can be started."""
        if self._acquire():
            try:
                self.ident = _thread.get_ident()
                self.is_callers = True
                run()
            finally:
                self.ident = None
                self.is_callers = False
                self._sending.release()

    def _acquire(self) -> bool:
        """Whether this thread may send, or start the one that will; it is notified then."""
        if not self._sending.acquire(False):
            return False
        # Made now, by what makes threads now: gevent may have patched both since the recorder was
        # made, and a greenlet that waits for a lock of the system's holds up all others. A thread
        # that notified the earlier one has queued its span before.
        self._wakeup = _thread.allocate_lock()
        return True

    def _run(self, run: Callable[[], None], owner: dict[str, str]) -> None:
        if owner.setdefault("sending", "thread") != "thread":
            return
        self.ident = _thread.get_ident()
        try:
            threading.current_thread().name = "opentracing-batch-recorder"
            run()
        finally:
            self.ident = None  # another thread may get the same
            self._sending.release()


def is_worker(frame: FrameType | None) -> bool:
    """Whether a signal that interrupts `frame` interrupts a worker: one that is a greenlet."""
    while frame is not None and frame.f_code is not SendingThread._run.__code__:
        frame = frame.f_back
    return frame is not None


class _SendWatch:
    """Times each call of `send`, in a ``with`` block; counts and logs those that last too long."""

    def __init__(self, name: str, send_timeout: float, queue: BatchQueue) -> None:
        self._name = name
        self._send_timeout = send_timeout
        self._lock = queue.lock
        self._start: float | None = None  # of the call under way
        self._late_calls = 0  # that are over
        self._reports = RateLimit()

    @property
    def late_calls(self) -> int:
        with self._lock:
            return self._late_calls + (self._late() > 0)

    def __enter__(self) -> None:
        self._start = monotonic()

    def __exit__(self, *args: object) -> None:
        with self._lock:  # the call counts as under way, or as over
            late = self._late()
            self._late_calls += late > 0
            self._start = None
        self._warn(
            late,
            "%s: send lasted %.1f s; send_timeout allows %g s. Spans wait meanwhile: check the"
            " backend, and its client's timeout",
        )

    def warn_if_late(self) -> None:
        """Log that the call under way lasts too long; called where something is rare."""
        self._warn(
            self._late(),
            "%s: send has lasted %.1f s, and goes on; send_timeout allows %g s. Spans wait, and are"
            " dropped when the queue is full: check the backend, and its client's timeout",
        )

    def _warn(self, late: float, message: str) -> None:
        if late and self._reports.count():
            _logger.warning(message, self._name, late, self._send_timeout)

    def _late(self) -> float:
        """The seconds that the call under way has lasted, if that is too long; otherwise 0."""
        start = self._start
        lasted = 0.0 if start is None else monotonic() - start
        return lasted if lasted > self._send_timeout * _LATE else 0.0


def _send_untraced(
    send: Callable[[Sequence[BasicSpan]], int | None], spans: Sequence[BasicSpan]
) -> int | None:
    """`send(spans)`, with an un-sampled span active in each of the tracers that made `spans`.

    Otherwise each report of spans would cause spans to report. What an instrumented client starts
    meanwhile is its child, and so not sampled either; what was started before, and finishes on this
    thread because its garbage is collected here, is kept.
    """
    scopes = []
    try:
        try:
            # Past the property, which costs more than all else here.
            for tracer in {span._tracer for span in spans}:
                scopes.append(tracer.start_active_span("report", _NOT_SAMPLED))
        except Exception:  # the scope manager may be the application's; spans are sent all the same
            reraise_interrupt()
        return send(spans)
    finally:
        for scope in reversed(scopes):
            try:
                scope.close()
            except Exception:  # it would pass for a failure of `send`
                reraise_interrupt()
