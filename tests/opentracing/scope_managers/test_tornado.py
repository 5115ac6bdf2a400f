"""Scopes in Tornado: its coroutines, callbacks, server and stack contexts."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from opentracing import Scope, Span, scope_managers
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import no_parent_scope
from opentracing_recorder import BasicTracer, InMemoryRecorder

from ...runtimes import HAS_TORNADO, WHY_NOT_TORNADO

if not HAS_TORNADO:
    pytest.skip(WHY_NOT_TORNADO, allow_module_level=True)

import tornado
from tornado import gen
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.locks import Event
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from opentracing.scope_managers.tornado import (
    ThreadSafeStackContext,
    TornadoScopeManager,
    tracer_stack_context,
)


@pytest.fixture
def tracer(recorder: InMemoryRecorder, caplog: pytest.LogCaptureFixture) -> Iterator[BasicTracer]:
    """A tracer; nothing in this file is the application's mistake, so nothing is logged."""
    caplog.set_level(logging.DEBUG, "opentracing")
    tracer = BasicTracer(recorder, scope_manager=TornadoScopeManager())
    yield tracer
    assert [each for each in caplog.records if each.name.startswith("opentracing")] == []
    assert tracer.active_span is None


def run(main: Callable[[], Any]) -> None:
    """Run one of Tornado's coroutines on a new event loop."""

    async def run() -> None:
        await main()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_stack_context_has_scopes_of_its_own(tracer: BasicTracer) -> None:
    """No span is active at its start, and the active span at its end is not active after it."""
    with tracer.start_active_span("outer") as outer:
        with tracer_stack_context():
            assert tracer.active_span is None
            left_open = tracer.start_active_span("left open")
            assert tracer.active_span is left_open.span
            with tracer_stack_context():
                assert tracer.active_span is None
            assert tracer.active_span is left_open.span
        assert tracer.active_span is outer.span


def test_a_stack_context_left_by_an_exception(tracer: BasicTracer) -> None:
    """The exception propagates, and the outer scope is active again."""

    def fail() -> None:
        with tracer_stack_context():
            tracer.start_active_span("left open")
            raise ValueError("oops")

    with tracer.start_active_span("outer") as outer:
        with pytest.raises(ValueError, match="oops"):
            fail()
        assert tracer.active_span is outer.span


def test_a_callback_closes_what_its_stack_context_left_open(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A scope opened in the block is active in the callback made there, which may close it."""
    seen: list[Span | None] = []

    def on_done(scope: Scope, done: Event) -> None:
        seen.append(tracer.active_span)
        scope.close()
        seen.append(tracer.active_span)
        done.set()

    @gen.coroutine
    def main() -> Any:
        done = Event()
        with tracer_stack_context():
            scope = tracer.start_active_span("request")
            IOLoop.current().add_callback(on_done, scope, done)
        assert tracer.active_span is None
        yield done.wait()

    run(main)
    request = recorder.one("request")
    assert seen == [request, None]


def test_a_stack_context_keeps_a_callback_from_inheriting(tracer: BasicTracer) -> None:
    """A callback inherits the active span, unless it is made in a `tracer_stack_context`."""
    seen: list[Span | None] = []

    def look(looked: Event) -> None:
        seen.append(tracer.active_span)
        looked.set()

    @gen.coroutine
    def main() -> Any:
        one, other = Event(), Event()
        with tracer.start_active_span("main") as scope:
            IOLoop.current().add_callback(look, one)
            with tracer_stack_context():
                IOLoop.current().add_callback(look, other)
            yield [one.wait(), other.wait()]
            assert seen == [scope.span, None]

    run(main)


def test_a_coroutine_may_yield_several_children_at_once(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Decorated and native children interleave below the parent, which stays active;
    2.4 could not do so.
    """
    opened: list[Span] = []
    all_open = Event()

    def opening(span: Span) -> None:
        opened.append(span)
        if len(opened) == 4:
            all_open.set()

    @gen.coroutine
    def decorated() -> Any:
        with tracer.start_active_span("child") as scope:
            opening(scope.span)
            yield all_open.wait()
            assert tracer.active_span is scope.span

    async def native() -> None:
        with tracer.start_active_span("child") as scope:
            opening(scope.span)
            await all_open.wait()
            assert tracer.active_span is scope.span

    @gen.coroutine
    def parent() -> Any:
        with tracer.start_active_span("parent") as scope:
            yield [decorated(), native(), decorated(), native()]
            assert tracer.active_span is scope.span

    with tracer_stack_context():
        run(parent)
    parent_id = recorder.one("parent").context.span_id
    assert [span.parent_id for span in recorder.find("child")] == [parent_id] * 4


def test_stack_contexts_of_interleaving_coroutines(tracer: BasicTracer) -> None:
    """A block may have a `yield`: each coroutine has its own active span again after it."""
    opened: list[None] = []
    both_open = Event()

    @gen.coroutine
    def request() -> Any:
        with tracer.start_active_span("before") as before:
            with tracer_stack_context(), tracer.start_active_span("request") as scope:
                opened.append(None)
                if len(opened) == 2:
                    both_open.set()
                yield both_open.wait()
                assert tracer.active_span is scope.span
            assert tracer.active_span is before.span

    @gen.coroutine
    def main() -> Any:
        yield [request(), request()]

    run(main)


def test_a_loop_run_inside_a_stack_context(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """`run_sync` in the block, as in suites written for 2.4, starts with the active span."""
    loop = IOLoop(make_current=False)
    try:
        with tracer_stack_context(), tracer.start_active_span("parent"):
            loop.run_sync(lambda: tracer.start_active_span("child").close())
    finally:
        loop.close()
    assert recorder.one("child").parent_id == recorder.one("parent").context.span_id


@pytest.mark.needs_os
def test_a_callback_added_by_another_thread_does_not_inherit(tracer: BasicTracer) -> None:
    """It has the active span of that thread, not that of the loop's thread."""
    seen: list[Span | None] = []
    of_thread = tracer.start_span("of the thread")

    def add(loop: IOLoop, done: Event) -> None:
        def callback() -> None:
            seen.append(tracer.active_span)
            if len(seen) == 2:
                done.set()

        with no_parent_scope():  # a thread may have inherited a span that was active at its start
            loop.add_callback(callback)
            with tracer.scope_manager.activate(of_thread, False):
                loop.add_callback(callback)

    @gen.coroutine
    def main() -> Any:
        done = Event()
        with tracer.start_active_span("main"):
            thread = threading.Thread(target=add, args=(IOLoop.current(), done))
            thread.start()
            yield done.wait()
            thread.join()

    run(main)
    assert seen == [None, of_thread]


@pytest.mark.needs_os
def test_requests_to_a_server_at_once(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Each request has its own trace, whatever span was active when the server was started."""
    arrived: list[None] = []
    all_there = Event()

    async def query() -> None:
        with tracer.start_active_span("query"):
            await asyncio.sleep(0)

    class Handler(RequestHandler):
        async def get(self) -> None:
            with tracer_stack_context(), tracer.start_active_span("request") as scope:
                arrived.append(None)
                if len(arrived) == 3:
                    all_there.set()
                await all_there.wait()
                await gen.multi([query(), query()])
                assert tracer.active_span is scope.span

    async def main() -> None:
        socket, port = bind_unused_port()
        with tracer.start_active_span("main") as scope:
            server = HTTPServer(Application([("/", Handler)]))
            server.add_socket(socket)
            client = AsyncHTTPClient(force_instance=True)
            await gen.multi([client.fetch(f"http://127.0.0.1:{port}/") for _ in range(3)])
            client.close()
            server.stop()
            await server.close_all_connections()
            assert tracer.active_span is scope.span

    run(main)
    requests = recorder.find("request")
    assert [span.parent_id for span in requests] == [None] * 3
    assert sorted(span.parent_id for span in recorder.find("query")) == sorted(
        [span.context.span_id for span in requests] * 2
    )


@pytest.mark.needs_os
def test_a_stack_context_of_any_factory() -> None:
    """`ThreadSafeStackContext` enters a new object of its factory for each thread and entry."""
    log: list[str] = []
    names = iter(["first", "inner", "other"])
    entered, may_leave = threading.Event(), threading.Event()

    @contextmanager
    def factory() -> Iterator[str]:
        name = next(names)
        try:
            yield name
        except ValueError:
            log.append(f"{name} swallows")
        finally:
            log.append(f"{name} left")

    context = ThreadSafeStackContext(context_factory=factory)

    def enter() -> None:
        with context:
            entered.set()
            may_leave.wait(10)

    thread = threading.Thread(target=enter)
    with context as first:
        with context:
            raise ValueError("oops")
        thread.start()
        assert entered.wait(10)
    may_leave.set()
    thread.join()
    assert first == "first"
    assert log == ["inner swallows", "inner left", "first left", "other left"]


def test_a_tornado_before_6_is_used_by_its_stack_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names are those of the other implementation, which `make test-installs` tests."""
    stack_context = ModuleType("tornado.stack_context")
    stack_context.StackContext = type("StackContext", (), {})  # type: ignore[attr-defined]
    monkeypatch.setattr(tornado, "version_info", (5, 1, 1, 0))
    monkeypatch.setitem(sys.modules, "tornado.stack_context", stack_context)
    for name in ("tornado", "_tornado_stack_contexts"):  # imported again, and restored
        monkeypatch.setattr(scope_managers, name, None, raising=False)
        monkeypatch.setitem(sys.modules, f"opentracing.scope_managers.{name}", stack_context)
        del sys.modules[f"opentracing.scope_managers.{name}"]
    module = import_module("opentracing.scope_managers.tornado")
    assert issubclass(module.TornadoScopeManager, ThreadLocalScopeManager)
    assert isinstance(module.tracer_stack_context(), module.ThreadSafeStackContext)
    assert issubclass(module.ThreadSafeStackContext, stack_context.StackContext)
