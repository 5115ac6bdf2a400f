"""opentelemetry-instrument traces applications that know neither API."""

from __future__ import annotations

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
    lines = [line for line in ran.stderr.splitlines() if line.startswith("'GET /cart' ")]
    assert len(lines) == is_traced, ran.stderr


@pytest.mark.parametrize("beside", ["alone"])
def test_fastapi(python: Path, tmp_path: Path) -> None:
    """A request to uvicorn is one tree: the server's span, and what FastAPI sent in it."""
    ran = _instrumented(python, _FASTAPI, tmp_path, {"OTEL_TRACES_EXPORTER": "console"})
    lines = [line for line in ran.stderr.splitlines() if line.startswith("'GET /cart")]
    names = [line.split("' ")[0] for line in lines]
    assert sorted(names) == ["'GET /cart", *["'GET /cart http send"] * 2], ran.stderr
    assert len({found for line in lines for found in re.findall(r"trace=(\w+)", line)}) == 1


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


def _instrumented(
    python: Path, application: str, folder: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the application, whose request succeeds, with these OTEL_* variables and no others."""
    script = folder / "app.py"
    script.write_text(application, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    ran = subprocess.run(
        [str(python.with_name("opentelemetry-instrument")), str(python), str(script)],
        env={**kept, "OTEL_METRICS_EXPORTER": "none", **variables},
        cwd=folder,  # the command puts it on the path
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "200" in ran.stdout, ran.stderr
    return ran
