"""Applications that know neither API, traced by opentelemetry-instrument and by our command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..http_server import ScriptedServer, answer

_FLASK = """
from flask import Flask

app = Flask("shop")

@app.get("/cart")
def cart():
    return "empty"

print(app.test_client().get("/cart").status_code)
"""
_FASTAPI = """
import threading, urllib.request

import uvicorn
from fastapi import FastAPI

app = FastAPI()

@app.get("/cart")
def cart():
    return "empty"

server = uvicorn.Server(uvicorn.Config(app, port=0))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    thread.join(0.01)
port = server.servers[0].sockets[0].getsockname()[1]
print(urllib.request.urlopen(f"http://127.0.0.1:{port}/cart").status)
server.should_exit = True
thread.join()
"""
_PACKAGES = ("flask", "opentelemetry-instrumentation", "opentelemetry-instrumentation-flask")
_BESIDE = {
    "alone": ("fastapi", "uvicorn", "opentelemetry-instrumentation-fastapi"),
    "SDK": ("opentelemetry-exporter-otlp-proto-http",),  # which needs the SDK
    "distro": ("opentelemetry-distro",),
    "propagators": tuple(
        f"opentelemetry-propagator-{name}" for name in ("b3", "jaeger", "ot-trace")
    ),
}


@pytest.fixture
def python(beside: str, environment: Callable[..., Path], wheel: str) -> Path:
    """The Python of an environment with this project, Flask and other packages."""
    ours = f"opentracing[opentelemetry-api] @ {Path(wheel).as_uri()}"
    return environment(f"zero-code_{beside}", ours, *_PACKAGES, *_BESIDE[beside])


@pytest.mark.parametrize(
    ("beside", "variables", "is_traced"),
    [
        ("alone", {}, True),
        ("alone", {"OTEL_PYTHON_TRACER_PROVIDER": "opentracing"}, True),
        ("alone", {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
        ("SDK", {}, False),
        ("SDK", {"OTEL_PYTHON_TRACER_PROVIDER": "opentracing"}, True),
        ("SDK", {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
        ("distro", {}, False),
        ("distro", {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
    ],
)
def test_flask(python: Path, variables: dict[str, str], is_traced: bool, tmp_path: Path) -> None:
    """The request becomes a span here if the tracer was chosen, or if no SDK is installed."""
    console = {"OTEL_TRACES_EXPORTER": "console"}
    ran = _instrumented(python, _FLASK, tmp_path, {**console, **variables})
    assert len(_traces(ran)) == is_traced, ran.stderr


@pytest.mark.parametrize("beside", ["alone"])
def test_fastapi(python: Path, tmp_path: Path) -> None:
    """A request to uvicorn is one tree: the server's span, and what FastAPI sent in it."""
    ran = _instrumented(python, _FASTAPI, tmp_path, {"OTEL_TRACES_EXPORTER": "console"})
    assert len(_traces(ran)) == 1
    assert "· 3 spans ·" in ran.stderr
    names = re.findall(r"^\W*unknown_service: (GET /cart(?: http send)?)", ran.stderr, re.M)
    assert names == ["GET /cart", "GET /cart http send", "GET /cart http send"], ran.stderr


@pytest.mark.parametrize("beside", ["SDK"])
@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_EXPORTER": "otlp"}])
def test_otlp(python: Path, variables: dict[str, str], tmp_path: Path) -> None:
    """By default, spans are sent over OTLP to the endpoint that the environment names."""
    with ScriptedServer() as sink:
        sink.otherwise = answer("200 OK", b"", "Content-Type: application/x-protobuf")
        chosen = {
            "OTEL_PYTHON_CONFIGURATOR": "opentracing",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.port}",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        _instrumented(python, _FLASK, tmp_path, {**chosen, **variables})
        (request,) = sink.requests
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.headers["api-key"] == "secret"
    (resource,) = ExportTraceServiceRequest.FromString(request.body).resource_spans
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "shop"
    assert attributes["deployment.environment.name"] == "test"
    (scope,) = resource.scope_spans
    assert scope.scope.name == "opentelemetry.instrumentation.flask"
    (span,) = scope.spans
    assert (span.name, span.kind) == ("GET /cart", Span.SPAN_KIND_SERVER)
    assert {each.key: each.value.string_value for each in span.attributes}["http.route"] == "/cart"


@pytest.mark.parametrize("beside", ["alone", "SDK", "distro"])
@pytest.mark.parametrize(
    ("disabled", "is_traced"), [("", True), ("flask", False), ("x, flask", False), ("*", False)]
)
def test_our_command(
    python: Path, beside: str, disabled: str, is_traced: bool, tmp_path: Path
) -> None:
    """The request becomes a span here whatever else is installed, unless Flask is left out."""
    variables = {
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
    }
    ran = _instrumented(python, _FLASK, tmp_path, variables, by_our_command=True)
    assert len(_traces(ran)) == is_traced, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "opentracing_recorder" not in ran.stderr


@pytest.mark.parametrize("beside", ["alone"])
@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("b3", f"b3={7 << 99:032x}-{9:016x}-1"),
        ("ottrace", f"ot-tracer-traceid={7 << 99:x},ot-tracer-spanid=9,ot-tracer-sampled=true"),
        ("jaeger, baggage", f"uber-trace-id={7 << 99:032x}:{9:016x}:0:1"),
    ],
)
def test_propagators_need_no_packages(python: Path, name: str, header: str, tmp_path: Path) -> None:
    """What OpenTelemetry instruments reads the headers that OTEL_PROPAGATORS names."""
    headers = dict(each.split("=") for each in header.split(","))
    program = _FLASK.replace('get("/cart").', f'get("/cart", headers={headers!r}).')
    variables = {"OTEL_TRACES_EXPORTER": "console", "OTEL_PROPAGATORS": name}
    ran = _instrumented(python, program, tmp_path, variables, by_our_command=True)
    (line,) = _traces(ran)
    assert line.startswith(f"trace {7 << 99:032x} "), ran.stderr


_HEADERS = """
import json, os, sys
from opentelemetry import baggage, context, propagate, trace
theirs = propagate.get_global_textmap()
from opentracing import Format
from opentracing_recorder.environment import provider_from_environment
tracer = provider_from_environment().tracer
ours = propagate.get_global_textmap()
def found(api, headers):
    held = api.extract(headers)
    span = trace.get_current_span(held).get_span_context()
    return [span.trace_id, span.span_id, int(span.trace_flags), dict(baggage.get_all(held))]
def found_by_tracer(headers):
    context = tracer.extract(Format.HTTP_HEADERS, headers)
    return [context.trace_id, context.span_id, int(context.sampled), dict(context.baggage)]
shown = []
for sampled in (0, 1):
    trace_id = 0x463ac35c9f6413ad48485a3953bb6124
    span = trace.SpanContext(trace_id, 9, False, trace.TraceFlags(sampled))
    held = trace.set_span_in_context(trace.NonRecordingSpan(span))
    held = baggage.set_baggage("user", "amy", held)
    headers = [{}, {}, {}]
    theirs.inject(headers[0], held)
    ours.inject(headers[1], held)
    token = context.attach(held)
    tracer.inject(tracer.active_span, Format.HTTP_HEADERS, headers[2])
    context.detach(token)
    shown.append([headers, [[found(theirs, each), found(ours, each), found_by_tracer(each)]
                            for each in headers]])
print(json.dumps(shown))
"""


@pytest.mark.parametrize("beside", ["propagators"])
@pytest.mark.parametrize(
    "names",
    [
        "b3",
        "b3multi",
        "jaeger",
        "ottrace",
        "b3,b3multi",
        "tracecontext",
        "b3,baggage",
        "baggage,b3multi",
        "tracecontext,baggage",
        "ottrace,tracecontext,baggage,jaeger,b3",
    ],
)
def test_headers_are_those_of_opentelemetrys_packages(
    python: Path, names: str, tmp_path: Path
) -> None:
    """Both APIs write the same headers as OpenTelemetry's propagators, and read them alike.

    Jaeger's flags differ: OpenTelemetry adds the debug flag, and more zeros.
    """
    environ = {**os.environ, "OTEL_PROPAGATORS": names, "OTEL_TRACES_EXPORTER": "none"}
    ran = subprocess.run(
        [str(python), "-c", _HEADERS],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for written, read in json.loads(ran.stdout):
        for headers in written:
            if "uber-trace-id" in headers:
                parts = [int(part, 16) for part in headers["uber-trace-id"].split(":")]
                headers["uber-trace-id"] = [*parts[:3], parts[3] & 1]
        assert written[1] == written[2] == written[0]
        for each in read:
            assert each[0] == each[1] == each[2]


def _traces(ran: subprocess.CompletedProcess[str]) -> list[str]:
    """The first lines of the traces that were drawn."""
    return [line for line in ran.stderr.splitlines() if line.startswith("trace ")]


def _instrumented(
    python: Path,
    application: str,
    folder: Path,
    variables: dict[str, str],
    by_our_command: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the application, whose request succeeds, with these OTEL_* variables and no others."""
    script = folder / "app.py"
    script.write_text(application, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    command = [str(python.with_name("opentelemetry-instrument")), str(python), str(script)]
    if by_our_command:
        command = [str(python), "-m", "opentracing_recorder", "run", str(script)]
    ran = subprocess.run(
        command,
        env={**kept, "OTEL_METRICS_EXPORTER": "none", **variables},
        cwd=folder,  # the command puts it on the path
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "200" in ran.stdout, ran.stderr
    return ran
