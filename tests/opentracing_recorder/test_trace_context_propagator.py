"""W3C Trace Context and Baggage: the specifications' own examples, their edge cases, and others'.

The cases follow https://www.w3.org/TR/trace-context-2/ and the W3C's validation suite for it.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, InvalidCarrierException, SpanContextCorruptedException
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    TraceContextPropagator,
)

from ..formats import (
    any_text,
    carriers_of,
    extract_or_none,
    ids_of_64_bits,
    ids_of_128_bits,
    injected,
    words_of,
)

W3C = TraceContextPropagator()

TRACE_ID = 0x12345678901234567890123456789012
SPAN_ID = 0x1234567890123456
IDS = f"{TRACE_ID:032x}-{SPAN_ID:016x}"
TRACEPARENT = f"00-{IDS}-01"

members = st.from_regex(r"\A[a-z0-9][a-z0-9_*/@-]{0,9}=[ -+\--<>-~]{0,9}[!-+\--<>-~]\Z")
tracestates = st.lists(members, max_size=8, unique_by=lambda each: each.partition("=")[0])
contexts = st.builds(
    BasicSpanContext,
    ids_of_128_bits,
    ids_of_64_bits,
    st.dictionaries(any_text.filter(bool), any_text, max_size=8),
    st.booleans(),
    extra=st.builds(
        lambda members, random: {
            **({"tracestate": ",".join(members)} if members else {}),
            **({"random": "1"} if random else {}),
        },
        tracestates,
        st.booleans(),
    ),
)


def extracted(carrier: Any) -> BasicSpanContext:
    context = W3C.extract(carrier)
    assert context is not None
    return context


def child_headers(carrier: Any, w3c: TraceContextPropagator = W3C) -> dict[str, str]:
    """The headers that a service sends on if it is called with these."""
    tracer = BasicTracer(propagators={Format.HTTP_HEADERS: w3c})
    headers: dict[str, str] = {}
    parent = tracer.extract(Format.HTTP_HEADERS, carrier)
    with tracer.start_active_span("server", child_of=parent):
        tracer.inject(tracer.start_span("client"), Format.HTTP_HEADERS, headers)
    return headers


@given(contexts)
def test_round_trip(context: BasicSpanContext) -> None:
    """Everything that was injected is extracted, and nothing but visible ASCII was written."""
    carrier = injected(W3C, context)
    for text in [*carrier, *carrier.values()]:
        assert text.isascii()
        assert text.isprintable()
    result = extracted(carrier)
    assert (result.trace_id, result.span_id) == (context.trace_id, context.span_id)
    assert result.sampled is context.sampled
    assert result.baggage == context.baggage
    assert result.extra == context.extra
    assert result.is_remote


CARRIERS = carriers_of(
    words_of(
        st.sampled_from(
            ["traceparent", "Tracestate", b"baggage", "HTTP_TRACEPARENT", "HTTP_BAGGAGE"]
        ),
        st.sampled_from([TRACEPARENT, TRACEPARENT.encode(), "a=1,b=2", "a=1;p,b=%zz+%20", ",=;"]),
    )
)


@given(CARRIERS)
def test_arbitrary_carriers(carrier: Any) -> None:
    """Any carrier gives a context, None, or one of the two exceptions."""
    context = extract_or_none(W3C, carrier)
    assert context is None or context.has_trace or context.baggage


@given(st.data())
def test_damaged_traceparents(data: st.DataObject) -> None:
    """A damaged header is corrupted, or still has just these ids."""
    index = data.draw(st.integers(0, len(TRACEPARENT)))
    cut = data.draw(st.integers(0, 3))
    text = TRACEPARENT[:index] + data.draw(st.text(max_size=3)) + TRACEPARENT[index + cut :]
    try:
        context = extracted({"traceparent": text})
    except SpanContextCorruptedException as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    parts = text.strip(" \t").split("-")
    assert context.to_trace_id().zfill(32) == parts[1]
    assert context.to_span_id() == parts[2]


@pytest.mark.parametrize(
    ("traceparent", "trace_id", "sampled", "random"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 0x4BF92F35 << 96, True, False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0x4BF92F35 << 96, False, False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", 0x4BF92F35 << 96, True, True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02", 0x4BF92F35 << 96, False, True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", 0x0AF76519 << 96, True, True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09", 0x0AF76519 << 96, True, False),
    ],
)
def test_examples_of_the_specification(
    traceparent: str, trace_id: int, sampled: bool, random: bool
) -> None:
    """Ids, and the two flags, each bit by itself."""
    context = extracted({"traceparent": traceparent})
    assert context.to_trace_id() == traceparent[3:35]
    assert (context.trace_id or 0) >> 96 == trace_id >> 96
    assert context.to_span_id() == traceparent[36:52]
    assert context.sampled is sampled
    assert (context.extra.get("random") == "1") is random
    marked = TraceContextPropagator(random_trace_id=True).extract({"traceparent": traceparent})
    assert marked is not None
    assert (marked.extra.get("random") != "0") is random


@pytest.mark.parametrize(
    "traceparent",
    [
        f"cc-{IDS}-01",
        f"01-{IDS}-01",
        f"fe-{IDS}-01",
        f"cc-{IDS}-01-what-the-future-will-be-like",
        f"cc-{IDS}-01-",
        f"cc-{IDS}-01-\u00e9",
        f" {TRACEPARENT}",
        f"\t{TRACEPARENT}",
        f"{TRACEPARENT} ",
        f"\t {TRACEPARENT} \t",
    ],
)
def test_later_versions_and_blanks_around_are_read(traceparent: str) -> None:
    """The known fields of a later version count; further ones are skipped."""
    context = extracted({"traceparent": traceparent})
    assert (context.trace_id, context.span_id, context.sampled) == (TRACE_ID, SPAN_ID, True)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nothing",
        f"{TRACEPARENT}.",
        f"{TRACEPARENT}-",
        f"{TRACEPARENT}-what-the-future-will-be-like",
        f"cc-{IDS}-01.what-the-future-will-be-like",
        f"cc-{IDS}-011",
        f"cc-{IDS}-1-",
        f"ff-{IDS}-01",
        f"ff-{IDS}-01-more",
        f"FF-{IDS}-01",
        f".0-{IDS}-01",
        f"0.-{IDS}-01",
        f"000-{IDS}-01",
        f"0000-{IDS}-01",
        f"0-{IDS}-01",
        f"00-{'0' * 32}-{SPAN_ID:016x}-01",
        f"00-{TRACE_ID:032x}-{'0' * 16}-01",
        f"00-.{TRACE_ID:031x}-{SPAN_ID:016x}-01",
        f"00-{TRACE_ID:032x}3-{SPAN_ID:016x}-01",
        f"00-{'1' * 31}-{SPAN_ID:016x}-01",
        f"00-{'1' * 31}-{'1' * 17}-01",
        f"00-{'1' * 33}-{'1' * 15}-01",
        f"00-{'1' * 31}--{'1' * 16}-01",
        f"00-{TRACE_ID:032x}-{'1' * 17}-01",
        f"00-{TRACE_ID:032x}-{'1' * 15}-01",
        f"00-{TRACE_ID:032x}-{'1' * 15}.-01",
        f"00-{IDS}-.0",
        f"00-{IDS}-0.",
        f"00-{IDS}-001",
        f"00-{IDS}-1",
        f"00-{IDS}-0A",
        f"00-{'AB' * 16}-{SPAN_ID:016x}-01",
        f"00-{'1' * 30} 1-{SPAN_ID:016x}-01",
        f"00-{'11 ' * 10}11-{SPAN_ID:016x}-01",
        "00-" + "\u0661" * 32 + f"-{SPAN_ID:016x}-01",
        f"00_{TRACE_ID:032x}-{SPAN_ID:016x}-01",
        f"+0-{IDS}-01",
        f"{TRACEPARENT},{TRACEPARENT}",
        "x" * 9999,
    ],
)
def test_a_broken_traceparent_is_named_and_shown(traceparent: str) -> None:
    """The trace is to be restarted; the error is short."""
    with pytest.raises(SpanContextCorruptedException, match="traceparent got an invalid") as raised:
        W3C.extract({"traceparent": traceparent, "tracestate": "foo=1"})
    assert len(str(raised.value)) < 200


def test_two_traceparents_are_no_trace() -> None:
    """Unless they are equal: which one counts is not for a reader to choose."""
    other = f"00-{'1' * 32}-{SPAN_ID:016x}-01"
    with pytest.raises(SpanContextCorruptedException, match="two values"):
        W3C.extract([("traceparent", TRACEPARENT), ("traceparent", other)])
    with pytest.raises(SpanContextCorruptedException, match="two values"):
        W3C.extract({"traceparent": TRACEPARENT, "TraceParent": other})
    assert extracted([("traceparent", TRACEPARENT)] * 2).trace_id == TRACE_ID


@pytest.mark.parametrize("name", ["trace-parent", "trace.parent", "HTTP_TRACE_PARENT", "parent"])
def test_other_names_are_not_ours(name: str) -> None:
    """Nor are tracestates under them."""
    assert W3C.extract({name: TRACEPARENT}) is None
    name = name.replace("parent", "state").replace("PARENT", "STATE")
    assert extracted({"traceparent": TRACEPARENT, name: "foo=1"}).extra.get("tracestate") is None


@pytest.mark.parametrize("name", ["TraceParent", "TRACEPARENT", b"traceparent"])
def test_names_in_any_form(name: Any) -> None:
    """Any case, and bytes; values too."""
    assert extracted({name: TRACEPARENT}).trace_id == TRACE_ID
    assert extracted([(name, TRACEPARENT.encode())]).trace_id == TRACE_ID


def tracestate_of(*headers: str) -> str | None:
    carrier = [("traceparent", TRACEPARENT), *(("tracestate", each) for each in headers)]
    context = extracted(carrier)
    assert context.trace_id == TRACE_ID
    return context.extra.get("tracestate")


ALL_OF_A_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
ALL_OF_A_VALUE = "".join(chr(each) for each in range(0x20, 0x7F) if chr(each) not in ",=")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,,\t ,bar=2,"], "foo=1,bar=2"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["\t foo=1 \t"], "foo=1"),
        (["foo= 1 2"], "foo= 1 2"),
        ([f"{ALL_OF_A_KEY}={ALL_OF_A_VALUE}"], f"{ALL_OF_A_KEY}={ALL_OF_A_VALUE}"),
        ([f"{ALL_OF_A_KEY}@a-z0-9_-*/=1"], f"{ALL_OF_A_KEY}@a-z0-9_-*/=1"),
        (["0@system@more=1"], "0@system@more=1"),
        (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
        (["a=" + "v" * 256], "a=" + "v" * 256),
    ],
)
def test_a_tracestate_is_kept_as_it_is(headers: list[str], expected: str) -> None:
    """Members keep their order and every character; several headers are one list."""
    assert tracestate_of(*headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["foo=1,foo=1"], "foo=1"),
        (["foo=1,foo=2"], "foo=1"),
        (["foo=1", "bar=1", "foo=2"], "foo=1,bar=1"),
        (["foo=1,bar=1", "bar=2", "foo=2,baz=3"], "foo=1,bar=1,baz=3"),
    ],
)
def test_of_repeated_keys_of_a_tracestate_the_first_is_kept(
    headers: list[str], expected: str
) -> None:
    """The newest is on the left; other readers drop a list that repeats a key."""
    assert tracestate_of(*headers) == expected
    sent = child_headers([("traceparent", TRACEPARENT), *(("tracestate", one) for one in headers)])
    assert sent["tracestate"] == expected


@pytest.mark.parametrize(
    "headers",
    [
        [""],
        [" \t,"],
        ["foo"],
        ["foo =1"],
        ["FOO=1"],
        ["foo.bar=1"],
        ["@foo=1,bar=2"],
        ["_foo=1"],
        ["=1"],
        ["foo=bar=baz"],
        ["foo=,bar=3"],
        ["foo=\x00"],
        ["foo=1\r\nx: y"],
        ["foo=\u00e9"],
        ["foo=1", "z" * 257 + "=1"],
        ["a=" + "v" * 257],
        [",".join(f"bar{each}=1" for each in range(33))],
        [",".join(f"bar{each}=" + "v" * 256 for each in range(32))],
    ],
)
def test_a_malformed_tracestate_does_not_cost_the_trace(headers: list[str]) -> None:
    """It is dropped as a whole; so are one of more than 32 members, and one of over 8192 bytes."""
    assert tracestate_of(*headers) is None


def test_a_tracestate_of_the_largest_size_is_kept() -> None:
    """32 members, in four headers; 512 characters must be kept, and more are."""
    members = [f"bar{each:02}=" + "v" * 200 for each in range(32)]
    headers = [",".join(members[start : start + 8]) for start in range(0, 32, 8)]
    assert tracestate_of(*headers) == ",".join(members)


def test_a_tracestate_alone_is_nothing() -> None:
    """It belongs to a traceparent."""
    assert W3C.extract({"tracestate": "foo=1"}) is None


@pytest.mark.parametrize("random_trace_id", [False, True])
@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
def test_a_service_passes_on_what_it_received(flags: str, random_trace_id: bool) -> None:
    """The trace, both flags, the tracestate and the baggage reach the children's children."""
    headers = {
        "traceparent": f"00-{IDS}-{flags}",
        "tracestate": "foo=1,bar= 2",
        "baggage": "k=v",
    }
    sent = child_headers(headers, TraceContextPropagator(random_trace_id))
    version, trace_id, span_id, sent_flags = sent.pop("traceparent").split("-")
    assert (version, trace_id, sent_flags) == ("00", f"{TRACE_ID:032x}", flags)
    assert span_id != f"{SPAN_ID:016x}"
    assert sent == {"tracestate": "foo=1,bar= 2", "baggage": "k=v"}


def test_unknown_flags_are_not_passed_on() -> None:
    """Their meaning may not hold here; so is no later version."""
    assert child_headers({"traceparent": f"cc-{IDS}-fd-more"})["traceparent"].endswith("-01")


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize(
    ("random_trace_id", "sampled", "flags"),
    [(False, True, "01"), (False, False, "00"), (True, True, "03"), (True, False, "02")],
)
def test_the_random_flag_is_set_on_request_where_a_trace_starts_here(
    bits: int, random_trace_id: bool, sampled: bool, flags: str
) -> None:
    """Then it holds: at least 56 bits on the right are random. Some readers refuse all but 00 and
    01, OpenTelemetry's for Go up to 1.41 among them.
    """
    w3c = TraceContextPropagator(random_trace_id=random_trace_id)
    tracer = BasicTracer(
        sampler=ConstSampler(sampled), trace_id_bits=bits, propagators={Format.HTTP_HEADERS: w3c}
    )
    span = tracer.start_span("x")
    for each in (span, tracer.start_span("child", child_of=span)):
        carrier: dict[str, str] = {}
        tracer.inject(each, Format.HTTP_HEADERS, carrier)
        ids = f"{span.context.trace_id:032x}-{each.context.span_id:016x}"
        assert carrier == {"traceparent": f"00-{ids}-{flags}"}


def test_the_undecided_is_kept() -> None:
    """The format has no word for it."""
    assert injected(W3C, BasicSpanContext(1, 2, None, None))["traceparent"].endswith("-01")


def test_what_is_stale_does_not_stay() -> None:
    """It belongs to the trace that was there before; baggage would count as ours downstream."""
    carrier = {"TraceParent": "old", "Tracestate": "old=1", "Baggage": "theirs=1"}
    W3C.inject(BasicSpanContext(1, 2), carrier)
    assert carrier == {"traceparent": f"00-{1:032x}-{2:016x}-01"}
    W3C.inject(BasicSpanContext(1, 2, {"a": "b"}), carrier)
    assert carrier == {"traceparent": f"00-{1:032x}-{2:016x}-01", "baggage": "a=b"}


@pytest.mark.parametrize("tracestate", ["a=1\r\nEvil: 1", "a=\u00e9", "a=\x00", ""])
def test_no_unsafe_tracestate_reaches_the_wire(tracestate: str) -> None:
    """Unsafe entries are left out, however they came into the context."""
    context = BasicSpanContext(1, 2, extra={"tracestate": tracestate})
    assert list(injected(W3C, context)) == ["traceparent"]


def test_baggage_flows_without_a_trace() -> None:
    """It is in the trace that then starts, whose sampling is undecided."""
    context = extracted({"baggage": "userId=alice"})
    assert not context.has_trace
    assert context.sampled is None
    sent = child_headers({"baggage": "userId=alice"})
    assert sent["baggage"] == "userId=alice"
    assert sent["traceparent"].endswith("-01")
    assert W3C.extract({"baggage": ",;,=1"}) is None


def test_baggage_from_outside_is_bounded() -> None:
    """At most 64 items and 8192 bytes are taken; the rest is counted, and the trace goes on."""
    many = ",".join(f"key{each}=v" for each in range(100))
    context = extracted({"traceparent": TRACEPARENT, "baggage": many})
    assert (len(context.baggage), context.dropped_baggage) == (64, 36)
    context = extracted({"traceparent": TRACEPARENT, "baggage": f"a={'x' * 8192},b=1"})
    assert (dict(context.baggage), context.dropped_baggage) == ({"b": "1"}, 1)
    context = extracted({"baggage": f"a={'x' * 8190},b=1"})
    assert len(context.baggage["a"]) == 8190


@pytest.mark.parametrize("carrier", ["text", b"bytes", 5, ()])
def test_a_carrier_of_the_wrong_type_is_refused(carrier: Any) -> None:
    """It is refused; but an empty tuple can be read, as a carrier without entries."""
    with pytest.raises(InvalidCarrierException, match="mutable mapping"):
        W3C.inject(BasicSpanContext(1, 2), carrier)
    if carrier != ():
        with pytest.raises(InvalidCarrierException, match="iterable of pairs"):
            W3C.extract(carrier)


@pytest.mark.parametrize(
    ("flags", "tracestate", "randomness"),
    [
        ("01", "", None),
        ("03", "", 0x48EB211C80319C),
        ("01", "ot=th:8;rv:00112233445566", 0x112233445566),
        ("03", "a=1,ot=rv:00112233445566;th:8,b=2", 0x112233445566),
        ("01", "ot=rv:0011223344556,b=rv:00112233445566", None),
        ("01", "bot=rv:00112233445566", None),
        ("01", "ot=rv:001122334455667", None),
        ("01", "ot=rv:0011223344556G", None),
    ],
)
def test_the_random_bits_that_samplers_may_decide_by(
    flags: str, tracestate: str, randomness: int | None
) -> None:
    """The random flag vouches for the trace id's low 56 bits; OpenTelemetry's ``rv`` for others."""
    carrier = {"traceparent": f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"}
    carrier.update({"tracestate": tracestate} if tracestate else {})
    context = TraceContextPropagator().extract(carrier)
    assert context is not None
    assert context.randomness == randomness
