"""Work that is handed on, to threads and tasks: each call has the span that was active then."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import inspect
import logging
import pickle
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

import opentracing
from opentracing import (
    Format,
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    TracedExecutor,
    Tracer,
    handover,
    wrap,
)
from opentracing.mocktracer import MockTracer
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import B3Propagator, BasicTracer, ConstSampler, InMemoryRecorder

from ..runtimes import (
    THREADS_INHERIT,
    every_runtime,
    gevent_manager,
    needs_gevent,
    needs_tornado,
    tornado_manager,
)
from ..threads import on_threads

TIMEOUT = 30

every_manager = pytest.mark.parametrize(
    "make",
    [
        pytest.param(ThreadLocalScopeManager, id="thread-local"),
        pytest.param(ContextVarsScopeManager, id="contextvars"),
        pytest.param(AsyncioScopeManager, id="asyncio"),
        pytest.param(gevent_manager, id="gevent", marks=needs_gevent),
        pytest.param(tornado_manager, id="tornado", marks=needs_tornado),
    ],
)


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()


@pytest.fixture
def tracer(recorder: InMemoryRecorder) -> Iterator[BasicTracer]:
    with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
        yield tracer  # type: ignore[misc]
        assert tracer.active_span is None


def job(name: str = "job") -> str:
    """A span on the global tracer."""
    with opentracing.global_tracer().start_active_span(name):
        return name


def on_thread(work: Callable[[], Any]) -> Any:
    """Its result on a new thread, which has inherited nothing."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.Context().run, work).result(TIMEOUT)


# Requests and jobs.


def by_submit(pool: Executor, work: Callable[[str], Any], names: list[str]) -> None:
    for each in [pool.submit(work, name) for name in names]:
        each.result(TIMEOUT)


def by_map(pool: Executor, work: Callable[[str], Any], names: list[str]) -> None:
    list(pool.map(work, names))


def traces(recorder: InMemoryRecorder) -> dict[str, list[tuple[str, str | None]]]:
    """The jobs of each request, with the name of the parent of each."""
    spans = recorder.spans
    names = {span.context.span_id: span.operation_name for span in spans}
    requests = {
        span.context.trace_id: span.operation_name
        for span in spans
        if span.operation_name.startswith("request")
    }
    found: dict[str, list[tuple[str, str | None]]] = {name: [] for name in requests.values()}
    for span in sorted(spans, key=lambda span: span.operation_name):
        if span.operation_name.startswith("job"):
            parent = None if span.parent_id is None else names[span.parent_id]
            found[requests[span.context.trace_id]].append((span.operation_name, parent))
    return found


@pytest.mark.needs_os
@pytest.mark.threads
@every_manager
@pytest.mark.parametrize("hand_over", [by_submit, by_map])
@pytest.mark.parametrize("threads", ["empty threads", "threads that keep a request's span"])
def test_forty_requests_on_one_pool(
    make: Callable[[], ScopeManager], hand_over: Any, threads: str
) -> None:
    """Each of ten jobs is in the trace of its own request, whatever the pool's threads keep.

    A thread that inherits the context of the first request keeps its span. Here every thread keeps
    one, on every Python and scope manager.
    """
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, scope_manager=make())
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(40):
        numbers.put(number)
    stale = tracer.start_span("request that has ended")

    def keep() -> None:
        if threads != "empty threads":
            tracer.scope_manager.activate(stale, False)

    def work(name: str) -> None:
        with tracer.start_active_span(name):
            pass

    with TracedExecutor(ThreadPoolExecutor(4, initializer=keep), tracer=tracer) as pool:

        def requests() -> None:
            for _ in range(5):
                number = numbers.get_nowait()
                with tracer.start_active_span(f"request {number}"):
                    hand_over(pool, work, [f"job {number}.{each}" for each in range(10)])

        on_threads(requests, 8)
        kept = pool.executor.submit(lambda: tracer.active_span).result(TIMEOUT)
    if threads != "empty threads":
        assert kept is stale
    elif THREADS_INHERIT and isinstance(tracer.scope_manager, ContextVarsScopeManager):
        assert kept in recorder.spans
    else:
        assert kept is None
    assert traces(recorder) == {
        f"request {number}": [(f"job {number}.{each}", f"request {number}") for each in range(10)]
        for number in range(40)
    }


@pytest.mark.needs_os
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(ContextVarsScopeManager, id="contextvars"),
        pytest.param(AsyncioScopeManager, id="asyncio"),
        pytest.param(tornado_manager, id="tornado", marks=needs_tornado),
    ],
)
def test_tasks_hand_jobs_to_a_pool(make: Callable[[], ScopeManager]) -> None:
    """`loop.run_in_executor` takes a traced executor; a job has the span of its own task."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, scope_manager=make())

    def work(name: str) -> None:
        with tracer.start_active_span(name):
            pass

    async def request(number: int, pool: Executor) -> None:
        loop = asyncio.get_running_loop()
        with tracer.start_active_span(f"request {number}"):
            await asyncio.gather(
                *[loop.run_in_executor(pool, work, f"job {number}.{each}") for each in range(10)]
            )

    async def main() -> None:
        with TracedExecutor(ThreadPoolExecutor(4), tracer=tracer) as pool:
            await asyncio.gather(*[request(number, pool) for number in range(40)])

    asyncio.run(main())
    assert traces(recorder) == {
        f"request {number}": [(f"job {number}.{each}", f"request {number}") for each in range(10)]
        for number in range(40)
    }


# One call.


@every_runtime
@pytest.mark.needs_os
def test_a_call_on_a_thread_has_the_span_of_the_wrap(make: Any, run: Any) -> None:
    """It is active there for every scope manager, and not after the call."""

    def test() -> None:
        tracer = BasicTracer(InMemoryRecorder(), scope_manager=make())
        with tracer.start_active_span("request") as scope:
            bound = wrap(lambda: tracer.active_span, tracer=tracer)
            assert on_thread(lambda: (bound(), tracer.active_span)) == (scope.span, None)
            assert bound() is scope.span
            assert tracer.active_span is scope.span

    run(test)


@every_runtime
@pytest.mark.needs_os
def test_a_call_after_the_request_is_still_its_child(make: Any, run: Any) -> None:
    """The bound span may have finished, and another may be active where the call is made."""

    def test() -> None:
        recorder = InMemoryRecorder()
        tracer = BasicTracer(recorder, scope_manager=make())
        with tracer.start_active_span("first") as scope:
            bound = wrap(lambda: tracer.start_span("job").finish(), tracer=tracer)
        assert scope.span.duration >= 0
        with tracer.start_active_span("second") as second:
            bound()
            on_thread(bound)
            assert tracer.active_span is second.span
        jobs = recorder.find("job")
        assert [each.parent_id for each in jobs] == [scope.span.context.span_id] * 2

    run(test)


@every_runtime
@pytest.mark.needs_os
def test_a_call_wrapped_where_nothing_is_active_has_no_parent(make: Any, run: Any) -> None:
    """The span that is active where the call is made is hidden, and active again afterwards."""

    def test() -> None:
        tracer = BasicTracer(InMemoryRecorder(), scope_manager=make())
        bound = wrap(
            lambda: (tracer.active_span, tracer.start_span("job").parent_id), tracer=tracer
        )

        def call() -> Any:
            with tracer.start_active_span("other") as scope:
                found = bound()
                assert tracer.active_span is scope.span
            assert tracer.active_span is None
            return found

        assert call() == (None, None)
        assert on_thread(call) == (None, None)

    run(test)


def test_a_span_closed_in_another_context_is_still_bound(tracer: BasicTracer) -> None:
    """The copy of the context no longer shows it, so it is activated there."""
    scope = tracer.start_active_span("request")
    bound = wrap(lambda: tracer.active_span)
    contextvars.copy_context().run(scope.close)
    assert bound() is scope.span


def test_a_call_runs_in_a_copy_of_the_context(tracer: BasicTracer) -> None:
    """It has the context variables of the wrap, and its changes reach no other call."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("of the request")

    def change() -> str:
        found = variable.get()
        variable.set("of a call")
        tracer.start_active_span("left open")
        return found

    bound = wrap(change)
    variable.set("later")
    assert [bound(), bound()] == ["of the request"] * 2
    assert variable.get() == "later"


@pytest.mark.needs_os
@pytest.mark.threads
@every_manager
def test_one_wrapped_function_on_eight_threads_at_once(make: Callable[[], ScopeManager]) -> None:
    """All calls see the bound span, and are inside the function together."""
    tracer = BasicTracer(InMemoryRecorder(), scope_manager=make())
    barrier = threading.Barrier(8)
    found = []

    def meet() -> None:
        barrier.wait(TIMEOUT)
        found.append(tracer.active_span)
        barrier.wait(TIMEOUT)

    with tracer.start_active_span("request") as scope:
        on_threads(wrap(meet, tracer=tracer), 8)
    assert found == [scope.span] * 8


def test_arguments_and_results_pass(tracer: BasicTracer) -> None:
    """Also arguments that are called as those of the wrapper might be."""

    def echo(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert wrap(echo)(1, self=2, function=3, tracer=4) == (
        (1,),
        {"self": 2, "function": 3, "tracer": 4},
    )


def test_an_exception_passes_and_is_not_the_request_s(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It reaches the caller; the bound span goes on, and has no error."""

    def fail() -> None:
        raise ValueError("of the job")

    with tracer.start_active_span("request") as scope:
        bound = wrap(fail)
    with pytest.raises(ValueError, match="of the job"):
        bound()
    assert "error" not in scope.span.tags
    assert scope.span.logs == []


def test_the_wrapped_function_looks_like_the_function(tracer: BasicTracer) -> None:
    """Its name, documentation, signature and attributes are the function's."""
    bound = wrap(job)
    assert (bound.__name__, bound.__doc__, bound.__module__) == (
        job.__name__,
        job.__doc__,
        job.__module__,
    )
    assert inspect.signature(bound) == inspect.signature(job)
    assert inspect.unwrap(bound) is job
    assert repr(job) in repr(bound)
    assert wrap(functools.partial(job, "partial"))() == "partial"
    assert wrap("text".upper)() == "TEXT"


def test_a_wrapped_method_is_not_taken_apart(tracer: BasicTracer) -> None:
    """A weak reference to a method would call the bare function; none can be made."""

    class Shop:
        def sell(self) -> str:
            return job()

    wrapped = wrap(Shop().sell)
    assert wrapped() == "job"
    with pytest.raises(TypeError):
        weakref.WeakMethod(wrapped)  # type: ignore[type-var, unused-ignore]


def test_a_bound_function_can_be_bound_again(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The inner binding counts: it is the one that the caller asked for first."""
    with tracer.start_active_span("first") as scope:
        bound = wrap(job)
    with tracer.start_active_span("second"):
        wrap(bound)()
    assert recorder.one("job").parent_id == scope.span.context.span_id


@pytest.mark.parametrize("make", [Tracer, BasicTracer])
@pytest.mark.parametrize("not_callable", [None, 7, "job"])
def test_what_is_not_callable_is_refused(make: Any, not_callable: Any) -> None:
    """A TypeError says so at once, with and without a tracer."""
    with opentracing.use_tracer(make()), pytest.raises(TypeError, match="must be callable"):
        wrap(not_callable)


def test_without_a_tracer_the_function_itself_is_returned() -> None:
    """A library that wraps pays nothing until a tracer is installed."""
    assert wrap(job) is job
    assert wrap(job, tracer=Tracer()) is job


# Coroutines.


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(ContextVarsScopeManager, id="contextvars"),
        pytest.param(AsyncioScopeManager, id="asyncio"),
        pytest.param(ThreadLocalScopeManager, id="thread-local"),
    ],
)
def test_a_coroutine_function_has_the_span_while_it_runs(make: Any) -> None:
    """It stays one, and the span is active after each await, in the task that awaits it."""
    tracer = BasicTracer(InMemoryRecorder(), scope_manager=make())

    async def work(number: int) -> list[Any]:
        """Documented."""
        before = tracer.active_span
        await asyncio.sleep(0)
        return [number, before, tracer.active_span]

    async def main() -> None:
        with tracer.start_active_span("request") as scope:
            bound = wrap(work, tracer=tracer)
        assert inspect.iscoroutinefunction(bound)
        assert bound.__doc__ == work.__doc__
        with tracer.start_active_span("other") as other:
            assert await bound(1) == [1, scope.span, scope.span]
            assert tracer.active_span is other.span
        assert await asyncio.ensure_future(bound(2)) == [2, scope.span, scope.span]
        assert tracer.active_span is None

    asyncio.run(main())


def test_a_coroutine_wrapped_where_nothing_is_active_has_no_parent(tracer: BasicTracer) -> None:
    """The span of the task that awaits it is hidden meanwhile."""

    async def work() -> Span | None:
        await asyncio.sleep(0)
        return tracer.active_span

    bound = wrap(work)

    async def main() -> None:
        with tracer.start_active_span("other") as other:
            assert await bound() is None
            assert tracer.active_span is other.span

    asyncio.run(main())


def test_a_cancelled_coroutine_leaves_nothing_active(tracer: BasicTracer) -> None:
    """The cancellation reaches the coroutine, and the task's own span is active again."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(tracer.active_span)

    async def main() -> None:
        with tracer.start_active_span("request") as scope:
            bound = wrap(work)
        with tracer.start_active_span("other") as other:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(bound(), 0.01)
            assert tracer.active_span is other.span
        assert ended == [scope.span]

    asyncio.run(main())


# Pickles.


def test_a_pickle_has_the_context(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """What is unpickled continues the trace, with its baggage, on the global tracer there."""
    with tracer.start_active_span("request") as scope:
        scope.span.set_baggage_item("tenant", "Café 7")
        pickled = pickle.dumps(wrap(job))
    elsewhere = InMemoryRecorder()
    with opentracing.use_tracer(BasicTracer(elsewhere)) as other:
        with other.start_active_span("of the worker"):
            assert pickle.loads(pickled)("job there") == "job there"
            twice = pickle.loads(pickle.dumps(pickle.loads(pickled)))
            assert twice() == "job"
        assert other.active_span is None
    context = scope.span.context
    for name in ("job there", "job"):
        span = elsewhere.one(name)
        assert (span.context.trace_id, span.parent_id) == (context.trace_id, context.span_id)
        assert span.get_baggage_item("tenant") == "Café 7"
    assert [span.operation_name for span in recorder.spans] == ["request"]


def active_there() -> Any:
    span = opentracing.global_tracer().active_span
    assert span is not None
    span.set_tag("key", "value").log_kv({"event": "late"}).finish()
    return span.get_baggage_item("tenant"), opentracing.global_tracer().active_span is span


def test_the_active_span_of_an_unpickled_call_is_harmless(tracer: BasicTracer) -> None:
    """It has the baggage, takes tags and logs, and keeps none."""
    with tracer.start_active_span("request") as scope:
        scope.span.set_baggage_item("tenant", "7")
        pickled = pickle.dumps(wrap(active_there))
    assert pickle.loads(pickled)() == ("7", True)


@pytest.mark.parametrize("sampled", [True, False])
def test_the_decision_travels(sampled: bool) -> None:
    """The other process records the jobs of a sampled request alone, whatever its sampler says."""
    tracer = BasicTracer(sampler=ConstSampler(sampled))
    with tracer.start_active_span("request"):
        pickled = pickle.dumps(wrap(job, tracer=tracer))
    recorder = InMemoryRecorder()
    with opentracing.use_tracer(BasicTracer(recorder, ConstSampler(not sampled))):
        pickle.loads(pickled)()
    assert len(recorder.spans) == sampled


def test_an_undecided_trace_is_decided_by_the_sampler_there() -> None:
    """It is asked as for any request from another process, with the remote context."""
    asked: list[Any] = []

    class Asked(ConstSampler):
        def sampled_start(self, trace_id: int, operation_name: str, tags: Any, parent: Any) -> bool:
            asked.append((trace_id, operation_name, parent.is_remote, parent.span_id))
            return True

    recorder = InMemoryRecorder()
    formats = {Format.TEXT_MAP: B3Propagator()}
    tracer = BasicTracer(recorder, Asked(True), propagators=formats)
    rebuild, (function, _) = wrap(job, tracer=tracer).__reduce__()  # type: ignore[misc]
    with opentracing.use_tracer(tracer):
        rebuild(function, {"X-B3-TraceId": f"{7:016x}", "X-B3-SpanId": f"{9:016x}"})()
    assert asked == [(7, "job", True, 9)]
    assert recorder.one("job").parent_id == 9


def test_mock_tracers_continue_the_trace() -> None:
    """A `MockTracer` in both processes is enough for a test."""
    tracer = MockTracer()
    with tracer.start_active_span("request") as scope:
        pickled = pickle.dumps(wrap(job, tracer=tracer))
    with opentracing.use_tracer(MockTracer()) as other:
        pickle.loads(pickled)()
    (span,) = other.finished_spans()
    assert span.context.trace_id == scope.span.context.trace_id
    assert span.parent_id == scope.span.context.span_id


@pytest.mark.parametrize("carrier", [None, {}, {"ot-tracer-traceid": "nonsense"}, 7])
def test_a_call_without_a_usable_carrier_has_no_parent(
    carrier: Any, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Not even the span that is active in the other process."""
    rebuild, (function, _) = wrap(job).__reduce__()  # type: ignore[misc]
    with tracer.start_active_span("of the worker"):
        assert rebuild(function, carrier)() == "job"
    assert recorder.one("job").parent_id is None


def test_without_a_tracer_there_an_unpickled_call_runs(tracer: BasicTracer) -> None:
    """A process that has none calls the function alone."""
    with tracer.start_active_span("request"):
        pickled = pickle.dumps(wrap(job))
    with opentracing.use_tracer(Tracer()):
        assert pickle.loads(pickled)("there") == "there"


def test_a_copy_continues_the_trace(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """`copy.copy` gives what a pickle would."""
    with tracer.start_active_span("request") as scope:
        copied = copy.copy(wrap(job))
    copied()
    assert recorder.one("job").parent_id == scope.span.context.span_id


# Executors.


@pytest.mark.needs_os
def test_an_executor_is_one(tracer: BasicTracer) -> None:
    """It is an `Executor`, passes options on, shuts the inner one down, and refuses others."""
    inner = ThreadPoolExecutor(1)
    pool = TracedExecutor(inner)
    assert isinstance(pool, Executor)
    assert pool.executor is inner
    blocked = threading.Event()
    first = pool.submit(blocked.wait, TIMEOUT)
    queued = pool.submit(job)
    pool.shutdown(wait=False, cancel_futures=True)
    blocked.set()
    assert first.result(TIMEOUT)
    assert queued.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(job)
    with pytest.raises(TypeError, match="must be an Executor, not NoneType"):
        TracedExecutor(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be an Executor, not the class ThreadPoolExecutor"):
        TracedExecutor(ThreadPoolExecutor)  # type: ignore[arg-type]


class Options(Executor):
    """Keeps what `map` and `shutdown` get."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def map(self, fn: Any, *iterables: Any, **options: Any) -> Any:
        self.got.append((fn, iterables, options))
        return map(fn, *iterables)

    def shutdown(self, wait: bool = True, **options: Any) -> None:
        self.got.append((wait, options))


def test_map_and_shutdown_pass_all_options_on(tracer: BasicTracer) -> None:
    """Those of later Pythons and of other executors too; the function is wrapped once."""
    inner = Options()
    with TracedExecutor(inner) as pool:
        assert list(pool.map(max, [1, 2], [4, 0], timeout=3, chunksize=5, buffersize=6)) == [4, 2]
        pool.shutdown(False, kill_workers=True)
    (function, iterables, options), *shutdowns = inner.got
    assert inspect.unwrap(function) is max
    assert iterables == ([1, 2], [4, 0])
    assert options == {"timeout": 3, "chunksize": 5, "buffersize": 6}
    assert shutdowns == [(False, {"kill_workers": True}), (True, {})]


@pytest.mark.needs_os
def test_an_executor_asks_for_the_tracer_at_each_call() -> None:
    """One made before a tracer is installed traces from then on."""
    recorder = InMemoryRecorder()
    with TracedExecutor(ThreadPoolExecutor(1)) as pool:
        assert pool.submit(job).result(TIMEOUT) == "job"
        tracer = BasicTracer(recorder)
        with opentracing.use_tracer(tracer), tracer.start_active_span("request"):
            pool.submit(job, "traced job").result(TIMEOUT)
    assert recorder.outline() == "request\n  traced job"


# Tracers that fail, and tracers of others.


class Failing(BasicTracer):
    """A tracer whose named parts raise."""

    failing: set[str] = set()

    def _fail(self, part: str) -> None:
        if part in self.failing:
            raise ZeroDivisionError(part)

    @property
    def active_span(self) -> Span | None:
        self._fail("active_span")
        return super().active_span

    @property
    def scope_manager(self) -> ScopeManager:
        self._fail("scope_manager")
        return super().scope_manager

    def inject(self, *args: Any, **kwargs: Any) -> None:
        self._fail("inject")
        super().inject(*args, **kwargs)

    def extract(self, *args: Any, **kwargs: Any) -> Any:
        self._fail("extract")
        return super().extract(*args, **kwargs)


calls: list[bool] = []


def count(fails: bool) -> str:
    calls.append(fails)
    if fails:
        raise KeyError("of the function")
    return "result"


@pytest.mark.parametrize("part", ["active_span", "scope_manager", "inject", "extract"])
@pytest.mark.parametrize("pickles", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_a_tracer_that_raises_never_stands_in_for_the_function(
    part: str, pickles: bool, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function runs once a call, and its result or its exception reaches the caller."""
    calls.clear()
    monkeypatch.setattr(Failing, "failing", {part})
    with opentracing.use_tracer(Failing(scope_manager=ThreadLocalScopeManager())) as tracer:
        with tracer.start_active_span("request"):
            bound = wrap(count)
        if pickles:
            bound = pickle.loads(pickle.dumps(bound))
        if fails:
            with pytest.raises(KeyError, match="of the function"):
                bound(fails)
        else:
            assert bound(fails) == "result"
    assert calls == [fails]


def test_failures_of_a_tracer_are_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The line has the number of failures since the last, and the exception."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(handover._failures, "_next_time", float("-inf"))
    monkeypatch.setattr(Failing, "failing", {"active_span"})
    tracer = Failing()
    for _ in range(3):
        wrap(job, tracer=tracer)
    now[0] += 61
    wrap(job, tracer=tracer)
    records = [each for each in caplog.records if each.name == "opentracing.handover"]
    assert [each.levelno for each in records] == [logging.ERROR] * 2
    assert ["(3 times" in each.getMessage() for each in records] == [False, True]
    assert records[0].exc_info is not None


class PlainScopeManager(ScopeManager):
    """One thread-local list, as scope managers of others may be."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        self.local.__dict__.setdefault("scopes", []).append(PlainScope(self, span))
        return self.active  # type: ignore[return-value]

    @property
    def active(self) -> Scope | None:
        scopes = self.local.__dict__.get("scopes")
        return scopes[-1] if scopes else None


class PlainScope(Scope):
    def close(self) -> None:
        self.manager.local.scopes.remove(self)  # type: ignore[attr-defined]


class PlainTracer(Tracer):
    """A tracer written for 2.4, which knows nothing but the API."""

    def __init__(self) -> None:
        super().__init__(PlainScopeManager())

    def start_span(self, operation_name: Any = None, **options: Any) -> Span:  # type: ignore[override]
        return Span(self, SpanContext())

    def start_active_span(self, operation_name: str, **options: Any) -> Scope:  # type: ignore[override]
        return self.scope_manager.activate(self.start_span(operation_name), True)

    def inject(self, span_context: Any, format: Any, carrier: Any) -> None:
        assert format == Format.TEXT_MAP
        carrier["trace"] = "1"

    def extract(self, format: Any, carrier: Any) -> SpanContext | None:
        return SpanContext() if carrier == {"trace": "1"} else None


@pytest.mark.needs_os
def test_a_tracer_written_for_2_4_needs_nothing_new() -> None:
    """Its own scope manager activates the bound span, and its carrier travels."""
    with opentracing.use_tracer(PlainTracer()) as tracer:
        with tracer.start_active_span("request") as scope:
            bound = wrap(lambda: tracer.active_span)
            pickled = pickle.dumps(wrap(active_there))
        assert on_thread(bound) is scope.span
        assert on_thread(lambda: tracer.active_span) is None
        assert pickle.loads(pickled)() == (None, True)
        assert tracer.active_span is None
