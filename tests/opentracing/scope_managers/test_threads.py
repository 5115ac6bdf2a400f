"""The trace of work on another thread, whether threads inherit contexts or not."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opentracing import Tracer
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager, no_parent_scope
from opentracing_recorder import BasicTracer, BatchRecorder, InMemoryRecorder

from ...runtimes import THREADS_INHERIT, every_runtime, needs_tornado, tornado_manager

pytestmark = pytest.mark.needs_os

Work = Callable[[], Any]

# Seconds after which a job counts as lost: long, as only a failure waits so long.
TIMEOUT = 30


class Parents:
    """A tracer on a scope manager, and the parent of each of its spans by name."""

    def __init__(self, make: Any) -> None:
        self.recorder = InMemoryRecorder()
        self.manager = make()
        self.tracer = BasicTracer(self.recorder, scope_manager=self.manager)
        self.follows_context = isinstance(self.manager, ContextVarsScopeManager)

    def job(self, name: str) -> Work:
        """A job that has a span of this name."""

        def run() -> None:
            with self.tracer.start_active_span(name):
                pass

        return run

    def requests(self) -> Iterator[int]:
        """Two requests, one after the other, each with an active span."""
        for number in (1, 2):
            with self.tracer.start_active_span(f"request {number}"):
                yield number

    def of_jobs(self) -> list[str | None]:
        """The names of the parents of "job 1" and "job 2"; None for a root."""
        names = {span.context.span_id: span.operation_name for span in self.recorder.spans}
        jobs = [self.recorder.one(f"job {number}") for number in (1, 2)]
        return [None if job.parent_id is None else names[job.parent_id] for job in jobs]


def by_thread(work: Work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def by_subclass(work: Work) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            work()

    worker = Worker()
    worker.start()
    worker.join()


def by_timer(work: Work) -> None:
    timer = threading.Timer(0, work)
    timer.start()
    timer.join()


every_start = pytest.mark.parametrize("start", [by_thread, by_subclass, by_timer])


@every_runtime
@every_start
def test_a_thread_starts_with_nothing_active_unless_it_inherits(
    make: Any, run: Any, start: Callable[[Work], None]
) -> None:
    """If threads inherit contexts, the active span is active in the new thread too."""

    def test() -> None:
        parents = Parents(make)
        for number in parents.requests():
            start(parents.job(f"job {number}"))
        inherits = parents.follows_context and THREADS_INHERIT
        assert parents.of_jobs() == (["request 1", "request 2"] if inherits else [None, None])

    run(test)


@every_runtime
def test_a_thread_that_outlives_its_request(make: Any, run: Any) -> None:
    """In the next request, it still has the finished span that it inherited, or none."""

    def test() -> None:
        parents = Parents(make)
        wake_up = threading.Event()

        def work() -> None:
            assert wake_up.wait(TIMEOUT)
            parents.job("job 2")()

        thread = threading.Thread(target=work)
        for number in parents.requests():
            if number == 1:
                thread.start()
                parents.job("job 1")()
            else:
                wake_up.set()
                thread.join(TIMEOUT)
        inherits = parents.follows_context and THREADS_INHERIT
        assert parents.of_jobs() == ["request 1", "request 1" if inherits else None]

    run(test)


@every_runtime
def test_a_thread_of_the_low_level_module_inherits_nothing(make: Any, run: Any) -> None:
    """``_thread.start_new_thread`` starts without an active span on every Python."""

    def test() -> None:
        parents = Parents(make)
        done: queue.Queue[None] = queue.Queue()
        for number in parents.requests():
            job = parents.job(f"job {number}")
            _thread.start_new_thread(lambda job=job: done.put(job()), ())
            done.get(timeout=TIMEOUT)
        assert parents.of_jobs() == [None, None]

    run(test)


@every_runtime
def test_a_pool_keeps_the_request_that_started_its_thread_where_threads_inherit(
    make: Any, run: Any
) -> None:
    """Then the next request's job is a child of the first request; otherwise both are roots."""

    def test() -> None:
        parents = Parents(make)
        with ThreadPoolExecutor(1) as pool:
            for number in parents.requests():
                pool.submit(parents.job(f"job {number}")).result(TIMEOUT)
        inherits = parents.follows_context and THREADS_INHERIT
        assert parents.of_jobs() == ["request 1" if inherits else None] * 2

    run(test)


@every_runtime
def test_a_copy_of_the_context_hands_each_job_its_own_request(make: Any, run: Any) -> None:
    """Managers that follow the context pass it on every Python; with others, jobs are roots."""

    def test() -> None:
        parents = Parents(make)
        with ThreadPoolExecutor(1) as pool:
            for number in parents.requests():
                copy = contextvars.copy_context()
                pool.submit(copy.run, parents.job(f"job {number}")).result(TIMEOUT)
        expected = ["request 1", "request 2"] if parents.follows_context else [None, None]
        assert parents.of_jobs() == expected

    run(test)


@every_runtime
def test_an_empty_context_gives_a_job_no_parent(make: Any, run: Any) -> None:
    """It is a root on every Python, whatever the pool's thread has inherited."""

    def test() -> None:
        parents = Parents(make)
        with ThreadPoolExecutor(1) as pool:
            for number in parents.requests():
                job = parents.job(f"job {number}")
                pool.submit(contextvars.Context().run, job).result(TIMEOUT)
        assert parents.of_jobs() == [None, None]

    run(test)


@every_runtime
def test_a_job_may_hide_what_its_thread_has_inherited(make: Any, run: Any) -> None:
    """With `no_parent_scope` in the job, it is a root on every Python."""

    def test() -> None:
        parents = Parents(make)

        def alone(job: Work) -> None:
            with no_parent_scope():
                job()

        with ThreadPoolExecutor(1) as pool:
            for number in parents.requests():
                pool.submit(alone, parents.job(f"job {number}")).result(TIMEOUT)
        assert parents.of_jobs() == [None, None]

    run(test)


@every_runtime
def test_a_pool_started_where_nothing_is_active_keeps_nothing(make: Any, run: Any) -> None:
    """If its first job is in `no_parent_scope`, later jobs are roots on every Python."""

    def test() -> None:
        parents = Parents(make)
        with ThreadPoolExecutor(1) as pool:
            for number in parents.requests():
                if number == 1:
                    with no_parent_scope():
                        pool.submit(parents.job("job 1")).result(TIMEOUT)
                else:
                    pool.submit(parents.job("job 2")).result(TIMEOUT)
        assert parents.of_jobs() == [None, None]

    run(test)


def run_in_executor(work: Work) -> Awaitable[Any]:
    return asyncio.get_running_loop().run_in_executor(None, work)


@pytest.mark.parametrize("hand_over", [run_in_executor, asyncio.to_thread])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(ThreadLocalScopeManager, id="thread-local"),
        pytest.param(ContextVarsScopeManager, id="contextvars"),
        pytest.param(AsyncioScopeManager, id="asyncio"),
        pytest.param(tornado_manager, id="tornado", marks=needs_tornado),
    ],
)
def test_what_asyncio_hands_to_a_thread(
    make: Any, hand_over: Callable[[Work], Awaitable[Any]]
) -> None:
    """`asyncio.to_thread` copies the context of each call; `run_in_executor` does not."""
    parents = Parents(make)

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        for number in parents.requests():
            await hand_over(parents.job(f"job {number}"))

    asyncio.run(main())
    expected: list[str | None] = [None, None]
    if parents.follows_context and hand_over is asyncio.to_thread:
        expected = ["request 1", "request 2"]
    elif parents.follows_context and THREADS_INHERIT:
        expected = ["request 1", "request 1"]
    assert parents.of_jobs() == expected


def test_the_worker_of_a_batch_recorder_inherits_nothing() -> None:
    """It starts in an empty context: it keeps no request's span or variables, on every Python."""
    of_request: contextvars.ContextVar[str] = contextvars.ContextVar("of_request")
    seen: list[Any] = []

    class Recorder(BatchRecorder):
        def send(self, spans: Any) -> None:
            seen.append((of_request.get(None), application.active_span))

    application: Tracer = BasicTracer(InMemoryRecorder())

    def request() -> None:
        of_request.set("a user")
        with application.start_active_span("request"):
            tracer.start_span("job").finish()
            assert tracer.flush(TIMEOUT)

    with BasicTracer(Recorder()) as tracer:
        contextvars.copy_context().run(request)
    assert seen == [(None, None)]
