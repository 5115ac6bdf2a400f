"""TraceContextPropagator: the headers of W3C Trace Context, as OpenTelemetry and many others use.

::

    from opentracing_recorder import BasicSpanContext, TraceContextPropagator

    headers = {}
    context = BasicSpanContext(0x463AC35C9F6413AD, 0xA2FB4A1D1A96D312, {"user": "amy"})
    TraceContextPropagator().inject(context, headers)
    assert headers == {
        "traceparent": "00-0000000000000000463ac35c9f6413ad-a2fb4a1d1a96d312-01",
        "baggage": "user=amy",
    }

The wire is that of https://www.w3.org/TR/trace-context-2/ and, for the header ``baggage``, of
https://www.w3.org/TR/baggage/. In a ``baggage`` header, ``+`` is itself, as the specification has
it; OpenTelemetry for Python and .NET write it for a space. Of two items with one key the last
counts. If your application sets a ``baggage`` header itself, it is replaced: set items on the span
instead. An undecided context is written as sampled. Limits and errors: see
`opentracing_recorder.propagator`.
"""

from __future__ import annotations

import re
import struct
from binascii import unhexlify
from collections.abc import Mapping
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._baggage import format_w3c_baggage, parse_w3c_baggage
from ._errors import shown
from ._hex_ids import hex_ids
from ._json_safe import text_of
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import CarrierPropagator

_TRACEPARENT = "traceparent"
_TRACESTATE = "tracestate"
_BAGGAGE = "baggage"
_UNIQUE = (_TRACEPARENT,)
_LISTS = (_TRACESTATE, _BAGGAGE)
_FIELDS = frozenset(_UNIQUE + _LISTS)

_RANDOM: Mapping[str, str] = {"random": "1"}
_NOT_RANDOM: Mapping[str, str] = {"random": "0"}

_LENGTH = 55  # of a `traceparent`, in this version
_unpack = struct.Struct(">BQQQB").unpack  # version, trace id, span id, flags

_NO_UPPER_CASE = bytes.maketrans(b"ABCDEF", b"......")  # which are no digits

_MAX_TRACESTATE_MEMBERS = 32
_MAX_TRACESTATE_LENGTH = 8192  # at least 512 must be carried on

_is_tracestate_member = re.compile(
    r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
).fullmatch


# OpenTelemetry, "TraceState: Probability Sampling": 56 bits that stand for those of the trace id.
_find_randomness = re.compile(r"(?:^|,)ot=(?:[^,]*;)?rv:([0-9a-f]{14})(?![^;,])").search


class TraceContextPropagator(CarrierPropagator):
    """W3C Trace Context and Baggage, for any format with text carriers: TEXT_MAP and HTTP_HEADERS.

    - ``tracestate`` is kept under that key in `extra`, and so goes to every descendant and out
      again as it came; of members with one key the first is kept. A malformed one is dropped; the
      trace goes on.
    - Trace ids of 64 bits are padded with zeros on the wire.
    - The random-trace-id flag is written as it was received. On traces that came in no
      ``traceparent`` it is set if `random_trace_id` is True (default: False). The flag says that at
      least 56 bits of the trace id are random; tracers here draw all 64 or 128 at random. Turn it
      on if all who send you traces in other formats do so too. Some readers, such as OpenTelemetry
      for Go up to 1.41, drop a ``traceparent`` with this flag. In `extra`, ``"random"`` is ``"1"``
      or ``"0"`` if a flag came in that is not the default.
    - Baggage without a ``traceparent`` makes a context without ids, for a new trace that has it.
      Properties of baggage items are dropped.
    """

    def __init__(self, random_trace_id: bool = False) -> None:
        self.random_trace_id = random_trace_id
        # `sampled` and `extra` for each byte of flags: its lowest bit is for the first, and the
        # next one says that the trace id is random. The default needs no `extra`.
        extras = (_NOT_RANDOM, NO_EXTRA) if random_trace_id else (NO_EXTRA, _RANDOM)
        self._by_flags = tuple((flags & 1 == 1, extras[flags >> 1 & 1]) for flags in range(256))
        super().__init__(_field_of, [_UNIQUE])

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        if (ids := hex_ids(span_context.trace_id, span_context.span_id)) is None:
            return
        extra = span_context.extra
        # `or` saves the call of a property.
        sampled = span_context.sampled or span_context.is_sampled
        is_random = self.random_trace_id
        if extra and "random" in extra:
            is_random = extra["random"] == "1"
        flags = ("03" if sampled else "02") if is_random else "01" if sampled else "00"
        trace_id, span_id, _ = ids
        start = "00-0000000000000000" if len(trace_id) == 16 else "00-"
        # An empty dict takes the entries as they are, without a call.
        entries = carrier if type(carrier) is dict and not carrier else {}
        entries[_TRACEPARENT] = f"{start}{trace_id}-{span_id}-{flags}"
        if extra:
            # An application can make contexts too: no line break of its own reaches the wire, and
            # no blank around, for which clients refuse a header.
            tracestate = text_of(extra.get(_TRACESTATE, "")).strip(" \t")
            if tracestate and tracestate.isascii() and tracestate.isprintable():
                entries[_TRACESTATE] = tracestate
        if span_context._baggage:
            baggage = format_w3c_baggage(span_context)
            if baggage:
                entries[_BAGGAGE] = baggage
        if entries is not carrier:
            self._format.write(carrier, entries)

    def _read_usual(self, carrier: Any, names: tuple[str, ...], context: RemoteSpanContext) -> None:
        value = carrier[names[0]]
        # A value that is no text fails one of these; a chain of comparisons would cost more.
        if len(value) == _LENGTH and value[2] == "-" and value[35] == "-" and value[52] == "-":
            # The parts, unrolled: read at once, they cost half. With three hyphens in their places,
            # there are 52 digits and no other character.
            digits = value.encode().translate(_NO_UPPER_CASE, b"-")
            version, high, low, span_id, flags = _unpack(unhexlify(digits))
            trace_id = high << 64 | low if high else low
            if trace_id and span_id and version != 255:
                context.trace_id = trace_id
                context.span_id = span_id
                context.sampled, context.extra = self._by_flags[flags]
                return
        raise ValueError

    def _from_any(self, carrier: Any) -> BasicSpanContext | None:
        fields = self._format.read_text(carrier, _UNIQUE, _LISTS)
        if not fields:
            return None
        context = RemoteSpanContext(sampled=None)
        if _TRACEPARENT in fields:
            given = fields[_TRACEPARENT]
            fields[_TRACEPARENT] = _known_part(given)
            try:
                self._read_usual(fields, _UNIQUE, context)
            except (ValueError, struct.error):
                reraise_interrupt()
                raise _invalid_traceparent(given) from None
            if _TRACESTATE in fields:
                tracestate = _parse_tracestate(fields[_TRACESTATE])
                if tracestate:
                    context.extra = {**context.extra, _TRACESTATE: tracestate}
                    randomness = _find_randomness(tracestate)
                    if randomness:
                        context.extra["randomness"] = randomness[1]
        if _BAGGAGE in fields:
            context._baggage, dropped = parse_w3c_baggage(fields[_BAGGAGE])
            if dropped:
                context.dropped_baggage = dropped
        # Of a `tracestate` alone nothing is to be taken.
        return context if context.trace_id or context._baggage else None


def _known_part(value: str) -> str:
    """The part of a ``traceparent`` that all versions have: later ones may go on after it."""
    text = value.strip(" \t")
    is_later = text[_LENGTH : _LENGTH + 1] == "-" and text[:2] != "00"
    return text[:_LENGTH] if is_later else text


def _parse_tracestate(value: str) -> str | None:
    """The header without blanks around its members; None for one that is empty or malformed.

    Of members with one key the first, which is the newest, is kept: the W3C's validation suite
    wants the list to be carried on, and other readers drop one with both.
    """
    if len(value) > _MAX_TRACESTATE_LENGTH:
        return None
    members = [stripped for member in value.split(",") if (stripped := member.strip(" \t"))]
    if not all(map(_is_tracestate_member, members)):
        return None
    by_key: dict[str, str] = {}
    for member in members:
        by_key.setdefault(member.partition("=")[0], member)
    return ",".join(by_key.values()) if len(by_key) <= _MAX_TRACESTATE_MEMBERS else None


def _invalid_traceparent(value: str) -> SpanContextCorruptedException:
    return SpanContextCorruptedException(
        f"{_TRACEPARENT} got an invalid value {shown(value)}, should be 00-traceid-spanid-flags"
        " in 2, 32, 16 and 2 lower-case hexadecimal digits, no id being 0"
    )


def _field_of(name: str) -> str | None:
    field = name.lower()
    return field if field in _FIELDS else None
