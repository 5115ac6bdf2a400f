"""Runs a program on OpenTelemetry's SDK or on a BasicTracer, and prints the spans as JSON.

A program is a module in `programs` with a function `run`. It runs in a process of its own, because
instrumentation and the provider are global.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROGRAMS = Path(__file__).parent / "programs"


def run(program: str, provider: str) -> Any:
    """The result of the program, and its exported spans; the provider is `sdk` or `ours`."""
    command = [sys.executable, __file__, program, provider]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
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
        return {k: "..." if k == "exception.stacktrace" else v for k, v in of.items()}

    def parent(of: Any) -> Any:
        return of and names.get(of.span_id, f"remote {of.span_id:016x}")

    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "parent": parent(span.parent),
            "attributes": attributes(span.attributes),
            "events": [[each.name, attributes(each.attributes)] for each in span.events],
            "links": [[parent(each.context), attributes(each.attributes)] for each in span.links],
            "status": [span.status.status_code.name, span.status.description],
            "scope": [
                span.instrumentation_scope.name,
                span.instrumentation_scope.version,
                span.instrumentation_scope.schema_url,
            ],
            "flags": int(span.context.trace_flags),
            "tracestate": span.context.trace_state.to_header(),
        }
        for span in spans
    ]


def _main(program: str, provider: str) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    chosen = _provider(provider, exporter)
    trace.set_tracer_provider(chosen)
    spec = importlib.util.spec_from_file_location(f"program_{program}", _PROGRAMS / f"{program}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.run()
    chosen.force_flush(30_000)
    print(json.dumps([result, _dump(list(exporter.get_finished_spans()))], sort_keys=True))


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    _main(*sys.argv[1:])
