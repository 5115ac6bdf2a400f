"""The worker of a BatchRecorder sends the spans of its queue, and is woken, flushed and closed."""

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
from typing import TYPE_CHECKING, Any

from opentracing.interrupts import reraise_interrupt

from ._batch_queue import BatchQueue, Stats
from ._batch_retry import (
    Attempt,
    BatchTooLarge,
    Rejected,
    SendError,
    SpanRejected,
    Undelivered,
    next_attempt,
    next_part,
)
from ._errors import error_text, loggable, one_line
from ._failure_log import RateLimit, since_last
from ._json_safe import text_of
from ._process import cover_child, has_yet_to_fork, is_first_worker, under_lock
from .context import BasicSpanContext
from .span import BasicSpan

if TYPE_CHECKING:
    from .batch import BatchRecorder

_logger = logging.getLogger(__name__)

_LONGEST_IDLE = 60.0
_LOOK_AFTER = 512  # spans that are recorded while one call of `send` lasts
_LATE = 1.1  # times `send_timeout`: a client that gives up in time returns a little late

_NOT_SAMPLED = BasicSpanContext(sampled=False)

# What OpenTelemetry's instrumented clients look for in its context; the first two have no public
# name, and older versions lack the second.
_SUPPRESSIONS = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")


class Worker:
    """Queues and sends the spans of one recorder in one process.

    Spans stay in the queue until they are sent or given up. Any thread appends. One thread at a
    time sends: a thread of the worker's own, or the caller's, if none can be started. The worker
    refers to the recorder only while spans are queued, so a forgotten recorder can be freed.
    """

    def __init__(self, recorder: BatchRecorder) -> None:
        self._lock: Any = threading.RLock()
        self.queue = BatchQueue(recorder.queue_size, self._lock)
        self.pid = os.getpid()
        self.deadline: float | None = None  # set when closing
        self.left_out = 0  # spans of the batch under way that cannot be encoded
        self.ident: int | None = None  # of the thread that sends
        self._is_callers = False  # the thread that sends is the application's
        self._awaits_fork = False  # no thread may be started yet
        # Both raw: nothing that `record_span` calls may wait.
        self._sending = _thread.allocate_lock()
        self._wakeup = _thread.allocate_lock()  # another one for each thread: see `_acquire`
        self._skip_pause = False
        self._all_sent: bool | None = None  # set when a first `close` returns
        self._children: dict[int, Worker] = {}  # by process
        self._recorder: BatchRecorder | None = None
        self._recorder_ref = weakref.ref(recorder, lambda ref: self._notify())
        self._name = type(recorder).__name__
        self._batch_size = recorder.batch_size
        self._interval = recorder.interval
        self._attempts = recorder.attempts
        self._send_timeout = recorder._send_timeout
        self._rejected_in_a_row = 0  # spans, each of them alone
        self._send_start: float | None = None  # of the call under way
        self._late_sends = 0  # that are over
        self._drop_reports = RateLimit()
        self._late_reports = RateLimit()
        self._refusal_reports = RateLimit()
        self._error_reports = RateLimit()

    # On the application's threads.

    def record(self, recorder: BatchRecorder, span: BasicSpan) -> None:
        """Queue a span, or drop it, if the queue has reached its `limit`."""
        queue = self.queue
        if self.deadline is not None or len(queue) >= queue.capacity:
            self._drop(recorder)
            return
        cover_child()
        queue.spans.append(span)
        woken = False
        try:
            if len(queue) < self._batch_size:
                queue.set_limit(self._batch_size - 1)
            else:
                self._warn_if_late()
                self._limit_while_sending()
            woken = self._wake(recorder)
        finally:
            if not woken:
                queue.set_limit(0)  # the next span tries again

    def _drop(self, recorder: BatchRecorder) -> None:
        self.queue.drop()
        if self.deadline is not None:
            return
        if dropped := self._drop_reports.count():
            _logger.warning(
                "%s dropped spans, %d since the last such message: its queue of %d is full. Check"
                " the backend, or raise queue_size",
                self._name,
                dropped,
                self.queue.capacity,
            )
            self._warn_if_late()
        if not self._sending.locked():  # no thread could be started, and perhaps one can now
            self._wake(recorder)

    def stats(self) -> Stats:
        # After the deadline too: if a `send` that hangs returns later, its spans count as sent.
        has_closed = self._all_sent is not None and self._time_is_up(None)
        return self.queue.stats(self._slow_sends(), has_closed or self.queue.is_ended)

    @under_lock
    def _slow_sends(self) -> int:
        return self._late_sends + (self._seconds_late() > 0)

    def flush(self, recorder: BatchRecorder, timeout: float | None) -> bool:
        deadline = None if timeout is None else monotonic() + timeout
        waiter = self.queue.waiter()
        if not waiter.is_settled and _thread.get_ident() != self.ident:
            self._skip_pause = True
            if not self._wake(recorder):
                self._send_here(recorder, deadline)
            waiter.wait(None if deadline is None else deadline - monotonic())
        if not waiter.is_settled:
            self._warn_if_late()
        return self.queue.has_sent(waiter)

    def start_closing(self, recorder: BatchRecorder, timeout: float) -> float:
        """Take no more spans. Returns the time at which the wait for the others ends."""
        now = monotonic()
        if self.deadline is None:
            # The last tenth is for `release`.
            self.deadline = now + timeout * 0.9
            self.queue.close()
            self._skip_pause = True
            if self.queue:
                self._wake(recorder)
        # If closing began before, as it does for all recorders at the exit, so did its time.
        return min(now + timeout, self.deadline + timeout * 0.1)

    def close(self, recorder: BatchRecorder, timeout: float) -> bool:
        deadline = self.start_closing(recorder, timeout)
        if _thread.get_ident() != self.ident:
            waiter = self.queue.waiter(for_end=True)
            if not waiter.is_settled:
                # Without a span to send, no thread is started only to end.
                has_thread = bool(self.queue) and self._wake(recorder)
                if self.queue and not has_thread:
                    # At the exit, the recorders before this one may have used up its time.
                    now = monotonic()
                    self.deadline, deadline = now + timeout * 0.9, now + timeout
                if not has_thread:
                    self._send_here(recorder, deadline)
                if not self.queue.is_ended:
                    self._wake(recorder)
                waiter.wait(deadline - monotonic())
        if left := self._end_counts():
            self._warn_if_late()
            _logger.warning("%s was closed before %d spans were sent", self._name, left)
        return bool(self._all_sent)

    @under_lock
    def _end_counts(self) -> int:
        """Decide whether all spans were sent; returns the number of those left, once."""
        if self._all_sent is not None:
            return 0
        stats = self.stats()
        self._all_sent = self.queue.is_ended and stats.sent == stats.recorded
        return stats.queued + self.queue.abandoned

    def holds_lock(self) -> bool:
        """Whether this thread counts spans: none can be sent then."""
        return bool(self._lock._is_owned())

    # Forks.

    def hand_over(self, worker: Worker) -> Worker:
        """Stop in a forked child, and return the worker that takes over, which may be another.

        The parent sends what is queued.
        """
        if self.deadline is not None:  # closed stays closed
            worker.deadline, worker._all_sent = self.deadline, self._all_sent
            worker.queue.close()
            worker.queue.end()
        self.queue.limit = 0
        self.queue.is_ended = True  # under gevent the thread, a greenlet, lives on in the child
        # setdefault is one atomic step: of several threads that get here, all take one worker.
        return self._children.setdefault(worker.pid, worker)

    def warn_of_unsent(self) -> None:
        """In a forked child: log the spans that stay in a process that may never send them."""
        # uWSGI's master ends without the interpreter's exit.
        if self._awaits_fork and self.queue and is_first_worker():
            _logger.warning(
                "%s: %d spans were recorded before uWSGI forked, where no thread may run, and are "
                "not sent: call flush() when the application is loaded",
                self._name,
                len(self.queue),
            )

    # The thread that sends.

    def _notify(self) -> None:
        """End the wait under way, or the next one."""
        try:
            self._wakeup.release()
        except RuntimeError:  # it was notified already
            reraise_interrupt()

    def _wake(self, recorder: BatchRecorder) -> bool:
        """Notify the thread that sends, or start one. Returns False if none can be started."""
        self._recorder = recorder
        self._notify()
        if not self._acquire():
            return True
        # The first to put itself there has `_sending`: the thread, unless the handler of a signal
        # raises here before it runs. setdefault is one atomic step.
        owner: dict[str, str] = {}
        try:
            self._awaits_fork = has_yet_to_fork()
            if not self._awaits_fork:
                # Not threading.Thread: its start waits, and takes a lock that may be held by the
                # very code that a signal handler or a finalizer has interrupted.
                _thread.start_new_thread(self._run, (owner,))
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

    def _send_here(self, recorder: BatchRecorder, until: float | None = None) -> None:
        """Send on this thread, if no other sends; for the case that none can be started."""
        if self._acquire():
            try:
                self.ident = _thread.get_ident()
                self._is_callers = True
                self._send_all(recorder, until)
            finally:
                self.ident = None
                self._is_callers = False
                self._sending.release()

    def _acquire(self) -> bool:
        """Whether this thread may send, or start the one that will."""
        if not self._sending.acquire(False):
            return False
        # Created now, by the function that creates threads now: gevent may have patched both since
        # the recorder was created, and a greenlet that waits for a lock of the system's holds up
        # all others. A thread that notified the earlier lock has queued its span before.
        self._wakeup = _thread.allocate_lock()
        return True

    def _run(self, owner: dict[str, str]) -> None:
        """Send until the recorder is closed or forgotten."""
        if owner.setdefault("sending", "thread") != "thread":
            return
        self.ident = _thread.get_ident()
        try:
            threading.current_thread().name = "opentracing-batch-recorder"
            self._serve()
        finally:
            self.queue.limit = 0
            self.ident = None  # another thread may get the same
            self._sending.release()

    def _serve(self) -> None:
        idle = self._interval
        while not self.queue.is_ended:
            # Not for ever: a thread may be held up between reading `limit` and appending.
            notified = self._wakeup.acquire(True, idle)
            recorder = self._recorder or self._recorder_ref()
            if recorder is None:
                break
            if self.queue or self.deadline is not None:
                idle = self._interval
                self._send_all(recorder)
            elif not notified:
                idle = _LONGEST_IDLE
            self._recorder = None
            self.queue.set_limit(0)
            if self.queue or self.deadline is not None:
                self._recorder = recorder
                self._notify()
            del recorder

    def _send_all(self, recorder: BatchRecorder, until: float | None = None) -> None:
        """Send until the queue is empty; when closing, end it."""
        queue = self.queue
        while queue and not self._time_is_up(until):
            if until is None:
                queue.set_limit(self._batch_size - 1)
                self._wait(
                    self._interval,
                    lambda: (
                        len(queue) >= self._batch_size
                        or bool(queue.waiters)
                        or self.deadline is not None
                    ),
                )
            self._limit_while_sending()
            self._send_batch(recorder, until)
        if self.deadline is not None and not queue.is_ended:
            try:
                recorder.release()
            except Exception as error:
                reraise_interrupt()
                _logger.error("%s.release raised", self._name, exc_info=loggable(error))
            queue.end()

    def _limit_while_sending(self) -> None:
        """Have the queue call `record` in time to notice a call of `send` that never returns."""
        self.queue.set_limit(min(self.queue.capacity, len(self.queue) + _LOOK_AFTER))

    def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        end = monotonic() + seconds
        while not is_over():
            left = min(
                end - monotonic(), seconds
            )  # no longer than `seconds` if the clock goes back
            if left <= 0 or not self._wakeup.acquire(True, left):
                break

    def _time_is_up(self, until: float | None) -> bool:
        """Whether sending must stop: at `until`, or when the time to close is over."""
        ends = [each for each in (until, self.deadline) if each is not None]
        return self.queue.is_ended or (bool(ends) and monotonic() >= min(ends))

    def _send_batch(self, recorder: BatchRecorder, until: float | None) -> None:
        """Send a batch, in parts if need be, until it is settled or time runs out."""
        attempt: Attempt | None = Attempt(min(len(self.queue), self._batch_size))
        while attempt is not None and not self._time_is_up(until):
            attempt = self._attempt(recorder, attempt)
            if attempt is not None and attempt.pause:
                now = monotonic()
                ends = [each - now for each in (until, self.deadline) if each is not None]
                self._wait(
                    min([attempt.pause, *ends]), lambda: self._skip_pause or self._time_is_up(until)
                )

    def _attempt(self, recorder: BatchRecorder, attempt: Attempt) -> Attempt | None:
        """Call `send`. Returns the attempt that follows, or None if the batch is settled."""
        size = attempt.size
        batch = self.queue.first(size)
        self._skip_pause = False
        self.left_out = 0
        try:
            self._send_start = monotonic()
            try:
                left_out = _send_untraced(recorder.send, batch)
            finally:
                self._warn_if_late()
                self._end_send()
        except BaseException as error:
            reraise_interrupt()
            if self.must_raise(error):
                raise
            following = next_attempt(attempt, error, self._attempts, self._interval)
            if isinstance(error, SpanRejected):
                if self._rejected_in_a_row >= self._batch_size:
                    following = None
                elif following is None:
                    self._rejected_in_a_row += 1
            if following is None or following.size == size:
                self._report(error, batch, is_lost=following is None)
            if following is None:
                self.queue.settle(size, failed=size)
                following = next_part(attempt, error)
            return following
        self._rejected_in_a_row = 0
        failed = self.left_out + (left_out if type(left_out) is int else 0)
        self.queue.settle(size, failed=max(0, min(failed, size)))
        return next_part(attempt, None)

    def must_raise(self, error: BaseException) -> bool:
        """Whether an error in `send` is an interrupt of this thread rather than a failure.

        On the worker's own thread, nobody else would get it, and the next call would meet the same:
        a value's CancelledError, for example, or a panic of an encoder written in Rust.
        """
        if isinstance(error, Exception):
            return False
        greenlet = sys.modules.get("greenlet")
        is_end = greenlet is not None and isinstance(error, greenlet.GreenletExit)
        return self._is_callers or is_end

    def _report(self, error: BaseException, batch: list[BasicSpan], is_lost: bool) -> None:
        reports, outcome = self._error_reports, "failed"
        if isinstance(error, (Rejected, SpanRejected, BatchTooLarge)):
            reports = self._refusal_reports
            outcome = "was too large" if isinstance(error, BatchTooLarge) else "was rejected"
        is_alone = len(batch) == 1
        if is_alone and is_lost and isinstance(error, Undelivered):
            reports = self._refusal_reports
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("%s: a batch %s", self._name, outcome, exc_info=loggable(error))
        if times := reports.count():
            _logger.error(
                "%s: %s %s, and is %s%s: %s",
                self._name,
                _shown(batch[0]) if is_alone else f"a batch of {len(batch)} spans",
                outcome,
                "lost" if is_lost else "tried again",
                since_last(times),
                error_text(error).removeprefix(f"{SendError.__module__}."),
            )

    # Calls of `send` that last too long.

    @under_lock  # the call counts as under way, or as over
    def _end_send(self) -> None:
        self._late_sends += self._seconds_late() > 0
        self._send_start = None

    def _warn_if_late(self) -> None:
        """Log that the call under way lasts too long; called where something is rare."""
        late = self._seconds_late()
        if late and self._late_reports.count():
            _logger.warning(
                "%s: send has lasted %.1f s; send_timeout allows %g s. Spans wait meanwhile, and"
                " are dropped when the queue is full. Check the backend, and its client's timeout",
                self._name,
                late,
                self._send_timeout,
            )

    def _seconds_late(self) -> float:
        """The seconds that the call under way has lasted, if that is too long; otherwise 0."""
        start = self._send_start
        lasted = 0.0 if start is None else monotonic() - start
        return lasted if lasted > self._send_timeout * _LATE else 0.0


def is_worker(frame: FrameType | None) -> bool:
    """Whether a signal that interrupts `frame` interrupts a worker, which is a greenlet then."""
    while frame is not None and frame.f_code is not Worker._run.__code__:
        frame = frame.f_back
    return frame is not None


def _shown(span: BasicSpan) -> str:
    name = one_line(text_of(span.operation_name), length=100)
    try:
        ids = f"{span.context.to_trace_id()}:{span.context.to_span_id()}"
    except Exception:  # its ids may be the reason why it cannot be sent
        reraise_interrupt()
        ids = "with unusable ids"
    return f"the span '{name}' ({ids})"


def _send_untraced(
    send: Callable[[Sequence[BasicSpan]], int | None], spans: Sequence[BasicSpan]
) -> int | None:
    """Call `send(spans)` with an un-sampled span active in each of the tracers that made `spans`.

    Otherwise each report of spans would cause spans to report. A span that an instrumented client
    starts meanwhile is a child of that span, so it is not sampled either. A span that was started
    before, and finishes here because its garbage is collected on this thread, is kept.
    Clients that are instrumented for OpenTelemetry see that their instrumentation is suppressed.
    """
    resume = _suppress_opentelemetry()
    scopes = []
    try:
        try:
            # Past the property, which costs more than all else here.
            for tracer in {span._tracer for span in spans}:
                scopes.append(tracer.start_active_span("report", _NOT_SAMPLED))
        except Exception:  # of the application's scope manager; spans are sent all the same
            reraise_interrupt()
        return send(spans)
    finally:
        for scope in reversed(scopes):
            try:
                scope.close()
            except Exception:  # it would pass for a failure of `send`
                reraise_interrupt()
        if resume is not None:
            resume()


def _suppress_opentelemetry() -> Callable[[], None] | None:
    """Suppress OpenTelemetry's instrumentation in this context, if it was imported.

    Returns a call that ends it.
    """
    api = sys.modules.get("opentelemetry.context")
    if api is None:
        return None
    try:
        context = api.set_value("suppress_instrumentation", True)
        for name in _SUPPRESSIONS:
            context = api.set_value(getattr(api, name, name), True, context)
        token = api.attach(context)
    except Exception:  # another thread is just importing it
        reraise_interrupt()
        return None
    return lambda: api.detach(token)
