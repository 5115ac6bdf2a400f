"""Samplers, and when they are asked."""

from __future__ import annotations

import logging
from typing import Any
from unittest import mock

import pytest

from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    InMemoryRecorder,
    PerOperationSampler,
    ProbabilisticSampler,
    RateLimitingSampler,
    Sampler,
)


def test_samplers_decide() -> None:
    """Constant, by rate of ids, by rate of time, by operation."""
    assert ConstSampler(True).sampled(1, "x")
    assert not ConstSampler(False).sampled(1, "x")
    half = ProbabilisticSampler(0.5)
    assert half.sampled(2**63 - 1, "x")
    assert not half.sampled(2**63, "x")
    assert half.sampled(1 << 100, "x")
    assert not ProbabilisticSampler(0).sampled(0, "x")
    assert ProbabilisticSampler(1).sampled(2**64 - 1, "x")
    chosen = PerOperationSampler(ConstSampler(False), {"pay": ConstSampler(True)})
    assert chosen.sampled(1, "pay")
    assert not chosen.sampled(1, "other")


def test_rate_limiting_sampler_refills(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one second's worth at once, then as time goes by."""
    now = [50.0]
    monkeypatch.setattr("opentracing_recorder.sampler.time.monotonic", lambda: now[0])
    sampler = RateLimitingSampler(2)
    assert [sampler.sampled(1, "x") for _ in range(3)] == [True, True, False]
    now[0] += 0.5
    assert [sampler.sampled(1, "x") for _ in range(2)] == [True, False]
    assert not RateLimitingSampler(0).sampled(1, "x")
    slow = RateLimitingSampler(0.5)
    assert [slow.sampled(1, "x") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ConstSampler(1), "decision"),  # type: ignore[arg-type]
        (lambda: ProbabilisticSampler(1.1), "rate"),
        (lambda: ProbabilisticSampler("1"), "rate"),  # type: ignore[arg-type]
        (lambda: RateLimitingSampler(-1), "per_second"),
        (lambda: PerOperationSampler(ConstSampler(True), {"x": 1}), "'x'"),  # type: ignore[dict-item]
    ],
)
def test_sampler_arguments_are_checked(make: Any, name: str) -> None:
    """A wrong argument is named."""
    with pytest.raises((TypeError, ValueError), match=name):
        make()


def test_sampler_is_asked_once_per_local_root() -> None:
    """Children and continued traces follow; a context without a decision leaves it to us."""
    asked: list[str] = []

    class Asking(Sampler):
        def sampled(self, trace_id: int, operation_name: str) -> bool:
            asked.append(operation_name)
            return False

    tracer = BasicTracer(sampler=Asking())
    root = tracer.start_span("root")
    tracer.start_span("child", child_of=root)
    tracer.start_span("continued", child_of=BasicSpanContext(1, 2))
    undecided = tracer.start_span("undecided", child_of=BasicSpanContext(1, 2, sampled=None))
    assert asked == ["root", "undecided"]
    assert (undecided.context.trace_id, undecided.context.sampled) == (1, False)
    decided = tracer.start_span("x", child_of=BasicSpanContext(None, None, sampled=True))
    assert decided.context.sampled
    assert decided.parent_id is None


def test_broken_sampler_keeps_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """A sampler that raises is logged, and the trace is kept."""
    sampler = mock.Mock()
    sampler.sampled.side_effect = RuntimeError
    recorder = InMemoryRecorder()
    BasicTracer(recorder, sampler).start_span("x").finish()
    assert len(recorder.spans) == 1
    assert caplog.records[0].levelno == logging.ERROR
