"""Callbacks start callbacks, all for one span, which the last one finishes."""

from __future__ import annotations

from collections.abc import Awaitable

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_a_span_handed_down_a_chain_of_callbacks(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Each callback finds the span active, tags it and passes it on; the last one finishes it."""

    def callback(depth: int, span: Span) -> Awaitable[object] | None:
        with tracer.scope_manager.activate(span, finish_on_close=depth == 3):
            tracer.active_span.set_tag(f"depth {depth}", True)  # type: ignore[union-attr]
            return None if depth == 3 else runtime.call(callback, depth + 1, span)

    async def main() -> None:
        pending = runtime.call(callback, 1, tracer.start_span("chain"))
        while pending is not None:
            assert tracer.active_span is None
            pending = await pending

    runtime.run(main)
    (span,) = recorder.spans
    assert span.tags == {"depth 1": True, "depth 2": True, "depth 3": True}


def test_a_callback_s_callback_after_its_scope_was_closed(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A callback started by a callback runs after it, with the span that the runtime inherits."""
    seen: list[Span | None] = []

    def outer() -> Awaitable[object]:
        with tracer.start_active_span("outer"):
            return runtime.call(inner)

    def inner() -> None:
        seen.append(tracer.active_span)
        with tracer.start_active_span("inner"):
            pass

    async def main() -> None:
        await (await runtime.call(outer))

    runtime.run(main)
    outer_span = recorder.one("outer")
    inherited = outer_span if runtime.inherits else None
    assert seen == [inherited]
    assert recorder.one("inner").parent_id == (inherited and inherited.context.span_id)
