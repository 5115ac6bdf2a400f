"""Concurrency runtimes with one interface, so that each pattern is written once.

Patterns are coroutines. If a runtime blocks instead of awaiting, an await is a blocking call inside
a coroutine that is never suspended.
"""

from __future__ import annotations

import abc
import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from opentracing import ScopeManager
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager

from ..runtimes import (
    HAS_STACK_CONTEXTS,
    gevent_manager,
    needs_gevent,
    needs_tornado,
    on_new_loop,
    tornado_manager,
)

Unit = Callable[..., Coroutine[Any, Any, Any]]

# Seconds after which an event counts as lost: long, as only a failure waits so long.
TIMEOUT = 10

THREADS = 32


class Runtime(abc.ABC):
    """A way to run units concurrently, and a scope manager that keeps their scopes apart."""

    inherits: bool
    """True if a unit starts with the span that was active at its spawn, false if with none."""

    def __init__(self, make_scope_manager: Callable[[], ScopeManager], inherits: bool) -> None:
        self.make_scope_manager = make_scope_manager
        self.inherits = inherits

    @abc.abstractmethod
    def run(self, main: Unit) -> None:
        """Run `main` as the first unit, to its end."""

    @abc.abstractmethod
    def spawn(self, unit: Unit, *args: Any) -> Awaitable[Any]:
        """Run a coroutine function as a new unit; awaiting it gives its result, or raises."""

    @abc.abstractmethod
    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Run a plain function soon, as this runtime's callback; awaiting it gives its result."""

    def pool(self) -> Executor:
        """A pool of threads, which this runtime's units give jobs to."""
        return ThreadPoolExecutor(2)

    @abc.abstractmethod
    def result(self, future: Any) -> Awaitable[Any]:
        """Awaiting it gives the result of a job in a pool, or raises."""

    @abc.abstractmethod
    def event(self) -> Any:
        """An object with `set()` and an awaitable `wait()`."""

    @abc.abstractmethod
    def queue(self) -> Any:
        """An object with `put_nowait(item)` and an awaitable `get()`."""

    def rendezvous(self, parties: int) -> Callable[[], Awaitable[None]]:
        """An awaitable function that returns when `parties` units have called it."""
        arrived: list[None] = []
        all_there = self.event()

        async def meet() -> None:
            arrived.append(None)
            if len(arrived) >= parties:
                all_there.set()
            await all_there.wait()

        return meet


class Blocking(Runtime):
    """A runtime whose units block while they wait."""

    def run(self, main: Unit) -> None:
        _unsuspended(main)

    def spawn(self, unit: Unit, *args: Any) -> Awaitable[Any]:
        return self.call(_unsuspended, unit, *args)

    def result(self, future: Any) -> Awaitable[Any]:
        return _Result(lambda: future.result(TIMEOUT))

    def event(self) -> Any:
        return _BlockingEvent(self._make_event())

    def queue(self) -> Any:
        return _BlockingQueue(self._make_queue())

    @abc.abstractmethod
    def _make_event(self) -> Any: ...

    @abc.abstractmethod
    def _make_queue(self) -> Any: ...


class Threads(Blocking):
    """Units are the tasks of a thread pool, which reuses its threads."""

    def run(self, main: Unit) -> None:
        with ThreadPoolExecutor(THREADS) as self._pool:
            # All threads start before a span is active: if threads inherit the context that they
            # are started in, they would keep it.
            meeting = threading.Barrier(THREADS)
            for each in [self._pool.submit(meeting.wait, TIMEOUT) for _ in range(THREADS)]:
                each.result(TIMEOUT)
            super().run(main)

    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        future = self._pool.submit(function, *args)
        return _Result(lambda: future.result(TIMEOUT))

    _make_event = threading.Event
    _make_queue = queue.Queue


class CopyingThreads(Threads):
    """Units are the tasks of a thread pool, each with a copy of the context."""

    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return super().call(contextvars.copy_context().run, function, *args)


class Gevent(Blocking):
    """Units are greenlets."""

    def run(self, main: Unit) -> None:
        import gevent

        gevent.spawn(super().run, main).get(timeout=TIMEOUT)

    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        import gevent

        greenlet = gevent.spawn(function, *args)
        return _Result(lambda: greenlet.get(timeout=TIMEOUT))

    def pool(self) -> Executor:
        from gevent.threadpool import ThreadPoolExecutor

        # As many as there are jobs: `submit` to a full pool waits with a lock, which the next
        # greenlet to submit blocks on.
        return ThreadPoolExecutor(THREADS)  # type: ignore[no-any-return]

    def _make_event(self) -> Any:
        import gevent.event

        return gevent.event.Event()

    def _make_queue(self) -> Any:
        import gevent.queue

        return gevent.queue.Queue()


class Asyncio(Runtime):
    """Units are tasks, and callbacks of the event loop."""

    def run(self, main: Unit) -> None:
        asyncio.run(asyncio.wait_for(main(), TIMEOUT))

    def spawn(self, unit: Unit, *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().create_task(unit(*args))

    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._call_soon(loop, _settle, done, function, *args)
        return done

    def _call_soon(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any
    ) -> None:
        loop.call_soon(function, *args)

    def result(self, future: Any) -> Awaitable[Any]:
        return asyncio.wrap_future(future)

    def event(self) -> Any:
        return asyncio.Event()

    def queue(self) -> Any:
        return asyncio.Queue()


class Tornado(Asyncio):
    """Units are Tornado's coroutines and callbacks, inside a `tracer_stack_context`."""

    def run(self, main: Unit) -> None:
        from opentracing.scope_managers.tornado import tracer_stack_context

        async def run() -> None:
            with tracer_stack_context():
                await main()

        super().run(run)

    def spawn(self, unit: Unit, *args: Any) -> Awaitable[Any]:
        from tornado import gen

        @gen.coroutine
        def coroutine() -> Any:
            return (yield unit(*args))

        return coroutine()

    def _call_soon(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any
    ) -> None:
        from tornado.ioloop import IOLoop

        IOLoop.current().add_callback(function, *args)

    def event(self) -> Any:
        from tornado.locks import Event

        return Event()

    def queue(self) -> Any:
        from tornado.queues import Queue

        return Queue()


class StackContexts(Runtime):
    """Units are coroutines and callbacks of Tornado 4.5 or 5, each in its own stack context."""

    def run(self, main: Unit) -> None:
        on_new_loop(lambda: self.spawn(main), TIMEOUT)

    def spawn(self, unit: Unit, *args: Any) -> Awaitable[Any]:
        from tornado import gen

        from opentracing.scope_managers.tornado import tracer_stack_context

        @gen.coroutine
        def coroutine() -> Any:
            # Yielding it would not do: Tornado 5 makes it a task, which has no stack contexts.
            return (yield from unit(*args).__await__())

        with tracer_stack_context():
            return coroutine()

    def call(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        from tornado.concurrent import Future
        from tornado.ioloop import IOLoop

        from opentracing.scope_managers.tornado import tracer_stack_context

        done = Future()
        with tracer_stack_context():
            IOLoop.current().add_callback(_settle, done, function, *args)
        return done

    def result(self, future: Any) -> Awaitable[Any]:
        return _Yielded(future)

    def event(self) -> Any:
        from tornado.locks import Event

        return Event()

    def queue(self) -> Any:
        from tornado.queues import Queue

        return Queue()


def tornado_runtime() -> Runtime:
    if HAS_STACK_CONTEXTS:
        return StackContexts(tornado_manager, False)
    return Tornado(tornado_manager, True)


RUNTIMES = [
    pytest.param(Threads(ThreadLocalScopeManager, False), id="threads", marks=pytest.mark.needs_os),
    pytest.param(
        Threads(ContextVarsScopeManager, False),
        id="threads with contextvars",
        marks=pytest.mark.needs_os,
    ),
    pytest.param(
        CopyingThreads(ContextVarsScopeManager, True),
        id="threads with copied contexts",
        marks=pytest.mark.needs_os,
    ),
    pytest.param(Asyncio(AsyncioScopeManager, False), id="asyncio"),
    pytest.param(Asyncio(ContextVarsScopeManager, True), id="asyncio with contextvars"),
    pytest.param(Gevent(gevent_manager, False), id="gevent", marks=needs_gevent),
    pytest.param(
        Gevent(ContextVarsScopeManager, False), id="gevent with contextvars", marks=needs_gevent
    ),
    pytest.param(tornado_runtime(), id="tornado", marks=needs_tornado),
]


class _BlockingEvent:
    def __init__(self, event: Any) -> None:
        self._event = event
        self.set = event.set

    async def wait(self) -> None:
        if not self._event.wait(TIMEOUT):
            raise TimeoutError("nobody set the event")


class _BlockingQueue:
    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.put_nowait = queue.put_nowait

    async def get(self) -> Any:
        return self._queue.get(timeout=TIMEOUT)


class _Result:
    """An object to await, more than once, which blocks until its result is set."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self._get = get

    def __await__(self) -> Any:
        return self._get()
        yield  # this makes it a generator, which an await needs


class _Yielded:
    """An object to await in a coroutine of Tornado's, which waits for a future of any kind."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def __await__(self) -> Any:
        return (yield self._future)


def _unsuspended(unit: Unit, *args: Any) -> Any:
    """Run a coroutine to its end that no await suspends."""
    coroutine = unit(*args)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    finally:
        coroutine.close()
    raise RuntimeError("the coroutine was suspended, where nothing resumes it")


def _settle(done: asyncio.Future[Any], function: Callable[..., Any], *args: Any) -> None:
    try:
        done.set_result(function(*args))
    except Exception as error:
        done.set_exception(error)
