"""The behaviour that all scope managers share, and their differences."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import itertools
import logging
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from opentracing import ScopeManager, Span, SpanContext
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.constants import ACTIVE_ATTR
from opentracing.scope_managers.contextvars import ContextVarsScopeManager, no_parent_scope

from ...runtimes import every_runtime


class FakeSpan(Span):
    def __init__(self, name: str = "span") -> None:
        super().__init__(None, SpanContext())
        self.operation_name = name
        self.finished = 0
        self.active_at_finish: Any = None
        self.manager: ScopeManager | None = None

    def finish(self, finish_time: float | None = None) -> None:
        self.finished += 1
        if self.manager is not None:
            self.active_at_finish = self.manager.active


@every_runtime
def test_activation_nests(make: Any, run: Any) -> None:
    """The innermost open scope is active; with `finish_on_close`, closing it finishes the span."""

    def test() -> None:
        manager, outer, inner = make(), FakeSpan(), FakeSpan()
        assert manager.active is None
        with manager.activate(outer, False) as outer_scope:
            assert manager.active is outer_scope
            assert (outer_scope.span, outer_scope.manager) == (outer, manager)
            with manager.activate(inner, finish_on_close=True) as inner_scope:
                assert manager.active is inner_scope
            assert manager.active is outer_scope
        assert manager.active is None
        assert (outer.finished, inner.finished) == (0, 1)

    run(test)


@every_runtime
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_scopes_close_in_any_order(make: Any, run: Any, order: tuple[int, ...]) -> None:
    """In every order, the active scope is the innermost open one with no open closing request
    inside it, each span finishes once, and nothing stays active.
    """

    def test() -> None:
        manager = make()
        spans = [FakeSpan(str(index)) for index in range(4)]
        scopes = [manager.activate(span, True) for span in spans]
        asked: set[int] = set()
        for index in order:
            before = manager.active
            scopes[index].close()
            asked.add(index)
            if before is not scopes[index]:
                assert manager.active is before
                assert spans[index].finished == 0
            else:
                still_open = [each for each in range(4) if each not in asked]
                assert manager.active is (scopes[still_open[-1]] if still_open else None)
        assert [span.finished for span in spans] == [1, 1, 1, 1]
        scopes[0].close()
        assert [span.finished for span in spans] == [1, 1, 1, 1]

    run(test)


@every_runtime
def test_closing_out_of_order_is_reported_once(
    make: Any, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names both operations."""

    def test() -> None:
        manager = make()
        outer = manager.activate(FakeSpan("outer"), True)
        inner = manager.activate(FakeSpan("inner"), True)
        outer.close()
        outer.close()
        inner.close()

    with caplog.at_level(logging.WARNING):
        run(test)
    (record,) = caplog.records
    assert "'outer'" in record.getMessage()
    assert "'inner'" in record.getMessage()


@every_runtime
def test_order_of_finishing_and_restoring(make: Any, run: Any) -> None:
    """Thread-local scopes finish the span while it is active; the others restore first."""

    def test() -> None:
        manager, span = make(), FakeSpan()
        span.manager = manager
        scope = manager.activate(span, True)
        finishes_first = type(scope).__name__ == "_ThreadLocalScope"
        scope.close()
        assert span.active_at_finish is (scope if finishes_first else None)

    run(test)


@every_runtime
def test_managers_are_islands(make: Any, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Two managers never see each other's scopes, however these interleave."""

    def test() -> None:
        one, two = make(), make()
        first = one.activate(FakeSpan(), True)
        assert two.active is None
        second = two.activate(FakeSpan(), True)
        third = one.activate(FakeSpan(), True)
        assert (one.active, two.active) == (third, second)
        second.close()
        assert (one.active, two.active) == (third, None)
        fourth = two.activate(FakeSpan(), True)
        third.close()
        first.close()
        assert (one.active, two.active) == (None, fourth)
        fourth.close()
        assert two.active is None

    run(test)
    assert not caplog.records


@pytest.mark.needs_os
@every_runtime
def test_a_scope_closed_on_another_thread_finishes_quietly(
    make: Any, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The span finishes, nothing is logged, and the thread it belonged to no longer shows it."""

    def test() -> None:
        manager, outer, inner = make(), FakeSpan(), FakeSpan()
        outer_scope = manager.activate(outer, True)
        inner_scope = manager.activate(inner, True)
        thread = threading.Thread(target=inner_scope.close)
        thread.start()
        thread.join()
        assert inner.finished == 1
        assert manager.active is outer_scope
        inner_scope.close()
        outer_scope.close()
        assert (outer.finished, inner.finished) == (1, 1)
        assert manager.active is None

    run(test)
    assert not caplog.records


@every_runtime
def test_closed_scopes_leave_nothing_behind(make: Any, run: Any) -> None:
    """After closing, in and out of order, no reference is kept, and gc finds no garbage."""

    def test() -> None:
        manager = make()
        gc.collect()
        gc.disable()
        try:
            scopes = [manager.activate(FakeSpan(), True) for _ in range(4)]
            watched = [weakref.ref(scope) for scope in scopes]
            for index in (0, 2, 3, 1):
                scopes[index].close()
            del scopes
            if sys.implementation.name == "pypy":  # which counts no references
                gc.collect()
            assert [ref() for ref in watched] == [None] * 4
        finally:
            gc.enable()

    run(test)


def test_contextvars_hands_the_scope_to_tasks_and_isolates_them() -> None:
    """A task inherits the active scope, and siblings do not see each other's scopes."""
    manager = ContextVarsScopeManager()

    async def child(inherited: Any) -> None:
        assert manager.active is inherited
        with manager.activate(FakeSpan(), True) as own:
            await asyncio.sleep(0)
            assert manager.active is own
        assert manager.active is inherited

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as scope:
            await asyncio.gather(*(child(scope) for _ in range(5)))
            assert manager.active is scope

    asyncio.run(main())


def test_a_background_task_keeps_the_scope_it_inherited() -> None:
    """A task that outlives its parent's scope still has it as the active one, as in 2.4."""
    manager = ContextVarsScopeManager()

    async def background(scope: Any, parent_done: asyncio.Event) -> None:
        await parent_done.wait()
        assert manager.active is scope
        with manager.activate(FakeSpan(), True):
            pass
        assert manager.active is scope

    async def main() -> None:
        parent_done = asyncio.Event()
        with manager.activate(FakeSpan(), True) as scope:
            task = asyncio.ensure_future(background(scope, parent_done))
            await asyncio.sleep(0)
        parent_done.set()
        await task
        assert manager.active is None

    asyncio.run(main())


def test_an_abandoned_async_generator_does_not_stay_active() -> None:
    """If the event loop closes a generator in another context, the outer scope is active again."""
    manager, span = ContextVarsScopeManager(), FakeSpan()

    async def pages() -> AsyncIterator[int]:
        with manager.activate(span, True):
            yield 1
            yield 2

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as scope:
            generator = pages()
            await generator.__anext__()
            context = contextvars.copy_context()
            task = context.run(asyncio.ensure_future, generator.aclose())  # type: ignore[attr-defined]
            await task
            assert span.finished == 1
            assert manager.active is scope

    asyncio.run(main())


def test_a_generator_left_half_way_gives_the_place_back() -> None:
    """Closing a generator that has a scope open restores the consumer's scope."""
    manager, span = ContextVarsScopeManager(), FakeSpan()

    def items() -> Iterator[int]:
        with manager.activate(span, True):
            yield 1
            yield 2

    with manager.activate(FakeSpan(), True) as scope:
        generator = items()
        next(generator)
        generator.close()  # type: ignore[attr-defined]
        assert manager.active is scope
    assert span.finished == 1


def test_a_cancelled_task_finishes_its_span() -> None:
    """Cancellation at an await closes the scope; the span has not failed."""
    manager, span = ContextVarsScopeManager(), FakeSpan()

    async def wait() -> None:
        with manager.activate(span, True):
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert span.finished == 1


def test_no_parent_scope_hides_what_is_active() -> None:
    """Inside the block, no scope of any manager is active; after it, each is again."""
    one, two = ContextVarsScopeManager(), ContextVarsScopeManager()
    with one.activate(FakeSpan(), True) as scope, two.activate(FakeSpan(), True):
        with no_parent_scope():
            assert (one.active, two.active) == (None, None)
            with one.activate(FakeSpan(), True) as inner:
                assert one.active is inner
        assert one.active is scope


def test_no_parent_scope_may_be_left_in_another_context() -> None:
    """Leaving the block in a copied context does not raise."""
    block = no_parent_scope()
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)


def test_asyncio_does_not_inherit_and_uses_the_known_attribute() -> None:
    """A task starts with no active scope; its scope is an attribute with the name of 2.4."""
    manager = AsyncioScopeManager()

    async def child() -> None:
        assert manager.active is None

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as scope:
            await asyncio.gather(child())
            assert getattr(asyncio.current_task(), ACTIVE_ATTR) is scope

    assert ACTIVE_ATTR == "__ot_active"
    asyncio.run(main())


def test_thread_local_scope_is_restored_when_finish_raises() -> None:
    """If `finish` raises, the span does not stay active."""

    class Broken(FakeSpan):
        def finish(self, finish_time: float | None = None) -> None:
            raise RuntimeError("broken")

    manager = ThreadLocalScopeManager()
    with pytest.raises(RuntimeError, match="broken"):
        manager.activate(Broken(), True).close()
    assert manager.active is None


@pytest.mark.parametrize("library", ["gevent", "tornado"])
def test_a_missing_library_is_named_with_its_extra(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a library is missing, importing its manager names the extra to install."""
    module = f"opentracing.scope_managers.{library}"
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=rf"install opentracing\[{library}\]") as caught:
        importlib.import_module(module)
    assert caught.value.name == library
