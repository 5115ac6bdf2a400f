"""BatchRecorder: every span is accounted for, the application never waits, every wait ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any
from unittest import mock

import pytest

from opentracing import Format, Scope, ScopeManager, Span
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    BatchTooLarge,
    Rejected,
    Stats,
    Unavailable,
    _process,
)

pytestmark = pytest.mark.needs_os

_LONG = 10.0  # seconds that a test waits for what must happen; it fails then


class Scripted(BatchRecorder):
    """A backend that answers as the test says: an exception is raised, the rest returned.

    When the script is over, it accepts everything. While `gate` is not set, `send` hangs.
    """

    def __init__(self, *script: Any, **options: Any) -> None:
        super().__init__(**{"interval": 0.01, **options})
        self.script = list(script)
        self.batches: list[list[BasicSpan]] = []
        self.times: list[float] = []
        self.accepted: list[BasicSpan] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.released = 0
        self.tracer = BasicTracer(self)

    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        self.batches.append(list(spans))
        self.times.append(time.monotonic())
        self.entered.release()
        self.gate.wait(_LONG)
        answer = self.script.pop(0) if self.script else None
        if callable(answer):
            answer = answer(spans)
        if isinstance(answer, BaseException):
            raise answer
        self.accepted.extend(spans)
        return answer  # type: ignore[no-any-return]

    def release(self) -> None:
        self.released += 1

    def record(self, number: int = 1) -> list[BasicSpan]:
        """Record so many spans, named by their numbers."""
        spans = [self.tracer.start_span(str(each)) for each in range(number)]
        for span in spans:
            span.finish()
        return spans

    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    def wait_for_send(self) -> None:
        assert self.entered.acquire(timeout=_LONG)


@pytest.fixture
def backend() -> Iterator[Callable[..., Scripted]]:
    """Makes scripted backends, and lets their workers end."""
    made: list[Scripted] = []

    def make(*script: Any, **options: Any) -> Scripted:
        made.append(Scripted(*script, **options))
        return made[-1]

    yield make
    for each in made:
        each.gate.set()
        each.close()


Backend = Callable[..., Scripted]


# What is sent, and when.


def test_spans_are_sent_in_order_and_once(backend: Backend) -> None:
    """What is recorded arrives as it was recorded, in batches of the size asked for."""
    recorder = backend(batch_size=4, interval=60)
    spans = recorder.record(10)
    assert recorder.flush(_LONG)
    assert recorder.accepted == spans
    assert recorder.sizes() == [4, 4, 2]
    assert recorder.stats == Stats(10, 10, 0, 0, 0)


def test_a_queue_that_grows_while_it_is_read_is_sent_all_the_same(backend: Backend) -> None:
    """Without a global lock, spans are recorded just while the worker looks at the queue."""

    class Growing(deque[Any]):
        def __iter__(self) -> Iterator[Any]:
            if self:
                raise RuntimeError("deque mutated during iteration")
            return super().__iter__()

    recorder = backend(batch_size=4, interval=60)
    recorder._worker.queue = Growing()
    spans = recorder.record(10)
    assert recorder.flush(_LONG)
    assert recorder.accepted == spans
    assert recorder.sizes() == [4, 4, 2]


def test_a_full_batch_does_not_wait(backend: Backend) -> None:
    """It is sent as soon as it is full, whatever the interval."""
    recorder = backend(batch_size=3, interval=60)
    recorder.record(3)
    recorder.wait_for_send()
    assert recorder.sizes() == [3]


def test_a_part_of_a_batch_is_sent_after_the_interval(backend: Backend) -> None:
    """Not before, and without another span or a flush."""
    recorder = backend(interval=0.2)
    start = time.monotonic()
    recorder.record(2)
    recorder.wait_for_send()
    assert recorder.times[0] - start >= 0.19
    assert recorder.sizes() == [2]


def test_the_worker_sleeps_and_wakes_again(backend: Backend) -> None:
    """Spans that come after all was sent are sent too, without a flush."""
    recorder = backend()
    for _ in range(5):
        recorder.record()
        recorder.wait_for_send()
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(5, 5, 0, 0, 0)


def test_nothing_is_started_before_the_first_span(backend: Backend) -> None:
    """A recorder that is not used has no thread; closing it needs none either."""
    before = threading.active_count(), gc.collect()
    recorder = backend()
    assert recorder.flush()
    assert recorder.close()
    assert (threading.active_count(), 0) == (before[0], 0)
    assert recorder.released == 1


def test_the_worker_has_a_name_and_is_a_daemon(backend: Backend) -> None:
    """So that who looks at a program's threads knows it, and no exit waits for it."""
    seen: list[threading.Thread] = []
    recorder = backend(lambda spans: seen.append(threading.current_thread()))
    recorder.record()
    assert recorder.flush(_LONG)
    assert seen[0].name == "opentracing-batch-recorder"
    assert seen[0].daemon


def test_reports_are_not_traced(backend: Backend) -> None:
    """What an instrumented client in `send` starts is not sampled, and the server is told so."""
    headers: list[dict[str, str]] = []

    def report(spans: Sequence[BasicSpan]) -> None:
        headers.append({})
        with recorder.tracer.start_active_span("POST") as scope:
            recorder.tracer.inject(scope.span.context, Format.HTTP_HEADERS, headers[-1])

    recorder = backend(report)
    recorder.record()
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)
    assert [each["ot-tracer-sampled"] for each in headers] == ["false"]


def test_reports_are_not_traced_by_any_tracer_of_the_recorder(backend: Backend) -> None:
    """Also where the client is instrumented with another one than that of the first span."""

    def report(spans: Sequence[BasicSpan]) -> None:
        for span in spans:
            span.tracer.start_span("POST").finish()

    recorder = backend(report)
    recorder.record()
    BasicTracer(recorder).start_span("of another tracer").finish()
    recorder.flush(_LONG)
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


def test_nothing_stays_active_after_a_report() -> None:
    """Whether it succeeds or fails: a finalizer on the worker's thread starts traces as ever."""
    seen: list[Any] = []

    class Watching(Scripted):
        def release(self) -> None:
            seen.append(self.tracer.active_span)

    recorder = Watching(OSError(), None)
    recorder.record()
    assert recorder.close(_LONG)
    assert seen == [None]


class _FailingScopes(ScopeManager):
    """Of an application: it cannot be used on the worker's thread, or fails there later."""

    def __init__(self, at: str) -> None:
        self._at = at

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        if self._at == "activate":
            raise RuntimeError("no loop on this thread")
        scope = Scope(self, span)
        scope.close = self._fail  # type: ignore[method-assign]
        return scope

    def _fail(self) -> None:
        raise RuntimeError("no loop on this thread")


@pytest.mark.parametrize("at", ["activate", "close"])
def test_a_scope_manager_that_fails_loses_and_doubles_nothing(backend: Backend, at: str) -> None:
    """The spans are sent all the same, once."""
    recorder = backend()
    tracer = BasicTracer(recorder, scope_manager=_FailingScopes(at))
    tracer.start_span("x", ignore_active_span=True).finish()
    assert recorder.flush(_LONG)
    assert recorder.sizes() == [1]
    assert recorder.stats == Stats(1, 1, 0, 0, 0)


def test_a_span_that_the_garbage_collector_finishes_during_a_report_is_kept(
    backend: Backend,
) -> None:
    """A generator left half-way is closed on whichever thread collects it: the worker's, too."""
    recorder = backend(lambda spans: gc.collect() and None)

    def steps(cycle: list[Any]) -> Iterator[None]:
        with recorder.tracer.start_active_span("left half-way"):
            yield

    gc.disable()
    try:
        cycle: list[Any] = []
        cycle.append(steps(cycle))
        contextvars.copy_context().run(next, cycle[0])
        del cycle
        recorder.record()
        assert recorder.flush(_LONG)
    finally:
        gc.enable()
    assert recorder.flush(_LONG)
    assert [each.operation_name for each in recorder.accepted] == ["0", "left half-way"]
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


@pytest.mark.threads
def test_others_may_record_while_a_batch_is_sent(backend: Backend) -> None:
    """The application's thread does not wait for a hanging backend."""
    recorder = backend()
    recorder.gate.clear()
    recorder.record()
    recorder.wait_for_send()
    recorder.record(3)
    assert recorder.stats == Stats(4, 0, 0, 0, 4)
    recorder.gate.set()
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(4, 4, 0, 0, 0)


# The count.


@pytest.mark.threads
def test_all_spans_of_many_threads_are_counted(backend: Backend) -> None:
    """100,000 spans from 8 threads: each is sent once, and the count says so."""
    recorder = backend(queue_size=100_000)
    from_threads(lambda: recorder.record(12_500))
    assert recorder.flush(60)
    assert recorder.stats == Stats(100_000, 100_000, 0, 0, 0)
    assert len({span.context.span_id for span in recorder.accepted}) == 100_000
    assert len(recorder.accepted) == 100_000


@pytest.mark.threads
def test_every_fate_is_counted_under_load(backend: Backend) -> None:
    """Sent, failed, dropped: the sum is what was recorded, and sent is what the backend has."""
    answers = [None, Rejected("no"), 1, BatchTooLarge()] * 100
    recorder = backend(*answers, queue_size=300, batch_size=50)
    from_threads(lambda: recorder.record(2000))
    recorder.flush(_LONG)
    stats = recorder.stats
    assert stats.recorded == 16_000 == stats.sent + stats.dropped + stats.failed
    assert min(stats.sent, stats.dropped, stats.failed) > 0
    assert stats.queued == 0


def from_threads(run: Callable[[], object], number: int = 8) -> None:
    """Run it on several threads at once."""
    barrier = threading.Barrier(number)

    def start() -> None:
        barrier.wait(_LONG)
        run()

    threads = [threading.Thread(target=start) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_full_queue_drops_the_newest_and_says_so_once(
    backend: Backend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning a minute has the number; the oldest arrive."""
    now = [1000.0]
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])
    recorder = backend(queue_size=5, batch_size=2)
    recorder.gate.clear()
    spans = recorder.record(8)
    assert recorder.stats == Stats(8, 0, 3, 0, 5)
    now[0] += 61
    recorder.record(1)
    texts = [record.getMessage() for record in caplog.records]
    assert [text.split(" spans")[0] for text in texts] == [
        "Scripted dropped 1",
        "Scripted dropped 3",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    recorder.gate.set()
    assert not recorder.flush(_LONG)
    assert recorder.accepted == spans[:5]
    assert recorder.stats == Stats(9, 5, 4, 0, 0)


def test_a_clock_that_goes_back_delays_no_batch(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is sent after `interval`, and again after the pause, however the clock jumps."""
    clock = count(1e6, -1000.0)
    monkeypatch.setattr("opentracing_recorder.batch_worker.monotonic", lambda: next(clock))
    recorder = backend(OSError("no route"), interval=0.05)
    spans = recorder.record(1)
    for _ in range(2):
        assert recorder.entered.acquire(timeout=_LONG)
    assert recorder.flush(_LONG)
    assert recorder.accepted == spans


# What goes wrong.


@pytest.mark.parametrize("error", [Unavailable("503"), ConnectionRefusedError("no"), KeyError("x")])
def test_a_failed_batch_is_sent_again(backend: Backend, error: Exception) -> None:
    """Until the backend accepts it: no span is lost, none comes twice."""
    recorder = backend(error, error, error, error)
    spans = recorder.record(3)
    assert recorder.flush(_LONG)
    assert recorder.accepted == spans
    assert recorder.batches == [spans] * 5
    assert recorder.stats == Stats(3, 3, 0, 0, 0)


def test_a_batch_is_given_up_after_its_attempts(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """Then its spans count as failed, and the next batch has its turn; the log says it once."""
    recorder = backend(*[OSError("no route")] * 3, attempts=3, batch_size=2, interval=0.001)
    spans = recorder.record(3)
    assert not recorder.flush(_LONG)
    assert recorder.sizes() == [2, 2, 2, 1]
    assert recorder.accepted == spans[2:]
    assert recorder.stats == Stats(3, 1, 0, 2, 0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert texts(caplog)[0].endswith("(1 times since the last such message): OSError: no route")


def test_a_rejected_batch_is_not_sent_again(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as failed; its message is in the log, once a minute."""
    recorder = backend(Rejected("400: bad span"), Rejected("400: again"), batch_size=2)
    spans = recorder.record(6)
    assert not recorder.flush(_LONG)
    assert recorder.sizes() == [2, 2, 2]
    assert recorder.accepted == spans[4:]
    assert recorder.stats == Stats(6, 2, 0, 4, 0)
    assert len(caplog.records) == 1
    assert "400: bad span" in caplog.text


def test_a_batch_too_large_is_halved(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Down to what fits; a span too large alone counts as failed, and the others arrive."""

    class Small(Scripted):
        def send(self, spans: Sequence[BasicSpan]) -> int | None:
            if sum(span.tags["size"] for span in spans) > 4:
                self.batches.append(list(spans))
                raise BatchTooLarge("413")
            return super().send(spans)

    recorder = Small(interval=60)
    for size in (1, 1, 1, 1, 1, 9, 1, 1, 1):
        recorder.tracer.start_span("x", tags={"size": size}).finish()
    assert not recorder.flush(_LONG)
    assert [span.tags["size"] for span in recorder.accepted] == [1] * 8
    assert recorder.sizes()[:3] == [9, 4, 4]
    assert recorder.stats == Stats(9, 8, 0, 1, 0)
    assert "413" in caplog.text
    recorder.close()


def test_spans_that_cannot_be_encoded_are_counted(backend: Backend) -> None:
    """What `send` says it left out failed; the rest of the batch was sent."""
    recorder = backend(2)
    recorder.record(5)
    assert not recorder.flush(_LONG)
    assert recorder.stats == Stats(5, 3, 0, 2, 0)


def test_pauses_double_up_to_their_limit(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the interval to five seconds, so that a backend that is back has spans soon."""
    waits: list[float] = []

    class Bell:
        def acquire(self, blocking: bool, timeout: float) -> None:
            waits.append(timeout)
            worker.hurry = True

    worker = backend(interval=1.0)._worker
    monkeypatch.setattr(worker, "bell", Bell())
    monkeypatch.setattr("opentracing_recorder.batch_worker._jitter.uniform", max)
    for attempt in range(1, 6):
        worker.hurry = False
        worker.back_off(attempt, OSError(), None)
    assert waits == [pytest.approx(each, abs=0.5) for each in (1, 2, 4, 5, 5)]


def test_pauses_pass(backend: Backend) -> None:
    """Between the attempts, at least half of each."""
    recorder = backend(*[OSError()] * 3, interval=0.04)
    recorder.record()
    for _ in range(4):
        recorder.wait_for_send()
    first, second, third = (b - a for a, b in zip(recorder.times, recorder.times[1:]))
    assert first >= 0.019
    assert second >= 0.039
    assert third >= 0.079


def test_the_time_that_the_backend_names_is_kept(backend: Backend) -> None:
    """`retry_after` makes a pause longer."""
    recorder = backend(Unavailable("429", retry_after=0.3), interval=0.001)
    recorder.record()
    recorder.wait_for_send()
    recorder.wait_for_send()
    assert recorder.times[1] - recorder.times[0] >= 0.3


def test_the_default_attempts_bridge_a_minute_and_a_half(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one span is lost that the queue can hold; here a second stands for a hundred."""
    monkeypatch.setattr("opentracing_recorder.batch_worker._LONGEST_BACK_OFF", 0.05)
    monkeypatch.setattr("opentracing_recorder.batch_worker._jitter.uniform", lambda low, high: low)
    recovery = time.monotonic() + 0.9

    class Away(Scripted):
        def send(self, spans: Sequence[BasicSpan]) -> int | None:
            if time.monotonic() < recovery:
                raise ConnectionRefusedError
            return super().send(spans)

    recorder = Away(interval=0.01, queue_size=2000)
    spans = recorder.record(2000)
    wait_until(lambda: recorder.stats.queued == 0)
    assert recorder.accepted == spans
    assert recorder.stats == Stats(2000, 2000, 0, 0, 0)
    recorder.close()


@pytest.mark.long
def test_an_outage_of_hours_does_not_end_the_worker(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses have a limit however many there were."""
    monkeypatch.setattr("opentracing_recorder.batch_worker._LONGEST_BACK_OFF", 0.0)
    recorder = backend(*[OSError()] * 800, attempts=1000)
    recorder.record()
    assert recorder.flush(60)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("error", "longest"),
    [(OSError(), 5.0), (Unavailable("429", retry_after=1e9), 120.0)],
    ids=["a failure", "a server that asks for years"],
)
def test_no_pause_is_longer_than_its_limit(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, error: Exception, longest: float
) -> None:
    """Five seconds, less a random part; two minutes where the backend asks for more."""
    waits: list[float] = []

    class Bell:
        def acquire(self, blocking: bool, timeout: float) -> None:
            waits.append(timeout)
            worker.hurry = True

    worker = backend(interval=1000.0)._worker
    monkeypatch.setattr(worker, "bell", Bell())
    monkeypatch.setattr("opentracing_recorder.batch_worker._jitter.uniform", max)
    worker.back_off(1, error, None)
    assert waits == [pytest.approx(longest, abs=1.0)]


def test_a_pause_has_a_random_part(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of up to half, lest all processes come back at once."""
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    monkeypatch.setattr("opentracing_recorder.batch_worker._jitter.uniform", uniform)
    recorder = backend(OSError())
    recorder.record()
    assert recorder.flush(_LONG)
    assert asked == [(0.5, 1.0)]


def test_each_part_of_a_batch_has_all_attempts(backend: Backend) -> None:
    """What one half of it took does not count for the other."""
    recorder = backend(BatchTooLarge(), OSError(), None, OSError(), attempts=2, interval=0.01)
    recorder.record(2)
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


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
    monkeypatch.setattr("opentracing_recorder.batch_worker.monotonic", lambda: clock.now)
    return clock


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_send_that_lasts_too_long_is_counted_and_logged(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """When it is over: how long it took, how long it may take, and what to do."""
    recorder = backend(lambda spans: clock.advance(12.34))
    recorder.record()
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0, slow=1)
    assert texts(caplog) == [
        "Scripted: send lasted 12.3 s; send_timeout allows 10 s. Spans wait meanwhile: check the"
        " backend, and its client's timeout"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_send_that_fails_too_late_is_counted_and_logged(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside why it failed."""

    def fail(spans: Sequence[BasicSpan]) -> None:
        clock.advance(60)
        raise OSError("no answer")

    recorder = backend(fail, attempts=1)
    recorder.record()
    assert not recorder.flush(_LONG)
    assert recorder.stats == Stats(1, 0, 0, 1, 0, slow=1)
    slow, failed = texts(caplog)
    assert "send lasted 60.0 s" in slow
    assert "OSError: no answer" in failed


def test_a_send_that_keeps_to_its_time_is_not_slow(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that gives up when its time is over does so a little later."""
    recorder = backend(lambda spans: clock.advance(10.5))
    recorder.record()
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0, slow=0)
    assert texts(caplog) == []


def test_slow_sends_are_all_counted_and_logged_once_a_minute(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log holds one line for three of them."""
    recorder = backend(*[lambda spans: clock.advance(60)] * 3, batch_size=1)
    recorder.record(3)
    assert recorder.flush(_LONG)
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
    """As soon as it lasts too long, and not twice when it is over."""
    recorder = backend(batch_size=1)
    send_for(recorder, clock, 10)
    assert recorder.stats == Stats(1, 0, 0, 0, 1, slow=0)
    clock.advance(2)
    assert recorder.stats == Stats(1, 0, 0, 0, 1, slow=1)
    recorder.gate.set()
    assert recorder.flush(_LONG)
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
        "Scripted: send has lasted 60.0 s, and goes on; send_timeout allows 10 s. Spans wait, and"
        " are dropped when the queue is full: check the backend, and its client's timeout"
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
    assert [text[:20] for text in texts(caplog)] == ["Scripted dropped 1 s", "Scripted: send has l"]


def test_a_send_that_does_not_return_is_logged_before_the_queue_is_full(
    backend: Backend, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that does no more than finish spans sees it after some hundreds of them."""
    recorder = backend(batch_size=10)
    spans = send_for(recorder, clock, 60)
    spans += recorder.record(1000)
    assert ["and goes on" in text for text in texts(caplog)] == [True]
    recorder.gate.set()
    assert recorder.flush(_LONG)
    assert recorder.accepted == spans


# Why sending failed.


@pytest.mark.parametrize("error", [OSError("no route"), Unavailable("503"), Rejected("400")])
def test_the_traceback_of_each_failure_is_logged_at_debug_level(
    backend: Backend, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Of each attempt, where the summary is logged once a minute."""
    caplog.set_level(logging.DEBUG, "opentracing_recorder")
    recorder = backend(error, error, attempts=2, batch_size=1)
    recorder.record(2)
    recorder.flush(_LONG)
    details = [each for each in caplog.records if each.levelno == logging.DEBUG]
    assert len(details) == 2
    for each in details:
        shown = logging.Formatter().format(each)
        assert shown.startswith("Scripted: sending spans")
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
    assert not recorder.flush(_LONG)
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
    assert recorder.flush(_LONG)
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


# Flush.


def test_flush_cuts_a_pause_short(backend: Backend) -> None:
    """It does not wait for what the backend asked for, nor for the interval."""
    recorder = backend(Unavailable("429", retry_after=60), interval=60)
    recorder.record(1)
    assert not recorder.flush(0.5)  # the first attempt
    start = time.monotonic()
    assert recorder.flush(_LONG)
    assert time.monotonic() - start < _LONG / 2
    assert recorder.stats == Stats(1, 1, 0, 0, 0)


def test_flush_ends_in_time_when_the_backend_hangs(backend: Backend) -> None:
    """It returns False then; the spans stay queued, and a later one says that they were sent."""
    recorder = backend()
    recorder.gate.clear()
    recorder.record(2)
    start = time.monotonic()
    assert not recorder.flush(0.2)
    assert 0.2 <= time.monotonic() - start < 2
    assert recorder.stats == Stats(2, 0, 0, 0, 2)
    assert not recorder.flush(0)
    recorder.gate.set()
    assert recorder.flush(_LONG)


def test_flush_does_not_wait_for_what_comes_later(backend: Backend) -> None:
    """Only for what was recorded before the call."""
    late = threading.Event()
    recorder = backend(None, lambda spans: late.wait(_LONG) and None, batch_size=1, interval=60)
    recorder.gate.clear()
    recorder.record()
    recorder.wait_for_send()
    results: list[bool] = []
    flusher = threading.Thread(target=lambda: results.append(recorder.flush(_LONG)))
    flusher.start()
    while not recorder._worker.waiters:
        time.sleep(0)
    recorder.record()
    recorder.gate.set()
    flusher.join()
    assert results == [True]
    assert recorder.stats == Stats(2, 1, 0, 0, 1)
    late.set()


def test_each_loss_is_told_by_one_flush(backend: Backend) -> None:
    """The first that ends after it, also when it came before the call; the next are True again."""
    recorder = backend(Rejected("no"), batch_size=1)
    recorder.record()
    recorder.wait_for_send()
    assert [recorder.flush(_LONG) for _ in range(2)] == [False, True]
    recorder.record()
    assert recorder.flush(_LONG)
    assert not recorder.close()


@pytest.mark.threads
def test_many_flushes_at_once_all_return(backend: Backend) -> None:
    """From several threads, while others record."""
    recorder = backend(queue_size=10_000, interval=60)
    results: list[bool] = []

    def run() -> None:
        for _ in range(20):
            recorder.record(3)
            results.append(recorder.flush(_LONG))

    from_threads(run)
    assert results == [True] * 160
    assert recorder.stats == Stats(480, 480, 0, 0, 0)


def test_flush_and_close_from_send_do_not_wait_for_themselves(backend: Backend) -> None:
    """They return False at once; closing goes on when `send` returns."""
    results: list[bool] = []
    recorder = backend(lambda spans: results.extend([recorder.flush(), recorder.close()]))
    recorder.record()
    recorder.wait_for_send()
    assert not recorder.close()
    assert results == [False, False]


# Close.


def test_close_sends_what_is_queued_and_releases_once(backend: Backend) -> None:
    """Then nothing more is taken; every call returns the same."""
    recorder = backend(interval=60)
    spans = recorder.record(3)
    assert [recorder.close(), recorder.close(5), recorder.close(0)] == [True] * 3
    assert recorder.accepted == spans
    assert recorder.released == 1
    recorder.record(2)
    assert recorder.close()
    assert recorder.stats == Stats(5, 3, 2, 0, 0)
    assert recorder.accepted == spans


def test_close_ends_in_time_when_the_backend_hangs(backend: Backend) -> None:
    """The rest is dropped as soon as the hanging call ends; the answer stays False."""
    recorder = backend(batch_size=2)
    recorder.gate.clear()
    recorder.record(5)
    start = time.monotonic()
    assert not recorder.close(0.3)
    assert time.monotonic() - start < 2
    recorder.gate.set()
    wait_until(lambda: recorder.released == 1 and recorder.stats.queued == 0)
    assert recorder.stats == Stats(5, 2, 3, 0, 0)
    assert not recorder.close()


def test_what_is_left_when_close_returns_counts_as_dropped(backend: Backend) -> None:
    """Nothing is queued any more; what the backend still acknowledges counts as sent after all."""
    recorder = backend(batch_size=2)
    recorder.gate.clear()
    recorder.record(5)
    recorder.wait_for_send()
    assert not recorder.close(0.1)
    assert recorder.stats == Stats(5, 0, 5, 0, 0)
    recorder.record()
    assert recorder.stats == Stats(6, 0, 6, 0, 0)
    recorder.gate.set()
    wait_until(lambda: recorder.released == 1)
    assert recorder.stats == Stats(6, 2, 4, 0, 0)


def test_what_a_close_has_no_time_for_counts_as_dropped(backend: Backend) -> None:
    """Also where nothing was sent yet, and no thread works."""
    recorder = backend(interval=60)
    recorder.record(3)
    assert not recorder.close(0)
    assert recorder.stats == Stats(3, 0, 3, 0, 0)


def test_while_it_closes_what_is_left_is_queued(backend: Backend) -> None:
    """It may yet be sent in time."""
    seen: list[Stats] = []
    recorder = backend(lambda spans: seen.append(recorder.stats), batch_size=2, interval=60)
    recorder.record(3)
    assert recorder.close(_LONG)
    assert seen == [Stats(3, 0, 0, 0, 3)]
    assert recorder.stats == Stats(3, 3, 0, 0, 0)


def test_close_says_how_many_spans_were_left(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: nobody sees what it returns when the interpreter calls it at exit."""
    recorder = backend(batch_size=2)
    recorder.gate.clear()
    recorder.record(5)
    recorder.close(0.1)
    recorder.close(0.1)
    assert [record.getMessage() for record in caplog.records] == [
        "Scripted was closed before 5 spans were sent"
    ]


def test_close_ends_in_time_during_a_pause(backend: Backend) -> None:
    """What could not be sent in time is dropped."""
    recorder = backend(*[Unavailable("503", retry_after=60)] * 9)
    recorder.record(2)
    recorder.wait_for_send()
    start = time.monotonic()
    assert not recorder.close(0.3)
    assert time.monotonic() - start < 2
    assert recorder.stats == Stats(2, 0, 2, 0, 0)
    wait_until(lambda: recorder.released == 1)


def test_a_flush_that_a_close_overtakes_says_that_spans_were_lost(backend: Backend) -> None:
    """What closing dropped was not sent; the next flush has no news."""
    recorder = backend(OSError("down"), interval=60)
    recorder.gate.clear()
    recorder.record(2)
    results: list[bool] = []
    flusher = threading.Thread(target=lambda: results.append(recorder.flush(_LONG)))
    flusher.start()
    recorder.wait_for_send()
    recorder.close(0.1)
    recorder.gate.set()
    flusher.join()
    assert results == [False]
    assert recorder.flush()
    assert recorder.stats == Stats(2, 0, 2, 0, 0)


def test_close_waits_for_the_exit_timeout_by_default(backend: Backend) -> None:
    """It is bounded, whatever the caller says."""
    recorder = backend(exit_timeout=0.2)
    recorder.gate.clear()
    recorder.record()
    start = time.monotonic()
    assert not recorder.close()
    assert 0.2 <= time.monotonic() - start < 2


def test_send_has_no_more_time_than_closing_has(backend: Backend) -> None:
    """`send_timeout` shrinks to what is left."""
    seen: list[float] = []
    recorder = backend(
        lambda spans: seen.append(recorder.send_timeout), send_timeout=7, interval=60
    )
    assert recorder.send_timeout == 7
    recorder.record()
    recorder.close(2)
    assert 0 < seen[0] <= 2


@pytest.mark.threads
def test_threads_that_close_at_once_get_one_answer(backend: Backend) -> None:
    """And the backend is released once."""
    recorder = backend()
    recorder.record(10)
    results: list[bool] = []
    from_threads(lambda: results.append(recorder.close()))
    assert results == [True] * 8
    assert recorder.released == 1


@pytest.mark.threads
def test_spans_that_finish_while_it_closes_are_counted(backend: Backend) -> None:
    """As sent or as dropped."""
    recorder = backend(queue_size=100_000)
    closer = threading.Timer(0.01, recorder.close)
    closer.start()
    from_threads(lambda: recorder.record(2000))
    closer.join()
    stats = recorder.stats
    assert stats.recorded == 16_000
    assert stats.sent == len(recorder.accepted)
    assert stats.queued == 0


def wait_until(holds: Callable[[], bool]) -> None:
    """For what no event tells."""
    end = time.monotonic() + _LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("method", ["flush", "close"])
def test_without_a_thread_the_caller_sends(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Where the system has no thread to give, recording still works, and so do flush and close."""

    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    recorder = backend(OSError(), batch_size=2)
    spans = recorder.record(5)
    assert recorder.stats == Stats(5, 0, 0, 0, 5)
    assert getattr(recorder, method)(_LONG)
    assert recorder.accepted == spans
    assert recorder.stats == Stats(5, 5, 0, 0, 0)


# Who is interrupted, and who is forgotten.


def test_a_signal_handler_may_record_at_any_moment(backend: Backend) -> None:
    """Also one that flushes; nothing deadlocks, nothing is lost."""
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
    recorder.flush(_LONG)
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
    assert recorder.flush(_LONG)
    recorder.batches.clear()
    recorder.accepted.clear()
    gc.collect()
    assert done.wait(_LONG)


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


# Options.


@pytest.mark.parametrize("name", ["queue_size", "batch_size", "attempts"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_counts_are_checked(name: str, value: Any, error: type[Exception]) -> None:
    """The argument is named."""
    with pytest.raises(error, match=name):
        Scripted(**{name: value})


@pytest.mark.parametrize("name", ["interval", "send_timeout", "exit_timeout"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_seconds_are_checked(name: str, value: Any, error: type[Exception]) -> None:
    """The argument is named."""
    with pytest.raises(error, match=name):
        Scripted(**{name: value})


@pytest.mark.parametrize(
    ("value", "error"), [("1", TypeError), (True, TypeError), (float("nan"), ValueError)]
)
def test_timeouts_are_checked(backend: Backend, value: Any, error: type[Exception]) -> None:
    """Before anything happens."""
    recorder = backend()
    with pytest.raises(error, match="timeout"):
        recorder.flush(value)
    with pytest.raises(error, match="timeout"):
        recorder.close(value)


def test_a_timeout_may_be_of_any_size(backend: Backend) -> None:
    """Below zero there is no wait; above what a lock takes, a long one."""
    recorder = backend()
    recorder.record()
    assert recorder.flush(1e300)
    assert recorder.flush(-5)
    assert recorder.close(float("inf"))


# In processes of their own.

_PRELUDE = f"""
import os, sys, threading, time
sys.path[:0] = {sys.path!r}
from opentracing_recorder import BasicTracer, BatchRecorder, Stats

class Printing(BatchRecorder):
    def send(self, spans):
        for span in spans:
            os.write(1, (span.operation_name + "\\n").encode())

def record(*names):
    for name in names:
        tracer.start_span(name).finish()
"""


# gevent's own hook in a forked child, on Python 3.13 and later, if a thread is older than its
# patches: see findings/gevent_fork_hook_fails_beside_an_older_thread.sh.
_GEVENTS_HOOK = r"""Exception ignored in.* <bound method _ForkHooks\.after_fork_in_child .*
Traceback .*
(  .*\n)+TypeError: _ThreadHandle\._set_done\(\) takes no keyword arguments
"""


def run(
    script: str, prelude: str = _PRELUDE, split: str | None = None, tolerated: str = ""
) -> list[str]:
    """The words (or lines) that the script prints; it must end well and leave stderr empty.

    Nothing but what matches `tolerated` may be there, once.
    """
    done = subprocess.run(
        # From Python 3.12 a fork beside a thread is warned of; that is what these tests are about.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", prelude + script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    stderr = done.stderr
    if tolerated and re.fullmatch(tolerated, stderr):
        stderr = ""
    assert (stderr, done.returncode) == ("", 0)
    return done.stdout.split(split)


HANGING = """
import atexit, logging
logging.disable()  # of what hangs

class Hanging(BatchRecorder):
    def send(self, spans):
        time.sleep(HOW_LONG)
        raise OSError("it hangs")

def make(kind):
    return kind(interval=60, exit_timeout=3)

def last():
    print("late" if time.monotonic() - start > LIMIT else "in-time")

atexit.register(last)
# Closed in any order: there are several that hang, and several that do not.
recorders = [make(kind) for kind in (Hanging, Printing) * 3]

def use():
    for recorder in recorders:
        BasicTracer(recorder).start_span("sent").finish()
"""


def test_at_exit_backends_that_hang_take_the_time_of_one() -> None:
    """What the others have queued is sent meanwhile."""
    script = HANGING.replace("LIMIT", "6").replace("HOW_LONG", "60")
    assert run(script + "use()\nstart = time.monotonic()\n") == ["sent", "sent", "sent", "in-time"]


@pytest.mark.long
def test_at_exit_a_backend_that_hangs_leaves_the_others_their_time() -> None:
    """Also where no thread can be started, as in exit handlers of Python 3.12."""
    script = """
import _thread

def use_without_threads():
    def start_new_thread(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    _thread.start_new_thread = start_new_thread
    use()

atexit.register(use_without_threads)
start = time.monotonic()
"""
    hanging = HANGING.replace("LIMIT", "15").replace("HOW_LONG", "self.send_timeout")
    assert run(hanging + script) == ["sent", "sent", "sent", "in-time"]


# Not by joining it: threading in Python 3.9 stumbles over that now and then.
WAIT_FOR_THE_END_OF_MAIN = """
def wait_for_the_end_of_main():
    main = threading.main_thread().ident
    def functions(frame):
        while frame is not None:
            yield frame.f_code.co_name
            frame = frame.f_back
    while "_shutdown" not in functions(sys._current_frames()[main]):
        time.sleep(0.01)
    time.sleep(0.1)
"""


def test_exit_sends_what_is_queued() -> None:
    """Also what non-daemon threads and later exit handlers record."""
    script = (
        WAIT_FOR_THE_END_OF_MAIN
        + """
import atexit
recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
atexit.register(record, "handler")
def late():
    wait_for_the_end_of_main()
    record("thread")
threading.Thread(target=late).start()
record("main")
"""
    )
    assert sorted(run(script)) == ["handler", "main", "thread"]


def test_exit_sends_what_was_first_recorded_when_no_thread_can_start() -> None:
    """From Python 3.12, none can when the main thread is at its end."""
    script = (
        WAIT_FOR_THE_END_OF_MAIN
        + """
recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
def late():
    wait_for_the_end_of_main()
    record("late")
threading.Thread(target=late).start()
"""
    )
    assert run(script) == ["late"]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_is_no_exception_ends_no_worker(error: BaseException) -> None:
    """The batch is tried again, as after any failure, and counted failed in the end."""
    recorder = Scripted(error, error, None, attempts=2)
    recorder.record(3)
    assert not recorder.flush(_LONG)
    recorder.record(2)
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(recorded=5, sent=2, dropped=0, failed=3, queued=0)
    assert recorder.close(_LONG) is False


def test_an_interrupt_goes_through_a_flush_that_sends_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no thread can be started, it is the application's thread that is interrupted."""
    monkeypatch.setattr("_thread.start_new_thread", mock.Mock(side_effect=RuntimeError))
    recorder = Scripted(KeyboardInterrupt())
    recorder.record(1)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush(_LONG)
    assert recorder.flush(_LONG)
    assert recorder.stats == Stats(recorded=1, sent=1, dropped=0, failed=0, queued=0)


def test_exit_waits_no_longer_than_its_limit() -> None:
    """A `send` that hangs, several recorders or a backend that is down do not hold it up."""
    script = """
import logging
logging.getLogger("opentracing_recorder").addHandler(logging.NullHandler())
class Hanging(BatchRecorder):
    def send(self, spans):
        time.sleep(600)
class Down(BatchRecorder):
    def send(self, spans):
        raise OSError
kept = []
for kind in (Hanging, Down, Hanging, Down):
    kept.append(BasicTracer(kind(exit_timeout=0.5)))
    kept[-1].start_span("x").finish()
"""
    start = time.monotonic()
    assert run(script) == []
    assert time.monotonic() - start < 20


def test_a_dead_backend_costs_an_unconfigured_program_two_lines() -> None:
    """Without any logging configured, Python shows warnings: what went wrong, and what was lost."""
    script = """
class Down(BatchRecorder):
    def send(self, spans):
        raise OSError("no route")
recorder = Down(exit_timeout=0.3, interval=0.05)
for number in range(3):
    BasicTracer(recorder).start_span("x").finish()
os.dup2(1, 2)
"""
    lines = run(script, split="\n")[:-1]
    assert [line.partition(":")[0] for line in lines] == [
        "Down",
        "Down was closed before 3 spans were sent",
    ]
    assert "OSError: no route" in lines[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_clean() -> None:
    """It sends its own spans and none of the parent's, which the parent sends, each once."""
    script = """
class Forking(Printing):
    def forked(self):
        os.write(1, b"forked\\n")
recorder = Forking(interval=60)
tracer = BasicTracer(recorder)
record("parent1", "parent2")
pid = os.fork()
if pid == 0:
    assert recorder.stats == Stats(0, 0, 0, 0, 0)
    record("child")
    assert recorder.flush(10)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert recorder.stats.queued == 2
assert recorder.flush(10)
assert recorder.stats == Stats(2, 2, 0, 0, 0)
"""
    assert run(script) == ["forked", "child", "parent1", "parent2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_under_load_lose_and_double_nothing() -> None:
    """While threads record and the worker sends, children come and go."""
    script = """
recorder = Printing(interval=0.001, batch_size=7, queue_size=100_000)
tracer = BasicTracer(recorder)
def load(thread):
    for number in range(1000):
        record(f"p-{thread}-{number}")
threads = [threading.Thread(target=load, args=(each,)) for each in range(4)]
for thread in threads:
    thread.start()
children = []
for child in range(8):
    pid = os.fork()
    if pid == 0:
        record(*(f"c-{child}-{number}" for number in range(50)))
        os._exit(0 if recorder.flush(30) and recorder.stats == Stats(50, 50, 0, 0, 0) else 1)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
for thread in threads:
    thread.join()
assert recorder.flush(30)
"""
    names = run(script)
    assert len(names) == len(set(names)) == 4000 + 8 * 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_do_not_come_back_at_the_same_moments() -> None:
    """The random part of their pauses differs: a busy backend is not met by all at once."""
    script = """
from opentracing_recorder.batch_worker import _jitter
for child in range(4):
    pid = os.fork()
    if pid == 0:
        os.write(1, f"{_jitter.random()}\\n".encode())
        os._exit(0)
    os.waitpid(pid, 0)
"""
    assert len(set(run(script))) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_from_c_starts_clean() -> None:
    """Python's hooks do not run there; a trace that begins in the child makes up for them."""
    script = """
import ctypes, time
recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
record("parent")
time.sleep(0.5)  # a thread that is not asleep may hold the interpreter's own locks at the fork
pid = ctypes.CDLL(None).fork()
if pid == 0:
    record("child")
    assert recorder.stats == Stats(1, 0, 0, 0, 1)
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
assert recorder.flush(10)
"""
    assert run(script) == ["child", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_closed_recorder_is_closed_in_a_child_too() -> None:
    """It takes nothing there."""
    script = """
recorder = Printing()
tracer = BasicTracer(recorder)
recorder.close()
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.stats == Stats(1, 0, 1, 0, 0) and recorder.close() else 1)
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(script) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_multiprocessing_sends_at_its_end() -> None:
    """Such a child ends without the interpreter's exit handlers."""
    script = """
import multiprocessing
recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
record("parent")
child = multiprocessing.get_context("fork").Process(target=record, args=("child",))
child.start()
child.join()
"""
    assert run(script) == ["child", "parent"]


@pytest.mark.parametrize("used_before", [True, False])
def test_under_gevent_that_patches_late(used_before: bool) -> None:
    """A recorder that was made before, and perhaps used, holds up no greenlet.

    So it is in the workers of ``gunicorn --preload -k gevent``.
    """
    pytest.importorskip("gevent")
    used = "record('before')\nassert recorder.flush(10)\n" if used_before else ""
    script = f"""
recorder = Printing(interval=0.02)
tracer = BasicTracer(recorder)
{used}
from gevent import monkey
monkey.patch_all()
import gevent
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        gevent.sleep(0.001)
ticking = gevent.spawn(tick)
record("first")
gevent.sleep(0.01)
assert recorder.flush(10)
record("second")
while recorder.stats.queued:
    gevent.sleep(0.001)
time.sleep(0.1)
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
gevent.joinall([gevent.spawn(record, "greenlet") for _ in range(3)])
assert recorder.flush(10)
assert len(ticks) > 10
ticking.kill()
record("last")
assert recorder.close(10)
"""
    expected = ["child", "first", *["greenlet"] * 3, "last", "second"]
    names = run(script, tolerated=_GEVENTS_HOOK if used_before else "")
    assert sorted(names) == (["before"] if used_before else []) + expected


@pytest.mark.parametrize("patched_first", [True, False])
def test_under_gevent(patched_first: bool) -> None:
    """The worker is a greenlet; whether patching or importing came first makes no difference."""
    pytest.importorskip("gevent")
    patch = "from gevent import monkey\nmonkey.patch_all()\n"
    script = """
import gevent
class Slow(Printing):
    def send(self, spans):
        time.sleep(0.01)
        super().send(spans)
recorder = Slow(interval=0.01, batch_size=10, queue_size=10_000)
tracer = BasicTracer(recorder)
def work(number):
    for each in range(20):
        record(f"{number}-{each}")
        gevent.sleep(0)
gevent.joinall([gevent.spawn(work, number) for number in range(20)])
assert recorder.flush(20)
assert recorder.stats == Stats(400, 400, 0, 0, 0)
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
record("last")
"""
    prelude = patch + _PRELUDE if patched_first else _PRELUDE + patch
    names = run(script, prelude)
    assert len(names) == len(set(names)) == 402


@pytest.mark.parametrize("package", ["multiprocessing", "multiprocess", "billiard"])
@pytest.mark.parametrize("stand_in", [types.ModuleType, lambda name: None, mock.MagicMock])
def test_a_package_for_processes_that_is_half_imported(
    package: str, stand_in: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or something with its name: no span is lost over the question whether this is its child."""
    monkeypatch.setattr(_process, "_covered_child", None)
    for name in (package, f"{package}.util", f"{package}.process"):
        monkeypatch.setitem(sys.modules, name, stand_in(name))
    recorder = backend()
    recorder.record()
    assert recorder.flush(_LONG)
    assert recorder.stats.sent == 1
