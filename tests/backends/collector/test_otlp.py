"""OTLPRecorder against a real Collector: TLS, proxies, compression, limits and refusals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from opentracing_recorder import BasicTracer
from opentracing_recorder.otlp import OTLPRecorder

from ...certificates import make_certificate
from .conftest import Collector, CollectorWith, Sink, spans_of
from .forward_proxy import running_proxy

pytestmark = pytest.mark.needs_os

HOST = "collector.test"


@pytest.fixture(params=["http/protobuf", "http/json"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def send(recorder: OTLPRecorder, *operations: str) -> bool:
    """Whether spans of these names could be sent."""
    with BasicTracer(recorder) as tracer:
        for name in operations:
            tracer.start_span(name).finish()
        return tracer.flush(30)


def names(collector: Collector) -> list[str]:
    return sorted(span.name for span in collector.sink.spans)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificates of the collector and of this process, each with its key."""
    server, client = (tmp_path_factory.mktemp("certificate") for _ in range(2))
    return make_certificate(server, HOST), make_certificate(client, HOST)


@pytest.fixture
def secure_collector(shared_collector: CollectorWith, certificates: tuple[Path, Path]) -> Collector:
    """A collector that wants to see this process's certificate."""
    server, client = certificates
    tls = {"cert_file": str(server), "key_file": str(server), "client_ca_file": str(client)}
    collector = shared_collector(tls=tls)
    collector.url = collector.url.replace("http:", "https:")
    return collector


def test_a_client_certificate_opens_the_collector(
    protocol: str, secure_collector: Collector, certificates: tuple[Path, Path]
) -> None:
    """Both sides show certificates; without the one of this process, nothing arrives."""
    server, client = certificates
    options: dict[str, Any] = {"protocol": protocol, "ca_file": server, "attempts": 1}
    stranger = OTLPRecorder("shop", secure_collector.url, **options)
    assert not send(stranger, "strange")
    assert stranger.stats.failed == 1
    options.update(client_cert=client, client_key=client.with_name("key.pem"))
    assert send(OTLPRecorder("shop", secure_collector.url, **options), "a", "b")
    assert names(secure_collector) == ["a", "b"]


def test_certificates_are_named_by_variables(
    secure_collector: Collector,
    certificates: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No line of code is needed for a collector behind TLS."""
    server, client = certificates
    base_url = secure_collector.url.removesuffix("/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", base_url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(server))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", str(client))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", str(client))
    assert send(OTLPRecorder(), "a")
    assert names(secure_collector) == ["a"]


def test_reports_go_through_the_proxy_of_the_environment(
    protocol: str, shared_collector: CollectorWith, environment: pytest.MonkeyPatch
) -> None:
    """The proxy finds the collector, gets its password, and each whole URL."""
    collector = shared_collector()
    url = f"http://{HOST}:{collector.http_port}/v1/traces"
    with running_proxy() as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        recorder = OTLPRecorder("shop", url, protocol=protocol, batch_size=1, attempts=1)
        assert send(recorder, "a", "b")
        assert [line for line, _ in proxy.requests] == [f"POST {url} HTTP/1.1"] * 2
    assert names(collector) == ["a", "b"]


def test_tls_goes_through_the_proxy_unread(
    protocol: str,
    secure_collector: Collector,
    certificates: tuple[Path, Path],
    environment: pytest.MonkeyPatch,
) -> None:
    """The proxy opens one tunnel for all reports; both certificates are shown through it."""
    server, client = certificates
    url = f"https://{HOST}:{secure_collector.http_port}/v1/traces"
    options: dict[str, Any] = {"ca_file": server, "client_cert": client}
    with running_proxy() as proxy:
        environment.setenv("HTTPS_PROXY", proxy.url)
        options.update(batch_size=1, attempts=1)
        assert send(OTLPRecorder("shop", url, protocol=protocol, **options), "a", "b")
        (request,) = proxy.requests
        assert request[0].startswith(f"CONNECT {HOST}:{secure_collector.http_port} HTTP/1.")
    assert names(secure_collector) == ["a", "b"]


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_compressed_reports_arrive(
    by: str,
    protocol: str,
    shared_collector: CollectorWith,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A collector that refuses whatever is not compressed takes them."""
    collector = shared_collector(compression_algorithms=["gzip"])
    plain = OTLPRecorder("shop", collector.url, protocol=protocol)
    assert not send(plain, "plain")
    assert plain.stats.failed == 1
    options = {}
    if by == "argument":
        options["compress_from"] = 0
    else:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    assert send(OTLPRecorder("shop", collector.url, protocol=protocol, **options), "a", "b")
    assert names(collector) == ["a", "b"]


@pytest.mark.parametrize("compress_from", [sys.maxsize, 0], ids=["plain", "compressed"])
def test_a_report_over_the_collectors_limit_is_halved(
    compress_from: int,
    protocol: str,
    shared_collector: CollectorWith,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every span that fits arrives once; one that does not costs no other."""
    collector = shared_collector(max_request_body_size=100_000)
    recorder = OTLPRecorder("shop", collector.url, protocol=protocol, compress_from=compress_from)
    with BasicTracer(recorder) as tracer:
        for number in range(400):  # of 3 MB
            size = 110_000 if number == 123 else 7000
            tracer.start_span(str(number), tags={"text": "x" * size}).finish()
        assert not tracer.flush(60)
    assert names(collector) == sorted(str(number) for number in range(400) if number != 123)
    assert (recorder.stats.sent, recorder.stats.failed) == (399, 1)
    assert "request body too large" in caplog.text


def test_a_span_that_the_backend_refuses_costs_no_other(
    protocol: str, collector: Collector, sink: Sink
) -> None:
    """The collector hands the refusal on, and the batch is halved until the span stands alone."""

    def status_for(request: ExportTraceServiceRequest) -> int:
        found = [span.name for span in spans_of(request.resource_spans)]
        return 400 if "refused" in found else 200

    sink.status_for = status_for
    recorder = OTLPRecorder("shop", collector.url, protocol=protocol)
    numbers = list(map(str, range(100)))
    assert not send(recorder, *numbers[:30], "refused", *numbers[30:])
    assert names(collector) == sorted(numbers)
    assert (recorder.stats.sent, recorder.stats.failed) == (100, 1)


def test_what_the_backend_cannot_take_now_is_sent_again(
    protocol: str, collector: Collector, sink: Sink
) -> None:
    """The collector hands on that it is to be tried again."""
    statuses = iter([429, 503, 502, 504])
    sink.status_for = lambda request: next(statuses, 200)
    recorder = OTLPRecorder("shop", collector.url, protocol=protocol, interval=0.01)
    assert send(recorder, "a", "b")
    assert names(collector) == ["a", "b"]
    assert next(statuses, None) is None


def test_the_port_for_grpc_is_not_taken_for_success(
    shared_collector: CollectorWith, caplog: pytest.LogCaptureFixture
) -> None:
    """A frequent mistake: the span counts as failed, and the log has a reason.

    The server answers in HTTP/2, and may reset the connection before that is read.
    """
    port = shared_collector().grpc_port
    recorder = OTLPRecorder("shop", f"http://127.0.0.1:{port}", attempts=2, interval=0.01)
    assert not send(recorder, "a")
    assert recorder.stats.failed == 1
    reasons = (
        "the OTLP server's answer cannot be read",
        "ConnectionResetError",
        "RemoteDisconnected",
    )
    assert any(reason in caplog.text for reason in reasons)
