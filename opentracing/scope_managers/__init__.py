"""Scope managers: who sees the active span. This module's own is for threads.

A tracer has one scope manager, given to its constructor. Spans that start while a scope is active
become children of its span::

    from opentracing.scope_managers import ThreadLocalScopeManager
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    tracer = BasicTracer(InMemoryRecorder(), scope_manager=ThreadLocalScopeManager())
    with tracer.start_active_span("handle") as scope:
        with tracer.start_active_span("fetch") as inner:
            assert inner.span.parent_id == scope.span.context.span_id

For each, this is where the active span belongs, and what new tasks and threads start with:

- `contextvars.ContextVarsScopeManager`, `BasicTracer`'s default, for threads and asyncio alike: a
  `contextvars.Context`. Tasks inherit the active span. Threads start with none, unless they inherit
  contexts, for which Python 3.14 has an option.
- `ThreadLocalScopeManager`: a thread. Tasks share their thread's; threads start with none.
- `asyncio.AsyncioScopeManager`: a task, or a thread outside tasks. Both start with none.
- `gevent.GeventScopeManager`: a greenlet, which starts with none. Needs ``opentracing[gevent]``.
- `tornado.TornadoScopeManager`: a coroutine or callback, which inherits the active span but for
  what `tracer_stack_context` shields. Needs ``opentracing[tornado]``.

If several tasks are to have one parent, give each the span: ``activate(span,
finish_on_close=False)``.

Limits: each scope manager is an island, which sees no other's scopes. A scope is closed where it
was activated. If it is closed before an inner one, it takes effect when the inner one closes, and
one warning is logged. None of them raises; importing the last two raises ImportError without their
library, and says what to install.

A scope manager of your own derives from `ScopeManager`; `opentracing.harness.scope_check` tests it.
"""

from __future__ import annotations

import threading

from ..interrupts import reraise_interrupt
from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from ._nesting import CLOSED, NestedScope, nearest_shown, raise_if_a_span

__all__ = ["Scope", "ScopeManager", "ThreadLocalScopeManager"]


class ThreadLocalScopeManager(ScopeManager):
    """Keeps one active scope for each thread. A new thread starts with none."""

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


class _ThreadLocalScope(NestedScope):
    __slots__ = ()

    _manager: ThreadLocalScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _restore(self, scope: NestedScope | None) -> None:
        self._manager._tls_scope.active = scope

    def _end(self, is_active: bool, state: int) -> None:
        # As in 2.4, the span finishes while its scope is still the active one.
        finish_on_close = self._finish_on_close
        self._finish_on_close = False
        self._state = CLOSED  # so that `finish` may close the scope again
        try:
            if finish_on_close:
                self._span.finish()
        except Exception:
            reraise_interrupt()
            raise_if_a_span(self._span)
        finally:
            super()._end(is_active, state)
