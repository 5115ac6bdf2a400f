"""basictracer on opentracing 2.4, which this project continues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from basictracer import BasicTracer, Sampler, SpanRecorder
from basictracer.recorder import InMemoryRecorder
from opentracing_cases import binary_cases, header_cases, noop_case, span_cases, tagged_span

from opentracing.scope_managers.contextvars import ContextVarsScopeManager

TITLE = "basictracer 3.2"
SHOWN = ("basictracer", "opentracing", "protobuf")
IMPORTS = {
    "import opentracing": "import opentracing",
    "import the tracer": (
        "from basictracer import BasicTracer; from basictracer.recorder import InMemoryRecorder"
    ),
}


class _Discard(SpanRecorder):
    def record_span(self, span: Any) -> None:
        pass


class _DropAll(Sampler):
    def sampled(self, trace_id: int) -> bool:
        return False


def _tracer(sampled: bool = True) -> BasicTracer:
    # Its own default knows threads, but not tasks.
    tracer = BasicTracer(
        _Discard(), None if sampled else _DropAll(), scope_manager=ContextVarsScopeManager()
    )
    tracer.register_required_propagators()
    return tracer


CASES = {
    **noop_case(),
    **span_cases(_tracer),
    **header_cases("ot-tracer-*", _tracer),
    **binary_cases(_tracer),
}


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which the recorder keeps."""
    return tagged_span(BasicTracer(InMemoryRecorder()))
