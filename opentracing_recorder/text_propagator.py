"""TextPropagator: the headers of the basictracer family, for TEXT_MAP and HTTP_HEADERS.

The wire is that of basictracer for Go, Python and JavaScript: ``ot-tracer-traceid`` and
``ot-tracer-spanid`` in hexadecimal, ``ot-tracer-sampled``, and one ``ot-baggage-KEY`` an item.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from opentracing import SpanContext, SpanContextCorruptedException

from .context import BasicSpanContext
from .json_safe import text_of
from .propagator import (
    Propagator,
    bounded_baggage,
    header_name,
    parse_hex_id,
    read_carrier,
    shown,
    text_or_none,
    write_carrier,
)

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

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if not isinstance(span_context, BasicSpanContext) or span_context.trace_id is None:
            return
        entries = {
            _TRACE_ID: f"{span_context.trace_id:x}",
            _SPAN_ID: f"{span_context.span_id:x}",
            # The format has no word for "undecided"; basictracer's default is to keep.
            _SAMPLED: "true" if span_context.sampled in (True, None) else "false",
        }
        for key, value in span_context.baggage.items():
            key, value = text_of(key), text_of(value)
            if self.encode_values:
                entries[_BAGGAGE + quote(key, safe="").lower()] = quote(value, safe="")
            else:
                entries[_BAGGAGE + key] = value
        write_carrier(carrier, entries)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        fields: dict[str, str] = {}
        baggage: list[tuple[str, str]] = []
        for key, value in read_carrier(carrier, "oOH"):
            name = header_name(key)
            if not name.startswith("ot-"):
                continue
            text = text_or_none(value)
            if text is None:
                continue
            if name.startswith(_BAGGAGE):
                baggage.append(self._baggage_item(key, name, text))
            elif name in _FIELDS and fields.setdefault(name, text) != text:
                raise SpanContextCorruptedException(
                    f"{name} got two values, {shown(fields[name])} and {shown(text)}"
                )
        if len(fields) < 3:
            if fields:
                raise SpanContextCorruptedException(
                    f"expected to parse 3 fields, but parsed {len(fields)} instead"
                )
            if baggage:
                raise SpanContextCorruptedException("found baggage without required fields")
            return None
        context = BasicSpanContext(
            parse_hex_id(_TRACE_ID, fields[_TRACE_ID], 32),
            parse_hex_id(_SPAN_ID, fields[_SPAN_ID], 16),
            None,
            _parse_decision(fields[_SAMPLED]),
        )
        if baggage:
            context._baggage, dropped = bounded_baggage(baggage)
            if dropped:
                context.dropped_baggage = dropped
        return context

    def _baggage_item(self, key: str, name: str, value: str) -> tuple[str, str]:
        if self.encode_values:
            return unquote(name[len(_BAGGAGE) :]), unquote(value)
        # In the WSGI form the case of the name is lost anyway.
        return (name if key.startswith("HTTP_") else key)[len(_BAGGAGE) :], value


def _parse_decision(value: str) -> bool:
    decision = _DECISIONS.get(value.strip(" \t").lower())
    if decision is None:
        raise SpanContextCorruptedException(
            f"{_SAMPLED} got an invalid value {shown(value)},"
            " should be one of 'true', 'false', '0', '1'"
        )
    return decision
