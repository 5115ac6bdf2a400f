"""The cost of a span, as ratios to the least work that Python can do for the same record.

Run by ``make bench``. Baseline and case are timed in turns, in one process, and the fastest round
of each counts: machines are noisy, ratios much less so. The budgets are those of the design.
"""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import timeit
import tracemalloc
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from random import Random
from time import perf_counter, thread_time, time
from typing import Any

import opentracing
from opentracing import Format
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicSpanContext,
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

_ROUNDS = 7
_SECONDS_A_ROUND = 0.05


class _LeastContext:
    __slots__ = ("baggage", "sampled", "span_id", "trace_id")

    def __init__(self, trace_id: int, span_id: int, sampled: bool) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.baggage = None


class _LeastSpan:
    __slots__ = (
        "context", "duration", "logs", "operation_name", "parent_id", "start_time", "tags", "tracer"
    )  # fmt: skip

    def __init__(self, context: _LeastContext, operation_name: str, parent_id: int | None) -> None:
        self.tracer = None
        self.context = context
        self.operation_name = operation_name
        self.parent_id = parent_id
        self.start_time = time()
        self.duration = -1.0
        self.tags: dict[str, Any] = {}
        self.logs: list[Any] = []


_random_bits = Random().getrandbits
_active: ContextVar[Any] = ContextVar("active", default=None)
_recorded: list[Any] = []


def _least_active_span() -> None:
    """Two objects, two clock readings, two ids, a context variable set and reset."""
    span = _LeastSpan(_LeastContext(_random_bits(64), _random_bits(64), True), "GET", None)
    token = _active.set(span)
    _active.reset(token)
    span.duration = time() - span.start_time
    _recorded.append(span)
    _recorded.clear()


def _least_request() -> None:
    server = _LeastSpan(_LeastContext(_random_bits(64), _random_bits(64), True), "GET", None)
    server_token = _active.set(server)
    server.tags["span.kind"] = "server"
    server.tags["http.method"] = "GET"
    server.tags["http.url"] = "http://shop/checkout"
    parent = _active.get().context
    context = _LeastContext(parent.trace_id, _random_bits(64), parent.sampled)
    client = _LeastSpan(context, "charge", parent.span_id)
    client_token = _active.set(client)
    client.tags["span.kind"] = "client"
    client.tags["peer.service"] = "payment"
    client.logs.append((time(), {"event": "retry", "attempt": 1}))
    _active.reset(client_token)
    client.duration = time() - client.start_time
    _recorded.append(client)
    server.tags["http.status_code"] = 200
    _active.reset(server_token)
    server.duration = time() - server.start_time
    _recorded.append(server)
    _recorded.clear()


class _Discard(Recorder):
    def record_span(self, span: Any) -> None:
        pass


class _Acknowledge(BatchRecorder):
    """Has a worker that takes the spans as fast as it gets them."""

    def send(self, spans: Sequence[BasicSpan]) -> None:
        pass


def _record_span() -> Callable[[], None]:
    # Never full: what is measured is a span that is kept.
    recorder = _Acknowledge(queue_size=1 << 26)
    span = BasicTracer().start_span("GET")
    return lambda: recorder.record_span(span)


def _active_span(tracer: opentracing.Tracer) -> Callable[[], None]:
    def run() -> None:
        with tracer.start_active_span("GET"):
            pass

    return run


def _request(tracer: opentracing.Tracer) -> Callable[[], None]:
    def run() -> None:
        with tracer.start_active_span("GET") as server:
            server.span.set_tag("span.kind", "server")
            server.span.set_tag("http.method", "GET")
            server.span.set_tag("http.url", "http://shop/checkout")
            with tracer.start_active_span("charge") as client:
                client.span.set_tag("span.kind", "client")
                client.span.set_tag("peer.service", "payment")
                client.span.log_kv({"event": "retry", "attempt": 1})
            server.span.set_tag("http.status_code", 200)

    return run


_HEADERS = {
    "Host": "shop.example",
    "User-Agent": "benchmark",
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "Content-Type": "application/json",
    "Content-Length": "512",
    "X-Request-Id": "5f0c3a",
    "ot-tracer-traceid": "463ac35c9f6413ad",
    "ot-tracer-spanid": "a2fb4a1d1a96d312",
    "ot-tracer-sampled": "true",
}


def _extract(tracer: BasicTracer) -> Callable[[], None]:
    return lambda: tracer.extract(Format.HTTP_HEADERS, _HEADERS) and None


def _inject(tracer: BasicTracer) -> Callable[[], None]:
    context = tracer.start_span("GET").context
    return lambda: tracer.inject(context, Format.HTTP_HEADERS, {})


_FORMATS: dict[str, Propagator] = {
    "W3C": TraceContextPropagator(),
    "b3": B3Propagator(single_header=True),
    "X-B3-*": B3Propagator(),
    "Jaeger": JaegerPropagator(encode_values=True),
}
_FORMATS["first of 4"] = CompositePropagator(_FORMATS.values())
_FORMATS["last of 5"] = CompositePropagator(
    [*_FORMATS.values(), TextPropagator(encode_values=True)],
    written=[TextPropagator(encode_values=True)],
)


def _format_cases() -> list[tuple[str, Callable[[], None], Callable[[], None], str]]:
    """Extracting from 11 headers, and injecting, in each of the other formats."""
    context = BasicSpanContext(0x463AC35C9F6413AD48485A3953BB6124, 0xA2FB4A1D1A96D312)
    others = [item for item in _HEADERS.items() if not item[0].startswith("ot-")]
    cases: list[tuple[str, Callable[[], None], Callable[[], None], str]] = []
    for name, propagator in _FORMATS.items():
        headers: dict[str, str] = {}
        propagator.inject(context, headers)
        for filler in range(11 - len(others) - len(headers)):
            headers[f"X-Filler-{filler}"] = "x"
        headers.update(others)

        def extract(propagator: Propagator = propagator, headers: Any = headers) -> None:
            propagator.extract(headers)

        def inject(propagator: Propagator = propagator) -> None:
            propagator.inject(context, {})

        cases.append((f"extract, {name}", extract, _least_active_span, ""))
        cases.append((f"inject, {name}", inject, _least_active_span, ""))
    return cases


def _nanoseconds(
    *functions: Callable[[], None], clock: Callable[[], float] = perf_counter
) -> list[float]:
    """The fastest round of each function, in nanoseconds a call; the functions take turns."""
    timers = [timeit.Timer(function, timer=clock) for function in functions]
    numbers = []
    for timer in timers:
        number, seconds = timer.autorange()
        numbers.append(max(1, int(number * _SECONDS_A_ROUND / seconds)))
    best = [float("inf")] * len(timers)
    for _ in range(_ROUNDS):
        for index, (timer, number) in enumerate(zip(timers, numbers)):
            best[index] = min(best[index], timer.timeit(number) / number * 1e9)
    return best


def _bytes_a_span() -> float:
    """What a finished span with two tags keeps."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    count = 5000

    def trace() -> None:
        for _ in range(count):
            with tracer.start_active_span("GET") as scope:
                scope.span.set_tag("http.method", "GET").set_tag("http.status_code", 200)

    trace()
    recorder.clear()
    gc.collect()
    tracemalloc.start()
    trace()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return kept / count


def _import_milliseconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(_ROUNDS)
    ]
    return min(runs) * 1000


def main() -> None:
    """Measure everything and print one table."""
    kept = BasicTracer(_Discard())
    dropped = BasicTracer(_Discard(), ConstSampler(False))
    noop = opentracing.Tracer()
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    print(f"{'case':34}{'ns':>8}{'least work':>12}{'ratio':>8}{'budget':>8}")
    cases: list[tuple[str, Callable[[], None], Callable[[], None], str]] = [
        ("active span", _active_span(kept), _least_active_span, "2"),
        ("request: 2 spans, 6 tags, 1 log", _request(kept), _least_request, "2.2"),
        ("request, not sampled", _request(dropped), _least_request, ""),
        ("no-op active span", _active_span(noop), _least_active_span, ""),
        ("extract from 11 headers", _extract(kept), _least_active_span, ""),
        ("inject", _inject(kept), _least_active_span, ""),
        *_format_cases(),
    ]
    for name, case, baseline, budget in cases:
        cost, least = _nanoseconds(case, baseline)
        print(f"{name:34}{cost:8.0f}{least:12.0f}{cost / least:8.2f}{budget:>8}")
    # The clock is that of this thread: the worker's time is not the application's.
    cost, least = _nanoseconds(_record_span(), _least_active_span, clock=thread_time)
    name = "record_span of a BatchRecorder"
    print(f"{name:34}{cost:8.0f}{least:12.0f}{cost / least:8.2f}{'0.5':>8}")
    print(f"{'bytes kept for a span with 2 tags':34}{_bytes_a_span():8.0f}{'':20}{'520':>8}")
    for module in ("opentracing", "opentracing_recorder"):
        print(f"{'import ' + module:34}{_import_milliseconds(module):8.1f} ms")


if __name__ == "__main__":
    main()
