"""The worker of a BatchRecorder: slow and failing calls of `send`, interrupts, a lost recorder."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
import types
import weakref
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    Rejected,
    Stats,
    Unavailable,
    _process,
)

from .scripted import LONG, Backend, Scripted, texts, wait_until

pytestmark = pytest.mark.needs_os


# A call of `send` that lasts too long.


class Clock:
    """The worker's, which a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("opentracing_recorder._batch_worker.monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("seconds", "logged"),
    [
        # A client that gives up when its time is over does so a little later.
        (10.5, []),
        (
            12.34,
            [
                "Scripted: send has lasted 12.3 s; send_timeout allows 10 s. Spans wait meanwhile,"
                " and are dropped when the queue is full. Check the backend, and its client's"
                " timeout"
            ],
        ),
    ],
)
def test_a_send_that_lasts_too_long_is_counted_and_logged(
    backend: Backend,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    logged: list[str],
) -> None:
    """The log has its duration, the limit, and what to do; a send within its time has none."""
    recorder = backend(lambda spans: clock.advance(seconds))
    recorder.record()
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0, slow=len(logged))
    assert texts(caplog) == logged
    assert all(each.levelno == logging.WARNING for each in caplog.records)


def test_a_send_that_fails_too_late_is_counted_and_logged(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the duration, and the reason of the failure."""

    def fail(spans: Sequence[BasicSpan]) -> None:
        clock.advance(60)
        raise OSError("no answer")

    recorder = backend(fail, attempts=1)
    recorder.record()
    assert not recorder.flush(LONG)
    assert recorder.stats == Stats(1, 0, 0, 1, 0, slow=1)
    slow, failed = texts(caplog)
    assert "send has lasted 60.0 s" in slow
    assert "OSError: no answer" in failed


def test_slow_sends_are_all_counted_and_logged_once_a_minute(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log holds one line for three of them."""
    recorder = backend(*[lambda spans: clock.advance(60)] * 3, batch_size=1)
    recorder.record(3)
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(3, 3, 0, 0, 0, slow=3)
    assert len(texts(caplog)) == 1


def send_for(recorder: Scripted, clock: Clock, seconds: float) -> list[BasicSpan]:
    """Have a batch that is under way for so long."""
    recorder.gate.clear()
    spans = recorder.record(recorder.batch_size)
    recorder.wait_for_send()
    clock.advance(seconds)
    return spans


def test_a_send_under_way_is_in_stats(backend: Backend, clock: Clock) -> None:
    """It counts as slow once its limit is over, and not again when it ends."""
    recorder = backend(batch_size=1)
    send_for(recorder, clock, 10)
    assert recorder.stats == Stats(1, 0, 0, 0, 1, slow=0)
    clock.advance(2)
    assert recorder.stats == Stats(1, 0, 0, 0, 1, slow=1)
    recorder.gate.set()
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0, slow=1)


@pytest.mark.parametrize("method", ["flush", "close"])
def test_flush_and_close_log_a_send_that_does_not_return(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """The operator sees why they returned False."""
    recorder = backend(batch_size=1)
    send_for(recorder, clock, 60)
    assert not getattr(recorder, method)(0.1)
    assert texts(caplog)[0] == (
        "Scripted: send has lasted 60.0 s; send_timeout allows 10 s. Spans wait meanwhile, and are"
        " dropped when the queue is full. Check the backend, and its client's timeout"
    )


def test_a_full_queue_logs_a_send_that_does_not_return(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Along with the number of spans that were dropped."""
    recorder = backend(queue_size=3, batch_size=1)
    send_for(recorder, clock, 5)
    recorder.record(2)
    clock.advance(60)
    recorder.record()
    assert [text[:20] for text in texts(caplog)] == ["Scripted dropped spa", "Scripted: send has l"]


def test_a_send_that_does_not_return_is_logged_before_the_queue_is_full(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that does no more than finish spans sees it after some hundreds of them."""
    recorder = backend(batch_size=10)
    spans = send_for(recorder, clock, 60)
    spans += recorder.record(1000)
    assert ["send has lasted" in text for text in texts(caplog)] == [True]
    recorder.gate.set()
    assert recorder.flush(LONG)
    assert recorder.accepted == spans


# Why sending failed.


@pytest.mark.parametrize("error", [OSError("no route"), Unavailable("503"), Rejected("400")])
def test_the_traceback_of_each_failure_is_logged_at_debug_level(
    backend: Backend, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Each attempt logs its traceback; the summary is logged once a minute."""
    caplog.set_level(logging.DEBUG, "opentracing_recorder")
    recorder = backend(error, error, attempts=2, batch_size=1)
    recorder.record(2)
    recorder.flush(LONG)
    details = [each for each in caplog.records if each.levelno == logging.DEBUG]
    assert len(details) == 2
    for each in details:
        shown = logging.Formatter().format(each)
        assert shown.startswith("Scripted: a batch ")
        assert "Traceback" in shown
        assert "in send\n    raise answer" in shown
    assert sum(each.levelno == logging.ERROR for each in caplog.records) == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route\nERROR forged \x1b[2J"),
        Rejected("POST http://me:sesame@zipkin/?sesame\rERROR forged"),
        Unavailable("Authorization: sesame\x85ERROR forged"),
    ],
)
def test_an_error_of_a_backend_is_logged_in_one_line(
    backend: Backend, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Escaped and without secrets, in the summary as in the traceback."""
    caplog.set_level(logging.DEBUG, "opentracing_recorder")
    recorder = backend(error, attempts=1)
    recorder.record()
    assert not recorder.flush(LONG)
    assert {each.levelno for each in caplog.records} == {logging.DEBUG, logging.ERROR}
    for each in caplog.records:
        assert each.getMessage().isprintable()
        shown = logging.Formatter().format(each)
        assert "sesame" not in shown
        assert not any(line.startswith("ERROR") for line in shown.splitlines())
        assert "\x1b" not in shown


def test_no_traceback_is_logged_above_debug_level(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """A line says what went wrong."""
    caplog.set_level(logging.INFO, "opentracing_recorder")
    recorder = backend(OSError("no route"))
    recorder.record()
    assert recorder.flush(LONG)
    assert [each.exc_info for each in caplog.records] == [None]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_a_failure_is_not_kept_while_the_worker_waits(backend: Backend, level: int) -> None:
    """Its frames hold the body that could not be sent: a pause does not keep them."""

    class Body:
        pass

    bodies: list[weakref.ref[Body]] = []

    def fail(spans: Sequence[BasicSpan]) -> None:
        body = Body()
        bodies.append(weakref.ref(body))
        raise OSError("no route")

    logger = logging.getLogger("opentracing_recorder")
    before = logger.level
    logger.setLevel(level)
    logger.propagate = False  # pytest keeps what it captures
    try:
        recorder = backend(fail, interval=60, batch_size=1)
        recorder.record()
        recorder.wait_for_send()

        def is_freed() -> bool:
            gc.collect()  # PyPy does not count references
            return bool(bodies) and bodies[0]() is None

        wait_until(is_freed)
        assert recorder.stats == Stats(1, 0, 0, 0, 1)
    finally:
        logger.propagate = True
        logger.setLevel(before)


# Who is interrupted, and who is forgotten.


def test_a_signal_handler_may_record_at_any_moment(backend: Backend) -> None:
    """A handler that records or flushes neither deadlocks nor loses a span."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    recorder = backend(queue_size=100_000, batch_size=3)
    handled: list[BasicSpan] = []  # a number would go wrong where one handler interrupts another

    def handle(number: int, frame: object) -> None:
        handled.extend(recorder.record())
        recorder.flush(0)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(200):
            recorder.record(5)
            recorder.flush(1)
            assert recorder.stats.recorded >= 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    recorder.flush(LONG)
    assert recorder.stats.recorded == recorder.stats.sent == 1000 + len(handled)
    assert handled


def test_a_finalizer_that_runs_on_the_worker_may_use_the_recorder(backend: Backend) -> None:
    """A span's tags are freed there, where the application's finalizers run then."""
    done = threading.Event()

    class Last:
        def __del__(self) -> None:
            recorder.record()
            recorder.flush()
            done.set()

    recorder = backend(lambda spans: None)
    recorder.tracer.start_span("x", tags={"last": Last()}).finish()
    assert recorder.flush(LONG)
    recorder.batches.clear()
    recorder.accepted.clear()
    gc.collect()
    assert done.wait(LONG)


def test_a_forgotten_recorder_is_freed_after_its_spans_are_sent(backend: Backend) -> None:
    """Its worker ends with it."""
    ended = threading.Event()
    accepted: list[BasicSpan] = []

    class Forgotten(BatchRecorder):
        def send(self, spans: Sequence[BasicSpan]) -> None:
            accepted.extend(span.operation_name for span in spans)  # type: ignore[misc]

    recorder = Forgotten(interval=0.05)
    worker = recorder._worker
    weakref.finalize(recorder, ended.set)
    BasicTracer(recorder).start_span("x").finish()
    del recorder
    gc.collect()
    assert not ended.is_set()

    def is_freed() -> bool:
        gc.collect()
        return ended.is_set()

    wait_until(is_freed)
    assert accepted == ["x"]
    wait_until(lambda: worker.ident is None)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_is_no_exception_ends_no_worker(error: BaseException) -> None:
    """The batch is tried again, as after any failure, and counted failed in the end."""
    recorder = Scripted(error, error, None, attempts=2)
    recorder.record(3)
    assert not recorder.flush(LONG)
    recorder.record(2)
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(recorded=5, sent=2, dropped=0, failed=3, queued=0)
    assert recorder.close(LONG) is False


def test_an_interrupt_goes_through_a_flush_that_sends_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If no thread can be started, the interrupt reaches the application."""
    monkeypatch.setattr("_thread.start_new_thread", mock.Mock(side_effect=RuntimeError))
    recorder = Scripted(KeyboardInterrupt())
    recorder.record(1)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush(LONG)
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(recorded=1, sent=1, dropped=0, failed=0, queued=0)


@pytest.mark.parametrize("package", ["multiprocessing", "multiprocess", "billiard"])
@pytest.mark.parametrize("stand_in", [types.ModuleType, lambda name: None, mock.MagicMock])
def test_a_package_for_processes_that_is_half_imported(
    package: str, stand_in: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No span is lost if multiprocessing is half imported, or replaced."""
    monkeypatch.setattr(_process, "_covered_child", None)
    for name in (package, f"{package}.util", f"{package}.process"):
        monkeypatch.setitem(sys.modules, name, stand_in(name))
    recorder = backend()
    recorder.record()
    assert recorder.flush(LONG)
    assert recorder.stats.sent == 1
