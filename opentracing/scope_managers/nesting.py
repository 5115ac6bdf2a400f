r"""NestedScope, for a scope manager of your own: nesting, order of closing, other managers.

A scope manager decides where the active scope is kept. The rules are the same for all: a scope
closed before an inner one waits for it, one closed in another context finishes its span, and no
exception of a span's `finish` leaves the scopes behind it open. A manager derives its scopes from
`NestedScope`, and stores what is to be active in `_restore`::

    from opentracing import ScopeManager
    from opentracing.scope_managers.nesting import NestedScope
    from opentracing_recorder import BasicTracer, InMemoryRecorder


    class OneForAll(ScopeManager):
        _scope = None  # one for all threads: enough for a program that has one

        def activate(self, span, finish_on_close):
            self._scope = KeptScope(self, span, finish_on_close)
            return self._scope

        @property
        def active(self):
            return self._scope


    class KeptScope(NestedScope):
        def _restore(self, scope):
            self._manager._scope = scope


    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, scope_manager=OneForAll())
    with tracer.start_active_span("outer"):
        tracer.start_active_span("inner").close()
    assert recorder.outline() == "outer\n  inner"

`opentracing.harness.scope_check` proves one. A place that several managers share, such as a task or
a context variable, holds its active scopes as None, one scope, or a dict from each manager to its
scope, which is replaced and never changed: `scope_of` and `with_scope` read and replace one. Each
manager sees only its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ..interrupts import reraise_interrupt
from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .constants import ACTIVE_ATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    _Held = Union["NestedScope", dict[ScopeManager, "NestedScope"], None]
else:
    _Held = object  # `typing` alone would take longer to import than all scope managers

# The states of a scope. Restoring the outer scope skips those after CLOSED.
OPEN = 0
CLOSED = 1
"""Closed in its own context. A context that inherited it, such as a task's, still shows it."""
DEFERRED = 2
"""Closed while an inner scope was active; it ends when the inner scope closes."""
ELSEWHERE = 3
"""Closed in a context that is not its own; no context shows it any longer."""


class NestedScope(Scope):
    """A scope that remembers the scope it replaced, and restores the nearest one still open.

    Managers derive their scopes from it, and store the active scope in `_restore`.
    """

    __slots__ = ("_finish_on_close", "_manager", "_span", "_state", "_to_restore")

    _to_restore: NestedScope | None

    def __init__(self, manager: ScopeManager, span: Span, finish_on_close: bool) -> None:
        self._manager = manager
        self._span = span
        self._finish_on_close = finish_on_close
        self._state = OPEN
        self._to_restore = manager.active  # type: ignore[assignment]

    def _restore(self, scope: NestedScope | None) -> None:
        """Make `scope` the active one of this context, in place of this scope."""
        raise NotImplementedError

    def _resume(self) -> None:
        """Make this scope, which `suspend` took away, the active one of this context."""
        self._to_restore = self._manager.active  # type: ignore[assignment]
        self._restore(self)

    def _is_at_home(self) -> bool:
        """Whether the current context is the one that the scope was activated in.

        It always is if contexts do not inherit scopes.
        """
        return True

    def close(self) -> None:
        if self._state is not OPEN:
            return
        active = self._manager.active
        is_active = active is self
        at_home = self._is_at_home()
        if not is_active and at_home and self._encloses(active):
            self._state = DEFERRED
            # While the interpreter finalizes, scopes close in any order, and logging may raise.
            if not sys.is_finalizing():
                import logging  # here, because it takes longer than all that a scope needs

                logging.getLogger("opentracing.scope").warning(
                    "the scope of %s was closed while that of %s, opened inside it, is still"
                    " active; its span finishes when the inner scope closes",
                    _name_of(self._span),
                    _name_of(active._span),  # type: ignore[union-attr]
                )
        else:
            self._end(is_active, CLOSED if is_active and at_home else ELSEWHERE)

    def _encloses(self, scope: Scope | None) -> bool:
        while scope is not None and scope is not self:
            scope = getattr(scope, "_to_restore", None)
        return scope is self

    def _end(self, is_active: bool, state: int) -> None:
        """End this scope, and the outer ones whose closing was deferred."""
        ended: list[NestedScope] = [self]
        restored = self._to_restore
        while restored is not None and _state_of(restored) > CLOSED:
            if restored._state is DEFERRED:
                ended.append(restored)
            restored = restored._to_restore
        if is_active:
            self._restore(restored)
        self._settle(state)
        for scope in ended[1:]:
            # A scope of another context still has inner scopes in that context.
            scope._settle(state if scope._is_at_home() else ELSEWHERE)
        _finish_each(ended)

    def _settle(self, state: int) -> None:
        self._state = state
        if state is CLOSED:  # otherwise its own context still holds it, and restores the outer one
            self._to_restore = None

    def _finish(self) -> None:
        if self._finish_on_close:
            try:
                self._span.finish()
            except Exception:
                reraise_interrupt()
                raise_if_a_span(self._span)


# Slots are faster to read than the properties of `Scope` that they replace.
NestedScope.span = NestedScope.__dict__["_span"]  # type: ignore[method-assign]
NestedScope.manager = NestedScope.__dict__["_manager"]  # type: ignore[method-assign]


def suspend(scope: Scope) -> list[NestedScope] | None:
    """Close a scope, and take the scopes that were opened inside it away from this context.

    Returns those, the innermost first, for `resume`. They stay open: one that is closed meanwhile
    finishes its span. If one of them is of a scope manager that does not use this module, nothing
    is closed, and None is returned.
    """
    inner: list[NestedScope] = []
    active = scope.manager.active
    while active is not scope and isinstance(active, NestedScope):
        inner.append(active)
        active = active._to_restore
    if active is not scope:
        if active is not None and active.span is not scope.span:
            return None
        inner.clear()  # the scope is not one of this context
    elif inner:
        inner[-1]._restore(scope)  # type: ignore[arg-type]
    scope.close()
    return inner


def resume(inner: list[NestedScope]) -> None:
    """Make the scopes that `suspend` returned active again, inside the one that is active now."""
    while inner:
        scope = inner.pop()
        if scope._state is OPEN or scope._state is DEFERRED:
            scope._resume()


def raise_if_a_span(span: object) -> None:
    """In an ``except`` block: raise the exception of `finish` again, if `span` has a `finish`."""
    try:
        is_span = callable(getattr(span, "finish", None))
    except RecursionError:  # the stack had no space for the call
        is_span = True
    except Exception:
        reraise_interrupt()
        is_span = False
    if is_span:
        raise


def _state_of(scope: Scope | None) -> int:
    # A subclass of a manager, written for 2.4, has scopes of its own, without a state.
    state: int = getattr(scope, "_state", OPEN)
    return state


def _finish_each(scopes: Iterable[NestedScope]) -> None:
    """Finish all spans, even if one raises; then raise an interrupt, or the first exception."""
    failure: BaseException | None = None
    for scope in scopes:
        try:
            scope._finish()
        except BaseException as error:
            failure = failure or error
            try:
                reraise_interrupt()
            except BaseException as interrupt:
                failure = interrupt
    if failure is not None:
        try:
            raise failure
        finally:
            failure = None  # it refers to this frame


def nearest_shown(scope: NestedScope | None) -> NestedScope | None:
    """The scope itself; if it was closed elsewhere, the nearest outer one that was not."""
    while _state_of(scope) is ELSEWHERE:
        scope = scope._to_restore  # type: ignore[union-attr]
    return scope


def pruned(held: _Held) -> _Held:
    """The same scopes without those closed elsewhere; the same object if none was."""
    if not isinstance(held, dict):
        return nearest_shown(held)
    shown = {manager: nearest_shown(scope) for manager, scope in held.items()}
    if all(shown[manager] is scope for manager, scope in held.items()):
        return held
    return {manager: scope for manager, scope in shown.items() if scope is not None} or None


def scope_of(held: _Held, manager: ScopeManager) -> NestedScope | None:
    """The scope of one manager among the `pruned` scopes of a context."""
    if isinstance(held, dict):
        return held.get(manager)
    return held if held is not None and held._manager is manager else None


def with_scope(held: _Held, manager: ScopeManager, scope: NestedScope | None) -> _Held:
    """The scopes of a context with one manager's scope replaced.

    A dict stays a dict until it is empty: if a context holds a single scope, no other manager's was
    active when it was activated, so its `_token` can restore the value before.
    """
    if not isinstance(held, dict):
        if held is None or held._manager is manager:
            return scope
        return held if scope is None else {held._manager: held, manager: scope}
    scopes = {**held, manager: scope}
    return {key: each for key, each in scopes.items() if each is not None} or None


def scope_on(place: object, manager: ScopeManager) -> NestedScope | None:
    """The scope of one manager that a task or greenlet has in `ACTIVE_ATTR`."""
    held: _Held = getattr(place, ACTIVE_ATTR, None)
    shown = pruned(held)
    if shown is not held:
        setattr(place, ACTIVE_ATTR, shown)
    return scope_of(shown, manager)


def set_scope_on(place: object, manager: ScopeManager, scope: NestedScope | None) -> None:
    """Replace the scope of one manager that a task or greenlet has in `ACTIVE_ATTR`."""
    held = pruned(getattr(place, ACTIVE_ATTR, None))
    setattr(place, ACTIVE_ATTR, with_scope(held, manager, scope))


def _name_of(span: Span) -> str:
    name = getattr(span, "operation_name", None)
    return f"a {type(span).__name__}" if name is None else f"{name!r:.200}"
