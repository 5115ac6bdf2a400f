"""BatchRecorder: a bounded queue and a worker thread, the base of every backend that does I/O."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from time import monotonic
from types import FrameType

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_seconds, check_timeout
from ._errors import loggable
from ._process import at_exit, at_fork, cover_child
from .batch_outcome import BatchTooLarge, Rejected, Stats, Unavailable
from .batch_worker import Worker
from .recorder import Recorder
from .span import BasicSpan

__all__ = ["BatchRecorder", "BatchTooLarge", "Rejected", "Stats", "Unavailable"]

_logger = logging.getLogger(__name__)


class BatchRecorder(Recorder):
    """Queues each span, and sends them in batches from a thread of its own.

    A backend writes `send`. The application's thread never waits, and sees no exception.

    - `queue_size`: how many spans wait or are being sent at most. More are dropped, the newest
      first, and counted; a warning says how many, at most once a minute.
    - `batch_size`: how many spans `send` gets at most.
    - `interval`: seconds that a span waits at most for its batch to fill; also the first back-off.
    - `send_timeout`: seconds that one `send` may take; see there.
    - `attempts`: how often a batch is sent at most, before its spans count as failed. The pauses
      between attempts double from `interval`, to 5 seconds at most, less a random part. It is a
      limit even where the queue has room: a batch that the backend can never take would hold up
      all that come after it.
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
        attempts: int = 40,
        exit_timeout: float = 5.0,
    ) -> None:
        self.queue_size = check_count("queue_size", queue_size)
        self.batch_size = min(check_count("batch_size", batch_size), self.queue_size)
        self.interval = check_seconds("interval", interval)
        self.attempts = check_count("attempts", attempts)
        self.exit_timeout = check_seconds("exit_timeout", exit_timeout)
        self._send_timeout = check_seconds("send_timeout", send_timeout)
        self._worker = Worker(self)
        _register(self)

    # What a backend writes.

    @abstractmethod
    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        """Deliver a batch; return when the backend has acknowledged it.

        Called on the worker's thread, one call at a time. Bound your I/O with `send_timeout`, and
        import what it needs before: a child that is forked while a thread imports cannot. What an
        instrumented client starts meanwhile is not sampled: reports are not traced.
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

    @property
    def _span_errors(self) -> type[BaseException]:
        """What a value in a span may raise in `send` that is the fault of this span alone.

        An interrupt of the application's own thread is not, where that one has to send.
        """
        return Exception if self._worker.borrowed else BaseException

    # What an application calls.

    def record_span(self, span: BasicSpan) -> None:
        worker = self._worker
        queue = worker.queue
        # Appending is one atomic step; `limit` stands for all that is out of the ordinary.
        if len(queue) < worker.limit:
            queue.append(span)
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
        check_timeout(timeout)
        return self._current().flush(self, timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Send what is queued, then release what is held, within `timeout` seconds.

        None means `exit_timeout`. What is left by then is dropped, and so is what is recorded from
        now on. Returns, each time, whether every span ever recorded was sent.
        """
        check_timeout(timeout)
        return self._current().close(self, self.exit_timeout if timeout is None else timeout)

    # The rare paths.

    def _record_rarely(self, span: BasicSpan) -> None:
        worker = self._current()
        if worker.deadline is not None or len(worker.queue) >= self.queue_size:
            worker.drop(self)
        else:
            cover_child()
            worker.queue.append(span)
            worker.wake_for_span(self)

    def _current(self) -> Worker:
        """The worker of this process: another one after a fork that Python did not see."""
        worker = self._worker
        if worker.pid != os.getpid():
            self._renew()
        return self._worker

    def _renew(self) -> None:
        pid = os.getpid()
        old, new = self._worker, Worker(self)
        if old.pid == pid:
            return
        if old.deadline is not None:  # closed stays closed
            new.deadline, new.over, new.outcome = old.deadline, True, old.outcome
        # setdefault is one atomic step: of several threads that get here, all take one worker.
        self._worker = old.heirs.setdefault(pid, new)
        old.over = True  # under gevent the parent's worker, a greenlet, lives on in the child
        if self._worker is new:
            old.say_what_stays(self)
            try:
                self.forked()
            except Exception as error:
                reraise_interrupt()
                name = type(self).__name__
                _logger.error("%s.forked raised", name, exc_info=loggable(error))


# Recorders to close at exit, and to renew in a forked child; a forgotten one is neither.
_open: weakref.WeakSet[BatchRecorder] = weakref.WeakSet()
_registered: list[bool] = []


def _register(recorder: BatchRecorder) -> None:
    if not _registered:
        _registered.append(True)
        # At the first recorder, not at the import: what the backend's libraries registered to tear
        # down runs later then.
        at_exit(_close_all, _flush_all)
        at_fork(_renew_all)
    _open.add(recorder)


def _close_all() -> None:
    recorders = _all_open()
    for recorder in recorders:  # all at once
        recorder._current().start_closing(recorder, recorder.exit_timeout)
    for recorder in recorders:
        try:
            recorder.close()
        except Exception as error:  # of a backend's own method; the others are closed all the same
            reraise_interrupt()
            name = type(recorder).__name__
            _logger.error("%s.close raised", name, exc_info=loggable(error))


def _all_open() -> list[BatchRecorder]:
    while True:
        try:
            return list(_open)
        except RuntimeError:  # another thread has made a recorder meanwhile
            reraise_interrupt()


def _flush_all() -> None:
    """Flush every recorder of this process at once, each within its `exit_timeout`."""
    threads = []
    for recorder in _all_open():
        thread = threading.Thread(target=_flush, args=(recorder,), daemon=True)
        try:
            thread.start()
            threads.append(thread)
        except RuntimeError:  # the system has no thread to give
            reraise_interrupt()
            _flush(recorder)
    for thread in threads:
        thread.join()


def _flush(recorder: BatchRecorder) -> None:
    try:
        sent = recorder.flush(recorder.exit_timeout)
        queued = recorder.stats.queued
    except Exception as error:
        reraise_interrupt()
        _logger.error("%s.flush raised", type(recorder).__name__, exc_info=loggable(error))
        return
    if not sent and queued:
        _logger.warning(
            "%s: %d spans were not sent within %s seconds of the shutdown; they are lost if the "
            "process ends now",
            type(recorder).__name__,
            queued,
            recorder.exit_timeout,
        )


def longest_exit() -> float:
    """Seconds that closing every recorder of this process may take."""
    return max((each.exit_timeout for each in _all_open()), default=0.0)


def holds_lock() -> bool:
    """Whether this thread, as a signal interrupts it, is counting spans: none can be sent then."""
    return any(each._worker.lock._is_owned() for each in _all_open())  # type: ignore[attr-defined]


def is_worker(frame: FrameType | None) -> bool:
    """Whether a signal interrupts a worker, which sends nothing then: one that is a greenlet."""
    while frame is not None and frame.f_code is not Worker.run.__code__:
        frame = frame.f_back
    return frame is not None


def _renew_all() -> None:
    for recorder in _all_open():
        recorder._renew()
