"""The rules that every scope manager's scopes follow: nesting, order of closing, islands.

A context (a thread, a task, a greenlet, a `contextvars.Context`) holds what is active in it: None,
one scope, or, where several managers are in use at once, a dict from each manager to its scope,
which is replaced and never changed. Each manager sees only its own scope.
"""

from __future__ import annotations

import logging

from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Held = Union["NestedScope", dict[ScopeManager, "NestedScope"], None]

_logger = logging.getLogger("opentracing.scope")

OPEN = "open"
CLOSED = "closed"
"""Closed in its own context. One that inherited it, such as a background task, still shows it."""
DEFERRED = "deferred"
"""Asked to close while an inner scope was active; takes effect when that one closes."""
ELSEWHERE = "elsewhere"
"""Closed in another context than its own: no context shows it any more."""


class NestedScope(Scope):
    """A scope that remembers the one it replaced, and gives way to the nearest still open.

    Managers derive their scopes from it, and say in `_set_active` where the active one is kept.
    """

    __slots__ = ("_finish_on_close", "_manager", "_span", "_state", "_to_restore")

    _manager: ScopeManager
    _to_restore: NestedScope | None

    def __init__(self, manager: ScopeManager, span: Span, finish_on_close: bool) -> None:
        self._manager = manager
        self._span = span
        self._finish_on_close = finish_on_close
        self._state = OPEN
        self._to_restore = manager.active  # type: ignore[assignment]

    def _set_active(self, scope: NestedScope | None) -> bool:
        """Put `scope` in this one's place; returns whether this is the context it belongs to."""
        raise NotImplementedError

    def close(self) -> None:
        if self._state is not OPEN:
            return
        active = self._manager.active
        if active is self:
            self._deactivate()
        elif self._encloses(active):
            self._state = DEFERRED
            _logger.warning(
                "the scope of %s was closed while that of %s, opened inside it, is still active;"
                " its span finishes when the inner scope closes",
                _name_of(self._span),
                _name_of(active._span),  # type: ignore[union-attr]
            )
        else:
            # On another thread, in another task, or in another context: nothing to put back here.
            self._settle(ELSEWHERE)
            self._finish()

    def _encloses(self, scope: Scope | None) -> bool:
        while scope is not None and scope is not self:
            scope = getattr(scope, "_to_restore", None)
        return scope is self

    def _deactivate(self) -> None:
        restored = self._to_restore
        deferred = []
        while restored is not None and restored._state in (DEFERRED, ELSEWHERE):
            if restored._state is DEFERRED:
                deferred.append(restored)
            restored = restored._to_restore
        self._settle(CLOSED if self._set_active(restored) else ELSEWHERE)
        self._finish()
        for scope in deferred:
            scope._settle(CLOSED)
            scope._finish()

    def _settle(self, state: str) -> None:
        self._state = state
        if state is CLOSED:  # else its own context, which still holds it, has to see past it
            self._to_restore = None

    def _finish(self) -> None:
        if self._finish_on_close:
            self._span.finish()


def scope_of(held: Held, manager: ScopeManager) -> NestedScope | None:
    """The scope of one manager among what a context holds."""
    scope = held.get(manager) if isinstance(held, dict) else held
    if scope is not None and scope._manager is not manager:
        return None
    while scope is not None and scope._state is ELSEWHERE:
        scope = scope._to_restore
    return scope


def with_scope(held: Held, manager: ScopeManager, scope: NestedScope | None) -> Held:
    """What a context holds once one manager's scope is replaced."""
    scopes: dict[ScopeManager, NestedScope] = {}
    if isinstance(held, dict):
        scopes.update(held)
    elif held is not None:
        scopes[held._manager] = held
    if scope is None:
        scopes.pop(manager, None)
    else:
        scopes[manager] = scope
    if len(scopes) > 1:
        return scopes
    return next(iter(scopes.values()), None)


def _name_of(span: Span) -> str:
    name = getattr(span, "operation_name", None)
    return f"a {type(span).__name__}" if name is None else repr(name)
