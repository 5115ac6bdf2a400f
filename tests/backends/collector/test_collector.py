"""Both recorders for OTLP against a real OpenTelemetry Collector, by each way that they have."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opentracing import child_of, follows_from, use_tracer
from opentracing_recorder import BasicSpanContext, BasicTracer, RemoteSpanContext
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager
from opentracing_recorder.otlp import OTLPRecorder

from ...endings import ENDINGS, run
from ...opentelemetry.one_trace import order
from .conftest import Collector, MakeRecorder, Sink

pytestmark = pytest.mark.needs_os


def text(key: str, value: str) -> dict[str, Any]:
    """An attribute, as protocol buffers have it in JSON."""
    return {"key": key, "value": {"stringValue": value}}


def sorted_attributes(message: Any) -> Any:
    """A message as a dict, with attributes in the order of their keys."""
    if isinstance(message, list):
        return [sorted_attributes(each) for each in message]
    if not isinstance(message, dict):
        return message
    message = {key: sorted_attributes(value) for key, value in message.items()}
    if "attributes" in message:
        message["attributes"].sort(key=lambda each: each["key"])
    return message


def test_every_field_arrives(make_recorder: MakeRecorder, collector: Collector, sink: Sink) -> None:
    """The collector forwards the recorded span with every field."""
    recorder = make_recorder(resource_attributes={"service.version": "3"})
    with BasicTracer(recorder, max_tags=8, max_logs=2) as tracer:
        caller = RemoteSpanContext((0xAB << 64) + 0xCD, 0xEF, extra={"tracestate": "a=1,b=2"})
        other = BasicSpanContext(0x12, 0x34, extra={"tracestate": "c=3"})
        span = tracer.start_span(
            "order",
            references=[child_of(caller), follows_from(other)],
            start_time=1_700_000_000.5,
            tags={
                "span.kind": "server",
                "error": True,
                "http.method": "GET",
                "http.status_code": "500",
                "weight": 1.5,
                "gift": False,
                "items": ["teapot", "cup"],
                "odd": {"a": [1, None]},
            },
        )
        span.set_tag("one too many", 1)
        span.log_kv({"event": "packed", "boxes": 2}, timestamp=1_700_000_000.75)
        span.log_kv({"event": "left out"})
        span.log_kv(
            {"event": "error", "error.kind": "Timeout", "message": "too late", "stack": "x.py:1"},
            timestamp=1_700_000_001,
        )
        span.finish(1_700_000_002)
        assert tracer.flush(30)

    (resource_spans,) = sink.resource_spans
    resource = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
    resource.pop("service.instance.id", None)  # newer SDKs make one up
    version = importlib.metadata.version("opentracing")
    assert resource == {
        "service.name": "shop",
        "service.version": "3",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentracing_recorder",
        "telemetry.sdk.version": version,
    }
    (scope_spans,) = resource_spans.scope_spans
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("opentracing", version)
    (arrived,) = scope_spans.spans
    # OpenTelemetry's exporter leaves out W3C's flags, and the trace state of a link.
    w3c_flags, links_state = (1, "c=3") if isinstance(recorder, OTLPRecorder) else (0, "")
    expected = Span(
        trace_id=bytes.fromhex("00000000000000ab00000000000000cd"),
        span_id=span.context.span_id.to_bytes(8, "big"),
        parent_span_id=bytes.fromhex("00000000000000ef"),
    )
    ParseDict(
        {
            "traceState": "a=1,b=2",
            "flags": 0x300 + w3c_flags,  # whether the parent is remote is known, and it is
            "name": "order",
            "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": "1700000000500000000",
            "endTimeUnixNano": "1700000002000000000",
            "attributes": [
                text("http.request.method", "GET"),
                {"key": "http.response.status_code", "value": {"intValue": "500"}},
                {"key": "weight", "value": {"doubleValue": 1.5}},
                {"key": "gift", "value": {"boolValue": False}},
                {
                    "key": "items",
                    "value": {
                        "arrayValue": {
                            "values": [{"stringValue": "teapot"}, {"stringValue": "cup"}]
                        }
                    },
                },
                text("odd", '{"a": [1, null]}'),
                text("error.type", "Timeout"),
            ],
            "droppedAttributesCount": 1,
            "events": [
                {
                    "name": "packed",
                    "timeUnixNano": "1700000000750000000",
                    "attributes": [{"key": "boxes", "value": {"intValue": "2"}}],
                },
                {
                    "name": "exception",
                    "timeUnixNano": "1700000001000000000",
                    "attributes": [
                        text("exception.type", "Timeout"),
                        text("exception.message", "too late"),
                        text("exception.stacktrace", "x.py:1"),
                    ],
                },
            ],
            "droppedEventsCount": 1,
            "status": {"code": "STATUS_CODE_ERROR", "message": "too late"},
        },
        expected,
    )
    link = expected.links.add()
    link.trace_id = bytes.fromhex("00000000000000000000000000000012")
    link.span_id = bytes.fromhex("0000000000000034")
    link.trace_state = links_state
    link.flags = 0x100 + w3c_flags  # it is not remote
    link.attributes.add(key="opentracing.ref_type").value.string_value = "follows_from"
    assert sorted_attributes(MessageToDict(arrived)) == sorted_attributes(MessageToDict(expected))
    assert "Traces" in collector.log


def test_nothing_is_lost_while_the_collector_is_killed_and_restarted(
    make_recorder: MakeRecorder, collector: Collector, sink: Sink
) -> None:
    """Spans recorded before, during and after the outage all arrive, some perhaps twice."""
    recorder = make_recorder(batch_size=100, interval=0.05)
    recorded: list[int] = []
    stop = threading.Event()

    def work(tracer: BasicTracer) -> None:
        while not stop.wait(0.001):
            for _ in range(4):
                span = tracer.start_span("x")
                span.finish()
                recorded.append(span.context.span_id)

    def arrived() -> set[int]:
        return {int.from_bytes(span.span_id, "big") for span in sink.spans}

    with BasicTracer(recorder) as tracer:
        threads = [threading.Thread(target=work, args=(tracer,)) for _ in range(2)]
        for each in threads:
            each.start()
        sink.wait_for(lambda: len(sink.spans) > 300)
        collector.kill()
        at_the_kill = len(recorded)
        while len(recorded) < at_the_kill + 1000:
            stop.wait(0.01)
        before = len(sink.spans)
        collector.start()
        sink.wait_for(lambda: len(sink.spans) > before + 300)
        stop.set()
        for each in threads:
            each.join()
        assert tracer.flush(60)

    assert recorder.stats.recorded == recorder.stats.sent == len(recorded)
    assert arrived() == set(recorded)
    assert recorder.stats.dropped == recorder.stats.failed == 0


def test_what_was_queued_while_there_was_no_collector_arrives_when_there_is_one(
    make_recorder: MakeRecorder, collector: Collector, sink: Sink
) -> None:
    """An application may start before its collector does."""
    collector.kill()
    with BasicTracer(make_recorder(interval=0.05)) as tracer:
        for _ in range(500):
            tracer.start_span("x").finish()
        assert not tracer.flush(0.5)
        assert sink.spans == []
        collector.start()
        assert tracer.flush(60)
    assert len({span.span_id for span in sink.spans}) == 500


def test_close_keeps_to_its_time_when_the_collector_hangs(
    make_recorder: MakeRecorder,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says that not all was delivered, and counts what was not."""
    released = threading.Event()

    recorder = make_recorder(interval=0.05)
    release = recorder.release

    def release_and_say_so() -> None:
        release()
        released.set()

    monkeypatch.setattr(recorder, "release", release_and_say_so)
    tracer = BasicTracer(recorder)
    tracer.start_span("before").finish()
    assert tracer.flush(30)
    collector.pause()
    tracer.start_span("x").finish()
    start = time.monotonic()
    assert not tracer.close(1)
    assert time.monotonic() - start < 3
    assert (recorder.stats.sent, recorder.stats.dropped) == (1, 1)
    # The exporter's call goes on until it is answered; no thread may go on after the test.
    collector.resume()
    assert released.wait(30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are looked at in /proc")
def test_a_paused_collector_has_stopped(collector: Collector) -> None:
    """None of its threads answers any more, from the moment that `pause` returns."""
    for _ in range(20):
        collector.pause()
        states = [(each / "stat").read_text() for each in collector.threads()]
        collector.resume()
        assert {each.rpartition(")")[2].split()[0] for each in states} == {"T"}


def test_an_instrumented_http_client_does_not_trace_the_export(
    collector: Collector, sink: Sink
) -> None:
    """OpenTelemetry's instrumentation of requests does not trace the export."""
    traced = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(traced))
    url = collector.url
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        with BasicTracer(OpenTelemetryRecorder(lambda: OTLPSpanExporter(url), "shop")) as tracer:
            tracer.start_span("x").finish()
            assert tracer.flush(30)
            assert traced.get_finished_spans() == ()
        requests.get(url, timeout=10).close()
        assert [span.name for span in traced.get_finished_spans()] == ["GET"]
    finally:
        instrumentor.uninstrument()
    assert [span.name for span in sink.spans] == ["x"]


def test_a_request_through_both_apis_arrives_as_one_tree(
    make_recorder: MakeRecorder, sink: Sink
) -> None:
    """Each span has its caller as parent, and what made it as scope; the export has no span."""
    scopes = OpenTelemetryScopeManager()
    with BasicTracer(make_recorder(), scope_manager=scopes, trace_id_bits=128) as tracer:
        trace.set_tracer_provider(BasicTracerProvider(tracer))
        with use_tracer(tracer):
            order()
        assert tracer.flush(30)
    scope_of = {
        span.span_id: scope.scope.name.replace("opentelemetry.instrumentation.", "")
        for resource in sink.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    child_of_id = {span.parent_span_id: span for span in sink.spans}
    found = []
    span = child_of_id[b""]
    while span is not None:
        found.append((span.name, Span.SpanKind.Name(span.kind)[10:], scope_of[span.span_id]))
        span = child_of_id.get(span.span_id)
    assert found == [
        ("GET", "CLIENT", "requests"),
        ("GET /orders/<item>", "SERVER", "flask"),
        ("look up", "INTERNAL", "opentracing"),
        ("price", "INTERNAL", "prices"),
        ("GET", "CLIENT", "requests"),
        ("GET /rate", "SERVER", "flask"),
    ]
    assert len(sink.spans) == len(found)
    assert len({span.trace_id for span in sink.spans}) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_sends_to_the_collector_too(
    make_recorder: MakeRecorder, sink: Sink
) -> None:
    """Each side of a fork has connections of its own, though the parent had some before it."""
    with BasicTracer(make_recorder()) as tracer:
        tracer.start_span("before").finish()
        assert tracer.flush(30)
        child = os.fork()
        if not child:
            tracer.start_span("in the child").finish()
            os._exit(0 if tracer.flush(30) else 1)
        assert os.waitpid(child, 0) == (child, 0)
        tracer.start_span("in the parent").finish()
        assert tracer.flush(30)
    assert sorted(span.name for span in sink.spans) == ["before", "in the child", "in the parent"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_last_spans_arrive_over_grpc(
    tmp_path: Path, collector: Collector, sink: Sink, ending: str
) -> None:
    """The channel is made while the process ends; over HTTP the plain suite has the same."""
    recorder = """
        from functools import partial
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
        exporter = partial(OTLPSpanExporter, endpoint=PLACE, insecure=True)
        return OpenTelemetryRecorder(exporter, "shop", **NEVER)
    """
    run(tmp_path, recorder, ENDINGS[ending], f"127.0.0.1:{collector.grpc_port}")
    assert sorted(span.name for span in sink.spans) == ENDINGS[ending].names
