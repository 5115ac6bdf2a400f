"""Trace: trees of any spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.trace import TraceNode, seconds_or_none

from .span_dicts import span


def one_trace(*spans: Mapping[str, Any]) -> Trace:
    (trace,) = Trace.from_spans(spans)
    return trace


def outline(trace: Trace) -> list[tuple[str, int]]:
    return [(node.span_id, depth) for node, depth in trace.walk()]


def only(**fields: Any) -> TraceNode:
    return one_trace(span("1", **fields)).roots[0]


def error_log(**fields: str) -> dict[str, Any]:
    named = {name.replace("_", "."): value for name, value in fields.items()}
    return {"timestamp": 0.5, "fields": {"event": "error", **named}}


def test_spans_hang_under_their_parents_and_siblings_go_by_start() -> None:
    """Children follow their parent, ordered by start, in whatever order the spans are given."""
    late, early = span("late", "root", start_time=2.0), span("early", "root", start_time=1.0)
    trace = one_trace(late, span("below", "early", start_time=1.5), span("root"), early)
    assert outline(trace) == [("root", 0), ("early", 1), ("below", 2), ("late", 1)]


def test_siblings_with_one_start_time_stay_in_the_order_given() -> None:
    """The order by start is stable."""
    trace = one_trace(span("root"), *(span(each, "root") for each in "cab"))
    assert [node.span_id for node in trace.roots[0].children] == ["c", "a", "b"]


def test_a_span_whose_parent_is_absent_is_a_root() -> None:
    """A span with an unknown parent is kept, as the root of its own tree."""
    trace = one_trace(span("1"), span("2", "nowhere"))
    assert outline(trace) == [("1", 0), ("2", 0)]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    """A span that is its own parent neither loops nor is lost."""
    assert outline(one_trace(span("1", "1"))) == [("1", 0)]


def test_a_circle_of_parents_opens_at_the_span_that_started_first() -> None:
    """A circle becomes a chain that begins with its earliest span."""
    circle = [
        span("a", "c", start_time=3.0),
        span("b", "a", start_time=2.0),
        span("c", "b", start_time=4.0),
        span("tail", "c", start_time=1.0),
    ]
    assert outline(one_trace(*circle)) == [("b", 0), ("c", 1), ("tail", 2), ("a", 2)]


def test_two_sides_of_a_call_under_one_id_are_client_and_server() -> None:
    """If spans share an id, the earlier is the parent; children belong to their own service."""
    client = span("shared", "root", service="shop", start_time=1.0)
    server = span("shared", "root", service="stock", start_time=1.1)
    query = span("query", "shared", service="stock", start_time=1.2)
    trace = one_trace(query, server, client, span("root", service="shop"))
    assert [(node.operation_name, node.service, depth) for node, depth in trace.walk()] == [
        ("op root", "shop", 0),
        ("op shared", "shop", 1),
        ("op shared", "stock", 2),
        ("op query", "stock", 3),
    ]


def test_a_chain_of_ten_thousand_spans_is_walked() -> None:
    """The depth is not limited by the interpreter's recursion limit."""
    chain = [span(str(number), str(number - 1)) for number in range(10_000)]
    assert outline(one_trace(*reversed(chain)))[-1] == ("9999", 9999)


def test_traces_are_ordered_by_start() -> None:
    """Each trace id makes one trace; the earliest is first."""
    spans = [
        span("1", trace_id="late", start_time=5.0),
        span("2", trace_id="early", start_time=4.0),
        span("3", "1", trace_id="late", start_time=3.5),
    ]
    assert [(trace.trace_id, len(trace)) for trace in Trace.from_spans(spans)] == [
        ("late", 2),
        ("early", 1),
    ]


def test_no_spans_make_no_traces() -> None:
    """No spans give no traces."""
    assert Trace.from_spans([]) == []


def test_a_trace_sums_up_its_spans() -> None:
    """Start, duration, services, errors and length are those of all spans together."""
    failed = span("2", "1", start_time=11.0, duration=4.0, service="stock", tags={"error": True})
    running = span("3", "1", start_time=12.0, duration=None, service="shop")
    trace = one_trace(span("1", start_time=10.0, service="shop"), failed, running)
    assert (trace.start_time, trace.duration, len(trace)) == (10.0, 5.0, 3)
    assert trace.services == ["shop", "stock"]
    assert [node.span_id for node in trace.errors] == ["2"]


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        (True, True),
        ("true", True),
        ("declined", True),
        (1, True),
        (False, False),
        ("false", False),
        ("False", False),
        ("", False),
        (None, False),
        (0, False),
    ],
)
def test_a_span_failed_if_its_error_tag_is_true(value: Any, failed: bool) -> None:
    """The tag `error` counts as a bool, and the text ``false`` as false."""
    assert only(tags={"error": value}).error is failed


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"message": "no card", "error_kind": "Declined"}, "Declined: no card"),
        ({"message": "no card"}, "no card"),
        ({"error_kind": "Declined"}, "Declined"),
        ({"error_kind": "KeyError", "error_object": "KeyError: 'x'"}, "KeyError: 'x'"),
        ({"error_kind": "KeyError", "error_object": "KeyError: "}, "KeyError"),
        ({}, ""),
    ],
)
def test_the_error_message_is_what_the_error_log_says(fields: dict[str, str], message: str) -> None:
    """The message has kind and message once each, in whatever fields they are."""
    node = only(tags={"error": True}, logs=[error_log(**fields)])
    assert node.error_message == message


def test_the_last_error_log_with_a_message_wins() -> None:
    """The message is that of the failure that ended the span, not of an earlier one."""
    logs = [error_log(message="first"), error_log(message="last"), error_log()]
    assert only(tags={"error": True}, logs=logs).error_message == "last"


def test_a_text_in_the_error_tag_is_the_message_where_no_log_has_one() -> None:
    """An error in Zipkin's form is understood."""
    assert only(tags={"error": "declined"}).error_message == "declined"


def test_a_span_that_did_not_fail_has_no_error_message() -> None:
    """If the span did not fail, an error log is not its message."""
    assert only(logs=[error_log(message="retried")]).error_message == ""


def test_spans_of_two_tracers_make_one_trace() -> None:
    """BasicSpan objects of several services are accepted."""
    shop_recorder, stock_recorder = InMemoryRecorder(), InMemoryRecorder()
    shop = BasicTracer(shop_recorder, service_name="shop")
    stock = BasicTracer(stock_recorder, service_name="stock")
    with shop.start_span("order") as parent, stock.start_span("reserve", child_of=parent.context):
        pass
    (trace,) = Trace.from_spans([*stock_recorder.spans, *shop_recorder.spans])
    assert [(node.service, node.operation_name, depth) for node, depth in trace.walk()] == [
        ("shop", "order", 0),
        ("stock", "reserve", 1),
    ]


def test_an_exception_that_left_a_span_is_its_error_message() -> None:
    """The message is the one that `Span.__exit__` logs."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    with pytest.raises(ValueError, match="no card"), tracer.start_span("pay"):
        raise ValueError("no card")
    (trace,) = Trace.from_spans(recorder.spans)
    assert trace.roots[0].error_message == "ValueError: no card"


def test_missing_and_mistyped_fields_are_empty() -> None:
    """A broken line in a file of spans is shown as far as possible, and raises nothing."""
    broken = {"start_time": "soon", "duration": float("nan"), "tags": [], "logs": [3, {}]}
    trace = one_trace(broken)
    node = trace.roots[0]
    assert (node.start_time, node.duration, node.tags, node.logs) == (0.0, None, {}, [])
    assert trace.duration == 0.0


IDS = st.sampled_from("abcde")
SPANS = st.lists(
    st.builds(
        span,
        IDS,
        st.none() | IDS,
        trace_id=st.sampled_from(["t1", "t2"]),
        service=st.sampled_from([None, "shop", "stock"]),
        start_time=st.floats() | st.integers(0, 3),
        tags=st.sampled_from([{}, {"span.kind": "client"}, {"span.kind": "server"}]),
    ),
    max_size=12,
)


def identity(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Spans that agree in this are one."""
    start = fields["start_time"]
    kind = fields["tags"].get("span.kind")
    return fields["span_id"], fields["trace_id"], fields["service"], seconds_or_none(start), kind


@given(SPANS)
def test_every_span_has_exactly_one_place(spans: list[dict[str, Any]]) -> None:
    """For any ids and parents, walking the traces gives each different span once."""
    walked = Counter(
        identity(node.fields) for trace in Trace.from_spans(spans) for node, _ in trace.walk()
    )
    assert walked == Counter({identity(each) for each in spans})
