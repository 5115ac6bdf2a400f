"""The text and the binary format, and what they make of hostile carriers.

The vectors follow from the wire description: hexadecimal headers for text; for binary a big-endian
length and protocol buffers. They agree with what basictracer 3.2 and protobuf 3.20 write.
"""

from __future__ import annotations

import email.message
import os
import pickle
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BinaryPropagator,
    CompositePropagator,
    JaegerPropagator,
    Propagator,
    RemoteSpanContext,
    TextPropagator,
    TraceContextPropagator,
)

from ..formats import (
    FORMATS,
    any_text,
    carriers_of,
    extract_or_none,
    ids_of_64_bits,
    ids_of_128_bits,
    lower_ascii,
    words_of,
)

TEXT, HEADERS, BINARY = TextPropagator(), TextPropagator(encode_values=True), BinaryPropagator()

TRACE = {
    "ot-tracer-traceid": "1c3b00da",
    "ot-tracer-spanid": "deadbeef",
    "ot-tracer-sampled": "true",
}

contexts = st.builds(
    BasicSpanContext,
    ids_of_128_bits,
    ids_of_64_bits,
    st.dictionaries(any_text, any_text, max_size=8),
    st.booleans(),
)


def fields(context: BasicSpanContext | None) -> tuple[Any, ...]:
    assert context is not None
    return context.trace_id, context.span_id, context.sampled, dict(context.baggage)


def test_text_without_a_decision_is_the_mock_tracers() -> None:
    """``ot-tracer-sampled`` is neither written nor read; every trace is sampled."""
    propagator = TextPropagator(decision=False)
    carrier: dict[str, str] = {}
    propagator.inject(BasicSpanContext(1, 2, {"a": "b"}, False), carrier)
    assert carrier == {"ot-tracer-traceid": "1", "ot-tracer-spanid": "2", "ot-baggage-a": "b"}
    assert fields(propagator.extract(carrier)) == (1, 2, True, {"a": "b"})
    dropped = {**TRACE, "ot-tracer-sampled": "false"}
    assert fields(propagator.extract(dropped)) == (0x1C3B00DA, 0xDEADBEEF, True, {})
    with pytest.raises(SpanContextCorruptedException, match="expected to parse 2 fields"):
        propagator.extract({"ot-tracer-traceid": "1"})


@given(contexts)
def test_text_round_trip(context: BasicSpanContext) -> None:
    """TEXT_MAP gives back everything as it was, the case of keys included."""
    carrier: dict[str, str] = {"unrelated": "entry"}
    TEXT.inject(context, carrier)
    assert fields(TEXT.extract(carrier)) == fields(context)


@given(contexts)
def test_headers_round_trip_in_visible_ascii(context: BasicSpanContext) -> None:
    """HTTP_HEADERS gives everything back but the case of keys, and writes nothing unsafe."""
    carrier: dict[str, str] = {}
    HEADERS.inject(context, carrier)
    for text in [*carrier, *carrier.values()]:
        assert all("!" <= each <= "~" for each in text)
    extracted = HEADERS.extract(carrier)
    assert fields(extracted)[:3] == fields(context)[:3]
    # A header's name has no case: where ASCII letters differ in nothing else, one of them stays.
    expected = {lower_ascii(key) for key in context.baggage}
    assert {lower_ascii(key) for key in fields(extracted)[3]} == expected


@given(contexts)
def test_binary_round_trip(context: BasicSpanContext) -> None:
    """BINARY gives back everything, and appends to what the carrier held."""
    carrier = bytearray()
    BINARY.inject(context, carrier)
    assert fields(BINARY.extract(carrier)) == fields(context)
    assert fields(BINARY.extract(memoryview(bytes(carrier)))) == fields(context)


words = words_of(
    st.sampled_from([*TRACE, "Ot-Tracer-Traceid", b"ot-tracer-spanid", "HTTP_OT_TRACER_SAMPLED"]),
    st.sampled_from(["ot-baggage-x", "ab12", "true", "0", "", "ot-", "HTTP_"]),
)


@pytest.mark.parametrize("propagator", [TEXT, HEADERS, CompositePropagator([TEXT, HEADERS])])
@given(carrier=carriers_of(words))
def test_arbitrary_text_carriers(propagator: Propagator, carrier: Any) -> None:
    """Any carrier gives a context, None, or one of the two exceptions."""
    context = extract_or_none(propagator, carrier)
    assert context is None or (context.trace_id and context.span_id)


@given(st.binary(max_size=60), st.booleans())
def test_arbitrary_binary_carriers(data: bytes, framed: bool) -> None:
    """Random bytes, with a right length in front or not, do no more than raise corruption."""
    try:
        context = BINARY.extract(struct.pack(">I", len(data)) + data if framed else data)
    except SpanContextCorruptedException:
        return
    assert context is None or (context.trace_id and context.span_id)


@pytest.mark.parametrize("index", range(24))
def test_each_byte_of_the_usual_binary_message_counts(index: int) -> None:
    """A message of the usual length is read like any other, whichever of its bytes is another."""
    usual = bytearray()
    BINARY.inject(BasicSpanContext(0x0102030405060708, 0x1112131415161718), usual)
    assert len(usual) == 24
    for byte in range(256):
        usual[index] = byte
        # Of a memoryview the fields are read one by one.
        assert read_or_refused(usual) == read_or_refused(memoryview(bytes(usual))), byte


def read_or_refused(carrier: Any) -> object:
    try:
        return fields(BINARY.extract(carrier))
    except SpanContextCorruptedException as error:
        return str(error)


@given(contexts, st.data())
def test_damaged_binary_carriers(context: BasicSpanContext, data: st.DataObject) -> None:
    """A good message with one byte changed, or cut short, raises nothing but corruption."""
    carrier = bytearray()
    BINARY.inject(context, carrier)
    index = data.draw(st.integers(0, len(carrier) - 1))
    cut = data.draw(st.booleans())
    if cut:
        del carrier[index:]
    else:
        carrier[index] = data.draw(st.integers(0, 255))
    try:
        BINARY.extract(carrier)
    except SpanContextCorruptedException:
        pass


BINARY_VECTORS = [
    # length 20: key 0x09, trace id; key 0x11, span id, both little-endian; key 0x18, true
    (
        "0000001409 da003b1c0000000011 efbeadde000000001801",
        (0x1C3B00DA, 0xDEADBEEF, True, {}),
    ),
    # 128 bits: the upper half in key 0x29, after all else
    (
        "0000001d09 da003b1c0000000011 02000000000000001801 29 0100000000000000",
        ((1 << 64) + 0x1C3B00DA, 2, True, {}),
    ),
    # a value of 200 bytes: the lengths 200 and 206 take two bytes each, c801 and ce01
    (
        "000000e5 09 0100000000000000 11 0200000000000000 1801 22ce01 0a0161 12c801" + "78" * 200,
        (1, 2, True, {"a": "x" * 200}),
    ),
    # false is never written
    (
        "0000001209 010000000000000011 ffffffffffffffff",
        (1, 2**64 - 1, False, {}),
    ),
    # key 0x22, one entry of the map: key 0x0a "foo", key 0x12 "bar"
    (
        "0000002009 010000000000000011 02000000000000001801220a 0a03666f6f 1203626172",
        (1, 2, True, {"foo": "bar"}),
    ),
]


@pytest.mark.parametrize(("wire", "expected"), BINARY_VECTORS)
def test_binary_vectors(wire: str, expected: tuple[Any, ...]) -> None:
    """Fixed bytes are read as they should be, and written just so."""
    data = bytes.fromhex(wire)
    assert fields(BINARY.extract(data)) == expected
    trace_id, span_id, sampled, baggage = expected
    carrier = bytearray(b"before")
    BINARY.inject(BasicSpanContext(trace_id, span_id, baggage, sampled), carrier)
    assert carrier == b"before" + data


def test_binary_skips_unknown_fields_and_takes_the_last_of_repeated_ones() -> None:
    """Fields of later versions, of each wire type, do no harm."""
    message = bytes.fromhex(
        "3001"
        "3d00000000"
        "4103000000000000ff"
        "4a021234"
        "09 0500000000000000"
        "09 0100000000000000"
        "11 0200000000000000"
        "2200"
    )
    data = struct.pack(">I", len(message)) + message + b"trailing"
    assert fields(BINARY.extract(data)) == (1, 2, False, {"": ""})


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        ("0000", "length"),
        ("000000ff00", "length"),
        ("00000009 09 0000000000000000", "trace_id"),
        ("00000009 09 0100000000000000", "span_id"),
        ("00000002 0901", "field 1"),
        ("00000002 2205", "field 4"),
        ("00000001 0b", "field 1"),
        ("00000001 80", "varint"),
        ("0000000b ffffffffffffffffffffff", "varint"),
    ],
)
def test_broken_binary_names_the_field(wire: str, field: str) -> None:
    """The message names the field that is wrong."""
    with pytest.raises(SpanContextCorruptedException, match=field):
        BINARY.extract(bytes.fromhex(wire))


def test_binary_baggage_that_is_no_text_is_dropped_and_counted() -> None:
    """One item in a foreign encoding does not cost the trace."""
    message = bytes.fromhex("09 0100000000000000 11 0200000000000000 2206 0a01ff 120161")
    context = BINARY.extract(struct.pack(">I", len(message)) + message)
    assert fields(context) == (1, 2, False, {})
    assert context is not None
    assert context.dropped_baggage == 1


@pytest.mark.parametrize("carrier", ["text", {}, 5, []])
def test_binary_wants_bytes(carrier: Any) -> None:
    """Another type of carrier is refused, with what is wanted."""
    with pytest.raises(InvalidCarrierException, match="bytes"):
        BINARY.extract(carrier)
    with pytest.raises(InvalidCarrierException, match="bytearray"):
        BINARY.inject(BasicSpanContext(1, 2), carrier)


def test_empty_carriers_hold_no_trace() -> None:
    """Nothing there is None, not an error."""
    assert BINARY.extract(b"") is None
    assert TEXT.extract({}) is TEXT.extract([]) is HEADERS.extract({"Host": "x"}) is None


def test_text_vector() -> None:
    """Headers as basictracer writes them."""
    carrier: dict[str, str] = {}
    context = BasicSpanContext(0x1C3B00DA, 0xDEADBEEF, {"user": "a b"}, False)
    HEADERS.inject(context, carrier)
    assert carrier == {**TRACE, "ot-tracer-sampled": "false", "ot-baggage-user": "a%20b"}


class NoneOfOurs(Propagator):
    """A format that looks at the whole carrier and never finds itself in it."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        raise NotImplementedError

    def extract(self, carrier: Any) -> None:
        list(carrier)


def headers_message() -> email.message.Message:
    message = email.message.Message()
    for key, value in TRACE.items():
        message[key.title()] = value
    return message


def environ(entries: Mapping[str, str]) -> dict[str, Any]:
    """A WSGI environ of a request with these headers."""
    names = {"HTTP_" + key.upper().replace("-", "_"): value for key, value in entries.items()}
    return {"REQUEST_METHOD": "GET", **names}


@pytest.mark.parametrize(
    "carrier",
    [
        TRACE,
        {key.title(): value for key, value in TRACE.items()},
        {key.encode(): value.encode() for key, value in TRACE.items()},
        environ(TRACE),
        {"": "x", None: "y", 5: "z", "other": None, **TRACE},
        list(TRACE.items()),
        [[key.encode(), value.encode()] for key, value in TRACE.items()],
        [(key.encode(), value.encode()) for key, value in [*TRACE.items(), *TRACE.items()]],
        iter(TRACE.items()),
        headers_message(),
    ],
    ids=[
        "dict",
        "title case",
        "bytes",
        "WSGI",
        "odd",
        "pairs",
        "ASGI",
        "bytes twice",
        "iterator",
        "email",
    ],
)
@pytest.mark.parametrize("composite", [False, True])
def test_text_is_read_from_every_kind_of_carrier(carrier: Any, composite: bool) -> None:
    """Mappings and pairs, str and bytes, names in any case, and a WSGI environ."""
    if isinstance(carrier, Iterator):
        carrier = iter(TRACE.items())
    propagator: Propagator = CompositePropagator([NoneOfOurs(), TEXT]) if composite else TEXT
    assert fields(propagator.extract(carrier)) == (0x1C3B00DA, 0xDEADBEEF, True, {})


@pytest.mark.parametrize("carrier", ["text", b"bytes", object(), 5])
@pytest.mark.parametrize("name", ["b3", "b3 single", "jaeger", "jaeger headers"])
def test_other_formats_want_a_mapping_or_pairs(name: str, carrier: Any) -> None:
    """Another type of carrier is refused, and the message says which types are accepted."""
    with pytest.raises(InvalidCarrierException, match="mutable mapping"):
        FORMATS[name].inject(BasicSpanContext(1, 2), carrier)
    with pytest.raises(InvalidCarrierException, match="iterable of pairs"):
        FORMATS[name].extract(carrier)


@pytest.mark.parametrize("carrier", ["text", b"bytes", bytearray(), 5, object()])
def test_text_wants_a_mapping_or_pairs(carrier: Any) -> None:
    """Another type of carrier is refused, by its type's name."""
    with pytest.raises(
        InvalidCarrierException, match=f"{type(carrier).__name__}.*iterable of pairs"
    ):
        TEXT.extract(carrier)
    with pytest.raises(InvalidCarrierException, match=f"{type(carrier).__name__}.*mutable mapping"):
        TEXT.inject(BasicSpanContext(1, 2), carrier)


def test_a_carrier_that_raises_is_invalid() -> None:
    """Its own exception does not come through."""

    class Raising(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            raise RuntimeError

        __setitem__ = items  # type: ignore[assignment]

    with pytest.raises(InvalidCarrierException):
        TEXT.extract(Raising(a=1))
    with pytest.raises(InvalidCarrierException):
        TEXT.inject(BasicSpanContext(1, 2), Raising())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ot-tracer-traceid": "nothex"}, "traceid got an invalid hexadecimal value 'nothex'"),
        ({"ot-tracer-traceid": "0"}, "traceid got an invalid hexadecimal value '0'"),
        ({"ot-tracer-traceid": "1" * 33}, "traceid got an invalid"),
        ({"ot-tracer-traceid": "x" * 999}, "invalid hexadecimal value 'xxxx"),
        ({"ot-tracer-sampled": "y" * 999}, "got an invalid value 'yyyy"),
        ({"ot-tracer-spanid": "0x1"}, "spanid got an invalid hexadecimal value '0x1'"),
        ({"ot-tracer-spanid": "1" * 17}, "spanid got an invalid"),
        ({"ot-tracer-spanid": "-1"}, "spanid got an invalid"),
        ({"ot-tracer-spanid": "1_0"}, "spanid got an invalid"),
        ({"ot-tracer-spanid": "\u0661"}, "spanid got an invalid"),
        (
            {"ot-tracer-sampled": "notbool"},
            "ot-tracer-sampled got an invalid value 'notbool',"
            " should be one of 'true', 'false', '0', '1'",
        ),
        ({"ot-tracer-sampled": None}, "expected to parse 3 fields, but parsed 2 instead"),
        ({"OT-Tracer-TraceId": "2"}, "two values"),
    ],
)
def test_broken_text_names_field_and_value(changed: dict[str, Any], message: str) -> None:
    """The message says what was wrong, as basictracer's did."""
    with pytest.raises(SpanContextCorruptedException) as raised:
        TEXT.extract({**TRACE, **changed})
    assert message in str(raised.value)
    assert len(str(raised.value)) < 150


def test_baggage_without_a_trace_is_broken() -> None:
    """Baggage without ids is corrupted, as in basictracer."""
    with pytest.raises(SpanContextCorruptedException, match="baggage without required fields"):
        TEXT.extract({"ot-baggage-a": "b"})


@pytest.mark.parametrize(
    ("word", "sampled"),
    [("TRUE", True), ("1", True), (" true ", True), ("False", False), ("0", False)],
)
def test_sampled_in_any_form(word: str, sampled: bool) -> None:
    """Any case, a digit, spaces around."""
    context = TEXT.extract({**TRACE, "ot-tracer-sampled": word})
    assert context is not None
    assert context.sampled is sampled


def test_baggage_from_outside_is_bounded() -> None:
    """At most 64 items and 8192 bytes are taken; the rest is counted, and the trace goes on."""
    many = {f"ot-baggage-{index}": "v" for index in range(100)}
    context = HEADERS.extract({**TRACE, **many})
    assert context is not None
    assert (len(context.baggage), context.dropped_baggage) == (64, 36)
    large = {"ot-baggage-a": "é" * 4096, "ot-baggage-b": "v", "ot-baggage-c": "x" * 8189}
    context = TEXT.extract({**TRACE, **large})
    assert context is not None
    assert (dict(context.baggage), context.dropped_baggage) == ({"b": "v", "c": "x" * 8189}, 1)
    assert TEXT.extract(TRACE).dropped_baggage == 0  # type: ignore[union-attr]


def test_injection_replaces_what_is_stale() -> None:
    """Neither a mapping nor a list of pairs keeps ids from before, in whatever case."""
    title = {key.title(): "old" for key in TRACE}
    pairs: list[Any] = [("Host", "x"), *title.items()]
    raw: list[Any] = [(b"host", b"x"), (b"ot-tracer-spanid", b"1")]
    message = headers_message()
    context = BasicSpanContext(0x1C3B00DA, 0xDEADBEEF)
    for carrier in (title, pairs, raw, message):
        HEADERS.inject(context, carrier)
    assert title == TRACE
    assert pairs == [("Host", "x"), *TRACE.items()]
    assert raw == [(b"host", b"x"), *((k.encode(), v.encode()) for k, v in TRACE.items())]
    assert message.get_all("ot-tracer-traceid") == ["1c3b00da"]


@pytest.mark.parametrize("propagator", [TEXT, HEADERS])
def test_a_context_without_a_trace_writes_nothing(propagator: Propagator) -> None:
    """A no-op context and one without ids leave the carrier alone."""
    carrier: dict[str, str] = {}
    propagator.inject(SpanContext(), carrier)
    propagator.inject(BasicSpanContext(), carrier)
    assert carrier == {}
    data = bytearray()
    BINARY.inject(SpanContext(), data)
    assert not data


class Fixed(Propagator):
    """A second format, under one header."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        carrier["fixed"] = "yes"

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        value = dict(carrier).get("fixed")
        if value == "broken":
            raise SpanContextCorruptedException("fixed got an invalid value")
        return BasicSpanContext(8, 9) if value else None


def test_composite_writes_all_and_reads_the_first_good_one() -> None:
    """The order decides; a broken one is raised only where no other is good."""
    composite = CompositePropagator([Fixed(), TEXT])
    carrier: dict[str, str] = {}
    composite.inject(BasicSpanContext(1, 2), carrier)
    assert set(carrier) == {"fixed", *TRACE}
    assert fields(composite.extract(carrier))[0] == 8
    assert fields(composite.extract({**carrier, "fixed": "broken"}))[0] == 1
    assert fields(composite.extract({**carrier, "ot-tracer-spanid": "broken"}))[0] == 8
    assert composite.extract({}) is None
    with pytest.raises(SpanContextCorruptedException, match="fixed"):
        composite.extract({**TRACE, "fixed": "broken", "ot-tracer-spanid": "broken"})
    with pytest.raises(TypeError, match="Propagator"):
        CompositePropagator(["text"])  # type: ignore[list-item]


plain_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
FORMS: dict[str, Any] = {
    "dict": dict,
    "title case": lambda entries: {key.title(): value for key, value in entries.items()},
    "bytes": lambda entries: {k.encode(): v.encode() for k, v in entries.items()},
    "WSGI": environ,
    "pairs": lambda entries: list(entries.items()),
    "pairs of bytes": lambda entries: [(k.encode(), v.encode()) for k, v in entries.items()],
    "lists": lambda entries: [[k.encode(), v.encode()] for k, v in entries.items()],
    "iterator": lambda entries: iter(entries.items()),
}


@pytest.mark.parametrize("form", FORMS)
@given(
    st.builds(
        BasicSpanContext,
        st.integers(1, 2**128 - 1),
        st.integers(1, 2**64 - 1),
        st.dictionaries(plain_words, any_text, max_size=4),
        st.booleans(),
    )
)
def test_headers_round_trip_in_every_form(form: str, context: BasicSpanContext) -> None:
    """All that was injected is extracted, from headers in the form of any server."""
    carrier: dict[str, str] = {}
    HEADERS.inject(context, carrier)
    assert fields(HEADERS.extract(FORMS[form](carrier))) == fields(context)


@st.composite
def damaged_entries(draw: st.DrawFn, propagator: Propagator) -> dict[str, Any]:
    """A carrier that a propagator wrote, with up to three changes."""
    entries: dict[str, Any] = {}
    propagator.inject(draw(contexts), entries)
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from([*entries, *TRACE]))
        value = str(entries.get(key, ""))
        cut = draw(st.integers(0, len(value)))
        entries[key] = value[:cut] + draw(st.text(max_size=3)) + value[cut + 1 :]
        if draw(st.booleans()):
            entries[key.title()] = draw(words)
        if draw(st.booleans()):
            del entries[key]
    return entries


@pytest.mark.parametrize("propagator", [TEXT, HEADERS])
@given(data=st.data(), as_bytes=st.booleans(), form=st.sampled_from(["dict", "pairs", "WSGI"]))
def test_damaged_text_carriers(
    propagator: Propagator, data: st.DataObject, as_bytes: bool, form: str
) -> None:
    """A good carrier that was tampered with gives a good context, or None, or corruption."""
    entries = data.draw(damaged_entries(propagator))
    carrier = FORMS[form](entries)
    if as_bytes:
        pairs = carrier.items() if isinstance(carrier, dict) else carrier
        carrier = [
            tuple(
                each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each
                for each in pair
            )
            for pair in pairs
        ]
    try:
        context = propagator.extract(carrier)
    except SpanContextCorruptedException:
        return
    if context is not None:
        assert 0 < (context.trace_id or 0) < 1 << 128
        assert 0 < (context.span_id or 0) < 1 << 64
        assert type(context.sampled) is bool
        for key, value in context.baggage.items():
            assert (type(key), type(value)) == (str, str)


@given(contexts, st.data())
def test_a_message_cut_short_is_corrupted(context: BasicSpanContext, data: st.DataObject) -> None:
    """No part of a binary carrier passes for the whole."""
    carrier = bytearray()
    BINARY.inject(context, carrier)
    part = carrier[: data.draw(st.integers(1, len(carrier) - 1))]
    with pytest.raises(SpanContextCorruptedException):
        BINARY.extract(part)


def test_binary_baggage_from_outside_is_bounded() -> None:
    """At most 64 items and 8192 bytes are taken; the rest is counted, and the trace goes on."""

    def carrier_with(*contents: dict[str, str]) -> bytes:
        """Messages joined, which are one message of protocol buffers: none alone is so large."""
        joined = b""
        for baggage in contents:
            carrier = bytearray()
            BINARY.inject(BasicSpanContext(1, 2, baggage), carrier)
            joined += carrier[4:]
        return len(joined).to_bytes(4, "big") + joined

    halves = [{str(index): "v" for index in range(start, start + 50)} for start in (0, 50)]
    context = BINARY.extract(carrier_with(*halves))
    assert context is not None
    assert (len(context.baggage), context.dropped_baggage) == (64, 36)
    context = BINARY.extract(carrier_with({"b": "v"}, {"a": "é" * 4095}, {"c": "x" * 8189}))
    assert context is not None
    assert (dict(context.baggage), context.dropped_baggage) == ({"b": "v", "c": "x" * 8189}, 1)


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        ("0000", r"b'\x00\x00'"),
        ("00000009 09 0000000000000000", "trace_id got an invalid value 0"),
        ("000000ff00", "255 bytes, but only 1 follow"),
        ("00000007 22 05 6162636465 00", r"b'"),
        ("00000002 2205", r"field 4 got an invalid value b''"),
    ],
)
def test_broken_binary_shows_the_value(wire: str, shown: str) -> None:
    """The message shows the value that was found, and stays short."""
    with pytest.raises(SpanContextCorruptedException) as raised:
        BINARY.extract(bytes.fromhex(wire))
    assert shown in str(raised.value)
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize("propagator", [TEXT, HEADERS])
@pytest.mark.parametrize(("sampled", "word"), [(True, "true"), (False, "false"), (None, "true")])
def test_text_vectors(propagator: Propagator, sampled: bool | None, word: str) -> None:
    """Hexadecimal without padding, in lower case; what is undecided is kept."""
    carrier: dict[str, str] = {}
    propagator.inject(BasicSpanContext((0xAB << 64) + 0xCD, 0xEF, None, sampled), carrier)
    assert carrier == {
        "ot-tracer-traceid": "ab00000000000000cd",
        "ot-tracer-spanid": "ef",
        "ot-tracer-sampled": word,
    }
    assert fields(propagator.extract(carrier))[:2] == ((0xAB << 64) + 0xCD, 0xEF)


def test_binary_writes_the_undecided_as_kept() -> None:
    """The format has no word for it."""
    carrier = bytearray()
    BINARY.inject(BasicSpanContext(1, 2, None, None), carrier)
    assert fields(BINARY.extract(carrier)) == (1, 2, True, {})


def test_bytes_that_are_no_utf_8_are_read_as_latin_1() -> None:
    """Other bytes are read as Latin-1, as in early HTTP, and the trace is kept."""
    carrier = [(key.encode(), value.encode()) for key, value in TRACE.items()]
    context = TEXT.extract([*carrier, (b"ot-baggage-a", b"caf\xe9")])
    assert fields(context)[3] == {"a": "café"}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    """A pickle in any place of any carrier stays what it is: bytes."""
    folder = tmp_path / "sprung"
    trap = pickle.dumps(Trap(folder), 0)
    framed = struct.pack(">I", len(trap)) + trap
    for data in (trap, framed):
        with pytest.raises(SpanContextCorruptedException):
            BINARY.extract(data)
    message = bytes.fromhex("09 0100000000000000 11 0200000000000000 22")
    length = struct.pack("BB", len(trap) & 0x7F | 0x80, len(trap) >> 7)
    item = b"\x0a\x01a\x12" + length + trap
    message += struct.pack("BB", len(item) & 0x7F | 0x80, len(item) >> 7) + item
    BINARY.extract(struct.pack(">I", len(message)) + message)
    whole = [*TRACE.items(), (trap, trap), (b"ot-baggage-a", trap)]
    for propagator in (TEXT, HEADERS):
        assert propagator.extract(whole) is not None
        with pytest.raises(SpanContextCorruptedException):
            propagator.extract({**TRACE, "ot-tracer-traceid": trap})
    assert not folder.exists()
    pickle.loads(trap)
    assert folder.exists()


ALL_TEXT = [TEXT, HEADERS, B3Propagator(), B3Propagator(single_header=True), JaegerPropagator(),
            TraceContextPropagator()]  # fmt: skip


def outcome(propagator: Propagator, carrier: Any) -> tuple[Any, ...]:
    try:
        context = propagator.extract(carrier)
    except SpanContextCorruptedException as error:
        return ("corrupted", str(error))
    if context is None:
        return (None,)
    assert isinstance(context, RemoteSpanContext)
    return (*fields(context), context.parent_id, dict(context.extra))


damage = st.tuples(st.integers(0, 60), st.integers(0, 3), st.text("0f1aF-: +x_%\u0661", max_size=3))


@pytest.mark.parametrize("propagator", ALL_TEXT)
@given(
    trace_id=st.sampled_from([1, 0x1C3B00DA, 2**63, 2**64 - 1, 2**64, 2**124, 2**128 - 1]),
    span_id=st.sampled_from([1, 2**56, 2**63]),
    parent_id=st.sampled_from([None, 5]),
    sampled=st.sampled_from([True, False, None]),
    damages=st.dictionaries(st.integers(0, 3), damage, max_size=2),
    in_bytes=st.booleans(),
)
def test_a_dict_is_read_as_its_pairs_are(
    propagator: Propagator,
    trace_id: int,
    span_id: int,
    parent_id: int | None,
    sampled: bool | None,
    damages: dict[int, tuple[int, int, str]],
    in_bytes: bool,
) -> None:
    """A whole or damaged carrier is read alike, new or with names that were seen before."""
    carrier: dict[str, Any] = {"host": "h"}
    propagator.inject(
        BasicSpanContext(trace_id, span_id, None, sampled, parent_id, {"random": "0"}), carrier
    )
    for number, (start, length, text) in damages.items():
        name = list(carrier)[1:][number % (len(carrier) - 1)]
        carrier[name] = carrier[name][:start] + text + carrier[name][start + length :]
    if in_bytes:
        carrier = {name: value.encode() for name, value in carrier.items()}
    expected = outcome(propagator, list(carrier.items()))
    assert [outcome(propagator, carrier) for _ in range(3)] == [expected] * 3


T, S, NONE = "463ac35c9f6413ad", "a2fb4a1d1a96d312", "0" * 16


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": value}
        for value in (
            f"00-{T}{S}-{S}-01",
            f"00-{T}{S}-{S}-03",
            f"00-{T}-{S}{S}-01",  # a hyphen out of its place
            f"00{T}-{S}-{S}-01-",
            f"-00{T}{S}-{S}-01",
            f"00-{T}{S}-{S}01-",
            f"00-{T.upper()}{S}-{S}-01",
            f"01-{T}{S}-{S}-01",
            f"ff-{T}{S}-{S}-01",
            f"00-{NONE}{NONE}-{S}-01",
            f"00-{T}{S}-{NONE}-01",
        )
    ]
    + [
        {"b3": value}
        for value in (
            f"{T}-{S}-1",
            f"{T}{S}-{S}-0",
            f"{T}-{S}-1-{T}",
            f"{T}-{S}-1-{NONE}",
            f"{T}-{S}-1-{T[1:]}",
            f"{T}-{S}-d",
            f"{T}-{S}-{T}",
            f"{T}-{S}",
            f"{T[2:]}-{S}{S[:2]}-1",
            f"{NONE}-{S}-1",
            f"{T}-{NONE}-1",
            f" {T}-{S}-1",
            "0",
        )
    ]
    + [
        {"uber-trace-id": value}
        for value in (
            f"{T}:{S}:0:1",
            f"{T}{S}:{S}:{T}:0",
            f"{T}:{S}:{NONE}:1",
            f"{T}:{S}::1",
            f"{T}:{S}:0:3",
            f"{T}%3A{S}%3A0%3A1",
            f"{T[1:]}:{S}:5:01",
            f"{NONE}:{S}:0:1",
            f"{T}:{NONE}:0:1",
            "",
        )
    ]
    + [
        {f"{prefix}spanid": span_id, f"{prefix}traceid": trace_id, f"{prefix}sampled": sampled}
        for prefix in ("ot-tracer-", "x-b3-")
        for trace_id, span_id, sampled in (
            (T, S, "1"),
            (T + S, S, "0"),
            (T[1:], S[2:], "true"),
            (T[2:], S + S[:2], "1"),
            (NONE, S, "1"),
            (T, NONE, "1"),
            (T, "-" + S[1:], "1"),
            (T, S, ""),
        )
    ],
    ids=lambda carrier: " ".join(carrier.values()),
)
def test_values_of_every_form_are_read_as_those_of_pairs(carrier: dict[str, str]) -> None:
    """Each value is read as in pairs, also if a dict with these names was seen before."""
    for propagator in ALL_TEXT:
        expected = outcome(propagator, list(carrier.items()))
        assert [outcome(propagator, carrier) for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize("propagator", ALL_TEXT)
@pytest.mark.parametrize(
    "ids", [(-1, 2), (1, -2), (2**128, 1), (1, 2**64), (0, 1), (1, 0), ("1", 1)]
)
def test_ids_that_no_trace_can_have_are_not_written(propagator: Propagator, ids: Any) -> None:
    """No format writes anything for such ids."""
    carrier: dict[str, str] = {}
    propagator.inject(BasicSpanContext(*ids), carrier)
    assert carrier == {}


@pytest.mark.parametrize("propagator", ALL_TEXT)
@given(context=contexts, parent_id=st.sampled_from([None, 5]), debug=st.booleans())
def test_an_empty_dict_gets_what_another_carrier_gets(
    propagator: Propagator, context: BasicSpanContext, parent_id: int | None, debug: bool
) -> None:
    """The same entries, in the same order."""
    context.parent_id = parent_id
    context.extra = {"debug": "1", "tracestate": "a=b"} if debug else {}
    empty: dict[str, str] = {}
    full = {"host": "h"}
    pairs: list[tuple[str, str]] = []
    for carrier in (empty, full, pairs):
        propagator.inject(context, carrier)
    assert list(empty.items()) == list(full.items())[1:] == pairs
