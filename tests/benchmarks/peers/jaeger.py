"""jaeger-client, on opentracing 2.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaeger_client import ConstSampler, Tracer
from jaeger_client.reporter import InMemoryReporter, NullReporter
from opentracing_cases import header_cases, span_cases, tagged_span

from opentracing.scope_managers.contextvars import ContextVarsScopeManager

TITLE = "jaeger-client"
SHOWN = ("jaeger-client", "opentracing")
IMPORTS = {"import the tracer": "from jaeger_client import Config"}


def _tracer(sampled: bool = True, reporter: Any = None) -> Tracer:
    return Tracer(
        "benchmark",
        reporter or NullReporter(),
        ConstSampler(sampled),
        scope_manager=ContextVarsScopeManager(),
    )


CASES = {**span_cases(_tracer), **header_cases("uber-trace-id", _tracer)}


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which the recorder keeps."""
    return tagged_span(_tracer(reporter=InMemoryReporter()))
