"""Spans sent between processes, and copies of spans and tracers."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opentracing
from opentracing import Format
from opentracing.mocktracer import MockTracer
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    InMemoryRecorder,
    RemoteSpanContext,
)

from ..endings import executor_methods
from ..programs import FORKING, run_program

protocols = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))

tracers = pytest.mark.parametrize(
    "make_tracer",
    [
        BasicTracer,
        lambda: BasicTracer(InMemoryRecorder(), scope_manager=ThreadLocalScopeManager()),
        MockTracer,
    ],
    ids=["basic", "thread-local", "mock"],
)


def travelled(value: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def fields_of(context: BasicSpanContext) -> tuple[Any, ...]:
    return (
        *(type(context), context.trace_id, context.span_id, context.sampled, context.parent_id),
        *(dict(context.baggage), dict(context.extra), context.is_remote),
    )


@protocols
@pytest.mark.parametrize("kind", [BasicSpanContext, RemoteSpanContext])
@pytest.mark.parametrize("again", [travelled, copy.copy, copy.deepcopy])
def test_a_context_travels_whole(kind: type[BasicSpanContext], again: Any, protocol: int) -> None:
    """All its fields travel, also those of an extracted context."""
    context = kind(1 << 64, 2, {"a": "b"}, False, 3, {"tracestate": "x=1"})
    arguments = (protocol,) if again is travelled else ()
    assert fields_of(again(context, *arguments)) == fields_of(context)
    carrier: dict[str, str] = {}
    tracer = BasicTracer()
    tracer.inject(tracer.start_span("x"), Format.TEXT_MAP, carrier)
    extracted: Any = tracer.extract(Format.TEXT_MAP, carrier)
    assert fields_of(again(extracted, *arguments)) == fields_of(extracted)


@protocols
@tracers
def test_children_of_a_span_that_travelled_continue_its_trace(
    make_tracer: Callable[[], Any], protocol: int
) -> None:
    """It serves as a parent, in a scope, for baggage, to inject; its tracer is the global one."""
    span = make_tracer().start_span("work", tags={"lock": object}).set_baggage_item("a", "b")
    there = travelled(span, protocol)
    assert isinstance(there, BasicSpan)
    assert fields_of(there.context) == fields_of(span.context)
    assert there.get_baggage_item("a") == "b"

    tracer = BasicTracer(InMemoryRecorder())
    children = [
        tracer.start_span("child", child_of=there),
        tracer.start_span("child", child_of=there.context),
        tracer.start_span("child", references=opentracing.follows_from(there)),
    ]
    with tracer.scope_manager.activate(there, True):
        children.append(tracer.start_span("child"))
    assert {each.context.trace_id for each in children} == {span.context.trace_id}
    assert {each.parent_id for each in children} == {span.context.span_id}
    assert len({each.context.span_id for each in children}) == 4
    carriers: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for each, carrier in zip((span, there), carriers):
        tracer.inject(each, Format.TEXT_MAP, carrier)
    assert carriers[0] == carriers[1] != {}
    with opentracing.use_tracer(tracer):
        assert there.tracer is tracer


def test_a_span_that_travelled_is_finished_where_it_was_started(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There its calls change nothing: the first one is reported, and `finish` is not."""
    recorder = InMemoryRecorder()
    span = BasicTracer(recorder).start_span("work", tags={"a": 1})
    there = travelled(span)
    with there:
        pass
    there.finish()
    assert caplog.records == []
    there.set_tag("b", 2).log_kv({"c": 3}).set_baggage_item("d", "e").set_operation_name("f")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'work'" in record.getMessage()
    assert "another process" in record.getMessage()
    assert (there.tags, there.logs, there.operation_name) == ({}, [], "work")
    assert repr(there) == repr(span)
    assert there.to_dict()["span_id"] == span.context.to_span_id()
    again = travelled(there)
    assert fields_of(again.context) == fields_of(span.context)
    assert recorder.spans == []
    span.finish()
    assert recorder.one("work").tags == {"a": 1}


def test_a_decision_travels_with_the_span() -> None:
    """Children of a span that is not sampled are not."""
    span = BasicTracer().start_span("x", tags={"sampling.priority": 0})
    recorder = InMemoryRecorder()
    BasicTracer(recorder).start_span("child", child_of=travelled(span)).finish()
    assert recorder.spans == []


class OwnSpan(BasicSpan):
    """As an application may derive it."""

    __slots__ = ("own",)


@protocols
def test_a_span_of_a_subclass_travels_too(protocol: int) -> None:
    """Its context travels, without the additions of the subclass."""
    span = OwnSpan(BasicTracer(), "x", BasicSpanContext(1, 2))
    span.own = object
    assert fields_of(travelled(span, protocol).context) == fields_of(span.context)


@protocols
@tracers
def test_a_tracer_does_not_travel(make_tracer: Callable[[], Any], protocol: int) -> None:
    """The error says what to do instead: a copy's ids would repeat, and its recorder's be lost."""
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(make_tracer(), protocol)


@tracers
def test_deep_copies_share_the_tracer_and_its_spans(make_tracer: Callable[[], Any]) -> None:
    """Settings and requests are copied with what they hold; a span and a tracer are not."""
    tracer = make_tracer()
    span = tracer.start_span("x")
    copied = copy.deepcopy({"tracer": tracer, "request": [span]})
    assert copied["tracer"] is tracer
    assert copied["request"] == [span]


@tracers
def test_shallow_copies_are_as_in_2_4(make_tracer: Callable[[], Any]) -> None:
    """Objects of their own with the same attributes."""
    tracer = make_tracer()
    tracer.own = span = tracer.start_span("x", tags={"a": 1})
    span.own = 1
    copied, other = copy.copy(span), copy.copy(tracer)
    assert copied is not span
    assert (type(copied), copied.own, copied.operation_name) == (type(span), 1, "x")
    assert (copied.tags, copied.context, copied.tracer) == (span.tags, span.context, tracer)
    span.finish()
    assert copy.copy(span).duration == span.duration
    assert other is not tracer
    assert (type(other), other.own, other.recorder) == (type(tracer), span, tracer.recorder)


def test_a_copy_of_a_subclass_has_its_slots() -> None:
    """Those that are set."""
    span = OwnSpan(BasicTracer(), "x")
    span.own = 5
    assert copy.copy(span).own == 5


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from opentracing_recorder import BasicTracer, InMemoryRecorder

tracer = BasicTracer(InMemoryRecorder())

def work(span):
    child = tracer.start_span("job", child_of=span)
    child.finish()
    return child.context.trace_id, child.parent_id, child.context.span_id

if __name__ == "__main__":
    with tracer.start_active_span("order") as scope:
        span = scope.span
        start = multiprocessing.get_context(sys.argv[1])
        with ProcessPoolExecutor(2, mp_context=start) as pool:
            found = list(pool.map(work, [span] * 4))
    assert {each[0] for each in found} == {span.context.trace_id}, found
    assert {each[1] for each in found} == {span.context.span_id}, found
    assert len({each[2] for each in found} | {span.context.span_id}) == 5, found
    assert [each.operation_name for each in tracer.recorder.spans] == ["order"]
"""


@pytest.mark.needs_os
@pytest.mark.parametrize("method", executor_methods())
def test_jobs_of_a_pool_continue_the_trace_of_the_span_that_they_are_given(
    tmp_path: Path, method: str
) -> None:
    """Each job has an id of its own, for every start method."""
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    ended = run_program([*FORKING, script, method])
    assert (ended.code, ended.error) == (0, "")


@protocols
def test_a_span_that_travelled_can_be_copied(protocol: int) -> None:
    """A copy is another such span, of the same context."""
    span = BasicTracer().start_span("sent")
    made = copy.copy(travelled(span, protocol))
    assert fields_of(made.context) == fields_of(span.context)
    assert made.operation_name == "sent"
    assert made.finished
