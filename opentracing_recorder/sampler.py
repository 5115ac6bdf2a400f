"""Sampler: whether a trace is kept. Asked once for each trace that starts in this process, and for
each that arrives without a decision.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

from .fork import at_fork
from .recorder import check_instance

_ID_RANGE = 1 << 64

# Guards the tokens of all rate limiters, for few instructions at a time. Re-entrant: a finalizer or
# a signal handler that runs meanwhile may start a trace of its own.
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


at_fork(_renew_lock)


class Sampler(ABC):
    """Decides for a local root span; its descendants follow. Called from any thread."""

    @abstractmethod
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        """Whether to keep the trace that starts with this operation."""


def check_sampler(name: str, value: object) -> None:
    """Refuse what cannot decide; what code written for basictracer passes need not derive."""
    check_instance(name, value)
    if not callable(getattr(value, "sampled", None)):
        raise TypeError(f"{name} must have a sampled method; {type(value).__name__} has none")


class ConstSampler(Sampler):
    """Keeps every trace, or none."""

    def __init__(self, decision: bool) -> None:
        if not isinstance(decision, bool):
            raise TypeError(f"decision must be a bool, not {type(decision).__name__}")
        self.decision = decision

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return self.decision


class ProbabilisticSampler(Sampler):
    """Keeps a share of the traces, from 0.0 (none) to 1.0 (all).

    The decision follows from the low 64 bits of the trace id alone, so every service with the same
    rate decides alike.
    """

    def __init__(self, rate: float) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise TypeError(f"rate must be a number, not {type(rate).__name__}")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {rate}")
        self.rate = rate
        self._limit = round(rate * _ID_RANGE)

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return trace_id % _ID_RANGE < self._limit


class RateLimitingSampler(Sampler):
    """Keeps at most `per_second` traces a second, in bursts of no more than one second's worth."""

    def __init__(self, per_second: float) -> None:
        if isinstance(per_second, bool) or not isinstance(per_second, (int, float)):
            raise TypeError(f"per_second must be a number, not {type(per_second).__name__}")
        if not 0 <= per_second <= sys.float_info.max:
            raise ValueError(f"per_second must be 0 or more, and finite, not {per_second}")
        self.per_second = per_second
        # A token bucket: a rate below one a second still has room for one whole token.
        self._capacity = max(float(per_second), 1.0) if per_second else 0.0
        self._tokens = self._capacity
        self._refilled = time.monotonic()

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        with _lock:
            now = time.monotonic()
            gained = (now - self._refilled) * self.per_second
            self._tokens = min(self._capacity, self._tokens + gained)
            self._refilled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class PerOperationSampler(Sampler):
    """Asks the sampler given for an operation's name, and `default` for every other."""

    def __init__(self, default: Sampler, samplers: Mapping[str, Sampler]) -> None:
        check_sampler("default", default)
        if not isinstance(samplers, Mapping):
            raise TypeError(f"samplers must map names to Samplers, not {type(samplers).__name__}")
        for name, sampler in samplers.items():
            check_sampler(f"samplers[{name!r}]", sampler)
        self.default = default
        self.samplers = dict(samplers)

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return self.samplers.get(operation_name, self.default).sampled(trace_id, operation_name)
