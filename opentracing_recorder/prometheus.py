"""Counts spans for Prometheus: what became of them, and requests, errors and durations.

Put a `MetricsRecorder` around all other recorders. It needs ``opentracing[prometheus]``, which is
``prometheus_client``::

    from prometheus_client import CollectorRegistry

    from opentracing_recorder import BasicTracer, InMemoryRecorder
    from opentracing_recorder.prometheus import MetricsRecorder

    registry = CollectorRegistry()  # leave it out to use prometheus_client's own
    recorder = MetricsRecorder(InMemoryRecorder(), registry=registry)
    tracer = BasicTracer(recorder, service_name="shop")
    for error in (False, False, True):
        tags = {"span.kind": "server", "error": error}
        tracer.start_span("GET /order", tags=tags).finish()

    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == "traces_span_metrics_calls_total":
                print(sample.labels["span_name"], sample.labels["status_code"], sample.value)

which prints::

    GET /order STATUS_CODE_UNSET 2
    GET /order STATUS_CODE_ERROR 1

In an application, call ``prometheus_client.start_http_server(9464)`` once, and let Prometheus
scrape that port. In a web application, mount one of these at ``/metrics`` instead::

    from prometheus_client import make_asgi_app, make_wsgi_app

    wsgi_metrics = make_wsgi_app(registry)  # Flask, Django
    asgi_metrics = make_asgi_app(registry)  # FastAPI, Starlette

## Metrics

Of each recorder that counts its spans, alone or inside others. The label ``recorder`` is the name
of its class; a second one has ``-2`` behind it:

| Metric | Meaning |
|---|---|
| ``opentracing_recorder_spans_recorded_total`` | Spans given to the recorder. It is the sum of \
the next four. |
| ``opentracing_recorder_spans_sent_total`` | Acknowledged by the backend. |
| ``opentracing_recorder_spans_dropped_total`` | Lost: the queue was full, or the recorder closed. |
| ``opentracing_recorder_spans_failed_total`` | Lost: the backend refused them, or all attempts \
failed. |
| ``opentracing_recorder_spans_queued`` | A gauge: spans that wait or are being sent. |
| ``opentracing_recorder_queue_size`` | A gauge: the most spans that may be queued. |
| ``opentracing_recorder_slow_sends_total`` | Reports that lasted longer than ``send_timeout``. |
| ``opentracing_recorder_counts_total`` | A field of a wrapping recorder's ``counts``, by the \
label ``count``. |
| ``opentracing_recorder_current`` | A gauge: the same for ``held`` and ``queued``. |

Of operations, by the names that the OpenTelemetry Collector's span metrics have, so that
dashboards for those show these as well:

| Metric | Meaning |
|---|---|
| ``traces_span_metrics_calls_total`` | Spans that have finished. |
| ``traces_span_metrics_duration_seconds`` | A histogram of their durations. Each bucket has its \
latest span as an exemplar, with ``trace_id`` and ``span_id``. |

Their labels are ``service_name``, ``span_name``, which is the operation, ``span_kind``
(``SPAN_KIND_SERVER``, ``_CLIENT``, ``_PRODUCER``, ``_CONSUMER`` or ``_INTERNAL``, which is that of
a span without a kind) and ``status_code`` (``STATUS_CODE_ERROR`` or ``STATUS_CODE_UNSET``). The
service is the recorder's, or the tracer's if the recorder has none.

Prometheus asks for the format OpenMetrics, which has the exemplars, by itself. It keeps them if it
is started with ``--enable-feature=exemplar-storage``.

## Options of MetricsRecorder

| Option | Default | Unit | Meaning |
|---|---|---|---|
| ``registry`` | ``prometheus_client.REGISTRY`` | | Shows the metrics. |
| ``buckets`` | 0.005 to 10, 14 of them | seconds | Upper bounds of the histograms. |
| ``max_operations`` | 200 | operations | The first so many have a ``span_name`` each, and the \
first so many services a ``service_name``; all later ones share ``other``. |
| ``kinds`` | all five | | The kinds of spans that are counted as operations: ``server``, \
``client``, ``producer``, ``consumer``, ``internal``. |

Several recorders may share a registry, with the same options. What several services call alike is
an operation of each. Each operation has a series for each kind and each outcome that occurs, and a
series has 18 samples with the default buckets: 200 operations of one kind, half of which fail at
times, are 5,400. With ``kinds=("server", "consumer")`` only requests to this process are counted,
and no name of a query takes the place of one. Names are cut to 120 characters, and line breaks in
them are escaped.

## Alerts

These two rules fire when spans are lost, and when a service fails::

    groups:
      - name: opentracing
        rules:
          - alert: SpansLost
            expr: >-
              increase(opentracing_recorder_spans_dropped_total[10m])
              + increase(opentracing_recorder_spans_failed_total[10m]) > 0
            annotations:
              summary: "{{ $labels.recorder }} on {{ $labels.instance }} loses spans"
          - alert: RequestsFail
            expr: >-
              sum by (service_name, span_name) (rate(traces_span_metrics_calls_total{
              span_kind="SPAN_KIND_SERVER", status_code="STATUS_CODE_ERROR"}[5m]))
              / sum by (service_name, span_name) (rate(traces_span_metrics_calls_total{
              span_kind="SPAN_KIND_SERVER"}[5m])) > 0.05
            for: 5m
            annotations:
              summary: "{{ $labels.span_name }} of {{ $labels.service_name }} fails"

Before spans are lost, the queue fills:
``opentracing_recorder_spans_queued / opentracing_recorder_queue_size`` rises towards 1. The 95th
percentile of an operation's durations is ``histogram_quantile(0.95, sum by (span_name, le)
(rate(traces_span_metrics_duration_seconds_bucket[5m])))``.

## What is counted

- A MetricsRecorder counts the spans that it is given. Outermost, it sees all of them; inside a
  recorder that filters, it sees what that one passes on. Put it outermost. It shows the recorders
  inside it, not those around it or beside it.
- Spans that the tracer's sampler drops reach no recorder. With a sampler that keeps a tenth of the
  traces, the calls are a tenth of the requests; ratios and durations are those of that tenth. To
  count all, sample all, and drop later: a recorder inside this one can.
- A span is counted when it has finished, as it is then. A duration that is no number of at least
  0 seconds counts as 0.
- Spans that other recorders lose are counted as operations all the same.
- The registry keeps what it shows: a closed recorder's last counts can still be scraped.
- `record_span` takes no lock that a scrape holds. It notes a span, and every 128th counts the
  notes, in about 0.1 ms.

## Processes

A forked child counts its own spans, from zero, as `stats` does. If several processes serve one
port, as with gunicorn or uWSGI, use prometheus_client's multiprocess mode. Set
``PROMETHEUS_MULTIPROC_DIR`` to an empty folder before the server starts, and serve the sum of all
processes::

    from prometheus_client.multiprocess import MultiProcessCollector


    def metrics(environ, start_response):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return make_wsgi_app(registry)(environ, start_response)

Call ``prometheus_client.multiprocess.mark_process_dead(worker.pid)`` in gunicorn's ``child_exit``,
so that gauges are those of living processes. In this mode a thread of each process writes the
metrics to that folder once a second, and again when the recorder is flushed or closed and when the
process ends. A process that is killed takes up to a second of counts with it. The mode has no
exemplars.
"""

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
    - `max_operations` is the most operations, and the most services, that have a label each.
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
        self.registry: CollectorRegistry = registry
        for each in within(recorder):
            if isinstance(each, MetricsRecorder) and each.registry is registry:
                raise ValueError(
                    "registry already counts the spans of a MetricsRecorder inside this one; give"
                    " one of them a registry of its own"
                )
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

    def flush(self, timeout: float | None = None) -> bool:
        return self._and_write(super().flush(timeout))

    def close(self, timeout: float | None = None) -> bool:
        return self._and_write(super().close(timeout))

    def _and_write(self, answer: bool) -> bool:
        if self._collector.files is not None:
            self._collector.files.write()
        return answer


def _bounds(buckets: t.Any) -> tuple[float, ...]:
    check_type("buckets", buckets, Iterable, "numbers of seconds")
    given = list(buckets)
    bounds = [number_or_none(each) or 0.0 for each in given if each != inf]
    is_rising = all(first < second for first, second in zip([0.0, *bounds], bounds))
    wanted = "numbers of seconds, at least one, above 0 and in rising order"
    check_range("buckets", given, bool(bounds) and is_rising, wanted)
    return (*bounds, inf)


def _kinds(kinds: t.Any) -> frozenset[str]:
    check_type("kinds", kinds, Iterable, "kinds of spans")
    given = [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in given:
        check_range("kinds", kind, kind in list(KINDS), f"among {', '.join(KINDS)}")
    return frozenset(given)
