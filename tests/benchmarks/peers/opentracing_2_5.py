"""This project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentracing_cases import (
    binary_cases,
    header_cases,
    noop_case,
    sent_span,
    span_cases,
    tagged_span,
)

import opentracing
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    CompositePropagator,
    ConstSampler,
    InMemoryRecorder,
    JaegerPropagator,
    Propagator,
    Recorder,
    TextPropagator,
    TraceContextPropagator,
)

TITLE = "opentracing 2.5"
SHOWN = ("opentracing",)
IMPORTS = {
    "import opentracing": "import opentracing",
    "import the tracer": "from opentracing_recorder import BasicTracer, InMemoryRecorder",
}


class _Discard(Recorder):
    def record_span(self, span: Any) -> None:
        pass


class _Acknowledge(BatchRecorder):
    """Has a worker that takes the spans as fast as it gets them."""

    def send(self, spans: Sequence[BasicSpan]) -> None:
        pass


def _tracer(sampled: bool = True) -> BasicTracer:
    return BasicTracer(_Discard(), ConstSampler(sampled))


def _record_span() -> Callable[[], object]:
    # Never full: what is measured is a span that is kept.
    recorder = _Acknowledge(queue_size=1 << 26)
    span = BasicTracer().start_span("GET")
    return lambda: recorder.record_span(span)


_FORMATS: dict[str, Propagator] = {
    "W3C": TraceContextPropagator(),
    "b3": B3Propagator(single_header=True),
    "X-B3-*": B3Propagator(),
    "uber-trace-id": JaegerPropagator(encode_values=True),
}
_FORMATS["first of 4"] = CompositePropagator(_FORMATS.values())
_FORMATS["last of 5"] = CompositePropagator(
    [*_FORMATS.values(), TextPropagator(encode_values=True)],
    written=[TextPropagator(encode_values=True)],
)


def _speaking(propagator: Propagator) -> Callable[[], BasicTracer]:
    propagators = {opentracing.Format.HTTP_HEADERS: propagator}
    return lambda: BasicTracer(_Discard(), propagators=propagators)


CASES = {
    **noop_case(),
    **span_cases(_tracer),
    "record_span of a BatchRecorder": _record_span,
    **header_cases("ot-tracer-*", _tracer),
    **binary_cases(_tracer),
}
for _name, _propagator in _FORMATS.items():
    CASES.update(header_cases(_name, _speaking(_propagator)))


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which the recorder keeps."""
    return tagged_span(BasicTracer(InMemoryRecorder()))


Export = tuple[Callable[[], object], Callable[[], object]]
"""A span with 4 tags, and what waits until it is acknowledged."""


def export_zipkin(url: str, count: int) -> Export:
    from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

    recorder = ZipkinRecorder("benchmark", url, queue_size=count)
    tracer = ZipkinTracer("benchmark", recorder=recorder)
    return sent_span(tracer), lambda: tracer.flush(60)


def export_otlp(url: str, count: int) -> Export:
    from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer

    recorder = OTLPRecorder("benchmark", url, queue_size=count)
    tracer = OTLPTracer("benchmark", recorder=recorder)
    return sent_span(tracer), lambda: tracer.flush(60)


def export_kafka(url: str, count: int) -> Export:
    from opentracing_recorder.kafka import KafkaRecorder
    from opentracing_recorder.zipkin import ZipkinTracer

    recorder = KafkaRecorder("benchmark", url, queue_size=count)
    tracer = ZipkinTracer("benchmark", recorder=recorder)
    return sent_span(tracer), lambda: tracer.flush(60)
