"""SamplerCheckMixin: the contract of a sampler, as tests for its author."""

from __future__ import annotations

import unittest
from functools import partial
from random import Random

from ._harness_threads import on_threads, shown_error
from .context import BasicSpanContext
from .in_memory import InMemoryRecorder
from .sampler import Sampler, reads_start
from .tracer import BasicTracer

_NAMES = ("GET /cart", "", "é☃🎉", "\ud800", "x" * 10_000, "a\nb")


class SamplerHooks:
    """The methods that a test of a sampler overrides; only `sampler` is required."""

    def sampler(self) -> Sampler:
        """A new sampler, made in the same way each time."""
        raise NotImplementedError(f"{type(self).__name__} must override sampler()")

    def check_consistent(self) -> bool:
        """Whether two such samplers, in two services, decide alike for each trace and operation."""
        return False

    def share(self) -> float | None:
        """The share of traces that it keeps, from 0.0 to 1.0; None if it keeps no fixed share."""
        return None


class SamplerCheckMixin(SamplerHooks):
    """Checks that a sampler keeps its contract::

        class TestMySampler(SamplerCheckMixin):
            def sampler(self):
                return MySampler(0.1)

    With unittest, derive from `unittest.TestCase` as well.
    """

    def test_every_trace_gets_a_decision(self) -> None:
        """`sampled` returns True or False for ids of 64 and 128 bits, and any operation name."""
        sampler = self.sampler()
        for trace_id in (1, 2**63, 2**64 - 1, 2**64, 2**128 - 1):
            for name in _NAMES:
                _decide(sampler, trace_id, name)

    def test_every_thread_may_ask(self) -> None:
        """Several threads at once get decisions, and no exception."""
        sampler = self.sampler()

        def ask(seed: int) -> None:
            for trace_id in _trace_ids(500, seed):
                _decide(sampler, trace_id, "GET /cart")

        on_threads("sampled() on several threads", [partial(ask, each) for each in range(8)], 10.0)

    def test_descendants_follow_the_decision(self) -> None:
        """A trace is kept whole or not at all, and the sampler is called once for it."""
        asked: list[bool] = []
        sampler = self.sampler()

        class Watched(Sampler):
            def sampled(self, trace_id: int, operation_name: str) -> bool:
                asked.append(_decide(sampler, trace_id, operation_name))
                return asked[-1]

        recorder = InMemoryRecorder()
        tracer = BasicTracer(recorder, sampler=Watched())
        for number in range(20):
            with tracer.start_active_span(f"GET /{number}"), tracer.start_active_span("query"):
                pass
        assert len(asked) == 20, f"asked {len(asked)} times for 20 traces"
        assert len(recorder.spans) == 2 * sum(asked), f"kept {len(recorder.spans)} spans"

    def test_services_decide_alike(self) -> None:
        """If `check_consistent`, two samplers called in different orders decide alike."""
        if not self.check_consistent():
            raise unittest.SkipTest("check_consistent() is false")
        trace_ids = _trace_ids(500)
        first, second = self.sampler(), self.sampler()
        decisions = {each: _decide(first, each, "GET /cart") for each in trace_ids}
        Random(0).shuffle(trace_ids)
        for each in trace_ids:
            decision = _decide(second, each, "GET /cart")
            assert decision is decisions[each], f"two samplers differ about trace {each:x}"

    def test_share(self) -> None:
        """If `share` is set, the sampler keeps about that share of many traces."""
        share = self.share()
        if share is None:
            raise unittest.SkipTest("share() is None")
        sampler, number = self.sampler(), 20_000
        kept = sum(_decide(sampler, each, "GET /cart") for each in _trace_ids(number)) / number
        # Five standard deviations of the fairest sampler.
        tolerance = 5 * (share * (1 - share) / number) ** 0.5
        assert abs(kept - share) <= tolerance, f"kept {kept:.4f} of all traces, expected {share:g}"


def _trace_ids(number: int, seed: int = 0) -> list[int]:
    """Ids that are the same each time, so that a check that passes passes again."""
    random = Random(seed)
    return [random.getrandbits(64) or 1 for _ in range(number)]


def _decide(sampler: Sampler, trace_id: int, operation_name: str) -> bool:
    is_asked_for_start = reads_start(sampler)
    method = "sampled_start" if is_asked_for_start else "sampled"
    asked = f"{method}({trace_id:#x}, {operation_name[:40]!r})"
    try:
        if is_asked_for_start:
            decision = sampler.sampled_start(trace_id, operation_name, {}, BasicSpanContext())
        else:
            decision = sampler.sampled(trace_id, operation_name)
    except Exception as error:
        raise AssertionError(f"{asked} raised {shown_error(error)}") from error
    assert isinstance(decision, bool), f"{asked} returned {decision!r}; expected True or False"
    return decision
