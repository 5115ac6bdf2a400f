"""TornadoScopeManager and tracer_stack_context for Tornado 4.5 and 5, on their stack contexts.

`opentracing.scope_managers.tornado` imports these names if it finds such a Tornado, which runs on
Python 3.9 and no later one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tornado.stack_context import (  # type: ignore[import-not-found, unused-ignore]
    StackContext,  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
)

from ..scope import Scope
from ..span import Span
from . import ThreadLocalScopeManager
from .nesting import NestedScope, scope_on, set_scope_on


class TornadoScopeManager(ThreadLocalScopeManager):
    """Keeps the active scope in the current `tracer_stack_context`, or without one in the thread.

    The coroutines and callbacks of a stack context share its active scope::

        @gen.coroutine
        def handle():
            with tracer.start_active_span("handle"):
                yield fetch(1)  # spans started in fetch are children

        with tracer_stack_context():
            loop.add_callback(handle)

    So coroutines that run at the same time, such as those of `yield [fetch(1), fetch(2)]`, must not
    activate a span, unless each starts in its own `tracer_stack_context`. In Tornado 5, a native
    coroutine loses its stack context at the first ``await``: use a decorated one, and ``yield``.
    """

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this stack context until the returned scope is closed."""
        context = _current.context
        if context is None:
            return super().activate(span, finish_on_close)
        scope = _TornadoScope(self, span, finish_on_close)
        set_scope_on(context, self, scope)
        return scope

    @property
    def active(self) -> Scope | None:
        """The active scope of this stack context, or without one of this thread."""
        context = _current.context
        return super().active if context is None else scope_on(context, self)

    def _set_scope(self, scope: NestedScope | None) -> None:
        context = _current.context
        if context is None:
            super()._set_scope(scope)
        else:
            set_scope_on(context, self, scope)


class _TornadoScope(NestedScope):
    __slots__ = ()

    _manager: TornadoScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _restore(self, scope: NestedScope | None) -> None:
        self._manager._set_scope(scope)


class _RequestContext:
    """Holds the active scopes of a stack context, in `ACTIVE_ATTR`."""


class _Current(threading.local):
    context: _RequestContext | None = None


_current = _Current()


@contextmanager
def _entered(context: _RequestContext) -> Iterator[None]:
    """Makes a request context the current one of this thread."""
    before = _current.context
    _current.context = context
    try:
        yield
    finally:
        _current.context = before


class ThreadSafeStackContext(StackContext):  # type: ignore[misc, unused-ignore]
    """Tornado's `StackContext`, which several threads may enter at once."""

    # Does not call the constructor of `StackContext`, which gives a DeprecationWarning in 5.1.
    def __init__(self, context_factory: Any) -> None:
        self.context_factory = context_factory
        self.contexts = _Entered()
        self.active = True


class _Entered(threading.local):
    """The methods of a list that `StackContext` calls, with a list for each thread."""

    def __init__(self) -> None:
        entered: list[Any] = []
        self.append = entered.append
        self.pop = entered.pop


def tracer_stack_context() -> ThreadSafeStackContext:
    """A ``with`` block with scopes of its own, for the work of a request or a callback.

    No span is active at the start of the block. Coroutines and callbacks started in it share its
    active scope, also after its end. Tornado allows no ``yield`` inside the block.
    """
    context = _RequestContext()
    return ThreadSafeStackContext(lambda: _entered(context))
