"""Scope managers for each way of running things at once; this module's own is for threads."""

from __future__ import annotations

import threading

from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .nesting import ELSEWHERE, NestedScope

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
        scope: NestedScope | None = getattr(self._tls_scope, "active", None)
        while scope is not None and scope._state is ELSEWHERE:
            scope = scope._to_restore
        return scope


class _ThreadLocalScope(NestedScope):
    __slots__ = ()

    _manager: ThreadLocalScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _set_active(self, scope: NestedScope | None) -> bool:
        self._manager._tls_scope.active = scope
        return True

    def _deactivate(self) -> None:
        # As in 2.4, the span finishes while its scope is still the active one.
        try:
            self._finish()
        finally:
            self._finish_on_close = False
            super()._deactivate()
