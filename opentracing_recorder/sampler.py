"""Sampler: decides which traces are kept, in `BasicTracer(recorder, sampler)`.

By default, every trace is kept. A sampler is asked once for each local root span that has no
decision yet. All spans that follow obey the decision, in other services too. A
span that is not sampled still carries ids and baggage, but keeps no tags or logs and reaches no
recorder::

    from opentracing_recorder import (
        BasicTracer, ConstSampler, InMemoryRecorder, PerOperationSampler, ProbabilisticSampler
    )

    sampler = PerOperationSampler(ProbabilisticSampler(1.0), {"GET /health": ConstSampler(False)})
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, sampler)
    tracer.start_span("GET /health").finish()
    tracer.start_span("GET /cart").finish()
    assert [span.operation_name for span in recorder.spans] == ["GET /cart"]

- `ConstSampler(decision)` keeps every trace (True, the default of a tracer) or none (False).
- `ProbabilisticSampler(rate)` keeps a share of the traces, from 0.0 to 1.0. Every service with the
  same rate decides alike.
- `RateLimitingSampler(per_second)` keeps at most so many traces a second.
- `PerOperationSampler(default, samplers)` asks a sampler by the name of the first span's operation.

The tag ``sampling.priority`` overrules every sampler: above 0 it keeps a span and its later
children, 0 drops them. `EdgePropagator` has the sampler decide for traces that came from outside as
well.

A sampler of your own derives from `Sampler` and has one method, `sampled`. It is called on the
thread that starts the span, possibly on several at once. If it raises, the exception is logged, at
most once a minute, and the trace is kept. `opentracing_recorder.harness.SamplerCheckMixin` tests
it. A sampler that decides by the tags of the first span, given at its start, defines
`sampled_start` too::

    from opentracing_recorder import Sampler

    class WithoutHealthChecks(Sampler):
        def sampled(self, trace_id, operation_name):
            return True

        def sampled_start(self, trace_id, operation_name, tags, parent):
            is_probe = tags.get("span.kind") == "server" and tags.get("http.target") == "/health"
            return not is_probe and super().sampled_start(trace_id, operation_name, tags, parent)

    tracer = BasicTracer(recorder, WithoutHealthChecks())
    tracer.start_span("GET", tags={"span.kind": "server", "http.target": "/health"}).finish()
    tracer.start_span("GET", tags={"span.kind": "server", "http.target": "/pay"}).finish()
    assert recorder.spans[1].tags["http.target"] == "/pay"

The constructors raise TypeError or ValueError for an argument that cannot serve, and name it.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ._arguments import check_has, check_range, check_type
from ._process import RenewedLock
from .context import RANDOM_BITS, BasicSpanContext

_RANDOM_RANGE = 1 << RANDOM_BITS
_64_BITS = (1 << 64) - 1

# Guards the tokens of all rate limiters, for few instructions at a time.
_lock = RenewedLock()


class Sampler(ABC):
    """Decides for a local root span; its descendants follow. Called from any thread."""

    @abstractmethod
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        """Whether to keep the trace that starts with this operation."""

    def sampled_remote(self, context: BasicSpanContext, operation_name: str) -> bool:
        """Whether to keep this process's part of a trace that another process has started.

        Asked in place of `sampled` if the trace came without a decision, or from outside (see
        `EdgePropagator`). By default, `sampled` decides by the trace id.
        """
        return self.sampled(context.trace_id or 0, operation_name)

    def sampled_start(
        self,
        trace_id: int,
        operation_name: str,
        tags: Mapping[str, Any],
        parent: BasicSpanContext,
    ) -> bool:
        """Whether to keep a trace, or this process's part of one; for a subclass to override.

        Asked in place of the other two, of which one decides by default.

        - `tags` are those that the span starts with, attributes for OpenTelemetry's API; its kind
          is the tag ``span.kind``. They are not to be changed.
        - `parent` is the context of a trace without a decision, as in `sampled_remote`. That of a
          root has no trace: `parent.has_trace` is False.

        A tracer whose sampler does not override this method does not pay for it.
        """
        if parent.has_trace:
            return self.sampled_remote(parent, operation_name)
        return self.sampled(trace_id, operation_name)


class ConstSampler(Sampler):
    """Keeps every trace, or none."""

    def __init__(self, decision: bool) -> None:
        check_type("decision", decision, bool)
        self.decision = decision

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.decision})"

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return self.decision


class ProbabilisticSampler(Sampler):
    """Keeps a share of the traces, from 0.0 (none) to 1.0 (all), whatever ids they have.

    The decision follows from the trace alone, so every service with the same rate decides alike:

    - A trace that came in W3C headers, with the random flag or with an explicit randomness (``rv``
      of the vendor ``ot`` in ``tracestate``), is kept as OpenTelemetry's consistent probability
      sampling keeps it: if its 56 random bits are at least (1 - rate) * 2**56.
    - For every other trace, the low 64 bits of the trace id are mixed first. Ids that others made
      may be consecutive, short, or begin with the time.

    Set `random_trace_id` if this service's `TraceContextPropagator` has it set: then the random
    flag counts as set for the traces that start here, too.

    Sources: OpenTelemetry, "TraceState: Probability Sampling"; the mixing is the finalizer of
    SplitMix64 (Steele, Lea and Flood, 2014).
    """

    def __init__(self, rate: float, *, random_trace_id: bool = False) -> None:
        check_type("rate", rate, (int, float), "a number")
        check_range("rate", rate, 0 <= rate <= 1, "between 0 and 1")
        check_type("random_trace_id", random_trace_id, bool)
        self.rate = rate
        self.random_trace_id = random_trace_id
        self._threshold = round((1 - rate) * _RANDOM_RANGE)

    def __repr__(self) -> str:
        random = ", random_trace_id=True" if self.random_trace_id else ""
        return f"{type(self).__name__}({self.rate}{random})"

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        bits = trace_id % _RANDOM_RANGE if self.random_trace_id else _mixed(trace_id)
        return bits >= self._threshold

    def sampled_remote(self, context: BasicSpanContext, operation_name: str) -> bool:
        bits = context.randomness
        if bits is None and context.extra.get("random") != "0":
            return self.sampled(context.trace_id or 0, operation_name)
        return (_mixed(context.trace_id or 0) if bits is None else bits) >= self._threshold


def _mixed(trace_id: int) -> int:
    """As many bits as a randomness has, each of which depends on all of the low 64 of an id."""
    bits = trace_id & _64_BITS
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & _64_BITS
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & _64_BITS
    return (bits ^ bits >> 31) >> (64 - RANDOM_BITS)


class RateLimitingSampler(Sampler):
    """Keeps at most `per_second` traces a second, in bursts of no more than one second's worth."""

    def __init__(self, per_second: float) -> None:
        check_type("per_second", per_second, (int, float), "a number")
        is_finite = 0 <= per_second <= sys.float_info.max
        check_range("per_second", per_second, is_finite, "0 or more, and finite")
        self.per_second = per_second
        # A token bucket: a rate below one a second still has room for one whole token.
        self._capacity = max(float(per_second), 1.0) if per_second else 0.0
        self._tokens = self._capacity
        self._refilled = time.monotonic()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.per_second})"

    @_lock.held
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        now = time.monotonic()
        # If the clock has gone back, nothing is gained.
        gained = max(0.0, now - self._refilled) * self.per_second
        self._tokens = min(self._capacity, self._tokens + gained)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class PerOperationSampler(Sampler):
    """Asks the sampler given for an operation's name, and `default` for every other."""

    def __init__(self, default: Sampler, samplers: Mapping[str, Sampler]) -> None:
        check_has("default", default, "sampled")
        check_type("samplers", samplers, Mapping, "a mapping of names to Samplers")
        for name, sampler in samplers.items():
            check_has(f"samplers[{name!r}]", sampler, "sampled")
        self.default = default
        self.samplers = dict(samplers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.default!r}, {self.samplers!r})"

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return self.samplers.get(operation_name, self.default).sampled(trace_id, operation_name)

    def sampled_remote(self, context: BasicSpanContext, operation_name: str) -> bool:
        sampler = self.samplers.get(operation_name, self.default)
        ask = getattr(sampler, "sampled_remote", None)
        if ask is None:  # it does not derive from Sampler
            return sampler.sampled(context.trace_id or 0, operation_name)
        return ask(context, operation_name)  # type: ignore[no-any-return]

    def sampled_start(
        self,
        trace_id: int,
        operation_name: str,
        tags: Mapping[str, Any],
        parent: BasicSpanContext,
    ) -> bool:
        sampler = self.samplers.get(operation_name, self.default)
        if reads_start(sampler):
            return sampler.sampled_start(trace_id, operation_name, tags, parent)
        return super().sampled_start(trace_id, operation_name, tags, parent)


def reads_start(sampler: Any) -> bool:
    """Whether the sampler, or one of those that it asks, has a `sampled_start` of its own."""
    own = getattr(type(sampler), "sampled_start", None)  # missing if it derives from no Sampler
    if own is PerOperationSampler.sampled_start:
        return any(map(reads_start, (sampler.default, *sampler.samplers.values())))
    return own is not None and own is not Sampler.sampled_start
