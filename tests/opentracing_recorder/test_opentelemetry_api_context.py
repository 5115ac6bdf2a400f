"""The current span and baggage of OpenTelemetry's API and of OpenTracing's, which are one."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.context", reason="opentelemetry-api is not installed")

from opentelemetry import baggage, context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from opentracing import Format, traced
from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
from opentracing.scope_managers.nesting import ELSEWHERE
from opentracing_recorder import (
    B3Propagator,
    BasicTracer,
    InMemoryRecorder,
    TraceContextPropagator,
)
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

HEADERS = Format.HTTP_HEADERS
REMOTE = SpanContext(7, 9, True, TraceFlags(1), TraceState([("vendor", "x")]))


class Both:
    """A tracer with both APIs."""

    def __init__(self, **options: Any) -> None:
        self.recorder = InMemoryRecorder()
        options.setdefault("propagators", {HEADERS: TraceContextPropagator()})
        self.ours = BasicTracer(
            self.recorder,
            scope_manager=OpenTelemetryScopeManager(),
            trace_id_bits=128,
            **options,
        )
        self.theirs = BasicTracerProvider(self.ours).get_tracer("lib")

    def active(self) -> str | None:
        """The name of the active span, about which both APIs agree."""
        current: Any = trace.get_current_span()
        span: Any = self.ours.active_span
        scope = self.ours.scope_manager.active
        after: Any = trace.get_current_span()
        assert (scope is None) == (span is None)
        assert current == after
        if span is None:
            assert after is trace.INVALID_SPAN
            return None
        shown = after.get_span_context().span_id
        assert shown == (span.context.span_id or 0)  # 0: there is baggage, and no span yet
        return str(span.operation_name)


@pytest.fixture(autouse=True)
def _empty_context() -> Iterator[None]:
    token = context.attach(context.Context())
    yield
    context.detach(token)


@pytest.fixture
def both() -> Both:
    return Both()


class TestOpenTelemetryScopeManager(ScopeCompatibilityCheckMixin):
    """It keeps the contract of a scope manager, and the checks beyond it."""

    def scope_manager(self) -> OpenTelemetryScopeManager:
        return OpenTelemetryScopeManager()

    def run_test(self, test_fn: Callable[[], Any]) -> None:
        contextvars.Context().run(test_fn)

    def check_errors(self) -> bool:
        return True

    check_repeated_close = check_deferred_close = check_close_elsewhere = check_errors


# Where a span is active.


def test_each_api_nests_in_the_other(both: Both) -> None:
    """Each way to make a span current is seen by both APIs, and undone for both."""
    opened: list[Callable[[str], Any]] = [
        lambda name: both.ours.start_active_span(name),
        lambda name: both.theirs.start_as_current_span(name),
        lambda name: trace.use_span(both.theirs.start_span(name), end_on_exit=True),
        lambda name: both.ours.scope_manager.activate(both.ours.start_span(name), True),
    ]
    for first in opened:
        for second in opened:
            with first("outer"):
                assert both.active() == "outer"
                with second("inner"):
                    assert both.active() == "inner"
                assert both.active() == "outer"
            assert both.active() is None
    assert both.recorder.outline() == "\n".join(["outer\n  inner"] * len(opened) ** 2)


def test_an_attached_span_is_active_until_it_is_detached(both: Both) -> None:
    """`attach` and `detach` change what OpenTracing's API sees."""
    with both.ours.start_active_span("outer"):
        span = both.theirs.start_span("attached")
        token = context.attach(trace.set_span_in_context(span))
        assert both.active() == "attached"
        both.ours.start_span("child").finish()
        context.detach(token)
        assert both.active() == "outer"
        span.end()
    assert both.recorder.outline() == "outer\n  attached\n    child"


def test_a_context_can_be_attached_after_its_scope(both: Both) -> None:
    """A span whose context was kept is the parent of what starts where it is attached."""
    with both.theirs.start_as_current_span("request"):
        kept = context.get_current()
    assert both.active() is None
    token = context.attach(kept)
    assert both.active() == "request"
    both.ours.start_span("a").finish()
    both.theirs.start_span("b").end()
    context.detach(token)
    assert both.active() is None
    assert both.recorder.outline() == "request\n  a\n  b"


def test_detaching_in_the_wrong_order_restores_what_the_token_says(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry's tokens put back what was current when they were made, for both APIs."""
    one, two = both.theirs.start_span("one"), both.theirs.start_span("two")
    first = context.attach(trace.set_span_in_context(one))
    second = context.attach(trace.set_span_in_context(two))
    context.detach(first)
    assert both.active() is None
    context.detach(second)
    assert both.active() == "one"
    one.end()
    two.end()


def test_a_token_of_another_context_changes_nothing(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    """`detach` in a copy of the context is logged by OpenTelemetry, and the active span stays."""
    with both.ours.start_active_span("outer"):
        token = context.attach(context.get_current())
        contextvars.copy_context().run(context.detach, token)
        assert both.active() == "outer"
        context.detach(token)
    assert both.active() is None
    assert [record.name for record in caplog.records] == ["opentelemetry.context"]


def test_threads_begin_without_a_span(both: Both) -> None:
    """A thread sees the span of another only where its context is handed over."""
    with both.theirs.start_as_current_span("request"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(contextvars.Context().run, both.active).result(10) is None
        assert pool.submit(contextvars.copy_context().run, both.active).result(10) == "request"

        def attached(held: context.Context) -> str | None:
            token = context.attach(held)
            try:
                with both.ours.start_active_span("in a thread"):
                    return both.active()
            finally:
                context.detach(token)

        assert pool.submit(attached, context.get_current()).result(10) == "in a thread"
        assert pool.submit(contextvars.Context().run, both.active).result(10) is None
    assert both.recorder.outline() == "request\n  in a thread"


@pytest.mark.threads
def test_threads_do_not_disturb_each_other(both: Both) -> None:
    """Each thread keeps its own active span, whichever API opens it."""
    together = threading.Barrier(4)

    def work(name: str) -> None:
        together.wait(10)
        for _ in range(50):
            with both.ours.start_active_span(name), both.theirs.start_as_current_span(name + "'"):
                assert both.active() == name + "'"
            assert both.active() is None

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(contextvars.Context().run, work, name) for name in "abcd"]
        for job in jobs:
            job.result(30)
    assert len(both.recorder.spans) == 400


def test_tasks_inherit_and_keep_their_own(both: Both) -> None:
    """A task starts with the active span of its maker, and does not change it for others."""
    after_close: list[str | None] = []

    async def task(name: str, go: asyncio.Event, theirs: bool) -> None:
        assert both.active() == "request"
        opened: Any = both.theirs.start_as_current_span if theirs else both.ours.start_active_span
        with opened(name):
            await go.wait()
            assert both.active() == name
        after_close.append(both.active())

    async def main() -> None:
        go = asyncio.Event()
        with both.theirs.start_as_current_span("request"):
            tasks = [asyncio.ensure_future(task(name, go, name < "c")) for name in "abcd"]
            await asyncio.sleep(0)
            assert both.active() == "request"
        assert both.active() is None
        go.set()
        await asyncio.gather(*tasks)
        assert both.active() is None

    asyncio.run(main())
    assert after_close == ["request"] * 4  # inherited: its scope closed in the maker's context
    assert both.recorder.outline() == "request\n  a\n  b\n  c\n  d"


def test_executors_get_the_context_of_to_thread(both: Both) -> None:
    """`asyncio.to_thread` hands the active span of both APIs over."""

    async def main() -> str | None:
        with both.ours.start_active_span("request"):
            return await asyncio.to_thread(both.active)

    assert asyncio.run(main()) == "request"


def test_an_async_generator_that_is_closed_in_another_task_leaves_nothing(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    """A scope that is left in another task's context ends its span, and raises nothing."""

    async def items() -> Any:
        with both.theirs.start_as_current_span("stream"):
            yield both.active()

    async def main() -> None:
        generator = items()
        assert await asyncio.ensure_future(generator.__anext__()) == "stream"
        assert both.active() is None
        await asyncio.ensure_future(generator.aclose())
        assert both.active() is None

    asyncio.run(main())
    assert [span.operation_name for span in both.recorder.spans] == ["stream"]


def test_greenlets_of_gevent_begin_without_a_span(both: Both) -> None:
    """A greenlet has a context of its own; `contextvars.copy_context` hands the span over."""
    gevent = pytest.importorskip("gevent", reason="gevent is not installed")

    def work(name: str) -> Any:
        with both.ours.start_active_span(name), both.theirs.start_as_current_span(name + "'"):
            gevent.sleep(0)
            return both.active()

    def main() -> None:
        with both.theirs.start_as_current_span("request"):
            assert gevent.spawn(contextvars.Context().run, both.active).get(timeout=10) is None
            copied = contextvars.copy_context()
            assert gevent.spawn(copied.run, both.active).get(timeout=10) == "request"
            greenlets = [gevent.spawn(work, name) for name in "ab"]
            assert [each.get(timeout=10) for each in greenlets] == ["a'", "b'"]
            assert both.active() == "request"

    gevent.spawn(main).get(timeout=20)
    assert len(both.recorder.spans) == 5


# Scopes that are closed where or when they should not be.


def opened_by(both: Both, api: str, name: str) -> Callable[[], Any]:
    """Open a scope; the result closes it."""
    if api == "ours":
        return both.ours.start_active_span(name).close
    scope = both.theirs.start_as_current_span(name)
    scope.__enter__()
    return lambda: scope.__exit__(None, None, None)


APIS = pytest.mark.parametrize("api", ["ours", "theirs"])
OTHERS = pytest.mark.parametrize("other", ["ours", "theirs"])


@APIS
@OTHERS
def test_scopes_closed_out_of_order(
    both: Both, api: str, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An outer scope waits for the inner one, and then nothing is active."""
    with both.ours.start_active_span("outermost"):
        outer = opened_by(both, api, "outer")
        inner = opened_by(both, other, "inner")
        outer()
        assert (both.active(), len(both.recorder.spans)) == ("inner", 0)
        inner()
        assert both.active() == "outermost"
    assert both.active() is None
    assert both.recorder.outline() == "outermost\n  outer\n    inner"


@APIS
@OTHERS
def test_a_scope_closed_twice_changes_nothing(both: Both, api: str, other: str) -> None:
    """The second close of a scope leaves the active span as it is."""
    close = opened_by(both, api, "once")
    close()
    with both.theirs.start_as_current_span("next"):
        inner = opened_by(both, other, "inner")
        close()
        assert both.active() == "inner"
        inner()
        close()
        assert both.active() == "next"
    assert len(both.recorder.spans) == 3


def taken_over(copied: contextvars.Context) -> None:
    """Copy the variables of a context back, as asgiref does after a synchronous call."""
    for variable in copied:
        try:
            if variable.get() != copied.get(variable):
                variable.set(copied[variable])
        except LookupError:
            variable.set(copied[variable])


def run_as_asgiref(function: Callable[[], Any]) -> Any:
    copied = contextvars.copy_context()
    result = copied.run(function)
    taken_over(copied)
    return result


@APIS
def test_a_scope_entered_in_one_call_of_asgiref_and_left_in_the_next(both: Both, api: str) -> None:
    """The span is active between both calls, and no longer after them."""
    with both.ours.start_active_span("outer"):
        close = run_as_asgiref(lambda: opened_by(both, api, "middleware"))
        assert both.active() == "middleware"
        both.theirs.start_span("view").end()
        run_as_asgiref(close)
        assert trace.get_current_span().name == "outer"  # type: ignore[attr-defined]
        assert both.active() == "outer"
        both.theirs.start_span("next").end()
    assert both.active() is None
    assert both.recorder.outline() == "outer\n  middleware\n    view\n  next"


@APIS
def test_a_value_that_was_set_within_does_not_keep_an_ended_span(both: Both, api: str) -> None:
    """A context that was derived within a scope forgets its span as the scope's own does."""
    close = run_as_asgiref(lambda: opened_by(both, api, "middleware"))
    token = context.attach(context.set_value("other", 1))
    assert both.active() == "middleware"
    run_as_asgiref(close)
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert both.active() is None
    both.theirs.start_span("next").end()
    assert [span.parent_id for span in both.recorder.spans] == [None, None]
    del token


@APIS
def test_a_context_derived_within_a_scope_shows_its_span_to_both(both: Both, api: str) -> None:
    """A context that an application has attached stays attached: both APIs show the same span."""
    elsewhere = contextvars.Context()
    close = elsewhere.run(opened_by, both, api, "x")
    token = elsewhere.run(lambda: context.attach(baggage.set_baggage("a", "1")))
    close()
    assert elsewhere.run(both.active) == "x"
    elsewhere.run(context.detach, token)
    assert elsewhere.run(both.active) is None


@APIS
@OTHERS
def test_scopes_left_in_another_context_inside_out(
    both: Both, api: str, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two scopes that are left in one copy of their context end, and neither is active."""
    outer = opened_by(both, api, "outer")
    inner = opened_by(both, other, "inner")
    copied = contextvars.copy_context()
    copied.run(outer)
    copied.run(inner)
    assert both.active() is None
    assert copied.run(both.active) is None
    assert {span.operation_name for span in both.recorder.spans} == {"outer", "inner"}


@APIS
def test_a_scope_left_in_a_thread_ends_its_span(
    both: Both, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The span is recorded once, and is active nowhere."""
    close = opened_by(both, api, "x")
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert both.active() is None
    assert len(both.recorder.spans) == 1


class ClosedMeanwhile:
    """A scope that was left elsewhere, which another thread closes after it was first read."""

    _state = ELSEWHERE

    def __init__(self) -> None:
        self._contexts = [context.Context()]

    @property
    def _outside(self) -> context.Context | None:
        return self._contexts.pop() if self._contexts else None


@pytest.mark.parametrize(
    "read",
    [
        lambda both: trace.get_current_span(),
        lambda both: both.theirs.start_span("y"),
        lambda both: both.ours.start_active_span("y") and trace.get_current_span(),
    ],
)
def test_a_scope_may_close_while_it_is_read(both: Both, read: Callable[[Both], Any]) -> None:
    """Nothing raises, and its span is no parent."""
    shown: Any = both.theirs.start_as_current_span("x").__enter__()
    shown._scope = ClosedMeanwhile()
    found = read(both)
    assert getattr(found, "parent", None) is None


# Spans of other processes, and of none.


def test_a_span_of_another_process_is_the_parent(both: Both) -> None:
    """What starts under it has its trace, its decision and its trace state, in both APIs."""
    with trace.use_span(NonRecordingSpan(REMOTE)):
        both.ours.start_span("ours").finish()
        theirs = both.theirs.start_span("theirs")
        theirs.end()
        active: Any = both.ours.active_span
        assert (active.context.trace_id, active.context.span_id) == (7, 9)
    for span in both.recorder.spans:
        assert (span.context.trace_id, span.parent_id) == (7, 9)
        headers: dict[str, str] = {}
        both.ours.inject(span.context, HEADERS, headers)
        assert headers["tracestate"] == "vendor=x"
    assert theirs.get_span_context().trace_state.get("vendor") == "x"


def test_an_explicit_parent_or_none_goes_before_the_current_span(both: Both) -> None:
    """`child_of` and `ignore_active_span` of OpenTracing's API keep their meaning."""
    with trace.use_span(NonRecordingSpan(REMOTE)):
        root = both.ours.start_span("root", ignore_active_span=True)
        child = both.ours.start_span("child", child_of=root)
        assert (root.parent_id, child.parent_id) == (None, root.context.span_id)
        child.finish()
        root.finish()


def test_a_span_of_another_process_as_child_of(both: Both) -> None:
    """What OpenTelemetry's propagators extract serves OpenTracing's API once it is attached."""
    carrier = {"traceparent": f"00-{7:032x}-{9:016x}-01", "tracestate": "vendor=x,other=y"}
    token = context.attach(propagate.extract(carrier))
    span = both.ours.start_span("x")
    context.detach(token)
    span.finish()
    injected: dict[str, str] = {}
    both.ours.inject(span.context, HEADERS, injected)
    assert injected["traceparent"] == f"00-{7:032x}-{span.context.span_id:016x}-01"
    assert injected["tracestate"] == "vendor=x,other=y"


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
def test_flags_travel_through_both(both: Both, flags: str) -> None:
    """The sampled flag and the flag of a random trace id are handed on by either API."""
    carrier = {"traceparent": f"00-{7:032x}-{9:016x}-{flags}"}
    with trace.use_span(trace.get_current_span(propagate.extract(carrier))):
        with both.theirs.start_as_current_span("theirs"):
            one: dict[str, str] = {}
            propagate.inject(one)
        with both.ours.start_active_span("ours") as scope:
            two: dict[str, str] = {}
            propagate.inject(two)
            three: dict[str, str] = {}
            both.ours.inject(scope.span.context, HEADERS, three)
    assert [each["traceparent"][-2:] for each in (one, two, three)] == [flags] * 3


def test_ids_of_64_bits_are_padded(both: Both) -> None:
    """OpenTelemetry's propagator writes a short trace id with leading zeros."""
    short = BasicTracer(scope_manager=OpenTelemetryScopeManager())
    with short.start_active_span("x") as scope:
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        trace_id = scope.span.context.trace_id  # type: ignore[attr-defined]
    assert carrier["traceparent"][3:35] == f"{trace_id:032x}"
    assert carrier["traceparent"][3:19] == "0" * 16


def test_a_context_of_b3_goes_out_as_opentelemetrys(both: Both) -> None:
    """What a propagator of ours extracts is injected by OpenTelemetry's."""
    tracer = BasicTracer(
        propagators={HEADERS: B3Propagator()}, scope_manager=OpenTelemetryScopeManager()
    )
    extracted = tracer.extract(HEADERS, {"b3": f"{7:032x}-{9:016x}-0"})
    with tracer.start_active_span("x", child_of=extracted):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
    assert carrier["traceparent"].startswith(f"00-{7:032x}-")
    assert int(carrier["traceparent"][-2:], 16) & 1 == 0


# Baggage.


@APIS
def test_baggage_of_either_api_is_read_by_both(both: Both, api: str) -> None:
    """An item that one API sets is in the other, in children, and in both propagators' headers."""
    with both.theirs.start_as_current_span("x"):
        if api == "ours":
            both.ours.active_span.set_baggage_item("user", "amy")  # type: ignore[union-attr]
        else:
            context.attach(baggage.set_baggage("user", "amy"))
        assert baggage.get_baggage("user") == "amy"
        assert both.ours.active_span.get_baggage_item("user") == "amy"  # type: ignore[union-attr]
        with both.ours.start_active_span("a") as a, both.theirs.start_as_current_span("b") as b:
            assert a.span.get_baggage_item("user") == "amy"
            assert b.basic_span.get_baggage_item("user") == "amy"  # type: ignore[attr-defined]
            assert baggage.get_all() == {"user": "amy"}
            ours: dict[str, str] = {}
            active: Any = both.ours.active_span
            both.ours.inject(active, HEADERS, ours)
            theirs: dict[str, str] = {}
            W3CBaggagePropagator().inject(theirs)
        assert ours["baggage"] == theirs["baggage"] == "user=amy"


def test_baggage_of_opentelemetry_without_a_span(both: Both) -> None:
    """Baggage that is attached before the first span is in that span, of either API."""
    token = context.attach(baggage.set_baggage("user", "amy"))
    ours = both.ours.start_span("ours")
    theirs: Any = both.theirs.start_span("theirs")
    context.detach(token)
    assert ours.get_baggage_item("user") == "amy"
    assert theirs.basic_span.get_baggage_item("user") == "amy"
    assert ours.parent_id is theirs.parent is None
    assert both.ours.start_span("later").get_baggage_item("user") is None


def test_the_active_span_is_the_baggage_where_there_is_no_other(both: Both) -> None:
    """Without a span, baggage alone is an active span that has no trace and keeps nothing else."""
    token = context.attach(baggage.set_baggage("user", "amy"))
    active: Any = both.ours.active_span
    active.set_tag("a", 1).log_kv({"event": "e"}).finish()
    headers: dict[str, str] = {}
    both.ours.inject(active, HEADERS, headers)
    assert (headers, active.tags, active.get_baggage_item("user")) == ({}, {}, "amy")
    assert trace.get_current_span() is trace.INVALID_SPAN
    context.detach(token)
    assert both.ours.active_span is None


@pytest.mark.parametrize("outside", [trace.INVALID_SPAN, NonRecordingSpan(REMOTE)])
def test_baggage_set_by_opentracing_before_the_first_span(both: Both, outside: trace.Span) -> None:
    """An item that is set on the active span is in what either API starts next, and in its context
    alone.
    """
    held = trace.set_span_in_context(outside)
    token = context.attach(baggage.set_baggage("user", "amy", held))
    active: Any = both.ours.active_span
    active.set_baggage_item("a", "1").set_baggage_item("b", "2")
    expected = {"user": "amy", "a": "1", "b": "2"}
    theirs: Any = both.theirs.start_span("theirs")
    assert both.ours.start_span("ours").context.baggage == expected
    assert theirs.basic_span.context.baggage == baggage.get_all() == expected
    context.detach(token)
    active.set_baggage_item("late", "3")
    assert baggage.get_all() == {}


def test_baggage_removed_by_opentelemetry_is_gone(both: Both) -> None:
    """`remove_baggage` and `clear` hold for children that either API starts."""
    with both.ours.start_active_span("x") as scope:
        scope.span.set_baggage_item("a", "1").set_baggage_item("b", "2")
        token = context.attach(baggage.remove_baggage("a"))
        assert both.ours.start_span("y").context.baggage == {"b": "2"}
        context.detach(token)
        token = context.attach(baggage.clear())
        assert both.ours.start_span("z").context.baggage == {}
        context.detach(token)


def test_baggage_of_a_child_stays_with_the_child(both: Both) -> None:
    """What is set in an inner scope of either API is not in the outer one afterwards."""
    with both.ours.start_active_span("outer") as outer:
        with both.theirs.start_as_current_span("theirs"):
            both.ours.active_span.set_baggage_item("a", "1")  # type: ignore[union-attr]
            assert baggage.get_all() == {"a": "1"}
        assert baggage.get_all() == {}
        with both.ours.start_active_span("ours") as inner:
            inner.span.set_baggage_item("b", "2")
            assert baggage.get_all() == {"b": "2"}
        assert baggage.get_all() == {}
        assert outer.span.context.baggage == {}


def test_baggage_that_was_extracted_by_ours_is_injected_by_theirs(both: Both) -> None:
    """Baggage crosses a service that extracts by one API and injects by the other."""
    carrier = {"traceparent": f"00-{7:032x}-{9:016x}-01", "baggage": "user=amy,plan=gold"}
    extracted = both.ours.extract(HEADERS, carrier)
    with both.ours.start_active_span("server", child_of=extracted):
        out: dict[str, str] = {}
        propagate.inject(out)
        assert baggage.get_all() == {"user": "amy", "plan": "gold"}
    assert set(out["baggage"].split(",")) == {"user=amy", "plan=gold"}
    token = context.attach(propagate.extract(carrier))
    with both.theirs.start_as_current_span("server"):
        back: dict[str, str] = {}
        active: Any = both.ours.active_span
        both.ours.inject(active, HEADERS, back)
    context.detach(token)
    assert set(back["baggage"].split(",")) == {"user=amy", "plan=gold"}


# Suppression.


@pytest.mark.parametrize(
    "key",
    [context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"],
    ids=["its key", "the plain key"],  # the first is another in each process
)
def test_suppression_holds_for_opentracing(both: Both, key: str) -> None:
    """While an application suppresses instrumentation, OpenTracing's API records nothing."""
    with both.ours.start_active_span("outer"):
        token = context.attach(context.set_value(key, True))
        with both.ours.start_active_span("hidden") as scope:
            headers: dict[str, str] = {}
            both.ours.inject(scope.span.context, HEADERS, headers)
            both.ours.start_span("hidden too", child_of=scope.span).finish()
        context.detach(token)
        assert both.active() == "outer"
        both.ours.start_span("seen").finish()
    assert headers["traceparent"][-2:] in ("00", "02")
    assert both.recorder.outline() == "outer\n  seen"


# Any sequence.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ours", "theirs", "used", "attach", "span", "remote", "value", "copy", "close", "over"]
        ),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(steps=STEPS)
def test_both_agree_after_any_steps_in_several_contexts(steps: list[tuple[str, int, int]]) -> None:
    """Both APIs have the same active span after each step, and each span is recorded once."""
    both = Both()
    contexts = [contextvars.Context()]
    closes: list[Callable[[], Any]] = []
    started = 0

    def attach(span: Any) -> None:
        token = context.attach(trace.set_span_in_context(span))
        closes.append(lambda: context.detach(token))

    def step(kind: str) -> None:
        nonlocal started
        if kind in ("ours", "theirs"):
            closes.append(opened_by(both, kind, kind))
        elif kind == "used":
            used = trace.use_span(both.theirs.start_span("used"), end_on_exit=True)
            used.__enter__()
            closes.append(lambda: used.__exit__(None, None, None))
        elif kind == "attach":
            span = both.theirs.start_span("attached")
            attach(span)
            span.end()
        elif kind == "span":
            both.ours.start_span("plain").finish()
        elif kind == "remote":
            attach(NonRecordingSpan(REMOTE))
        elif kind == "value":
            token = context.attach(baggage.set_baggage("a", "1"))
            closes.append(lambda: context.detach(token))
        started += kind in ("ours", "theirs", "used", "attach", "span")

    logging.disable()
    try:
        for kind, which, where in steps:
            here = contexts[where % len(contexts)]
            if kind == "copy":
                if len(contexts) < 3:
                    contexts.append(here.copy())
            elif kind == "over":
                copied = contexts[which % len(contexts)].copy()
                here.run(taken_over, copied)
            elif kind == "close":
                if closes:
                    here.run(closes.pop(which % len(closes)))
            else:
                here.run(step, kind)
            for each in contexts:
                each.run(both.active)
        for close in reversed(closes):
            contexts[0].run(close)
        for each in contexts:
            each.run(both.active)
    finally:
        logging.disable(logging.NOTSET)
    spans = both.recorder.spans
    assert len(spans) == len({span.context.span_id for span in spans}) == started


@pytest.mark.parametrize("end", ["exhaust", "close", "elsewhere", "garbage"])
def test_scopes_that_a_decorated_generator_holds_open(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both APIs show the consumer's span between two items, and the inner one in each step."""
    both = Both()

    @traced(tracer=both.ours)
    def items() -> Iterator[int]:
        with both.theirs.start_as_current_span("theirs"), both.ours.start_active_span("ours"):
            for number in range(2):
                assert both.active() == "ours"
                yield number

    generator = items()
    with both.ours.start_active_span("consumer"):
        for number in range(2):
            assert next(generator) == number
            assert both.active() == "consumer"
            both.theirs.start_span(f"use {number}").end()
        if end == "exhaust":
            assert next(generator, None) is None
        elif end == "close":
            generator.close()  # type: ignore[attr-defined]
        elif end == "elsewhere":
            contextvars.copy_context().run(generator.close)  # type: ignore[attr-defined]
        del generator
        gc.collect()
        assert both.active() == "consumer"
    assert both.active() is None
    assert both.recorder.outline() == (
        "consumer\n  items\n    theirs\n      ours\n  use 0\n  use 1"
    )
    assert [each for each in caplog.records if each.name == "opentracing.scope"] == []
