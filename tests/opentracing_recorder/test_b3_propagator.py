"""B3Propagator, by the examples of its specification (openzipkin/b3-propagation) and beyond."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, SpanContextCorruptedException
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    Propagator,
    RemoteSpanContext,
)

from ..formats import (
    carriers_of,
    damaged,
    extract_or_none,
    ids_of_64_bits,
    ids_of_128_bits,
    injected,
    words_of,
)

SEVERAL, SINGLE = B3Propagator(), B3Propagator(single_header=True)
BOTH = pytest.mark.parametrize("propagator", [SEVERAL, SINGLE], ids=["several", "single"])

TRACE_ID = 0x80F198EE56343BA864FE8B2A57D3EFF7
SPAN_ID = 0xE457B5A2E4D86BD1
PARENT_ID = 0x05E3AC9A4F6E3B90
DEBUG = {"debug": "1"}

IDS = {
    "X-B3-TraceId": "80f198ee56343ba864fe8b2a57d3eff7",
    "X-B3-SpanId": "e457b5a2e4d86bd1",
}
SINGLE_IDS = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1"

states = st.sampled_from([(None, {}), (True, {}), (False, {}), (True, DEBUG)])
contexts = st.builds(
    lambda trace_id, span_id, state, parent_id: BasicSpanContext(
        trace_id, span_id, None, state[0], parent_id, state[1]
    ),
    st.one_of(ids_of_64_bits, ids_of_128_bits),
    ids_of_64_bits,
    states,
    st.one_of(st.none(), ids_of_64_bits),
)


def fields(context: BasicSpanContext | None) -> tuple[Any, ...]:
    assert isinstance(context, RemoteSpanContext)
    assert context.baggage == {}
    extra = dict(context.extra)
    return context.trace_id, context.span_id, context.sampled, context.parent_id, extra


def decision(context: BasicSpanContext | None) -> tuple[Any, ...]:
    """The fields of a context without ids."""
    trace_id, span_id, sampled, parent_id, extra = fields(context)
    assert trace_id is span_id is parent_id is None
    return sampled, extra


# The way there and back.


@given(contexts)
def test_several_headers_round_trip(context: BasicSpanContext) -> None:
    """Ids, parent, decision and debug flag come back, whichever header is written."""
    expected = context.trace_id, context.span_id, context.sampled, context.parent_id, context.extra
    assert fields(SEVERAL.extract(injected(SEVERAL, context))) == expected
    assert fields(SINGLE.extract(injected(SEVERAL, context))) == expected


@given(contexts)
def test_single_header_round_trip(context: BasicSpanContext) -> None:
    """The same; but an undecided trace goes without its parent."""
    parent_id = None if context.sampled is None else context.parent_id
    expected = context.trace_id, context.span_id, context.sampled, parent_id, context.extra
    assert fields(SEVERAL.extract(injected(SINGLE, context))) == expected
    assert fields(SINGLE.extract(injected(SINGLE, context))) == expected


# The specification's examples.


@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        ({**IDS}, (TRACE_ID, SPAN_ID, None, None, {})),
        ({**IDS, "X-B3-Sampled": "1"}, (TRACE_ID, SPAN_ID, True, None, {})),
        ({**IDS, "X-B3-Sampled": "0"}, (TRACE_ID, SPAN_ID, False, None, {})),
        ({**IDS, "X-B3-Flags": "1"}, (TRACE_ID, SPAN_ID, True, None, DEBUG)),
        (
            {**IDS, "X-B3-ParentSpanId": "05e3ac9a4f6e3b90", "X-B3-Sampled": "1"},
            (TRACE_ID, SPAN_ID, True, PARENT_ID, {}),
        ),
        ({"b3": SINGLE_IDS}, (TRACE_ID, SPAN_ID, None, None, {})),
        ({"b3": f"{SINGLE_IDS}-1"}, (TRACE_ID, SPAN_ID, True, None, {})),
        ({"b3": f"{SINGLE_IDS}-0"}, (TRACE_ID, SPAN_ID, False, None, {})),
        ({"b3": f"{SINGLE_IDS}-d"}, (TRACE_ID, SPAN_ID, True, None, DEBUG)),
        ({"b3": f"{SINGLE_IDS}-1-05e3ac9a4f6e3b90"}, (TRACE_ID, SPAN_ID, True, PARENT_ID, {})),
    ],
)
def test_each_state_is_read_and_written(carrier: Any, expected: Any) -> None:
    """Defer, deny, accept and debug, with a parent and without: the wire both ways."""
    assert fields(SEVERAL.extract(carrier)) == expected
    trace_id, span_id, sampled, parent_id, extra = expected
    context = BasicSpanContext(trace_id, span_id, {"not": "sent"}, sampled, parent_id, extra)
    propagator = SINGLE if "b3" in carrier else SEVERAL
    assert injected(propagator, context) == {key.lower(): value for key, value in carrier.items()}


@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        ({"b3": "0"}, (False, {})),
        ({"b3": "1"}, (True, {})),
        ({"b3": "d"}, (True, DEBUG)),
        ({"X-B3-Sampled": "0"}, (False, {})),
        ({"X-B3-Sampled": "1"}, (True, {})),
        ({"X-B3-Flags": "1"}, (True, DEBUG)),
        ({"X-B3-Flags": "1", "X-B3-Sampled": "0"}, (True, DEBUG)),
        # As Brave reads it, ids without a trace's are nothing.
        ({"X-B3-SpanId": "1", "X-B3-Sampled": "1"}, (True, {})),
        ({"X-B3-SpanId": "1", "X-B3-Sampled": "0"}, (False, {})),
        ({"X-B3-SpanId": "broken", "X-B3-Flags": "1"}, (True, DEBUG)),
        ({"X-B3-TraceId": "", "X-B3-SpanId": "1", "X-B3-Sampled": "1"}, (True, {})),
        ({"X-B3-ParentSpanId": "1", "X-B3-Sampled": "0"}, (False, {})),
        ({"b3": "broken", "X-B3-SpanId": "1", "X-B3-Sampled": "0"}, (False, {})),
    ],
)
def test_a_decision_may_come_without_ids(carrier: Any, expected: Any) -> None:
    """The context has the decision and no ids; debug implies accept."""
    assert decision(SEVERAL.extract(carrier)) == expected


@pytest.mark.parametrize("carrier", [{"b3": "0"}, {"X-B3-Sampled": "0"}])
def test_deny_without_ids_starts_a_trace_that_is_not_kept(carrier: Any) -> None:
    """The trace is not sampled, whatever the sampler decides, and the next service gets that."""
    tracer = BasicTracer(propagators={Format.HTTP_HEADERS: SEVERAL})
    parent = tracer.extract(Format.HTTP_HEADERS, carrier)
    span = tracer.start_span("health", child_of=parent)
    assert (span.parent_id, span.context.sampled) == (None, False)
    headers: dict[str, str] = {}
    tracer.inject(span, Format.HTTP_HEADERS, headers)
    assert headers["x-b3-sampled"] == "0"


def test_debug_goes_to_every_descendant() -> None:
    """A debugged trace is kept against the sampler, and marked in each request that it makes."""
    tracer = BasicTracer(sampler=ConstSampler(False), propagators={Format.HTTP_HEADERS: SEVERAL})
    parent = tracer.extract(Format.HTTP_HEADERS, {"b3": "d"})
    root = tracer.start_span("root", child_of=parent)
    child = tracer.start_span("child", child_of=root)
    headers: dict[str, str] = {}
    tracer.inject(child, Format.HTTP_HEADERS, headers)
    assert child.context.sampled is True
    assert headers == {
        "x-b3-traceid": root.context.to_trace_id(),
        "x-b3-spanid": child.context.to_span_id(),
        "x-b3-parentspanid": root.context.to_span_id(),
        "x-b3-flags": "1",
    }


@BOTH
def test_a_decision_taken_here_is_stronger_than_debug(propagator: Propagator) -> None:
    """A span that the application stopped from being sampled is denied to those that follow."""
    context = BasicSpanContext(1, 2, None, False, None, DEBUG)
    assert fields(propagator.extract(injected(propagator, context))) == (1, 2, False, None, {})


@pytest.mark.parametrize("carrier", [{}, {"Host": "x"}, {"b3": ""}, {"X-B3-Flags": "0"}])
def test_nothing_of_b3_is_no_trace(carrier: Any) -> None:
    """No decision and no ids: None. A header without a value is no header."""
    assert SEVERAL.extract(carrier) is None


# Which one counts.


def test_the_single_header_comes_first() -> None:
    """If both are present and whole, the several headers are ignored."""
    several = {**IDS, "X-B3-Sampled": "1"}
    assert fields(SEVERAL.extract({**several, "b3": f"{1:016x}-{2:016x}-0"}))[:3] == (1, 2, False)
    assert decision(SEVERAL.extract({**several, "b3": "0"})) == (False, {})
    broken = {"X-B3-TraceId": "broken", "b3": SINGLE_IDS}
    assert fields(SEVERAL.extract(broken))[:2] == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("value", ["not-a-tumor", "7", SINGLE_IDS[:-1]])
def test_a_broken_single_header_does_not_hide_good_several(value: str) -> None:
    """Ids, or a decision."""
    assert fields(SEVERAL.extract({"b3": value, **IDS}))[:2] == (TRACE_ID, SPAN_ID)
    assert decision(SEVERAL.extract({"b3": value, "X-B3-Sampled": "0"})) == (False, {})


@pytest.mark.parametrize("several", [{}, {"X-B3-Flags": "0"}, {"X-B3-TraceId": "broken"}])
def test_a_broken_single_header_is_what_is_reported(several: Any) -> None:
    """The error is that of the single header if the several are missing or broken too."""
    with pytest.raises(
        SpanContextCorruptedException, match=r"^b3 got an invalid value 'not-a-tumor'"
    ):
        SEVERAL.extract({"b3": "not-a-tumor", **several})


@pytest.mark.parametrize(
    "carrier",
    [
        [("X-B3-TraceId", "1"), ("X-B3-SpanId", "2"), ("x-b3-traceid", "3"), ("x-b3-spanid", "x")],
        [(b"x-b3-traceid", b"1"), (b"x-b3-spanid", b"2"), (b"x-b3-spanid", b"4")],
        {"X-B3-TraceId": "1, 3", "X-B3-SpanId": "2,4"},
        [("b3", f"{1:016x}-{2:016x}"), ("b3", "0")],
    ],
    ids=["pairs", "bytes", "joined", "single"],
)
def test_the_first_of_repeated_headers_counts(carrier: Any) -> None:
    """The first value counts, in pairs and in values that a server has joined."""
    assert fields(SEVERAL.extract(carrier))[:3] == (1, 2, None)


@BOTH
@pytest.mark.parametrize(
    "form", [dict, lambda carrier: list(carrier.items())], ids=["dict", "list"]
)
def test_nothing_of_an_older_context_stays(propagator: Propagator, form: Any) -> None:
    """No older header, in any case, stays beside the new ones."""
    stale = {"B3": "0", "X-B3-Flags": "1", "x-b3-parentspanid": "5", "X-B3-SAMPLED": "0"}
    carrier = form({**stale, "Host": "x"})
    propagator.inject(BasicSpanContext(1, 2), carrier)
    assert dict(carrier) == {"Host": "x", **injected(propagator, BasicSpanContext(1, 2))}


# Other people's spelling.


@pytest.mark.parametrize(
    ("word", "sampled"),
    [("true", True), ("True", True), ("FALSE", False), (" 1 ", True), ("\t0", False), (b"1", True)],
)
def test_sampled_as_older_senders_write_it(word: Any, sampled: bool) -> None:
    """`true` and `false` in any case, and blanks around."""
    assert fields(SEVERAL.extract({**IDS, "X-B3-Sampled": word}))[2] is sampled


@pytest.mark.parametrize(
    "carrier",
    [
        {key.upper(): value.upper() for key, value in IDS.items()},
        {key: f" {value}\t" for key, value in IDS.items()},
        {
            "REQUEST_METHOD": "GET",
            "HTTP_X_B3_TRACEID": IDS["X-B3-TraceId"],
            "HTTP_X_B3_SPANID": IDS["X-B3-SpanId"],
        },
        {key.lower().encode(): value.encode() for key, value in IDS.items()},
        {**IDS, "X-B3-ParentSpanId": "0000000000000000"},
        {**IDS, "X-B3-ParentSpanId": "", "X-B3-Sampled": "", "b3": ""},
        {**IDS, "X-B3-Flags": "some"},
        {"B3": f" {SINGLE_IDS.upper()} "},
        {"HTTP_B3": SINGLE_IDS, "REQUEST_METHOD": "POST"},
        {"b3": f"{SINGLE_IDS}-0000000000000000"},
    ],
)
def test_ids_are_read_in_every_spelling(carrier: Any) -> None:
    """Upper case, blanks, a WSGI environ, bytes, a parent of 0, headers without a value."""
    assert fields(SEVERAL.extract(carrier)) == (TRACE_ID, SPAN_ID, None, None, {})


def test_short_ids_are_read_from_several_headers_alone() -> None:
    """Some senders do not pad; in the single header a short id is one that was cut."""
    assert fields(SEVERAL.extract({"x-b3-traceid": "abc", "x-b3-spanid": "d"}))[:2] == (0xABC, 0xD)
    with pytest.raises(SpanContextCorruptedException, match=r"^b3 got"):
        SEVERAL.extract({"b3": "abc-d"})


def test_a_parent_may_follow_without_a_decision() -> None:
    """Rare, and allowed: the parent is last, wherever that is."""
    context = SEVERAL.extract({"b3": f"{SINGLE_IDS}-05e3ac9a4f6e3b90"})
    assert fields(context) == (TRACE_ID, SPAN_ID, None, PARENT_ID, {})


@pytest.mark.parametrize("parent_id", [0, -1, 1 << 64, "5", None])
@BOTH
def test_a_parent_that_no_span_can_have_is_not_written(propagator: Any, parent_id: Any) -> None:
    """The rest is."""
    context = BasicSpanContext(1, 2, None, True, parent_id)
    assert injected(propagator, context) == injected(propagator, BasicSpanContext(1, 2))


@BOTH
@pytest.mark.parametrize("context", [BasicSpanContext(), BasicSpanContext(sampled=False)])
def test_a_context_without_a_trace_writes_nothing(propagator: Any, context: Any) -> None:
    """A context with only a decision writes nothing either."""
    assert injected(propagator, context) == {}


# Broken ones.


@pytest.mark.parametrize(
    ("carrier", "message"),
    [
        ({**IDS, "X-B3-TraceId": "nothex"}, "x-b3-traceid got an invalid hexadecimal value 'not"),
        ({**IDS, "X-B3-TraceId": "0" * 32}, "x-b3-traceid got an invalid hexadecimal value '000"),
        ({**IDS, "X-B3-TraceId": "1" * 33}, "x-b3-traceid got an invalid hexadecimal value '111"),
        ({**IDS, "X-B3-TraceId": "x" * 9999}, "x-b3-traceid got an invalid hexadecimal value 'xx"),
        ({**IDS, "X-B3-SpanId": "1" * 17}, "x-b3-spanid got an invalid hexadecimal value '111"),
        ({**IDS, "X-B3-SpanId": "0x1"}, "x-b3-spanid got an invalid hexadecimal value '0x1'"),
        (
            {**IDS, "X-B3-ParentSpanId": "?"},
            "x-b3-parentspanid got an invalid hexadecimal value '?'",
        ),
        ({**IDS, "X-B3-Sampled": "maybe"}, "x-b3-sampled got an invalid value 'maybe', should be"),
        ({"X-B3-TraceId": "1"}, "found x-b3-traceid without x-b3-spanid"),
        (
            {"X-B3-TraceId": "1", "X-B3-Sampled": "1"},
            "found x-b3-traceid without x-b3-spanid",
        ),
        ({"X-B3-SpanId": "1"}, "found x-b3-spanid without x-b3-traceid"),
        ({"X-B3-ParentSpanId": "1"}, "found x-b3-parentspanid without x-b3-traceid"),
    ],
)
def test_broken_headers_name_field_and_value(carrier: Any, message: str) -> None:
    """The message says briefly what is wrong."""
    with pytest.raises(SpanContextCorruptedException) as raised:
        SEVERAL.extract(carrier)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 200


ID = "0000000000000001"


@pytest.mark.parametrize(
    "value",
    [
        " ",
        "-",
        "-1",
        "1-",
        "2",
        "dd",
        "not-a-tumor",
        "b970dafd-0d95-40aa-95d8-1d8725aebe40",
        ID,
        ID + "-",
        f"{ID[1:]}-{ID}",
        f"{ID}-{ID[1:]}",
        f"{ID}-{ID}-",
        f"{ID}-{ID}-?",
        f"{ID}-{ID}-1-",
        f"{ID}-{ID}-1-1",
        f"{ID}-{ID}-1-{ID[1:]}",
        f"{ID}-{ID}-1-{ID}-1",
        f"{ID}-{ID}-{ID}{ID}",
        f"{ID}{ID}{ID}-{ID}-{ID}",
        f"{ID[:-1]}?-{ID}",
        f"{ID}-{ID[:-1]}?",
        f"{ID}-{ID}-1-{ID[:-1]}?",
        f"{'0' * 16}-{ID}",
        f"{ID}-{'0' * 16}",
        "-".join([ID] * 9999),
    ],
)
def test_a_broken_single_header_names_itself_and_its_value(value: str) -> None:
    """Too short, too long, too many parts, no number."""
    with pytest.raises(
        SpanContextCorruptedException, match=r"^b3.* got an invalid .*value '"
    ) as raised:
        SEVERAL.extract({"b3": value})
    assert len(str(raised.value)) < 200


CARRIERS = carriers_of(
    words_of(
        st.text("0123456789abcdefABCDEF-d ", max_size=70),
        st.sampled_from(
            ["b3", *IDS, *IDS.values(), SINGLE_IDS, "X-B3-Sampled", "x-b3-flags", "1", "0"]
        ),
        st.sampled_from(
            ["X-B3-ParentSpanId", "HTTP_X_B3_SAMPLED", b"b3", b"X-B3-TraceId", "true", ""]
        ),
    )
)


@given(CARRIERS)
def test_arbitrary_carriers(carrier: Any) -> None:
    """Any carrier gives a sound context, None, or one of the two exceptions."""
    context = extract_or_none(SEVERAL, carrier, "b3")
    if context is None:
        return
    assert context.has_trace or (context.trace_id is None and context.sampled is not None)
    assert context.sampled in (None, True, False)
    assert context.extra in ({}, DEBUG)
    assert context.parent_id is None or 0 < context.parent_id < 1 << 64


@given(contexts, st.booleans(), st.data())
def test_damaged_carriers(context: BasicSpanContext, single: bool, data: st.DataObject) -> None:
    """A good carrier with one character changed, added or lost does no more harm."""
    carrier = damaged(injected(SINGLE if single else SEVERAL, context), data)
    extracted = extract_or_none(SEVERAL, carrier, "b3")
    assert extracted is None or extracted.has_trace or extracted.sampled is not None


@pytest.mark.parametrize("name", ["b3", "X-B3-TraceId", "X-B3-Sampled", "X-B3-Flags"])
@pytest.mark.parametrize("piece", ["0", "-", " ", ",", "f-"])
def test_the_time_for_a_long_value_grows_no_faster_than_its_length(name: str, piece: str) -> None:
    """Megabytes of hexadecimal digits or separators are refused in the time it takes to look."""
    started = time.process_time()
    extract_or_none(SEVERAL, {**IDS, name: piece * 2_000_000}, "b3")
    assert time.process_time() - started < 1.0
