"""Counts spans for Prometheus: what became of them, and requests, errors and durations."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_count, check_range, check_type
from ._clock import number_or_none
from ._failure_log import FailureLog
from ._json_safe import text_of
from ._prometheus_collector import collector_of, within
from ._prometheus_operations import KINDS, Options
from ._wrapping import Wrapping
from .recorder import Recorder
from .span import BasicSpan

__all__ = ["MetricsRecorder"]


class MetricsRecorder(Wrapping):
    """Counts each span by operation, kind and outcome, and hands it on to `recorder`.

    The counts of `recorder`, and of all recorders inside it, are read at each scrape.

    - `registry` shows the metrics: prometheus_client's default registry, or one of your own.
    - `buckets` are the upper bounds of the histograms in seconds.
    - `max_operations` is the most operation names that are told apart.
    - `kinds` are the kinds of spans that are counted as requests.

    Raises TypeError or ValueError for an option that cannot serve, and names it. Safe from any
    thread; `record_span` never waits for another.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        registry: CollectorRegistry = REGISTRY,
        buckets: Iterable[float] = Histogram.DEFAULT_BUCKETS,
        max_operations: int = 200,
        kinds: Iterable[str] = tuple(KINDS),
    ) -> None:
        super().__init__(recorder)
        check_type("registry", registry, CollectorRegistry)
        options = Options(
            _bounds(buckets), check_count("max_operations", max_operations), _kinds(kinds)
        )
        for each in within(recorder):
            if isinstance(each, MetricsRecorder) and each.registry is registry:
                raise ValueError(
                    "registry already counts the spans of a MetricsRecorder inside this one; give"
                    " one of them a registry of its own"
                )
        self.registry = registry
        service = self.service_name
        self._service = None if service is None else text_of(service)
        self._failures = FailureLog(self)
        self._collector = collector_of(registry, options)
        self._collector.add(recorder)

    def record_span(self, span: BasicSpan) -> None:
        try:
            self._collector.operations.note(self._service, span)
        except Exception:  # of a stand-in for a span
            reraise_interrupt()
            self._failures.report("record_span")
        self.recorder.record_span(span)


def _bounds(buckets: t.Any) -> tuple[float, ...]:
    check_type("buckets", buckets, Iterable, "numbers of seconds")
    given = list(buckets)
    bounds = [number_or_none(each) for each in given if each != inf]
    numbers = [each for each in bounds if each is not None]
    is_rising = all(first < second for first, second in zip(numbers, numbers[1:]))
    wanted = "numbers of seconds, at least one, above 0 and in rising order"
    check_range(
        "buckets", given, bool(bounds) and numbers == bounds and is_rising and bounds[0] > 0, wanted
    )
    return (*numbers, inf)


def _kinds(kinds: t.Any) -> frozenset[str]:
    check_type("kinds", kinds, Iterable, "kinds of spans")
    given = [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in given:
        check_range("kinds", kind, kind in list(KINDS), f"among {', '.join(KINDS)}")
    return frozenset(given)
