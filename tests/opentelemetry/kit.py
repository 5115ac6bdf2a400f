"""Runs a program on OpenTelemetry's SDK or on a BasicTracer, and prints the spans as JSON.

A program is a module in `programs` with a function `run`. It runs in a process of its own, because
instrumentation and the provider are global.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROGRAMS = Path(__file__).parent / "programs"


def compare(program: str) -> tuple[Any, list[dict[str, Any]]]:
    """The result of a program and its spans, which are the same on both, field by field."""
    with socket.socket() as free:  # one port for both: it is in the attributes
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ours, sdk = (run(program, provider, port) for provider in ("ours", "sdk"))
    assert ours == sdk
    return ours[0], ours[1]


def run(program: str, provider: str, port: str = "0") -> Any:
    """The result of the program, and its exported spans; the provider is `sdk` or `ours`."""
    command = [sys.executable, __file__, program, provider]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "PORT": port}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _provider(name: str, exporter: Any) -> Any:
    if name == "sdk":
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        sdk = TracerProvider()
        sdk.add_span_processor(SimpleSpanProcessor(exporter))
        return sdk
    from opentracing_recorder import BasicTracer
    from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
    from opentracing_recorder.opentelemetry_api import (
        BasicTracerProvider,
        OpenTelemetryScopeManager,
    )

    recorder = OpenTelemetryRecorder(lambda: exporter, "shop")
    scopes = OpenTelemetryScopeManager()
    return BasicTracerProvider(BasicTracer(recorder, scope_manager=scopes, trace_id_bits=128))


def _dump(spans: list[Any]) -> list[dict[str, Any]]:
    names = {span.context.span_id: span.name for span in spans}

    def attributes(of: Any) -> dict[str, Any]:
        return {key: _plain(key, value) for key, value in (of or {}).items()}

    def name(of: Any) -> str | None:
        if of is None:
            return None
        return names.get(of.span_id, f"remote {of.trace_id:032x} {of.span_id:016x}")

    def carried(of: Any) -> Any:
        return of and [of.is_remote, int(of.trace_flags), of.trace_state.to_header()]

    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "context": carried(span.context),
            "parent": name(span.parent),
            "parent context": carried(span.parent),
            "attributes": attributes(span.attributes),
            "events": [[each.name, attributes(each.attributes)] for each in span.events],
            "links": [
                [name(each.context), carried(each.context), attributes(each.attributes)]
                for each in span.links
            ],
            "status": [span.status.status_code.name, span.status.description],
            "scope": [
                span.instrumentation_scope.name,
                span.instrumentation_scope.version,
                span.instrumentation_scope.schema_url,
                attributes(span.instrumentation_scope.attributes),
            ],
            "dropped": [span.dropped_attributes, span.dropped_events, span.dropped_links],
        }
        for span in spans
    ]


def _plain(key: str, value: Any) -> Any:
    """The value, or its type and text if JSON has no such type; of a stack trace two lines."""
    if key == "exception.stacktrace":
        lines = value.splitlines()
        return [lines[0], lines[-1]]
    if type(value) is str:
        return re.sub(r"0x[0-9a-f]{6,}", "0x...", value)
    return value if type(value) in (int, float, bool) else [type(value).__name__, repr(value)]


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(
        name if name.startswith("_") else f"program_{name}", _PROGRAMS / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _main(program: str, provider: str) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    chosen = _provider(provider, exporter)
    trace.set_tracer_provider(chosen)
    _load("_server")
    result = _load(program).run()
    chosen.force_flush(30_000)
    print(json.dumps([result, _dump(list(exporter.get_finished_spans()))], sort_keys=True))


if __name__ == "__main__":
    # Not this folder nor that of the programs, whose names are those of libraries.
    sys.path.pop(0)
    _main(*sys.argv[1:])
