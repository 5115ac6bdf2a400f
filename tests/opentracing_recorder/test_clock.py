"""The clock of a span's times: `time.time`, also while a test replaces it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from freezegun import freeze_time

from opentracing.mocktracer import MockTracer
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    InMemoryRecorder,
    LogData,
    RateLimitingSampler,
    Recorder,
)
from opentracing_recorder._clock import system

tracers = pytest.mark.parametrize(
    "make_tracer", [lambda: BasicTracer(InMemoryRecorder()), MockTracer], ids=["basic", "mock"]
)


def times_of(span: Any) -> tuple[float, float, float]:
    return span.start_time, span.logs[0].timestamp, span.duration


@tracers
def test_a_replaced_clock_gives_every_time_of_a_span(make_tracer: Callable[[], Any]) -> None:
    """Start, logs and end each read it once, as in 2.4; the duration is the time between."""
    with mock.patch("time.time", side_effect=[10.0, 11.0, 12.5]) as clock:
        span = make_tracer().start_span("x")
        span.log_kv({"event": "e"}).finish()
    assert times_of(span) == (10.0, 11.0, 2.5)
    assert clock.call_count == 3
    assert getattr(span, "finish_time", 12.5) == 12.5


@tracers
def test_a_clock_may_be_replaced_for_single_calls(make_tracer: Callable[[], Any]) -> None:
    """Each call reads the clock that is set at that moment."""
    with mock.patch("time.time", return_value=10.0):
        span = make_tracer().start_active_span("x").span
    with mock.patch("time.time", return_value=11.0):
        span.log_kv({"event": "e"})
    with mock.patch("time.time", return_value=12.5):
        span.finish()
    assert times_of(span) == (10.0, 11.0, 2.5)


def test_a_span_is_measured_by_the_clock_that_it_started_with() -> None:
    """A later replacement does not change the duration in BasicTracer; in MockTracer it does."""
    basic, mocked = BasicTracer().start_span("x"), MockTracer().start_span("x")
    with mock.patch("time.time", return_value=mocked.start_time + 5):
        basic.finish()
        mocked.finish()
    assert 0 <= basic.duration < 4
    assert mocked.finish_time == mocked.start_time + 5
    assert mocked.duration == pytest.approx(5)


@tracers
def test_explicit_times_are_kept_beside_a_replaced_clock(make_tracer: Callable[[], Any]) -> None:
    """The clock gives only those times that the application does not."""
    with mock.patch("time.time", return_value=10.0):
        span = make_tracer().start_span("x", start_time=7.0)
        span.log_kv({}, 8.0).finish()
    assert times_of(span) == (7.0, 8.0, 3.0)


def test_a_log_made_apart_reads_the_clock() -> None:
    """`LogData` is public, and test suites make their own."""
    with mock.patch("time.time", return_value=10.0):
        assert LogData({}).timestamp == 10.0


@tracers
def test_a_frozen_clock_moves_as_the_test_says(make_tracer: Callable[[], Any]) -> None:
    """freezegun also replaces the names in modules."""
    with freeze_time("2020-01-01") as frozen:
        start = time.time()
        span = make_tracer().start_span("x")
        frozen.tick(1)
        span.log_kv({"event": "e"})
        frozen.tick(1.5)
        span.finish()
    assert times_of(span) == (start, start + 1, 2.5)


def test_a_span_may_begin_or_end_beyond_a_freeze() -> None:
    """A span is measured on the clock that it started with, including the monotonic one."""
    tracer = BasicTracer()
    outer = tracer.start_span("outer")
    with freeze_time("2020-01-01"):
        frozen = tracer.start_span("frozen")
        outer.finish()
    frozen.finish()
    after = tracer.start_span("after")
    after.finish()
    assert 0 <= outer.duration < 60
    assert frozen.duration == pytest.approx(time.time() - frozen.start_time, abs=60)
    assert 0 <= after.duration < 60


@tracers
@pytest.mark.parametrize(
    "clock",
    [
        mock.Mock(),
        mock.Mock(side_effect=StopIteration),
        mock.Mock(return_value=float("nan")),
        mock.Mock(return_value="soon"),
    ],
    ids=["a mock", "raises", "nan", "text"],
)
def test_a_clock_that_gives_no_time_is_not_used(
    make_tracer: Callable[[], Any], clock: mock.Mock
) -> None:
    """The system's clock is read instead: tracing does not raise."""
    before = time.time()
    with mock.patch("time.time", clock):
        span = make_tracer().start_span("x")
        span.log_kv({"event": "e"}).finish()
    start, logged, duration = times_of(span)
    assert before <= start <= logged <= time.time()
    assert 0 <= duration < 60


# Code on the monotonic clock, which freezegun replaces too, with one that may be decades ahead.


def test_a_rate_holds_again_after_a_freeze() -> None:
    """A sampler does not wait until the system's clock reaches the frozen time."""
    sampler = RateLimitingSampler(1)
    assert sampler.sampled(1, "x")
    with freeze_time("2100-01-01"):
        assert sampler.sampled(2, "x")
    with mock.patch("time.monotonic", side_effect=[100.0, 101.0]):
        assert [sampler.sampled(3, "x"), sampler.sampled(4, "x")] == [False, True]


class Failing(Recorder):
    def record_span(self, span: BasicSpan) -> None:
        raise OSError("disk full")


def test_failures_are_reported_again_after_a_freeze(caplog: pytest.LogCaptureFixture) -> None:
    """The minute between two reports ends when the clock is set back."""
    tracer = BasicTracer(Failing())
    with freeze_time("2100-01-01"):
        tracer.start_span("x").finish()
        tracer.start_span("x").finish()
    tracer.start_span("x").finish()
    reported = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert ["times" in each for each in reported] == [False, True]
    assert "(2 times" in reported[1]


@pytest.mark.needs_os
def test_a_batch_is_sent_again_while_the_clock_stands_still() -> None:
    """The pause before the next attempt ends nevertheless."""
    sent = threading.Event()

    class FailingOnce(BatchRecorder):
        def send(self, spans: list[BasicSpan]) -> None:  # type: ignore[override]
            if not failed:
                failed.append(True)
                raise OSError("no route")
            sent.set()

    failed: list[bool] = []
    recorder = FailingOnce(interval=0.01)
    with freeze_time("2020-01-01"):
        BasicTracer(recorder).start_span("x").finish()
        assert sent.wait(10)
    assert recorder.close(10)


def test_a_duration_is_not_negative_when_the_clock_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The span counts as finished nevertheless, and accepts no more tags."""
    readings = iter((86_400.0, 0.0))
    monkeypatch.setattr(system, "perf_counter", lambda: next(readings))
    recorder = InMemoryRecorder()
    span = BasicTracer(recorder).start_span("x")
    span.finish()
    assert (span.duration, span.finished) == (0.0, True)
    assert recorder.spans == [span]
