"""Scopes that are closed in a context, task or thread that they were not opened in."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opentracing import Span, SpanContext
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager


class FakeSpan(Span):
    def __init__(self) -> None:
        super().__init__(None, SpanContext())
        self.finished = 0

    def finish(self, finish_time: float | None = None) -> None:
        self.finished += 1


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Any:
    """Nothing in this file is the application's mistake, so nothing is logged."""
    caplog.set_level(logging.DEBUG, "opentracing.scope")
    yield
    assert [each for each in caplog.records if each.name == "opentracing.scope"] == []


def in_a_copy(action: Any) -> Any:
    return contextvars.copy_context().run(action)


def test_an_active_scope_closed_in_a_copy_gives_way_in_both() -> None:
    """The outer scope becomes active, in the copy and in its own context."""
    manager, span = ContextVarsScopeManager(), FakeSpan()
    with manager.activate(FakeSpan(), True) as outer:
        inner = manager.activate(span, True)

        def close() -> Any:
            inner.close()
            return manager.active

        assert in_a_copy(close) is outer
        assert manager.active is outer
        inner.close()
        assert span.finished == 1
    assert manager.active is None


def test_an_outer_scope_closed_in_a_copy_ends_at_once() -> None:
    """It does not wait for a scope that is open only in the copy, and its own context drops it."""
    manager, span = ContextVarsScopeManager(), FakeSpan()
    outer = manager.activate(span, True)

    def close_outer_first() -> None:
        inner = manager.activate(FakeSpan(), True)
        outer.close()
        assert span.finished == 1
        assert manager.active is inner
        inner.close()
        assert manager.active is None

    in_a_copy(close_outer_first)
    assert manager.active is None


def test_a_scope_closed_in_a_copy_keeps_other_managers_apart() -> None:
    """The other manager's scopes stay active, in the copy and in the original."""
    one, two = ContextVarsScopeManager(), ContextVarsScopeManager()
    first, second = one.activate(FakeSpan(), True), two.activate(FakeSpan(), True)

    def close() -> None:
        first.close()
        assert (one.active, two.active) == (None, second)

    in_a_copy(close)
    assert (one.active, two.active) == (None, second)
    second.close()
    assert (one.active, two.active) == (None, None)


def test_a_task_may_close_the_scope_that_its_parent_opened() -> None:
    """The parent no longer shows it, and closing it again does nothing."""
    manager, span = ContextVarsScopeManager(), FakeSpan()

    async def main() -> None:
        with manager.activate(span, True) as scope:

            async def child() -> None:
                scope.close()
                assert manager.active is None

            await asyncio.ensure_future(child())
            assert manager.active is None
        assert span.finished == 1

    asyncio.run(main())


def test_a_background_task_goes_on_below_a_parent_closed_out_of_order() -> None:
    """The scope that a task inherited stays active, also if its parent closed it late."""
    manager = ContextVarsScopeManager()
    outer, inner = manager.activate(FakeSpan(), True), manager.activate(FakeSpan(), True)
    background = contextvars.copy_context()
    inner.close()
    outer.close()

    def nest() -> None:
        assert manager.active is inner
        with manager.activate(FakeSpan(), True) as own, manager.activate(FakeSpan(), True):
            pass
        assert manager.active is inner
        assert own is not inner

    background.run(nest)
    assert manager.active is None


async def _pages(manager: Any, span: FakeSpan) -> AsyncIterator[int]:
    with manager.activate(span, True):
        yield 1
        yield 2


def test_an_async_generator_dropped_half_way_is_forgotten() -> None:
    """The event loop closes it in another task; the consumer keeps its own active scope."""
    manager, span = ContextVarsScopeManager(), FakeSpan()

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as scope:
            async for _ in _pages(manager, span):
                break
            gc.collect()
            while not span.finished:
                await asyncio.sleep(0)
            assert manager.active is scope
            with manager.activate(FakeSpan(), True):
                pass
            assert manager.active is scope
        assert manager.active is None

    asyncio.run(asyncio.wait_for(main(), 10))
    assert span.finished == 1


def test_an_async_generator_left_at_the_end_of_the_loop_is_closed() -> None:
    """The event loop's shutdown finishes the span."""
    manager, span = ContextVarsScopeManager(), FakeSpan()
    generator = _pages(manager, span)

    async def main() -> None:
        await generator.__anext__()

    asyncio.run(main())
    assert span.finished == 1


def test_async_generators_interleave_in_tasks() -> None:
    """Generators that several tasks consume affect neither each other nor the parent."""
    manager = ContextVarsScopeManager()
    spans = [FakeSpan() for _ in range(5)]

    async def consume(span: FakeSpan, parent: Any) -> None:
        async for _ in _pages(manager, span):
            await asyncio.sleep(0)
            assert manager.active.span is span  # type: ignore[union-attr]
        assert manager.active is parent

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as parent:
            await asyncio.gather(*(consume(span, parent) for span in spans))
            assert manager.active is parent

    asyncio.run(main())
    assert [span.finished for span in spans] == [1] * 5


def test_tasks_cancelled_at_nested_awaits_close_all_their_scopes() -> None:
    """Every span of a cancelled task finishes once, and the canceller keeps its own scope."""
    manager = ContextVarsScopeManager()
    spans = [FakeSpan() for _ in range(3)]

    async def work(waiting: asyncio.Event) -> None:
        with manager.activate(spans[0], True), manager.activate(spans[1], True):
            await asyncio.gather(fetch(waiting))

    async def fetch(waiting: asyncio.Event) -> None:
        with manager.activate(spans[2], True):
            waiting.set()
            await asyncio.Event().wait()

    async def main() -> None:
        waiting = asyncio.Event()
        with manager.activate(FakeSpan(), True) as scope:
            task = asyncio.ensure_future(work(waiting))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert manager.active is scope

    asyncio.run(main())
    assert [span.finished for span in spans] == [1, 1, 1]


@pytest.mark.needs_os
def test_a_callback_on_a_pool_thread_closes_quietly() -> None:
    """A scope passed to a thread pool finishes there, and its own context drops it."""
    manager, span = ContextVarsScopeManager(), FakeSpan()
    with ThreadPoolExecutor(1) as pool:
        scope = manager.activate(span, True)
        pool.submit(scope.close).result()
        other = pool.submit(lambda: manager.active).result()
    assert other is None
    assert span.finished == 1
    assert manager.active is None


@pytest.mark.needs_os
@pytest.mark.threads
def test_threads_nest_independently() -> None:
    """Eight threads that open and close scopes at once each see only their own."""
    manager, barrier = ContextVarsScopeManager(), threading.Barrier(8)
    failures: list[Any] = []

    def work() -> None:
        barrier.wait()
        for _ in range(200):
            with manager.activate(FakeSpan(), True) as outer:
                with manager.activate(FakeSpan(), True) as inner:
                    if manager.active is not inner:
                        failures.append(inner)
                if manager.active is not outer:
                    failures.append(outer)
            if manager.active is not None:
                failures.append(None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_asyncio_scope_closed_in_another_task() -> None:
    """The span finishes without a warning, and the outer scope is active in its own task."""
    manager, span = AsyncioScopeManager(), FakeSpan()

    async def main() -> None:
        with manager.activate(FakeSpan(), True) as outer:
            inner = manager.activate(span, True)

            async def close() -> None:
                inner.close()
                assert manager.active is None

            await asyncio.ensure_future(close())
            assert span.finished == 1
            assert manager.active is outer
        assert manager.active is None

    asyncio.run(main())


def test_asyncio_scope_opened_outside_the_loop_and_closed_in_a_task() -> None:
    """The thread that opened it no longer shows it."""
    manager, span = AsyncioScopeManager(), FakeSpan()
    scope = manager.activate(span, True)

    async def main() -> None:
        assert manager.active is None
        scope.close()

    asyncio.run(main())
    assert span.finished == 1
    assert manager.active is None


def test_asyncio_callbacks_use_the_thread() -> None:
    """In a callback, where no task runs, scopes work, and are not those of a task."""
    manager = AsyncioScopeManager()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def callback() -> None:
            before = manager.active
            with manager.activate(FakeSpan(), True) as scope:
                inside = manager.active is scope
            done.set_result((before, inside, manager.active))

        with manager.activate(FakeSpan(), True):
            loop.call_soon(callback)
            assert await done == (None, True, None)

    asyncio.run(main())


def test_asyncio_never_makes_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a loop, the manager neither looks for one nor makes one."""
    manager = AsyncioScopeManager()
    for name in ("get_event_loop", "new_event_loop"):
        monkeypatch.setattr(asyncio, name, lambda: pytest.fail("an event loop was asked for"))
    with manager.activate(FakeSpan(), True) as scope:
        assert manager.active is scope
    assert manager.active is None
