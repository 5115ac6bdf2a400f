"""This project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial
from itertools import count
from typing import Any

import least_work
from opentracing_cases import (
    active_span,
    binary_cases,
    header_cases,
    noop_case,
    sent_span,
    span_cases,
    tagged_span,
)
from tree_cases import trees
from worker import LONG_TREES, TREES
from workloads import awaiting, exhausting, nothing, nothing_awaited, nothing_generated

import opentracing
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    CompositePropagator,
    ConstSampler,
    FilterRecorder,
    InMemoryRecorder,
    JaegerPropagator,
    Propagator,
    Recorder,
    Redaction,
    TailRecorder,
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


def _count_for_prometheus() -> Callable[[], object]:
    from prometheus_client import CollectorRegistry

    from opentracing_recorder.prometheus import MetricsRecorder

    recorder = MetricsRecorder(_Discard(), registry=CollectorRegistry())
    span = BasicTracer().start_span("GET", tags={"span.kind": "server"})
    span.finish()
    return lambda: recorder.record_span(span)


def _nothing() -> None:
    pass


class _Inline(Executor):
    """Runs a job at once: the change of threads would cost more than all else, and vary more."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


_POOL = _Inline()


def _submit() -> Callable[[], object]:
    tracer = _tracer()
    tracer.start_active_span("GET")
    pool = opentracing.TracedExecutor(_POOL, tracer=tracer)
    return lambda: pool.submit(_nothing).result()


def _unchanged(span: BasicSpan) -> BasicSpan:
    return span


def _with_ten_tags(recorder: Recorder) -> Callable[[], None]:
    """A span with ten tags: two differ from span to span, and one is a secret."""
    tracer = BasicTracer(recorder)
    numbers = count()

    def run() -> None:
        number = next(numbers)
        with tracer.start_active_span("GET") as scope:
            span = scope.span
            span.set_tag("span.kind", "server")
            span.set_tag("component", "shop")
            span.set_tag("http.method", "GET")
            span.set_tag("http.route", "/orders/{order}")
            span.set_tag("http.url", f"http://shop/orders/{number}?page=2")
            span.set_tag("http.status_code", 200)
            span.set_tag("http.request.header.authorization", "Bearer 9f8e7d6c5b4a")
            span.set_tag("order", number)
            span.set_tag("peer.service", "payment")
            span.set_tag("peer.port", 8080)

    return run


PASSED = "added by a FilterRecorder that passes a span through"
REDACTED = "added by the redaction of ten tags"
FILTERED: dict[str, tuple[Callable[[Recorder], Callable[[], None]], Any]] = {
    PASSED: (lambda recorder: active_span(BasicTracer(recorder)), _unchanged),
    REDACTED: (_with_ten_tags, Redaction()),
}
"""What makes a span for a recorder, and the function of a filter in front of that recorder."""
TAILS = {
    "added by a TailRecorder that holds and decides": 0.0,
    "added by a TailRecorder that decides by a rate as well": 0.1,
}
"""The rate, by case."""


SUBMIT = "job of a TracedExecutor, against a copied context"
WRAP = "wrap and call without a tracer, against a call"
LEAST: dict[str, Callable[[], Callable[[], object]]] = {
    SUBMIT: lambda: lambda: _POOL.submit(copy_context().run, _nothing).result(),
    WRAP: lambda: lambda: _nothing(),
}

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


def _decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    return opentracing.traced("GET")(function)


CASES = {
    **noop_case(),
    "no-op decorated call": lambda: _decorated(nothing),
    "no-op decorated coroutine": lambda: awaiting(_decorated(nothing_awaited)),
    "no-op decorated generator": lambda: exhausting(_decorated(nothing_generated)),
    "decorated call": lambda: opentracing.traced("GET", tracer=_tracer())(nothing),
    **{name: partial(trees, count) for name, count in {**TREES, **LONG_TREES}.items()},
    **span_cases(_tracer),
    "record_span of a BatchRecorder": _record_span,
    "record_span of a MetricsRecorder": _count_for_prometheus,
    SUBMIT: _submit,
    WRAP: lambda: lambda: opentracing.wrap(_nothing)(),
    **header_cases("ot-tracer-*", _tracer),
    **binary_cases(_tracer),
}
for _name, _propagator in _FORMATS.items():
    CASES.update(header_cases(_name, _speaking(_propagator)))


# A tenth of the spans, in turn of several traces, so that the processor's caches keep none.
LEAST.update({name: partial(trees, count // 10, 4) for name, count in TREES.items()})
# Nothing is subtracted, but the ratio is the median of turns that are taken together: those of long
# calls are few, and the fastest may be of different moments.
WITHOUT: dict[str, Callable[[], Callable[[], object]]] = {name: lambda: int for name in TREES}


def _tail(rate: float) -> Callable[[], object]:
    recorder = TailRecorder(_Discard(), slower_than=1.0, rate=rate)
    return _then(active_span(BasicTracer(recorder)), _nothing)


def _then(span: Callable[[], object], second: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        span()
        second()

    return run


for _name, (_make, _function) in FILTERED.items():
    # A span with the filter, less one without it, in ratio to the least work for an active span.
    _filter = FilterRecorder(_Discard(), _function)
    CASES[_name] = partial(_then, _make(_filter), _nothing)
    LEAST[_name] = partial(_then, _make(_Discard()), least_work.active_span)
    WITHOUT[_name] = partial(_then, _make(_Discard()), _nothing)
for _name, _rate in TAILS.items():
    # A span with the recorder, less one without it, in ratio to the least work for an active span.
    CASES[_name] = partial(_tail, _rate)
    LEAST[_name] = lambda: _then(active_span(_tracer()), least_work.active_span)
    WITHOUT[_name] = lambda: _then(active_span(_tracer()), _nothing)


def kept_span() -> Callable[[], object]:
    """A call that makes a span with 2 tags, which the recorder keeps."""
    return tagged_span(BasicTracer(InMemoryRecorder()))


tree = trees

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
