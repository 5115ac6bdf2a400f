"""Shows the recorders and operations of one registry to each Prometheus scrape."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from opentracing.interrupts import reraise_interrupt

from ._failure_log import FailureLog
from ._hex_ids import id_text
from ._living import Living
from ._process import RenewedLock
from ._prometheus_files import MetricFiles, are_used
from ._prometheus_operations import Labels, Note, Operations, Options
from .batch import BatchRecorder, Stats

CALLS = "traces_span_metrics_calls"
DURATION = "traces_span_metrics_duration_seconds"

_PREFIX = "opentracing_recorder"
_SPANS = {
    "recorded": "Spans given to the recorder",
    "sent": "Spans that the backend has acknowledged",
    "dropped": "Spans given up because the queue was full, or the recorder closed",
    "failed": "Spans refused by the backend, or whose attempts all failed",
}

# The fields of a wrapper's `counts` that go down, too. All others only grow.
_GAUGES = frozenset({"held", "queued"})

_DEEPEST = 32  # recorders inside each other

_collectors: weakref.WeakKeyDictionary[CollectorRegistry, RecorderCollector] = (
    weakref.WeakKeyDictionary()
)
_lock = RenewedLock()
_bound_text: Callable[[float], str] = floatToGoString


class RecorderCollector:
    """A collector of prometheus_client's, one for each registry."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.files = MetricFiles(self.collect) if are_used() else None
        self.operations = self._new_operations()
        self._recorders: dict[str, tuple[Any, FailureLog]] = {}  # by their labels

    def renew(self) -> None:
        """Begin anew in a forked child: the parent counts what came before."""
        self.operations = self._new_operations()

    def _new_operations(self) -> Operations:
        return Operations(self.options, None if self.files is None else self.files.start)

    def add(self, recorder: Any) -> None:
        """Show a recorder and all inside it, each under its class, and a number if need be."""
        self._add_each([each for each in within(recorder) if _counts_spans(each)])

    @_lock.held  # others may be added at once
    def _add_each(self, counting: list[Any]) -> None:
        known = {id(each) for each, _ in self._recorders.values()}
        for each in counting:
            if id(each) in known:
                continue
            kind = label = type(each).__name__
            number = 1
            while label in self._recorders:
                number += 1
                label = f"{kind}-{number}"
            self._recorders[label] = each, FailureLog(each)

    # What prometheus_client calls.

    def describe(self) -> Iterator[Metric]:
        """The metrics without their samples: the registry reserves their names."""
        yield from self._recorder_metrics([])
        yield from self._operation_metrics([])

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        yield from self._recorder_metrics(list(self._recorders.items()))
        yield from self._operation_metrics(self.operations.all())

    def _recorder_metrics(self, recorders: Iterable[tuple[str, Any]]) -> Iterator[Metric]:
        by_recorder = ["recorder"]
        spans = {
            name: CounterMetricFamily(f"{_PREFIX}_spans_{name}", text, labels=by_recorder)
            for name, text in _SPANS.items()
        }
        queued = GaugeMetricFamily(
            f"{_PREFIX}_spans_queued", "Spans that wait or are being sent", labels=by_recorder
        )
        queue_size = GaugeMetricFamily(
            f"{_PREFIX}_queue_size", "Most spans that may wait or be sent", labels=by_recorder
        )
        slow = CounterMetricFamily(
            f"{_PREFIX}_slow_sends", "Reports that lasted longer than allowed", labels=by_recorder
        )
        by_count = ["recorder", "count"]
        counts = CounterMetricFamily(
            f"{_PREFIX}_counts", "A wrapping recorder's own counts", labels=by_count
        )
        current = GaugeMetricFamily(
            f"{_PREFIX}_current", "A wrapping recorder's own counts that go down", labels=by_count
        )
        for label, (recorder, failures) in recorders:
            try:
                stats, own = _stats_of(recorder), _counts_of(recorder)
                size = getattr(recorder, "queue_size", None)
            except Exception:
                reraise_interrupt()
                failures.report("stats")
                continue
            if stats is not None:
                for name, family in spans.items():
                    family.add_metric([label], getattr(stats, name))
                queued.add_metric([label], stats.queued)
                slow.add_metric([label], stats.slow)
                if type(size) is int:
                    queue_size.add_metric([label], size)
            for name, number in own.items():
                each = current if name in _GAUGES else counts
                each.add_metric([label, name], number)
        yield from spans.values()
        yield from (queued, queue_size, slow, counts, current)

    def _operation_metrics(self, series: Iterable[Any]) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            CALLS, "Spans by operation, kind and outcome", labels=Labels._fields
        )
        duration = HistogramMetricFamily(
            DURATION, "Durations of spans by operation, kind and outcome", labels=Labels._fields
        )
        bounds = [_bound_text(each) for each in self.options.buckets]
        for labels, numbers, latest, seconds in series:
            buckets: list[Any] = []
            total = 0
            for bound, number, note in zip(bounds, numbers, latest):
                total += number
                exemplar = () if note is None else (_exemplar(note),)
                buckets.append((bound, total, *exemplar))
            calls.add_metric(labels, total)
            duration.add_metric(labels, buckets, seconds)
        yield calls
        yield duration


@_lock.held
def collector_of(registry: CollectorRegistry, options: Options) -> RecorderCollector:
    """The registry's collector, made and registered by the first call."""
    collector = _collectors.get(registry)
    if collector is None:
        collector = RecorderCollector(options)
        registry.register(collector)
        _collectors[registry] = collector
        _living.add(collector)
    for name, given, known in zip(Options._fields, options, collector.options):
        if given != known:
            raise ValueError(
                f"{name} differs from that of an earlier MetricsRecorder of this registry;"
                " give it the same, or a registry of its own"
            )
    return collector


def within(recorder: Any) -> list[Any]:
    """A recorder and all those that it hands spans to, each once, the outermost first."""
    found: list[Any] = []
    level = [recorder]
    for _ in range(_DEEPEST):
        level = [each for each in level if hasattr(each, "record_span") and not _has(found, each)]
        found += [each for number, each in enumerate(level) if not _has(level[:number], each)]
        level = [inner for each in level for inner in _inside(each)]
    return found


def _has(recorders: list[Any], recorder: Any) -> bool:
    return any(each is recorder for each in recorders)


def _inside(recorder: Any) -> list[Any]:
    several = getattr(recorder, "recorders", ())
    one = getattr(recorder, "recorder", None)
    return [*(several if isinstance(several, (list, tuple)) else ()), one]


def _counts_spans(recorder: Any) -> bool:
    try:
        return _stats_of(recorder) is not None or bool(_counts_of(recorder))
    except Exception:  # it is asked again at each scrape
        reraise_interrupt()
        return True


def _stats_of(recorder: Any) -> Stats | None:
    """The recorder's own `Stats`; None if it shows those of a recorder inside it."""
    if not isinstance(recorder, BatchRecorder) and len(within(recorder)) > 1:
        return None
    stats = getattr(recorder, "stats", None)
    return stats if isinstance(stats, Stats) else None


def _counts_of(recorder: Any) -> dict[str, float]:
    counts = getattr(recorder, "counts", None)
    as_dict = getattr(counts, "_asdict", None)
    if as_dict is None or not isinstance(counts, tuple):
        return {}
    return {name: each for name, each in as_dict().items() if type(each) in (int, float)}


def _exemplar(note: Note) -> Exemplar:
    _, duration, start_time, trace_id, span_id = note
    # Both ids together have 63 characters: OpenMetrics allows 128.
    ids = {"trace_id": id_text(trace_id), "span_id": id_text(span_id)}
    end_time = start_time + duration
    # Prometheus refuses an exemplar of the future; without a time, it has that of the scrape.
    return Exemplar(ids, duration, end_time if 0.0 < end_time <= time.time() else None)


_living = Living(RecorderCollector.renew)
