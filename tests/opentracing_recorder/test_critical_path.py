"""The critical path of a trace, and the self time of its spans: golden answers by hand."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import Trace
from opentracing_recorder._critical_path import SpanTimes
from opentracing_recorder.statistics import critical_path

from .span_dicts import span as span_dict


def span(span_id: str, parent_id: str | None, start: float, end: float | None, **more: Any) -> Any:
    """A span from `start` to `end`; None if it is not finished."""
    duration = None if end is None else end - start
    return span_dict(span_id, parent_id, start_time=start, duration=duration, **more)


def one_trace(spans: list[Any]) -> Trace:
    (trace,) = Trace.from_spans(spans)
    return trace


def path(spans: list[Any]) -> str:
    """The critical path as text: each piece with its start and end."""
    pieces = critical_path(one_trace(spans))
    return " ".join(
        f"{each.span_id}[{each.start_time:g},{each.start_time + each.duration:g}]"
        for each in pieces
    )


def self_times(spans: list[Any]) -> dict[str, float]:
    times = SpanTimes(one_trace(spans))
    return {node.span_id: times.self_time(node) for node in times.nodes}


FOLLOWS = {"references": [{"type": "follows_from", "trace_id": "t1", "span_id": "a"}]}

# Each: spans, the critical path, and the self times.
GOLDEN: dict[str, tuple[list[Any], str, dict[str, float]]] = {
    "a single span": ([span("a", None, 0, 8)], "a[0,8]", {"a": 8}),
    "a gap before, between and after two children": (
        [span("a", None, 0, 10), span("b", "a", 1, 4), span("c", "a", 5, 8)],
        "a[0,1] b[1,4] a[4,5] c[5,8] a[8,10]",
        {"a": 4, "b": 3, "c": 3},
    ),
    "children that leave no gap": (
        [span("a", None, 0, 8), span("b", "a", 0, 4), span("c", "a", 4, 8)],
        "b[0,4] c[4,8]",
        {"a": 0, "b": 4, "c": 4},
    ),
    "children at the same time: the one that ended last": (
        [span("a", None, 0, 10), span("b", "a", 1, 9), span("c", "a", 1, 6)],
        "a[0,1] b[1,9] a[9,10]",
        {"a": 2, "b": 8, "c": 5},
    ),
    "an overlap: the earlier one was still running when the later one started": (
        [span("a", None, 0, 10), span("b", "a", 0, 6), span("c", "a", 5, 10)],
        "a[0,5] c[5,10]",
        {"a": 0, "b": 6, "c": 5},
    ),
    "an overlap that imprecise clocks explain": (
        [span("a", None, 0, 100), span("b", "a", 0, 51), span("c", "a", 50, 100)],
        "b[0,50] c[50,100]",
        {"a": 0, "b": 51, "c": 50},
    ),
    "a short span in parallel, which is not taken for an imprecise clock": (
        [span("a", None, 0, 100), span("b", "a", 49.5, 50.5), span("c", "a", 50, 100)],
        "a[0,50] c[50,100]",
        {"a": 49.5, "b": 1, "c": 50},
    ),
    "a chain of children": (
        [span("a", None, 0, 10), span("b", "a", 2, 9), span("c", "b", 3, 7)],
        "a[0,2] b[2,3] c[3,7] b[7,9] a[9,10]",
        {"a": 3, "b": 3, "c": 4},
    ),
    "an asynchronous child that outlives its parent counts until its parent's end": (
        [span("a", None, 0, 10), span("b", "a", 4, 25), span("c", "b", 12, 20)],
        "a[0,4] b[4,10]",
        {"a": 4, "b": 13, "c": 8},
    ),
    "an asynchronous child that started after its parent's end": (
        [span("a", None, 0, 10), span("b", "a", 11, 15)],
        "a[0,10]",
        {"a": 10, "b": 4},
    ),
    "a child that follows from its parent": (
        [span("a", None, 0, 10), span("b", "a", 1, 9, **FOLLOWS), span("c", "a", 2, 5)],
        "a[0,2] c[2,5] a[5,10]",
        {"a": 7, "b": 8, "c": 3},
    ),
    "a consumer of a message": (
        [span("a", None, 0, 10), span("b", "a", 1, 9, tags={"span.kind": "consumer"})],
        "a[0,10]",
        {"a": 10, "b": 8},
    ),
    "retries": (
        [
            span("a", None, 0, 12),
            span("b1", "a", 1, 3, tags={"error": True}),
            span("b2", "a", 4, 7, tags={"error": True}),
            span("b3", "a", 9, 11),
        ],
        "a[0,1] b1[1,3] a[3,4] b2[4,7] a[7,9] b3[9,11] a[11,12]",
        {"a": 5, "b1": 2, "b2": 3, "b3": 2},
    ),
    "a child that seems to start before its parent": (
        [span("a", None, 5, 10), span("b", "a", 2, 8)],
        "b[5,8] a[8,10]",
        {"a": 2, "b": 6},
    ),
    "a child that seems to be over before its parent starts": (
        [span("a", None, 5, 10), span("b", "a", 1, 4)],
        "a[5,10]",
        {"a": 5, "b": 3},
    ),
    "a child of a child outside its grandparent": (
        [span("a", None, 0, 10), span("b", "a", 5, 15), span("c", "b", 6, 14)],
        "a[0,5] b[5,6] c[6,10]",
        {"a": 5, "b": 2, "c": 8},
    ),
    "spans that take no time": (
        [span("a", None, 0, 10), span("b", "a", 5, 5), span("c", "a", 10, 10)],
        "a[0,10]",
        {"a": 10, "b": 0, "c": 0},
    ),
    "a trace that takes no time": ([span("a", None, 3, 3)], "", {"a": 0}),
    "an unfinished span lasts as long as the spans below it": (
        [span("a", None, 0, None), span("b", "a", 1, None), span("c", "b", 2, 6)],
        "a[0,1] b[1,2] c[2,6]",
        {"a": 1, "b": 1, "c": 4},
    ),
    "an unfinished span with nothing below it": (
        [span("a", None, 0, 10), span("b", "a", 5, None)],
        "a[0,10]",
        {"a": 10, "b": 0},
    ),
    "several roots: the longest": (
        [span("a", None, 0, 4), span("b", "lost", 1, 9), span("c", "b", 2, 8)],
        "b[1,2] c[2,8] b[8,9]",
        {"a": 4, "b": 2, "c": 6},
    ),
    "the two halves of a shared span": (
        [
            span("a", None, 0, 10, service="shop", tags={"span.kind": "client"}),
            span("a", None, 2, 9, service="stock", tags={"span.kind": "server"}),
            span("b", "a", 3, 8, service="stock"),
        ],
        "a[0,2] a[2,3] b[3,8] a[8,9] a[9,10]",
        {"a": 2, "b": 5},  # of the last with this id
    ),
    "spans that are their own ancestors": (
        [span("a", "b", 0, 10), span("b", "a", 2, 6)],
        "a[0,2] b[2,6] a[6,10]",
        {"a": 6, "b": 4},
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_the_path_is_the_expected_one(case: str) -> None:
    """The path, worked out by hand, is found in whatever order the spans come."""
    spans, expected, _ = GOLDEN[case]
    assert path(spans) == expected
    assert path(spans[::-1]) == expected


@pytest.mark.parametrize("case", GOLDEN)
def test_self_times_are_the_expected_ones(case: str) -> None:
    """The self times, worked out by hand, are found in whatever order the spans come."""
    spans, _, expected = GOLDEN[case]
    assert self_times(spans) == expected
    assert self_times(spans[::-1]) == expected


def test_a_piece_names_its_span() -> None:
    """A piece has the ids, the service and the operation of its span."""
    (piece,) = critical_path(one_trace([span("a", None, 2, 5, service="shop")]))
    assert piece._asdict() == {
        "trace_id": "t1",
        "span_id": "a",
        "service": "shop",
        "operation": "op a",
        "start_time": 2.0,
        "duration": 3.0,
    }


def test_a_trace_without_spans_has_no_path() -> None:
    """The path of an empty trace is empty."""
    assert critical_path(Trace("t1", [])) == []


@pytest.mark.parametrize("references", [None, 1, ["x"], [{}], {"span_id": "a"}, [{"span_id": []}]])
def test_references_that_are_none_are_ignored(references: Any) -> None:
    """A child with malformed references is one that its parent waits for."""
    spans = [span("a", None, 0, 4), span("b", "a", 0, 4, references=references)]
    assert path(spans) == "b[0,4]"


# Properties.

_TIMES = st.integers(0, 50)


@st.composite
def _any_spans(draw: st.DrawFn) -> list[Any]:
    """Spans with any times, parents and states."""
    number = draw(st.integers(1, 12))
    ids = st.sampled_from([None, *map(str, range(number))])
    spans = []
    for index in range(number):
        start = draw(_TIMES)
        end = draw(st.none() | _TIMES.map(lambda length, start=start: start + length))
        kind = draw(st.sampled_from([{}, {}, {"span.kind": "consumer"}]))
        spans.append(span(str(index), draw(ids), start, end, tags=kind))
    return spans


@given(_any_spans(), st.randoms(use_true_random=False))
def test_a_path_is_in_order_and_whole(spans: list[Any], shuffle: random.Random) -> None:
    """Its pieces follow each other without a gap, from a root's start to its end, in any order."""
    trace = one_trace(spans)
    pieces = critical_path(trace)
    shuffled = spans[:]
    shuffle.shuffle(shuffled)
    assert critical_path(one_trace(shuffled)) == pieces
    times = SpanTimes(trace)
    lengths = [times.end(root) - root.start_time for root in trace.roots]
    assert sum(piece.duration for piece in pieces) == max(lengths)
    assert all(piece.duration > 0 for piece in pieces)
    for piece, following in zip(pieces, pieces[1:]):
        assert piece.start_time + piece.duration == following.start_time


@given(_any_spans())
def test_self_times_are_parts_of_durations(spans: list[Any]) -> None:
    """A self time is never negative, and never more than the span lasted."""
    times = SpanTimes(one_trace(spans))
    for node in times.nodes:
        assert 0 <= times.self_time(node) <= times.end(node) - node.start_time


@st.composite
def _nested(draw: st.DrawFn) -> list[Any]:
    """Spans within their parents, of which no two siblings overlap."""
    spans: list[Any] = []
    waiting: list[tuple[str | None, int, int]] = [(None, 0, draw(st.integers(0, 200)))]
    while waiting:
        parent, start, end = waiting.pop()
        span_id = str(len(spans))
        spans.append(span(span_id, parent, start, end))
        number = draw(st.integers(0, 3)) if len(spans) < 12 else 0
        marks = sorted(draw(st.integers(start, end)) for _ in range(2 * number))
        waiting += [(span_id, *marks[place : place + 2]) for place in range(0, len(marks), 2)]
    return spans


@given(_nested())
def test_self_times_of_sequential_work_add_up(spans: list[Any]) -> None:
    """If children are within parents and do not overlap, all self times sum up to the root's.

    Then all work is on the path, and each span is on it for as long as its self time.
    """
    owned = self_times(spans)
    assert sum(owned.values()) == spans[0]["duration"]
    on_path = dict.fromkeys(owned, 0.0)
    for piece in critical_path(one_trace(spans)):
        on_path[piece.span_id] += piece.duration
    assert on_path == owned


# Size.


@pytest.mark.parametrize("shape", ["chain", "siblings"])
def test_the_time_does_not_grow_with_the_square_of_the_spans(shape: str) -> None:
    """A deep chain needs no recursion, and many siblings need no square of time."""
    number = 30_000
    spans = [span("0", None, 0, 2 * number)]
    for each in range(1, number):
        parent = str(each - 1) if shape == "chain" else "0"
        end = None if shape == "chain" and each % 2 else 2 * number - each
        spans.append(span(str(each), parent, each, end))
    trace = one_trace(spans)
    before = time.process_time()
    times = SpanTimes(trace)
    assert times.path()
    assert sum(map(times.self_time, times.nodes)) > 0
    assert time.process_time() - before < 10  # 0.3 are usual
