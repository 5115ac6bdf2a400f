"""Questions about many traces: golden answers by hand, and what holds for any spans."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import Trace
from opentracing_recorder._statistics_compare import _adjusted, _probability_of_chance, percentile
from opentracing_recorder.statistics import (
    Comparison,
    Operation,
    SlowSpan,
    by_operation,
    compare,
    errors,
    matching,
    slowest,
)
from opentracing_recorder.trace import TraceNode

from .span_dicts import span

FAILED = {"tags": {"error": True}}


def failure(message: str) -> dict[str, Any]:
    log = {"timestamp": 0.0, "fields": {"event": "error", "message": message}}
    return {"tags": {"error": True}, "logs": [log]}


def requests(durations: Sequence[float | None], trace: str = "t", **fields: Any) -> list[Trace]:
    """A trace of one span for each duration."""
    return Trace.from_spans(
        span(
            "1",
            trace_id=f"{trace}{index}",
            operation_name="GET",
            duration=duration,
            start_time=float(index),
            **fields,
        )
        for index, duration in enumerate(durations)
    )


SHOP = [
    span("a", operation_name="order", service="shop", duration=10.0),
    span("b", "a", operation_name="SELECT", service="shop", start_time=1.0, duration=2.0),
    span("c", "a", operation_name="SELECT", service="shop", start_time=4.0, duration=1.0),
    span("d", "a", operation_name="SELECT", service="stock", start_time=6.0, duration=4.0),
    span("e", "d", operation_name="lookup", start_time=6.0, duration=None, **FAILED),
]


# by_operation


def test_an_operation_has_one_row_for_each_service() -> None:
    """Rows have figures of their spans, and come with the most self time first."""
    assert by_operation(Trace.from_spans(SHOP)) == [
        Operation("stock", "SELECT", 1, 0, 4.0, 4.0, 4.0, 4.0, 4.0, 0.4),
        Operation("shop", "SELECT", 2, 0, 1.0, 2.0, 2.0, 2.0, 3.0, 0.3),
        Operation("shop", "order", 1, 0, 10.0, 10.0, 10.0, 10.0, 3.0, 0.3),
        Operation(None, "lookup", 1, 1, None, None, None, None, 0.0, 0.0),
    ]


def test_shares_are_of_all_critical_paths_together() -> None:
    """A long trace weighs more than a short one."""
    traces = Trace.from_spans(
        [span("1", trace_id="t1", duration=3.0), span("2", trace_id="t2", duration=1.0)]
    )
    assert [row.critical_share for row in by_operation(traces)] == [0.75, 0.25]


def test_a_filter_selects_rows_and_changes_no_figure() -> None:
    """Self times and shares of the spans selected are those of the whole trace."""
    traces = Trace.from_spans(SHOP)
    (row,) = by_operation(traces, matching(service="stock"))
    assert row in by_operation(traces)
    assert by_operation(traces, lambda node: node.error)[0].operation == "lookup"


def test_no_time_is_no_division_by_zero() -> None:
    """Spans that take no time have no share."""
    (row,) = by_operation(requests([0.0, 0.0]))
    assert (row.p99, row.self_time, row.critical_share) == (0.0, 0.0, 0.0)
    assert by_operation([]) == []


def test_a_negative_duration_is_none_at_all() -> None:
    """A span that ends before it starts took no time."""
    (row,) = by_operation(requests([-5.0]))
    assert (row.max, row.self_time) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("number", "percent", "expected"),
    [(1, 99, 1), (2, 50, 1), (3, 50, 2), (20, 95, 19), (21, 95, 20), (100, 99, 99), (5, 100, 5)],
)
def test_a_percentile_is_the_nearest_rank(number: int, percent: int, expected: int) -> None:
    """It is the least value that so many percent do not exceed."""
    assert percentile([float(each) for each in range(1, number + 1)], percent) == expected


@given(st.lists(st.integers(0, 9).map(float), min_size=1), st.integers(1, 100))
def test_so_many_percent_do_not_exceed_a_percentile(values: list[float], percent: int) -> None:
    """The definition holds, and no smaller value meets it."""
    found = percentile(sorted(values), percent)
    assert found in values
    assert 100 * sum(each <= found for each in values) >= percent * len(values)
    assert 100 * sum(each < found for each in values) < percent * len(values)


def test_rows_become_dicts_and_tables() -> None:
    """The fields of a row are the columns of a table: plain values by name."""
    for row in (
        by_operation(Trace.from_spans(SHOP))[0],
        slowest(Trace.from_spans(SHOP))[0],
        errors(Trace.from_spans(SHOP))[0],
        compare(Trace.from_spans(SHOP), Trace.from_spans(SHOP))[0],
    ):
        fields = row._asdict()
        assert list(fields) == list(type(row)._fields)
        assert all(isinstance(each, (str, int, float, type(None))) for each in fields.values())


# matching


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "abcde"),
        ({"operation": "SELECT"}, "bcd"),
        ({"operation": "SELECT", "service": "shop"}, "bc"),
        ({"service": "sho"}, ""),
        ({"slower_than": 2.0}, "ad"),
        ({"slower_than": 0.0}, "abcd"),
        ({"since": 4.0}, "cde"),
        ({"tags": {"error": True}}, "e"),
        ({"tags": {"error": "true"}}, "e"),
        ({"tags": {"error": "yes"}}, ""),
        ({"tags": {}}, "abcde"),
    ],
)
def test_all_that_is_given_must_match(wanted: dict[str, Any], found: str) -> None:
    """A span is selected if it has the names, the tags, the duration and the start."""
    where = matching(**wanted)
    (trace,) = Trace.from_spans(SHOP)
    assert "".join(node.span_id for node, _ in trace.walk() if where(node)) == found


@pytest.mark.parametrize("value", [500, "500"])
@pytest.mark.parametrize("wanted", [500, "500"])
def test_tags_are_compared_as_text(value: Any, wanted: Any) -> None:
    """A number and its text are the same."""
    node = TraceNode(span("1", tags={"http.status_code": value, "other": [1]}))
    assert matching(tags={"http.status_code": wanted})(node)
    assert not matching(tags={"http.status_code": wanted, "missing": "1"})(node)


# slowest


def ids(rows: Sequence[SlowSpan]) -> str:
    return "".join(row.span_id for row in rows)


def test_the_slowest_spans_are_roots() -> None:
    """Without a filter, what is inside a root is left out: its time is a part of the root's."""
    traces = Trace.from_spans([*SHOP, span("x", trace_id="t2", duration=20.0)])
    assert ids(slowest(traces)) == "xa"
    assert ids(slowest(traces, 1)) == "x"
    assert slowest(traces, 0) == []


def test_a_slow_span_has_its_place_and_times() -> None:
    """A row leads to the span: trace, start, and the time that is in no child."""
    assert slowest(Trace.from_spans(SHOP)) == [
        SlowSpan("t1", "a", "shop", "order", 0.0, 10.0, 3.0, False)
    ]


def test_the_outermost_spans_that_match_are_found() -> None:
    """A span inside another that matches is left out."""
    spans = [
        span("a", service="shop", duration=10.0),
        span("b", "a", service="stock", duration=5.0),
        span("c", "b", service="stock", duration=4.0),
        span("d", "a", service="stock", start_time=5.0, duration=2.0),
    ]
    assert ids(slowest(Trace.from_spans(spans), where=matching(service="stock"))) == "bd"


def test_an_asynchronous_span_that_took_longer_than_its_parent_is_found() -> None:
    """Its time is no part of its parent's."""
    spans = [span("a", duration=1.0), span("b", "a", duration=60.0), span("c", "b", duration=2.0)]
    assert ids(slowest(Trace.from_spans(spans))) == "ba"


def test_a_span_that_is_not_finished_is_not_slow() -> None:
    """Its duration is unknown, and those below it are found."""
    spans = [span("a", duration=None), span("b", "a", duration=3.0)]
    assert ids(slowest(Trace.from_spans(spans))) == "b"


# errors


def test_errors_are_grouped_by_message_and_those_that_began_it_come_first() -> None:
    """The innermost failure is first, and each row leads to the last trace with it."""
    spans = []
    for start in range(3):
        common = {"trace_id": f"t{start}", "start_time": float(start)}
        spans += [
            span("a", operation_name="GET", service="shop", **failure("500"), **common),
            span("b", "a", operation_name="charge", service="bank", **failure("no card"), **common),
            span("c", "a", operation_name="log", **common),
        ]
    spans.append(span("d", trace_id="t9", operation_name="GET", service="shop", **failure("late")))
    rows = errors(Trace.from_spans(spans))
    assert [tuple(row) for row in rows] == [
        ("bank", "charge", "no card", 3, 3, 2.0, "t2"),
        ("shop", "GET", "late", 1, 1, 0.0, "t9"),
        ("shop", "GET", "500", 3, 0, 2.0, "t2"),
    ]
    assert errors(Trace.from_spans(spans), matching(service="bank")) == rows[:1]


def test_a_retry_that_failed_is_an_origin_though_its_parent_is_fine() -> None:
    """A failure that was handled is listed too."""
    spans = [span("a"), span("b", "a", **failure("timeout")), span("c", "a", start_time=0.5)]
    (row,) = errors(Trace.from_spans(spans))
    assert (row.operation, row.message, row.spans, row.origins) == ("op b", "timeout", 1, 1)


# compare


def one(before: list[Trace], after: list[Trace], **options: Any) -> Comparison:
    (row,) = compare(before, after, **options)
    return row


FAST = [1.0 + each / 64 for each in range(20)]


def test_what_became_slower_is_named() -> None:
    """The medians, their change, the samples and the spans are those of each side."""
    slow = [2 * each for each in FAST]
    row = one(requests(FAST), requests(slow, "u"))
    assert row.verdict == "slower"
    assert (row.before_median, row.after_median, row.change) == (1 + 9 / 64, 2 + 18 / 64, 1.0)
    assert (row.before_p95, row.after_p95) == (1 + 18 / 64, 2 + 36 / 64)
    assert (row.before_traces, row.after_traces) == (20, 20)
    assert (row.before_spans, row.after_spans) == (20, 20)
    assert row.p_value is not None
    assert row.p_value < 1e-6
    assert one(requests(slow), requests(FAST)).verdict == "faster"


def test_the_same_is_within_noise() -> None:
    """The same durations, and those that chance explains, are no change."""
    assert one(requests(FAST), requests(FAST)).verdict == "within noise"
    assert one(requests([1.0] * 20), requests([1.0] * 20)).p_value == 1.0
    few_and_wide = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 9.0, 20.0]
    row = one(requests(few_and_wide), requests([1.5 * each for each in few_and_wide]))
    assert (row.verdict, row.change) == ("within noise", pytest.approx(0.5))


def test_a_change_that_nobody_would_notice_is_within_noise() -> None:
    """A change below `at_least` is none, however certain it is."""
    before, after = requests(FAST * 50), requests([1.05 * each for each in FAST] * 50)
    row = one(before, after)
    assert row.p_value is not None
    assert row.p_value < 0.001
    assert row.verdict == "within noise"
    assert one(before, after, at_least=0.04).verdict == "slower"
    with pytest.raises(ValueError, match="at_least must not be negative, not -1"):
        compare([], [], at_least=-1)


def test_a_change_from_nothing_is_a_change() -> None:
    """A median of zero before is no division by zero."""
    row = one(requests([0.0] * 20), requests(FAST))
    assert (row.verdict, row.change) == ("slower", math.inf)
    assert one(requests([0.0] * 20), requests([0.0] * 20)).change == 0.0


@pytest.mark.parametrize(("number", "verdict"), [(7, "too few"), (8, "slower")])
def test_fewer_than_eight_traces_are_too_few(number: int, verdict: str) -> None:
    """There is no verdict on so few samples, and no probability."""
    row = one(requests(FAST), requests([9.0] * number))
    assert row.verdict == verdict
    assert (row.p_value is None) == (number < 8)


def test_many_spans_of_one_trace_are_one_sample() -> None:
    """A loop with a hundred queries in one slow request proves nothing about others."""
    loop = Trace.from_spans(span(str(each), operation_name="GET") for each in range(100))
    row = one(requests(FAST), loop)
    assert (row.verdict, row.after_traces, row.after_spans) == ("too few", 1, 100)


def test_a_sample_is_the_median_of_its_trace() -> None:
    """One slow span among many of its trace does not make the trace slow."""
    before, after = [], []
    for trace in range(10):
        for each in range(5):
            made = {"trace_id": f"t{trace}", "operation_name": "GET", "duration": 1.0}
            before.append(span(str(each), **made))
            after.append(span(str(each), **{**made, "duration": 99.0 if each < 2 else 1.0}))
    row = one(Trace.from_spans(before), Trace.from_spans(after))
    assert (row.verdict, row.after_median, row.after_p95) == ("within noise", 1.0, 99.0)


def test_new_gone_and_unfinished_operations_have_rows() -> None:
    """An operation on one side only is new or gone; one without durations has too few."""
    old = Trace.from_spans([span("1", operation_name="old"), span("2", duration=None, **FAILED)])
    new = Trace.from_spans([span("1", operation_name="new"), span("2", duration=None)])
    rows = compare(old, new)
    assert [(row.operation, row.verdict, row.change) for row in rows] == [
        ("op 2", "too few", None),
        ("new", "new", None),
        ("old", "gone", None),
    ]
    assert (rows[0].before_errors, rows[0].after_errors, rows[0].after_traces) == (1, 0, 0)


def test_what_became_slower_by_the_most_seconds_comes_first() -> None:
    """Then what became faster, and then the rest."""
    before, after = [], []
    for index, duration in enumerate(FAST):
        for name, factor in (("b", 2), ("a", 3), ("c", 1), ("d", 0.5)):
            made = {"trace_id": f"t{index}", "operation_name": name}
            before.append(span(name, duration=duration, **made))
            after.append(span(name, duration=duration * factor, **made))
    rows = compare(Trace.from_spans(before), Trace.from_spans(after))
    assert [row.operation + " " + row.verdict for row in rows] == [
        *("a slower", "b slower", "d faster", "c within noise")
    ]


def exact_probability(before: Sequence[float], after: Sequence[float]) -> float:
    """That of a U as far from its mean, counted over all ways to draw the samples."""
    pooled = [*before, *after]

    def u(chosen: set[int]) -> float:
        rest = [each for each in range(len(pooled)) if each not in chosen]
        return sum(
            (pooled[a] > pooled[b]) + (pooled[a] == pooled[b]) / 2 for a in chosen for b in rest
        )

    mean = len(before) * len(after) / 2
    all_of_them = [
        abs(u(set(each)) - mean) for each in itertools.combinations(range(len(pooled)), len(before))
    ]
    distance = abs(u(set(range(len(before)))) - mean)
    return sum(each >= distance for each in all_of_them) / len(all_of_them)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shift", [0, 2, 4])
def test_the_probability_is_that_of_the_exact_test(shift: int, ties: bool) -> None:
    """For small samples, the approximation is near the exact test, which counts all cases."""
    before = [float(each // 2 if ties else each) for each in (1, 4, 5, 8, 9, 12)]
    after = [
        float((each + shift) // 2 if ties else each + shift + 0.5) for each in (2, 3, 6, 8, 11, 13)
    ]
    found = _probability_of_chance(before, after)
    assert found == pytest.approx(exact_probability(before, after), abs=0.05)


def test_the_probability_is_that_of_scipy() -> None:
    """The documentation of ``scipy.stats.mannwhitneyu`` has it with ``method="asymptotic"``."""
    first, second = [19.0, 22, 16, 29, 24], [20.0, 11, 17, 12]
    assert _probability_of_chance(first, second) == pytest.approx(0.11134688653314041)
    assert _probability_of_chance(second, first) == pytest.approx(0.11134688653314041)


def test_chance_is_rarely_taken_for_a_change() -> None:
    """With forty operations that did not change, at most about 5 % of comparisons name one."""
    draw = random.Random(20)

    def traces() -> list[Trace]:
        return Trace.from_spans(
            span(str(name), trace_id=f"t{trace}", operation_name=str(name), duration=draw.random())
            for name in range(40)
            for trace in range(12)
        )

    named = [
        any(row.verdict in ("slower", "faster") for row in compare(traces(), traces()))
        for _ in range(40)
    ]
    assert sum(named) <= 6  # of more than 6, the probability is below 2 %


def test_probabilities_are_corrected_by_holm() -> None:
    """The smallest is multiplied by their number, the next by one less, and order is kept."""
    assert _adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert _adjusted([0.9, 0.8]) == [1.0, 1.0]
    assert _adjusted([]) == []


# Any spans.

_SPANS = st.lists(
    st.builds(
        lambda number, parent, trace, name, service, start, duration, error: span(
            str(number),
            None if parent is None else str(parent),
            trace_id=f"t{trace}",
            operation_name=name,
            service=service,
            start_time=start,
            duration=duration,
            tags={"error": error},
        ),
        st.integers(0, 1000),
        st.none() | st.integers(0, 8),
        st.integers(0, 3),
        st.sampled_from("ab"),
        st.sampled_from([None, "s"]),
        st.integers(0, 20).map(float),
        st.none() | st.integers(0, 20).map(float),
        st.booleans(),
    ),
    max_size=20,
    unique_by=lambda each: (each["trace_id"], each["span_id"]),
)


@given(_SPANS, st.randoms(use_true_random=False))
def test_the_order_of_spans_does_not_matter(spans: list[Any], shuffle: random.Random) -> None:
    """All answers are the same in whatever order the spans come."""
    shuffled = spans[:]
    shuffle.shuffle(shuffled)
    first, second = Trace.from_spans(spans), Trace.from_spans(shuffled)
    rows = by_operation(first)
    assert rows == by_operation(second)
    assert slowest(first, 5) == slowest(second, 5)
    assert errors(first) == errors(second)
    assert compare(first, first) == compare(second, second)
    assert sum(row.spans for row in rows) == len(spans)
    assert sum(row.critical_share for row in rows) == pytest.approx(
        1.0 if any(row.critical_share for row in rows) else 0.0
    )
    assert sum(row.spans for row in errors(first)) == sum(row.errors for row in rows)


@pytest.mark.parametrize("field", ["start_time", "duration", "tags", "logs", "operation_name"])
@pytest.mark.parametrize("value", [None, "x", [], {}, 1e300, float("nan"), -1])
def test_fields_of_the_wrong_type_are_answered(field: str, value: Any) -> None:
    """A field with any value raises nothing."""
    traces = Trace.from_spans([span("1", **{field: value}), span("2", "1")])
    assert sum(row.spans for row in by_operation(traces)) == 2
    slowest(traces, where=matching(tags={"a": "b"}, slower_than=0.0, since=0.0))
    errors(traces)
    compare(traces, traces)


def test_the_time_does_not_grow_with_the_square_of_the_spans() -> None:
    """All questions about 30,000 spans are answered in seconds."""
    traces = Trace.from_spans(
        span(
            f"{trace}.{each}",
            f"{trace}.{(each - 1) // 3}" if each else None,
            trace_id=f"t{trace}",
            operation_name=f"op {each % 50}",
            start_time=each / 200,
            tags={"error": each % 7 == 0},
        )
        for trace in range(300)
        for each in range(100)
    )
    before = time.process_time()
    assert len(by_operation(traces)) == 50
    assert len(slowest(traces, 10_000)) == 300
    assert errors(traces)
    assert compare(traces, traces)
    assert time.process_time() - before < 20  # 1.5 are usual
