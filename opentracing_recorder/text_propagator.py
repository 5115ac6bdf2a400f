"""TextPropagator: the headers of the basictracer family, for TEXT_MAP and HTTP_HEADERS.

::

    from opentracing_recorder import BasicSpanContext, TextPropagator

    headers = {}
    context = BasicSpanContext(0x1C3B00DA, 0xDEADBEEF, {"Guest": "Amy B"})
    TextPropagator(encode_values=True).inject(context, headers)
    assert headers == {
        "ot-tracer-traceid": "1c3b00da",
        "ot-tracer-spanid": "deadbeef",
        "ot-tracer-sampled": "true",
        "ot-baggage-guest": "Amy%20B",
    }

The wire is that of basictracer for Go, Python and JavaScript: ids in hexadecimal, a decision, and
one entry for each baggage item. ``ot-tracer-sampled`` is read as ``true``, ``false``, ``1`` or
``0``, in any case; an undecided context is written as ``true``. A carrier with some of the three
fields but not all is corrupted. Limits and errors: see `opentracing_recorder.propagator`.
"""

from __future__ import annotations

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._baggage import PrefixedBaggage, bounded_baggage
from ._errors import shown
from ._hex_ids import hex_ids
from ._hex_ids_read import parse_hex_id, parse_hex_ids
from .context import BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import CarrierPropagator

_TRACE_ID = "ot-tracer-traceid"
_SPAN_ID = "ot-tracer-spanid"
_SAMPLED = "ot-tracer-sampled"
_IDS = (_TRACE_ID, _SPAN_ID)
_BAGGAGE = "ot-baggage-"

_DECISIONS = {"true": True, "1": True, "false": False, "0": False}


class TextPropagator(CarrierPropagator):
    """Reads and writes the ``ot-tracer-*`` headers, and baggage as ``ot-baggage-*``.

    - `encode_values` (default: False) is for HTTP_HEADERS: baggage is percent-encoded, so that
      nothing but visible ASCII reaches the wire, and keys come back in lower case, as header names
      do. Otherwise, for TEXT_MAP, baggage is kept as it is.
    - `decision` (default: True): if False, ``ot-tracer-sampled`` is neither written nor read, and
      every trace is sampled. That is the format of 2.4's MockTracer.
    """

    def __init__(self, encode_values: bool = False, *, decision: bool = True) -> None:
        self.encode_values = encode_values
        self.decision = decision
        self._fields = (*_IDS, _SAMPLED) if decision else _IDS
        self._baggage = PrefixedBaggage(_BAGGAGE, self._fields, encode_values)
        super().__init__(self._baggage.field_of, [self._fields])

    def inject(self, span_context: SpanContext, carrier: t.Any) -> None:
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        if (ids := hex_ids(span_context.trace_id, span_context.span_id)) is None:
            return
        # An empty dict takes the entries as they are, without a call.
        entries = carrier if type(carrier) is dict and not carrier else {}
        entries[_TRACE_ID] = ids[0].lstrip("0")
        entries[_SPAN_ID] = ids[1].lstrip("0")
        if self.decision:
            # `or` saves the call of a property.
            sampled = span_context.sampled or span_context.is_sampled
            entries[_SAMPLED] = "true" if sampled else "false"
        if span_context._baggage:
            entries.update(self._baggage.entries(span_context))
        if entries is not carrier:
            self._format.write(carrier, entries)

    def _read_usual(
        self, carrier: t.Any, names: tuple[str, ...], context: RemoteSpanContext
    ) -> None:
        trace_name, span_name, sampled_name = names
        trace_id = carrier[trace_name]
        span_id = carrier[span_name]
        sampled = carrier[sampled_name]
        if len(trace_id) < 16:
            trace_id = trace_id.zfill(16)
        if len(span_id) < 16:
            span_id = span_id.zfill(16)
        context.trace_id, context.span_id = parse_hex_ids(trace_id, span_id)
        context.sampled = _DECISIONS[sampled]

    def _from_any(self, carrier: t.Any) -> BasicSpanContext | None:
        fields = self._format.read_text(carrier, self._fields)
        if not fields:
            return None
        try:
            context = RemoteSpanContext(
                parse_hex_id(_TRACE_ID, fields[_TRACE_ID], 32),
                parse_hex_id(_SPAN_ID, fields[_SPAN_ID], 16),
                None,
                _parse_decision(fields[_SAMPLED]) if self.decision else True,
            )
        except KeyError:
            reraise_interrupt()
            found = sum(field in fields for field in self._fields)
            message = f"expected to parse {len(self._fields)} fields, but parsed {found} instead"
            if not found:
                message = "found baggage without required fields"
            raise SpanContextCorruptedException(message) from None
        if len(fields) > len(self._fields):
            context._baggage, dropped = bounded_baggage(self._baggage.items(fields))
            if dropped:
                context.dropped_baggage = dropped
        return context


def _parse_decision(value: str) -> bool:
    decision = _DECISIONS.get(value.strip(" \t").lower())
    if decision is None:
        raise SpanContextCorruptedException(
            f"{_SAMPLED} got an invalid value {shown(value)},"
            " should be one of 'true', 'false', '0', '1'"
        )
    return decision
