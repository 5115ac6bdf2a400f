"""Trees of spans on Tornado's stack contexts, printed; runs on opentracing 2.4 too."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tornado import gen
from tornado.ioloop import IOLoop
from tornado.locks import Event
from tornado.stack_context import NullContext

from opentracing.mocktracer import MockTracer
from opentracing.scope_managers.tornado import TornadoScopeManager, tracer_stack_context

tracer: Any = MockTracer(TornadoScopeManager())


def note(name: str) -> None:
    """A span that says who was active, and so where it hangs in the tree."""
    tracer.start_span(name).finish()


@gen.coroutine
def child(name: str) -> Any:
    note(f"{name} starts")
    with tracer.start_active_span(name):
        yield gen.sleep(0.001)
        note(f"{name} resumed")
        yield gen.sleep(0.001)
    note(f"{name} closed")


@gen.coroutine
def one_after_the_other() -> Any:
    with tracer.start_active_span("parent"):
        yield child("first")
        yield child("second")
    note("parent closed")


@gen.coroutine
def at_once_without_activating() -> Any:
    @gen.coroutine
    def quiet(name: str) -> Any:
        span = tracer.start_span(name)
        yield gen.sleep(0.001)
        note(f"in {name}")
        span.finish()

    with tracer.start_active_span("parent"):
        yield [quiet("one"), quiet("other")]
        note("both done")


@gen.coroutine
def at_once_in_contexts_of_their_own() -> Any:
    def apart(name: str) -> Any:
        with tracer_stack_context():
            return child(name)

    with tracer.start_active_span("parent"):
        yield [apart("one"), apart("other")]
        note("both done")


@gen.coroutine
def callbacks() -> Any:
    done = Event()

    def callback() -> None:
        note("callback")
        IOLoop.current().add_callback(inner)

    def inner() -> None:
        note("its callback")
        with NullContext():
            IOLoop.current().add_callback(outside)

    def outside() -> None:
        note("outside of every stack context")
        done.set()

    with tracer.start_active_span("parent"):
        IOLoop.current().add_callback(callback)
        yield done.wait()
        note("called back")


@gen.coroutine
def closed_by_a_callback() -> Any:
    done = Event()

    def callback(scope: Any) -> None:
        note("before closing")
        scope.close()
        note("after closing")
        done.set()

    IOLoop.current().add_callback(callback, tracer.start_active_span("left open"))
    yield done.wait()
    note("at the end")


@gen.coroutine
def failing() -> Any:
    @gen.coroutine
    def fail() -> Any:
        with tracer.start_active_span("failing"):
            yield gen.sleep(0.001)
            raise ValueError("oops")

    with tracer.start_active_span("parent"):
        try:
            yield fail()
        except ValueError:
            note("caught")


@gen.coroutine
def nested_contexts() -> Any:
    with tracer.start_active_span("outer"):
        with tracer_stack_context():
            note("nothing active")
            with tracer.start_active_span("inner"):
                note("below inner")
            future = child("in the inner context")
        note("outer again")
        yield future
        note("still outer")


@gen.coroutine
def without_a_context() -> Any:
    with tracer.start_active_span("parent"):
        note("at once")
        yield gen.sleep(0.001)
        note("in the thread")


def tree() -> str:
    """Each span under its parent, by the order of their starts."""
    spans = tracer.finished_spans()
    ids = {each.context.span_id: each.operation_name for each in spans}
    lines = [
        f"  {each.operation_name} < {ids.get(each.parent_id)}"
        + (" !" if each.tags.get("error") else "")
        for each in sorted(spans, key=lambda each: each.context.span_id)
    ]
    active = "nothing" if tracer.active_span is None else "something"
    return "\n".join([*lines, f"  {active} is active"])


def main() -> None:
    in_context = [
        one_after_the_other,
        at_once_without_activating,
        at_once_in_contexts_of_their_own,
        callbacks,
        closed_by_a_callback,
        failing,
        nested_contexts,
    ]
    for case in [*in_context, without_a_context]:
        tracer.reset()
        loop = IOLoop()
        with ExitStack() as stack:
            if case is not without_a_context:
                stack.enter_context(tracer_stack_context())
            loop.run_sync(case)
        loop.close(all_fds=True)
        print(f"{case.__name__}\n{tree()}")


if __name__ == "__main__":
    main()
