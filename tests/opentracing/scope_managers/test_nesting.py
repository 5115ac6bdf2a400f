"""The rules for scopes that are closed out of order, and for managers used together."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Scope, ScopeManager, Span, SpanContext
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager, no_parent_scope
from opentracing.scope_managers.nesting import resume, suspend

from ...runtimes import directly, every_runtime


class FakeSpan(Span):
    def __init__(self, on_finish: Callable[[], None] = lambda: None) -> None:
        super().__init__(None, SpanContext())
        self.finished = 0
        self.on_finish = on_finish

    def finish(self, finish_time: float | None = None) -> None:
        self.finished += 1
        self.on_finish()


def fail() -> None:
    raise RuntimeError("broken span")


def active_in(manager: ScopeManager) -> Scope | None:
    return manager.active


def on_another_thread(action: Callable[[], None]) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


ACTIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), max_size=30)


@every_runtime
@given(actions=ACTIONS)
def test_managers_follow_the_model_in_any_sequence(make: Any, run: Any, actions: Any) -> None:
    """In any sequence of opening and closing, each of two managers behaves as its own stack.

    A scope that is not on top waits for those above it.
    """

    def test() -> None:
        managers = [make(), make()]
        stacks: list[list[tuple[Any, FakeSpan]]] = [[], []]
        waiting: set[FakeSpan] = set()
        ended: list[FakeSpan] = []
        for kind, position in actions:
            manager, stack = managers[kind % 2], stacks[kind % 2]
            if kind < 2:
                span = FakeSpan()
                stack.append((manager.activate(span, True), span))
            elif stack:
                scope, span = stack[position % len(stack)]
                scope.close()
                waiting.add(span)
                while stack and stack[-1][1] in waiting:
                    ended.append(stack.pop()[1])
            for each, its_stack in zip(managers, stacks):
                assert each.active is (its_stack[-1][0] if its_stack else None)
                assert all(span.finished == 0 for _, span in its_stack)
            assert all(span.finished == 1 for span in ended)

    logging.disable()
    try:
        run(test)
    finally:
        logging.disable(logging.NOTSET)


@given(actions=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), max_size=30))
def test_no_span_is_lost_across_contexts(actions: Any) -> None:
    """Scopes opened and closed in any of three contexts finish once, and stay active in none.

    Only what a context inherited, and what was closed in its own, may still be shown there.
    """
    managers = [ContextVarsScopeManager(), ContextVarsScopeManager()]
    contexts = [contextvars.Context()]
    opened: list[tuple[int, Any, FakeSpan]] = []
    logging.disable()
    try:
        for kind, position in actions:
            at = position % len(contexts)
            if kind < 2:
                span = FakeSpan()
                opened.append((at, contexts[at].run(managers[kind].activate, span, True), span))
            elif kind == 2 and len(contexts) < 3:
                contexts.append(contexts[at].copy())
            elif opened:
                contexts[kind % len(contexts)].run(opened[position % len(opened)][1].close)
        for at, scope, _ in opened:
            contexts[at].run(scope.close)
    finally:
        logging.disable(logging.NOTSET)
    assert [span.finished for _, _, span in opened] == [1] * len(opened)
    for at, context in enumerate(contexts):
        own = [scope for where, scope, _ in opened if where == at]
        for manager in managers:
            assert context.run(active_in, manager) not in own
            assert context is not contexts[0] or context.run(active_in, manager) is None


def test_a_waiting_scope_ended_by_another_context_stays_closed_in_its_own() -> None:
    """A scope that waits for two inner ones, in two contexts, is never shown again."""
    manager = ContextVarsScopeManager()
    home = contextvars.Context()
    span = FakeSpan()
    outer = home.run(manager.activate, span, True)
    copied = home.copy()
    elsewhere = copied.run(manager.activate, FakeSpan(), True)
    inner = home.run(manager.activate, FakeSpan(), True)
    home.run(outer.close)
    copied.run(elsewhere.close)
    home.run(inner.close)
    assert home.run(active_in, manager) is None
    assert span.finished == 1


@every_runtime
def test_a_manager_forgets_its_scope_whatever_another_opened_in_between(
    make: Any, run: Any
) -> None:
    """Closing a scope does not restore another manager's scope that was closed meanwhile."""

    def test() -> None:
        one, two = make(), make()
        first = two.activate(FakeSpan(), True)
        second = one.activate(FakeSpan(), True)
        first.close()
        second.close()
        assert (one.active, two.active) == (None, None)

    run(test)


@every_runtime
def test_waiting_spans_finish_from_the_inside_out(make: Any, run: Any) -> None:
    """When the innermost scope closes, those that waited follow: inner before outer."""

    def test() -> None:
        manager = make()
        order: list[str] = []
        scopes = [
            manager.activate(FakeSpan(partial(order.append, name)), True)
            for name in ("outer", "middle", "inner")
        ]
        for scope in scopes:
            scope.close()
        assert order == ["inner", "middle", "outer"]

    run(test)


def waiting(
    make: Any, inner_span: FakeSpan | None = None, finish_on_close: bool = True
) -> tuple[Any, FakeSpan, Any]:
    """A manager, the span of a closed scope that waits, and the inner scope that it waits for."""
    manager, span = make(), FakeSpan()
    outer = manager.activate(span, finish_on_close)
    inner = manager.activate(inner_span or FakeSpan(), True)
    outer.close()
    return manager, span, inner


@every_runtime
def test_a_waiting_scope_keeps_its_finish_on_close(make: Any, run: Any) -> None:
    """A waiting scope without `finish_on_close` does not finish its span."""

    def test() -> None:
        manager, span, inner = waiting(make, finish_on_close=False)
        inner.close()
        assert (span.finished, manager.active) == (0, None)

    run(test)


@every_runtime
def test_a_span_that_fails_to_finish_holds_up_no_other(make: Any, run: Any) -> None:
    """The exception propagates, after the waiting spans have finished and the scopes ended."""

    def test() -> None:
        manager, span, inner = waiting(make, FakeSpan(fail))
        with pytest.raises(RuntimeError, match="broken span"):
            inner.close()
        assert span.finished == 1
        assert manager.active is None

    run(test)


@every_runtime
def test_a_span_that_closes_its_scope_finishes_once(make: Any, run: Any) -> None:
    """`finish` may close the scope that is finishing it."""

    def test() -> None:
        manager = make()
        span = FakeSpan(lambda: scope.close())
        scope = manager.activate(span, True)
        scope.close()
        assert span.finished == 1
        assert manager.active is None

    run(test)


@pytest.mark.needs_os
@every_runtime
def test_waiting_scopes_end_when_the_inner_one_is_closed_on_another_thread(
    make: Any, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An outer scope that waited does not wait forever."""

    def test() -> None:
        manager, span, inner = waiting(make)
        on_another_thread(inner.close)
        assert span.finished == 1
        assert manager.active is None

    run(test)
    assert len(caplog.records) == 1


@pytest.mark.needs_os
@every_runtime
def test_an_outer_scope_closed_on_another_thread_is_passed_over(make: Any, run: Any) -> None:
    """When the inner scopes close, the restored scope is one that is still open."""

    def test() -> None:
        manager = make()
        first, second, third = (manager.activate(FakeSpan(), True) for _ in range(3))
        on_another_thread(second.close)
        assert manager.active is third
        third.close()
        assert manager.active is first
        first.close()
        assert manager.active is None

    run(test)


@pytest.mark.needs_os
@every_runtime
def test_a_scope_closed_elsewhere_is_let_go(make: Any, run: Any) -> None:
    """Its own context drops the reference to it at the next look at the active scope."""

    def test() -> None:
        manager = make()
        scope = manager.activate(FakeSpan(), True)
        watched = weakref.ref(scope)
        on_another_thread(scope.close)
        del scope
        assert manager.active is None
        gc.collect()
        assert watched() is None

    run(test)


@every_runtime
def test_gc_has_nothing_to_do(make: Any, run: Any) -> None:
    """No reference cycle is left, however the scopes are closed."""

    def test() -> None:
        manager, other = make(), make()
        manager.active  # noqa: B018  # what the runtime makes at first use is not ours
        gc.collect()
        gc.disable()
        try:
            with manager.activate(FakeSpan(), True), other.activate(FakeSpan(), True):
                outer, inner = (manager.activate(FakeSpan(), True) for _ in range(2))
                outer.close()
                inner.close()
            failing = manager.activate(FakeSpan(fail), True)
            with pytest.raises(RuntimeError):
                failing.close()
            watched = [weakref.ref(scope) for scope in (outer, inner, failing)]
            del outer, inner, failing
            if sys.implementation.name == "pypy":  # which counts no references
                gc.collect()
            assert [each() for each in watched] == [None] * 3
        finally:
            gc.enable()

    run(test)


@every_runtime
def test_scopes_take_any_attribute(make: Any, run: Any) -> None:
    """`close` can be replaced on a scope, and leaving the block calls the replacement."""

    def test() -> None:
        scope, calls = make().activate(FakeSpan(), True), []
        close, scope.close = scope.close, lambda: calls.append("replaced")
        with scope:
            pass
        assert calls == ["replaced"]
        close()

    run(test)


@every_runtime
def test_an_exception_is_noted_and_goes_on(make: Any, run: Any) -> None:
    """If an exception leaves the block, it tags the span, closes the scope, and propagates."""

    def test() -> None:
        manager, span = make(), FakeSpan()
        tags: dict[str, Any] = {}
        span.set_tag = tags.__setitem__  # type: ignore[assignment]
        with pytest.raises(ValueError, match="oops"), manager.activate(span, True):
            raise ValueError("oops")
        assert tags == {"error": True}
        assert span.finished == 1
        assert manager.active is None

    run(test)


def test_a_scope_closed_while_hidden_does_not_come_back() -> None:
    """A scope that is closed inside `no_parent_scope` is not active after the block."""
    manager, span = ContextVarsScopeManager(), FakeSpan()
    with manager.activate(FakeSpan(), True) as outer:
        inner = manager.activate(span, True)
        with no_parent_scope():
            inner.close()
            assert manager.active is None
        assert span.finished == 1
        assert manager.active is outer
    assert manager.active is None


def test_scopes_of_subclasses_written_for_2_4_nest() -> None:
    """A manager's own kind of scope, stored by the names of 2.4, is shown and restored."""
    manager = ThreadLocalScopeManager()
    own = Scope(manager, FakeSpan())
    manager._tls_scope.active = own
    with manager.activate(FakeSpan(), True):
        assert manager.active is not own
    assert manager.active is own


def test_asyncio_manager_keeps_the_methods_that_2_4_subclasses_call() -> None:
    """`_get_task`, `_set_task_scope` and `_get_task_scope` work with and without a given task."""

    async def main() -> None:
        manager, task = AsyncioScopeManager(), asyncio.current_task()
        assert manager._get_task() is task
        own: Any = Scope(manager, FakeSpan())
        manager._set_task_scope(own)
        assert manager._get_task_scope() is own
        assert manager.active is own
        with manager.activate(FakeSpan(), True):
            pass
        assert manager._get_task_scope(task) is own
        manager._set_task_scope(None, task)
        assert manager.active is None

    asyncio.run(main())


@every_runtime
def test_a_closed_scope_that_is_kept_keeps_no_other(make: Any, run: Any) -> None:
    """A closed scope does not keep the outer scope alive."""

    def test() -> None:
        manager = make()
        outer = manager.activate(FakeSpan(), True)
        inner = manager.activate(FakeSpan(), True)
        watched = weakref.ref(outer)
        inner.close()
        outer.close()
        del outer
        gc.collect()
        assert watched() is None
        assert inner.span is not None

    run(test)


def test_many_managers_share_one_context_variable() -> None:
    """A manager adds nothing to the context that outlives it."""

    def test() -> None:
        before = len(contextvars.copy_context())
        with ContextVarsScopeManager().activate(FakeSpan(), True):
            within = len(contextvars.copy_context())
        for _ in range(20):
            with ContextVarsScopeManager().activate(FakeSpan(), True):
                assert len(contextvars.copy_context()) == within
        assert len(contextvars.copy_context()) == before

        with ContextVarsScopeManager().activate(FakeSpan(), True):
            for _ in range(20):
                with ContextVarsScopeManager().activate(FakeSpan(), True):
                    assert len(contextvars.copy_context()) == within

    # In its own context: other tests may have left the variable in this one.
    contextvars.Context().run(directly, test)


@every_runtime
def test_a_manager_that_was_used_is_freed(make: Any, run: Any) -> None:
    """Applications that make a tracer for each test do not collect their managers."""

    def test() -> None:
        manager = make()
        with manager.activate(FakeSpan(), True):
            pass
        watched = weakref.ref(manager)
        del manager
        gc.collect()
        assert watched() is None

    run(test)


@every_runtime
@pytest.mark.parametrize("is_meanwhile", [False, True], ids=["resumed", "meanwhile"])
def test_a_suspended_scope_whose_close_was_deferred(
    make: Any, run: Any, is_meanwhile: bool
) -> None:
    """It finishes when the inner scope closes, after both are resumed or while they are not."""

    def test() -> None:
        manager: ScopeManager = make()
        deferred, inner = FakeSpan(), FakeSpan()
        outside = manager.activate(FakeSpan(), False)
        step = manager.activate(FakeSpan(), False)
        deferred_scope = manager.activate(deferred, True)
        inner_scope = manager.activate(inner, True)
        deferred_scope.close()
        suspended = suspend(step)
        assert suspended == [inner_scope, deferred_scope]
        assert manager.active is outside
        if is_meanwhile:
            inner_scope.close()
            assert manager.active is outside
        step = manager.activate(FakeSpan(), False)
        resume(suspended)
        if not is_meanwhile:
            assert deferred.finished == 0
            assert manager.active is inner_scope
            inner_scope.close()
        assert deferred.finished == inner.finished == 1
        assert manager.active is step
        step.close()
        assert manager.active is outside
        outside.close()
        assert manager.active is None

    run(test)


@every_runtime
def test_a_scope_of_another_place_is_not_suspended(make: Any, run: Any) -> None:
    """`suspend` closes it, and takes nothing away."""

    def test() -> None:
        manager: ScopeManager = make()
        closed = manager.activate(FakeSpan(), False)
        closed.close()
        scope = manager.activate(FakeSpan(), True)
        assert suspend(closed) == []
        assert manager.active is scope
        scope.close()

    run(test)
