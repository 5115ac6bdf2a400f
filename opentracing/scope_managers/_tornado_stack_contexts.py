"""TornadoScopeManager and tracer_stack_context for Tornado 4.5 and 5, on their stack contexts.

`opentracing.scope_managers.tornado` has these names from here if it finds such a Tornado, which
runs on Python 3.9 and no later one.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from tornado.stack_context import (  # type: ignore[import-not-found, unused-ignore]
    StackContext,  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
)

from ..scope import Scope
from ..span import Span
from . import ThreadLocalScopeManager
from ._nesting import NestedScope, scope_on, set_scope_on


class TornadoScopeManager(ThreadLocalScopeManager):
    """Keeps the active scope in the current `tracer_stack_context`, or the thread if there is none.

    The coroutines and callbacks that a stack context goes along with share its active scope::

        @gen.coroutine
        def handle():
            with tracer.start_active_span("handle"):
                yield fetch(1)  # spans started in fetch are children

        with tracer_stack_context():
            loop.add_callback(handle)

    So coroutines that run at the same time, such as those of `yield [fetch(1), fetch(2)]`, activate
    nothing, or start in a `tracer_stack_context` each. In Tornado 5, a native coroutine loses its
    stack context at the first ``await``: use a decorated one, and ``yield``.
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
        """The active scope of this stack context, or if there is none of this thread."""
        context = _current.context
        return super().active if context is None else scope_on(context, self)


class _TornadoScope(NestedScope):
    __slots__ = ()

    def _restore(self, scope: NestedScope | None) -> None:
        set_scope_on(_current.context, self._manager, scope)


class _RequestContext:
    """The place where a stack context keeps what is active in it."""


class _Current(threading.local):
    context: _RequestContext | None = None


_current = _Current()


class _Entry:
    """One entry into a stack context: makes its place the current one of this thread."""

    def __init__(self, context: _RequestContext) -> None:
        self._context = context

    def __enter__(self) -> _RequestContext:
        self._before = _current.context
        _current.context = self._context
        return self._context

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        _current.context = self._before


class ThreadSafeStackContext(StackContext):  # type: ignore[misc, unused-ignore]
    """Tornado's `StackContext`, which several threads may have entered at once."""

    # `StackContext`'s own constructor warns in 5.1 that it is deprecated, which its caller's caller
    # cannot help.
    def __init__(self, context_factory: Any) -> None:
        self.context_factory = context_factory
        self.contexts = _Entered()
        self.active = True


class _Entered(threading.local):
    """The part of a list that `StackContext` needs, for each thread."""

    def __init__(self) -> None:
        entered: list[Any] = []
        self.append = entered.append
        self.pop = entered.pop


def tracer_stack_context() -> ThreadSafeStackContext:
    """Give what a request or callback does scopes of its own, in a ``with`` block.

    Nothing is active at the start of the block. Coroutines and callbacks started in it share what
    is active in it, also after its end. Tornado allows no ``yield`` inside such a block.
    """
    context = _RequestContext()
    return ThreadSafeStackContext(lambda: _Entry(context))
