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

The default serves threads and asyncio alike. Tasks inherit the active span; work for a thread is
run in a copy of the context::

    import asyncio
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace

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
            with ThreadPoolExecutor() as pool:  # threads receive it, in a copy of the context
                pool.submit(contextvars.copy_context().run, resize, "image").result()


    asyncio.run(load_page())
    print(recorder.outline())

which prints::

    load page
      fetch text
      fetch image
      resize image

Make one copy for each piece of work, because only one thread at a time can run in a context.

## Threads

Without a copy, the span that a thread sees depends on Python. Threads inherit the context in which
they are started on Python 3.14 with ``-X thread_inherit_context=1`` or
``PYTHON_THREAD_INHERIT_CONTEXT=1``, and by default on builds without the GIL. With
`ContextVarsScopeManager` and `TornadoScopeManager`, work that is started in a request:

| Work | If threads do not inherit | If threads inherit |
|---|---|---|
| `Thread`, its subclasses, `Timer` | has no parent | is the request's |
| `pool.submit`, `loop.run_in_executor` | has no parent | is the request's, or an earlier one's |
| `pool.submit` in a copy of the context | is the request's | is the request's |
| `asyncio.to_thread` | is the request's | is the request's |
| `pool.submit` in an empty context | has no parent | has no parent |

A pool's thread that inherits belongs to the request in which the pool started it, also during later
requests. An empty context is ``pool.submit(contextvars.Context().run, work)``.

If threads inherit, let a pool make the copies. The pool also serves `loop.set_default_executor`,
and libraries that take an executor::

    class ContextPool(ThreadPoolExecutor):
        def submit(self, work, /, *args, **kwargs):
            return super().submit(contextvars.copy_context().run, work, *args, **kwargs)


    recorder.clear()
    with ContextPool(1) as pool:
        for name in ("first", "second"):
            with tracer.start_active_span(name):
                pool.submit(resize, "for the " + name).result()

    for trace in Trace.from_spans(recorder.spans):
        print([span.operation_name for span, _ in trace.walk()])

which prints::

    ['first', 'resize for the first']
    ['second', 'resize for the second']

`ThreadLocalScopeManager` inherits nothing on any Python, and serves programs without asyncio.

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

For a process pool, pass the span or its context as an argument, and start children of it with the
other process's own tracer. A pickled span is its context and its name: in the other process it is
finished, and its `tracer` is the global tracer there. A tracer cannot be pickled.

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
