"""ScopeCompatibilityCheckMixin: the contract of a scope manager, as tests for its author.

Return the scope manager to test::

    from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
    from opentracing.scope_managers.contextvars import ContextVarsScopeManager

    class TestScopeManager(ScopeCompatibilityCheckMixin):
        def scope_manager(self):
            return ContextVarsScopeManager()

`opentracing.harness` lists the methods to override.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from opentracing import Scope, ScopeManager, Span

from ._hooks import NON_ERRORS, ScopeHooks, assert_reported, beyond_the_contract, leave_by

_Check = Callable[[Any], None]


def _in_runtime(hook: str | None = None) -> Callable[[_Check], _Check]:
    """Lets `run_test` run a check; with `hook`, skips the check if that method returns False."""

    def decorate(check: _Check) -> _Check:
        @wraps(check)
        def run(self: ScopeHooks) -> None:
            if hook is not None:
                beyond_the_contract(self, hook)
            self.run_test(lambda: check(self))

        return run

    return decorate


class ScopeCompatibilityCheckMixin(ScopeHooks):
    """Checks that a scope manager keeps the contract of the API::

        class MyScopeManagerTest(unittest.TestCase, ScopeCompatibilityCheckMixin):
            def scope_manager(self):
                return MyScopeManager()

    Without unittest, name the class ``Test...`` so that pytest finds it. Override a check that does
    not apply. To turn on checks beyond the contract, override ``check_*`` methods to return True.
    """

    def test_missing_active_external(self) -> None:
        """No scope is active at first, also outside the manager's runtime."""
        _assert_active(None, self.scope_manager())

    @_in_runtime()
    def test_missing_active(self) -> None:
        """No scope is active at first."""
        _assert_active(None, self.scope_manager())

    @_in_runtime()
    def test_activate(self) -> None:
        """Without `finish_on_close`, closing a scope does not finish its span."""
        self._check_activate(finish_on_close=False)

    def test_activate_external(self) -> None:
        """The same holds outside the manager's runtime."""
        self._check_activate(finish_on_close=False)

    @_in_runtime()
    def test_activate_finish_on_close(self) -> None:
        """With `finish_on_close`, closing the scope finishes the span."""
        self._check_activate(finish_on_close=True)

    def _check_activate(self, finish_on_close: bool) -> None:
        manager, span = self.scope_manager(), _span()
        scope = manager.activate(span, finish_on_close)
        _assert_active(scope, manager)
        scope.close()
        _assert_finished(int(finish_on_close), span)
        _assert_active(None, manager)

    @_in_runtime()
    def test_activate_nested(self) -> None:
        """Closing an inner scope makes the outer one active again."""
        manager, outer_span, inner_span = self.scope_manager(), _span(), _span()
        with manager.activate(outer_span, True) as outer:
            _assert_active(outer, manager)
            with manager.activate(inner_span, True) as inner:
                _assert_active(inner, manager)
            _assert_active(outer, manager)
            _assert_finished(1, inner_span)
            _assert_finished(0, outer_span)
        _assert_finished(1, outer_span)
        _assert_active(None, manager)

    @_in_runtime()
    def test_activate_finish_on_close_nested(self) -> None:
        """Only the scopes with `finish_on_close` finish their spans."""
        manager, outer_span, inner_span = self.scope_manager(), _span(), _span()
        outer = manager.activate(outer_span, False)
        with manager.activate(inner_span, True):
            pass
        outer.close()
        _assert_finished(0, outer_span)
        _assert_finished(1, inner_span)
        _assert_active(None, manager)

    @_in_runtime()
    def test_scope_properties(self) -> None:
        """A scope has its span and its manager."""
        manager, span = self.scope_manager(), _span()
        with manager.activate(span, False) as scope:
            assert scope.span is span, f"its span is {scope.span!r}"
            assert scope.manager is manager, f"its manager is {scope.manager!r}"

    @_in_runtime()
    def test_close_wrong_order(self) -> None:
        """Closing an inactive scope neither finishes its span nor changes the active scope."""
        with self._activated(2) as (manager, (outer, inner), (outer_span, _)):
            outer.close()
            _assert_finished(0, outer_span)
            _assert_active(inner, manager)

    @_in_runtime()
    def test_close_wrong_order_then_inner(self) -> None:
        """After that, closing the inner scope finishes its span, and it is not active."""
        with self._activated(2) as (manager, (outer, inner), (_, inner_span)):
            outer.close()
            inner.close()
            _assert_finished(1, inner_span)
            assert manager.active is not inner, "the inner scope is still active"

    @_in_runtime()
    def test_leave_by_error(self) -> None:
        """An exception propagates; the span reports it, and finishes when its scope closes."""
        manager, span = self.scope_manager(), _span()
        error = ValueError("sold out")
        leave_by(manager.activate(span, True), error)
        assert_reported(error, span.set_tag, span.log_kv)
        _assert_finished(1, span)
        _assert_active(None, manager)

    @_in_runtime()
    def test_leave_by_non_error(self) -> None:
        """Cancellation, generator exit and interpreter exit propagate, and end scope and span."""
        for kind in NON_ERRORS:
            manager, span = self.scope_manager(), _span()
            leave_by(manager.activate(span, True), kind())
            _assert_finished(1, span)
            _assert_active(None, manager)

    @_in_runtime("check_errors")
    def test_non_error_is_not_reported(self) -> None:
        """An exception that is no `Exception` does not set the tag ``error``."""
        for kind in NON_ERRORS:
            span = _span()
            leave_by(self.scope_manager().activate(span, True), kind())
            assert span.set_tag.call_count == 0, f"{kind.__name__} counts as an error"

    @_in_runtime("check_repeated_close")
    def test_close_again(self) -> None:
        """Closing a scope again does not finish a span or change the active scope."""
        with self._activated(2) as (manager, (outer, inner), (outer_span, inner_span)):
            inner.close()
            inner.close()
            _assert_finished(1, inner_span)
            _assert_finished(0, outer_span)
            _assert_active(outer, manager)

    @_in_runtime("check_deferred_close")
    def test_close_wrong_order_is_deferred(self) -> None:
        """When the inner scope closes, so does the outer one that was closed before it."""
        with self._activated(2) as (manager, (outer, inner), (outer_span, inner_span)):
            outer.close()
            inner.close()
            _assert_finished(1, inner_span)
            _assert_finished(1, outer_span)
            _assert_active(None, manager)

    @_in_runtime("check_deferred_close")
    def test_close_wrong_order_in_the_middle(self) -> None:
        """The restored scope is the nearest one still open."""
        with self._activated(3) as (manager, (outer, middle, inner), (_, middle_span, _)):
            middle.close()
            inner.close()
            _assert_finished(1, middle_span)
            _assert_active(outer, manager)

    @_in_runtime("check_close_elsewhere")
    def test_close_elsewhere(self) -> None:
        """A scope closed in another context ends: the span finishes, and `close` does not raise."""
        with self._activated(1) as (manager, (scope,), (span,)):
            self.run_elsewhere(scope.close)
            _assert_finished(1, span)
            _assert_active(None, manager)

    @_in_runtime("check_close_elsewhere")
    def test_close_elsewhere_nested(self) -> None:
        """If an inner scope is closed in another context, the outer one is active again."""
        with self._activated(2) as (manager, (outer, inner), (outer_span, inner_span)):
            self.run_elsewhere(inner.close)
            _assert_finished(1, inner_span)
            _assert_active(outer, manager)
            outer.close()
            _assert_finished(1, outer_span)
            _assert_active(None, manager)

    @contextmanager
    def _activated(self, number: int) -> Iterator[tuple[ScopeManager, list[Scope], list[Any]]]:
        """Scopes, the outer one first, and their spans; closes those still active at the end."""
        manager, spans = self.scope_manager(), [_span() for _ in range(number)]
        try:
            yield manager, [manager.activate(span, True) for span in spans], spans
        finally:
            for _ in spans:
                if manager.active is not None:
                    manager.active.close()


def _span() -> Any:
    return mock.MagicMock(spec=Span)


def _assert_active(scope: Scope | None, manager: ScopeManager) -> None:
    assert manager.active is scope, f"active: {manager.active!r}; expected {scope!r}"


def _assert_finished(times: int, span: Any) -> None:
    found = span.finish.call_count
    assert found == times, f"the span was finished {found} times; expected {times}"
