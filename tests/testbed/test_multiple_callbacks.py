"""One span is the parent of several concurrent callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_callbacks_are_children_of_who_made_them(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Callbacks start children of the span passed to them, and it stays active in their starter."""

    def callback(parent: Span) -> None:
        with tracer.scope_manager.activate(parent, False), tracer.start_active_span("callback"):
            pass

    async def main() -> None:
        with tracer.start_active_span("parent") as scope:
            for each in [runtime.call(callback, scope.span) for _ in range(5)]:
                await each
            assert tracer.active_span is scope.span

    runtime.run(main)
    *callbacks, parent = recorder.spans
    assert [(span.operation_name, span.parent_id) for span in callbacks] == [
        ("callback", parent.context.span_id)
    ] * 5


def test_units_open_at_once_do_not_see_each_other_s_spans(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """If all callbacks have an open span, each has its own as the active one, and as parent."""

    async def work(name: str, parent: Span, everybody: Any, all_checked: Any) -> None:
        with tracer.start_active_span(name, child_of=parent) as scope:
            await everybody()
            assert tracer.active_span is scope.span
            with tracer.start_active_span(f"{name} inner"):
                await all_checked()
            assert tracer.active_span is scope.span

    names = ["one", "two", "three", "four", "five"]

    async def main() -> None:
        everybody, all_checked = runtime.rendezvous(5), runtime.rendezvous(5)
        with tracer.start_active_span("parent") as scope:
            args = (scope.span, everybody, all_checked)
            for each in [runtime.spawn(work, name, *args) for name in names]:
                await each
            assert tracer.active_span is scope.span

    runtime.run(main)
    parent = recorder.one("parent").context.span_id
    assert [recorder.one(name).parent_id for name in names] == [parent] * 5
    assert [recorder.one(f"{name} inner").parent_id for name in names] == [
        recorder.one(name).context.span_id for name in names
    ]


def test_a_callback_that_fails_marks_its_own_span(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The exception reaches the waiting unit; other spans and the active span are unaffected."""

    def callback(name: str, parent: Span) -> None:
        with tracer.start_active_span(name, child_of=parent):
            if name == "bad":
                raise ValueError("oops")

    async def main() -> None:
        with tracer.start_active_span("parent") as scope:
            good, bad = (runtime.call(callback, name, scope.span) for name in ("good", "bad"))
            await good
            with pytest.raises(ValueError, match="oops"):
                await bad
            assert tracer.active_span is scope.span

    runtime.run(main)
    assert [span.operation_name for span in recorder.find(error=True)] == ["bad"]
    assert len(recorder.spans) == 3
