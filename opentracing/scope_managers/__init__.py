"""Scope managers for each way of running things at once; this module's own is for threads."""

from __future__ import annotations

import threading

from ..interrupts import reraise_interrupt
from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from ._nesting import CLOSED, NestedScope, nearest_shown, raise_if_a_span

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
