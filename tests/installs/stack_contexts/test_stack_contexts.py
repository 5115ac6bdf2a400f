"""The peculiarities of scopes on Tornado's stack contexts; run by `test_tornado`."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from tornado import gen
from tornado.locks import Event
from tornado.stack_context import StackContext, wrap

from opentracing import Span
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.tornado import (
    ThreadSafeStackContext,
    TornadoScopeManager,
    tracer_stack_context,
)
from opentracing_recorder import BasicTracer, InMemoryRecorder

from ...runtimes import on_new_loop


@pytest.fixture
def tracer() -> Iterator[BasicTracer]:
    tracer = BasicTracer(InMemoryRecorder(), scope_manager=TornadoScopeManager())
    yield tracer
    assert tracer.active_span is None


def test_the_classes_are_what_they_were() -> None:
    """A manager of threads' scopes, and one of Tornado's own stack contexts."""
    assert issubclass(TornadoScopeManager, ThreadLocalScopeManager)
    assert issubclass(ThreadSafeStackContext, StackContext)


def test_a_stack_context_does_not_warn() -> None:
    """Tornado 5.1 says that it will be gone in 6, which the application cannot help."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tracer_stack_context():
            pass


def test_siblings_that_activate_in_one_context_lose_no_span(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture
) -> None:
    """They see each other's spans, as in 2.4, but each is finished, and the log has a warning."""
    first_is_open, second_is_open = Event(), Event()

    @gen.coroutine
    def first() -> Any:
        with tracer.start_active_span("first"):
            first_is_open.set()
            yield second_is_open.wait()

    @gen.coroutine
    def second() -> Any:
        yield first_is_open.wait()
        with tracer.start_active_span("second"):
            second_is_open.set()
            yield gen.sleep(0.001)

    @gen.coroutine
    def main() -> Any:
        with tracer.start_active_span("parent") as scope:
            yield [first(), second()]
            assert tracer.active_span is scope.span

    with caplog.at_level(logging.WARNING), tracer_stack_context():
        on_new_loop(main)
    names = [span.operation_name for span in tracer.recorder.get_spans()]
    assert sorted(names) == ["first", "parent", "second"]
    (record,) = caplog.records
    assert "'first'" in record.getMessage()


def test_a_scope_closed_outside_of_its_context(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its span finishes quietly, and the context no longer shows it."""
    context = tracer_stack_context()
    with tracer.start_active_span("outside") as outside:
        with context:
            look = wrap(lambda: tracer.active_span)
            scope = tracer.start_active_span("inside")
            assert look() is scope.span
        assert tracer.active_span is outside.span
        scope.close()
        assert tracer.active_span is outside.span
        assert look() is None
    assert [span.operation_name for span in tracer.recorder.get_spans()] == ["inside", "outside"]
    assert not caplog.records


def test_managers_in_one_context_are_islands(tracer: BasicTracer) -> None:
    """Two tracers do not see each other's spans."""
    other = BasicTracer(InMemoryRecorder(), scope_manager=TornadoScopeManager())
    with tracer_stack_context(), tracer.start_active_span("one") as one:
        assert other.active_span is None
        with other.start_active_span("other"):
            assert tracer.active_span is one.span


def test_threads_enter_a_context_at_once(tracer: BasicTracer) -> None:
    """A wrapped function finds its context's span on another thread, which has none afterwards."""
    seen: list[Span | None] = []

    def look() -> None:
        seen.append(tracer.active_span)

    with tracer_stack_context(), tracer.start_active_span("request") as scope:
        wrapped = wrap(look)

        def on_thread() -> None:
            wrapped()
            look()

        thread = threading.Thread(target=on_thread)
        thread.start()
        thread.join()
        assert seen == [scope.span, None]
        assert tracer.active_span is scope.span
