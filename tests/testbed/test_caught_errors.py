"""A unit fails, and its starter catches the error: the span says so, and the trace continues."""

from __future__ import annotations

import pytest

from opentracing import Scope, Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


async def fail() -> None:
    raise RuntimeError("payment failed") from KeyError("card-number")


def test_an_error_of_a_subtask_is_recorded(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The span that caught it has failed, names the cause, and goes on."""

    async def main() -> None:
        with tracer.start_active_span("pay") as scope:
            try:
                await runtime.spawn(fail)
            except RuntimeError as error:
                scope.span.record_exception(error)
            assert scope.span.is_recording()
            tracer.start_span("pay later").finish()

    runtime.run(main)
    assert recorder.outline() == "pay !\n  pay later"
    (log,) = recorder.one("pay").logs
    assert log.key_values["message"] == "payment failed"
    assert "KeyError: 'card-number'" in log.key_values["stack"]
    assert "in fail" in log.key_values["stack"]


def test_async_with_is_with(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Scopes and spans end with their block, and report the error that leaves it."""
    seen: list[Scope | Span | None] = []

    async def main() -> None:
        async with tracer.start_active_span("outer") as scope:
            seen.extend((scope.span, tracer.active_span))
            async with tracer.start_span("inner") as span:
                seen.append(span)
                await runtime.spawn(fail)

    with pytest.raises(RuntimeError, match="payment failed"):
        runtime.run(main)
    inner, outer = recorder.spans
    assert recorder.outline() == "outer !\n  inner !"
    assert seen == [outer, outer, inner]
