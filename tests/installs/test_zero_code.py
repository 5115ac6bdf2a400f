"""opentelemetry-instrument traces a Flask application that knows neither API."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_APPLICATION = """
from flask import Flask

app = Flask("shop")

@app.get("/cart")
def cart():
    return "empty"

print(app.test_client().get("/cart").status_code)
"""
_PACKAGES = ("flask", "opentelemetry-instrumentation", "opentelemetry-instrumentation-flask")
_SDK = "opentelemetry-sdk"
_DISTRO = "opentelemetry-distro"


@pytest.mark.parametrize(
    ("others", "variables", "is_traced"),
    [
        ([], {}, True),
        ([], {"OTEL_PYTHON_TRACER_PROVIDER": "opentracing"}, True),
        ([], {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
        ([_SDK], {}, False),
        ([_SDK], {"OTEL_PYTHON_TRACER_PROVIDER": "opentracing"}, True),
        ([_SDK], {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
        ([_DISTRO], {}, False),
        ([_DISTRO], {"OTEL_PYTHON_CONFIGURATOR": "opentracing"}, True),
    ],
)
def test_flask(
    others: list[str],
    variables: dict[str, str],
    is_traced: bool,
    environment: Callable[..., Path],
    wheel: str,
    tmp_path: Path,
) -> None:
    """The request becomes a span here if the tracer was chosen, or if no SDK is installed."""
    name = "_".join(["zero-code", *others])
    ours = f"opentracing[opentelemetry-api] @ {Path(wheel).as_uri()}"
    python = environment(name, ours, *_PACKAGES, *others)
    script = tmp_path / "app.py"
    script.write_text(_APPLICATION, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    console = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"}
    ran = subprocess.run(
        [str(python.with_name("opentelemetry-instrument")), str(python), str(script)],
        env={**kept, **console, **variables},
        cwd=tmp_path,  # the command puts it on the path
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "200" in ran.stdout, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("'GET /cart' ")]
    assert len(lines) == is_traced, ran.stderr
