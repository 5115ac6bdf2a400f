"""The scope managers of this project pass the harness, and each check fails for a broken one."""

from __future__ import annotations

import contextvars
import unittest
from collections.abc import Callable
from typing import Any

import pytest

from opentracing import Scope, ScopeManager, Span
from opentracing.harness._hooks import ScopeHooks
from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager

from ...runtimes import (
    gevent_manager,
    in_greenlet,
    in_task,
    in_tornado,
    needs_gevent,
    needs_tornado,
    tornado_manager,
)


class EveryCheck(ScopeCompatibilityCheckMixin):
    """All checks are turned on."""

    def check_errors(self) -> bool:
        return True

    def check_repeated_close(self) -> bool:
        return True

    def check_deferred_close(self) -> bool:
        return True

    def check_close_elsewhere(self) -> bool:
        return True


class OnAnotherThread(EveryCheck):
    """`run_elsewhere` uses another thread, which Pyodide lacks."""

    @pytest.mark.needs_os
    def test_close_elsewhere(self) -> None:
        super().test_close_elsewhere()

    @pytest.mark.needs_os
    def test_close_elsewhere_nested(self) -> None:
        super().test_close_elsewhere_nested()


class TestThreadLocalScopeManager(OnAnotherThread):
    """It passes every check, in a thread."""

    def scope_manager(self) -> ScopeManager:
        return ThreadLocalScopeManager()


class TestAsyncioScopeManager(OnAnotherThread):
    """It passes every check, in a task."""

    def scope_manager(self) -> ScopeManager:
        return AsyncioScopeManager()

    def run_test(self, test_fn: Callable[[], object]) -> None:
        in_task(test_fn)


class TestContextVarsScopeManager(OnAnotherThread):
    """It passes every check, in a task."""

    def scope_manager(self) -> ScopeManager:
        return ContextVarsScopeManager()

    def run_test(self, test_fn: Callable[[], object]) -> None:
        in_task(test_fn)


class TestContextVarsScopeManagerInCopiedContext(EveryCheck):
    """One manager passes every check; `run_elsewhere` uses a copy of the context."""

    shared = ContextVarsScopeManager()

    def scope_manager(self) -> ScopeManager:
        return self.shared

    def run_elsewhere(self, test_fn: Callable[[], object]) -> None:
        contextvars.copy_context().run(test_fn)


@needs_gevent
class TestGeventScopeManager(OnAnotherThread):
    """It passes every check, in a greenlet."""

    def scope_manager(self) -> ScopeManager:
        return gevent_manager()

    def run_test(self, test_fn: Callable[[], object]) -> None:
        in_greenlet(test_fn)


@needs_gevent
class TestGeventScopeManagerInAnotherGreenlet(TestGeventScopeManager):
    """It passes every check; `run_elsewhere` uses another greenlet."""

    def run_elsewhere(self, test_fn: Callable[[], object]) -> None:
        in_greenlet(test_fn)


@needs_tornado
class TestTornadoScopeManager(OnAnotherThread):
    """It passes every check, in a stack context on Tornado's loop."""

    def scope_manager(self) -> ScopeManager:
        return tornado_manager()

    def run_test(self, test_fn: Callable[[], object]) -> None:
        in_tornado(test_fn)


class UnderUnittest(unittest.TestCase, EveryCheck):
    """Its name hides it from pytest; the test below runs it."""

    __test__ = False

    def scope_manager(self) -> ScopeManager:
        return ThreadLocalScopeManager()


def checks_of(mixin: type) -> list[str]:
    return [name for name in dir(mixin) if name.startswith("test_")]


@pytest.mark.needs_os
def test_unittest_runs_every_check() -> None:
    """unittest alone finds and runs the checks."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(UnderUnittest)
    result = suite.run(unittest.TestResult())
    assert (result.testsRun, result.failures, result.errors, result.skipped) == (
        len(checks_of(ScopeCompatibilityCheckMixin)),
        [],
        [],
        [],
    )


def test_the_scope_manager_must_be_given() -> None:
    """Without `scope_manager`, the error names the method."""
    with pytest.raises(NotImplementedError, match=r"must override scope_manager\(\)"):
        ScopeHooks().scope_manager()


@pytest.mark.parametrize(
    "check",
    [
        "test_non_error_is_not_reported",
        "test_close_again",
        "test_close_wrong_order_is_deferred",
        "test_close_wrong_order_in_the_middle",
        "test_close_elsewhere",
        "test_close_elsewhere_nested",
    ],
)
def test_what_goes_beyond_the_contract_is_off(check: str) -> None:
    """A suite written for 2.4 does not run them; the skip names the method that turns them on."""
    with pytest.raises(unittest.SkipTest, match=r"check_\w+\(\) is false"):
        getattr(ScopeCompatibilityCheckMixin(), check)()


@pytest.mark.needs_os
def test_a_failure_elsewhere_is_a_failure_here() -> None:
    """An exception in the other context is raised in the check."""

    def fail() -> None:
        raise AssertionError("elsewhere")

    with pytest.raises(AssertionError, match="elsewhere"):
        ScopeHooks().run_elsewhere(fail)


# A plain manager, with one stack for all, that passes every check; and faults for it.

BROKEN: list[tuple[str, type]] = []


def fails(*checks: str) -> Callable[[type], type]:
    def add(broken: type) -> type:
        BROKEN.extend((check, broken) for check in checks)
        return broken

    return add


class StackScope(Scope):
    def __init__(self, manager: Any, span: Span, finish_on_close: bool) -> None:
        super().__init__(manager, span)
        self.finish_on_close = finish_on_close
        self.closed = False

    def close(self) -> None:
        self.closed = True
        stack = self.manager.stack  # type: ignore[attr-defined]
        while stack and stack[-1].closed:
            stack.pop().end()

    def end(self) -> None:
        if self.finish_on_close:
            self.span.finish()


class StackManager(ScopeManager):
    scope_class: type[StackScope] = StackScope

    def __init__(self) -> None:
        self.stack: list[StackScope] = []

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        self.stack.append(self.scope_class(self, span, finish_on_close))
        return self.stack[-1]

    @property
    def active(self) -> Scope | None:
        return self.stack[-1] if self.stack else None


def with_scope(*checks: str) -> Callable[[type], type]:
    """A plain manager that returns scopes of the given class."""

    def add(broken: type) -> type:
        manager = type(broken.__name__, (StackManager,), {"scope_class": broken})
        fails(*checks)(manager)
        return broken

    return add


class TestStackManager(OnAnotherThread):
    """The plain manager passes every check, so a check below fails only for the fault."""

    def scope_manager(self) -> ScopeManager:
        return StackManager()


fails(
    "test_missing_active",
    "test_missing_active_external",
    "test_activate",
    "test_activate_external",
    "test_activate_nested",
)(ScopeManager)


@fails("test_missing_active", "test_missing_active_external")
class RaisesWhenNothingIsActive(StackManager):
    @property
    def active(self) -> Scope | None:
        return self.stack[-1]


@with_scope("test_activate", "test_activate_external", "test_activate_finish_on_close_nested")
class AlwaysFinishes(StackScope):
    def end(self) -> None:
        self.span.finish()


@with_scope(
    "test_activate_finish_on_close",
    "test_activate_nested",
    "test_activate_finish_on_close_nested",
    "test_leave_by_error",
    "test_leave_by_non_error",
    "test_close_elsewhere",
)
class NeverFinishes(StackScope):
    def end(self) -> None:
        pass


@with_scope("test_activate_finish_on_close", "test_close_again", "test_close_elsewhere_nested")
class FinishesTwice(StackScope):
    def end(self) -> None:
        self.span.finish()
        self.span.finish()


@with_scope("test_activate_nested")
class FinishesTheOuterSpanToo(StackScope):
    def close(self) -> None:
        super().close()
        for scope in self.manager.stack:  # type: ignore[attr-defined]
            scope.span.finish()


@with_scope("test_activate_nested", "test_close_again", "test_close_elsewhere_nested")
class RestoresNothing(StackScope):
    def close(self) -> None:
        self.manager.stack.clear()  # type: ignore[attr-defined]
        self.end()


@with_scope("test_activate", "test_activate_external", "test_leave_by_error")
class StaysActive(StackScope):
    def close(self) -> None:
        self.end()


@with_scope("test_scope_properties")
class DoesNotKnowItsSpan(StackScope):
    @property
    def span(self) -> Any:
        return None


@fails("test_scope_properties")
class GivesAnothersScopes(StackManager):
    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        scope = super().activate(span, finish_on_close)
        scope._manager = StackManager()
        return scope


@with_scope("test_close_wrong_order", "test_close_wrong_order_then_inner")
class EndsWithAllInside(StackScope):
    def close(self) -> None:
        stack = self.manager.stack  # type: ignore[attr-defined]
        del stack[stack.index(self) :]
        self.end()


@with_scope("test_close_wrong_order")
class FinishesOutOfOrder(StackScope):
    def close(self) -> None:
        self.end()
        self.end = lambda: None  # type: ignore[method-assign]
        super().close()


@with_scope("test_close_wrong_order_then_inner", "test_close_wrong_order_is_deferred")
class IsStuckOutOfOrder(StackScope):
    def close(self) -> None:
        stack = self.manager.stack  # type: ignore[attr-defined]
        if self is not stack[-1]:
            stack[-1].close = lambda: None
        else:
            super().close()


@with_scope("test_close_wrong_order_is_deferred", "test_close_wrong_order_in_the_middle")
class ForgetsOutOfOrder(StackScope):
    def close(self) -> None:
        if self.manager.active is self:
            super().close()


@with_scope("test_close_again")
class MindsClosingAgain(StackScope):
    def close(self) -> None:
        assert not self.closed
        super().close()


@with_scope("test_leave_by_error")
class ReportsNothing(StackScope):
    def __exit__(self, *exception: Any) -> None:
        self.close()


@with_scope("test_leave_by_error")
class TagsWithoutLog(StackScope):
    def __exit__(self, *exception: Any) -> None:
        self.span.set_tag("error", True)
        self.close()


@with_scope("test_leave_by_error", "test_leave_by_non_error")
class Swallows(StackScope):
    def __exit__(self, *exception: Any) -> bool:  # type: ignore[override]
        super().__exit__(*exception)
        return True


@with_scope("test_leave_by_non_error")
class ClosesOnlyForExceptions(StackScope):
    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        if exc_val is None or isinstance(exc_val, Exception):
            super().__exit__(exc_type, exc_val, exc_tb)


@with_scope("test_non_error_is_not_reported")
class ReportsEverything(StackScope):
    def __exit__(self, *exception: Any) -> None:
        self.span.set_tag("error", True)
        self.close()


@fails("test_close_elsewhere", "test_close_elsewhere_nested")
class ClosesWhereActiveOnly(StackManager):
    """Scopes as those of 2.4's managers."""

    def __init__(self) -> None:
        super().__init__()
        self.home = contextvars.ContextVar("home", default=False)

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        scope = super().activate(span, finish_on_close)
        token = self.home.set(True)

        def close() -> None:
            self.home.reset(token)
            StackScope.close(scope)  # type: ignore[arg-type]

        scope.close = close  # type: ignore[method-assign]
        return scope


@pytest.mark.needs_os  # the checks of closing elsewhere
@pytest.mark.parametrize(
    ("check", "broken"), BROKEN, ids=[f"{broken.__name__}-{check}" for check, broken in BROKEN]
)
def test_check_fails_for_a_broken_scope_manager(check: str, broken: type) -> None:
    """The check fails for the broken manager: it neither passes nor is skipped."""
    mixin = EveryCheck()
    manager = broken()
    mixin.scope_manager = lambda: manager  # type: ignore[method-assign]
    with pytest.raises(Exception) as raised:  # noqa: PT011  # a broken manager may raise anything
        getattr(mixin, check)()
    assert not isinstance(raised.value, unittest.SkipTest)


def test_every_check_is_proved_to_fail() -> None:
    """The table above has every check."""
    assert {check for check, _ in BROKEN} == set(checks_of(ScopeCompatibilityCheckMixin))
