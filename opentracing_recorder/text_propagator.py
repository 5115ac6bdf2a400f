"""TextPropagator: the headers of the basictracer family, for TEXT_MAP and HTTP_HEADERS.

The wire is that of basictracer for Go, Python and JavaScript: ``ot-tracer-traceid`` and
``ot-tracer-spanid`` in hexadecimal, ``ot-tracer-sampled``, and one ``ot-baggage-KEY`` an item.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._carrier import CarrierFormat
from ._errors import shown
from .context import BasicSpanContext, RemoteSpanContext, basic_context
from .fields import bounded_baggage, context_from_hex, hex_ids, parse_hex_id
from .prefixed_baggage import PrefixedBaggage
from .propagator import Propagator

_TRACE_ID = "ot-tracer-traceid"
_SPAN_ID = "ot-tracer-spanid"
_SAMPLED = "ot-tracer-sampled"
_FIELDS = (_TRACE_ID, _SPAN_ID, _SAMPLED)
_BAGGAGE = "ot-baggage-"

_DECISIONS = {"true": True, "1": True, "false": False, "0": False}


class TextPropagator(Propagator):
    """Text keys and values.

    With `encode_values`, for HTTP_HEADERS: baggage is percent-encoded, so that nothing but visible
    ASCII reaches the wire, and keys come back in lower case, as header names do. Without, for
    TEXT_MAP: baggage is kept as it is.
    """

    def __init__(self, encode_values: bool = False) -> None:
        self.encode_values = encode_values
        self._baggage = PrefixedBaggage(_BAGGAGE, _FIELDS, encode_values)
        self._format = CarrierFormat(self._baggage.field_of, [_FIELDS])
        self._plans = self._format.plans

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        if (ids := hex_ids(span_context)) is None:
            return
        sampled = span_context.sampled
        # An empty dict takes the entries as they are, without a call.
        entries = carrier if type(carrier) is dict and not carrier else {}
        entries[_TRACE_ID] = ids[0].lstrip("0")
        entries[_SPAN_ID] = ids[1].lstrip("0")
        # The format has no word for "undecided"; basictracer's default is to keep.
        entries[_SAMPLED] = "true" if sampled or sampled is None else "false"
        if span_context._baggage:
            entries.update(self._baggage.entries(span_context))
        if entries is not carrier:
            self._format.write(carrier, entries)

    def remove_from(self, carrier: Any) -> None:
        self._format.remove_from(carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        if type(carrier) is dict:
            try:
                # `read_text` unrolled for a usual carrier: `extract` in the benchmarks pays for it.
                names = self._plans[(*carrier,)]
                if names:
                    trace_name, span_name, sampled_name = names
                    trace_id = carrier[trace_name]
                    span_id = carrier[span_name]
                    sampled = carrier[sampled_name]
                    if type(trace_id) is str and type(span_id) is str and type(sampled) is str:
                        if len(trace_id) < 16:
                            trace_id = trace_id.zfill(16)
                        if len(span_id) < 16:
                            span_id = span_id.zfill(16)
                        return context_from_hex(trace_id, span_id, _DECISIONS[sampled])
                elif names is not None:
                    return None
            except Exception:  # what is wrong is found, and named, below
                reraise_interrupt()
        fields = self._format.read_text(carrier, _FIELDS)
        if not fields:
            return None
        try:
            context = RemoteSpanContext(
                parse_hex_id(_TRACE_ID, fields[_TRACE_ID], 32),
                parse_hex_id(_SPAN_ID, fields[_SPAN_ID], 16),
                None,
                _parse_decision(fields[_SAMPLED]),
            )
        except KeyError:
            reraise_interrupt()
            raise _incomplete(fields) from None
        if len(fields) > len(_FIELDS):
            context._baggage, dropped = bounded_baggage(self._baggage.items(fields))
            if dropped:
                context.dropped_baggage = dropped
        return context


def _incomplete(fields: Mapping[str, str]) -> SpanContextCorruptedException:
    found = sum(field in fields for field in _FIELDS)
    return SpanContextCorruptedException(
        f"expected to parse {len(_FIELDS)} fields, but parsed {found} instead"
        if found
        else "found baggage without required fields"
    )


def _parse_decision(value: str) -> bool:
    decision = _DECISIONS.get(value)  # as it is nearly always
    if decision is None:
        decision = _DECISIONS.get(value.strip(" \t").lower())
    if decision is None:
        raise SpanContextCorruptedException(
            f"{_SAMPLED} got an invalid value {shown(value)},"
            " should be one of 'true', 'false', '0', '1'"
        )
    return decision
