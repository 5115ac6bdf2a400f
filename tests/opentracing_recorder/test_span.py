"""BasicSpan: what it keeps, when it freezes, and what it stands."""

from __future__ import annotations

import builtins
import gc
import json
import logging
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from opentracing import tags
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    InMemoryRecorder,
)
from opentracing_recorder._failure_log import RateLimit


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()


@pytest.fixture
def tracer(recorder: InMemoryRecorder) -> BasicTracer:
    return BasicTracer(recorder)


def on_eight_threads(work: Callable[[int], None]) -> None:
    barrier = threading.Barrier(8)

    def run(index: int) -> None:
        barrier.wait()
        work(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Hostile:
    """Raises from everything that turns it into something else."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")


def test_duration_is_monotonic(tracer: BasicTracer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock set back during the span does not make its duration negative."""
    span = tracer.start_span("x")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    span.finish()
    assert 0 <= span.duration < 10


def test_explicit_times(tracer: BasicTracer) -> None:
    """Given times are used as they are; an end before the start counts as the start."""
    span = tracer.start_span("x", start_time=100)
    span.finish(102.5)
    assert (span.start_time, span.duration) == (100, 2.5)
    span = tracer.start_span("x", start_time=100)
    span.finish(99)
    assert span.duration == 0
    span = tracer.start_span("x", start_time=time.time() - 5)
    span.finish()
    assert 5 <= span.duration < 10
    span = tracer.start_span("x")
    span.finish(span.start_time + 3)
    assert span.duration == pytest.approx(3)


@pytest.mark.parametrize("bad", ["soon", float("nan"), float("inf"), object()])
def test_times_that_are_none_count_as_not_given(tracer: BasicTracer, bad: Any) -> None:
    """A time that cannot be one is ignored."""
    span = tracer.start_span("x", start_time=bad)
    span.log_kv({"event": "e"}, bad).finish(bad)
    assert span.start_time == pytest.approx(time.time(), abs=10)
    assert 0 <= span.duration < 10


def test_finishing_twice_records_once(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """A second finish changes nothing and is not reported."""
    span = tracer.start_span("x")
    span.finish()
    duration = span.duration
    span.finish(span.start_time + 99)
    assert recorder.spans == [span]
    assert span.duration == duration


def test_finished_span_is_frozen(tracer: BasicTracer, caplog: pytest.LogCaptureFixture) -> None:
    """Late setters change nothing; the first is reported with the operation and its own place."""
    span = tracer.start_span("early")
    assert not span.finished
    span.finish()
    before = span.to_dict()
    span.set_tag("a", 1).log_kv({"b": 2}).set_operation_name("late").set_baggage_item("c", "d")
    assert span.finished
    assert span.to_dict() == before
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'early'" in record.getMessage()
    assert __file__ in record.getMessage()


def test_tags_given_at_start_are_copied(tracer: BasicTracer) -> None:
    """Changing the dict afterwards does not change the span."""
    given = {"a": 1}
    span = tracer.start_span("x", tags=given)
    given["a"] = 2
    assert span.tags == {"a": 1}


@pytest.mark.parametrize(("priority", "kept"), [(1, True), ("1", True), (0, False), ("0", False)])
@pytest.mark.parametrize("early", [True, False])
def test_sampling_priority(
    tracer: BasicTracer, recorder: InMemoryRecorder, priority: Any, kept: bool, early: bool
) -> None:
    """The tag decides for the span and its later children, at start and afterwards."""
    given = {tags.SAMPLING_PRIORITY: priority}
    span = tracer.start_span("x", tags=given if early else None)
    if not early:
        span.set_tag(tags.SAMPLING_PRIORITY, priority)
    child = tracer.start_span("child", child_of=span)
    assert span.context.sampled is child.context.sampled is kept
    child.finish()
    span.finish()
    assert len(recorder.spans) == (2 if kept else 0)


def test_sampling_priority_samples_an_unsampled_trace(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Above 0 it brings a span back that was not sampled, its context asked for or not."""
    parent = BasicSpanContext(1, 2, sampled=False)
    span = tracer.start_span("x", child_of=parent)
    span.context.to_span_id()
    span.set_tag(tags.SAMPLING_PRIORITY, 1).set_tag("a", 1).finish()
    assert recorder.one("x").tags["a"] == 1


def test_unsampled_span_keeps_nothing_but_travels(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It has ids and baggage, but no tags and no logs, and is not recorded."""
    span = tracer.start_span("x", child_of=BasicSpanContext(1, 2, sampled=False), tags={"a": 1})
    span.set_tag("b", 2).log_kv({"event": "e"}).set_baggage_item("k", "v")
    assert (span.tags, span.logs) == ({}, [])
    assert (span.context.trace_id, span.parent_id) == (1, 2)
    assert span.get_baggage_item("k") == "v"
    span.finish()
    assert recorder.spans == []


def test_writing_sampled_on_the_context_decides(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """`span.context.sampled` may be assigned, as with basictracer."""
    span = tracer.start_span("x")
    span.context.sampled = False
    span.finish()
    assert recorder.spans == []


def test_baggage_replaces_the_context_and_not_its_ids(tracer: BasicTracer) -> None:
    """A context taken before is unchanged; children started after have the item."""
    span = tracer.start_span("x")
    before = span.context
    span.set_baggage_item("k", "v")
    assert before.baggage == {}
    assert span.context.baggage == {"k": "v"}
    assert span.context.span_id == before.span_id
    child = tracer.start_span("y", child_of=span)
    assert child.get_baggage_item("k") == "v"
    child.set_baggage_item("k", "w")
    assert span.get_baggage_item("k") == "v"
    assert span.get_baggage_item("none") is None


def test_limits_on_tags_and_logs() -> None:
    """Tags beyond the limit are left out; logs keep the oldest and the newest half; both count."""
    span = BasicTracer(max_tags=3, max_logs=4).start_span("x", tags=dict.fromkeys("abcde"))
    assert (list(span.tags), span.dropped_tags) == (["a", "b", "c"], 2)
    span.set_tag("f", 1).set_tag("a", 2)
    assert (span.tags["a"], span.dropped_tags) == (2, 3)
    for index in range(10):
        span.log_kv({"index": index})
    assert [log.key_values["index"] for log in span.logs] == [0, 1, 8, 9]
    assert span.dropped_logs == 6


KEPT = {"error": True, "http.status_code": 500, "span.kind": "server"}


def fill(span: BasicSpan, number: int = 128) -> None:
    for index in range(number):
        span.set_tag(str(index), index)


@pytest.mark.parametrize(
    ("when", "dropped"), [("at start", 3), ("first", 3), ("last", 3), ("each in turn", 8)]
)
def test_a_full_span_still_takes_the_tags_that_say_how_it_went(
    tracer: BasicTracer, when: str, dropped: int
) -> None:
    """`error`, `http.status_code` and `span.kind` are kept whenever they are set; the newest of the
    others makes room, and is counted.
    """
    others = {str(index): index for index in range(128)}
    if when == "at start":
        span = tracer.start_span("x", tags={**others, **KEPT})
    else:
        span = tracer.start_span("x")
        if when == "last":
            fill(span)
        for key, value in KEPT.items():
            span.set_tag(key, value)
            if when == "each in turn":
                fill(span)
        if when == "first":
            fill(span)
    assert {key: span.tags.get(key) for key in KEPT} == KEPT
    assert len(span.tags) == 128
    assert [key for key in span.tags if key not in KEPT] == list(map(str, range(125)))
    assert span.dropped_tags == dropped
    span.set_tag("error", "timed out").set_tag("one more", 1)
    assert span.tags["error"] == "timed out"
    assert "one more" not in span.tags


def test_an_exception_that_leaves_a_full_span_shows(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """It is an error to whoever looks at its tags."""
    span = tracer.start_span("x")
    fill(span)
    with pytest.raises(ValueError, match="late"), span:
        raise ValueError("late")
    assert recorder.one("x", error=True).tags["error"] is True


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (1, ["error"]),
        (2, ["http.status_code", "error"]),
        (3, ["span.kind", "http.status_code", "error"]),
        (4, ["a", "span.kind", "http.status_code", "error"]),
    ],
)
@pytest.mark.parametrize("early", [True, False])
def test_the_limit_on_tags_holds_for_those_that_are_kept(
    limit: int, kept: list[str], early: bool
) -> None:
    """Among these, an error outlasts a status code, and that the kind."""
    given = {"a": 1, "span.kind": "server", "b": 2, "http.status_code": 500, "error": True, "c": 3}
    span = BasicTracer(max_tags=limit).start_span("x", tags=given if early else None)
    if not early:
        for key, value in given.items():
            span.set_tag(key, value)
    assert list(span.tags) == kept
    assert span.dropped_tags == len(given) - limit


def test_a_limit_lowered_meanwhile_holds_from_the_next_tag_on(tracer: BasicTracer) -> None:
    """Tags that carry the outcome are kept first then too."""
    span = tracer.start_span("x", tags={"a": 1, "error": True, "b": 2, "c": 3})
    tracer.max_tags = 2
    span.set_tag("d", 4)
    assert (span.tags, span.dropped_tags) == ({"a": 1, "error": True}, 3)
    tracer.max_tags = 0
    span.set_tag("e", 5)
    assert (span.tags, span.dropped_tags) == ({}, 6)


def test_many_tags_are_dropped_in_time(tracer: BasicTracer) -> None:
    """A tag over the limit takes the same time, however many there are."""
    given = {
        "error": True,
        **{str(index): index for index in range(200_000)},
        "span.kind": "server",
    }
    before = time.perf_counter()
    span = tracer.start_span("x", tags=given)
    assert time.perf_counter() - before < 5
    assert (len(span.tags), span.dropped_tags) == (128, len(given) - 128)
    assert (span.tags["error"], span.tags["span.kind"]) == (True, "server")


def test_recorded_error_keeps_no_frame_alive(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The traceback becomes text and the exception a copy, so the frame's locals are freed."""

    class Local:
        pass

    def fail() -> weakref.ref[Local]:
        local = Local()
        watched = weakref.ref(local)
        try:
            with tracer.start_span("x"):
                raise ValueError("broken", 7)
        except ValueError:
            return watched

    watched = fail()
    gc.collect()
    assert watched() is None
    fields = recorder.one("x").logs[0].key_values
    assert "in fail" in fields["stack"]
    assert type(fields["error.object"]) is ValueError
    assert fields["error.object"].args == ("broken", 7)
    assert fields["error.kind"] is ValueError
    assert recorder.one("x").tags["error"] is True


def test_exception_with_a_constructor_of_its_own_is_kept(tracer: BasicTracer) -> None:
    """A constructor that wants other arguments does not keep the exception from being copied."""

    class Odd(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__(f"{a} and {b}")

    span = tracer.start_span("x").log_kv({"error.object": Odd(1, 2)})
    kept = span.logs[0].key_values["error.object"]
    assert (type(kept), str(kept)) == (Odd, "1 and 2")


def test_hostile_values_neither_raise_nor_hide_others(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The span is recorded with everything else it was given, whatever the value is."""
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    values = [Hostile(), cyclic, float("nan"), "\ud800", b"\xff", None, 10**400, {None: Hostile()}]
    span = tracer.start_span(Hostile(), tags={"good": 1})  # type: ignore[arg-type]
    for index, value in enumerate(values):
        span.set_tag(str(index), value).log_kv({"value": value})
    span.set_tag(Hostile(), 1).set_tag([], 2).log_kv(Hostile())  # type: ignore[arg-type]
    span.set_baggage_item(Hostile(), Hostile())  # type: ignore[arg-type]
    span.set_operation_name(Hostile())  # type: ignore[arg-type]
    span.get_baggage_item(Hostile())  # type: ignore[arg-type]
    span.finish()
    (recorded,) = recorder.spans
    text = json.dumps(recorded.to_dict(), allow_nan=False)
    text.encode("utf-8")
    assert recorded.to_dict()["tags"]["good"] == 1
    assert "Hostile>" in text
    assert len(recorded.logs) == len(values) + 1


def test_to_dict_form(tracer: BasicTracer) -> None:
    """The documented keys, all of them, with ids in hexadecimal."""
    tracer.service_name = "shop"
    parent = BasicSpanContext(0xAB, 0xCD, {"k": "v"})
    span = tracer.start_span("x", child_of=parent, start_time=5.0, tags={"t": 1})
    span.log_kv({"event": "e"}, 5.5)
    assert span.to_dict()["duration"] is None
    span.finish(6.0)
    assert span.to_dict() == {
        "trace_id": "00000000000000ab",
        "span_id": span.context.to_span_id(),
        "parent_id": "00000000000000cd",
        "operation_name": "x",
        "service": "shop",
        "start_time": 5.0,
        "duration": 1.0,
        "tags": {"t": 1},
        "logs": [{"timestamp": 5.5, "fields": {"event": "e"}}],
        "references": [],
        "baggage": {"k": "v"},
        "dropped_tags": 0,
        "dropped_logs": 0,
    }


def test_spans_may_be_subclassed_and_constructed_as_with_basictracer(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The constructor takes basictracer's arguments in its order; attributes can be added."""

    class OwnSpan(BasicSpan):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = True

    context = BasicSpanContext(trace_id=1, span_id=2)
    span = OwnSpan(tracer, "x", context, 3, {"a": 1}, 10.0)
    assert (span.operation_name, span.parent_id, span.tags, span.start_time) == (
        "x",
        3,
        {"a": 1},
        10.0,
    )
    assert span.context is span._context is context
    assert span.tracer is span._tracer is tracer
    span.finish()
    assert recorder.spans == [span]


@pytest.mark.needs_os
@pytest.mark.threads
def test_eight_threads_lose_and_double_nothing(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Spans started and finished on eight threads at once are each recorded once."""

    def work(index: int) -> None:
        for number in range(250):
            with tracer.start_active_span(f"{index}-{number}") as scope:
                scope.span.set_tag("n", number)

    on_eight_threads(work)
    spans = recorder.spans
    assert len(spans) == 2000
    assert len({span.operation_name for span in spans}) == 2000
    assert len({span.context.span_id for span in spans}) == 2000
    assert all(span.parent_id is None for span in spans)


@pytest.mark.needs_os
@pytest.mark.threads
def test_one_span_on_eight_threads(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Its setters lose nothing, its limits count exactly, its context is one, it ends once."""
    for _ in range(50):
        span = tracer.start_span("shared")
        contexts: list[Any] = []

        def work(index: int, span: BasicSpan = span, contexts: list[Any] = contexts) -> None:
            contexts.append(span.context)
            for number in range(32):
                span.set_tag(f"{index}-{number}", 1).log_kv({"n": number})
            span.set_baggage_item(str(index), "v")

        on_eight_threads(work)
        assert (len(span.tags), span.dropped_tags) == (128, 128)
        assert (len(span.logs), span.dropped_logs) == (128, 128)
        assert len(span.context.baggage) == 8
        assert len({context.span_id for context in contexts}) == 1
        on_eight_threads(lambda _, span=span: span.finish())  # type: ignore[misc]
    assert len(recorder.spans) == 50


@pytest.mark.needs_os
@pytest.mark.threads
def test_a_full_span_on_eight_threads_keeps_what_each_of_them_may_set(tracer: BasicTracer) -> None:
    """Tags that are never dropped are always present, and the others count exactly."""
    for _ in range(20):
        span = tracer.start_span("shared", tags={str(index): index for index in range(127)})
        missing: list[int] = []

        def work(index: int, span: BasicSpan = span, missing: list[int] = missing) -> None:
            for number in range(16):
                span.set_tag(f"{index}-{number}", 1)
                span.set_tag(list(KEPT)[index % 3], number)
                if list(KEPT)[index % 3] not in span.tags:
                    missing.append(index)

        on_eight_threads(work)
        assert missing == []
        assert KEPT.keys() <= span.tags.keys()
        assert (len(span.tags), span.dropped_tags) == (128, 127 + 8 * 16 + 3 - 128)


@pytest.mark.needs_os
@pytest.mark.threads
def test_two_threads_that_finish_a_span_at_once_record_it_once(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The span is recorded once, even if both threads reach the same instruction."""
    spans = [tracer.start_span(str(number)) for number in range(200)]
    arrived = [-1, -1]

    def finish_all(thread: int) -> None:
        for number, span in enumerate(spans):
            arrived[thread] = number
            while arrived[1 - thread] < number:
                pass  # the shortest wait that there is
            span.finish()

    threads = [threading.Thread(target=finish_all, args=(each,)) for each in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorder.spans) == len(spans)
    assert set(recorder.spans) == set(spans)


@pytest.mark.needs_os
@pytest.mark.threads
def test_context_is_one_object(tracer: BasicTracer) -> None:
    """Asked for by eight threads at once, the context is the same for all."""
    span = tracer.start_span("x")
    contexts: list[Any] = []
    on_eight_threads(lambda _: contexts.append(span.context))
    assert {id(context) for context in contexts} == {id(span.context)}


class Alarm(Exception):
    made = 0

    def __init__(self, *args: object, cause: BaseException | None = None) -> None:
        super().__init__(*args)
        self.cause = cause
        Alarm.made += 1


def test_no_exception_of_the_application_is_constructed_again(tracer: BasicTracer) -> None:
    """Its constructor may do more than construct; the span keeps a copy all the same."""
    Alarm.made = 0
    with pytest.raises(Alarm), tracer.start_active_span("outer"), tracer.start_active_span("inner"):
        raise Alarm("fire")
    assert Alarm.made == 1
    kept = tracer.recorder.spans[0].logs[0].key_values["error.object"]  # type: ignore[attr-defined]
    assert isinstance(kept, Alarm)
    assert kept.args == ("fire",)


class Local:
    """An object that a frame would keep alive."""


def raise_with_local(local: object) -> None:
    raise ValueError("inner")


@pytest.mark.parametrize("place", ["args", "attribute", "deep"])
def test_an_exception_inside_another_keeps_no_frame(tracer: BasicTracer, place: str) -> None:
    """An exception in its arguments or attributes, as in urllib and SQLAlchemy, keeps none."""
    local = Local()
    freed = weakref.ref(local)
    error: BaseException
    try:
        raise_with_local(local)
    except ValueError as inner:
        if place == "args":
            error = Alarm(inner)
        elif place == "attribute":
            error = Alarm("outer", cause=inner)
        else:
            error = Alarm(Alarm("middle", cause=inner))
    span = tracer.start_span("x").log_kv({"error.object": error})
    del local, error
    gc.collect()
    assert freed() is None
    assert "Alarm" in str(span.to_dict()["logs"])


def test_an_exception_that_holds_itself_is_kept(tracer: BasicTracer) -> None:
    """Following it ends."""
    error = Alarm("fire")
    error.cause = error
    span = tracer.start_span("x").log_kv({"error.object": error})
    assert "fire" in str(span.to_dict()["logs"])


def test_the_stack_may_be_what_exc_info_returns(tracer: BasicTracer) -> None:
    """The three of `sys.exc_info` become the traceback's text."""
    span = tracer.start_span("x")
    try:
        raise_with_local(None)
    except ValueError:
        span.log_kv({"stack": sys.exc_info()})
    assert "raise_with_local" in span.logs[0].key_values["stack"]
    assert isinstance(span.logs[0].key_values["stack"], str)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_duration_does_not_jump_with_the_wall_clock(
    tracer: BasicTracer, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Without explicit times, it is measured independently of changes of the clock."""
    span = tracer.start_span("x")
    later = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: later)
    span.finish()
    assert 0 < span.duration < 10


def test_times_are_seconds_since_the_epoch(tracer: BasicTracer) -> None:
    """Start and log times are as `time.time` gives them; those given are kept."""
    before = time.time()
    span = tracer.start_span("x").log_kv({"event": "e"}).log_kv({"event": "f"}, 7.5)
    after = time.time()
    assert before <= span.start_time <= span.logs[0].timestamp <= after
    assert span.logs[1].timestamp == 7.5


def test_logged_fields_are_copied(tracer: BasicTracer) -> None:
    """Changing the dict afterwards does not change the log."""
    given = {"event": "e"}
    span = tracer.start_span("x").log_kv(given)
    given["event"] = "f"
    assert span.logs[0].key_values == {"event": "e"}


def test_tags_are_a_dict_that_owners_change(tracer: BasicTracer) -> None:
    """Recorders see each tag that is put in or taken out."""
    span = tracer.start_span("x", tags={"a": 1, "b": 2})
    span.tags["c"] = 3
    del span.tags["a"]
    assert span.to_dict()["tags"] == {"b": 2, "c": 3}


def test_ids_are_numbers_and_a_root_has_no_parent(tracer: BasicTracer) -> None:
    """`parent_id` is an int or None."""
    root = tracer.start_span("x")
    child = tracer.start_span("y", child_of=root)
    assert root.parent_id is None
    assert (type(root.context.trace_id), type(root.context.span_id)) == (int, int)
    assert child.parent_id == root.context.span_id


@pytest.mark.parametrize("decision", [True, False])
def test_a_decision_written_on_the_context_holds_at_once(
    tracer: BasicTracer, recorder: InMemoryRecorder, decision: bool
) -> None:
    """The decision holds for later tags and logs, and for later children."""
    span = tracer.start_span("x", child_of=BasicSpanContext(1, 2, sampled=not decision))
    span.context.sampled = decision
    span.set_tag("a", 1).log_kv({"event": "e"})
    assert (bool(span.tags), bool(span.logs)) == (decision, decision)
    tracer.start_span("child", child_of=span).finish()
    assert bool(recorder.spans) is decision


@pytest.mark.parametrize("priority", ["high", None, [], float("nan")])
def test_a_priority_that_is_no_number_decides_nothing(tracer: BasicTracer, priority: Any) -> None:
    """It is a tag like any other; not a number is not above 0."""
    span = tracer.start_span("x").set_tag(tags.SAMPLING_PRIORITY, priority)
    assert span.sampled is not isinstance(priority, float)


def test_spans_take_any_attribute_and_can_be_patched(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """`finish` may be replaced on one span, and leaving the block calls the replacement."""
    span = tracer.start_span("x")
    span.extra = 1  # type: ignore[attr-defined]
    with mock.patch.object(span, "finish") as finish, span:
        pass
    finish.assert_called_once_with()
    assert recorder.spans == []
    span.finish()
    assert recorder.one("x").extra == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "late",
    [
        lambda span: span.set_tag("a", 1),
        lambda span: span.log_kv({"a": 1}),
        lambda span: span.log_event("e"),
        lambda span: span.set_operation_name("late"),
        lambda span: span.set_baggage_item("a", "b"),
    ],
    ids=["set_tag", "log_kv", "log_event", "set_operation_name", "set_baggage_item"],
)
def test_each_late_call_is_reported_where_it_came_from(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture, late: Any
) -> None:
    """It changes nothing, chains on, and is told with this file and its line; once."""
    span = tracer.start_span("early")
    span.finish()
    before = span.to_dict()
    assert late(span) is span
    assert late(span) is span
    assert span.to_dict() == before
    (record,) = caplog.records
    assert f"{__file__}:{late.__code__.co_firstlineno}," in record.getMessage()


def test_a_long_name_makes_no_long_warning(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture
) -> None:
    """A name may be a path that a stranger asked for."""
    with tracer.start_active_span("/\n" * 100_000) as scope:
        inner = tracer.start_active_span("inner")
        scope.close()
        inner.close()
    scope.span.set_tag("a", 1)
    closed, late = (record.getMessage() for record in caplog.records)
    assert "'/\\n/\\n" in closed
    assert "'/\\n/\\n" in late
    assert max(len(closed), len(late)) < 800


def can_others_trace() -> bool:
    """Return if another thread gets through all methods of a span that take a lock."""
    done = threading.Event()

    def work() -> None:
        span = BasicTracer(max_tags=1, max_logs=1).start_span("other")
        span.set_baggage_item("a", "b").set_tag(tags.SAMPLING_PRIORITY, 1).set_tag("a", 1)
        span.log_kv({}).log_kv({}).finish()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    return done.wait(2)


class Watching:
    """Finds out, wherever the tracer runs its code, whether other threads can trace meanwhile."""

    def __init__(self) -> None:
        self.found: list[bool] = []

    def look(self, *args: Any) -> Any:
        self.found.append(can_others_trace())
        return "text"

    __str__ = look

    def __float__(self) -> float:
        self.look()
        return 1.0

    def keys(self) -> list[str]:
        self.look()
        return []

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    __getitem__ = look
    record_span = span_started = look

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        self.look()
        return True


class Dropped:
    """Looks when it is freed."""

    def __init__(self, watching: Any) -> None:
        self.watching = watching

    def __del__(self) -> None:
        self.watching.look()


def drop_a_tag(watching: Watching) -> None:
    """Drop a tag by a lowered limit, so that only the span has the value."""
    tracer = BasicTracer(max_tags=2)
    span = tracer.start_span("x").set_tag("a", 1).set_tag("b", Dropped(watching))
    tracer.max_tags = 1
    span.set_tag("a", 2)


USER_CODE: dict[str, Callable[[Any, BasicTracer], Any]] = {
    "record_span": lambda it, _: BasicTracer(it).start_span("x").finish(),
    "sampler": lambda it, _: BasicTracer(sampler=it).start_span("x"),
    "name at start": lambda it, tracer: tracer.start_span(it),
    "name": lambda it, tracer: tracer.start_span("x").set_operation_name(it),
    "tags at start": lambda it, tracer: tracer.start_span("x", tags=it),
    "key of a tag": lambda it, tracer: tracer.start_span("x").set_tag(it, 1),
    "priority": lambda it, tracer: tracer.start_span("x").set_tag(tags.SAMPLING_PRIORITY, it),
    "fields of a log": lambda it, tracer: tracer.start_span("x").log_kv(it),
    "time of a log": lambda it, tracer: tracer.start_span("x").log_kv({}, it),
    "key of baggage": lambda it, tracer: tracer.start_span("x").set_baggage_item(it, "v"),
    "value of baggage": lambda it, tracer: tracer.start_span("x").set_baggage_item("k", it),
    "to_dict": lambda it, tracer: tracer.start_span("x", tags={"a": it}).to_dict(),
    "dropped tag": lambda it, _: drop_a_tag(it),
    "dropped log": lambda it, _: (
        BasicTracer(max_logs=1).start_span("x").log_kv({"a": Dropped(it)}).log_kv({})
    ),
}


@pytest.mark.needs_os
@pytest.mark.parametrize("where", USER_CODE)
def test_no_lock_is_held_while_user_code_runs(tracer: BasicTracer, where: str) -> None:
    """Other threads trace on while a recorder, a sampler or a value's own code runs."""
    watching = Watching()
    USER_CODE[where](watching, tracer)
    gc.collect()
    assert watching.found
    assert all(watching.found)


def test_limits_are_128_by_default(tracer: BasicTracer) -> None:
    """A span keeps 128 tags and 128 logs by default."""
    span = tracer.start_span("x", tags=dict.fromkeys(map(str, range(130))))
    for index in range(130):
        span.log_kv({"index": index})
    assert (len(span.tags), span.dropped_tags) == (128, 2)
    assert (len(span.logs), span.dropped_logs) == (128, 2)
    kept = [log.key_values["index"] for log in span.logs]
    assert kept == [*range(64), *range(66, 130)]


def test_a_recorded_group_of_errors_keeps_no_frame_alive(tracer: BasicTracer) -> None:
    """The members' tracebacks are let go as well, and the group stays one; the backport's too."""
    Group: Any = getattr(builtins, "ExceptionGroup", None)
    if Group is None:
        Group = pytest.importorskip("exceptiongroup").ExceptionGroup

    class Local:
        pass

    def fail() -> tuple[Any, Any]:
        local = Local()
        try:
            raise ValueError("member")
        except ValueError as error:
            group = Group("both", [error])
            span = tracer.start_span("x").log_kv({"error.object": group})
        return weakref.ref(local), span

    watched, span = fail()
    gc.collect()
    assert watched() is None
    kept = span.logs[0].key_values["error.object"]
    assert [str(member) for member in kept.exceptions] == ["member"]


def test_a_caught_exception_is_recorded(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """The span fails with its stack, and continues."""
    with tracer.start_span("x") as span:
        try:
            raise_with_local(None)
        except ValueError as error:
            span.record_exception(error)
        assert span.is_recording()
    found = recorder.one("x")
    assert found.tags["error"] is True
    assert "raise_with_local" in found.logs[0].key_values["stack"]
    assert span.record_exception(ValueError("late")).logs == found.logs


def test_several_tags_are_set_at_once(
    tracer: BasicTracer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapping or pairs; what cannot be read is logged, and None is none."""
    monkeypatch.setattr("opentracing_recorder.span._bad_tags", RateLimit())
    span = tracer.start_span("x")
    given: Any
    for given in ({"a": 1, 2: "b"}, [("c", 3)], None, {}):
        assert span.set_tags(given) is span
    assert span.tags == {"a": 1, "2": "b", "c": 3}
    assert caplog.records == []
    assert span.set_tags(7) is span  # type: ignore[arg-type]
    assert "tags of a span must be a mapping; int could not be read" in caplog.text


def test_a_span_is_recording_while_it_is_sampled_and_open(tracer: BasicTracer) -> None:
    """`sampling.priority` may change it, and `set_tags` sets that one too."""
    span = tracer.start_span("x")
    seen = [span.is_recording()]
    for priority in (0, 1):
        span.set_tags({"sampling.priority": priority})
        seen.append(span.is_recording())
    assert span.context.sampled
    seen.append(span.is_recording())
    span.finish()
    seen.append(span.is_recording())
    unsampled = BasicTracer(sampler=ConstSampler(False)).start_span("x")
    assert [*seen, unsampled.is_recording()] == [True, False, True, True, False, False]
    assert not pickle.loads(pickle.dumps(tracer.start_span("x"))).is_recording()
