"""MockTracer behaves as in 2.4: the facts are recorded from 2.4.0, unless a test says otherwise."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from types import TracebackType
from unittest import mock

import pytest

import opentracing
from opentracing import (
    Format,
    InvalidCarrierException,
    SpanContextCorruptedException,
    Tracer,
    UnsupportedFormatException,
    child_of,
    follows_from,
)
from opentracing.mocktracer import MockTracer, Propagator
from opentracing.mocktracer.context import SpanContext
from opentracing.mocktracer.span import LogData, MockSpan
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.timeline import render_text

from ...threads import on_threads


@pytest.mark.needs_os
def test_the_api_does_not_load_it() -> None:
    """`import opentracing` imports neither it nor the recorder; importing it does."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import opentracing;"
        "print('opentracing_recorder' in sys.modules, hasattr(opentracing, 'mocktracer'));"
        "import opentracing.mocktracer; print(opentracing.mocktracer.MockTracer.__name__)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "False", "MockTracer"]


def test_it_is_patched_by_its_dotted_name() -> None:
    """Django's settings and test suites name it by its dotted name."""
    with mock.patch("opentracing.mocktracer.MockTracer") as patched:
        assert opentracing.mocktracer.MockTracer is patched
    assert opentracing.mocktracer.MockTracer is MockTracer


def ids(span: MockSpan) -> tuple[int | None, int | None, int | None]:
    return span.context.trace_id, span.context.span_id, span.parent_id


def test_ids_are_consecutive_from_1() -> None:
    """A span takes the next id, and the root of a trace takes another one for the trace."""
    tracer = MockTracer()
    root = tracer.start_span("a")
    children = [
        tracer.start_span("b", child_of=root),
        tracer.start_span("c", child_of=root.context),
        tracer.start_span("d", references=[follows_from(root.context)]),
    ]
    with tracer.start_active_span("e") as scope:
        inner = tracer.start_span("f")
        other = tracer.start_span("g", ignore_active_span=True)
    assert ids(root) == (2, 1, None)
    assert [ids(each) for each in children] == [(2, 3, 1), (2, 4, 1), (2, 5, 1)]
    assert ids(scope.span) == (7, 6, None)
    assert [ids(inner), ids(other)] == [(7, 8, 6), (10, 9, None)]


@pytest.mark.needs_os
@pytest.mark.threads
def test_ids_do_not_repeat_among_threads() -> None:
    """Spans started on several threads at once have different ids."""
    tracer = MockTracer()

    def start() -> None:
        for _ in range(200):
            tracer.start_span("a").finish()

    on_threads(start, 4)
    spans = tracer.finished_spans()
    found = [each for span in spans for each in (span.context.trace_id, span.context.span_id)]
    assert sorted(found) == list(range(1, 1601))
    assert tracer.unfinished_spans() == []


def test_a_single_reference_is_a_parent() -> None:
    """In 2.4, it was an AttributeError; references to None are skipped."""
    tracer = MockTracer()
    parent = tracer.start_span("a")
    assert ids(tracer.start_span("b", references=child_of(parent.context))) == (2, 3, 1)
    assert tracer.start_span("c", references=child_of(None)).parent_id is None


def test_a_made_up_parent_may_have_ids_of_any_type() -> None:
    """A child takes them unchanged."""
    span = MockTracer().start_span("a", child_of=SpanContext("trace", "span"))  # type: ignore
    assert ids(span) == ("trace", 1, "span")


def test_a_foreign_parent_starts_a_trace() -> None:
    """In 2.4, it was an AttributeError."""
    span = MockTracer().start_span("a", child_of=Tracer().start_span())
    assert ids(span) == (2, 1, None)


@pytest.mark.parametrize(
    ("scope_manager", "expected"),
    [(None, ThreadLocalScopeManager), (ContextVarsScopeManager(), ContextVarsScopeManager)],
)
def test_scope_manager(scope_manager: opentracing.ScopeManager, expected: type) -> None:
    """The manager is thread-local unless one is given."""
    assert type(MockTracer(scope_manager).scope_manager) is expected


def test_finished_spans_are_a_copy_in_order_of_finish() -> None:
    """`reset` clears them; a span that runs meanwhile is added when it finishes."""
    tracer = MockTracer()
    first, second = tracer.start_span("first"), tracer.start_span("second")
    second.finish()
    tracer.finished_spans().clear()
    assert tracer.finished_spans() == [second]
    tracer.reset()
    assert tracer.finished_spans() == []
    first.finish()
    assert tracer.finished_spans() == [first]


def test_unfinished_spans_are_in_order_of_start() -> None:
    """New in 2.5: a suite sees the spans that were never finished; `reset` does not hide them."""
    tracer = MockTracer()
    first, second, third = (tracer.start_span(name) for name in "abc")
    second.finish()
    tracer.reset()
    assert tracer.unfinished_spans() == [first, third]
    first.finish()
    third.finish()
    assert tracer.unfinished_spans() == []


def test_a_new_span_has_what_it_was_given() -> None:
    """Names and values are unchanged, None included; the tags are a copy."""
    tags = {"a": 1, 2: ["b"]}
    span = MockTracer().start_span("x", tags=tags, start_time=5)
    assert (span.operation_name, span.tags, span.start_time) == ("x", tags, 5)
    assert (span.finish_time, span.finished, span.logs) == (-1, False, [])
    assert span.tags is not tags
    assert MockTracer().start_span().operation_name is None


def test_a_span_starts_and_finishes_now_by_default() -> None:
    """Times are seconds since the epoch."""
    before = time.time()
    span = MockTracer().start_span("x")
    span.finish()
    assert before <= span.start_time <= span.finish_time <= time.time()
    assert span.finished is True


def test_a_span_keeps_what_happens_to_it() -> None:
    """Tags, logs and baggage are set at once, by calls that can be chained."""
    span = MockTracer().start_span("x")
    event = {"event": "e"}
    chained = span.set_operation_name("y").set_tag("t", None).set_baggage_item("b", "c")
    assert chained.log_kv(event, timestamp=3).log_kv({}) is span
    assert (span.operation_name, span.tags, span.get_baggage_item("b")) == ("y", {"t": None}, "c")
    assert (span.logs[0].key_values, span.logs[0].timestamp) == (event, 3)
    assert span.logs[1].timestamp >= span.start_time
    assert span.context.baggage == {"b": "c"}


def test_an_error_is_logged_with_its_objects() -> None:
    """The exception and the traceback are the objects themselves, not text."""
    tracer = MockTracer()
    error = ValueError("sold out")
    with pytest.raises(ValueError, match="sold out"), tracer.start_active_span("x"):
        raise error
    (span,) = tracer.finished_spans()
    fields = span.logs[0].key_values
    assert span.tags == {"error": True}
    assert fields["error.object"] is error
    assert fields["error.kind"] is ValueError
    assert isinstance(fields["stack"], TracebackType)
    assert (fields["event"], fields["message"]) == ("error", "sold out")


def test_finish_freezes_nothing() -> None:
    """Changes after `finish` are kept, and so is a second `finish`."""
    tracer = MockTracer()
    span = tracer.start_span("x")
    span.finish(5)
    span.set_operation_name("y").set_tag("late", 1).set_baggage_item("b", "c").log_kv({})
    span.finish(finish_time=6)
    assert tracer.finished_spans() == [span, span]
    assert (span.operation_name, span.finish_time, span.tags, len(span.logs)) == (
        "y",
        6,
        {"late": 1},
        1,
    )
    assert span.get_baggage_item("b") == "c"


def test_every_attribute_can_be_assigned() -> None:
    """Test suites build the spans that they need."""
    span = MockSpan(MockTracer(), "x", SpanContext(1, 2, {"b": "c"}), 3, {"t": 1}, 4)
    assert (ids(span), span.tags, span.start_time) == ((1, 2, 3), {"t": 1}, 4)
    assert span.get_baggage_item("b") == "c"
    logs = [LogData({"event": "e"}, 5)]
    values = {
        "operation_name": "y",
        "start_time": 1,
        "finish_time": 2,
        "finished": True,
        "parent_id": 7,
        "tags": {},
        "logs": logs,
    }
    for name, value in values.items():
        setattr(span, name, value)
    assert {name: getattr(span, name) for name in values} == values
    assert span.logs is logs


def test_nothing_is_limited_or_sampled_out() -> None:
    """Neither the number of tags and logs nor the sampling priority loses anything."""
    tracer = MockTracer()
    span = tracer.start_span("x", tags={"sampling.priority": 0})
    for number in range(300):
        span.set_tag(str(number), number).log_kv({"n": number})
    span.set_tag("sampling.priority", 0)
    child = tracer.start_span("y", child_of=span)
    child.finish()
    span.finish()
    assert tracer.finished_spans() == [child, span]
    assert (len(span.tags), len(span.logs)) == (301, 300)


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS])
def test_text_wire(format: str) -> None:
    """The ids are hexadecimal, baggage is unchanged; its keys are returned in lower case."""
    tracer = MockTracer()
    carrier = {"other": "x"}
    tracer.inject(SpanContext(255, 16, {"Guest": "Amy B"}), format, carrier)
    assert carrier == {
        "other": "x",
        "ot-tracer-traceid": "ff",
        "ot-tracer-spanid": "10",
        "ot-baggage-Guest": "Amy B",
    }
    context = tracer.extract(format, {name.upper(): value for name, value in carrier.items()})
    assert isinstance(context, SpanContext)
    assert (context.trace_id, context.span_id, context.baggage) == (255, 16, {"guest": "Amy B"})


def test_text_of_another_tracers_context() -> None:
    """A context of BasicTracer can be injected."""
    span = BasicTracer().start_span("x")
    carrier: dict[str, str] = {}
    MockTracer().inject(span.context, Format.TEXT_MAP, carrier)
    assert carrier == {
        "ot-tracer-traceid": f"{span.context.trace_id:x}",
        "ot-tracer-spanid": f"{span.context.span_id:x}",
    }


def test_text_values_may_be_bytes() -> None:
    """Kafka's headers are bytes."""
    context = MockTracer().extract(
        Format.TEXT_MAP, {"ot-tracer-traceid": b"1", "ot-tracer-spanid": b"101"}
    )
    assert isinstance(context, SpanContext)
    assert (context.trace_id, context.span_id) == (1, 0x101)


@pytest.mark.parametrize(
    ("format", "carrier"),
    [
        (Format.TEXT_MAP, {}),
        (Format.HTTP_HEADERS, {"accept": "text/html"}),
        (Format.TEXT_MAP, {"ot-baggage-a": "b"}),
        (Format.TEXT_MAP, {"ot-tracer-traceid": "1"}),
        (Format.TEXT_MAP, {"ot-tracer-traceid": "1", "ot-tracer-spanid": "x"}),
        (Format.BINARY, bytearray()),
        (Format.BINARY, bytearray(b"junk")),
    ],
)
def test_a_carrier_without_a_whole_trace_is_corrupted(format: str, carrier: object) -> None:
    """Suites expect this exception for an empty carrier too. (2.4: ValueError for a bad id.)"""
    with pytest.raises(SpanContextCorruptedException):
        MockTracer().extract(format, carrier)


@pytest.mark.parametrize("carrier", [{}, "text", None])
def test_binary_wants_a_bytearray(carrier: object) -> None:
    """Any other carrier is an InvalidCarrierException, for inject and extract."""
    tracer = MockTracer()
    with pytest.raises(InvalidCarrierException):
        tracer.inject(SpanContext(1, 2), Format.BINARY, carrier)
    with pytest.raises(InvalidCarrierException):
        tracer.extract(Format.BINARY, carrier)


def test_binary_is_never_unpickled() -> None:
    """In 2.4, a carrier could run any code; now it is a corrupted one."""

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return os._exit, (1,)

    with pytest.raises(SpanContextCorruptedException):
        MockTracer().extract(Format.BINARY, bytearray(pickle.dumps(Payload())))


def test_binary_is_basictracers_own() -> None:
    """A mock tracer reads carriers of BasicTracer, and keeps their sampling decision."""
    sent = BasicTracer().start_span("a", tags={"sampling.priority": 0})
    sent.set_baggage_item("b", "c")
    carrier = bytearray()
    sent.tracer.inject(sent, Format.BINARY, carrier)
    tracer = MockTracer()
    context = tracer.extract(Format.BINARY, carrier)
    assert isinstance(context, SpanContext)
    tracer.start_span("d", child_of=context).finish()
    (span,) = tracer.finished_spans()
    assert (span.context.trace_id, span.parent_id) == (
        sent.context.trace_id,
        sent.context.span_id,
    )
    assert (span.context.baggage, span.sampled) == ({"b": "c"}, True)


def test_propagators_may_define_one_half() -> None:
    """A registered propagator is used for its format; a missing method does nothing."""

    class Marker(Propagator):
        def inject(self, span_context: object, carrier: list[object]) -> None:
            carrier.append(span_context)

    tracer = MockTracer()
    tracer.register_propagator("marker", Marker())
    context, carrier = SpanContext(1, 2), []
    tracer.inject(context, "marker", carrier)
    assert carrier == [context]
    assert tracer.extract("marker", carrier) is None


def test_an_unknown_format_is_refused() -> None:
    """No other format is used in its place."""
    with pytest.raises(UnsupportedFormatException):
        MockTracer().inject(SpanContext(1, 2), "unknown", {})
    with pytest.raises(UnsupportedFormatException):
        MockTracer().extract("unknown", {})


def test_contexts_carry_two_ids_and_baggage() -> None:
    """`with_baggage_item` makes a new context, of the same class."""
    context = SpanContext(1, 2)
    changed = context.with_baggage_item("a", "b")
    assert (context.baggage, changed.baggage) == ({}, {"a": "b"})
    assert isinstance(changed, SpanContext)
    assert (changed.trace_id, changed.span_id) == (1, 2)
    assert isinstance(MockTracer().start_span("x").context, SpanContext)


def test_spans_are_as_good_as_basictracers() -> None:
    """Traces, dicts and recorders accept mock spans too."""
    tracer = MockTracer()
    with tracer.start_active_span("a"), tracer.start_active_span("b", start_time=1):
        pass
    inner, outer = tracer.finished_spans()
    (trace,) = Trace.from_spans([inner, outer])
    recorder = InMemoryRecorder()
    recorder.record_span(inner)
    assert "a" in render_text([trace])
    assert [each.to_dict()["operation_name"] for each in (outer, inner)] == ["a", "b"]
    assert recorder.one("b").duration > 1


def test_the_parent_among_references_is_the_first_child_of() -> None:
    """In 2.4, the first reference of any type was the parent; now it is as in BasicTracer."""
    tracer = MockTracer()
    follows, child = follows_from(SpanContext(1, 2)), child_of(SpanContext(3, 4))
    assert tracer.start_span("x", references=[follows, child]).parent_id == 4
    assert tracer.start_span("x", references=[follows]).parent_id == 2


def test_fields_are_read_by_name_and_vars_shows_what_was_added() -> None:
    """Slots hold them, as CHANGELOG's guide for migration says."""
    span = MockTracer().start_span("x")
    span.own = 1  # type: ignore[attr-defined]
    assert "operation_name" not in vars(span)
    assert vars(span)["own"] == 1
    assert span.operation_name == "x"
