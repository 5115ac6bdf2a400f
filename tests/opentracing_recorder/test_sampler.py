"""Samplers, and when they are asked."""

from __future__ import annotations

import logging
from random import Random
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

_random = Random(16)

# What tracers out there have for ids: each of these made the share wrong while it was taken from
# the id as it is.
IDS_OF_OTHERS = {
    "64 bits": [_random.getrandbits(64) for _ in range(20_000)],
    "63 bits": [_random.getrandbits(63) for _ in range(20_000)],
    "53 bits": [_random.getrandbits(53) for _ in range(20_000)],
    "32 bits": [_random.getrandbits(32) for _ in range(20_000)],
    "consecutive": list(range(1, 20_001)),
    "steps of 2**40": [number << 40 for number in range(1, 20_001)],
    "the time first": [1796000000 << 32 | _random.getrandbits(32) for _ in range(20_000)],
    "the time in ns": [1796000000 * 10**9 + number * 1_000_003 for number in range(20_000)],
    "128 bits": [_random.getrandbits(128) for _ in range(20_000)],
    "random in the low half": [0xFFFF << 112 | _random.getrandbits(64) for _ in range(20_000)],
}


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("ids", IDS_OF_OTHERS.values(), ids=IDS_OF_OTHERS.keys())
def test_a_probabilistic_sampler_keeps_the_share_asked_for(ids: list[int], rate: float) -> None:
    """The share is right within five standard deviations, whatever kind of ids the traces have."""
    sampler = ProbabilisticSampler(rate)
    kept = sum(sampler.sampled(each, "x") for each in ids) / len(ids)
    assert kept == pytest.approx(rate, abs=5 * (rate * (1 - rate) / len(ids)) ** 0.5)


def test_services_with_one_rate_decide_alike() -> None:
    """All samplers decide alike about a trace, and a higher rate keeps all traces of a lower."""
    ids = IDS_OF_OTHERS["consecutive"] + IDS_OF_OTHERS["128 bits"]
    a, b, c = (ProbabilisticSampler(0.1) for _ in range(3))
    more = ProbabilisticSampler(0.2)
    some = [each for each in ids if a.sampled(each, "a")]
    assert some == [each for each in ids if b.sampled(each, "b")]
    remote = [BasicSpanContext(each, 1, sampled=None) for each in ids]
    kept = [each for each in remote if c.sampled_remote(each, "c")]
    assert [each.trace_id for each in kept] == some
    assert all(more.sampled(each, "a") for each in some)
    # A service that knows no more than the low half of an id decides as the others do.
    assert all(b.sampled(each % 2**64, "a") for each in some)


def test_traces_that_vouch_for_random_bits_are_kept_as_by_opentelemetry() -> None:
    """The 56 random bits are compared with (1 - rate) * 2**56, as consistent sampling has it."""
    tenth = ProbabilisticSampler(0.1)
    threshold = round(0.9 * 2**56)
    high = 0xABC << 56
    for bits, kept in ((threshold - 1, False), (threshold, True), (2**56 - 1, True), (0, False)):
        flagged = BasicSpanContext(high | bits, 1, sampled=None, extra={"random": "1"})
        assert flagged.randomness == bits
        assert tenth.sampled_remote(flagged, "x") is kept
        assert ProbabilisticSampler(0.1, random_trace_id=True).sampled(high | bits, "x") is kept
        explicit = BasicSpanContext(7, 1, sampled=None, extra={"randomness": f"{bits:014x}"})
        assert tenth.sampled_remote(explicit, "x") is kept
        # With the option, a trace that came with the flag has no `extra`; one without it has.
        by_default = ProbabilisticSampler(0.1, random_trace_id=True)
        plain = BasicSpanContext(high | bits, 1, sampled=None)
        assert by_default.sampled_remote(plain, "x") is kept
        unflagged = BasicSpanContext(high | bits, 1, sampled=None, extra={"random": "0"})
        assert by_default.sampled_remote(unflagged, "x") is tenth.sampled(high | bits, "x")
    assert BasicSpanContext(7, 1, extra={"random": "0"}).randomness is None
    assert BasicSpanContext(7, 1).randomness is None


def test_samplers_decide() -> None:
    """Constant, by rate of ids, by rate of time, by operation."""
    assert ConstSampler(True).sampled(1, "x")
    assert not ConstSampler(False).sampled(1, "x")
    assert not any(ProbabilisticSampler(0).sampled(each, "x") for each in IDS_OF_OTHERS["64 bits"])
    assert all(ProbabilisticSampler(1).sampled(each, "x") for each in IDS_OF_OTHERS["64 bits"])
    chosen = PerOperationSampler(ConstSampler(False), {"pay": ConstSampler(True)})
    assert chosen.sampled(1, "pay")
    assert not chosen.sampled(1, "other")


def test_rate_limiting_sampler_refills(monkeypatch: pytest.MonkeyPatch) -> None:
    """It allows one second's worth at once, and then refills with time."""
    now = [50.0]
    monkeypatch.setattr("opentracing_recorder.sampler.time.monotonic", lambda: now[0])
    sampler = RateLimitingSampler(2)
    assert [sampler.sampled(1, "x") for _ in range(3)] == [True, True, False]
    now[0] += 0.5
    assert [sampler.sampled(1, "x") for _ in range(2)] == [True, False]
    assert not RateLimitingSampler(0).sampled(1, "x")
    slow = RateLimitingSampler(0.5)
    assert [slow.sampled(1, "x") for _ in range(2)] == [True, False]


def test_a_clock_that_goes_back_does_not_stop_a_rate_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a jump of the clock, by a day in either direction, the rate holds from there."""
    now = [100_000.0]
    monkeypatch.setattr("opentracing_recorder.sampler.time.monotonic", lambda: now[0])
    sampler = RateLimitingSampler(2)
    for _ in range(2):
        sampler.sampled(1, "x")
    for jump in (-86_400.0, 86_400.0, -86_400.0):
        now[0] += jump
        while sampler.sampled(1, "x"):
            pass
        now[0] += 0.5
        assert [sampler.sampled(1, "x") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ConstSampler(1), "decision"),  # type: ignore[arg-type]
        (lambda: ProbabilisticSampler(1.1), "rate"),
        (lambda: ProbabilisticSampler("1"), "rate"),  # type: ignore[arg-type]
        (lambda: ProbabilisticSampler(0.1, random_trace_id=1), "random_trace_id"),  # type: ignore[arg-type]
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


def test_a_sampler_may_ask_about_the_remote_context() -> None:
    """A trace that came without a decision is shown as it came, also by way of an operation's
    sampler; a sampler that does not derive from `Sampler` is asked by the id.
    """
    asked: list[object] = []

    class Asking(Sampler):
        def sampled(self, trace_id: int, operation_name: str) -> bool:
            asked.append(trace_id)
            return True

        def sampled_remote(self, context: BasicSpanContext, operation_name: str) -> bool:
            asked.append(context)
            return True

    class Duck:
        def sampled(self, trace_id: int, operation_name: str) -> bool:
            asked.append(trace_id)
            return True

    context = BasicSpanContext(7, 1, sampled=None)
    duck: Any = Duck()
    for sampler in (
        Asking(),
        PerOperationSampler(Asking(), {}),
        duck,
        PerOperationSampler(duck, {}),
    ):
        tracer = BasicTracer(sampler=sampler)
        for _ in range(2):  # the first call of a sampler takes another way
            tracer.start_span("x", child_of=context)
    assert asked == [context] * 4 + [7] * 4


class ByStart(Sampler):
    """Keeps what does not start with the tag ``drop``, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        raise NotImplementedError

    def sampled_start(
        self, trace_id: int, operation_name: str, tags: Any, parent: BasicSpanContext
    ) -> bool:
        self.asked.append((trace_id, operation_name, tags, parent))
        return "drop" not in tags


def test_a_sampler_may_decide_by_what_a_span_starts_with() -> None:
    """It is asked once for a local root, with the tags, in text, and with the parent's context."""
    sampler, recorder = ByStart(), InMemoryRecorder()
    tracer = BasicTracer(recorder, sampler)
    given: Any = {"span.kind": "server", 1: "one"}
    root = tracer.start_span("kept", tags=given)
    root.set_tag("drop", True).finish()
    tracer.start_span("child", child_of=root, tags={"drop": True}).finish()
    tracer.start_span("dropped", tags={"drop": True}).finish()
    tracer.start_span("kept by its priority", tags={"drop": 1, "sampling.priority": 1}).finish()
    remote = BasicSpanContext(7, 9, {"user": "amy"}, sampled=None)
    tracer.start_span("continued", child_of=remote).finish()
    assert [span.operation_name for span in recorder.spans] == [
        "kept", "child", "kept by its priority", "continued",
    ]  # fmt: skip
    first, *_, last = sampler.asked
    assert len(sampler.asked) == 4
    assert first[:3] == (root.context.trace_id, "kept", {"span.kind": "server", "1": "one"})
    assert not first[3].has_trace
    assert last == (7, "continued", {}, remote)


def test_a_sampler_that_reads_starts_may_be_one_of_several() -> None:
    """Others that an operation has are asked as before, and a tracer may get it at any time."""
    by_start, plain = ByStart(), mock.Mock(spec=["sampled"])
    plain.sampled.return_value = False
    tracer = BasicTracer(sampler=ConstSampler(False))
    tracer.sampler = PerOperationSampler(plain, {"pay": by_start})
    for _ in range(2):  # the first call of a sampler takes another way
        assert tracer.start_span("pay").sampled
        assert not tracer.start_span("pay", tags={"drop": True}).sampled
        assert not tracer.start_span("other", tags={"a": 1}).sampled
        tracer.start_span("other", child_of=BasicSpanContext(7, 1, sampled=None))
    assert len(by_start.asked) == 4
    assert [call.args[1] for call in plain.sampled.call_args_list] == ["other"] * 4
    assert plain.sampled.call_args.args[0] == 7


def test_a_sampler_without_its_own_way_decides_as_before() -> None:
    """`Sampler.sampled_start` asks `sampled`, or `sampled_remote` for a trace that came in."""
    sampler = mock.Mock(spec=["sampled", "sampled_remote"])
    for parent, method in (
        (BasicSpanContext(), sampler.sampled),
        (BasicSpanContext(7, 9), sampler.sampled_remote),
    ):
        decision = Sampler.sampled_start(sampler, 7, "x", {}, parent)
        assert decision is method.return_value


def test_a_sampler_that_fails_for_a_start_keeps_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """If `sampled_start` raises, that is logged under its name; tags that are none do not raise."""
    odd: Any = object()
    sampler, recorder = ByStart(), InMemoryRecorder()
    tracer = BasicTracer(recorder, sampler)
    tracer.start_span("x", tags=odd).finish()
    assert sampler.asked[0][2] == {}
    sampler.asked = odd
    tracer.start_span("x").finish()
    assert len(recorder.spans) == 2
    assert "ByStart.sampled_start raised" in caplog.records[-1].getMessage()


def test_broken_sampler_keeps_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """A sampler that raises is logged, and the trace is kept."""
    sampler = mock.Mock()
    sampler.sampled.side_effect = RuntimeError
    recorder = InMemoryRecorder()
    BasicTracer(recorder, sampler).start_span("x").finish()
    assert len(recorder.spans) == 1
    assert caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize(
    "shown",
    [
        "ConstSampler(False)",
        "ProbabilisticSampler(0.5)",
        "ProbabilisticSampler(0.5, random_trace_id=True)",
        "RateLimitingSampler(10)",
        "PerOperationSampler(ConstSampler(True), {'GET /health': ConstSampler(False)})",
    ],
)
def test_a_sampler_shows_how_it_was_made(shown: str) -> None:
    """Its repr is the call of its constructor."""
    assert repr(eval(shown)) == shown
