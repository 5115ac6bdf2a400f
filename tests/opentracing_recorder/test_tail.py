"""Traces that are kept, dropped, held and decided early, and the counts of all of them."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

import opentracing
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositeRecorder,
    ConsoleRecorder,
    InMemoryRecorder,
    ProbabilisticSampler,
    Recorder,
    TailRecorder,
    tail,
)
from opentracing_recorder.harness import RecorderCheckMixin

from ..threads import on_threads

KEPT, DROPPED = True, False


class Tail:
    """A tracer with a TailRecorder, and what it passes on."""

    def __init__(self, **options: Any) -> None:
        self.memory = InMemoryRecorder()
        self.recorder = TailRecorder(self.memory, **options)
        self.tracer = BasicTracer(self.recorder)

    def start(self, name: str, parent: Any = None, **tags: Any) -> BasicSpan:
        return self.tracer.start_span(name, parent, tags=tags, ignore_active_span=True)

    @property
    def passed(self) -> list[str]:
        return [span.operation_name for span in self.memory.spans]

    @property
    def counts(self) -> tail.TailCounts:
        counts = self.recorder.counts
        assert counts.recorded == counts.passed + counts.dropped + counts.held
        assert counts.passed == len(self.passed)
        return counts


def remote(trace_id: int = 7, span_id: int = 1) -> BasicSpanContext:
    """The context of a span of another process."""
    return BasicSpanContext(trace_id=trace_id, span_id=span_id, sampled=True)


def is_empty(recorder: TailRecorder) -> bool:
    """Whether it refers to no span."""
    return not any((recorder._roots, recorder._parts, recorder._decided))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The seconds on the recorder's clock, for spans whose start is given."""
    clock = SimpleNamespace(seconds=100.0)
    system = SimpleNamespace(perf_counter=lambda: clock.seconds)
    monkeypatch.setattr(tail, "system", system)
    return clock


# Which traces are kept.


def test_the_spans_of_a_failed_trace_pass_when_its_root_ends() -> None:
    """Nothing passes before; then all of them do, in the order in which they ended."""
    test = Tail()
    root = test.start("root")
    test.start("child", root, error=True).finish()
    test.start("sibling", root).finish()
    assert (test.passed, test.counts.held) == ([], 2)
    root.finish()
    assert test.passed == ["child", "sibling", "root"]
    assert (test.counts.held, test.counts.failed) == (0, 1)


def test_a_trace_without_a_reason_to_keep_it_is_dropped() -> None:
    """By default, failed traces are kept, and no others."""
    test = Tail()
    root = test.start("root")
    test.start("child", root).finish()
    root.finish()
    test.start("another").finish()
    assert test.passed == []
    assert (test.counts.dropped, test.counts.unkept) == (3, 2)


@pytest.mark.parametrize("value", [False, "false", None])
def test_an_error_tag_that_says_no_is_no_failure(value: Any) -> None:
    """A span is failed where the timeline shows it so."""
    test = Tail()
    test.start("root", error=value).finish()
    assert test.counts.unkept == 1


@pytest.mark.parametrize(
    ("seconds", "passed"), [(0.5, []), (0.75, ["root"])], ids=["at the limit", "above"]
)
def test_a_trace_that_took_longer_is_kept(seconds: float, passed: list[str]) -> None:
    """The root's duration counts, and it must exceed the limit."""
    test = Tail(slower_than=0.5)
    test.tracer.start_span("root", start_time=10.0).finish(10.0 + seconds)
    assert test.passed == passed
    assert test.counts.slow == len(passed)


def test_the_function_decides_by_the_spans_of_the_trace() -> None:
    """It gets them as they ended, the root last, on the thread that ends the root."""
    seen: list[tuple[list[str], int]] = []

    def keep(spans: list[BasicSpan]) -> bool:
        seen.append(([span.operation_name for span in spans], threading.get_ident()))
        return any(span.tags.get("tenant") == "gold" for span in spans)

    test = Tail(keep=keep)
    for tenant in ("gold", "tin"):
        root = test.start(f"root {tenant}")
        test.start("child", root, tenant=tenant).finish()
        root.finish()
    thread = threading.get_ident()
    assert seen == [(["child", "root gold"], thread), (["child", "root tin"], thread)]
    assert test.passed == ["child", "root gold"]
    assert (test.counts.chosen, test.counts.unkept) == (1, 1)


def test_the_function_is_not_asked_about_what_is_kept_anyway() -> None:
    """Failed and slow traces need no look."""
    test = Tail(keep=lambda spans: 1 / 0, slower_than=1)
    test.start("failed", error=True).finish()
    test.tracer.start_span("slow", start_time=1).finish(3)
    assert test.passed == ["failed", "slow"]
    assert test.counts.keep_raised == 0


def test_a_trace_is_kept_if_the_function_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The error is counted, and logged once a minute; the application does not see it."""
    test = Tail(keep=lambda spans: 1 / 0)
    for name in ("a", "b", "c"):
        test.start(name).finish()
    assert test.passed == ["a", "b", "c"]
    assert (test.counts.keep_raised, test.counts.chosen) == (3, 3)
    assert [record.getMessage() for record in caplog.records] == [
        "TailRecorder.keep raised; the application goes on"
    ]


def test_the_list_given_to_the_function_is_its_own() -> None:
    """A function that empties it changes nothing else."""

    def keep(spans: list[BasicSpan]) -> bool:
        spans.clear()
        return True

    test = Tail(keep=keep)
    root = test.start("root")
    test.start("child", root).finish()
    root.finish()
    assert test.passed == ["child", "root"]


def test_the_rate_keeps_what_a_sampler_of_the_same_rate_keeps() -> None:
    """So services with the same rate keep the same traces."""
    test, sampler = Tail(rate=0.3), ProbabilisticSampler(0.3)
    expected = []
    for trace_id in range(1, 500):
        test.start(str(trace_id), remote(trace_id)).finish()
        if sampler.sampled(trace_id, ""):
            expected.append(str(trace_id))
    assert 100 < len(expected) < 200
    assert test.passed == expected
    assert (test.counts.sampled, test.counts.unkept) == (len(expected), 499 - len(expected))


def test_the_root_of_a_share_says_how_many_traces_it_stands_for() -> None:
    """The others of its spans do not, nor does a trace that is kept for another reason."""
    test = Tail(rate=0.999999)
    root = test.start("root")
    test.start("child", root).finish()
    root.finish()
    test.start("failed", error=True).finish()
    child, root, failed = test.memory.spans
    assert root.tags == {"sampler.type": "probabilistic", "sampler.param": 0.999999}
    assert child.tags == {}
    assert failed.tags == {"error": True}


def test_a_rate_of_one_keeps_all_without_a_mark() -> None:
    """Each trace stands for itself."""
    test = Tail(rate=1)
    test.start("root").finish()
    assert test.memory.spans[0].tags == {}
    assert test.counts.sampled == 1


# Local roots.


def test_requests_of_one_trace_are_decided_alone() -> None:
    """One that fails is kept after another one of the same trace was dropped."""
    test = Tail()
    test.start("first", remote()).finish()
    test.start("second", remote(), error=True).finish()
    assert test.passed == ["second"]


def test_what_follows_in_a_kept_trace_is_kept() -> None:
    """A later request of the same trace passes, though nothing is wrong with it."""
    test = Tail()
    test.start("first", remote(), error=True).finish()
    test.start("second", remote()).finish()
    test.start("other trace", remote(8)).finish()
    assert test.passed == ["first", "second"]
    assert test.counts.followed == 1


def test_requests_of_one_trace_that_overlap_are_decided_together() -> None:
    """When the last of them ends: if one has failed, all are kept, whichever ends first."""
    for failed in ("first", "second", "third"):
        test = Tail()
        spans = [test.start(name, remote()) for name in ("first", "second", "third")]
        child = test.start("child", spans[1])
        for span in [spans[1], child, spans[0]]:
            if span.operation_name == failed:
                span.set_tag("error", True)
            span.finish()
        assert test.passed == []
        if failed == "third":
            spans[2].set_tag("error", True)
        spans[2].finish()
        assert sorted(test.passed) == ["child", "first", "second", "third"]
        assert test.counts.failed == 1


def test_of_overlapping_requests_the_slowest_counts() -> None:
    """One that ends before the last may have been the slow one."""
    test = Tail(slower_than=5)
    first = test.tracer.start_span("first", remote(), start_time=10)
    second = test.tracer.start_span("second", remote(), start_time=10)
    first.finish(20)
    second.finish(11)
    assert test.counts.slow == 1


def test_many_overlapping_requests_of_one_trace_take_no_longer_each() -> None:
    """As of a consumer, to whom one trace sends all messages; traces of their own are the unit."""

    def seconds(traces: Any) -> float:
        test = Tail()
        started = time.process_time()
        former = test.start("request", remote(1))
        for number in range(4000):
            span = test.start("request", remote(traces(number)))
            former.finish()
            former = span
        former.finish()
        assert test.counts.dropped == 4001
        return time.process_time() - started

    assert seconds(lambda number: 1) < 20 * seconds(lambda number: 2 + number)


def test_the_recorders_of_two_tracers_may_be_one() -> None:
    """A span whose parent was started by another tracer with this recorder is below it."""
    test = Tail()
    root = test.start("root")
    BasicTracer(test.recorder).start_span("child", root, tags={"error": True}).finish()
    assert test.counts.held == 1
    root.finish()
    assert test.passed == ["child", "root"]


@pytest.mark.needs_os
def test_both_halves_of_a_shared_span_belong_to_the_trace() -> None:
    """Zipkin's client and server have one id, also if both run here, and if they are the root."""
    pytest.importorskip("urllib3")
    from opentracing_recorder.zipkin import ZipkinTracer

    memory = InMemoryRecorder()
    recorder = TailRecorder(memory)
    tracer = ZipkinTracer("shop", recorder=recorder, one_span_per_rpc=True)

    def call(client: Any) -> Any:
        carrier: dict[str, str] = {}
        tracer.inject(client.context, opentracing.Format.HTTP_HEADERS, carrier)
        context = tracer.extract(opentracing.Format.HTTP_HEADERS, carrier)
        return tracer.start_span("server", context, tags={"span.kind": "server"})

    root = tracer.start_span("root")
    client = tracer.start_span("client", root, tags={"span.kind": "client"})
    call(client).finish()
    client.finish()
    assert recorder.counts.held == 2
    root.set_tag("error", True).finish()
    assert len(memory.spans) == 3

    client = tracer.start_span("client", tags={"span.kind": "client"})
    server = call(client)
    assert server.context.span_id == client.context.span_id
    server.finish()
    assert recorder.counts.held == 1
    client.set_tag("error", True).finish()
    assert (len(memory.spans), recorder.counts.failed) == (5, 2)


# Late spans.


@pytest.mark.parametrize("decision", [KEPT, DROPPED])
def test_spans_that_end_after_their_root_follow_its_decision(decision: bool) -> None:
    """As do those that start below them; nothing of them is held."""
    test = Tail()
    root = test.start("root")
    late = test.start("late", root)
    root.set_tag("error", decision).finish()
    later = test.start("later", late)
    late.set_tag("error", not decision).finish()
    assert test.counts.held == 0
    later.finish()
    assert test.passed == (["root", "late", "later"] if decision else [])
    assert sum(test.counts[4:10]) == 1  # one decision


def test_a_span_that_starts_after_its_root_has_ended_is_a_root() -> None:
    """It is kept if it fails, and otherwise if its trace was."""
    test = Tail()
    dropped, kept = test.start("dropped"), test.start("kept", error=True)
    dropped.finish()
    kept.finish()
    test.start("good", dropped).finish()
    test.start("failed", dropped, error=True).finish()
    test.start("follower", kept).finish()
    assert test.passed == ["kept", "failed", "follower"]


def test_a_late_span_beside_a_new_request_of_its_trace() -> None:
    """It follows the decision about its own root, and the request waits for its own end."""
    test = Tail()
    root = test.start("root", remote())
    late = test.start("late", root)
    root.finish()
    request = test.start("request", remote())
    below = test.start("below", late)
    late.finish()
    below.finish()
    assert (test.counts.dropped, test.counts.held) == (3, 0)
    request.set_tag("error", True).finish()
    assert test.passed == ["request"]


def test_kept_traces_are_remembered_within_a_limit() -> None:
    """The last ones are, as many as may be held; beyond those, the rate decides."""
    test = Tail(max_traces=2)
    for trace_id in (1, 2, 3):
        test.start(f"failed {trace_id}", remote(trace_id), error=True).finish()
    for trace_id in (1, 2, 3):
        test.start(f"late {trace_id}", remote(trace_id)).finish()
    assert test.passed == ["failed 1", "failed 2", "failed 3", "late 2", "late 3"]


# Spans whose start was not seen.


def test_a_recorder_that_is_set_while_spans_run() -> None:
    """A span that had started before is decided alone, as are spans that start below it."""
    test = Tail()
    tracer = BasicTracer()
    before = tracer.start_span("before")
    tracer.recorder = test.recorder
    tracer.start_span("below", before).finish()
    failed = tracer.start_span("failed", before, tags={"error": True})
    test.start("below failed", failed).finish()
    failed.finish()
    before.finish()
    assert test.passed == ["below failed", "failed", "before"]
    assert (test.counts.dropped, test.counts.held) == (1, 0)


def test_a_span_that_is_recorded_without_a_start_is_held_with_its_trace() -> None:
    """It waits for the root that runs."""
    test = Tail()
    root = test.start("root")
    child = BasicTracer().start_span("child", root, tags={"error": True})
    child.finish()
    test.recorder.record_span(child)
    assert test.counts.held == 1
    root.finish()
    assert test.passed == ["child", "root"]


def test_a_span_that_is_sampled_late() -> None:
    """``sampling.priority`` above 0 brings a span whose start was not heard of."""
    memory = InMemoryRecorder()
    recorder = TailRecorder(memory)
    tracer = BasicTracer(recorder, ProbabilisticSampler(0))
    span = tracer.start_span("late")
    span.set_tag("sampling.priority", 1)
    tracer.start_span("child", span, tags={"error": True}).finish()
    span.finish()
    assert [span.operation_name for span in memory.spans] == ["child", "late"]
    assert recorder.counts.recorded == 2


def test_a_root_that_is_unsampled_late_leaves_nothing(clock: SimpleNamespace) -> None:
    """It never ends here: it counts as no trace that was decided early."""
    test = Tail(max_seconds=10, slower_than=5)
    root = test.tracer.start_span("health", start_time=1)
    root.set_tag("sampling.priority", 0).finish()
    clock.seconds += 11
    test.tracer.start_span("next", start_time=1).finish(2)
    assert test.counts == (1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    assert is_empty(test.recorder)


def test_placed_spans_are_held_by_the_ids_that_they_get() -> None:
    """A tracer that gives spans other ids moves them to another trace."""

    class Placing(BasicTracer):
        def place_span(self, span: BasicSpan, parent: BasicSpanContext, tags: Any) -> None:
            if not parent.has_trace:
                span.context = BasicSpanContext(5, 6)

    test = Tail()
    tracer = Placing(test.recorder)
    root = tracer.start_span("root")
    tracer.start_span("child", root, tags={"error": True}).finish()
    assert test.counts.held == 1
    root.finish()
    assert [span.context.trace_id for span in test.memory.spans] == [5, 5]


@pytest.mark.needs_os
def test_spans_of_opentelemetrys_api() -> None:
    """A status of ERROR is a failure; contexts and given times do not matter."""
    pytest.importorskip("opentelemetry")
    from opentelemetry.trace import StatusCode, set_span_in_context

    from opentracing_recorder.opentelemetry_api import BasicTracerProvider

    test = Tail()
    tracer = BasicTracerProvider(test.tracer).get_tracer("tests")
    for status in (StatusCode.ERROR, StatusCode.OK):
        root = tracer.start_span("root", start_time=10**18)
        child = tracer.start_span("child", set_span_in_context(root))
        child.set_status(status)
        child.end()
        assert test.counts.held == 1
        root.end(10**18 + 1)
    assert test.passed == ["child", "root"]
    assert (test.counts.failed, test.counts.unkept) == (1, 1)


# Limits.


def test_above_max_traces_the_oldest_is_decided_early() -> None:
    """By what is known; what follows in it follows the decision, and is not held."""
    test = Tail(max_traces=2)
    failing, good = test.start("failing"), test.start("good")
    test.start("child", failing, error=True).finish()
    test.start("child", good).finish()
    third = test.start("third")
    assert test.passed == ["child"]
    assert (test.counts.held, test.counts.early) == (1, 1)
    test.start("fourth")
    assert (test.counts.dropped, test.counts.held, test.counts.early) == (1, 0, 2)
    test.start("second child", failing).finish()
    failing.finish()
    good.set_tag("error", True).finish()
    assert test.passed == ["child", "second child", "failing"]
    assert (test.counts.held, test.counts.failed, test.counts.unkept) == (0, 1, 1)
    third.set_tag("error", True).finish()
    assert test.passed[-1] == "third"


def test_above_max_spans_the_oldest_is_decided_early() -> None:
    """As many traces as it takes; no more spans than the limit are held."""
    test = Tail(max_spans=3)
    first, second = test.start("first"), test.start("second")
    for name in "ab":
        test.start(name, first, error=True).finish()
    test.start("c", second).finish()
    assert test.counts.held == 3
    test.start("d", second).finish()
    assert (test.passed, test.counts.held) == (["a", "b"], 2)
    for name in "efgh":
        test.start(name, second).finish()
        assert test.counts.held <= 3
    first.finish()
    second.finish()
    assert (test.passed, test.counts.early) == (["a", "b", "first"], 2)


def test_after_max_seconds_a_trace_is_decided_early(clock: SimpleNamespace) -> None:
    """When another one starts, or at its own next span; it is slow if that is a reason."""
    for slower_than, kept in ((5.0, True), (None, False)):
        test = Tail(max_seconds=10, slower_than=slower_than)
        root = test.tracer.start_span("root", start_time=1)
        test.start("a", root).finish()
        clock.seconds += 9.5
        test.start("b", root).finish()
        other = test.tracer.start_span("other", start_time=1)
        assert (test.counts.held, test.counts.early) == (2, 0)
        clock.seconds += 1
        test.start("c", root).finish()
        assert (test.counts.held, test.counts.early, test.counts.slow) == (0, 1, int(kept))
        test.start("d", root).finish()
        other.finish(2)
        root.finish(1.5)
        assert test.passed == (["a", "b", "c", "d", "root"] if kept else [])
        clock.seconds += 1000
        quiet = test.tracer.start_span("quiet", start_time=1)
        clock.seconds += 11
        test.tracer.start_span("next", start_time=1)
        assert test.counts.early == 2
        quiet.finish(2)


def test_a_trace_that_is_decided_early_is_marked_at_its_root() -> None:
    """The root of a share gets its tags, though it ends later."""
    test = Tail(rate=0.999999, max_traces=1)
    root = test.start("root")
    test.start("child", root).finish()
    test.start("another").finish()
    root.finish()
    marked = {span.operation_name: "sampler.param" in span.tags for span in test.memory.spans}
    assert marked == {"root": True, "child": False, "another": True}


def test_the_function_is_asked_early_about_the_spans_that_have_ended() -> None:
    """It is not called for none."""
    seen = []

    def keep(spans: list[BasicSpan]) -> bool:
        seen.append([span.operation_name for span in spans])
        return False

    test = Tail(keep=keep, max_traces=1)
    root = test.start("root")
    test.start("child", root).finish()
    second = test.start("second")
    test.start("third").finish()
    second.finish()
    root.finish()
    assert seen == [["child"], ["third"]]


def test_spans_that_never_end_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither roots nor the spans below them, of which some are forgotten."""
    for module in ("tail", "_tail_part"):
        monkeypatch.setattr(f"opentracing_recorder.{module}.MOST_RUNNING", 20)
    test = Tail(max_traces=10)
    for _ in range(50):
        root = test.start("root")
        for _ in range(50):
            test.start("never", root)
    recorder = test.recorder
    assert len(recorder._parts) <= len(recorder._roots) <= 10
    assert len(recorder._decided) <= 20
    parts = [*recorder._parts.values(), *recorder._decided.values()]
    assert all(len(part.running) <= 20 for part in parts)
    root.set_tag("error", True).finish()
    assert test.passed == ["root"]


def test_the_root_of_a_decided_trace_can_be_freed() -> None:
    """A span below it that never ends does not keep it."""
    test = Tail()
    root = test.start("root")
    root.finished_by = freed = SimpleNamespace()  # type: ignore[attr-defined]
    test.start("never", root)
    root.finish()
    del root
    gc.collect()
    assert sys.getrefcount(freed) <= 2 if hasattr(sys, "getrefcount") else True


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy cannot trace memory")
def test_the_memory_of_what_is_held_is_bounded() -> None:
    """At most 70 bytes a span beside the spans themselves, with ten spans in a trace."""
    import tracemalloc

    roots, spans = [], []
    test = Tail()
    for _ in range(500):
        root = BasicTracer().start_span("root")
        roots.append(root)
        spans += [BasicTracer().start_span("child", root) for _ in range(9)]
    tracemalloc.start()
    try:
        for root in roots:
            test.recorder.span_started(root)
        for span in spans:
            test.recorder.span_started(span)
            test.recorder.record_span(span)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert test.counts.held == len(spans) == 4500
    assert kept / 5000 < 90


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"slower_than": 0}, "slower_than must be more than 0 seconds, not 0"),
        ({"slower_than": "1"}, "slower_than must be a number of seconds, not str"),
        ({"slower_than": 61}, "max_seconds must be at least slower_than, not 60.0"),
        ({"keep": 1}, "keep must be a function of spans, not int"),
        ({"rate": 2}, "rate must be between 0 and 1, not 2"),
        ({"rate": None}, "rate must be a number, not NoneType"),
        ({"max_traces": 0}, "max_traces must be at least 1, not 0"),
        ({"max_spans": 1.5}, "max_spans must be an int, not float"),
        ({"max_seconds": None}, "max_seconds must be a number of seconds, not NoneType"),
        ({"recorder": None}, "recorder must have a record_span method; NoneType has none"),
    ],
)
def test_options_that_cannot_serve(options: dict[str, Any], error: str) -> None:
    """The error names the option."""
    with pytest.raises((TypeError, ValueError)) as raised:
        TailRecorder(**{"recorder": InMemoryRecorder(), **options})
    assert str(raised.value) == error


# Flush and close.


def test_flush_passes_on_what_would_be_kept_now() -> None:
    """The others stay held: they may still fail, and would be lost by an early decision."""
    test = Tail(slower_than=30)
    failed, good = test.start("failed"), test.start("good")
    test.start("a", failed, error=True).finish()
    test.start("b", good).finish()
    assert test.tracer.flush(1)
    assert (test.passed, test.counts.held, test.counts.early) == (["a"], 1, 1)
    failed.finish()
    good.set_tag("error", True).finish()
    assert test.passed == ["a", "failed", "b", "good"]


def test_close_decides_everything() -> None:
    """Nothing is held then, and each span that ends later is decided alone, or follows."""
    test = Tail()
    failed, good, alone = (test.start(name) for name in ("failed", "good", "alone"))
    test.start("a", failed, error=True).finish()
    test.start("b", good).finish()
    assert test.tracer.close(1)
    assert test.recorder.close(1)
    assert (test.passed, test.counts.held, test.counts.dropped) == (["a"], 0, 1)
    below = test.start("below", failed)
    failed.finish()
    below.finish()
    good.set_tag("error", True).finish()
    alone.set_tag("error", True).finish()
    new = test.start("new")
    test.start("below new", new, error=True).finish()
    new.finish()
    assert test.passed == ["a", "failed", "below", "alone", "below new", "new"]
    assert test.counts.held == 0
    assert is_empty(test.recorder)


def test_flush_asks_keep_once_for_a_trace() -> None:
    """A `keep` that answers otherwise the second time, or raises, decides and counts once."""
    calls = []

    def keep(spans: list[BasicSpan]) -> bool:
        calls.append(len(spans))
        if len(calls) == 2:
            raise ValueError
        return len(calls) == 1

    test = Tail(keep=keep)
    for _ in range(2):
        root = test.start("root")
        test.start("child", root).finish()
        test.tracer.flush(1)
        root.finish()
    assert calls == [1, 1]
    assert (test.counts.chosen, test.counts.unkept, test.counts.keep_raised) == (2, 0, 1)


def test_what_starts_while_close_decides_is_not_held() -> None:
    """As on another thread: below a root that was alone, or as a new one."""
    test = Tail()
    failed, alone = test.start("failed"), test.start("alone")
    test.start("a", failed, error=True).finish()
    started: list[BasicSpan] = []

    class Starting(InMemoryRecorder):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if not started:
                started.extend([test.start("below", alone), test.start("new")])

    test.recorder.recorder = test.memory = Starting()
    test.recorder.close(1)
    started[0].set_tag("error", True).finish()
    assert (test.passed, test.counts.held) == (["a", "below"], 0)
    started[1].finish()
    alone.finish()
    failed.finish()
    assert test.passed == ["a", "below", "alone", "failed"]
    assert is_empty(test.recorder)


def test_flush_and_close_are_the_recorders() -> None:
    """Their timeouts and answers pass through, and so do its counts and its name."""
    calls = []

    class Answering(Recorder):
        stats = "its stats"
        service_name = "shop"

        def record_span(self, span: BasicSpan) -> None:
            calls.append(("record_span", span.operation_name))

        def flush(self, timeout: float | None = None) -> bool:
            calls.append(("flush", timeout))
            return False

        def close(self, timeout: float | None = None) -> bool:
            calls.append(("close", timeout))
            return False

    recorder: Any = TailRecorder(Answering())
    tracer = BasicTracer(recorder)
    root = tracer.start_span("root")
    tracer.start_span("child", root, tags={"error": True}).finish()
    assert recorder.flush(2) is False
    assert recorder.close(3) is False
    assert calls == [("record_span", "child"), ("flush", 2), ("close", 3)]
    assert (recorder.stats, recorder.service_name) == ("its stats", "shop")
    assert repr(recorder) == "<TailRecorder of <Answering>>"


# With other recorders.


def test_the_recorders_hook_is_called_for_each_span() -> None:
    """Also for spans that are dropped later."""
    started = []

    class Hearing(InMemoryRecorder):
        def span_started(self, span: BasicSpan) -> None:
            started.append(span.operation_name)

    tracer = BasicTracer(TailRecorder(Hearing()))
    root = tracer.start_span("root")
    tracer.start_span("child", root).finish()
    root.finish()
    assert started == ["root", "child"]


def test_beside_and_in_front_of_other_recorders() -> None:
    """In a composite, first or second, it leaves the other one every span."""
    for is_first in (True, False):
        memory, everything = InMemoryRecorder(), InMemoryRecorder()
        recorder = TailRecorder(CompositeRecorder([memory]))
        recorders = [recorder, everything] if is_first else [everything, recorder]
        tracer = BasicTracer(CompositeRecorder(recorders))
        for error in (True, False):
            root = tracer.start_span("root")
            tracer.start_span("child", root, tags={"error": error}).finish()
            assert recorder.counts.held == 1
            root.finish()
        tracer.start_span("alone", tags={"error": True}).finish()
        assert len(everything.spans) == 5
        assert [span.operation_name for span in memory.spans] == ["child", "root", "alone"]
        counts = recorder.counts
        assert (counts.failed, counts.unkept, counts.early, counts.held) == (2, 1, 0, 0)


def test_one_in_front_of_another() -> None:
    """The outer one decides first; the inner one sees the starts of all spans."""
    memory = InMemoryRecorder()
    inner = TailRecorder(memory, keep=lambda spans: len(spans) > 1)
    outer = TailRecorder(inner, keep=lambda spans: spans[-1].operation_name == "root")
    tracer = BasicTracer(outer)
    for name in ("root", "other"):
        root = tracer.start_span(name)
        tracer.start_span("child", root).finish()
        root.finish()
    tracer.start_span("root").finish()
    assert [span.operation_name for span in memory.spans] == ["child", "root"]
    assert (outer.counts.passed, inner.counts.recorded, inner.counts.held) == (3, 3, 0)


def test_a_recorder_that_raises_loses_its_own_spans(caplog: pytest.LogCaptureFixture) -> None:
    """The others of the trace are passed to it all the same."""
    seen = []

    class Failing(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            seen.append(span.operation_name)
            if span.operation_name == "child":
                raise OSError("disk full")

    recorder = TailRecorder(Failing(), rate=1)
    tracer = BasicTracer(recorder)
    root = tracer.start_span("root")
    tracer.start_span("child", root).finish()
    root.finish()
    assert seen == ["child", "root"]
    assert [record.getMessage() for record in caplog.records] == [
        "Failing.record_span raised; the application goes on"
    ]


def test_an_interrupt_loses_none_of_the_other_spans() -> None:
    """It reaches the application when all of them are passed on."""

    class Interrupted(InMemoryRecorder):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if span.operation_name == "first":
                raise KeyboardInterrupt

    test = Tail(rate=1.0)
    test.recorder.recorder = test.memory = Interrupted()
    root = test.start("root")
    for name in ("first", "second", "third"):
        test.start(name, root).finish()
    with pytest.raises(KeyboardInterrupt):
        root.finish()
    assert test.passed == ["first", "second", "third", "root"]


class _Limit(BaseException):
    """What a signal's handler raises."""


@pytest.mark.parametrize("method", ["_hold", "_taken"])
def test_an_interrupt_at_any_line_loses_no_held_span(method: str) -> None:
    """What was held before is held still, or passed; what is counted is there."""
    code = getattr(TailRecorder, method).__wrapped__.__code__
    for number in range(100):
        test = Tail(rate=1.0)
        root = test.start("root")
        for name in ("first", "second"):
            test.start(name, root).finish()
        lines = 0

        def trace(frame: FrameType, event: str, argument: object, at: int = number + 1) -> Any:
            nonlocal lines
            if frame.f_code is code and event == "line":
                lines += 1
                if lines == at:
                    raise _Limit
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            root.finish()
        except _Limit:
            pass
        finally:
            sys.settrace(before)
        assert test.counts.held + test.counts.passed in (2, 3)  # perhaps without the root
        test.recorder.close()
        assert test.counts.held == 0
        assert test.passed[:2] == ["first", "second"]
        if lines <= number:
            break
    assert number > 5


def test_a_console_behind_it_draws_what_is_kept() -> None:
    """Recorders that wait for the root themselves get the spans in the order that they need."""
    import io

    stream = io.StringIO()
    tracer = BasicTracer(TailRecorder(ConsoleRecorder(stream, width=80)), service_name="shop")
    for error in (False, True):
        with tracer.start_active_span("order"), tracer.start_active_span("charge") as scope:
            scope.span.set_tag("error", error)
    (head, *_), lines = stream.getvalue().splitlines(), stream.getvalue().count("charge")
    assert "2 spans" in head
    assert lines == 1


class TestContract(RecorderCheckMixin):
    """It keeps the contract of a recorder, in front of one that does."""

    def recorder(self) -> Recorder:
        return TailRecorder(InMemoryRecorder(), rate=1.0)

    def delivered(self, recorder: Any) -> list[str]:
        return [span.operation_name for span in recorder.recorder.spans]

    def check_fork(self) -> bool:
        return False


# Threads and forks.


@pytest.mark.threads
@pytest.mark.needs_os
def test_traces_of_many_threads_are_counted_exactly() -> None:
    """Each span passes or is dropped once, with its trace."""
    test = Tail(rate=0.5, max_traces=3, max_spans=10)
    each = 300
    interval = sys.getswitchinterval()

    def work() -> None:
        for number in range(each):
            root = test.start("root", error=number % 3 == 0)
            children = [test.start("child", root) for _ in range(3)]
            for child in children[:2]:
                child.finish()
            root.finish()
            children[2].finish()

    sys.setswitchinterval(1e-6)
    try:
        on_threads(work)
    finally:
        sys.setswitchinterval(interval)
    counts = test.counts
    assert (counts.recorded, counts.held) == (8 * each * 4, 0)
    assert len({id(span) for span in test.memory.spans}) == counts.passed


@pytest.mark.threads
@pytest.mark.needs_os
def test_what_the_function_raises_on_many_threads_is_counted_exactly() -> None:
    """Once for each call; without a step of its own, CPython 3.9 loses some."""

    def keep(spans: list[BasicSpan]) -> bool:
        raise LookupError

    test = Tail(keep=keep)
    each = 1500

    def work() -> None:
        for _ in range(each):
            test.start("root").finish()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        on_threads(work)
    finally:
        sys.setswitchinterval(interval)
    assert test.counts.keep_raised == test.counts.chosen == 8 * each


@pytest.mark.threads
@pytest.mark.needs_os
def test_spans_of_one_trace_on_many_threads_pass_together() -> None:
    """A root on one thread, and below it spans that start and end on others, also late."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for decision in (KEPT, DROPPED) * 10:
            test = Tail()
            root = test.start("root", error=decision)
            barrier = threading.Barrier(5)

            def work(test: Tail, root: BasicSpan, barrier: threading.Barrier) -> None:
                barrier.wait(timeout=30)
                for _ in range(50):
                    test.start("child", root).finish()

            threads = [threading.Thread(target=work, args=(test, root, barrier)) for _ in range(4)]
            for thread in threads:
                thread.start()
            barrier.wait(timeout=30)
            root.finish()
            for thread in threads:
                thread.join()
            counts = test.counts
            assert (counts.recorded, counts.held) == (201, 0)
            assert counts.passed == (201 if decision else 0)
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.threads
@pytest.mark.needs_os
def test_flushes_and_reads_beside_threads_change_no_count() -> None:
    """Counts are exact afterwards, however often they were read meanwhile."""
    test = Tail(rate=0.5)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            test.recorder.counts  # noqa: B018
            test.recorder.flush(1)

    reader = threading.Thread(target=read)
    reader.start()

    def work() -> None:
        for _ in range(100):
            root = test.start("root")
            test.start("child", root, error=True).finish()
            root.finish()

    on_threads(work, 4)
    done.set()
    reader.join()
    assert (test.counts.recorded, test.counts.passed, test.counts.held) == (800, 800, 0)


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_forgets_what_its_parent_holds() -> None:
    """It begins with zero counts, and decides about its own spans; the parent keeps its spans."""
    test = Tail()
    root = test.start("root")
    test.start("child", root, error=True).finish()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            counts = [test.recorder.counts]
            test.recorder.flush(1)
            inner = test.start("of the child", root)
            test.start("below", inner, error=True).finish()
            held = test.recorder.counts.held
            inner.finish()
            counts.append(test.recorder.counts)
            passed = test.passed
            os.write(writing, repr([sum(counts[0]), held, counts[1].passed, passed]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == "[0, 1, 2, ['below', 'of the child']]"
    assert os.waitpid(pid, 0)[1] == 0
    assert test.counts.held == 1
    root.finish()
    assert test.passed == ["child", "root"]
