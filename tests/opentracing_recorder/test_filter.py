"""FilterRecorder: a function that changes or drops spans on their way to another recorder."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, Reference, ReferenceType
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    BatchRecorder,
    CompositeRecorder,
    FilterCounts,
    FilterRecorder,
    InMemoryRecorder,
    NoopRecorder,
    Recorder,
    Redaction,
)
from opentracing_recorder.harness import RecorderCheckMixin

from ..threads import on_threads


def same(span: BasicSpan) -> BasicSpan:
    return span


def filtered(
    function: Callable[[Any], Any],
) -> tuple[BasicTracer, FilterRecorder, InMemoryRecorder]:
    memory = InMemoryRecorder()
    recorder = FilterRecorder(memory, function)
    return BasicTracer(recorder, service_name="shop"), recorder, memory


class TestFilterRecorder(RecorderCheckMixin):
    """In front of a recorder, one that changes nothing keeps the contract."""

    def recorder(self) -> Recorder:
        self.memory = InMemoryRecorder()
        return FilterRecorder(self.memory, same)

    def delivered(self, recorder: Recorder) -> list[str]:
        return [span.operation_name for span in self.memory.spans]

    def check_fork(self) -> bool:
        return False  # the spans stay in this process's memory


class TestRedactingRecorder(TestFilterRecorder):
    """So does one that redacts."""

    def recorder(self) -> Recorder:
        self.memory = InMemoryRecorder()
        return FilterRecorder(self.memory, Redaction())


def test_the_returned_span_is_handed_on_and_none_drops_it() -> None:
    """The inner recorder gets what the function returns, and the counts say what became of each."""

    def rename(span: BasicSpan) -> BasicSpan | None:
        if span.operation_name == "health":
            return None
        span.operation_name = span.operation_name.upper()
        span.tags["seen"] = True
        span.logs.append(span.logs[0])
        return span

    tracer, recorder, memory = filtered(rename)
    tracer.start_span("health").finish()
    span = tracer.start_span("pay").log_kv({"event": "x"})
    span.finish()
    (recorded,) = memory.spans
    assert recorded.operation_name == "PAY"
    assert recorded.tags == {"seen": True}
    assert len(recorded.logs) == 2
    assert recorded.context.span_id == span.context.span_id
    assert recorder.counts == FilterCounts(recorded=2, passed=1, dropped=1, failed=0)


def change_everything(span: BasicSpan) -> BasicSpan:
    span.operation_name = "changed"
    span.tags["new"] = 1
    span.tags.pop("old")
    span.logs[0].key_values["new"] = 1
    span.logs.clear()
    span.references = ()
    span.context.baggage["new"] = "1"
    span.context.sampled = False
    span.start_time = 0.0
    span.duration = 0.0
    span.parent_id = None
    return span


@pytest.mark.parametrize("has_context", [False, True])
def test_nobody_else_sees_a_change(has_context: bool) -> None:
    """Neither the application's span nor any other recorder, before or after, has the change."""
    before, inside, after = InMemoryRecorder(), InMemoryRecorder(), InMemoryRecorder()
    recorder = FilterRecorder(inside, change_everything)
    tracer = BasicTracer(CompositeRecorder([before, recorder, after]))
    parent = BasicSpanContext(1, 2, {"item": "kept"})
    span = tracer.start_span("pay", child_of=parent, tags={"old": 0}, references=[
        Reference(ReferenceType.FOLLOWS_FROM, parent)])  # fmt: skip
    span.log_kv({"event": "x"})
    if has_context:
        tracer.inject(span.context, Format.TEXT_MAP, {})
    span.finish()
    for each in (span, *before.spans, *after.spans):
        assert each.operation_name == "pay"
        assert each.tags == {"old": 0}
        assert [log.key_values for log in each.logs] == [{"event": "x"}]
        assert len(each.references) == 1
        assert each.parent_id == 2
        assert each.start_time > 0
        assert each.context.baggage == {"item": "kept"}
        assert each.context.sampled
    (changed,) = inside.spans
    assert changed.operation_name == "changed"
    assert changed.context.baggage == {"item": "kept", "new": "1"}
    assert (changed.tags, changed.logs, changed.references) == ({"new": 1}, [], ())


def test_a_filter_that_stands_first_changes_nothing_for_the_next() -> None:
    """In a CompositeRecorder, and in front of one, each filter's change is its own."""
    first, second = InMemoryRecorder(), InMemoryRecorder()

    def tag(span: BasicSpan) -> BasicSpan:
        span.tags["seen"] = span.tags.get("seen", 0) + 1
        return span

    recorder = CompositeRecorder([FilterRecorder(FilterRecorder(first, tag), tag), second])
    BasicTracer(recorder).start_span("x").finish()
    assert (first.spans[0].tags, second.spans[0].tags) == ({"seen": 2}, {})


@pytest.mark.parametrize(
    "write",
    [
        lambda span: setattr(span, "operation_name", "new"),
        lambda span: setattr(span, "tags", {"new": 1}),
        lambda span: setattr(span, "start_time", 1.0),
        lambda span: setattr(span, "duration", 2.0),
        lambda span: setattr(span, "parent_id", 3),
        lambda span: setattr(span, "references", ()),
        lambda span: setattr(span, "dropped_tags", 4),
        lambda span: setattr(span, "context", BasicSpanContext(5, 6)),
        lambda span: span.logs.clear(),
        lambda span: span.tags.clear(),
    ],
)
def test_a_first_use_that_writes_is_not_lost(write: Callable[[BasicSpan], object]) -> None:
    """The function need not read a field before it sets it."""
    tracer, _, memory = filtered(lambda span: (write(span), span)[1])
    parent = BasicSpanContext(1, 2)
    span = tracer.start_span("old", child_of=parent, tags={"old": 0})
    span.references = (Reference(ReferenceType.CHILD_OF, parent),)
    span.log_kv({"event": "x"}).finish()
    expected = copy.copy(span)._detached()
    write(expected)
    assert memory.spans[0].to_dict() == expected.to_dict()
    assert memory.spans[0].to_dict() != span.to_dict()


def test_a_first_use_may_delete_a_field() -> None:
    """A span of the function's may lose its references as any other span may."""

    def forget(span: BasicSpan) -> BasicSpan:
        del span.references
        return span

    tracer, recorder, memory = filtered(forget)
    tracer.start_span("x", references=Reference(ReferenceType.FOLLOWS_FROM, BasicSpanContext(1, 2)),
                      child_of=BasicSpanContext(1, 2)).finish()  # fmt: skip
    assert recorder.counts.failed == 0
    assert memory.spans[0].references == ()


@pytest.mark.parametrize(
    "read",
    [
        BasicSpan.to_dict,
        repr,
        copy.copy,
        lambda span: span.references,
        lambda span: span.finish(),
        lambda span: span.set_tag("late", 1),
        lambda span: isinstance(span, BasicSpan),
        lambda span: vars(span),
    ],
)
def test_a_function_that_only_reads_hands_on_the_same(read: Callable[[Any], object]) -> None:
    """Whatever it does with its span, the one that goes out has all fields of the finished one."""
    tracer, recorder, memory = filtered(lambda span: (read(span), span)[1])
    span = tracer.start_span(
        "x", references=Reference(ReferenceType.FOLLOWS_FROM, BasicSpanContext(1, 2))
    )
    span.set_tag("a", 1).log_kv({"event": "x"}).finish()
    assert [each.to_dict() for each in memory.spans] == [span.to_dict()]
    assert recorder.counts.passed == 1


def test_another_span_may_be_returned() -> None:
    """A copy that the function made, or a span that it kept, takes the place of its own."""
    kept: list[BasicSpan] = []

    def late(span: BasicSpan) -> BasicSpan | None:
        kept.append(span)
        return kept.pop(0) if len(kept) > 1 else None

    tracer, recorder, memory = filtered(late)
    for name in "abc":
        tracer.start_span(name, tags={"name": name}).finish()
    assert [(span.operation_name, span.tags["name"]) for span in memory.spans] == [
        ("a", "a"), ("b", "b"),
    ]  # fmt: skip
    assert recorder.counts == (3, 2, 1, 0)


def raises(span: BasicSpan) -> BasicSpan:
    span.tags["half"] = "done"
    raise ValueError("function")


@pytest.mark.parametrize(
    "function",
    [
        raises,
        lambda span: True,
        lambda span: span.to_dict(),
        lambda span: BasicSpan,
        lambda: None,
        lambda span: (setattr(span, "tags", None), span)[1],
    ],
)
def test_a_function_that_fails_sends_nothing_but_ids_and_times(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The span goes out without name, tags, logs and baggage; it is counted, the failure logged."""
    tracer, recorder, memory = filtered(function)
    parent = BasicSpanContext(1, 2, {"secret": "in baggage"}, extra={"tracestate": "secret=x"})
    reference = Reference(ReferenceType.FOLLOWS_FROM, parent)
    for _ in range(3):
        span = tracer.start_span("/secret", child_of=parent, references=[reference])
        span.set_tag("secret", 1).log_kv({"secret": 1}).finish()
    assert recorder.counts == (3, 0, 0, 3)
    assert "secret" not in str(memory.spans[-1].to_dict())
    bare = memory.spans[-1]
    assert bare.operation_name == "filter failed"
    assert (bare.tags, bare.logs, bare.context.baggage) == ({}, [], {})
    assert bare.context.extra == {}
    assert (bare.dropped_tags, bare.dropped_logs) == (1, 1)
    assert (bare.context.trace_id, bare.context.span_id) == (1, span.context.span_id)
    assert (bare.parent_id, bare.start_time, bare.duration) == (2, span.start_time, span.duration)
    assert [each.referenced_context.span_id for each in bare.references] == [2]
    assert bare.references[0].referenced_context.baggage == {}
    assert bare.tracer is tracer
    assert span.tags == {"secret": 1}
    (record,) = caplog.records
    assert "FilterRecorder.function raised" in record.getMessage()


def test_a_failure_of_the_other_recorder_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """The span is not recorded a second time, and counts as handed on."""
    seen: list[BasicSpan] = []

    class Broken(NoopRecorder):
        def record_span(self, span: BasicSpan) -> None:
            seen.append(span)
            raise RuntimeError("full")

    recorder = FilterRecorder(Broken(), same)
    BasicTracer(recorder).start_span("x").finish()
    assert len(seen) == 1
    assert recorder.counts == (1, 1, 0, 0)
    assert "RuntimeError: full" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_and_its_span_is_counted(
    error: type[BaseException],
) -> None:
    """The exception reaches the application; the span goes out bare."""

    def interrupted(span: BasicSpan) -> BasicSpan:
        raise error

    tracer, recorder, memory = filtered(interrupted)
    with pytest.raises(error):
        tracer.start_span("x", tags={"a": 1}).finish()
    assert recorder.counts == (1, 0, 0, 1)
    assert memory.spans[0].tags == {}


def test_a_function_that_traces_itself_ends() -> None:
    """Spans that it makes of the same tracer do not come back without end."""
    tracers: list[BasicTracer] = []

    def traced(span: BasicSpan) -> BasicSpan:
        tracers[0].start_span("inner").finish()
        return span

    tracer, _, memory = filtered(traced)
    tracers.append(tracer)
    for _ in range(3):
        tracer.start_span("outer").finish()
    names = [span.operation_name for span in memory.spans]
    assert names.count("outer") == 3
    assert len(names) < 20


@pytest.mark.needs_os
def test_counts_are_exact_from_many_threads() -> None:
    """Each span is counted once, whatever becomes of it."""

    def by_tag(span: BasicSpan) -> Any:
        return {"pass": span, "drop": None}.get(span.operation_name, 5)

    tracer, recorder, memory = filtered(by_tag)

    def work() -> None:
        for _ in range(200):
            for name in ("pass", "drop", "fail"):
                tracer.start_span(name).finish()

    on_threads(work)
    assert recorder.counts == (4800, 1600, 1600, 1600)
    assert len(memory.spans) == 3200


@pytest.mark.needs_os
def test_what_it_wraps_shows_through() -> None:
    """`stats`, `service_name`, `flush` and `close` are those of the other recorder."""

    class Sender(BatchRecorder):
        def send(self, spans: Any) -> None:
            pass

    inner = Sender()
    recorder = FilterRecorder(inner, same)
    tracer = BasicTracer(recorder)
    tracer.start_span("x").finish()
    assert recorder.recorder is inner
    assert recorder.function is same
    assert recorder.flush(10)
    assert recorder.stats.sent == 1
    assert recorder.close(10)
    assert repr(recorder) == "<FilterRecorder of <Sender>>" or "Sender" in repr(recorder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((same, same), "recorder must have a record_span method"),
        ((NoopRecorder(), None), "function must be callable, not NoneType"),
        ((NoopRecorder(), Redaction), "function must be an instance, not the class Redaction"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    """The error names the argument."""
    with pytest.raises(TypeError, match=message):
        FilterRecorder(*arguments)


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_counts_its_own_spans() -> None:
    """Its counts begin at 0, and its spans are filtered as the parent's are."""
    tracer, recorder, _ = filtered(lambda span: None if span.tags else span)
    tracer.start_span("x").finish()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        tracer.start_span("x", tags={"a": 1}).finish()
        os.write(write, repr(tuple(recorder.counts)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"(1, 0, 1, 0)"
    assert recorder.counts == (1, 1, 0, 0)
    os.close(read)
    os.close(write)


@given(st.lists(st.sampled_from(["name", "tag", "untag", "log", "unlog", "baggage"])))
def test_any_changes_leave_the_application_s_span_alone(steps: list[str]) -> None:
    """Whatever the function does, in whatever order, the finished span is as it was."""
    step_of: dict[str, Callable[[Any], object]] = {
        "name": lambda span: setattr(span, "operation_name", f"{span.operation_name}!"),
        "tag": lambda span: span.tags.update({len(span.tags): 1}),
        "untag": lambda span: span.tags and span.tags.popitem(),
        "log": lambda span: span.logs.append(copy.copy(span.logs[0]) if span.logs else None),
        "unlog": lambda span: span.logs and span.logs.pop(),
        "baggage": lambda span: span.context.baggage.update(new="1"),
    }

    def change(span: BasicSpan) -> BasicSpan:
        for step in steps:
            step_of[step](span)
        return span

    tracer, _, memory = filtered(change)
    span = tracer.start_span("x", tags={"a": 1}).set_baggage_item("b", "c").log_kv({"event": "x"})
    span.finish()
    before = {**span.to_dict()}
    assert before["operation_name"] == "x"
    assert (before["tags"], before["baggage"]) == ({"a": 1}, {"b": "c"})
    assert len(before["logs"]) == 1
    assert len(memory.spans) == 1
