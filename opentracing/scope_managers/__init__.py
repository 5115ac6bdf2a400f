"""Scope managers, which keep the active span: `ThreadLocalScopeManager`, and others in modules.

A tracer asks its scope manager for the active span, so the scope manager decides who sees it:

| Scope manager | The active span belongs to | New tasks | New threads |
|---|---|---|---|
| `contextvars.ContextVarsScopeManager` | a `contextvars.Context` | inherit it | see "Threads" |
| `ThreadLocalScopeManager` | a thread | share their thread's | start with none |
| `asyncio.AsyncioScopeManager` | a task; outside, a thread | start with none | start with none |
| `gevent.GeventScopeManager` | a greenlet | start with none | start with none |
| `tornado.TornadoScopeManager` | a coroutine or callback | inherit it | see "Threads" |

The first is the default of `BasicTracer`. Pass another scope manager as
``BasicTracer(recorder, scope_manager=...)``. The last two need their library, from
``opentracing[gevent]`` or ``opentracing[tornado]``. `tracer_stack_context()` keeps a coroutine or
callback of Tornado's from inheriting. Tornado 6 runs on contextvars, so the default works there
too. On Tornado 4.5 and 5, coroutines and callbacks inherit the active span only inside a
`tracer_stack_context()`, and share it there: start concurrent ones each in its own
`tracer_stack_context()`.

The default serves threads and asyncio alike. Tasks inherit the active span; an
`opentracing.TracedExecutor` hands it to the threads of a pool::

    import asyncio
    import threading
    from concurrent.futures import ThreadPoolExecutor

    import opentracing
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)


    def resize(name):
        with tracer.start_active_span("resize " + name):
            pass


    async def fetch(name):
        with tracer.start_active_span("fetch " + name):
            await asyncio.sleep(0)


    async def load_page():
        with tracer.start_active_span("load page"):
            await asyncio.gather(fetch("text"), fetch("image"))  # tasks inherit the active span
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(pool, resize, "image")  # so does a job in this pool


    with opentracing.TracedExecutor(ThreadPoolExecutor(4), tracer=tracer) as pool:
        asyncio.run(load_page())
    print(recorder.outline())

which prints::

    load page
      fetch text
      fetch image
      resize image

Without `tracer`, a traced executor uses the global tracer.

## Threads

A thread has no active span unless it inherits one, and that depends on Python. Threads inherit the
context in which they are started on Python 3.14 with ``-X thread_inherit_context=1`` or
``PYTHON_THREAD_INHERIT_CONTEXT=1``, and by default on builds without the GIL. A pool's thread
inherits the span of the request in which the pool started it, and keeps it during later requests.
So hand the active span over. On every Python and with every scope manager, a job of a
`opentracing.TracedExecutor`, and a function that `opentracing.wrap` returned, belong to the request
that handed them over::

    recorder.clear()
    with opentracing.TracedExecutor(ThreadPoolExecutor(1), tracer=tracer) as pool:
        for name in ("first", "second"):
            with tracer.start_active_span(name):
                pool.submit(resize, "submitted").result()
                list(pool.map(resize, ["mapped"]))

                # Without a pool of your own: one thread, a callback, another library's pool.
                wrapped = opentracing.wrap(resize, tracer=tracer)
                thread = threading.Thread(target=wrapped, args=("wrapped",))
                thread.start()
                thread.join()

    print(recorder.outline())

which prints::

    first
      resize submitted
      resize mapped
      resize wrapped
    second
      resize submitted
      resize mapped
      resize wrapped

With `ContextVarsScopeManager` and `TornadoScopeManager`, work that is started in a request:

| Work | If threads do not inherit | If threads inherit |
|---|---|---|
| of a `TracedExecutor`, or wrapped by `opentracing.wrap` | is the request's | is the request's |
| `asyncio.to_thread` | is the request's | is the request's |
| `pool.submit` of ``contextvars.copy_context().run`` | is the request's | is the request's |
| `Thread`, its subclasses, `Timer` | has no parent | is the request's |
| `pool.submit`, `pool.map` | has no parent | is the request's, or an earlier one's |
| `loop.run_in_executor` | has no parent | is the request's, or an earlier one's |
| `pool.submit` of ``contextvars.Context().run`` | has no parent | has no parent |

`ThreadLocalScopeManager`, `AsyncioScopeManager` and `GeventScopeManager` inherit nothing on any
Python, and do not follow the context: only the first row is the request's. Of them,
`ThreadLocalScopeManager` serves programs without asyncio.

`loop.set_default_executor` takes a `ThreadPoolExecutor` alone. Give `loop.run_in_executor` a traced
executor instead, or a wrapped function.

## Background jobs

A background job that outlives the request that started it should not become its child. Hide the
active span from it::

    from opentracing.scope_managers.contextvars import no_parent_scope

    with tracer.start_active_span("request"):
        with no_parent_scope():
            print(tracer.active_span)  # here, and in work that is started here
        print(tracer.active_span.operation_name)

which prints::

    None
    request

## Processes

`opentracing.wrap` and `opentracing.TracedExecutor` also serve pools of processes. The span's
context travels with each job, and the job's spans continue the trace on the global tracer of the
other process. A process that is forked has a copy of the tracer. Others need one of their own, for
example from the pool's ``initializer``::

    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor


    def start_process():
        opentracing.set_global_tracer(BasicTracer(InMemoryRecorder()))  # yours: one that sends


    def shrink(name):
        with opentracing.global_tracer().start_active_span("shrink " + name) as scope:
            return scope.span.context.to_trace_id()


    def load_pages():
        processes = ProcessPoolExecutor(2, initializer=start_process)
        with opentracing.TracedExecutor(processes, tracer=tracer) as pool:
            with tracer.start_active_span("request") as scope:
                traces = set(pool.map(shrink, ["image", "icon"], chunksize=2))
            assert traces == {scope.span.context.to_trace_id()}

        with multiprocessing.Pool(2, start_process) as pool, tracer.start_active_span("request"):
            pool.map(opentracing.wrap(shrink, tracer=tracer), ["image", "icon"])

A pickled span is its context and its name: in the other process it is finished, and its `tracer` is
the global tracer there. A tracer cannot be pickled.

## Closing out of order

A scope closed before an inner one stays pending until the inner one closes. Then its span finishes,
the nearest scope that is still open becomes active, and one warning names both operations. A scope
that is closed in another context finishes its span. Two scope managers never see each other's
scopes.

To write a scope manager, subclass `opentracing.ScopeManager`, and prove it with
`opentracing.harness.scope_check`.
"""

from __future__ import annotations

import threading

from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .nesting import CLOSED, NestedScope, nearest_shown

__all__ = ["Scope", "ScopeManager", "ThreadLocalScopeManager"]


class ThreadLocalScopeManager(ScopeManager):
    """Keeps the active scope of each thread. A new thread starts with none."""

    def __init__(self) -> None:
        self._tls_scope = threading.local()

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this thread until the returned scope is closed."""
        scope = _ThreadLocalScope(self, span, finish_on_close)
        self._tls_scope.active = scope
        return scope

    @property
    def active(self) -> Scope | None:
        """The active scope of this thread, or None."""
        held: NestedScope | None = getattr(self._tls_scope, "active", None)
        if held is None:
            return None
        scope = nearest_shown(held)
        if scope is not held:
            self._tls_scope.active = scope
        return scope

    def _set_scope(self, scope: NestedScope | None) -> None:
        """Make `scope` the active one of this place, which is a thread or what a subclass has."""
        self._tls_scope.active = scope


class _ThreadLocalScope(NestedScope):
    __slots__ = ()

    _manager: ThreadLocalScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _restore(self, scope: NestedScope | None) -> None:
        self._manager._set_scope(scope)

    def _end(self, is_active: bool, state: int) -> None:
        # As in 2.4, the span finishes while its scope is still the active one.
        self._state = CLOSED  # so that `finish` may close the scope again
        try:
            self._finish()
        finally:
            self._finish_on_close = False
            super()._end(is_active, state)
