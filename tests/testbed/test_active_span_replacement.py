"""A unit replaces the active span with another, and continues below that one."""

from __future__ import annotations

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_replacing_the_active_span(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Spans are children of the replacement while it is active, and afterwards of the former."""

    async def work(initial: Span) -> None:
        with tracer.scope_manager.activate(initial, True):
            with tracer.start_active_span("before"):
                pass
            with tracer.start_active_span("replacement", ignore_active_span=True) as scope:
                await runtime.spawn(subtask, scope.span)
            with tracer.start_active_span("after"):
                pass

    async def subtask(span: Span) -> None:
        with tracer.scope_manager.activate(span, False), tracer.start_active_span("below"):
            pass

    async def main() -> None:
        initial = tracer.start_span("initial")
        await runtime.spawn(work, initial)
        assert tracer.active_span is None

    runtime.run(main)
    initial, replacement = recorder.one("initial"), recorder.one("replacement")
    parents = {span.operation_name: span.parent_id for span in recorder.spans}
    assert parents == {
        "initial": None,
        "before": initial.context.span_id,
        "replacement": None,
        "below": replacement.context.span_id,
        "after": initial.context.span_id,
    }
    assert replacement.context.trace_id != initial.context.trace_id


def test_taking_over_a_span_leaves_the_giver_its_own(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A unit that activates and finishes a span passed to it leaves its starter's span active."""

    async def take_over(span: Span) -> None:
        with tracer.scope_manager.activate(span, True):
            assert tracer.active_span is span
        assert tracer.active_span is (giver if runtime.inherits else None)

    giver = tracer.start_span("giver")

    async def main() -> None:
        with tracer.scope_manager.activate(giver, True):
            await runtime.spawn(take_over, tracer.start_span("given"))
            assert tracer.active_span is giver
            assert [span.operation_name for span in recorder.spans] == ["given"]

    runtime.run(main)
    assert recorder.one("given").parent_id == giver.context.span_id
