"""The scope managers that we ship, and the places where each has to work."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from opentracing import ScopeManager
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager

# setup.py and the Makefile ask for them on the same conditions; where one is asked for, its absence
# is a failure.
HAS_GEVENT = sys.implementation.name == "cpython" and sys.platform != "emscripten"
WHY_NOT_GEVENT = "gevent has no wheels for this interpreter"
HAS_TORNADO = sys.platform != "emscripten"
WHY_NOT_TORNADO = "Tornado has no wheel for Pyodide"
# Before 6, which runs on contextvars. `make test-installs` has environments with such a Tornado.
HAS_STACK_CONTEXTS = HAS_TORNADO and find_spec("tornado.stack_context") is not None
needs_gevent = pytest.mark.skipif(not HAS_GEVENT, reason=WHY_NOT_GEVENT)
needs_tornado = pytest.mark.skipif(not HAS_TORNADO, reason=WHY_NOT_TORNADO)


THREADS_INHERIT = bool(getattr(sys.flags, "thread_inherit_context", False))
"""True if a thread starts in a copy of the context of its starter, as from Python 3.14."""


def gevent_manager() -> ScopeManager:
    from opentracing.scope_managers.gevent import GeventScopeManager

    return GeventScopeManager()


def tornado_manager() -> ScopeManager:
    from opentracing.scope_managers.tornado import TornadoScopeManager

    return TornadoScopeManager()


def directly(test: Callable[[], None]) -> None:
    contextvars.copy_context().run(test)


def in_task(test: Callable[[], None]) -> None:
    async def run() -> None:
        test()

    asyncio.run(run())


def in_greenlet(test: Callable[[], None]) -> None:
    import gevent

    gevent.spawn(test).get()


def in_tornado(test: Callable[[], None]) -> None:
    from tornado import gen

    from opentracing.scope_managers.tornado import tracer_stack_context

    @gen.coroutine
    def run() -> None:
        test()

    async def main() -> None:
        with tracer_stack_context():
            await run()

    @gen.coroutine
    def old_main() -> None:
        with tracer_stack_context():  # where no `yield` may be
            test()

    if HAS_STACK_CONTEXTS:
        on_new_loop(old_main)
    else:
        asyncio.run(main())


def on_new_loop(main: Callable[[], Any], timeout: float | None = None) -> None:
    """Run one of Tornado's coroutines on an event loop of any Tornado's."""
    from tornado.ioloop import IOLoop

    loop = IOLoop()
    try:
        loop.run_sync(main, timeout=timeout)
    finally:
        loop.close(all_fds=True)


every_runtime = pytest.mark.parametrize(
    ("make", "run"),
    [
        pytest.param(ThreadLocalScopeManager, directly, id="thread-local"),
        pytest.param(ContextVarsScopeManager, directly, id="contextvars"),
        pytest.param(ContextVarsScopeManager, in_task, id="contextvars in a task"),
        pytest.param(AsyncioScopeManager, directly, id="asyncio outside a task"),
        pytest.param(AsyncioScopeManager, in_task, id="asyncio"),
        pytest.param(gevent_manager, directly, id="gevent outside a greenlet", marks=needs_gevent),
        pytest.param(gevent_manager, in_greenlet, id="gevent", marks=needs_gevent),
        pytest.param(
            ContextVarsScopeManager, in_greenlet, id="contextvars in gevent", marks=needs_gevent
        ),
        pytest.param(tornado_manager, directly, id="tornado outside its loop", marks=needs_tornado),
        pytest.param(tornado_manager, in_tornado, id="tornado", marks=needs_tornado),
    ],
)
