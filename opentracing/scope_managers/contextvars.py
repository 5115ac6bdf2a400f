"""ContextVarsScopeManager: the active span of each `contextvars.Context`.

It serves threads, asyncio and everything else that runs on contextvars, and needs no configuration.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar

from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .nesting import CLOSED, DEFERRED, ELSEWHERE, OPEN, NestedScope, scope_of, with_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token

    from .nesting import Held

# One for all managers: the interpreter never frees a ContextVar that a context has held.
_SCOPE: ContextVar[Held] = ContextVar("scope", default=None)
_held = _SCOPE.get
_hold = _SCOPE.set


class ContextVarsScopeManager(ScopeManager):
    """Keeps the active scope in the current context: that of a thread, a task or a callback.

    Tasks and callbacks start with the scope that was active where they were made, so their spans
    are children of it::

        async def handle():
            with tracer.start_active_span("handle"):
                await asyncio.gather(fetch(1), fetch(2))  # spans started in fetch are children

    A new thread starts with none; ``contextvars.copy_context().run`` hands it over.
    """

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this context until the returned scope is closed."""
        return _ContextVarsScope(self, span, finish_on_close)

    @property
    def active(self) -> Scope | None:
        """The active scope of this context, or None."""
        held = _held()
        # The usual cases first: nothing is active, or just a scope of this manager.
        if held is None or (
            type(held) is _ContextVarsScope
            and held._manager is self
            and held._state is not ELSEWHERE
        ):
            return held
        return scope_of(held, self)


class _ContextVarsScope(NestedScope):
    __slots__ = ("_token",)

    _token: Token[Held] | None

    def __init__(self, manager: ScopeManager, span: Span, finish_on_close: bool) -> None:
        # The base's constructor unrolled; `active span` in the benchmarks pays for it.
        self._manager = manager
        self._span = span
        self._finish_on_close = finish_on_close
        self._state = OPEN
        held = _held()
        if held is None:
            self._to_restore = None
            self._token = _hold(self)
        else:
            self._to_restore = scope_of(held, manager)
            self._token = _hold(with_scope(held, manager, self))

    def close(self) -> None:
        restored = self._to_restore
        if (
            _held() is self
            and self._state is OPEN
            and (restored is None or (restored._state is not DEFERRED))
        ):
            # Active, and nothing else to see to: what `_deactivate` does, unrolled.
            try:
                _SCOPE.reset(self._token)  # type: ignore[arg-type]
            except ValueError:  # in a copy of the context it was activated in
                _hold(restored)
                self._settle(ELSEWHERE)
            else:
                self._state = CLOSED
                self._to_restore = self._token = None
            if self._finish_on_close:
                self._span.finish()
        else:
            super().close()

    def _set_active(self, scope: NestedScope | None) -> bool:
        held = with_scope(_held(), self._manager, scope)
        try:
            _SCOPE.reset(self._token)  # type: ignore[arg-type]
            own_context = True
        except ValueError:
            own_context = False
        _hold(held)
        return own_context

    def _settle(self, state: str) -> None:
        super()._settle(state)
        self._token = None  # it refers to the context, which refers to this scope


@contextmanager
def no_parent_scope() -> Iterator[None]:
    """Hide the active scope in a block, so that what starts there does not become its child::

    with no_parent_scope():
        loop.call_soon(periodic)  # does not inherit the span that is active here
    """
    token = _hold(None)
    try:
        yield
    finally:
        try:
            _SCOPE.reset(token)
        except ValueError:  # left in another context, which never saw what was hidden
            pass
