"""BatchRecorder: every span is accounted for, the application never waits, every wait ends."""

from __future__ import annotations

import contextvars
import gc
import logging
import re
import threading
import time
from collections.abc import Container, Iterator, Sequence
from itertools import count
from typing import Any
from unittest import mock

import pytest

from opentracing import Format, Scope, ScopeManager, Span
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchTooLarge,
    Rejected,
    SendError,
    SpanRejected,
    Stats,
    Unavailable,
)
from opentracing_recorder._batch_retry import Undelivered

from ..threads import on_threads
from .scripted import LONG, Backend, Scripted, texts, wait_until

pytestmark = pytest.mark.needs_os


# What is sent, and when.


def test_spans_are_sent_in_order_and_once(backend: Backend) -> None:
    """Spans arrive in the order recorded, in batches of the size asked for."""
    recorder = backend(batch_size=4, interval=60)
    spans = recorder.record(10)
    assert recorder.flush(LONG)
    assert recorder.accepted == spans
    assert recorder.sizes() == [4, 4, 2]
    assert recorder.stats == Stats(10, 10, 0, 0, 0)


def test_a_full_batch_does_not_wait(backend: Backend) -> None:
    """It is sent as soon as it is full, whatever the interval."""
    recorder = backend(batch_size=3, interval=60)
    recorder.record(3)
    recorder.wait_for_send()
    assert recorder.sizes() == [3]


def test_a_part_of_a_batch_is_sent_after_the_interval(backend: Backend) -> None:
    """It is sent then and not before, without another span or a flush."""
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
    assert recorder.flush(LONG)
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
    """A list of threads shows its purpose, and no exit waits for it."""
    seen: list[threading.Thread] = []
    recorder = backend(lambda spans: seen.append(threading.current_thread()))
    recorder.record()
    assert recorder.flush(LONG)
    assert seen[0].name == "opentracing-batch-recorder"
    assert seen[0].daemon


def test_reports_are_not_traced(backend: Backend) -> None:
    """Spans of an instrumented client in `send` are not sampled, and the request says so."""
    headers: list[dict[str, str]] = []

    def report(spans: Sequence[BasicSpan]) -> None:
        headers.append({})
        with recorder.tracer.start_active_span("POST") as scope:
            recorder.tracer.inject(scope.span.context, Format.HTTP_HEADERS, headers[-1])

    recorder = backend(report)
    recorder.record()
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)
    assert [each["ot-tracer-sampled"] for each in headers] == ["false"]


def test_reports_are_not_traced_by_any_tracer_of_the_recorder(backend: Backend) -> None:
    """Tracing is off for all of them, also for one that did not make the first span."""

    def report(spans: Sequence[BasicSpan]) -> None:
        for span in spans:
            span.tracer.start_span("POST").finish()

    recorder = backend(report)
    recorder.record()
    BasicTracer(recorder).start_span("of another tracer").finish()
    recorder.flush(LONG)
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


def test_nothing_stays_active_after_a_report() -> None:
    """After a `send` that succeeds or fails, a finalizer on the worker's thread starts traces."""
    seen: list[Any] = []

    class Watching(Scripted):
        def release(self) -> None:
            seen.append(self.tracer.active_span)

    recorder = Watching(OSError(), None)
    recorder.record()
    assert recorder.close(LONG)
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
    assert recorder.flush(LONG)
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
        assert recorder.flush(LONG)
    finally:
        gc.enable()
    assert recorder.flush(LONG)
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
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(4, 4, 0, 0, 0)


# The count.


@pytest.mark.threads
def test_all_spans_of_many_threads_are_counted(backend: Backend) -> None:
    """100,000 spans from 8 threads: each is sent once, and the count says so."""
    recorder = backend(queue_size=100_000)
    on_threads(lambda: recorder.record(12_500))
    assert recorder.flush(60)
    assert recorder.stats == Stats(100_000, 100_000, 0, 0, 0)
    assert len({span.context.span_id for span in recorder.accepted}) == 100_000
    assert len(recorder.accepted) == 100_000


@pytest.mark.threads
def test_every_fate_is_counted_under_load(backend: Backend) -> None:
    """Sent, failed, dropped: the sum is what was recorded, and sent is what the backend has."""
    answers = [None, Rejected("no"), 1, BatchTooLarge()] * 100
    recorder = backend(*answers, queue_size=300, batch_size=50)
    on_threads(lambda: recorder.record(2000))
    recorder.flush(LONG)
    stats = recorder.stats
    assert stats.recorded == 16_000 == stats.sent + stats.dropped + stats.failed
    assert min(stats.sent, stats.dropped, stats.failed) > 0
    assert stats.queued == 0


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
    assert [text.split(" since")[0] for text in texts] == [
        "Scripted dropped spans, 1",
        "Scripted dropped spans, 3",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    recorder.gate.set()
    assert not recorder.flush(LONG)
    assert recorder.accepted == spans[:5]
    assert recorder.stats == Stats(9, 5, 4, 0, 0)


def test_a_clock_that_goes_back_delays_no_batch(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is sent after `interval`, and again after the pause, however the clock jumps."""
    clock = count(1e6, -1000.0)
    monkeypatch.setattr("opentracing_recorder._batch_worker.monotonic", lambda: next(clock))
    recorder = backend(OSError("no route"), interval=0.05)
    spans = recorder.record(1)
    for _ in range(2):
        assert recorder.entered.acquire(timeout=LONG)
    assert recorder.flush(LONG)
    assert recorder.accepted == spans


# What goes wrong.


@pytest.mark.parametrize("error", [Unavailable("503"), ConnectionRefusedError("no"), KeyError("x")])
def test_a_failed_batch_is_sent_again(backend: Backend, error: Exception) -> None:
    """Until the backend accepts it: no span is lost, none comes twice."""
    recorder = backend(error, error, error, error)
    spans = recorder.record(3)
    assert recorder.flush(LONG)
    assert recorder.accepted == spans
    assert recorder.batches == [spans] * 5
    assert recorder.stats == Stats(3, 3, 0, 0, 0)


def test_a_batch_is_given_up_after_its_attempts(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """Its spans count as failed, the next batch is sent, and the failure is logged once."""
    recorder = backend(*[OSError("no route")] * 3, attempts=3, batch_size=2, interval=0.1)
    spans = recorder.record(3)
    assert not recorder.flush(LONG)
    assert recorder.sizes() == [2, 2, 2, 1]
    assert recorder.accepted == spans[2:]
    assert recorder.stats == Stats(3, 1, 0, 2, 0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert texts(caplog)[0] == (
        "Scripted: a batch of 2 spans failed, and is tried again: OSError: no route"
    )


def test_a_rejected_batch_is_not_sent_again(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as failed; its message is in the log, once a minute."""
    answers = [Rejected("400: bad span"), Rejected("400: again")]
    recorder = backend(*answers, batch_size=2, interval=60)
    spans = recorder.record(6)
    assert not recorder.flush(LONG)
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
    assert not recorder.flush(LONG)
    assert [span.tags["size"] for span in recorder.accepted] == [1] * 8
    assert recorder.sizes() == [9, 4, 5, 2, 1, 1, 3]
    assert recorder.stats == Stats(9, 8, 0, 1, 0)
    assert "413" in caplog.text
    recorder.close()


class Refusing(Scripted):
    """Refuses batches that hold a span with the tag ``bad``, by raising `error`."""

    error: Exception = SpanRejected("400: no such tag")

    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        if any("bad" in span.tags for span in spans):
            self.batches.append(list(spans))
            raise self.error
        return super().send(spans)

    def record_all(self, bad: Container[int], number: int = 512) -> list[BasicSpan]:
        """Records spans, the `bad` ones by their number; returns the good ones."""
        good = []
        for each in range(number):
            is_bad = each in bad
            span = self.tracer.start_span(f"{each}", tags={"bad": 1} if is_bad else None)
            span.finish()
            if not is_bad:
                good.append(span)
        return good


@pytest.mark.parametrize("bad", [{0}, {300}, {511}, {7, 8, 500}], ids=str)
def test_a_refused_span_costs_no_other(bad: set[int], caplog: pytest.LogCaptureFixture) -> None:
    """A refused batch is halved until each span that is refused stands alone; the log names it."""
    recorder = Refusing(interval=60)
    good = recorder.record_all(bad)
    assert not recorder.flush(LONG)
    assert recorder.accepted == good
    assert recorder.stats == Stats(512, len(good), 0, len(bad), 0)
    assert len(recorder.batches) < 1 + 20 * len(bad)
    first = min(bad)
    (text,) = texts(caplog)
    assert re.fullmatch(
        rf"Refusing: the span '{first}' \([0-9a-f:]+\) was rejected, and is lost:"
        r" SpanRejected: 400: no such tag",
        text,
    )
    recorder.close()


def test_a_backend_that_refuses_every_span_is_asked_for_each_in_one_batch_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Such as one behind a wrong URL; when it accepts a span again, batches are halved again."""
    recorder = Refusing(interval=60, batch_size=16, queue_size=100)
    recorder.record_all(range(48), 48)
    assert not recorder.flush(LONG)
    assert len(recorder.batches) == 31 + 2
    assert recorder.stats == Stats(48, 0, 0, 48, 0)
    recorder.record_all((), 1)
    assert recorder.flush(LONG)
    good = recorder.record_all({5}, 16)
    assert not recorder.flush(LONG)
    assert recorder.accepted[1:] == good
    assert recorder.stats == Stats(65, 16, 0, 49, 0)
    assert len(caplog.records) == 1
    recorder.close()


@pytest.mark.parametrize("bad", [{0}, {1}, {300}, {511}, {7, 100, 500}], ids=str)
def test_a_span_that_fails_without_a_reason_costs_no_other(
    bad: set[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is halved after failures that nobody explains; a span that fails alone is lost."""
    monkeypatch.setattr("opentracing_recorder._batch_retry._LONGEST_PAUSE", 0.001)
    recorder = Refusing(interval=60, attempts=20)
    recorder.error = Undelivered("could not deliver")
    good = recorder.record_all(bad)
    wait_until(lambda: recorder.stats.queued == 0)
    assert recorder.accepted == good
    assert recorder.stats == Stats(512, len(good), 0, len(bad), 0)
    assert len(recorder.batches) < 50 * len(bad)
    assert [text for text in texts(caplog) if f"the span '{min(bad)}' (" in text]
    assert len(caplog.records) <= 2
    recorder.close()


def test_an_outage_without_a_reason_loses_a_batch_after_its_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its parts are no more attempts, but for one of each that is left; the next batch has all."""
    monkeypatch.setattr("opentracing_recorder._batch_retry._LONGEST_PAUSE", 0.001)
    recorder = Refusing(interval=60, attempts=20)
    recorder.error = Undelivered("could not deliver")
    recorder.record_all(range(512), 512)
    wait_until(lambda: recorder.stats.queued == 0)
    assert recorder.stats == Stats(512, 0, 0, 512, 0)
    assert recorder.sizes()[:13] == [512, 512, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1]
    assert len(recorder.batches) == 20 + 9
    good = recorder.record_all({0}, 2)
    assert not recorder.flush(LONG)
    assert recorder.accepted == good
    recorder.close()


def test_an_outage_without_a_reason_loses_nothing_within_the_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The batch that was halved meanwhile arrives in parts, each span once."""
    monkeypatch.setattr("opentracing_recorder._batch_retry._LONGEST_PAUSE", 0.001)
    recorder = Refusing(*[Undelivered("could not deliver")] * 19, interval=60, attempts=20)
    good = recorder.record_all((), 512)
    wait_until(lambda: recorder.stats.queued == 0)
    assert recorder.accepted == good
    assert recorder.stats == Stats(512, 512, 0, 0, 0)
    recorder.close()


def test_a_number_that_send_returns_is_counted_as_failed(backend: Backend) -> None:
    """That many spans could not be encoded; the rest of the batch counts as sent."""
    recorder = backend(2)
    recorder.record(5)
    assert not recorder.flush(LONG)
    assert recorder.stats == Stats(5, 3, 0, 2, 0)


@pytest.mark.parametrize("answer", [True, "202 Accepted", -1, 9])
def test_anything_else_that_send_returns_ends_no_worker(backend: Backend, answer: Any) -> None:
    """A reply of the backend is no number of spans; a wrong number is bounded."""
    recorder = backend(answer)
    recorder.record(5)
    failed = 5 if answer == 9 else 0
    assert recorder.flush(LONG) is (failed == 0)
    assert recorder.stats == Stats(5, 5 - failed, 0, failed, 0)


class Encoding(Scripted):
    """Sends the names of spans; `errors` are raised by the encoder for spans of these names."""

    def __init__(self, errors: dict[str, BaseException], *script: Any, **options: Any) -> None:
        super().__init__(*script, **options)
        self.errors = errors
        self.names: list[str] = []

    def send(self, spans: Sequence[BasicSpan]) -> None:
        names = self.encode_each(spans, self.encode)
        super().send(spans)
        self.names += names

    def encode(self, span: BasicSpan) -> str:
        if span.operation_name in self.errors:
            raise self.errors[span.operation_name]
        return span.operation_name


class Panic(BaseException):
    """As an encoder written in Rust raises it."""


def test_encode_each_leaves_out_spans_that_cannot_be_encoded() -> None:
    """They count as failed; the others are sent, in order."""
    recorder = Encoding({"1": ValueError("no"), "3": Panic()})
    recorder.record(5)
    assert not recorder.flush(LONG)
    assert recorder.names == ["0", "2", "4"]
    assert recorder.stats == Stats(5, 3, 0, 2, 0)
    assert not recorder.close()


def test_encode_each_counts_a_span_once_however_often_its_batch_is_sent() -> None:
    """After failed attempts, and after the batch was halved."""
    recorder = Encoding({"1": ValueError("no")}, OSError(), BatchTooLarge(), interval=0.001)
    recorder.record(4)
    assert not recorder.flush(LONG)
    assert recorder.names == ["0", "2", "3"]
    assert recorder.stats == Stats(4, 3, 0, 1, 0)
    assert recorder.batches[-1] != recorder.batches[0]


def test_a_span_that_cannot_be_encoded_is_logged_at_debug_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has its traceback, and no higher level."""
    caplog.set_level(logging.DEBUG, "opentracing_recorder")
    recorder = Encoding({"0": ValueError("no")})
    recorder.record(2)
    recorder.flush(LONG)
    assert texts(caplog) == ["Encoding: cannot encode a span"]
    assert caplog.records[0].levelno == logging.DEBUG
    assert "in encode" in logging.Formatter().format(caplog.records[0])


def test_encode_each_raises_an_interrupt_of_the_applications_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If no thread can be started, `flush` sends on the thread that calls it."""
    monkeypatch.setattr("_thread.start_new_thread", mock.Mock(side_effect=RuntimeError))
    recorder = Encoding({"1": KeyboardInterrupt()})
    recorder.record(2)
    with pytest.raises(KeyboardInterrupt):
        recorder.flush(LONG)
    recorder.errors.clear()
    assert recorder.flush(LONG)
    assert recorder.names == ["0", "1"]
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


@pytest.mark.parametrize("kind", [Rejected, BatchTooLarge, SpanRejected, Unavailable])
def test_send_error_is_the_base_of_all_that_send_raises(kind: type[SendError]) -> None:
    """A backend that wraps another one lets it through with one `except`."""
    assert issubclass(kind, SendError)


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
    """No span in the queue is lost meanwhile; here one second stands for a hundred."""
    monkeypatch.setattr("opentracing_recorder._batch_retry._LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("opentracing_recorder._batch_retry._jitter.uniform", lambda low, high: low)
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
    monkeypatch.setattr("opentracing_recorder._batch_retry._LONGEST_PAUSE", 0.0)
    recorder = backend(*[OSError()] * 800, attempts=1000)
    recorder.record()
    assert recorder.flush(60)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)


def test_each_part_of_a_batch_has_all_attempts(backend: Backend) -> None:
    """The attempts of one half do not count for the other."""
    recorder = backend(BatchTooLarge(), OSError(), None, OSError(), attempts=2, interval=0.01)
    recorder.record(2)
    assert recorder.flush(LONG)
    assert recorder.stats == Stats(2, 2, 0, 0, 0)


# Flush.


def test_flush_cuts_a_pause_short(backend: Backend) -> None:
    """It does not wait for what the backend asked for, nor for the interval."""
    recorder = backend(Unavailable("429", retry_after=60), interval=60)
    recorder.record(1)
    assert not recorder.flush(0.5)  # the first attempt
    start = time.monotonic()
    assert recorder.flush(LONG)
    assert time.monotonic() - start < LONG / 2
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
    assert recorder.flush(LONG)


def test_flush_does_not_wait_for_what_comes_later(backend: Backend) -> None:
    """It waits only for spans recorded before the call."""
    late = threading.Event()
    recorder = backend(None, lambda spans: late.wait(LONG) and None, batch_size=1, interval=60)
    recorder.gate.clear()
    recorder.record()
    recorder.wait_for_send()
    results: list[bool] = []
    flusher = threading.Thread(target=lambda: results.append(recorder.flush(LONG)))
    flusher.start()
    while not recorder._worker.queue.waiters:
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
    assert [recorder.flush(LONG) for _ in range(2)] == [False, True]
    recorder.record()
    assert recorder.flush(LONG)
    assert not recorder.close()


@pytest.mark.threads
def test_many_flushes_at_once_all_return(backend: Backend) -> None:
    """Flushes on several threads return while other threads record."""
    recorder = backend(queue_size=10_000, interval=60)
    results: list[bool] = []

    def run() -> None:
        for _ in range(20):
            recorder.record(3)
            results.append(recorder.flush(LONG))

    on_threads(run)
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
    """Later spans are refused, and every call returns the same."""
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
    recorder = backend(batch_size=2, interval=60)
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
    recorder = backend(batch_size=2, interval=60)
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
    """The spans count as dropped, also if nothing was sent and no thread works."""
    recorder = backend(interval=60)
    recorder.record(3)
    assert not recorder.close(0)
    assert recorder.stats == Stats(3, 0, 3, 0, 0)


def test_while_it_closes_what_is_left_is_queued(backend: Backend) -> None:
    """It may yet be sent in time."""
    seen: list[Stats] = []
    recorder = backend(lambda spans: seen.append(recorder.stats), batch_size=2, interval=60)
    recorder.record(3)
    assert recorder.close(LONG)
    assert seen == [Stats(3, 0, 0, 0, 3)]
    assert recorder.stats == Stats(3, 3, 0, 0, 0)


def test_close_says_how_many_spans_were_left(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    """The number is logged once, since the result of the call at exit is not seen."""
    recorder = backend(batch_size=2)
    recorder.gate.clear()
    recorder.record(5)
    recorder.close(0.1)
    recorder.close(0.1)
    assert [record.getMessage() for record in caplog.records] == [
        "Scripted was closed before 5 spans were sent"
    ]


def test_close_ends_in_time_during_a_pause(backend: Backend) -> None:
    """Spans that could not be sent in time are dropped."""
    recorder = backend(*[Unavailable("503", retry_after=60)] * 9)
    recorder.record(2)
    recorder.wait_for_send()
    start = time.monotonic()
    assert not recorder.close(0.3)
    assert time.monotonic() - start < 2
    assert recorder.stats == Stats(2, 0, 2, 0, 0)
    wait_until(lambda: recorder.released == 1)


def test_a_flush_that_a_close_overtakes_says_that_spans_were_lost(backend: Backend) -> None:
    """A flush fails if `close` drops its spans; the next flush succeeds."""
    recorder = backend(OSError("down"), interval=60)
    recorder.gate.clear()
    recorder.record(2)
    results: list[bool] = []
    flusher = threading.Thread(target=lambda: results.append(recorder.flush(LONG)))
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
    """All calls return the same, and the backend is released once."""
    recorder = backend()
    recorder.record(10)
    results: list[bool] = []
    on_threads(lambda: results.append(recorder.close()))
    assert results == [True] * 8
    assert recorder.released == 1


@pytest.mark.threads
def test_spans_that_finish_while_it_closes_are_counted(backend: Backend) -> None:
    """Each span counts as sent or as dropped."""
    recorder = backend(queue_size=100_000)
    closer = threading.Timer(0.01, recorder.close)
    closer.start()
    on_threads(lambda: recorder.record(2000))
    closer.join()
    stats = recorder.stats
    assert stats.recorded == 16_000
    assert stats.sent == len(recorder.accepted)
    assert stats.queued == 0


@pytest.mark.parametrize("method", ["flush", "close"])
def test_without_a_thread_the_caller_sends(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """If no thread can be started, recording, `flush` and `close` work on the caller's."""

    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    recorder = backend(OSError(), batch_size=2)
    spans = recorder.record(5)
    assert recorder.stats == Stats(5, 0, 0, 0, 5)
    assert getattr(recorder, method)(LONG)
    assert recorder.accepted == spans
    assert recorder.stats == Stats(5, 5, 0, 0, 0)


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
