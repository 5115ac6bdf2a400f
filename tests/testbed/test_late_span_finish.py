"""Spans finish in another order than they were started: a parent before its children."""

from __future__ import annotations

from typing import Any

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_children_finish_after_their_parent(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Children that go on after the parent's scope closed are recorded as its children."""

    async def child(parent: Span, everybody: Any, parent_done: Any) -> None:
        with tracer.scope_manager.activate(parent, False):
            with tracer.start_active_span("child"):
                await everybody()
                await parent_done.wait()
                with tracer.start_active_span("grandchild"):
                    pass
            assert tracer.active_span is parent

    async def main() -> None:
        everybody, parent_done = runtime.rendezvous(4), runtime.event()
        with tracer.start_active_span("parent") as scope:
            children = [runtime.spawn(child, scope.span, everybody, parent_done) for _ in range(3)]
            await everybody()
        assert [span.operation_name for span in recorder.spans] == ["parent"]
        parent_done.set()
        for each in children:
            await each

    runtime.run(main)
    parent, children = recorder.one("parent"), recorder.find("child")
    assert [span.parent_id for span in children] == [parent.context.span_id] * 3
    assert {span.parent_id for span in recorder.find("grandchild")} == {
        span.context.span_id for span in children
    }


def test_a_parent_finishes_long_after_it_was_active(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A span that was active in many units, none of which finished it, is finished by its maker."""

    def work(parent: Span) -> None:
        with tracer.scope_manager.activate(parent, False), tracer.start_active_span("child"):
            pass

    async def main() -> None:
        parent = tracer.start_span("parent")
        for each in [runtime.call(work, parent) for _ in range(3)]:
            await each
        assert recorder.find("parent") == []
        parent.finish()

    runtime.run(main)
    parent = recorder.one("parent").context.span_id
    assert [span.parent_id for span in recorder.spans] == [parent, parent, parent, None]
