"""AsyncioScopeManager: the active span of each task, not inherited by the tasks it starts.

For applications that were written for it; new ones are better served by `ContextVarsScopeManager`::

    import asyncio

    from opentracing.scope_managers.asyncio import AsyncioScopeManager
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    tracer = BasicTracer(InMemoryRecorder(), scope_manager=AsyncioScopeManager())

    async def fetch(parent):
        with tracer.scope_manager.activate(parent, finish_on_close=False):
            tracer.start_span("fetch").finish()  # a child of `parent`

    async def handle():
        with tracer.start_active_span("handle") as scope:
            await asyncio.gather(fetch(scope.span), fetch(scope.span))

    asyncio.run(handle())
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..interrupts import reraise_interrupt
from ..scope import Scope
from ..span import Span
from . import ThreadLocalScopeManager
from .constants import ACTIVE_ATTR as ACTIVE_ATTR  # 2.4 has it here
from .nesting import NestedScope, scope_on, set_scope_on


class AsyncioScopeManager(ThreadLocalScopeManager):
    """Keeps the active scope in the current task, or in the thread if no task runs.

    A task starts with none: activate the parent's span in it, with ``finish_on_close=False``.
    """

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this task until the returned scope is closed."""
        task = self._get_task()
        if task is None:
            return super().activate(span, finish_on_close)
        scope = _AsyncioScope(self, span, finish_on_close)
        self._set_task_scope(scope, task)
        return scope

    @property
    def active(self) -> Scope | None:
        """The active scope of this task, or of this thread if no task runs; or None."""
        task = self._get_task()
        if task is None:
            return super().active
        return self._get_task_scope(task)

    def _set_scope(self, scope: NestedScope | None) -> None:
        task = self._get_task()
        if task is None:
            super()._set_scope(scope)
        else:
            self._set_task_scope(scope, task)

    def _get_task(self) -> asyncio.Task[Any] | None:
        try:
            return asyncio.current_task()
        except RuntimeError:  # no event loop is running in this thread
            reraise_interrupt()
            return None

    def _set_task_scope(self, scope: NestedScope | None, task: object = None) -> None:
        set_scope_on(self._get_task() if task is None else task, self, scope)

    def _get_task_scope(self, task: object = None) -> NestedScope | None:
        return scope_on(self._get_task() if task is None else task, self)


class _AsyncioScope(NestedScope):
    __slots__ = ()

    _manager: AsyncioScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _restore(self, scope: NestedScope | None) -> None:
        self._manager._set_scope(scope)
