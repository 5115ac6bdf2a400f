"""CompositePropagator over all formats: which trace wins, what is joined, what is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, SpanContextCorruptedException
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    CompositePropagator,
)

from ..formats import FORMATS, carriers_of, extract_or_none, words_of

W3C, B3, JAEGER, TEXT = (FORMATS[name] for name in ("w3c", "b3", "jaeger", "headers"))
ALL = CompositePropagator([W3C, B3, JAEGER, TEXT])

HEADERS: list[dict[str, str]] = [
    {"traceparent": f"00-{1:032x}-{9:016x}-00"},
    {"b3": f"{2:032x}-{9:016x}-0"},
    {"uber-trace-id": "3:9:0:0"},
    {"ot-tracer-traceid": "4", "ot-tracer-spanid": "9", "ot-tracer-sampled": "false"},
]
BROKEN: list[dict[str, str]] = [
    {"traceparent": f"00-{0:032x}-{9:016x}-00"},
    {"b3": "2-broken"},
    {"uber-trace-id": "3:9"},
    {"ot-tracer-traceid": "x", "ot-tracer-spanid": "9", "ot-tracer-sampled": "false"},
]


def extracted(carrier: Any, propagator: CompositePropagator = ALL) -> BasicSpanContext:
    context = propagator.extract(carrier)
    assert context is not None
    return context


@given(st.lists(st.sampled_from(["good", "broken", "absent"]), min_size=4, max_size=4))
def test_the_first_good_trace_wins(states: list[str]) -> None:
    """The first good header wins; if none is good, the first broken one raises."""
    carrier: dict[str, str] = {}
    for state, good, broken in zip(states, HEADERS, BROKEN):
        carrier.update({"good": good, "broken": broken, "absent": {}}[state])
    if "good" in states:
        context = extracted(carrier)
        assert (context.trace_id, context.span_id) == (states.index("good") + 1, 9)
        assert context.sampled is False
    elif "broken" in states:
        name = next(iter(BROKEN[states.index("broken")])).partition("-")[0]
        with pytest.raises(SpanContextCorruptedException, match=name):
            ALL.extract(carrier)
    else:
        assert ALL.extract(carrier) is None


def test_the_order_is_the_one_given() -> None:
    """The order of the propagators counts, not that of the headers."""
    carrier = {**HEADERS[0], **HEADERS[1], **HEADERS[2]}
    assert extracted(carrier, CompositePropagator([JAEGER, B3, W3C])).trace_id == 3
    assert extracted(carrier, CompositePropagator([TEXT, B3, W3C])).trace_id == 2


@pytest.mark.parametrize("form", [list, iter, dict])
def test_a_carrier_that_can_be_read_once_is_enough(form: Any) -> None:
    """An iterator serves all formats, the last included."""
    carrier = form(HEADERS[3].items())
    assert isinstance(carrier, (Iterator, list, dict))
    assert extracted(carrier).trace_id == 4


@pytest.mark.parametrize(
    ("lonely", "other"),
    [
        ({"b3": "1"}, HEADERS[2]),
        ({"x-b3-sampled": "1"}, HEADERS[0]),
        ({"baggage": "k=v"}, HEADERS[1]),
        ({"jaeger-debug-id": "find-me"}, HEADERS[3]),
    ],
)
def test_what_comes_without_a_trace_does_not_win_over_one(
    lonely: dict[str, str], other: dict[str, str]
) -> None:
    """A header with a trace wins, whichever format is read first."""
    context = extracted({**lonely, **other})
    assert context.span_id == 9
    assert context.sampled is False


def test_baggage_goes_with_the_trace_of_another_format() -> None:
    """B3 has no baggage of its own; an item of the trace's own format wins."""
    context = extracted({"baggage": "k=v,user=alice", **HEADERS[1]})
    assert (context.trace_id, dict(context.baggage)) == (2, {"k": "v", "user": "alice"})
    context = extracted({"baggage": "k=v,user=alice", **HEADERS[2], "uberctx-k": "other"})
    assert dict(context.baggage) == {"k": "other", "user": "alice"}


def test_joined_baggage_is_bounded() -> None:
    """Items over the limit are counted."""
    many = ",".join(f"key{each}=v" for each in range(64))
    context = extracted({"baggage": many, **HEADERS[2], "uberctx-k": "other"})
    assert (len(context.baggage), context.dropped_baggage) == (64, 1)
    assert context.baggage["k"] == "other"


def test_without_any_trace_a_decision_and_baggage_are_joined() -> None:
    """The trace that starts has both; the first decision counts."""
    context = extracted({"baggage": "k=v", "b3": "0", "jaeger-debug-id": "find-me"})
    assert not context.has_trace
    assert (context.sampled, dict(context.baggage)) == (False, {"k": "v"})
    span = BasicTracer().start_span("x", child_of=context)
    assert (span.sampled, span.get_baggage_item("k")) == (False, "v")


def test_a_broken_trace_does_not_hide_a_decision() -> None:
    """The decision is whole, and holds for the trace that starts instead."""
    assert extracted({**BROKEN[0], "b3": "0"}).sampled is False


def test_it_writes_what_it_is_told_to() -> None:
    """It writes all formats that it reads by default, otherwise the given ones, if any."""
    everything: dict[str, str] = {}
    ALL.inject(BasicSpanContext(1, 2, {"k": "v"}), everything)
    assert list(everything) == [
        "traceparent",
        "baggage",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-sampled",
        "uber-trace-id",
        "uberctx-k",
        "ot-tracer-traceid",
        "ot-tracer-spanid",
        "ot-tracer-sampled",
        "ot-baggage-k",
    ]
    single = CompositePropagator([W3C, B3], written=iter([B3Propagator(single_header=True)]))
    for _ in range(2):
        carrier: dict[str, str] = {}
        single.inject(BasicSpanContext(1, 2), carrier)
        assert list(carrier) == ["b3"]
    carrier = {}
    CompositePropagator([W3C], written=[]).inject(BasicSpanContext(1, 2), carrier)
    assert carrier == {}


@pytest.mark.parametrize("wrong", [5, ["b3"], [None]])
def test_what_is_no_propagator_is_refused(wrong: Any) -> None:
    """The error names the argument."""
    with pytest.raises(TypeError, match="propagators must be Propagators"):
        CompositePropagator(wrong)
    with pytest.raises(TypeError, match="written must be Propagators"):
        CompositePropagator([W3C], written=wrong)


def test_one_tracer_among_neighbours_of_every_kind() -> None:
    """The trace of any caller continues, and the next service gets it in the chosen formats."""
    tracer = BasicTracer(
        propagators={
            Format.HTTP_HEADERS: CompositePropagator([W3C, B3, JAEGER, TEXT], written=[W3C, B3])
        }
    )
    for trace_id, headers in enumerate(HEADERS, 1):
        parent = tracer.extract(Format.HTTP_HEADERS, headers)
        span = tracer.start_span("server", child_of=parent)
        sent: dict[str, str] = {}
        tracer.inject(span, Format.HTTP_HEADERS, sent)
        assert set(sent) >= {"traceparent", "x-b3-traceid"}
        assert not {"uber-trace-id", "ot-tracer-traceid"} & set(sent)
        assert (span.context.trace_id, span.parent_id, span.sampled) == (trace_id, 9, False)


CARRIERS = carriers_of(
    words_of(
        st.sampled_from(
            [pair for each in [*HEADERS, *BROKEN] for item in each.items() for pair in item]
        ),
        st.sampled_from(["baggage", "uberctx-k", "jaeger-baggage", "x-b3-flags", "k=v", "1", "d"]),
    )
)


@given(CARRIERS)
def test_arbitrary_carriers(carrier: Any) -> None:
    """Any carrier gives a context, None, or one of the two exceptions."""
    context = extract_or_none(ALL, carrier)
    assert context is None or context.has_trace or context.baggage or context.sampled is not None
