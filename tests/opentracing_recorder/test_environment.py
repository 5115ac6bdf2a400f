"""tracer_from_environment: each variable, and broken values."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from opentracing import Format
from opentracing_recorder import (
    BatchRecorder,
    CompositeRecorder,
    ConsoleRecorder,
    ConstSampler,
    NoopRecorder,
    ProbabilisticSampler,
    tracer_from_environment,
)
from opentracing_recorder.environment import Configurator
from opentracing_recorder.tracer import BasicTracer

LOGGER = "opentracing_recorder.environment"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    return monkeypatch


def _made() -> BasicTracer:
    tracer = tracer_from_environment()
    tracer.close()
    return tracer


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("shop", "service.name=other", "shop"),
        ("", "a=b,service.name=the%20shop", "the shop"),
        ("", "", "unknown_service"),
    ],
)
def test_service_name(env: pytest.MonkeyPatch, name: str, attributes: str, expected: str) -> None:
    """OTEL_SERVICE_NAME comes before service.name of OTEL_RESOURCE_ATTRIBUTES."""
    env.setenv("OTEL_SERVICE_NAME", name)
    env.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
    assert _made().service_name == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("always_on", "ConstSampler(True)"),
        ("parentbased_always_on", "ConstSampler(True)"),
        ("always_off", "ConstSampler(False)"),
        ("parentbased_always_off", "ConstSampler(False)"),
        ("traceidratio", "ProbabilisticSampler(0.25)"),
        ("parentbased_traceidratio", "ProbabilisticSampler(0.25)"),
    ],
)
def test_sampler(env: pytest.MonkeyPatch, name: str, expected: str) -> None:
    """OTEL_TRACES_SAMPLER names the sampler, and OTEL_TRACES_SAMPLER_ARG its share."""
    env.setenv("OTEL_TRACES_SAMPLER", name)
    env.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    sampler = _made().sampler
    assert isinstance(sampler, (ConstSampler, ProbabilisticSampler))
    assert repr(sampler) == expected


@pytest.mark.parametrize("format", [Format.HTTP_HEADERS, Format.TEXT_MAP])
def test_headers_are_those_of_opentelemetry(env: pytest.MonkeyPatch, format: str) -> None:
    """A service on either API continues the trace: W3C's headers are read and written."""
    tracer = _made()
    carrier = {"traceparent": f"00-{7:032x}-{9:016x}-01", "baggage": "user=amy"}
    span = tracer.start_span("x", child_of=tracer.extract(format, carrier))
    assert (span.context.trace_id, span.parent_id) == (7, 9)
    written: dict[str, str] = {}
    tracer.inject(span.context, format, written)
    assert written["traceparent"].startswith(f"00-{7:032x}-")
    assert written["baggage"] == "user=amy"


def test_console(env: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each trace is a tree on standard error."""
    env.setenv("OTEL_TRACES_EXPORTER", "console")
    with tracer_from_environment() as tracer, tracer.start_active_span("order"):
        tracer.start_span("look up").finish()
    first, _, *tree = capsys.readouterr().err.splitlines()
    assert "2 spans · unknown_service" in first
    assert "order" in tree[0]
    assert "look up" in tree[1]


@pytest.mark.needs_os
def test_several_exporters(env: pytest.MonkeyPatch) -> None:
    """Names separated by commas make one recorder of several."""
    from opentracing_recorder.zipkin import ZipkinRecorder

    env.setenv("OTEL_TRACES_EXPORTER", "console,zipkin")
    env.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    recorder = _made().recorder
    assert isinstance(recorder, CompositeRecorder)
    assert [type(each) for each in recorder.recorders] == [ConsoleRecorder, ZipkinRecorder]


@pytest.mark.needs_os
@pytest.mark.parametrize("exporter", ["otlp", "zipkin"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("2500", "1500", "2000", " 7 "), (2.5, 1.5, 2000, 7)),
        (("1", "", "100", ""), (0.001, 10, 100, 100)),
        (("", "999999999", "", "16384"), (1, 999_999.999, 16384, 16384)),
    ],
)
def test_batches(
    env: pytest.MonkeyPatch,
    exporter: str,
    values: tuple[str, ...],
    expected: tuple[float, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """OTEL_BSP_* reach the recorder: times are in milliseconds, and a batch fits into the queue."""
    env.setenv("OTEL_TRACES_EXPORTER", exporter)
    for variable, value in zip(
        ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"), values
    ):
        env.setenv(f"OTEL_BSP_{variable}", value)
    with tracer_from_environment() as tracer:
        recorder = tracer.recorder
        assert isinstance(recorder, BatchRecorder)
        options = (
            recorder.interval,
            recorder.send_timeout,
            recorder.queue_size,
            recorder.batch_size,
        )
    assert options == expected
    assert caplog.text == ""


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("of_batches", "of_otlp", "expected"),
    [("3000", "2000", 2), ("2000", "3000", 2), ("3000", "", 3), ("", "2000", 2), ("", "30000", 30)],
)
def test_the_shorter_timeout_holds_over_otlp(
    env: pytest.MonkeyPatch, of_batches: str, of_otlp: str, expected: float
) -> None:
    """OTEL_BSP_EXPORT_TIMEOUT and OTEL_EXPORTER_OTLP_TIMEOUT both limit a report."""
    env.setenv("OTEL_TRACES_EXPORTER", "otlp")
    env.setenv("OTEL_BSP_EXPORT_TIMEOUT", of_batches)
    env.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", of_otlp)
    with tracer_from_environment() as tracer:
        recorder = tracer.recorder
        assert isinstance(recorder, BatchRecorder)
        assert recorder.send_timeout == expected


def test_disabled(env: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true records nothing."""
    env.setenv("OTEL_TRACES_EXPORTER", "console")
    env.setenv("OTEL_SDK_DISABLED", "True")
    assert isinstance(_made().recorder, NoopRecorder)


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("variable", "value", "default"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "1.0"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "1.0"),
        ("OTEL_TRACES_SAMPLER_ARG", "much", "1.0"),
        ("OTEL_TRACES_EXPORTER", "pigeon", "otlp"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "1000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-1", "10000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "16384"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1.5", "512"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "nowhere", "http://localhost:9411/api/v2/spans"),
    ],
)
def test_broken_values(
    env: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    value: str,
    default: str,
) -> None:
    """One warning names the variable and the default that is used."""
    if variable == "OTEL_TRACES_SAMPLER_ARG":
        env.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    if variable == "OTEL_EXPORTER_ZIPKIN_ENDPOINT":
        env.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    env.setenv(variable, value)
    with caplog.at_level(logging.WARNING, LOGGER):
        _made()
    (message,) = (each.getMessage() for each in caplog.records if each.name == LOGGER)
    assert message.startswith(variable)
    assert default in message


def test_missing_packages(env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If the exporter's packages are missing, the log names them, and nothing is recorded."""
    env.setenv("OTEL_TRACES_EXPORTER", "otlp")
    env.setitem(sys.modules, "opentracing_recorder.otlp", None)  # type: ignore[arg-type]
    assert isinstance(_made().recorder, NoopRecorder)
    assert "opentracing[otlp]" in caplog.text


def test_unasked_the_other_configurator_runs(env: pytest.MonkeyPatch) -> None:
    """If the tracer was not chosen, the other configurator gets its options."""
    calls = []

    class Other:
        def load(self) -> type[Other]:
            return Other

        def configure(self, **options: object) -> None:
            calls.append(options)

    env.setattr("opentracing_recorder.environment._other_configurator", Other)
    Configurator().configure(auto_instrumentation_version="1")
    assert calls == [{"auto_instrumentation_version": "1"}]
