"""ContextVarsScopeManager: the active span of each `contextvars.Context`.

It serves threads, asyncio and everything else that runs on contextvars, and needs no configuration.
`BasicTracer` has one by default::

    import asyncio

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    tracer = BasicTracer(InMemoryRecorder())

    async def fetch():
        tracer.start_span("fetch").finish()  # a child of "handle"

    async def handle():
        with tracer.start_active_span("handle"):
            await asyncio.gather(fetch(), fetch())

    asyncio.run(handle())

`no_parent_scope` hides the active span, for work that is to start a trace of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

from ..interrupts import reraise_interrupt
from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .nesting import (
    CLOSED,
    ELSEWHERE,
    OPEN,
    NestedScope,
    _Held,
    pruned,
    raise_if_a_span,
    scope_of,
    with_scope,
)

TYPE_CHECKING = False

# All managers share it: the interpreter never frees a ContextVar that a context has held.
_SCOPE: ContextVar[_Held] = ContextVar("scope", default=None)
_held = _SCOPE.get
_hold = _SCOPE.set
_reset = _SCOPE.reset


class ContextVarsScopeManager(ScopeManager):
    """Keeps the active scope in the current context: that of a thread, a task or a callback.

    Tasks and callbacks inherit the scope that is active when they are made, so their spans are its
    children::

        async def handle():
            with tracer.start_active_span("handle"):
                await asyncio.gather(fetch(1), fetch(2))  # spans started in fetch are children

    A new thread starts with none. Python 3.14 has an option that lets threads inherit contexts; it
    is on by default without the GIL. With it, a thread starts with the scope that is active when it
    is started, and a pool's thread keeps that scope for all its work. On every Python,
    `opentracing.wrap` binds a function to the scope that is active now.
    """

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this context until the returned scope is closed."""
        held = _held()
        if held is None or (
            type(held) is _ContextVarsScope
            and held._manager is self
            and held._state is not ELSEWHERE
        ):
            # The constructor unrolled, for speed.
            scope = _ContextVarsScope()
            scope._manager = self
            scope._span = span
            scope._finish_on_close = finish_on_close
            scope._state = OPEN
            scope._to_restore = held
            scope._token = _hold(scope)
            return scope
        scope = _ContextVarsScope()
        NestedScope.__init__(scope, self, span, finish_on_close)
        scope._token = _hold(with_scope(_prune(held), self, scope))
        return scope

    @property
    def active(self) -> Scope | None:
        """The active scope of this context, or None."""
        held = _held()
        # The usual cases: no scope is active, or only one of this manager.
        if held is None or (
            type(held) is _ContextVarsScope
            and held._manager is self
            and held._state is not ELSEWHERE
        ):
            return held
        return scope_of(_prune(held), self)


class _ContextVarsScope(NestedScope):
    __slots__ = ("_token",)

    _token: Token[_Held] | None

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # `activate` sets the fields

    def close(self) -> None:
        restored = self._to_restore
        if (
            _held() is self
            and self._state is OPEN
            and (restored is None or restored._state <= CLOSED)
        ):
            # The base's `close` unrolled, for the active scope with no deferred one outside it.
            try:
                _reset(self._token)  # type: ignore[arg-type]
            except ValueError:  # closed in a copy of its context
                reraise_interrupt()
            else:
                self._state = CLOSED
                self._to_restore = self._token = None
                if self._finish_on_close:
                    try:
                        self._span.finish()
                    except Exception:
                        reraise_interrupt()
                        raise_if_a_span(self._span)
                return
        super().close()

    def _restore(self, scope: NestedScope | None) -> None:
        _hold(with_scope(pruned(_held()), self._manager, scope))

    def _resume(self) -> None:
        held = _prune(_held())
        self._to_restore = scope_of(held, self._manager)
        self._token = _hold(with_scope(held, self._manager, self))

    def _is_at_home(self) -> bool:
        # Only a reset shows it, so this resets the variable and sets it again.
        held = _held()
        try:
            _reset(self._token)  # type: ignore[arg-type]
        except ValueError:
            reraise_interrupt()
            return False
        self._token = _hold(held)
        return True

    def _settle(self, state: int) -> None:
        super()._settle(state)
        self._token = None  # it refers to the context, which refers to this scope


def _prune(held: _Held) -> _Held:
    """`pruned`; this context also drops the scopes closed elsewhere, which frees them."""
    shown = pruned(held)
    if shown is not held:
        _hold(shown)
    return shown


@contextmanager
def no_parent_scope() -> Iterator[None]:
    """Hide the active scope in a block, so that spans started in it are not its children::

        with no_parent_scope():
            loop.call_soon(periodic)  # does not inherit the span that is active here

    The scope is active again after the block.
    """
    token = _hold(None)
    try:
        yield
    finally:
        try:
            _reset(token)
        except ValueError:  # left in another context, in which no scope was hidden
            reraise_interrupt()
