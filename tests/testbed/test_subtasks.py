"""A unit starts units: the spans that they inherit, and those that must be passed to them."""

from __future__ import annotations

from typing import Any

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_what_a_subtask_inherits(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A unit and a callback start with the active span of their starter, or none, by runtime."""
    seen: list[Span | None] = []

    def look() -> None:
        seen.append(tracer.active_span)

    async def subtask() -> None:
        look()
        with tracer.start_active_span("subtask"):
            pass

    async def main() -> None:
        with tracer.start_active_span("main"):
            await runtime.spawn(subtask)
            await runtime.call(look)

    runtime.run(main)
    inherited = recorder.one("main") if runtime.inherits else None
    assert seen == [inherited, inherited]
    assert recorder.one("subtask").parent_id == (inherited and inherited.context.span_id)


def test_a_span_handed_to_subtasks_of_subtasks(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Units that activate the span passed to them are its children, three deep, two at a time."""

    async def work(name: str, depth: int, parent: Span) -> None:
        with tracer.scope_manager.activate(parent, False), tracer.start_active_span(name) as scope:
            if depth < 3:
                names = (f"{name}.1", f"{name}.2")
                for each in [runtime.spawn(work, name, depth + 1, scope.span) for name in names]:
                    await each
            assert tracer.active_span is scope.span

    async def main() -> None:
        with tracer.start_active_span("0") as scope:
            await runtime.spawn(work, "0.1", 1, scope.span)

    runtime.run(main)
    ids = {span.operation_name: span.context.span_id for span in recorder.spans}
    parents = {span.operation_name: span.parent_id for span in recorder.spans}
    assert len(ids) == len(recorder.spans) == 8
    assert parents == {name: ids.get(name.rpartition(".")[0]) for name in ids}


def test_what_subtasks_activate_stays_theirs(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A scope that a unit leaves open is not active in its starter, nor in the next unit."""

    async def leave_open(opened: Any, may_close: Any) -> None:
        with tracer.start_active_span("open", ignore_active_span=True):
            opened.set()
            await may_close.wait()

    async def look(expected: Span | None) -> None:
        assert tracer.active_span is expected

    async def main() -> None:
        opened, may_close = runtime.event(), runtime.event()
        unit = runtime.spawn(leave_open, opened, may_close)
        await opened.wait()
        assert tracer.active_span is None
        await runtime.spawn(look, None)
        with tracer.start_active_span("main") as scope:
            await runtime.spawn(look, scope.span if runtime.inherits else None)
            may_close.set()
            await unit
            assert tracer.active_span is scope.span

    runtime.run(main)
    assert [span.parent_id for span in recorder.spans] == [None, None]
