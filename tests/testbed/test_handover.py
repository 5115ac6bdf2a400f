"""Units hand work to threads, callbacks and other units, with the span that is active in them."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing import Span, TracedExecutor, wrap
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def jobs_by_request(recorder: InMemoryRecorder) -> dict[str, list[str]]:
    """The names of the children of each request."""
    return {
        request.operation_name: sorted(
            span.operation_name
            for span in recorder.spans
            if span.parent_id == request.context.span_id
            and span.context.trace_id == request.context.trace_id
        )
        for request in recorder.spans
        if request.operation_name.startswith("request")
    }


@pytest.mark.needs_os
@pytest.mark.parametrize("by_map", [False, True], ids=["submit", "map"])
def test_units_at_once_share_a_pool_of_threads(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder, by_map: bool
) -> None:
    """Each job of five requests is a child of its own, and the request's span stays active."""

    def job(name: str) -> None:
        with tracer.start_active_span(name):
            pass

    async def request(number: int, pool: TracedExecutor, everybody: Any) -> None:
        names = [f"job {number}.{each}" for each in range(4)]
        with tracer.start_active_span(f"request {number}", ignore_active_span=True) as scope:
            await everybody()
            if by_map:
                list(pool.map(job, names))
            else:
                for each in [pool.submit(job, name) for name in names]:
                    await runtime.result(each)
            assert tracer.active_span is scope.span

    async def main() -> None:
        with TracedExecutor(runtime.pool(), tracer=tracer) as pool:
            everybody = runtime.rendezvous(5)
            for each in [runtime.spawn(request, n, pool, everybody) for n in range(5)]:
                await each

    runtime.run(main)
    assert jobs_by_request(recorder) == {
        f"request {n}": [f"job {n}.{each}" for each in range(4)] for n in range(5)
    }


def test_a_callback_has_the_span_of_the_unit_that_wrapped_it(
    runtime: Runtime, tracer: BasicTracer
) -> None:
    """On runtimes whose callbacks inherit a span, and on those whose callbacks have none."""

    def callback() -> Span | None:
        return tracer.active_span

    async def main() -> None:
        with tracer.start_active_span("first") as first:
            bound = wrap(callback, tracer=tracer)
            assert await runtime.call(bound) is first.span
        with tracer.start_active_span("second") as second:
            assert await runtime.call(bound) is first.span
            assert tracer.active_span is second.span

    runtime.run(main)


def test_a_callback_wrapped_where_nothing_is_active(runtime: Runtime, tracer: BasicTracer) -> None:
    """It has no parent, whatever is active where it is called."""

    def callback() -> int | None:
        with tracer.start_active_span("callback") as scope:
            return scope.span.parent_id  # type: ignore[attr-defined, no-any-return]

    bound = wrap(callback, tracer=tracer)

    async def main() -> None:
        with tracer.start_active_span("main") as scope:
            assert await runtime.call(bound) is None
            assert bound() is None
            assert tracer.active_span is scope.span

    runtime.run(main)


def test_a_unit_has_the_span_of_the_unit_that_wrapped_it(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A wrapped coroutine function has it while it runs, through all its awaits."""

    async def unit(name: str, everybody: Any) -> None:
        await everybody()
        with tracer.start_active_span(name):
            await everybody()

    async def main() -> None:
        everybody = runtime.rendezvous(2)
        units = []
        for number in range(2):
            with tracer.start_active_span(f"request {number}"):
                bound = wrap(unit, tracer=tracer)
            units.append(runtime.spawn(bound, f"job {number}", everybody))
        for each in units:
            await each

    runtime.run(main)
    assert jobs_by_request(recorder) == {f"request {n}": [f"job {n}"] for n in range(2)}
