"""Writing a backend: `BatchRecorder` queues spans, and sends them in batches from its own thread.

Use it for every recorder that does I/O. The application never waits for the backend, and sees none
of its errors. You define one method, `send`. It is called with at most `batch_size` spans, and
returns when the backend has acknowledged them::

    from opentracing_recorder import BasicTracer, BatchRecorder
    from opentracing_recorder import BatchTooLarge, Rejected, SpanRejected, Unavailable


    class StoreRecorder(BatchRecorder):
        def __init__(self, store, *, queue_size=16384, interval=1.0):
            super().__init__(queue_size=queue_size, interval=interval)
            self._store = store

        def send(self, spans):
            rows = self.encode_each(spans, lambda span: span.to_dict())
            if not rows:  # none could be encoded
                return
            status = self._store(rows, timeout=self.send_timeout)
            if status == 413:
                raise BatchTooLarge(status)  # send it again in halves
            if status == 400:
                raise SpanRejected(status)  # the same: one of the spans is refused
            if status == 429 or status >= 500:
                raise Unavailable(status)  # send it again after a pause
            if status >= 400:
                raise Rejected(status)  # never send it again


    def store(rows, timeout):  # stands for your client
        print("stored:", ", ".join(row["operation_name"] for row in rows))
        return 202


    with BasicTracer(StoreRecorder(store, queue_size=10_000, interval=0.5)) as tracer:
        for name in ("browse", "order", "pay"):
            tracer.start_span(name).finish()
        tracer.flush(timeout=5)
        print(tracer.recorder.stats)

which prints::

    stored: browse, order, pay
    Stats(recorded=3, sent=3, dropped=0, failed=0, queued=0, slow=0)

`encode_each` leaves out the spans that your encoder cannot encode, so that one value does not cost
a whole batch. `opentracing_recorder.harness` has the tests that prove a recorder.

## Options

| Option | Default | Unit | Meaning |
|---|---|---|---|
| `queue_size` | 16384 | spans | Most spans that wait or are being sent. The newest are dropped. |
| `batch_size` | 512 | spans | Most spans in one call of `send`. |
| `interval` | 1.0 | seconds | Longest wait for a batch to fill; the first pause after a failure. |
| `send_timeout` | 10.0 | seconds | Longest call of `send`, which reads it and keeps to it. |
| `attempts` | 40 | attempts | Most attempts to send a batch; after these its spans fail. |
| `exit_timeout` | 5.0 | seconds | Longest `close()` without a timeout, also at the exit. |

Counts are at least 1. Times are more than 0; no option takes None. A larger `batch_size` is reduced
to `queue_size`.

## Errors

`send` raises a `SendError` to decide about its batch. Every other exception, such as a
refused connection, counts as `Unavailable`. `Unavailable(text, retry_after=30)` asks for a pause of
at least 30 seconds; the longest is 120.

- The pauses between attempts double from `interval`, to 5 seconds at most, less a random part of up
  to a half, so that not all processes return at once. With the defaults, an outage of 90 seconds
  loses no span that the queue has space for. More `attempts` bridge a longer one. `attempts` is a
  limit because a batch that the backend can never take would otherwise hold up all others.
- A batch that is too large, or refused for a span in it, is sent in halves, and these in halves, at
  once. So one span that the backend never takes costs no other. If the backend refuses as many
  spans in a row as `batch_size`, a refused batch fails whole, until the backend takes one again.
- A batch whose acknowledgement is lost is sent again. A backend that must not store a span twice
  recognizes it by `trace_id` and `span_id`.
- `stats` counts every span: `recorded` is the sum of `sent`, `dropped`, `failed` and `queued`.
- Drops and failures are logged at most once a minute each, with their number. At level DEBUG, every
  failed attempt is logged with its traceback. A program that has not configured logging shows the
  log on stderr; `logging.getLogger("opentracing_recorder").addHandler(logging.NullHandler())`
  silences it.
- If `send` lasts a tenth longer than `send_timeout`, `stats.slow` counts it, and a warning is
  logged. Nothing can end such a call, and spans wait meanwhile: give your client the timeout.

## Flush and close

`flush(timeout)` sends at once, even during a pause. It returns False if time runs out, or if spans
were lost since the last `flush` that returned False. `close(timeout)` returns whether every span
was sent. Spans that are left count as dropped, unless the backend acknowledges them later. At the
interpreter's exit, all recorders close at the same time. Define `release` to close connections.

## Processes

- After a fork, the child starts with an empty queue, zero `stats` and its own thread; the parent
  sends what it has queued. Define `forked` to forget connections. Assign what `forked` uses before
  you call the base's constructor: from there on, a fork calls it.
- A child of multiprocessing, a worker of a ProcessPoolExecutor and a worker of Celery send their
  spans when they end.
- With gevent, monkey-patch before or after you create the recorder, as in
  `gunicorn --preload -k gevent`. If you report over https, or use ThreadLocalScopeManager, patch at
  the top of gunicorn's configuration file: gevent cannot patch objects that `ssl` and `threading`
  have made before.
- uWSGI forks its workers from C, where a running thread would make them hang. No thread is started
  before. Call `tracer.flush()` when the application is loaded, or pass `--lazy-apps`; otherwise a
  warning counts the spans recorded until then. If your own threads start while the application is
  loaded, pass `--lazy-apps` or `--py-call-uwsgi-fork-hooks`; `--py-call-osafterfork` is too late.
- With `--die-on-term`, uWSGI ends workers without Python's exit if they are busy with a request at
  SIGTERM, and what they have queued is lost. To have requests and reports finished, pass
  `--hook-master-start="unix_signal:15 gracefully_kill_them_all"` in its place.
- Reports are not traced: `send` runs in an un-sampled span of each tracer whose spans it sends.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TypeVar

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_seconds, check_timeout
from ._batch_queue import Stats
from ._batch_retry import BatchTooLarge, Rejected, SendError, SpanRejected, Unavailable
from ._batch_worker import Worker
from ._errors import loggable
from ._living import Living
from ._process import at_exit
from .recorder import Recorder
from .span import BasicSpan

__all__ = [
    "BatchRecorder",
    "BatchTooLarge",
    "Rejected",
    "SendError",
    "SpanRejected",
    "Stats",
    "Unavailable",
]

_logger = logging.getLogger(__name__)

EncodedT = TypeVar("EncodedT")


class BatchRecorder(Recorder):
    """Queues each span, and sends them in batches from a thread of its own.

    A backend defines `send`. The application's thread never waits, and sees no exception. The
    options are described in the guide above. Raises TypeError or ValueError for an option that
    cannot serve, and names it.
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
        self._queue = self._worker.queue  # `record_span` looks up one attribute less
        # At the first recorder, not at the import: the exit handlers of the backend's libraries
        # were registered before, and so run later.
        at_exit(_close_all, _flush_all, _holds_lock)
        _living.add(self)

    def __repr__(self) -> str:
        stats = " ".join(f"{name}={number}" for name, number in self.stats._asdict().items())
        return " ".join(filter(None, (f"<{type(self).__name__}", self._destination, f"{stats}>")))

    _destination = ""  # the service and the address, for `repr`

    # A backend defines these.

    @abstractmethod
    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        """Deliver a batch; return when the backend has acknowledged it.

        Called on the worker's thread, one call at a time. Bound your I/O with `send_timeout`.
        Import its modules before: a child that is forked while a thread imports cannot import. The
        spans that an instrumented client starts meanwhile are not sampled.

        Raise a `SendError` to decide about the batch; after any other exception it is sent again.
        Encode with `encode_each`, and return nothing. If `send` returns a number, it is added to
        the number of spans that could not be encoded.
        """

    def release(self) -> None:
        """Close connections: called once when the recorder closes, after the last `send`."""

    def forked(self) -> None:
        """Forget connections without closing them: called in a forked child, which shares them."""

    # A backend calls these in `send`.

    def encode_each(
        self, spans: Iterable[BasicSpan], encode: Callable[[BasicSpan], EncodedT]
    ) -> list[EncodedT]:
        """Return `encode(span)` for each span, without the spans for which it raises.

        These count as failed if `send` then succeeds; the others are not lost with them. If none
        is left, the list is empty. The exceptions are logged at level DEBUG. Interrupts of the
        application's own thread, which may have to call `send` at the exit, are raised.

        Call it in `send`, on the thread of `send`::

            rows = self.encode_each(spans, lambda span: span.to_dict())
        """
        worker = self._worker
        encoded = []
        for span in spans:
            try:
                encoded.append(encode(span))
            except BaseException as error:
                reraise_interrupt()
                if worker.must_raise(error):
                    raise
                worker.left_out += 1
                if _logger.isEnabledFor(logging.DEBUG):
                    name = type(self).__name__
                    _logger.debug("%s: cannot encode a span", name, exc_info=loggable(error))
        return encoded

    @property
    def send_timeout(self) -> float:
        """Seconds that the next `send` may take: less than the option while closing."""
        deadline = self._worker.deadline
        if deadline is None:
            return self._send_timeout
        return min(self._send_timeout, max(0.1, deadline - monotonic()))

    # An application calls these.

    def record_span(self, span: BasicSpan) -> None:
        queue = self._queue
        # Appending is one atomic step; every unusual case sets a lower `limit`.
        spans = queue.spans
        if len(spans) < queue.limit:
            spans.append(span)
        else:
            self._current().record(self, span)

    @property
    def stats(self) -> Stats:
        """Numbers of spans by outcome; exact while no span is recorded or sent."""
        return self._current().stats()

    def flush(self, timeout: float | None = None) -> bool:
        """Send the spans recorded before this call, within `timeout` seconds (None: no limit).

        Returns whether all of it was sent: False if time ran out, or if spans recorded before this
        call were dropped or failed since the last `flush` that returned False. Pauses between
        attempts are cut short.
        """
        check_timeout(timeout)
        return self._current().flush(self, timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Send the queued spans, then call `release`, within `timeout` seconds.

        None means `exit_timeout`. Spans that are left then are dropped, and so are spans recorded
        from now on. Returns, each time, whether every span ever recorded was sent.
        """
        check_timeout(timeout)
        return self._current().close(self, self.exit_timeout if timeout is None else timeout)

    def _current(self) -> Worker:
        """The worker of this process: another one after a fork that Python did not see."""
        if self._worker.pid != os.getpid():
            self._renew()
        return self._worker

    def _renew(self) -> None:
        old, new = self._worker, Worker(self)
        if old.pid == new.pid:
            return
        self._worker = old.hand_over(new)
        self._queue = self._worker.queue
        if self._worker is new:
            old.warn_of_unsent()
            try:
                self.forked()
            except Exception as error:
                reraise_interrupt()
                name = type(self).__name__
                _logger.error("%s.forked raised", name, exc_info=loggable(error))


# Those in use, which are closed at the exit. A backend's `forked` may trace.
_living = Living(BatchRecorder._renew, is_last=True)


def _close_all() -> None:
    recorders = list(_living)
    for recorder in recorders:  # all at once
        recorder._current().start_closing(recorder, recorder.exit_timeout)
    for recorder in recorders:
        try:
            recorder.close()
        except Exception as error:  # of a backend's own method; the others are closed all the same
            reraise_interrupt()
            name = type(recorder).__name__
            _logger.error("%s.close raised", name, exc_info=loggable(error))


def _flush_all() -> None:
    """Flush every recorder of this process at once, each within its `exit_timeout`."""
    threads = []
    for recorder in _living:
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
    return max((each.exit_timeout for each in _living), default=0.0)


def _holds_lock() -> bool:
    return any(each._worker.holds_lock() for each in _living)
