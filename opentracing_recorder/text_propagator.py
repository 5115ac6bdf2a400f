"""TextPropagator: the headers of the basictracer family, for TEXT_MAP and HTTP_HEADERS.

The wire is that of basictracer for Go, Python and JavaScript: ``ot-tracer-traceid`` and
``ot-tracer-spanid`` in hexadecimal, ``ot-tracer-sampled``, and one ``ot-baggage-KEY`` an item.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException

from .carrier import CarrierFormat, shown
from .context import BasicSpanContext, RemoteSpanContext
from .fields import bounded_baggage, parse_hex_id
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
        self._format = CarrierFormat(self._baggage.field_of)

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if not isinstance(span_context, BasicSpanContext) or not span_context.has_trace:
            return
        trace_id: Any = span_context.trace_id
        span_id: Any = span_context.span_id
        sampled = span_context.sampled
        entries = {
            _TRACE_ID: "%x" % trace_id,  # noqa: UP031  # an f-string takes longer
            _SPAN_ID: "%x" % span_id,  # noqa: UP031
            # The format has no word for "undecided"; basictracer's default is to keep.
            _SAMPLED: "true" if sampled or sampled is None else "false",
        }
        if span_context._baggage:
            entries.update(self._baggage.entries(span_context._baggage))
        self._format.write(carrier, entries)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
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
