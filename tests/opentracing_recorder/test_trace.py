"""Trace: trees of any spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import permutations
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


def test_a_circle_of_spans_that_start_at_once_opens_at_the_least_id() -> None:
    """In whatever order they are given."""
    circle = [span("b", "a"), span("c", "b"), span("a", "c")]
    for spans in permutations(circle):
        assert outline(one_trace(*spans)) == [("a", 0), ("b", 1), ("c", 2)]


def test_a_root_whose_parent_was_not_recorded_is_an_orphan() -> None:
    """A root without a parent is none, nor is one in a circle: its parent was recorded."""
    trace = one_trace(span("1"), span("2", "nowhere"), span("3", "2"), span("4", "4"))
    assert [node.span_id for node, _ in trace.walk() if node.is_orphan] == ["2"]


def sides(*spans: Mapping[str, Any]) -> list[tuple[str, str | None, int]]:
    """The kind, or the operation, and service of each span, and its depth."""
    return [
        (node.tags.get("span.kind", node.operation_name), node.service, depth)
        for node, depth in one_trace(*spans).walk()
    ]


def side(kind: str, service: str | None = None, **fields: Any) -> dict[str, Any]:
    """A side of a call under a shared id."""
    fields = {"parent_id": "root", "tags": {"span.kind": kind}, **fields}
    return span("shared", service=service, **fields)


def test_two_sides_of_a_call_under_one_id_are_client_and_server() -> None:
    """If spans share an id, the earlier is the parent; children belong to their own service."""
    client = span("shared", "root", service="shop", start_time=1.0)
    server = span("shared", "root", service="stock", start_time=1.1)
    query = span("query", "shared", service="stock", start_time=1.2)
    assert sides(query, server, client, span("root", service="shop")) == [
        ("op root", "shop", 0),
        ("op shared", "shop", 1),
        ("op shared", "stock", 2),
        ("op query", "stock", 3),
    ]


@pytest.mark.parametrize("server_start", [-5.0, 0.0, 0.25, 5.0])
@pytest.mark.parametrize("servers_parent", ["root", None, "shared"])
def test_the_client_is_above_the_server_whatever_their_clocks_say(
    server_start: float, servers_parent: str | None
) -> None:
    """The kinds decide, even if the server does not know the client's parent."""
    client = side("client", "shop")
    server = side("SERVER", "stock", start_time=server_start, parent_id=servers_parent)
    query = span("query", "shared", service="stock", start_time=server_start)
    local = span("local", "shared", service="shop")
    other = span("other", "shared", service="mail")
    found = sides(server, query, span("root", service="shop"), client, local, other)
    assert found[:2] == [("op root", "shop", 0), ("client", "shop", 1)]
    assert sorted(found[2:], key=lambda row: row[0] in ("SERVER", "op query")) == [
        ("op local", "shop", 2),
        ("op other", "mail", 2),
        ("SERVER", "stock", 2),
        ("op query", "stock", 3),
    ]


def test_children_of_a_service_that_calls_itself_are_the_servers() -> None:
    """Both sides are kept, also if they start at the same time."""
    for start in (0.0, 0.125):
        calls = [side("server", "shop", start_time=start), side("client", "shop")]
        query = span("query", "shared", service="shop", start_time=0.25)
        assert sides(query, *calls) == [
            ("client", "shop", 0),
            ("server", "shop", 1),
            ("op query", "shop", 2),
        ]


def test_a_call_that_two_servers_took_has_both() -> None:
    """A client that sends its request again has a server span below it for each time."""
    servers = [side("server", "stock", start_time=start) for start in (0.5, 0.25)]
    found = one_trace(side("client", "shop"), *servers, servers[1]).roots
    assert [node.start_time for node in found[0].children] == [0.25, 0.5]


def test_a_span_that_was_recorded_twice_is_one() -> None:
    """The one that is finished is kept, and of two that are, the one with more tags and logs."""
    running = span("1", duration=None, tags={"a": 1, "b": 2})
    poor, rich = span("1", operation_name="poor"), span("1", tags={"a": 1})
    for records in permutations([running, poor, rich]):
        trace = one_trace(*records, span("2", "1"))
        assert [node.fields for node, _ in trace.walk()] == [rich, span("2", "1")]


def test_spans_of_one_id_that_start_apart_are_not_one() -> None:
    """Ids that repeat, as those of forked processes may, lose no span."""
    clients = [side("client", "shop", start_time=start) for start in (0.0, 1.0)]
    assert len(one_trace(*clients)) == 2


def test_spans_without_an_id_are_not_one() -> None:
    """Broken spans are all shown."""
    assert len(one_trace(span(""), span(""))) == 2


def called(start_time: float, duration: float | None = 0.5, **fields: Any) -> dict[str, Any]:
    """A span of the service stock, called by `CALLER`."""
    return span("2", "1", service="stock", start_time=start_time, duration=duration, **fields)


CALLER = span("1", service="shop", start_time=100.0, duration=1.0)
CLIENT = {**CALLER, "tags": {"span.kind": "client"}}
SERVER = {"tags": {"span.kind": "server"}}
TIMED_OUT = {**CALLER, "tags": {"span.kind": "client", "error": True}}
PRODUCER = {**CALLER, "tags": {"span.kind": "producer"}}
RUNNING = {**CLIENT, "duration": None}
FOLLOWS = {"references": [{"type": "follows_from", "trace_id": "t1", "span_id": "1"}]}


@pytest.mark.parametrize(
    ("caller", "child", "shift"),
    [
        pytest.param(CALLER, called(100.25), 0.0, id="it fits"),
        pytest.param(CALLER, called(95.0), 5.25, id="before: to the middle"),
        pytest.param(CALLER, called(99.75, 2.0), 0.25, id="longer, before: to the start"),
        pytest.param(CALLER, called(95.0, None), 5.0, id="running, before: to the start"),
        pytest.param(RUNNING, called(95.0), 5.0, id="caller running, before: to the start"),
        pytest.param(CALLER, called(99.9999995), 0.0, id="before, by what formats round"),
        pytest.param(CLIENT, called(105.0, **SERVER), -4.75, id="after its client: to the middle"),
        pytest.param(CLIENT, called(101.0005, **SERVER), 0.0, id="after, within a millisecond"),
        pytest.param(CLIENT, called(105.0, 2.0, **SERVER), 0.0, id="after, longer"),
        pytest.param(CLIENT, called(105.0, None, **SERVER), 0.0, id="after, running"),
        pytest.param(TIMED_OUT, called(105.0, **SERVER), 0.0, id="after, the client gave up"),
        pytest.param(TIMED_OUT, called(95.0, **SERVER), 5.25, id="before a client that gave up"),
        pytest.param(CLIENT, called(105.0), 0.0, id="after, a task in a queue"),
        pytest.param(CALLER, called(105.0, **SERVER), 0.0, id="after, but nobody waited"),
        pytest.param(CLIENT, called(100.75), 0.0, id="outlives its client"),
        pytest.param(PRODUCER, called(95.0), 0.0, id="asynchronous, by the producer"),
        pytest.param(CALLER, called(95.0, tags={"span.kind": "consumer"}), 0.0, id="consumer"),
        pytest.param(CALLER, called(95.0, **FOLLOWS), 0.0, id="follows from"),
        pytest.param(CALLER, {**called(95.0), "service": "shop"}, 0.0, id="same service"),
    ],
)
def test_a_clock_is_corrected_if_a_span_cannot_fit_its_caller(
    caller: dict[str, Any], child: dict[str, Any], shift: float
) -> None:
    """The rules are those of `TraceNode.clock_shift`."""
    node = one_trace(caller, child).roots[0].children[0]
    assert (node.clock_shift, node.start_time) == (shift, child["start_time"] + shift)


def test_a_corrected_clock_moves_logs_and_the_rest_of_its_service() -> None:
    """Further services are compared with the corrected times; recorded times stay in `fields`."""
    server = called(95.0, logs=[{"timestamp": 95.25, "fields": {}}, {"fields": {}}])
    late = span("3", "2", service="stock", start_time=95.375, duration=0.125)
    early = span("4", "2", service="bank", start_time=100.3, duration=0.1)
    trace = one_trace(CALLER, server, late, early)
    root = trace.roots[0]
    (moved,) = root.children
    assert [log.get("timestamp") for log in moved.logs] == [100.5, None]
    assert (moved.end_time, moved.fields) == (100.75, server)
    assert [(each.span_id, each.clock_shift) for each in moved.children] == [
        ("4", 0.0),
        ("3", 5.25),
    ]
    assert (trace.start_time, trace.duration) == (100.0, 1.0)


def test_a_service_that_calls_another_instance_of_itself_has_two_clocks() -> None:
    """A server span is in another process than its client, whatever their service."""
    server = {**called(95.0, tags={"span.kind": "server"}), "service": "shop"}
    assert one_trace(CLIENT, server).roots[0].children[0].clock_shift == 5.25


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


@pytest.mark.parametrize("value", [["a"], {"a": 1}, 10**400, b"\xff", float("inf"), "\ud800"])
def test_any_value_may_be_in_a_field_that_puts_trees_together(value: Any) -> None:
    """Ids, services, kinds and times of any type, in files that somebody made up."""
    names = ("trace_id", "span_id", "parent_id", "service", "start_time", "duration", "references")
    odd = span("1", tags={"span.kind": value}, **dict.fromkeys(names[3:], value))
    odd.update(dict.fromkeys(names[:3], value))
    below = {**odd, "span_id": "2", "service": "stock", "start_time": -1.0}
    assert len(one_trace(odd, odd, below)) == 2


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
    start = seconds_or_none(fields["start_time"]) or 0.0
    kind = fields["tags"].get("span.kind")
    return fields["span_id"], fields["trace_id"], fields["service"], start, kind


@given(SPANS)
def test_every_span_has_exactly_one_place(spans: list[dict[str, Any]]) -> None:
    """For any ids and parents, walking the traces gives each different span once."""
    walked = Counter(
        identity(node.fields) for trace in Trace.from_spans(spans) for node, _ in trace.walk()
    )
    assert walked == Counter({identity(each) for each in spans})


def places(spans: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Each span's place, by trace: corrected traces may start at the same time."""
    return [
        (identity(node.fields), depth, node.is_orphan, node.clock_shift)
        for trace in sorted(Trace.from_spans(spans), key=lambda trace: trace.trace_id)
        for node, depth in trace.walk()
    ]


@given(SPANS)
def test_spans_given_twice_make_the_same_trees(spans: list[dict[str, Any]]) -> None:
    """A file that was given twice changes nothing."""
    assert places(spans * 2) == places(spans)


@given(st.data())
def test_the_order_of_the_spans_does_not_matter(data: st.DataObject) -> None:
    """Only spans that start at the same time keep the order in which they were given."""
    spans = data.draw(SPANS)
    for number, each in enumerate(spans):
        each["start_time"] = float(number)
    assert places(data.draw(st.permutations(spans))) == places(spans)
