"""Work handed on by `wrap`, where OpenTelemetry's API and OpenTracing's share the active span."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.context", reason="opentelemetry-api is not installed")

from opentelemetry import baggage, context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import opentracing
from opentracing import wrap
from opentracing_recorder import BasicTracer, InMemoryRecorder
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

REMOTE = SpanContext(7, 9, True, TraceFlags(1))


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()


@pytest.fixture
def tracer(recorder: InMemoryRecorder) -> Iterator[BasicTracer]:
    tracer = BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager())
    with opentracing.use_tracer(tracer):
        yield tracer
    assert trace.get_current_span() is trace.INVALID_SPAN


def both(tracer: BasicTracer) -> None:
    """A span by each API."""
    tracer.start_span("ours").finish()
    BasicTracerProvider(tracer).get_tracer("lib").start_span("theirs").end()


def parents(recorder: InMemoryRecorder) -> list[int | None]:
    return [recorder.one(name).parent_id for name in ("ours", "theirs")]


def there() -> None:
    tracer: Any = opentracing.global_tracer()
    both(tracer)


@pytest.mark.parametrize("pickles", [False, True])
def test_a_span_of_either_api_is_the_parent_for_both(
    tracer: BasicTracer, recorder: InMemoryRecorder, pickles: bool
) -> None:
    """Also on a thread that inherits nothing, and in another process."""
    with BasicTracerProvider(tracer).get_tracer("lib").start_as_current_span("request") as span:
        bound = wrap(there)
        if pickles:
            bound = pickle.loads(pickle.dumps(bound))
    contextvars.Context().run(bound)
    assert parents(recorder) == [span.get_span_context().span_id] * 2


def test_a_remote_span_of_theirs_is_the_parent(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It was made current by OpenTelemetry's API, and its baggage is handed on, too."""
    remote = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    token = context.attach(baggage.set_baggage("tenant", "7", remote))
    bound = wrap(there)
    context.detach(token)
    contextvars.Context().run(bound)
    assert parents(recorder) == [9, 9]
    assert {span.context.trace_id for span in recorder.spans} == {7}
    assert recorder.one("ours").get_baggage_item("tenant") == "7"


def test_what_is_suppressed_stays_suppressed(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A job handed on where instrumentation is suppressed records no span."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    bound = wrap(there)
    context.detach(token)
    contextvars.Context().run(bound)
    assert recorder.spans == []


def test_a_coroutine_wrapped_where_nothing_is_active(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It has no parent, and the current span of the task that awaits it is current again."""

    async def work() -> None:
        await asyncio.sleep(0)
        both(tracer)

    bound = wrap(work)

    async def main() -> None:
        with tracer.start_active_span("other") as other:
            await bound()
            assert tracer.active_span is other.span

    asyncio.run(main())
    assert parents(recorder) == [None, None]
