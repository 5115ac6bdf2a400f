"""OTLPRecorder delivers whatever the server does, and OTLPTracer is a tracer made for it."""

from __future__ import annotations

import inspect
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opentracing import Format
from opentracing_recorder import BasicSpan, BasicTracer, BatchRecorder, InMemoryRecorder

if sys.platform == "emscripten":
    pytest.skip("urllib3 needs sockets, which Pyodide has none of", allow_module_level=True)

pytest.importorskip("opentelemetry.proto.trace", reason="opentelemetry-proto is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from opentracing_recorder.otlp import MAX_REPORT_SIZE, OTLPRecorder, OTLPTracer
from opentracing_recorder.zipkin import ZipkinRecorder

from ..http_server import Answer, ScriptedServer, answer, hang_up
from ..otlp_payload import names_in, request_in, spans_in

pytestmark = pytest.mark.needs_os

OK = answer("200 OK")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_tracer() -> Iterator[Callable[..., BasicTracer]]:
    """Makes tracers that send when they are asked to, and closes them."""
    made: list[BasicTracer] = []

    def make(server: ScriptedServer, **options: Any) -> BasicTracer:
        url = f"http://127.0.0.1:{server.port}"
        made.append(BasicTracer(OTLPRecorder("shop", url, **{"interval": 10, **options})))
        return made[-1]

    yield make
    for tracer in made:
        tracer.close(1)


Make = Callable[..., BasicTracer]


def finish(tracer: BasicTracer, *names: str) -> None:
    for name in names:
        tracer.start_span(name).finish()


def stats(tracer: BasicTracer) -> tuple[int, ...]:
    """Recorded, sent, dropped, failed, queued."""
    found: tuple[int, ...] = tracer.recorder.stats[:5]  # type: ignore[attr-defined]
    return found


def recorded(number: int, tags: dict[str, Any]) -> list[BasicSpan]:
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, trace_id_bits=128)
    for each in range(number):
        tracer.start_span(f"span {each}", tags=tags).finish()
    return list(recorder.spans)


def test_the_options_and_defaults_are_those_of_every_batch_recorder() -> None:
    """Each has a name of its own in the constructor; a variable may stand for the time limit."""
    own = inspect.signature(OTLPRecorder).parameters
    for name, option in inspect.signature(BatchRecorder).parameters.items():
        if name != "send_timeout":
            assert own[name] == option
    assert OTLPRecorder("shop").send_timeout == 10.0
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in own.values())


# What is sent.


@pytest.mark.parametrize(
    ("options", "content_type"),
    [
        ({}, "application/x-protobuf"),
        ({"protocol": "http/protobuf"}, "application/x-protobuf"),
        ({"protocol": "http/json"}, "application/json"),
    ],
)
def test_a_report_is_a_post(
    options: dict[str, Any], content_type: str, server: ScriptedServer, make_tracer: Make
) -> None:
    """It says what it is, and has the headers that the application asks for beside its own."""
    headers = {"Authorization": "Bearer x", "Content-Type": "text/plain"}
    tracer = make_tracer(server, headers=headers, **options)
    finish(tracer, "a", "b")
    assert tracer.flush(10)
    (request,) = server.requests
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.headers["content-type"] == content_type
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["user-agent"] == "opentracing-python"
    assert "content-encoding" not in request.headers
    assert request.body.startswith(b"{") == (content_type == "application/json")
    assert names_in([request]) == ["a", "b"]
    assert stats(tracer) == (2, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/v1/traces", "/v1/traces"),
        ("/otlp", "/otlp"),
        ("/otlp/", "/otlp/"),
        ("?key=a", "/v1/traces?key=a"),
    ],
)
def test_an_endpoint_without_a_path_gets_that_of_the_protocol(
    path: str, target: str, server: ScriptedServer
) -> None:
    """One with a path is used as it is."""
    tracer = BasicTracer(OTLPRecorder("shop", f"http://127.0.0.1:{server.port}{path}", interval=10))
    finish(tracer, "a")
    assert tracer.close(10)
    assert [each.line for each in server.requests] == [f"POST {target} HTTP/1.1"]


def test_the_resource_describes_the_process(server: ScriptedServer, make_tracer: Make) -> None:
    """The service's name, the attributes that are given, and this package as the sender."""
    given = {"deployment.environment.name": "test", "cpus": 2, "service.name": "other", "": 1}
    tracer = make_tracer(server, resource_attributes=given)
    finish(tracer, "a")
    assert tracer.flush(10)
    (resource,) = request_in(server.requests[0].body).resource_spans
    found = {
        each.key: each.value.int_value or each.value.string_value
        for each in resource.resource.attributes
    }
    assert found.pop("telemetry.sdk.version")
    assert found == {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentracing_recorder",
        "service.name": "shop",
        "deployment.environment.name": "test",
        "cpus": 2,
    }


@pytest.mark.parametrize(
    ("semantic_names", "names"), [(True, ["http.request.method"]), (False, ["http.method"])]
)
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_names_stay_when_that_is_wanted(
    semantic_names: bool,
    names: list[str],
    protocol: str,
    server: ScriptedServer,
    make_tracer: Make,
) -> None:
    """By default, the standard tags get OpenTelemetry's names."""
    tracer = make_tracer(server, semantic_names=semantic_names, protocol=protocol)
    tracer.start_span("a", tags={"http.method": "GET"}).finish()
    assert tracer.flush(10)
    (span,) = spans_in(server.requests[0].body)
    assert [each.key for each in span.attributes] == names


def test_long_reports_are_compressed(server: ScriptedServer, make_tracer: Make) -> None:
    """Those of at least the given size."""
    tracer = make_tracer(server, compress_from=1000)
    finish(tracer, "short")
    assert tracer.flush(10)
    finish(tracer, "long" * 1000)
    assert tracer.flush(10)
    encodings = [each.headers.get("content-encoding") for each in server.requests]
    assert encodings == [None, "gzip"]
    assert names_in(server.requests) == ["short", "long" * 1000]


# Answers.


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(hang_up, id="reset"),
        pytest.param(answer("429 Too Many Requests"), id="429"),
        pytest.param(answer("502 Bad Gateway"), id="502"),
        pytest.param(answer("503 Service Unavailable", b"", "Retry-After: soon"), id="503"),
        pytest.param(answer("504 Gateway Timeout"), id="504"),
    ],
)
def test_a_passing_fault_loses_nothing(fault: Answer, make_tracer: Make) -> None:
    """The same batch is sent again, and is acknowledged once."""
    with ScriptedServer(fault, fault) as server:
        tracer = make_tracer(server, interval=0.02)
        finish(tracer, "a", "b")
        assert tracer.flush(20)
        bodies = [each.body for each in server.requests]
        assert len(bodies) == 3
        assert len(set(bodies)) == 1
        assert stats(tracer) == (2, 2, 0, 0, 0)


def test_the_server_says_when_to_come_back(make_tracer: Make) -> None:
    """Retry-After is honoured."""
    with ScriptedServer(answer("429 Too Many Requests", b"", "Retry-After: 1")) as server:
        tracer = make_tracer(server, interval=0.02)
        start = time.monotonic()
        finish(tracer, "a")
        server.wait_for_requests(2)
        assert time.monotonic() - start > 0.9
        assert tracer.flush(10)


@pytest.mark.parametrize(
    "status",
    [
        "301 Moved Permanently",
        "307 Temporary Redirect",
        "401 Unauthorized",
        "404 Not Found",
        "408 Request Timeout",
        "500 Internal Server Error",
        "501 Not Implemented",
    ],
)
def test_a_refusal_is_final(
    status: str, make_tracer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """OTLP retries no other status than four, and follows no redirect."""
    with ScriptedServer(answer(status, b"no", "Location: /elsewhere")) as server:
        tracer = make_tracer(server, interval=0.02)
        finish(tracer, "a", "b")
        assert not tracer.flush(10)
        finish(tracer, "c")
        assert tracer.flush(10)
        assert [each.line for each in server.requests] == ["POST /v1/traces HTTP/1.1"] * 2
    assert stats(tracer) == (3, 1, 0, 2, 0)
    (text,) = caplog.messages
    assert f"the OTLP server answered {status}: 'no'" in text


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [("400 Bad Request", "was rejected"), ("413 Content Too Large", "was too large")],
)
def test_a_refused_span_costs_no_other(
    status: str,
    outcome: str,
    protocol: str,
    make_tracer: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The report is sent in halves; the log has the span and the reason."""

    def check(connection: socket.socket) -> None:
        is_bad = b"bad span" in server.requests[-1].body
        connection.sendall(answer(status, b"no such tag") if is_bad else OK)

    with ScriptedServer() as server:
        server.otherwise = check
        tracer = make_tracer(server, protocol=protocol)
        names = [f"span {number}" for number in range(99)]
        finish(tracer, *names[:30], "bad span", *names[30:])
        assert not tracer.flush(10)
    accepted = [each for each in server.requests if b"bad span" not in each.body]
    assert names_in(accepted) == names
    assert stats(tracer) == (100, 99, 0, 1, 0)
    (text,) = caplog.messages
    assert text.startswith("OTLPRecorder: the span 'bad span' (")
    assert outcome in text
    assert text.endswith(f"the OTLP server answered {status}: 'no such tag'")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_no_report_exceeds_its_size(
    protocol: str, server: ScriptedServer, make_tracer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent in halves before the server has to refuse it; a span too large alone is lost."""
    tracer = make_tracer(server, max_report_size=10_000, compress_from=1, protocol=protocol)
    names = [f"span {number}" for number in range(100)]
    finish(tracer, *names[:70], "long" * 5000, *names[70:])
    assert not tracer.flush(10)
    assert names_in(server.requests) == names
    assert max(len(each.body) for each in server.requests) <= 10_000
    assert stats(tracer) == (101, 100, 0, 1, 0)
    (text,) = caplog.messages
    assert "the span 'longlong" in text
    assert text.endswith("max_report_size is 10000")


def test_a_report_is_less_than_a_collector_takes() -> None:
    """Over gRPC, collectors take 4 MiB."""
    assert MAX_REPORT_SIZE == 4 * 1024 * 1024 - 64 * 1024


def partial(kind: str, rejected: int, message: str) -> bytes:
    """The answer of a server that rejected spans."""
    if kind == "JSON":
        body = f'{{"partialSuccess":{{"rejectedSpans":"{rejected}","errorMessage":"{message}"}}}}'
        return answer("200 OK", body.encode(), "Content-Type: application/json")
    reply = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    )
    return answer("200 OK", reply.SerializeToString(), "Content-Type: application/x-protobuf")


@pytest.mark.parametrize("kind", ["protobuf", "JSON"])
def test_spans_that_the_server_rejects_count_as_failed(
    kind: str, make_tracer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message is logged once a minute, without secrets; nothing is sent again."""
    message = "tag too long for s3sam3\\n\\u001b[2J" if kind == "JSON" else "s3sam3\n\x1b[2J"
    with ScriptedServer(partial(kind, 2, message), partial(kind, 1, message)) as server:
        tracer = make_tracer(server, headers={"Authorization": "s3sam3"})
        finish(tracer, "a", "b", "c")
        assert not tracer.flush(10)
        assert stats(tracer) == (3, 1, 0, 2, 0)
        finish(tracer, "d")
        assert not tracer.flush(10)
        assert len(server.requests) == 2
    assert stats(tracer) == (4, 1, 0, 3, 0)
    (text,) = caplog.messages
    assert text.startswith(
        "OTLPRecorder: the server accepted a report, but rejected 2 of its 3 spans"
    )
    assert "***" in text
    assert "s3sam3" not in text
    assert text.isprintable()


@pytest.mark.parametrize("kind", ["protobuf", "JSON"])
def test_a_message_without_rejected_spans_is_a_warning(
    kind: str, make_tracer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers give advice so; all spans count as sent."""
    with ScriptedServer(partial(kind, 0, "slow down")) as server:
        tracer = make_tracer(server)
        finish(tracer, "a")
        assert tracer.flush(10)
    assert stats(tracer) == (1, 1, 0, 0, 0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "OTLPRecorder: the server accepted a report: slow down"


@pytest.mark.parametrize("kind", ["protobuf", "JSON"])
@pytest.mark.parametrize(("rejected", "failed"), [(99, 2), (-5, 0), (2**63 - 1, 2)])
def test_a_server_cannot_reject_more_than_it_got(
    kind: str, rejected: int, failed: int, make_tracer: Make
) -> None:
    """Nor less than nothing: every span is counted once."""
    with ScriptedServer(partial(kind, rejected, "")) as server:
        tracer = make_tracer(server)
        finish(tracer, "a", "b")
        assert tracer.flush(10) is (not failed)
    assert stats(tracer) == (2, 2 - failed, 0, failed, 0)


@pytest.mark.parametrize("body", [b"ok", b"{}", b"{", b"\x0a\x00", b"\x0a\x05\x08", b"x" * 200_000])
def test_any_other_reply_is_a_success(
    body: bytes, make_tracer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The status says so."""
    with ScriptedServer(answer("200 OK", body)) as server:
        tracer = make_tracer(server)
        finish(tracer, "a")
        assert tracer.flush(10)
    assert stats(tracer) == (1, 1, 0, 0, 0)
    assert caplog.messages == []


# Faults of spans.


def test_a_span_that_cannot_be_encoded_costs_no_other(
    server: ScriptedServer, make_tracer: Make
) -> None:
    """It counts as failed, beside what the server rejects; the rest of its batch is sent."""
    server.answers.append(partial("protobuf", 1, "no"))
    tracer = make_tracer(server)
    finish(tracer, "a")
    bad = tracer.start_span("bad")
    bad.start_time = "soon"  # type: ignore[attr-defined]
    bad.finish()
    finish(tracer, "b")
    assert not tracer.flush(10)
    assert names_in(server.requests) == ["a", "b"]
    assert stats(tracer) == (3, 1, 0, 2, 0)


def test_a_batch_without_a_usable_span_is_not_sent(
    server: ScriptedServer, make_tracer: Make
) -> None:
    """The server is not asked to accept nothing."""
    tracer = make_tracer(server)
    bad = tracer.start_span("bad")
    bad.start_time = "soon"  # type: ignore[attr-defined]
    bad.finish()
    assert not tracer.flush(10)
    assert server.requests == []
    assert stats(tracer) == (1, 0, 0, 1, 0)


# Arguments.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"service_name": 5}, TypeError, "service_name"),
        ({"endpoint": "collector:4318"}, ValueError, "endpoint must start with http"),
        ({"endpoint": "http://me:s3sam3@collector"}, ValueError, "endpoint must hold no credent"),
        ({"resource_attributes": [1]}, TypeError, "resource_attributes"),
        ({"protocol": "grpc"}, ValueError, "protocol must be http/protobuf or http/json"),
        ({"protocol": ["http/json"]}, TypeError, "protocol"),
        ({"headers": {"a": "s3sam3\n"}}, ValueError, "the header 'a'"),
        ({"headers": {"a": 5}}, TypeError, "headers"),
        ({"compress_from": "gzip"}, TypeError, "compress_from"),
        ({"max_report_size": 0}, ValueError, "max_report_size"),
        ({"ca_file": "/nowhere"}, ValueError, "ca_file"),
        ({"client_cert": "/nowhere"}, ValueError, "client_cert"),
        ({"client_key": __file__}, ValueError, "client_key"),
        ({"queue_size": 0}, ValueError, "queue_size"),
        ({"send_timeout": 0}, ValueError, "send_timeout"),
    ],
)
def test_an_argument_that_cannot_serve_is_refused(
    options: dict[str, Any], error: Any, message: str
) -> None:
    """By its name, and without a secret."""
    with pytest.raises(error, match=message) as caught:
        OTLPRecorder(**options)
    assert "s3sam3" not in str(caught.value)


# The tracer.


def test_a_tracer_in_one_line(server: ScriptedServer) -> None:
    """It sends spans with trace ids of 128 bits, under its service's name."""
    tracer = OTLPTracer("shop", f"http://127.0.0.1:{server.port}")
    assert tracer.service_name == "shop"
    finish(tracer, "a")
    assert tracer.close(10)
    (span,) = spans_in(server.requests[0].body)
    assert int.from_bytes(span.trace_id, "big") >= 1 << 64


@pytest.mark.parametrize("format", [Format.HTTP_HEADERS, Format.TEXT_MAP])
def test_the_tracer_reads_w3c_and_b3_and_writes_w3c(format: Any) -> None:
    """What calls it may be of either world."""
    tracer = OTLPTracer("shop", recorder=InMemoryRecorder())
    for carrier in (
        {"traceparent": f"00-{7:032x}-{9:016x}-01"},
        {"b3": f"{7:032x}-{9:016x}-1"},
        {"X-B3-TraceId": f"{7:032x}", "X-B3-SpanId": f"{9:016x}", "X-B3-Sampled": "1"},
    ):
        context: Any = tracer.extract(format, carrier)
        assert (context.trace_id, context.span_id, context.sampled) == (7, 9, True)
    written: dict[str, str] = {}
    tracer.inject(context, format, written)
    assert written == {"traceparent": f"00-{7:032x}-{9:016x}-01"}


def test_the_tracers_recorder_may_be_another() -> None:
    """An endpoint beside it would serve nobody, and is refused."""
    recorder = InMemoryRecorder()
    tracer = OTLPTracer("shop", recorder=recorder)
    assert tracer.recorder is recorder
    with pytest.raises(TypeError, match="endpoint"):
        OTLPTracer("shop", "http://collector:4318", recorder=recorder)


# Memory.


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy has no tracemalloc")
@pytest.mark.parametrize("values", [["GET", 200, False, "/item/5"], ["x" * 1000, [0.5], {}, 2**70]])
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_memory_of_a_batch_that_is_encoded(protocol: str, values: list[Any]) -> None:
    """It peaks below four times the size of the report."""
    import tracemalloc

    recorder = OTLPRecorder("shop", protocol=protocol)
    spans = recorded(512, {f"tag {number}": value for number, value in enumerate(values)})
    recorder._to_request(recorder._resource, recorder.encode_each(spans, recorder._encode_span))
    tracemalloc.start()  # what is made once, is made by now
    try:
        before = tracemalloc.get_traced_memory()[0]
        encoded = recorder.encode_each(spans, recorder._encode_span)
        size = len(recorder._to_request(recorder._resource, encoded))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    print(f"{protocol}: {size} bytes, {peak / size:.2f} times at the peak")
    assert peak < 4 * size


@pytest.mark.long
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy has no tracemalloc")
def test_the_memory_of_queued_spans() -> None:
    """100,000 spans that wait take no more than they do for Zipkin."""
    import tracemalloc

    def taken(recorder: BatchRecorder) -> int:
        tracer = BasicTracer(recorder)
        tracer.start_span("first").finish()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(100_000):
                tracer.start_span("x", tags={"http.method": "GET"}).finish()
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
            tracer.close(0)

    away = "http://127.0.0.1:1"
    options: dict[str, Any] = {"queue_size": 200_000, "interval": 600, "exit_timeout": 0.1}
    otlp = taken(OTLPRecorder("shop", away, **options, batch_size=200_000))
    zipkin = taken(ZipkinRecorder("shop", away, **options, batch_size=200_000))
    print(f"OTLP: {otlp / 1e6:.1f} MB, Zipkin: {zipkin / 1e6:.1f} MB")
    assert otlp <= zipkin * 1.01


def test_a_recorder_shows_its_service_address_and_counts() -> None:
    """The service is the one that its spans are sent with."""
    recorder = OTLPRecorder(resource_attributes={"service.name": "shop"})
    assert repr(recorder) == (
        "<OTLPRecorder 'shop' http://localhost:4318/v1/traces"
        " recorded=0 sent=0 dropped=0 failed=0 queued=0 slow=0>"
    )
