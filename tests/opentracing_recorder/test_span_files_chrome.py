"""Spans in Chrome's trace event format, held against the rules of the format."""

from __future__ import annotations

import io
import json
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import write_spans

from .span_dicts import span

Event = dict[str, Any]


def events_of(spans: list[dict[str, Any]]) -> list[Event]:
    """The events of a file, each with the fields that its phase must have."""
    file = io.BytesIO()
    assert write_spans(spans, file, "chrome") == len(spans)
    content = json.loads(file.getvalue())
    assert content["displayTimeUnit"] == "ms"
    events: list[Event] = content["traceEvents"]
    for each in events:
        assert type(each["pid"]) is type(each["tid"]) is int
        assert type(each["name"]) is str
        assert each["ph"] == "M" or each["ts"] >= 0
        assert each["ph"] != "X" or each["dur"] >= 0
    return events


def of_phase(events: list[Event], phase: str) -> list[Event]:
    return [each for each in events if each["ph"] == phase]


def tracks(events: list[Event]) -> dict[str, tuple[int, int]]:
    """The process and the track of each span."""
    return {each["args"]["span_id"]: (each["pid"], each["tid"]) for each in of_phase(events, "X")}


def assert_nested(events: list[Event]) -> None:
    """On each track, a span is inside of another, or beside it."""
    key = lambda each: (each["pid"], each["tid"])  # noqa: E731
    for _, on_track in groupby(sorted(of_phase(events, "X"), key=key), key):
        ends: list[int] = []
        # In nanoseconds: the format has microseconds, with fractions.
        times = [(round(each["ts"] * 1e3), round(each["dur"] * 1e3)) for each in on_track]
        for start, duration in sorted(times, key=lambda time: (time[0], -time[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or start + duration <= ends[-1]
            ends.append(start + duration)


def test_a_span_is_a_complete_event() -> None:
    """Its times are in microseconds from the first span's start, and its tags are arguments."""
    first = span("1", service="shop", start_time=1.7e9, duration=2.0, operation_name="checkout")
    log = {"timestamp": 1.7e9 + 1.0, "fields": {"event": "retry", "n": 1}}
    child = span(
        *("2", "1"),
        service="shop",
        start_time=1.7e9 + 0.5,
        duration=0.25,
        tags={"error": True, "http.status_code": 500, "nested": {"a": [1]}},
        logs=[log],
    )
    events = events_of([child, first])
    names = {(each["name"], *each["args"].values()) for each in of_phase(events, "M")}
    assert ("process_name", "shop") in names
    assert ("thread_name", "shop 1") in names
    assert of_phase(events, "X") == [
        {
            "ph": "X",
            "cat": "span",
            "name": "checkout",
            "pid": 1,
            "tid": 1,
            "ts": 0.0,
            "dur": 2_000_000.0,
            "args": {"trace_id": "t1", "span_id": "1"},
        },
        {
            "ph": "X",
            "cat": "error",
            "name": "op 2",
            "pid": 1,
            "tid": 1,
            "ts": 500_000.0,
            "dur": 250_000.0,
            "args": {
                "trace_id": "t1",
                "span_id": "2",
                "parent_id": "1",
                "error": True,
                "http.status_code": 500,
                "nested": {"a": [1]},
            },
            "cname": "terrible",
        },
    ]
    # It is after the end of its span: it is shown at the end.
    assert of_phase(events, "i") == [
        {
            "ph": "i",
            "s": "t",
            "cat": "log",
            "name": "retry",
            "pid": 1,
            "tid": 1,
            "ts": 750_000.0,
            "args": {"event": "retry", "n": 1},
        }
    ]
    assert of_phase(events, "s") == of_phase(events, "f") == []


def test_children_that_overlap_stand_on_tracks_of_their_own() -> None:
    """What is inside of its parent alone stands on its track; a free track is used again."""
    spans = [
        span("1", start_time=0.0, duration=10.0),
        span("2", "1", start_time=1.0, duration=3.0),
        span("3", "1", start_time=2.0, duration=3.0),
        span("4", "1", start_time=6.0, duration=1.0),
        span("5", "1", start_time=9.0, duration=5.0),
        span("6", "3", start_time=2.5, duration=1.0),
    ]
    events = events_of(spans)
    assert {key: track for key, (_, track) in tracks(events).items()} == {
        "1": 1,
        "2": 1,
        "3": 2,
        "6": 2,
        "4": 1,
        "5": 2,
    }
    assert_nested(events)


def test_a_call_between_services_is_an_arrow() -> None:
    """It leads from the caller's track, in the caller's time, to the start of the other side."""
    spans = [
        span("1", service="shop", start_time=0.0, duration=4.0),
        span("2", "1", service="stock", start_time=1.0, duration=2.0),
        span("3", "2", service="stock", start_time=1.5, duration=1.0),
        span("4", "1", service=None, start_time=9.0, duration=1.0),
    ]
    events = events_of(spans)
    assert tracks(events) == {"1": (1, 1), "2": (2, 1), "3": (2, 1), "4": (3, 1)}
    starts, ends = of_phase(events, "s"), of_phase(events, "f")
    assert [(each["id"], each["pid"], each["ts"]) for each in starts] == [
        (1, 1, 1_000_000.0),
        (2, 1, 4_000_000.0),
    ]
    assert [(each["id"], each["pid"], each["ts"], each["bp"]) for each in ends] == [
        (1, 2, 1_000_000.0, "e"),
        (2, 3, 9_000_000.0, "e"),
    ]


@pytest.mark.parametrize("duration", [None, 0.0, -1.0])
def test_a_span_without_a_duration_has_none(duration: float | None) -> None:
    """It is drawn as a point, and says if it is unfinished."""
    (event,) = of_phase(events_of([span("1", duration=duration)]), "X")
    assert event["dur"] == 0.0
    assert ("unfinished" in event["args"]) is (duration is None)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.integers(0, 20),
            st.integers(0, 12),
            st.sampled_from(["a", "b", None]),
        ),
        max_size=12,
    )
)
def test_spans_of_every_shape_nest(drawn: list[tuple[int, int, int, str | None]]) -> None:
    """Whatever overlaps, each span stands once, and those of one track nest."""
    spans = [
        span(str(number), str(parent), service=service, start_time=start / 7, duration=length / 7)
        for number, (start, length, parent, service) in enumerate(drawn)
    ]
    events = events_of(spans)
    assert len(of_phase(events, "X")) == len(spans)
    assert_nested(events)
    processes = {
        each["args"]["name"]: each["pid"] for each in events if each["name"] == "process_name"
    }
    assert set(processes) == {service or "no service" for *_, service in drawn}
