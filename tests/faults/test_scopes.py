"""However a block of code is left, its scopes end: none stays active, is lost, or is kept alive.

The spans are the reference tracer's. Single scopes are tested beside the scope managers.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from opentracing import Scope, ScopeManager, Span
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import BasicTracer, InMemoryRecorder

from ..runtimes import THREADS_INHERIT, every_runtime, needs_tornado, tornado_manager

pytestmark = pytest.mark.long


class Watch:
    """A tracer that records which spans and scopes it made, without references to them."""

    def __init__(self, manager: ScopeManager) -> None:
        self.recorder = InMemoryRecorder()
        self.tracer = BasicTracer(self.recorder, scope_manager=manager)
        self.opened: list[str] = []
        self._made: list[tuple[str, weakref.ref[Any]]] = []

    def open(self, name: str) -> Scope:
        scope = self.tracer.start_active_span(name)
        self.opened.append(name)
        self._made.append((f"scope of {name}", weakref.ref(scope)))
        self._made.append((f"span {name}", weakref.ref(scope.span)))
        return scope

    @property
    def active(self) -> str | None:
        span: Any = self.tracer.active_span
        return None if span is None else span.operation_name

    def parents(self) -> dict[str, str | None]:
        """The name of each recorded span's parent, by the span's name."""
        names = {span.context.span_id: span.operation_name for span in self.recorder.spans}
        return {
            span.operation_name: span.parent_id and names[span.parent_id]
            for span in self.recorder.spans
        }

    def failed(self) -> list[str]:
        return sorted(span.operation_name for span in self.recorder.find(error=True))

    def alive(self) -> list[str]:
        return [name for name, made in self._made if made() is not None]

    def check_all_ended(self) -> None:
        """No scope is active, each span was recorded once, and no reference to any is left."""
        assert self.active is None
        assert sorted(span.operation_name for span in self.recorder.spans) == sorted(self.opened)
        self.recorder.clear()
        gc.collect()
        assert self.alive() == []


def on_another_thread(action: Callable[[], Any]) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


# Orders of closing.


@every_runtime
def test_no_order_of_closing_keeps_anything(make: Any, run: Any) -> None:
    """In each of the 24 orders of four, spans are recorded once, and freed without the gc."""

    def test() -> None:
        watch = Watch(make())
        assert watch.active is None  # objects that the runtime makes at first use are not ours
        gc.collect()
        gc.disable()
        try:
            for order in itertools.permutations(range(4)):
                scopes = [watch.open(f"{order} {index}") for index in range(4)]
                for index in order:
                    scopes[index].close()
                assert watch.active is None, order
                del scopes
            assert sorted(watch.parents()) == sorted(watch.opened)
            watch.recorder.clear()
            if sys.implementation.name != "pypy":  # which counts no references
                assert watch.alive() == []
        finally:
            gc.enable()
        gc.collect()
        assert watch.alive() == []

    run(test)


@pytest.mark.needs_os
@every_runtime
def test_no_order_of_closing_here_and_elsewhere_keeps_anything(make: Any, run: Any) -> None:
    """The same holds whichever of the four scopes are closed on another thread.

    Closing a scope in its own context restores the nearest open one; none is active at the end.
    """

    def test() -> None:
        watch = Watch(make())
        closings = itertools.product(itertools.permutations(range(4)), range(16))
        for order, elsewhere in closings:
            name = f"{order} {elsewhere:04b}"
            scopes = [watch.open(f"{name} {index}") for index in range(4)]
            for index in order:
                if elsewhere >> index & 1:
                    on_another_thread(scopes[index].close)
                else:
                    scopes[index].close()
            assert watch.active is None, name
        del scopes
        watch.check_all_ended()

    run(test)


# Generators.


def items(watch: Watch) -> Iterator[int]:
    with watch.open("outer"):
        yield 1
        with watch.open("inner"):
            yield 2
        yield 3


def close(generator: Any) -> None:
    generator.close()


def throw(generator: Any) -> None:
    with suppress(LookupError):
        generator.throw(LookupError("consumer failed"))


def drop(generator: Any) -> None:
    """Drop the last reference to it, which the caller passes."""


def drop_in_a_cycle(generator: Any) -> None:
    cycle: list[Any] = [generator]
    cycle.append(cycle)


ways_to_leave = pytest.mark.parametrize("leave", [close, throw, drop, drop_in_a_cycle])


@every_runtime
@ways_to_leave
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_generator_left_at_any_yield(make: Any, run: Any, leave: Any, at: int) -> None:
    """Its consumer's span is active again, and the generator's spans are its children."""

    def test() -> None:
        watch = Watch(make())
        with watch.open("consumer"):
            generator = items(watch)
            for _ in range(at):
                next(generator)
            assert watch.active == ("inner" if at == 2 else "outer")
            leave(generator)
            del generator
            gc.collect()
            assert watch.active == "consumer"
        parents = {"consumer": None, "outer": "consumer", "inner": "outer"}
        assert watch.parents() == {name: parents[name] for name in watch.opened}
        assert watch.failed() == (["inner", "outer"][at != 2 :] if leave is throw else [])
        watch.check_all_ended()

    run(test)


@every_runtime
@ways_to_leave
def test_a_generator_left_below_its_consumers_scope(make: Any, run: Any, leave: Any) -> None:
    """A scope that the consumer opened later stays active; closing it ends the generator's too."""

    def test() -> None:
        watch = Watch(make())
        with watch.open("consumer"):
            generator = items(watch)
            next(generator)
            with watch.open("body"):
                leave(generator)
                del generator
                gc.collect()
                assert watch.active == "body"
            assert watch.active == "consumer"
        assert watch.parents() == {"consumer": None, "outer": "consumer", "body": "outer"}
        watch.check_all_ended()

    run(test)


@every_runtime
def test_generators_left_in_another_order(make: Any, run: Any) -> None:
    """Interleaving generators may be left in any order: all their spans end."""

    def item(watch: Watch, name: str) -> Iterator[None]:
        with watch.open(name):
            yield

    def test() -> None:
        watch = Watch(make())
        for order in itertools.permutations(range(4)):
            generators = [item(watch, f"{order} {index}") for index in range(4)]
            for each in generators:
                next(each)
            for index in order:
                close(generators[index])
            assert watch.active is None, order
        del generators, each
        watch.check_all_ended()

    run(test)


# Tasks.

every_asyncio_manager = pytest.mark.parametrize(
    "make",
    [
        pytest.param(ContextVarsScopeManager, id="contextvars"),
        pytest.param(AsyncioScopeManager, id="asyncio"),
        pytest.param(tornado_manager, id="tornado", marks=needs_tornado),
    ],
)


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


async def pages(watch: Watch) -> AsyncIterator[int]:
    with watch.open("outer"):
        yield 1
        with watch.open("inner"):
            try:
                yield 2
            finally:
                await asyncio.sleep(0)  # it cannot be closed in one step
        yield 3


@every_asyncio_manager
@pytest.mark.parametrize("leave", [drop, drop_in_a_cycle])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_async_generator_closed_by_the_garbage_collector(make: Any, leave: Any, at: int) -> None:
    """The code that runs when the loop closes it keeps its active span."""
    watch = Watch(make())

    async def main() -> None:
        with watch.open("consumer"):
            generator = pages(watch)
            for _ in range(at):
                await generator.__anext__()
            leave(generator)
            del generator
            gc.collect()
            for turn in range(5):
                with watch.open(f"turn {turn}"):
                    await asyncio.sleep(0)
                    assert watch.active == f"turn {turn}"
            assert {span.operation_name for span in watch.recorder.spans} >= {"outer"}
            assert watch.active == "consumer"

    run_loop(main)
    assert watch.failed() == []
    watch.check_all_ended()


@every_asyncio_manager
def test_async_generators_left_when_the_loop_ends(make: Any) -> None:
    """The loop's shutdown closes each generator that is still referenced."""
    watch = Watch(make())
    kept: list[Any] = []

    async def main() -> None:
        for at in (1, 2, 3):
            kept.append(pages(watch))
            for _ in range(at):
                await kept[-1].__anext__()

    run_loop(main)
    kept.clear()
    watch.check_all_ended()


def test_an_async_generator_that_no_loop_knows() -> None:
    """Without a loop to close it, the garbage collector ends its scope."""
    watch = Watch(ContextVarsScopeManager())

    async def page() -> AsyncIterator[int]:
        with watch.open("page"):
            yield 1

    def drive() -> None:
        with watch.open("consumer"):
            generator: Any = page()
            with pytest.raises(StopIteration):
                generator.__anext__().send(None)
            assert watch.active == "page"
            del generator
            gc.collect()
            assert watch.active == "consumer"

    contextvars.copy_context().run(drive)
    watch.check_all_ended()


class Cancelling:
    """Counts awaits, and cancels the task at the chosen one."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.made = 0

    async def wait(self) -> None:
        self.made += 1
        if self.made == self.at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(0)


class Connection:
    def __init__(self, watch: Watch, awaits: Cancelling) -> None:
        self.watch, self.awaits = watch, awaits

    async def __aenter__(self) -> None:
        await self.awaits.wait()
        self.scope = self.watch.open("connection")
        try:
            await self.awaits.wait()
        except BaseException:
            self.scope.close()
            raise

    async def __aexit__(self, *args: object) -> None:
        try:
            await self.awaits.wait()
        finally:
            self.scope.close()


async def handle(watch: Watch, awaits: Cancelling) -> None:
    """A request with every kind of await: plain, in handlers, blocks, loops, generators, tasks."""

    async def rows() -> AsyncIterator[int]:
        with watch.open("rows"):
            for number in range(2):
                await awaits.wait()
                yield number
            await awaits.wait()

    async def fetch(name: str) -> None:
        with watch.open(name):
            await awaits.wait()

    await awaits.wait()
    with watch.open("request"):
        await awaits.wait()
        async with Connection(watch, awaits):
            await awaits.wait()
            with watch.open("query"):
                try:
                    await awaits.wait()
                    raise LookupError
                except LookupError:
                    await awaits.wait()
                finally:
                    await awaits.wait()
            async for _ in rows():
                await awaits.wait()
        await asyncio.gather(fetch("left"), fetch("right"))
        await asyncio.shield(fetch("shielded"))
        await asyncio.wait_for(fetch("limited"), 30)
        await awaits.wait()
    await awaits.wait()


AWAITS = 20


def test_every_await_is_tried() -> None:
    """The request has as many awaits as the next test cancels."""
    watch, awaits = Watch(ContextVarsScopeManager()), Cancelling(0)
    run_loop(lambda: handle(watch, awaits))
    assert awaits.made == AWAITS
    watch.check_all_ended()


@every_asyncio_manager
@pytest.mark.parametrize("at", range(1, AWAITS + 1))
def test_a_task_cancelled_at_an_await(make: Any, at: int) -> None:
    """All its spans end without an error, and its parent's span stays active in the parent."""
    watch, awaits = Watch(make()), Cancelling(at)

    async def main() -> None:
        with watch.open("main"):
            task = asyncio.ensure_future(handle(watch, awaits))
            with suppress(asyncio.CancelledError):
                await task
            assert watch.active == "main"
            del task
            gc.collect()  # an abandoned async generator is closed
            for _ in range(5):
                await asyncio.sleep(0)

    run_loop(main)
    assert awaits.made >= at
    assert watch.failed() == []
    watch.check_all_ended()


Together = Callable[[list[Coroutine[Any, Any, None]]], Awaitable[None]]


async def gather(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*coroutines)


async def gather_all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    for result in await asyncio.gather(*coroutines, return_exceptions=True):
        if result is not None:
            raise result


async def task_group(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
        for each in coroutines:
            group.create_task(each)


together = pytest.mark.parametrize(
    "together",
    [
        gather,
        gather_all,
        pytest.param(
            task_group,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="task groups came with Python 3.11"
            ),
        ),
    ],
)


@every_asyncio_manager
@together
def test_tasks_together(make: Any, together: Together) -> None:
    """Each has its own active span while they interleave, and their parent keeps its own."""
    watch = Watch(make())

    async def child(name: str, parent: Span) -> None:
        with watch.tracer.scope_manager.activate(parent, False), watch.open(name):
            for turn in range(3):
                with watch.open(f"{name} {turn}"):
                    await asyncio.sleep(0)
                    assert watch.active == f"{name} {turn}"
                assert watch.active == name

    async def main() -> None:
        with watch.open("main") as scope:
            await together([child(name, scope.span) for name in "abc"])
            assert watch.active == "main"

    run_loop(main)
    turns = {f"{name} {turn}": name for name in "abc" for turn in range(3)}
    assert watch.parents() == {"main": None, **dict.fromkeys("abc", "main"), **turns}
    watch.check_all_ended()


@every_asyncio_manager
@together
@pytest.mark.parametrize("failing", range(3))
def test_one_of_tasks_together_fails(make: Any, together: Together, failing: int) -> None:
    """Only its span has an error; the others end, cancelled or not, and no scope stays active."""
    watch = Watch(make())

    async def child(number: int) -> None:
        with watch.open(f"child {number}"):
            await asyncio.sleep(0)
            if number == failing:
                raise LookupError("sold out")
            with watch.open(f"rest {number}"):
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    async def main() -> None:
        with watch.open("main"):
            try:
                await together([child(number) for number in range(3)])
            except Exception as error:
                members = getattr(error, "exceptions", [error])
                assert [str(each) for each in members] == ["sold out"]
                del members
            assert watch.active == "main"
            for _ in range(5):  # after `gather`, the other tasks run on
                await asyncio.sleep(0)

    run_loop(main)
    assert watch.failed() == [f"child {failing}"]
    watch.check_all_ended()


@every_asyncio_manager
@together
def test_tasks_together_are_cancelled(make: Any, together: Together) -> None:
    """The waiting task passes the cancellation on: all spans end without an error."""
    watch = Watch(make())
    started: list[str] = []

    async def child(name: str) -> None:
        with watch.open(name), watch.open(f"inner {name}"):
            started.append(name)
            await asyncio.Event().wait()

    async def parent() -> None:
        with watch.open("parent"):
            await together([child(name) for name in "abc"])

    async def main() -> None:
        with watch.open("main"):
            task = asyncio.ensure_future(parent())
            while len(started) < 3:
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert watch.active == "main"

    run_loop(main)
    assert watch.failed() == []
    watch.check_all_ended()


# Threads in executors.

Submit = Callable[[ThreadPoolExecutor, Callable[[], Any]], Awaitable[Any]]


def run_in_executor(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Awaitable[Any]:
    return asyncio.get_running_loop().run_in_executor(pool, work)


def to_thread(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Awaitable[Any]:
    asyncio.get_running_loop().set_default_executor(pool)
    return asyncio.to_thread(work)


def submit_in_a_copy(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Awaitable[Any]:
    return asyncio.wrap_future(pool.submit(contextvars.copy_context().run, work))


every_submit = pytest.mark.parametrize("submit", [run_in_executor, to_thread, submit_in_a_copy])
every_thread_manager = pytest.mark.parametrize(
    ("make", "inherits"),
    [
        pytest.param(ThreadLocalScopeManager, False, id="thread-local"),
        pytest.param(ContextVarsScopeManager, True, id="contextvars"),
        pytest.param(AsyncioScopeManager, False, id="asyncio"),
        pytest.param(tornado_manager, True, id="tornado", marks=needs_tornado),
    ],
)


@pytest.mark.needs_os
@every_submit
@every_thread_manager
def test_work_in_an_executor(make: Any, inherits: bool, submit: Submit) -> None:
    """It inherits the active span if its context is copied; an error is on its own span."""
    watch = Watch(make())
    threads_inherit = inherits and THREADS_INHERIT
    inherits = threads_inherit or (inherits and submit is not run_in_executor)
    meet = threading.Barrier(4)

    def work(number: int) -> None:
        assert watch.active == ("main" if inherits else None)
        with watch.open(f"work {number}"), watch.open(f"inner {number}"):
            meet.wait(30)
            assert watch.active == f"inner {number}"
            if number == 2:
                raise LookupError("sold out")

    async def main() -> None:
        with ThreadPoolExecutor(4) as pool, watch.open("main"):
            jobs = [submit(pool, lambda number=number: work(number)) for number in range(4)]
            errors = await asyncio.gather(*jobs, return_exceptions=True)
            assert [str(each) for each in errors if each is not None] == ["sold out"]
            del errors, jobs
            assert watch.active == "main"
            # The threads keep nothing of the work, neither active nor alive, but only the context
            # that they were started with.
            leftovers = [asyncio.wrap_future(pool.submit(lambda: watch.active)) for _ in range(8)]
            assert await asyncio.gather(*leftovers) == ["main" if threads_inherit else None] * 8

    run_loop(main)
    parents = {f"work {number}": "main" if inherits else None for number in range(4)}
    assert watch.parents() == {
        "main": None,
        **parents,
        **{f"inner {number}": f"work {number}" for number in range(4)},
    }
    assert watch.failed() == ["inner 2", "work 2"]
    watch.check_all_ended()


@pytest.mark.needs_os
@every_submit
@every_thread_manager
def test_a_scope_opened_before_an_executor_and_closed_in_it(
    make: Any, inherits: bool, submit: Submit
) -> None:
    """It ends there, and in the task that opened it the outer scope is active again."""
    watch = Watch(make())

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool, watch.open("main"):
            for _ in range(3):
                scope = watch.open("handed over")
                await submit(pool, scope.close)
                assert watch.active == "main"
                scope.close()
                assert watch.active == "main"

    run_loop(main)
    assert len(watch.recorder.find("handed over")) == 3
    watch.check_all_ended()


@pytest.mark.needs_os
@every_submit
@every_thread_manager
def test_a_task_cancelled_while_an_executor_works(
    make: Any, inherits: bool, submit: Submit
) -> None:
    """The thread's span ends when its work does; the task's ends at once."""
    watch = Watch(make())
    started, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with watch.open("work"):
            started.set()
            assert may_end.wait(30)
            assert watch.active == "work"

    async def handle(pool: ThreadPoolExecutor) -> None:
        with watch.open("handle"):
            await submit(pool, work)

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool, watch.open("main"):
            task = asyncio.ensure_future(handle(pool))
            while not started.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert [span.operation_name for span in watch.recorder.spans] == ["handle"]
            assert watch.active == "main"
            may_end.set()

    run_loop(main)
    assert watch.failed() == []
    watch.check_all_ended()
