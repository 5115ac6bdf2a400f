"""MetricsRecorder with a real Prometheus: numbers, exemplars, alerts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from opentracing_recorder import BasicTracer, NoopRecorder, Rejected
from opentracing_recorder.prometheus import MetricsRecorder

from ...opentracing_recorder.scripted import Scripted
from ...threads import on_threads
from .conftest import Prometheus, found, rules_of_the_guide


@pytest.fixture
def recorder() -> Iterator[Scripted]:
    with closing(Scripted(queue_size=2000)) as recorder:
        yield recorder


def test_the_metrics_keep_to_the_conventions(registry: CollectorRegistry) -> None:
    """promtool has nothing to say about names, units and help texts."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry))
    tracer.start_span("x").finish()
    command = [found("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=generate_latest(registry), capture_output=True)
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_the_rules_of_the_guide_are_valid(tmp_path: Path) -> None:
    """promtool reads both alerts."""
    rules = tmp_path / "rules.yml"
    rules.write_text(rules_of_the_guide())
    command = [found("promtool"), "check", "rules", str(rules)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "2 rules found" in done.stdout
    assert done.returncode == 0


def test_prometheus_has_the_numbers_of_the_recorder(
    prometheus: Prometheus, registry: CollectorRegistry, recorder: Scripted
) -> None:
    """Also under load from eight threads, and of operations with odd names; no alert is raised."""
    tracer = BasicTracer(MetricsRecorder(recorder, registry=registry), service_name="shop")
    prometheus.scraped()
    names = ["a", 'b"\\\n\r\0{}', "é🙂\u2028"]

    def load() -> None:
        for number in range(300):
            tracer.start_span(names[number % 3]).finish()
            time.sleep(0.001)  # some scrapes come meanwhile

    on_threads(load)
    tracer.close()
    prometheus.scraped()
    assert recorder.stats.sent == 2400
    for name in ("recorded", "sent", "dropped", "failed"):
        numbers = prometheus.numbers(f"sum by (recorder) (opentracing_recorder_spans_{name}_total)")
        assert numbers == {("Scripted",): getattr(recorder.stats, name)}
    by_name = "sum by (span_name) (traces_span_metrics_calls_total)"
    shown = ["a", 'b"\\\\n\\r\\x00{}', "é🙂\\u2028"]
    assert prometheus.numbers(by_name) == {(name,): 800 for name in shown}
    assert prometheus.numbers("count(up == 0)") == {}
    assert prometheus.alerts() == {}


def test_prometheus_keeps_the_exemplars(
    prometheus: Prometheus, registry: CollectorRegistry
) -> None:
    """Each leads from a bucket to a trace."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry), trace_id_bits=128)
    start = time.time()
    span = tracer.start_span("x")
    span.finish()
    prometheus.scraped()
    (series,) = prometheus.get(
        "query_exemplars",
        query="traces_span_metrics_duration_seconds_bucket",
        start=start - 60,
        end=start + 60,
    )
    (exemplar,) = series["exemplars"]
    assert exemplar["labels"] == {
        "trace_id": span.context.to_trace_id(),
        "span_id": span.context.to_span_id(),
    }
    assert exemplar["timestamp"] == pytest.approx(start, abs=5)


def test_lost_spans_fire_an_alert(
    prometheus: Prometheus, registry: CollectorRegistry, recorder: Scripted
) -> None:
    """The first lost span does, as its counter was there before at 0."""
    tracer = BasicTracer(MetricsRecorder(recorder, registry=registry))
    prometheus.scraped()
    assert prometheus.alerts() == {}
    recorder.script.append(Rejected("400"))
    tracer.start_span("x").finish()
    tracer.flush()
    assert recorder.stats.failed == 1
    prometheus.wait_for(lambda: prometheus.alerts() == {"SpansLost": "firing"})


def test_failed_requests_fire_an_alert(
    prometheus: Prometheus, registry: CollectorRegistry, recorder: Scripted
) -> None:
    """One request of ten fails."""
    tracer = BasicTracer(MetricsRecorder(recorder, registry=registry), service_name="shop")

    def fires() -> bool:
        for number in range(10):
            tags = {"span.kind": "server", "error": number == 0}
            tracer.start_span("GET /order", tags=tags).finish()
        return prometheus.alerts() == {"RequestsFail": "firing"}

    prometheus.wait_for(fires)
