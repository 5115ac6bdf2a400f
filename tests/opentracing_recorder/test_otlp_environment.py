"""OpenTelemetry's environment variables, as far as an OTLPRecorder reads them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "emscripten":
    pytest.skip("urllib3 needs sockets, which Pyodide has none of", allow_module_level=True)

from opentracing_recorder import BasicTracer
from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer

from ..http_server import Request, ScriptedServer, answer

pytestmark = pytest.mark.needs_os

PREFIX = "OTEL_EXPORTER_OTLP_"
GENERAL, TRACES = PREFIX, f"{PREFIX}TRACES_"
NAMES = (
    *("ENDPOINT", "HEADERS", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"),
    *("TIMEOUT", "PROTOCOL"),
)


class Environment:
    """Sets variables, and sends a span from a recorder that reads them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for prefix in (GENERAL, TRACES):
            for name in NAMES:
                monkeypatch.delenv(prefix + name, raising=False)
        for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
            monkeypatch.delenv(name, raising=False)

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def request(self, server: ScriptedServer, name: str = "x", **options: Any) -> Request:
        """The request that a recorder with these options posts to the server."""
        before = len(server.requests)
        tracer = BasicTracer(OTLPRecorder(**{"interval": 10, **options}))
        tracer.start_span(name).finish()
        assert tracer.close(10)
        (request,) = server.requests[before:]
        return request


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)


@pytest.fixture
def server() -> Any:
    with ScriptedServer() as server:
        yield server


def resource_of(recorder: OTLPRecorder) -> dict[str, Any]:
    """What describes the process, without the name of this package."""
    found = recorder._resource
    return {key: found[key] for key in found if not key.startswith("telemetry.sdk.")}


# The endpoint.


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/otlp", "/otlp/v1/traces"),
        ("/otlp/", "/otlp/v1/traces"),
        ("/otlp?key=a", "/otlp/v1/traces?key=a"),
    ],
)
def test_the_general_endpoint_gets_the_path_of_traces(
    path: str, target: str, environment: Environment, server: ScriptedServer
) -> None:
    """It is added to the endpoint's own."""
    environment.set(OTEL_EXPORTER_OTLP_ENDPOINT=f" http://127.0.0.1:{server.port}{path} ")
    assert environment.request(server).line == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "target"),
    [("", "/"), ("/", "/"), ("/otlp", "/otlp"), ("/v1/traces/", "/v1/traces/"), ("/?k=a", "/?k=a")],
)
def test_the_endpoint_of_traces_is_used_as_it_is(
    path: str, target: str, environment: Environment, server: ScriptedServer
) -> None:
    """It wins over the general one; without a path, the root is posted to."""
    environment.set(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{server.port}{path}",
    )
    assert environment.request(server).line == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", f"{TRACES}ENDPOINT"])
def test_an_endpoint_that_is_given_wins(
    name: str, environment: Environment, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Also over a variable that cannot serve, which is not read."""
    environment.set(**{name: "no URL"})
    request = environment.request(server, endpoint=f"http://127.0.0.1:{server.port}")
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert caplog.messages == []


def test_an_empty_variable_is_as_one_that_is_not_set(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """So says the specification; the recorder has its defaults."""
    plain = OTLPRecorder("shop")
    environment.set(**{prefix + name: " " for prefix in (GENERAL, TRACES) for name in NAMES})
    environment.set(OTEL_SERVICE_NAME="", OTEL_RESOURCE_ATTRIBUTES="")
    recorder = OTLPRecorder()
    assert resource_of(recorder) == {"service.name": "unknown_service"}
    assert recorder.send_timeout == plain.send_timeout == 10.0
    assert vars(recorder._reports)["_headers"] == vars(plain._reports)["_headers"]
    assert caplog.messages == []


# What else is sent.


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("api-key=abc", {"api-key": "abc"}),
        (" a = b , c=d,", {"a": "b", "c": "d"}),
        ("authorization=Basic%20QWxhZGRpbg%3D%3D", {"authorization": "Basic QWxhZGRpbg=="}),
        ("authorization=Basic QWxhZGRpbg==", {"authorization": "Basic QWxhZGRpbg=="}),
        ("X%2DTenant=a%2Cb", {"x-tenant": "a,b"}),
        ("User-Agent=shop", {"user-agent": "shop"}),
        ("content-type=text/plain", {"content-type": "application/x-protobuf"}),
    ],
)
@pytest.mark.parametrize("prefix", [GENERAL, TRACES])
def test_headers_are_sent(
    text: str,
    headers: dict[str, str],
    prefix: str,
    environment: Environment,
    server: ScriptedServer,
) -> None:
    """Names and values are percent-encoded, as in W3C's baggage."""
    environment.set(**{f"{prefix}HEADERS": text})
    found = environment.request(server, endpoint=server.url).headers
    assert headers.items() <= found.items()


def test_headers_of_traces_replace_the_general_ones(
    environment: Environment, server: ScriptedServer
) -> None:
    """And an argument replaces both: a secret goes to no other server than it was meant for."""
    environment.set(OTEL_EXPORTER_OTLP_HEADERS="a=1,b=1", OTEL_EXPORTER_OTLP_TRACES_HEADERS="b=2")
    found = environment.request(server, endpoint=server.url).headers
    assert ("a" in found, found["b"]) == (False, "2")
    found = environment.request(server, endpoint=server.url, headers={"c": "3"}).headers
    assert ("a" in found, "b" in found, found["c"]) == (False, False, "3")


@pytest.mark.parametrize(
    ("general", "traces", "options", "encoding"),
    [
        ("gzip", "", {}, "gzip"),
        ("GZIP", "", {}, "gzip"),
        ("none", "", {}, None),
        ("none", "gzip", {}, "gzip"),
        ("gzip", "none", {}, None),
        ("gzip", "", {"compress_from": 10**6}, None),
        ("none", "", {"compress_from": 0}, "gzip"),
    ],
)
def test_reports_are_compressed(
    general: str,
    traces: str,
    options: dict[str, Any],
    encoding: str | None,
    environment: Environment,
    server: ScriptedServer,
) -> None:
    """All of them, or none."""
    environment.set(
        OTEL_EXPORTER_OTLP_COMPRESSION=general, OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=traces
    )
    request = environment.request(server, endpoint=server.url, **options)
    assert request.headers.get("content-encoding") == encoding


@pytest.mark.parametrize(
    ("general", "traces", "options", "content_type"),
    [
        ("http/json", "", {}, "application/json"),
        ("HTTP/JSON", "", {}, "application/json"),
        ("http/protobuf", "http/json", {}, "application/json"),
        ("http/json", "http/protobuf", {}, "application/x-protobuf"),
        ("http/json", "", {"protocol": "http/protobuf"}, "application/x-protobuf"),
    ],
)
def test_the_protocol_is_one_of_two(
    general: str,
    traces: str,
    options: dict[str, Any],
    content_type: str,
    environment: Environment,
    server: ScriptedServer,
) -> None:
    """Over HTTP, in protocol buffers or in JSON."""
    environment.set(OTEL_EXPORTER_OTLP_PROTOCOL=general, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=traces)
    request = environment.request(server, endpoint=server.url, **options)
    assert request.headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("variables", "options", "resource"),
    [
        ({}, {}, {"service.name": "unknown_service"}),
        ({"OTEL_SERVICE_NAME": "shop"}, {}, {"service.name": "shop"}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop, a = b%2Cc ,d="},
            {},
            {"service.name": "shop", "a": "b,c", "d": ""},
        ),
        (
            {"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other"},
            {},
            {"service.name": "shop"},
        ),
        (
            {"OTEL_SERVICE_NAME": "other", "OTEL_RESOURCE_ATTRIBUTES": "a=1,b=1"},
            {"service_name": "shop", "resource_attributes": {"b": 2, "c": 3}},
            {"service.name": "shop", "a": "1", "b": 2, "c": 3},
        ),
        (
            {"OTEL_SERVICE_NAME": "other"},
            {"resource_attributes": {"service.name": "shop"}},
            {"service.name": "shop"},
        ),
    ],
)
def test_the_process_is_described(
    variables: dict[str, str],
    options: dict[str, Any],
    resource: dict[str, Any],
    environment: Environment,
) -> None:
    """An argument wins over a variable, and OTEL_SERVICE_NAME over OTEL_RESOURCE_ATTRIBUTES."""
    environment.set(**variables)
    assert resource_of(OTLPRecorder(**options)) == resource


def test_the_tracers_name_is_the_recorders(environment: Environment) -> None:
    """Without an argument, it is that of the variables, or none is known."""
    assert OTLPTracer().service_name == "unknown_service"
    environment.set(OTEL_SERVICE_NAME="shop")
    assert OTLPTracer().service_name == "shop"
    assert OTLPTracer("other").service_name == "other"


@pytest.mark.parametrize(
    ("general", "traces", "options", "seconds"),
    [
        ("2500", "", {}, 2.5),
        ("2500", "500", {}, 0.5),
        ("2500", "500", {"send_timeout": 3}, 3.0),
        ("soon", "", {"send_timeout": 3}, 3.0),
    ],
)
def test_the_timeout_is_in_milliseconds(
    general: str,
    traces: str,
    options: dict[str, Any],
    seconds: float,
    environment: Environment,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That of traces wins, and an argument over both."""
    environment.set(OTEL_EXPORTER_OTLP_TIMEOUT=general, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=traces)
    assert OTLPRecorder(**options).send_timeout == seconds
    assert caplog.messages == []


def test_a_timeout_that_was_meant_in_seconds_is_reported(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """It is taken as it is, in milliseconds."""
    environment.set(OTEL_EXPORTER_OTLP_TIMEOUT="10")
    assert OTLPRecorder().send_timeout == 0.01
    (text,) = caplog.messages
    assert text.startswith("OTEL_EXPORTER_OTLP_TIMEOUT is in milliseconds")


# TLS.


@pytest.fixture
def files(certificate: Path) -> dict[str, str]:
    """PEM files by urllib3's names: of an authority, and of a client."""
    path = str(certificate)
    return {"ca_certs": path, "cert_file": path, "key_file": str(certificate.with_name("key.pem"))}


def used_files(recorder: OTLPRecorder) -> dict[str, str]:
    """The files of the connections that it makes."""
    keywords = recorder._reports._http._new_connection.keywords
    return {name: path for name, path in keywords.items() if name in _FILES}


_FILES = ("ca_certs", "cert_file", "key_file")


@pytest.mark.parametrize("prefix", [GENERAL, TRACES])
def test_certificates_are_used(
    prefix: str, environment: Environment, files: dict[str, str]
) -> None:
    """Those to trust, and the client's own with its key."""
    environment.set(
        **{
            f"{prefix}ENDPOINT": "https://collector:4318",
            f"{prefix}CERTIFICATE": files["ca_certs"],
            f"{prefix}CLIENT_CERTIFICATE": files["cert_file"],
            f"{prefix}CLIENT_KEY": files["key_file"],
        }
    )
    assert used_files(OTLPRecorder()) == files


def test_a_certificate_that_is_given_comes_with_its_own_key(
    environment: Environment, files: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A key of the environment would belong to another."""
    environment.set(
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="/nowhere", OTEL_EXPORTER_OTLP_CLIENT_KEY="/nowhere"
    )
    recorder = OTLPRecorder(
        endpoint="https://collector", client_cert=files["cert_file"], client_key=files["key_file"]
    )
    assert used_files(recorder) == {"cert_file": files["cert_file"], "key_file": files["key_file"]}
    assert caplog.messages == []


# Values that cannot serve.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "collector-s3sam3:4318"),
        ("ENDPOINT", "http://me:s3sam3@collector:4318"),
        ("ENDPOINT", "http://[s3sam3"),
        ("HEADERS", "s3sam3"),
        ("HEADERS", "a=s3sam3%0A"),
        ("HEADERS", "a%0As3sam3=b"),
        ("HEADERS", "Bearer s3sam3=="),
        ("HEADERS", "a=s3sam3%E2%82%AC"),
        ("HEADERS", "=s3sam3"),
        ("COMPRESSION", "s3sam3"),
        ("TIMEOUT", "s3sam3"),
        ("TIMEOUT", "-1"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "2.5"),
        ("TIMEOUT", "9" * 5000),
        ("PROTOCOL", "s3sam3"),
        ("PROTOCOL", "grpc"),
        ("CERTIFICATE", "/nowhere"),
        ("CERTIFICATE", __file__),
        ("CLIENT_CERTIFICATE", "/nowhere"),
        ("CLIENT_KEY", __file__),
    ],
    ids=lambda value: value[:30],
)
@pytest.mark.parametrize("prefix", [GENERAL, TRACES])
def test_a_value_that_cannot_serve_is_reported_and_not_used(
    name: str,
    value: str,
    prefix: str,
    environment: Environment,
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning names the variable and shows no secret; the others are used."""
    environment.set(OTEL_SERVICE_NAME="shop")
    if name != "ENDPOINT":
        environment.set(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{server.port}/other")
    environment.set(**{prefix + name: value})
    recorder = OTLPRecorder()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert prefix + name in record.getMessage()
    assert "s3sam3" not in record.getMessage()
    assert resource_of(recorder) == {"service.name": "shop"}
    if name != "ENDPOINT":
        assert recorder.send_timeout == 10.0
        tracer = BasicTracer(recorder)
        tracer.start_span("x").finish()
        assert tracer.close(10)
        (request,) = server.requests
        assert request.line == "POST /other HTTP/1.1"
        assert request.headers["content-type"] == "application/x-protobuf"
        assert "content-encoding" not in request.headers


def test_headers_of_the_environment_are_secrets(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """No log shows them, also if a server repeats them."""
    environment.set(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20s3sam3")
    with ScriptedServer(answer("401 Unauthorized", b"no s3sam3")) as server:
        tracer = BasicTracer(OTLPRecorder("shop", server.url))
        tracer.start_span("x").finish()
        assert not tracer.flush(10)
        tracer.close()
    (text,) = caplog.messages
    assert "'no ***'" in text


@pytest.mark.parametrize("name", ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS"])
def test_an_item_without_a_value_costs_no_other(
    name: str, environment: Environment, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out, and reported."""
    environment.set(**{name: "a=1,s3sam3,b=2"})
    recorder = OTLPRecorder("shop", server.url)
    (text,) = caplog.messages
    assert text.startswith(name)
    assert "s3sam3" not in text
    found = resource_of(recorder) if name.startswith("OTEL_R") else recorder._reports._headers
    assert (found["a"], found["b"]) == ("1", "2")
