"""ScopeCompatibilityCheckMixin: the contract of a scope manager, as tests for its author::

    from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
    from opentracing.scope_managers.contextvars import ContextVarsScopeManager

    class TestScopeManager(ScopeCompatibilityCheckMixin):
        def scope_manager(self):
            return ContextVarsScopeManager()

`opentracing.harness` says what there is to override.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from opentracing import ScopeManager, Span

from ._hooks import NON_ERRORS, ScopeHooks, assert_reported, beyond_the_contract, leave_by


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
        active = self.scope_manager().active
        assert active is None, f"active: {active!r}"

    def test_missing_active(self) -> None:
        """No scope is active at first."""

        def check() -> None:
            active = self.scope_manager().active
            assert active is None, f"active: {active!r}"

        self.run_test(check)

    def test_activate(self) -> None:
        """Without `finish_on_close`, closing a scope does not finish its span."""
        self.run_test(self._check_activate)

    def test_activate_external(self) -> None:
        """The same holds outside the manager's runtime."""
        self._check_activate()

    def _check_activate(self) -> None:
        manager, span = self.scope_manager(), _span()
        scope = manager.activate(span, False)
        _assert_active(scope, manager)
        scope.close()
        _assert_finished(0, span)
        _assert_active(None, manager)

    def test_activate_finish_on_close(self) -> None:
        """With `finish_on_close`, closing the scope finishes the span."""

        def check() -> None:
            manager, span = self.scope_manager(), _span()
            scope = manager.activate(span, True)
            _assert_active(scope, manager)
            scope.close()
            _assert_finished(1, span)
            _assert_active(None, manager)

        self.run_test(check)

    def test_activate_nested(self) -> None:
        """Closing an inner scope makes the outer one active again."""

        def check() -> None:
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

        self.run_test(check)

    def test_activate_finish_on_close_nested(self) -> None:
        """Only the scopes with `finish_on_close` finish their spans."""

        def check() -> None:
            manager, outer_span, inner_span = self.scope_manager(), _span(), _span()
            outer = manager.activate(outer_span, False)
            with manager.activate(inner_span, True):
                pass
            outer.close()
            _assert_finished(0, outer_span)
            _assert_finished(1, inner_span)
            _assert_active(None, manager)

        self.run_test(check)

    def test_scope_properties(self) -> None:
        """A scope has its span and its manager."""

        def check() -> None:
            manager, span = self.scope_manager(), _span()
            with manager.activate(span, False) as scope:
                assert scope.span is span, f"its span is {scope.span!r}"
                assert scope.manager is manager, f"its manager is {scope.manager!r}"

        self.run_test(check)

    def test_close_wrong_order(self) -> None:
        """Closing an inactive scope neither finishes its span nor changes the active scope."""

        def check() -> None:
            manager, outer_span = self.scope_manager(), _span()
            outer = manager.activate(outer_span, True)
            inner = manager.activate(_span(), True)
            try:
                outer.close()
                _assert_finished(0, outer_span)
                assert manager.active == inner, f"active: {manager.active!r}"
            finally:
                _close_all(manager)

        self.run_test(check)

    def test_close_wrong_order_then_inner(self) -> None:
        """After that, closing the inner scope finishes its span, and it is not active."""

        def check() -> None:
            manager, inner_span = self.scope_manager(), _span()
            outer = manager.activate(_span(), True)
            inner = manager.activate(inner_span, True)
            try:
                outer.close()
                inner.close()
                _assert_finished(1, inner_span)
                assert manager.active is not inner, "the inner scope is still active"
            finally:
                _close_all(manager)

        self.run_test(check)

    def test_leave_by_error(self) -> None:
        """An exception propagates; the span reports it, and finishes when its scope closes."""

        def check() -> None:
            manager, span = self.scope_manager(), _span()
            error = ValueError("sold out")
            leave_by(manager.activate(span, True), error)
            assert_reported(error, span.set_tag, span.log_kv)
            _assert_finished(1, span)
            _assert_active(None, manager)

        self.run_test(check)

    def test_leave_by_non_error(self) -> None:
        """Cancellation, generator exit and interpreter exit propagate, and end scope and span."""

        def check() -> None:
            for kind in NON_ERRORS:
                manager, span = self.scope_manager(), _span()
                leave_by(manager.activate(span, True), kind())
                _assert_finished(1, span)
                _assert_active(None, manager)

        self.run_test(check)

    def test_non_error_is_not_reported(self) -> None:
        """An exception that is no `Exception` does not set the tag ``error``."""
        beyond_the_contract(self.check_errors(), "check_errors")

        def check() -> None:
            for kind in NON_ERRORS:
                span = _span()
                leave_by(self.scope_manager().activate(span, True), kind())
                assert span.set_tag.call_count == 0, f"{kind.__name__} counts as an error"

        self.run_test(check)

    def test_close_again(self) -> None:
        """Closing a scope again does not finish a span or change the active scope."""
        beyond_the_contract(self.check_repeated_close(), "check_repeated_close")

        def check() -> None:
            manager, inner_span, outer_span = self.scope_manager(), _span(), _span()
            outer = manager.activate(outer_span, True)
            inner = manager.activate(inner_span, True)
            inner.close()
            inner.close()
            _assert_finished(1, inner_span)
            _assert_finished(0, outer_span)
            _assert_active(outer, manager)
            outer.close()

        self.run_test(check)

    def test_close_wrong_order_is_deferred(self) -> None:
        """When the inner scope closes, so does the outer one that was closed before it."""
        beyond_the_contract(self.check_deferred_close(), "check_deferred_close")

        def check() -> None:
            manager, outer_span, inner_span = self.scope_manager(), _span(), _span()
            outer = manager.activate(outer_span, True)
            inner = manager.activate(inner_span, True)
            outer.close()
            inner.close()
            _assert_finished(1, inner_span)
            _assert_finished(1, outer_span)
            _assert_active(None, manager)

        self.run_test(check)

    def test_close_wrong_order_in_the_middle(self) -> None:
        """The restored scope is the nearest one still open."""
        beyond_the_contract(self.check_deferred_close(), "check_deferred_close")

        def check() -> None:
            manager, middle_span = self.scope_manager(), _span()
            outer = manager.activate(_span(), True)
            middle = manager.activate(middle_span, True)
            inner = manager.activate(_span(), True)
            middle.close()
            inner.close()
            _assert_finished(1, middle_span)
            _assert_active(outer, manager)
            outer.close()

        self.run_test(check)

    def test_close_elsewhere(self) -> None:
        """A scope closed in another context ends: the span finishes, and `close` does not raise."""
        beyond_the_contract(self.check_close_elsewhere(), "check_close_elsewhere")

        def check() -> None:
            manager, span = self.scope_manager(), _span()
            scope = manager.activate(span, True)
            self.run_elsewhere(scope.close)
            _assert_finished(1, span)
            _assert_active(None, manager)

        self.run_test(check)

    def test_close_elsewhere_nested(self) -> None:
        """If an inner scope is closed in another context, the outer one is active again."""
        beyond_the_contract(self.check_close_elsewhere(), "check_close_elsewhere")

        def check() -> None:
            manager, outer_span, inner_span = self.scope_manager(), _span(), _span()
            with manager.activate(outer_span, True) as outer:
                inner = manager.activate(inner_span, True)
                self.run_elsewhere(inner.close)
                _assert_finished(1, inner_span)
                _assert_active(outer, manager)
            _assert_finished(1, outer_span)
            _assert_active(None, manager)

        self.run_test(check)


def _span() -> Any:
    return mock.MagicMock(spec=Span)


def _assert_active(scope: Any, manager: ScopeManager) -> None:
    if scope is None:
        assert manager.active is None, f"a scope is still active: {manager.active!r}"
    else:
        assert manager.active is scope, f"active: {manager.active!r}; expected {scope!r}"


def _assert_finished(times: int, span: Any) -> None:
    found = span.finish.call_count
    assert found == times, f"the span was finished {found} times; expected {times}"


def _close_all(manager: ScopeManager) -> None:
    """Close the scopes that are still active, the inner one first."""
    for _ in range(2):
        scope = manager.active
        if scope is not None:
            scope.close()
