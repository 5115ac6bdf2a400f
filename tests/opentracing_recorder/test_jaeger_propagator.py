"""JaegerPropagator, by what the Jaeger client libraries document, write and refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, SpanContextCorruptedException
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    JaegerPropagator,
    Propagator,
    RemoteSpanContext,
)

from .. import formats

TEXT, HEADERS = JaegerPropagator(), JaegerPropagator(encode_values=True)
BOTH = pytest.mark.parametrize("propagator", [TEXT, HEADERS], ids=["text", "headers"])

TRACE = {"uber-trace-id": "100:7f:0:1"}
DEBUG = {"debug": "1"}

contexts = st.builds(
    lambda trace_id, span_id, baggage, state, parent_id: BasicSpanContext(
        trace_id, span_id, baggage, state[0], parent_id, state[1]
    ),
    st.one_of(formats.ids_of_64_bits, formats.ids_of_128_bits),
    formats.ids_of_64_bits,
    st.dictionaries(formats.any_text, formats.any_text.filter(bool), max_size=8),
    st.sampled_from([(True, {}), (False, {}), (True, DEBUG)]),
    st.one_of(st.none(), formats.ids_of_64_bits),
)


def fields(context: BasicSpanContext | None) -> tuple[Any, ...]:
    assert isinstance(context, RemoteSpanContext)
    extra = dict(context.extra)
    return context.trace_id, context.span_id, context.sampled, context.parent_id, extra


# The way there and back.


@given(contexts)
def test_text_round_trip(context: BasicSpanContext) -> None:
    """TEXT_MAP gives back everything as it was, the case of keys included."""
    extracted = TEXT.extract(formats.injected(TEXT, context))
    assert fields(extracted) == (
        context.trace_id,
        context.span_id,
        context.sampled,
        context.parent_id,
        context.extra,
    )
    assert extracted is not None
    assert extracted.baggage == context.baggage


@given(contexts)
def test_headers_round_trip_in_visible_ascii(context: BasicSpanContext) -> None:
    """HTTP_HEADERS gives everything back but the case of keys, and writes nothing unsafe."""
    carrier = formats.injected(HEADERS, context)
    for text in [*carrier, *carrier.values()]:
        assert all("!" <= each <= "~" for each in text)
    extracted = HEADERS.extract(carrier)
    assert extracted is not None
    assert fields(extracted)[:2] == (context.trace_id, context.span_id)
    expected = {formats.lower_ascii(key) for key in context.baggage}
    assert {formats.lower_ascii(key) for key in extracted.baggage} == expected
    assert set(extracted.baggage.values()) <= set(context.baggage.values())


@pytest.mark.parametrize("hostile", ["\r\nSet-Cookie: a=b", "\x00", "é\x7f", "\ud800", "a b:c"])
def test_no_baggage_gets_out_of_its_header(hostile: str) -> None:
    """Hostile text stays in its header, as a key and as a value."""
    carrier = formats.injected(HEADERS, BasicSpanContext(1, 2, {hostile: "v", "k": hostile}))
    assert len(carrier) == 3
    for text in [*carrier, *carrier.values()]:
        assert all("!" <= each <= "~" for each in text)


# The wire.


@pytest.mark.parametrize(
    ("context", "value"),
    [
        (BasicSpanContext(256, 127), "0000000000000100:000000000000007f:0:1"),
        (BasicSpanContext(256, 127, None, False), "0000000000000100:000000000000007f:0:0"),
        (BasicSpanContext(256, 127, None, None), "0000000000000100:000000000000007f:0:1"),
        (
            BasicSpanContext(2**128 - 1, 127, None, True, 256, DEBUG),
            "ffffffffffffffffffffffffffffffff:000000000000007f:0000000000000100:3",
        ),
        (
            BasicSpanContext(256, 127, None, False, -1, DEBUG),
            "0000000000000100:000000000000007f:0:0",
        ),
    ],
    ids=["sampled", "not sampled", "undecided", "debug", "not sampled after all"],
)
@BOTH
def test_the_trace_is_written_in_full_width(propagator: Any, context: Any, value: str) -> None:
    """Padded, with a parent of 0 for none; what is undecided is kept."""
    assert formats.injected(propagator, context) == {"uber-trace-id": value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("100:7f:0:1", (256, 127, True, None, {})),
        ("100:7f:100:0", (256, 127, False, 256, {})),
        ("100%3A7f%3A0%3A1", (256, 127, True, None, {})),
        ("100%3a7f:0:1", (256, 127, True, None, {})),
        ("ffffffffffffffffffffffffffffffff:7f:100:0", (2**128 - 1, 127, False, 256, {})),
        (
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:FFFFFFFFFFFFFFFF:FFFFFFFFFFFFFFFF:1",
            (2**128 - 1, 2**64 - 1, True, 2**64 - 1, {}),
        ),
        ("000000000000000000000000deadbeef:00000000deadbef0:00000000:01", None),
        ("deadbeef:deadbef0:0:3", (0xDEADBEEF, 0xDEADBEF0, True, None, DEBUG)),
        ("deadbeef:deadbef0:0:2", (0xDEADBEEF, 0xDEADBEF0, True, None, DEBUG)),
        ("deadbeef:deadbef0:0:9", (0xDEADBEEF, 0xDEADBEF0, True, None, {})),
        ("deadbeef:deadbef0:0:fc", (0xDEADBEEF, 0xDEADBEF0, False, None, {})),
        ("deadbeef:deadbef0:0:0B", (0xDEADBEEF, 0xDEADBEF0, True, None, DEBUG)),
        (" deadbeef:deadbef0:0:1 ", (0xDEADBEEF, 0xDEADBEF0, True, None, {})),
    ],
)
@BOTH
def test_the_trace_is_read_in_every_spelling(propagator: Any, value: str, expected: Any) -> None:
    """Padded or not, percent-encoded or not, upper case; flags that mean nothing here."""
    expected = expected or (0xDEADBEEF, 0xDEADBEF0, True, None, {})
    assert fields(propagator.extract({"Uber-Trace-Id": value})) == expected


@pytest.mark.parametrize(
    "carrier",
    [
        [("Uber-Trace-Id", "100:7f:0:1"), ("uberctx-Kiff", "Amy%20Wang")],
        [(b"uber-trace-id", b"100:7f:0:1"), (b"uberctx-kiff", b"Amy+Wang")],
        {
            "REQUEST_METHOD": "GET",
            "HTTP_UBER_TRACE_ID": "100:7f:0:1",
            "HTTP_UBERCTX_KIFF": "Amy Wang",
        },
        {"uber-trace-id": "100%3A7f:0:1", "UBERCTX-KIFF": "Amy%20Wang", "_uberctx-x": "y"},
        [*TRACE.items(), *TRACE.items(), ("uberctx-kiff", "Amy Wang"), ("uberctx-kiff", "Fry")],
    ],
    ids=["pairs", "bytes", "WSGI", "dict", "repeated"],
)
def test_headers_are_read_from_every_kind_of_carrier(carrier: Any) -> None:
    """A blank in baggage may be "+" too, as Go and Java write it."""
    context = HEADERS.extract(carrier)
    assert fields(context) == (256, 127, True, None, {})
    assert context is not None
    assert context.baggage == {"kiff": "Amy Wang"}


def test_baggage_vectors() -> None:
    """Baggage is written as the clients write it."""
    baggage = {"bender": "Countess de la Roca", "key3": "\U0001f47e", "sum": "1+1"}
    context = BasicSpanContext(256, 127, baggage)
    assert formats.injected(HEADERS, context) == {
        "uber-trace-id": "0000000000000100:000000000000007f:0:1",
        "uberctx-bender": "Countess%20de%20la%20Roca",
        "uberctx-key3": "%F0%9F%91%BE",
        "uberctx-sum": "1%2B1",
    }
    assert formats.injected(TEXT, context) == {
        "uber-trace-id": "0000000000000100:000000000000007f:0:1",
        **{f"uberctx-{key}": value for key, value in baggage.items()},
    }


@BOTH
def test_baggage_from_outside_is_bounded(propagator: Propagator) -> None:
    """At most 64 items and 8192 bytes are taken; the rest is counted, and the trace goes on."""
    many = {f"uberctx-{index}": "v" for index in range(60)}
    listed = ",".join(f"l{index}=v" for index in range(40))
    context = propagator.extract({**TRACE, **many, "jaeger-baggage": listed})
    assert context is not None
    assert (len(context.baggage), context.dropped_baggage) == (64, 36)
    context = propagator.extract({**TRACE, "uberctx-a": "x" * 8192, "uberctx-b": "v"})
    assert context is not None
    assert (dict(context.baggage), context.dropped_baggage) == ({"b": "v"}, 1)


@BOTH
@pytest.mark.parametrize(
    "form", [dict, lambda carrier: list(carrier.items())], ids=["dict", "list"]
)
def test_nothing_of_an_older_context_stays(propagator: Propagator, form: Any) -> None:
    """Nor what was written by hand to start the trace."""
    stale = {"Uber-Trace-Id": "x", "jaeger-debug-id": "y", "Jaeger-Baggage": "z", "UBERCTX-k": "1"}
    context = BasicSpanContext(1, 2, {"k": "2"})
    carrier = form({"Host": "x", **{key: stale[key] for key in list(stale)[:3]}})
    propagator.inject(context, carrier)
    assert dict(carrier) == {"Host": "x", **formats.injected(propagator, context)}


# By hand.


@pytest.mark.parametrize(("propagator", "value"), [(TEXT, "some id"), (HEADERS, "some%20id")])
def test_a_debug_id_starts_a_trace_that_is_kept(propagator: Propagator, value: str) -> None:
    """Against the sampler; debugged; and its spans know the id."""
    tracer = BasicTracer(sampler=ConstSampler(False), propagators={Format.HTTP_HEADERS: propagator})
    headers = {"Jaeger-Debug-Id": value, "jaeger-baggage": "a=1"}
    parent = tracer.extract(Format.HTTP_HEADERS, headers)
    root = tracer.start_span("root", child_of=parent)
    child = tracer.start_span("child", child_of=root)
    assert (root.parent_id, root.context.sampled, root.context.baggage) == (None, True, {"a": "1"})
    assert root.context.extra == {"debug": "1", "jaeger-debug-id": "some id"}
    assert child.context.extra == root.context.extra
    onward: dict[str, str] = {}
    tracer.inject(child, Format.HTTP_HEADERS, onward)
    assert onward.keys() == {"uber-trace-id", "uberctx-a"}
    assert onward["uber-trace-id"].endswith(f":{root.context.to_span_id()}:3")


@BOTH
def test_a_debug_id_beside_a_trace_is_of_no_account(propagator: Propagator) -> None:
    """The trace has begun, and its decision is taken."""
    context = propagator.extract({"uber-trace-id": "1:2:0:0", "jaeger-debug-id": "x"})
    assert fields(context) == (1, 2, False, None, {})


@BOTH
def test_a_debug_id_is_bounded(propagator: Propagator) -> None:
    """Every span of the trace carries it."""
    context = propagator.extract({"jaeger-debug-id": "x" * 9999})
    assert context is not None
    assert context.extra["jaeger-debug-id"] == "x" * 256


@BOTH
@pytest.mark.parametrize("carrier", [{"uberctx-a": "1"}, {"jaeger-baggage": "a=1"}])
def test_baggage_without_a_trace_goes_into_the_trace_that_starts(
    propagator: Propagator, carrier: Any
) -> None:
    """The new trace has the baggage, and the sampler decides."""
    context = propagator.extract(carrier)
    assert fields(context) == (None, None, None, None, {})
    assert context is not None
    assert context.baggage == {"a": "1"}


@pytest.mark.parametrize(
    ("value", "baggage"),
    [
        ("key1=value1, key2=value2, key3 = value3", {f"key{n}": f"value{n}" for n in (1, 2, 3)}),
        ("a=1,b,=2,c=3", {"a": "1", "c": "3"}),
        ("a=Zm9v==,a=2", {"a": "Zm9v=="}),
        ("a%3D1%2Cb%3D%C3%A9", {"a": "1", "b": "é"}),
        ("sum=1+1", {"sum": "1+1"}),
    ],
)
def test_a_list_of_baggage(value: str, baggage: dict[str, str]) -> None:
    """Malformed items are skipped; of two with one key, the first counts."""
    context = HEADERS.extract({**TRACE, "jaeger-baggage": value})
    assert context is not None
    assert context.baggage == baggage


def test_a_header_for_each_item_counts_before_the_list() -> None:
    """Baggage of a service is newer than that of a person, and wins."""
    carrier = {"jaeger-baggage": "a=1,b=2", "uberctx-a": "3", **TRACE}
    context = TEXT.extract(carrier)
    assert context is not None
    assert context.baggage == {"a": "3", "b": "2"}


@pytest.mark.parametrize(
    "carrier", [{}, {"Host": "x"}, {"uber-trace-id": ""}, {"jaeger-baggage": "none"}]
)
@BOTH
def test_nothing_of_jaeger_is_no_trace(propagator: Propagator, carrier: Any) -> None:
    """None. A header without a value is no header."""
    assert propagator.extract(carrier) is None


@BOTH
def test_a_context_without_a_trace_writes_nothing(propagator: Propagator) -> None:
    """A context without a trace writes no header, even if it has baggage."""
    assert formats.injected(propagator, BasicSpanContext(None, None, {"a": "1"})) == {}


# Broken ones.


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("bad value", ""),
        ("1:1:1:1:1", ""),
        ("1:1:1", ""),
        (":" * 9999, ""),
        ("x:1:1:1", "the trace id of "),
        ("0:1:1:1", "the trace id of "),
        (":1:1:1", "the trace id of "),
        ("1" * 33 + ":1:1:1", "the trace id of "),
        ("0x1:1:1:1", "the trace id of "),
        ("1:x:1:1", "the span id of "),
        ("1:0:1:1", "the span id of "),
        ("1:" + "1" * 17 + ":1:1", "the span id of "),
        ("1:1_0:1:1", "the span id of "),
        ("1:1:x:1", "the parent id of "),
        ("1:1:-1:1", "the parent id of "),
        ("1:1::1", "the parent id of "),
        ("1:1:1:x", "the flags of "),
        ("1:1:1:-1", "the flags of "),
        ("1:1:1:100", "the flags of "),
        ("100:7f:0:1xxx", "the flags of "),
        ("1:1:1:" + "1" * 9999, "the flags of "),
    ],
)
@BOTH
def test_a_broken_trace_names_field_and_value(propagator: Any, value: str, field: str) -> None:
    """The message says briefly what is wrong."""
    with pytest.raises(
        SpanContextCorruptedException, match=f"^{field}uber-trace-id got an invalid.* value '"
    ) as raised:
        propagator.extract({"uber-trace-id": value, "uberctx-Kiff": "Amy"})
    assert len(str(raised.value)) < 180


@BOTH
def test_two_traces_are_none(propagator: Propagator) -> None:
    """Two different values are an error, since neither is known to be right."""
    with pytest.raises(SpanContextCorruptedException, match="uber-trace-id got two values"):
        propagator.extract([*TRACE.items(), ("Uber-Trace-Id", "2:2:0:1")])


CARRIERS = formats.carriers_of(
    formats.words_of(
        st.text("0123456789abcdefF:%3A ", max_size=70),
        st.sampled_from(["uber-trace-id", "Uber-Trace-Id", b"uber-trace-id", "HTTP_UBER_TRACE_ID"]),
        st.sampled_from(
            ["uberctx-", "uberctx-A", b"uberctx-a", "jaeger-debug-id", "jaeger-baggage"]
        ),
        st.sampled_from(["1:2:0:1", "1%3A2:3:2", b"1:2:0:0", "a=1,b=%", "", "+", "a=%FF"]),
    )
)


def checked_extract(propagator: Propagator, carrier: Any) -> None:
    context = formats.extract_or_none(propagator, carrier, "uber-trace-id")
    if context is not None:
        assert context.has_trace or (context.trace_id is None and context.span_id is None)
        assert context.parent_id is None or 0 < context.parent_id < 1 << 64
        for key, value in [*context.baggage.items(), *context.extra.items()]:
            assert (type(key), type(value)) == (str, str)


@BOTH
@given(carrier=CARRIERS)
def test_arbitrary_carriers(propagator: Propagator, carrier: Any) -> None:
    """Any carrier gives a sound context, None, or one of the two exceptions."""
    checked_extract(propagator, carrier)


@BOTH
@given(context=contexts, data=st.data())
def test_damaged_carriers(
    propagator: Propagator, context: BasicSpanContext, data: st.DataObject
) -> None:
    """A good carrier with one character changed, added or lost does no more harm."""
    checked_extract(propagator, formats.damaged(formats.injected(propagator, context), data))


@pytest.mark.parametrize(
    "name", ["uber-trace-id", "uberctx-a", "jaeger-debug-id", "jaeger-baggage"]
)
@pytest.mark.parametrize("piece", ["0", ":", "%3A", "a=b,", "+"])
@BOTH
def test_the_time_for_a_long_value_grows_no_faster_than_its_length(
    propagator: Propagator, name: str, piece: str
) -> None:
    """A megabyte of anything is read or refused in the time it takes to look."""
    started = time.process_time()
    checked_extract(propagator, {**TRACE, name: piece * (1_000_000 // len(piece))})
    assert time.process_time() - started < 2.0
