"""tracer_from_environment: each variable, and broken values."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from opentracing import Format, use_tracer
from opentracing_recorder import (
    BatchRecorder,
    CompositeRecorder,
    ConsoleRecorder,
    ConstSampler,
    InMemoryRecorder,
    NoopRecorder,
    ProbabilisticSampler,
    Recorder,
    _environment_variables,
    read_spans,
    tracer_from_environment,
)
from opentracing_recorder._environment_limits import Limits
from opentracing_recorder._environment_names import VARIABLES
from opentracing_recorder.environment import Configurator
from opentracing_recorder.harness import RecorderCheckMixin
from opentracing_recorder.tracer import BasicTracer

LOGGER = "opentracing_recorder.environment"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "OPENTRACING_")):
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
        ("ALWAYS_ON", "ConstSampler(True)"),
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


@pytest.mark.parametrize(
    ("name", "of_unsampled", "of_sampled"),
    [
        ("always_on", True, True),
        ("always_off", False, False),
        ("traceidratio", True, True),
        ("parentbased_always_on", False, True),
        ("parentbased_always_off", False, True),
        ("parentbased_traceidratio", False, True),
    ],
)
@pytest.mark.parametrize("propagators", ["", "b3", "jaeger,tracecontext"])
@pytest.mark.needs_os
def test_who_decides(
    env: pytest.MonkeyPatch, propagators: str, name: str, of_unsampled: bool, of_sampled: bool
) -> None:
    """Without ``parentbased_``, the sampler decides also for traces that callers have started: by
    both APIs, and for children here as for their parent.
    """
    from opentelemetry import context as context_api
    from opentelemetry import trace

    from opentracing_recorder.environment import provider_from_environment

    env.setenv("OTEL_TRACES_SAMPLER", name)
    env.setenv("OTEL_PROPAGATORS", propagators)
    env.setattr("opentracing_recorder._opentelemetry_api_propagator._propagate", mock.Mock())
    with use_tracer(_made()):
        provider = provider_from_environment()
    tracer = provider.tracer
    for flags, expected in ((0, of_unsampled), (1, of_sampled)):
        headers = {
            "traceparent": f"00-{7:032x}-{9:016x}-0{flags}",
            "b3": f"{7:032x}-{9:016x}-{flags}",
        }
        context = tracer.extract(Format.HTTP_HEADERS, headers)
        with tracer.start_active_span("x", context) as scope:
            inner = tracer.start_span("y")
        assert (scope.span.context.trace_id, scope.span.parent_id) == (7, 9)
        assert (scope.span.context.sampled, inner.context.sampled) == (expected, expected)
        caller = trace.set_span_in_context(
            trace.NonRecordingSpan(trace.SpanContext(7, 9, True, trace.TraceFlags(flags)))
        )
        span = provider.get_tracer("z").start_span("x", caller)
        assert span.get_span_context().trace_flags.sampled == expected
        held = context_api.attach(caller)
        assert tracer.start_span("x").context.sampled == expected
        context_api.detach(held)


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


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("of_batches", "of_zipkin", "expected"),
    [("3000", "2000", 2), ("2000", "3000", 2), ("3000", "", 3), ("", "2000", 2), ("", "30000", 30)],
)
def test_the_shorter_timeout_holds_for_zipkin(
    env: pytest.MonkeyPatch, of_batches: str, of_zipkin: str, expected: float
) -> None:
    """OTEL_BSP_EXPORT_TIMEOUT and OTEL_EXPORTER_ZIPKIN_TIMEOUT both limit a report."""
    env.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    env.setenv("OTEL_BSP_EXPORT_TIMEOUT", of_batches)
    env.setenv("OTEL_EXPORTER_ZIPKIN_TIMEOUT", of_zipkin)
    with tracer_from_environment() as tracer:
        recorder = tracer.recorder
        assert isinstance(recorder, BatchRecorder)
        assert recorder.send_timeout == expected


@pytest.mark.parametrize("name", ["", "own.jsonl"])
def test_file(env: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Spans are appended to OPENTRACING_FILE, or to spans.jsonl in the current folder."""
    env.chdir(tmp_path)
    env.setenv("OTEL_TRACES_EXPORTER", "file")
    env.setenv("OPENTRACING_FILE", name)
    for _ in range(2):
        with tracer_from_environment() as tracer:
            tracer.start_span("order").finish()
    names = [span["operation_name"] for span in read_spans(tmp_path / (name or "spans.jsonl"))]
    assert names == ["order", "order"]


def test_a_file_that_cannot_be_opened(
    env: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and the other exporters are used."""
    env.setenv("OTEL_TRACES_EXPORTER", "file,console")
    env.setenv("OPENTRACING_FILE", str(tmp_path / "missing" / "spans.jsonl"))
    assert isinstance(_made().recorder, ConsoleRecorder)
    assert "no span is sent by the exporter file" in caplog.text


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("format", "topic", "expected"),
    [("", "", "zipkin"), ("OTLP", "", "otlp_spans"), ("otlp", "own", "own"), ("x", "", "zipkin")],
)
def test_kafka(
    env: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    format: str,
    topic: str,
    expected: str,
) -> None:
    """OPENTRACING_KAFKA_* reach the recorder; another format is reported."""
    kafka = pytest.importorskip("opentracing_recorder.kafka")
    env.setenv("OTEL_TRACES_EXPORTER", "kafka")
    env.setenv("OTEL_SERVICE_NAME", "shop")
    env.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2000")
    env.setenv("OPENTRACING_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1,127.0.0.1:2")
    env.setenv("OPENTRACING_KAFKA_FORMAT", format)
    env.setenv("OPENTRACING_KAFKA_TOPIC", topic)
    env.setenv("OPENTRACING_KAFKA_CONFIG", "compression.type=zstd,client.id=a%2Cb")
    made = mock.Mock(wraps=kafka.KafkaRecorder)
    env.setattr(kafka, "KafkaRecorder", made)
    with tracer_from_environment() as tracer:
        recorder: Any = tracer.recorder
        assert (recorder.topic, recorder.service_name) == (expected, "shop")
        assert recorder.queue_size == 2000
    assert made.call_args[0] == ("shop", "127.0.0.1:1,127.0.0.1:2")
    assert made.call_args[1]["config"] == {"compression.type": "zstd", "client.id": "a,b"}
    assert ("OPENTRACING_KAFKA_FORMAT must be zipkin or otlp" in caplog.text) == (format == "x")


@pytest.mark.needs_os
def test_kafka_with_a_setting_that_cannot_serve(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporter is left out, rather than send without the setting."""
    pytest.importorskip("confluent_kafka")
    env.setenv("OTEL_TRACES_EXPORTER", "kafka")
    env.setenv("OPENTRACING_KAFKA_CONFIG", "no.such.setting=1")
    assert isinstance(_made().recorder, NoopRecorder)
    assert "no span is sent by the exporter kafka" in caplog.text
    assert "no.such.setting" in caplog.text


def test_an_unknown_exporter_is_reported_with_the_list(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning has the names that can be chosen; those that are known are used."""
    env.setenv("OTEL_TRACES_EXPORTER", "jaeger, Console ,console")
    assert isinstance(_made().recorder, ConsoleRecorder)
    assert "of otlp, zipkin, kafka, file, console, none, or several" in caplog.text


@pytest.mark.needs_os
def test_limits(env: pytest.MonkeyPatch) -> None:
    """OTEL_*_LIMIT are those of tracer and provider; a span's own comes before the general one."""
    from opentelemetry import trace

    from opentracing_recorder.environment import provider_from_environment

    env.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "5")
    env.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    env.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "3")
    env.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "0")
    env.setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "")
    env.setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1")
    with use_tracer(_made()):
        provider = provider_from_environment()
    tracer = provider.tracer
    assert (tracer.max_tags, tracer.max_logs, provider.max_links) == (2, 3, 0)
    assert (provider.max_event_attributes, provider.max_link_attributes) == (1, 5)
    assert provider.max_attribute_length is None
    span = provider.get_tracer("x").start_span(
        "y", links=[trace.Link(trace.SpanContext(7, 9, True))], attributes=dict.fromkeys("abc", 1)
    )
    for each in "abcd":
        span.add_event(each, dict.fromkeys("abc", 1))
    assert (len(span.attributes), len(span.events), span.links) == (2, 3, ())
    assert [dict(each.attributes) for each in span.events] == [{"c": 1}] * 3


@pytest.mark.needs_os
def test_limits_of_links(env: pytest.MonkeyPatch) -> None:
    """A link keeps so many attributes as OTEL_LINK_ATTRIBUTE_COUNT_LIMIT says, the newest."""
    from opentelemetry import trace

    from opentracing_recorder.environment import provider_from_environment

    env.setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1")
    with use_tracer(_made()):
        provider = provider_from_environment()
    linked = trace.SpanContext(7, 9, True)
    given = trace.Link(linked, dict.fromkeys("abc", 1))
    span: Any = provider.get_tracer("x").start_span("y", links=[given])
    span.add_link(linked, dict.fromkeys("de", 1))
    assert [dict(each.attributes) for each in span.links] == [{"c": 1}, {"e": 1}]


def test_no_tag_and_no_log(env: pytest.MonkeyPatch) -> None:
    """Limits of 0 keep none."""
    env.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")
    env.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "0")
    with tracer_from_environment() as tracer:
        span = tracer.start_span("x", tags={"a": 1, "error": True}).set_tag("b", 2)
        span.log_kv({"event": "c"})
    assert (span.tags, list(span.logs)) == ({}, [])


@pytest.mark.parametrize(
    ("general", "own", "tag", "field"),
    [
        ("4", "", "abcd", "abcd"),
        ("", "2", "ab", "abcdef"),
        ("3", "5", "abcde", "abc"),
        ("5", "0", "", "abcde"),
        ("", "", "abcdef", "abcdef"),
    ],
)
@pytest.mark.parametrize("api", ["opentracing", "opentelemetry"])
@pytest.mark.needs_os
def test_texts_are_cut(
    env: pytest.MonkeyPatch, tmp_path: Path, api: str, general: str, own: str, tag: str, field: str
) -> None:
    """Tags by one limit, logs by the other, whichever API they came by; names and kinds never."""
    from opentelemetry import trace

    from opentracing_recorder.environment import provider_from_environment

    env.setenv("OTEL_TRACES_EXPORTER", "file")
    env.setenv("OPENTRACING_FILE", str(tmp_path / "spans"))
    env.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", general)
    env.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", own)
    with use_tracer(_made()):
        provider = provider_from_environment()
    tags: Any = {"a": "abcdef", "b": ["abcdef", "abcdef"], "c": 1234567}
    if api == "opentracing":
        span = provider.tracer.start_span("operation", tags={"span.kind": "server", **tags})
        span.log_kv({"event": "occurrence", "a": "abcdef"})
        span.finish()
    else:
        started = provider.get_tracer("long scope").start_span(
            "operation", kind=trace.SpanKind.SERVER, attributes=tags
        )
        started.add_event("occurrence", {"a": "abcdef"})
        started.end()
    provider.shutdown()
    (span,) = read_spans(tmp_path / "spans")
    assert span["operation_name"] == "operation"
    kept = {key: span["tags"][key] for key in ("a", "b", "c", "span.kind")}
    assert kept == {"a": tag, "b": [tag, tag], "c": 1234567, "span.kind": "server"}
    (log,) = span["logs"]
    fields = log.get("fields", log)
    assert (fields["event"], fields["a"]) == ("occurrence", field)


def test_unread_variables_are_reported_once(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those for tracing that nobody reads, also with a slip in the name; no value is shown."""
    unread = [
        *("OPENTRACING_KAFKA_SERVERS", "OTEL_CONFIG_FILE", "OTEL_EXPORTER_JAEGER_ENDPOINT"),
        *("OTEL_EXPORTER_OLTP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_INSECURE"),
        *("OTEL_EXPORTR_ZIPKIN_ENDPOINT", "OTEL_SERVICENAME", "OTEL_TRACE_SAMPLER"),
    ]
    others = [
        *("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER", "OTEL_LOG_LEVEL"),
        *("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "OTEL_EXPORTER_PROMETHEUS_PORT"),
    ]
    for name in (*unread, *others, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"):
        env.setenv(name, "secret")
    env.setenv("OTEL_BSP_EMPTY", " ")
    _made()
    (message,) = (each.getMessage() for each in caplog.records)
    assert message.startswith(f"These variables are set, and not read: {', '.join(unread)}. ")
    caplog.clear()
    env.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    _made()
    assert "INSECURE" not in caplog.text


@pytest.mark.needs_os
def test_a_broken_list_is_reported_once(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the tracer and its recorder both read it."""
    env.setenv("OTEL_TRACES_EXPORTER", "otlp")
    env.setenv("OTEL_RESOURCE_ATTRIBUTES", "reported-once,service.name=shop")
    assert _made().service_name == "shop"
    (message,) = (each.getMessage() for each in caplog.records)
    assert message.startswith("OTEL_RESOURCE_ATTRIBUTES must be items such as key=value")


@pytest.mark.parametrize(
    "value", ["x" * 100_000, "\udcff,\udc80=\udc00", " , ,, ", "%ff=%,=,=b", "\x00"]
)
@pytest.mark.filterwarnings("error")
@pytest.mark.needs_os
def test_hostile_values(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, value: str
) -> None:
    """Whatever the variables hold, a tracer comes of it, and no warning repeats them."""
    environ = {
        each.name: value
        for each in VARIABLES
        if each.name not in ("OTEL_EXPORTER_OTLP_*", "OTEL_TRACES_EXPORTER")
    }
    environ["OTEL_TRACES_EXPORTER"] = "console,file,kafka,zipkin"
    environ["OTEL_EXPORTER_OTLP_HEADERS"] = environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = value
    env.chdir(tmp_path)
    env.setattr(_environment_variables, "os", SimpleNamespace(environ=environ))
    tracer = _made()
    span = tracer.start_span("x", tags={"a": "b"})
    tracer.inject(span, Format.HTTP_HEADERS, {})
    span.finish()
    assert max((len(each.getMessage()) for each in caplog.records), default=0) < 1000


def test_disabled(env: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true records nothing."""
    env.setenv("OTEL_TRACES_EXPORTER", "console")
    env.setenv("OTEL_SDK_DISABLED", "True")
    assert isinstance(_made().recorder, NoopRecorder)


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("variable", "value", "default"),
    [
        ("OTEL_SDK_DISABLED", "1", "false"),
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
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "1.5", "10000"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_always_on"),
        ("OTEL_PROPAGATORS", "pigeon", "tracecontext,baggage"),
        ("OTEL_PROPAGATORS", "b3, pigeon", "b3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "none", "128"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1", "128"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "1e3", "128"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9" * 5000, "128"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "many", "no limit"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "\udcff", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
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
    if variable.startswith("OTEL_EXPORTER_ZIPKIN"):
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


class TestCutTexts(RecorderCheckMixin):
    """What is in front of a recorder if a length is limited keeps the contract of recorders."""

    def recorder(self) -> Recorder:
        limits = Limits(128, 128, 128, 128, 128, tag_length=5, length=5)
        return limits.cut(InMemoryRecorder())

    def delivered(self, recorder: Any) -> list[str]:
        return [span.operation_name for span in recorder.recorder.spans]

    def check_fork(self) -> bool:
        return False
