"""Carriers made of any bytes, for each format that we read; and the checks for all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from opentracing import InvalidCarrierException, SpanContextCorruptedException
from opentracing.mocktracer.binary_propagator import BinaryPropagator as MockBinaryPropagator
from opentracing.mocktracer.text_propagator import TextPropagator as MockTextPropagator
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BinaryPropagator,
    CompositePropagator,
    JaegerPropagator,
    TextPropagator,
    TraceContextPropagator,
)
from opentracing_recorder._baggage import MAX_BAGGAGE_BYTES, MAX_BAGGAGE_ITEMS

SECONDS_PER_KIB = 0.001
"""CPU time that one extract may take, for each KiB of its carrier that was begun."""

DOCUMENTED = (InvalidCarrierException, SpanContextCorruptedException)

_LIST, _BYTES, _ITERATOR, _ODD_VALUES, _ENVIRON = 1, 2, 4, 8, 16


def text_carrier(data: bytes) -> Any:
    """Entries from lines of ``name:value``; the bits of the first byte choose their form."""
    form = data[0] if data else 0
    pairs: list[Any] = []
    for line in data[1:].split(b"\n"):
        name, _, value = line.partition(b":")
        if form & _BYTES:
            pairs.append((name, value))
        else:
            # Bytes that are not UTF-8 become lone surrogates, which no encoder accepts.
            pairs.append(
                (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            )
    if form & _ODD_VALUES:
        pairs = [(name, value) if len(value) % 3 else (name, [value]) for name, value in pairs]
        pairs.append((None, 1.5))
        pairs.append("ot")
    elif not form & _LIST:
        return {**dict(pairs), "REQUEST_METHOD": "GET"} if form & _ENVIRON else dict(pairs)
    return iter(pairs) if form & _ITERATOR else pairs


def binary_carrier(data: bytes) -> bytes:
    """The bytes unchanged, or framed by their correct length if the first one is even."""
    if not data or data[0] % 2:
        return data[1:]
    return (len(data) - 1).to_bytes(4, "big") + data[1:]


class WireFormat(NamedTuple):
    """One format that we read, and bytes that make valid carriers for it."""

    name: str
    propagator: Any
    seeds: tuple[bytes, ...]
    make_carrier: Callable[[bytes], Any] = text_carrier


_TEXT = (
    b"\x00ot-tracer-traceid:1c3b00da\not-tracer-spanid:deadbeef\not-tracer-sampled:true",
    b"\x01OT-Tracer-TraceId:1c3b00dadeadbeef1c3b00dadeadbeef\nOT-TRACER-SPANID:1\n"
    b"ot-tracer-sampled: 0 \not-baggage-Key%20:va%C3%A9lue+%\not-baggage-key:second",
    b"\x03ot-tracer-traceid:1\not-tracer-spanid:2\not-tracer-sampled:1\not-baggage-\xff:\xe9",
    b"\x10HTTP_OT_TRACER_TRACEID:1\nHTTP_OT_TRACER_SPANID:2\nHTTP_OT_TRACER_SAMPLED:1\n"
    b"HTTP_OT_BAGGAGE_A:b\not-tracer-traceid:3",
)
_B3 = (
    b"\x00x-b3-traceid:463ac35c9f6413ad48485a3953bb6124\nx-b3-spanid:a2fb4a1d1a96d312\n"
    b"x-b3-parentspanid:0020000000000001\nx-b3-sampled:1\nx-b3-flags:0",
    b"\x00b3:80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
    b"\x01b3:d\nX-B3-TRACEID:1,2\nX-B3-SpanId:3,4\nx-b3-flags:1",
    b"\x02b3:0",
    b"\x10HTTP_X_B3_TRACEID:1\nHTTP_X_B3_SPANID:2\nB3:0",
)
_TRACE_CONTEXT = (
    b"\x00traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
    b"tracestate:congo=t61rcWkgMzE,a@b=c\nbaggage:k=v;p=1, k2=v%20+2",
    b"\x01traceparent:cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-x\n"
    b"tracestate:a=1\nTraceState:b=2\nbaggage:a=1\nbaggage:a=2,%=,=x,\xe9=\xc3\xa9",
    b"\x02baggage:only=baggage",
    b"\x10HTTP_TRACEPARENT:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
    b"HTTP_BAGGAGE:a=1\nTRACEPARENT:x\nBAGGAGE:b=2",
)
_JAEGER = (
    b"\x00uber-trace-id:463ac35c9f6413ad48485a3953bb6124:a2fb4a1d1a96d312:0:1\n"
    b"uberctx-Key:va%20lue\njaeger-baggage:a=1, b = 2",
    b"\x01uber-trace-id:1%3A2%3A3%3Af\nUBERCTX-A-B:+\njaeger-debug-id:why%0D",
    b"\x02jaeger-debug-id:\xff",
    b"\x10HTTP_UBER_TRACE_ID:1:2:0:1\nHTTP_UBERCTX_A:b\nUBERCTX-A:c",
)
_BINARY = tuple(
    b"\x00" + bytes.fromhex(message)
    for message in (
        "09da003b1c0000000011efbeadde000000001801",
        "09da003b1c0000000011efbeadde0000000022080a036b657912017629000000000000000d",
        "110100000000000000090100000000000000220022050a01ff12002a0161350a0b0c0d18ffffffff0f",
    )
)


def wire_formats() -> list[WireFormat]:
    """All formats, each with a propagator that has read nothing yet."""
    return [
        WireFormat("text", TextPropagator(), _TEXT),
        WireFormat("headers", TextPropagator(encode_values=True), _TEXT),
        WireFormat("binary", BinaryPropagator(), _BINARY, binary_carrier),
        WireFormat("b3", B3Propagator(), _B3),
        WireFormat("trace_context", TraceContextPropagator(), _TRACE_CONTEXT),
        WireFormat("jaeger_text", JaegerPropagator(), _JAEGER),
        WireFormat("jaeger_headers", JaegerPropagator(encode_values=True), _JAEGER),
        WireFormat(
            "composite",
            CompositePropagator(
                [
                    TraceContextPropagator(),
                    B3Propagator(),
                    JaegerPropagator(encode_values=True),
                    TextPropagator(encode_values=True),
                ]
            ),
            _TRACE_CONTEXT + _B3 + _JAEGER + _TEXT,
        ),
        WireFormat("mock_text", MockTextPropagator(), _TEXT),
        WireFormat("mock_binary", MockBinaryPropagator(), _BINARY, binary_carrier),
    ]


class Tally:
    """Reads carriers of one format, checks the extracted contexts, and counts.

    `slack` is the factor by which an instrumented extract may take longer.
    """

    def __init__(self, wire_format: WireFormat, slack: float = 1.0) -> None:
        self.format = wire_format
        self.limit = slack * SECONDS_PER_KIB
        self.inputs = 0
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        """The longest that an extract took, in seconds for each KiB begun."""
        self.slowest_input = b""

    def read(self, data: bytes) -> None:
        """Extract from the carrier of `data`; an AssertionError names the check that failed."""
        self.inputs += 1
        spent, outcome = self._extract(data)
        self.outcomes[outcome] += 1
        if spent > self.slowest:  # a single slow run may be due to the machine
            spent = min(spent, *(self._extract(data)[0] for _ in range(3)))
        if spent > self.slowest:
            self.slowest, self.slowest_input = spent, data
        assert spent <= self.limit, f"{spent * 1000:.2f} ms per KiB"

    def _extract(self, data: bytes) -> tuple[float, str]:
        carrier = self.format.make_carrier(data)
        context = None
        outcome = "without a trace"
        started = time.thread_time()
        try:
            context = self.format.propagator.extract(carrier)
        except DOCUMENTED:
            outcome = "refused"
        spent = time.thread_time() - started
        if context is not None:
            outcome = "contexts"
            check_context(context)
        return spent / -(-max(len(data), 1) // 1024), outcome

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.items())
        return f"{self.format.name}: {self.inputs:,} inputs: {outcomes}"


def check_context(context: Any) -> None:
    """The values of an extracted context have the right types, and limits."""
    assert isinstance(context, BasicSpanContext)
    assert context.has_trace or (context.trace_id is None and context.span_id is None)
    assert context.sampled in (True, False, None)
    assert context.parent_id is None or 0 < context.parent_id < 1 << 64
    baggage = context.baggage
    assert len(baggage) <= MAX_BAGGAGE_ITEMS
    assert all(type(key) is str and type(value) is str for key, value in baggage.items())
    sizes = [len((key + value).encode("utf-8", "surrogatepass")) for key, value in baggage.items()]
    assert sum(sizes) <= MAX_BAGGAGE_BYTES
    assert sum(len(key) + len(value) for key, value in context.extra.items()) <= 8192 + 256
