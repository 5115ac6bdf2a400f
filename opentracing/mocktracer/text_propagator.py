"""TextPropagator, a mock tracer's TEXT_MAP and HTTP_HEADERS: two ids in hexadecimal, and baggage.

The names on the wire are basictracer's, without its sampling decision: a mock tracer keeps all.
"""

from __future__ import annotations

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt
from opentracing_recorder._carrier import CarrierFormat, first_text
from opentracing_recorder.context import basic_context
from opentracing_recorder.fields import bounded_baggage, parse_hex_id, written_baggage

from .context import SpanContext as MockSpanContext
from .propagator import Propagator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

prefix_tracer_state = "ot-tracer-"
prefix_baggage = "ot-baggage-"
field_name_trace_id = prefix_tracer_state + "traceid"
field_name_span_id = prefix_tracer_state + "spanid"
field_count = 2


class TextPropagator(Propagator):
    """Writes baggage as it is; reads names in any case, and baggage keys in lower case.

    `extract` raises `SpanContextCorruptedException` for a carrier without a trace too: a suite sees
    at once that nothing was injected.
    """

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        context = basic_context(span_context)
        if not context.has_trace:
            return
        # Numbers of any size: suites make theirs up.
        if not isinstance(context.trace_id, int) or not isinstance(context.span_id, int):
            return
        entries = {
            field_name_trace_id: f"{context.trace_id:x}",
            field_name_span_id: f"{context.span_id:x}",
        }
        if context._baggage:
            for key, value in written_baggage(context, lambda key, value: (key, value)):
                entries[prefix_baggage + key] = value
        _format.write(carrier, entries)

    def extract(self, carrier: Any) -> MockSpanContext:
        fields: dict[str, str] = {}
        for field, value in _format.read(carrier):
            text = first_text(value)
            if text is not None:
                fields[field] = text
        try:
            trace_id = fields.pop(field_name_trace_id)
            span_id = fields.pop(field_name_span_id)
        except KeyError as missing:
            reraise_interrupt()
            raise SpanContextCorruptedException(f"the carrier has no {missing}") from None
        items = [(field[len(prefix_baggage) :], value) for field, value in fields.items()]
        baggage, dropped = bounded_baggage(items)
        context = MockSpanContext(
            parse_hex_id(field_name_trace_id, trace_id, 32),
            parse_hex_id(field_name_span_id, span_id, 16),
            baggage,
        )
        if dropped:
            context.dropped_baggage = dropped
        return context


def _field(name: str) -> str | None:
    field = name.lower()
    is_ours = field in (field_name_trace_id, field_name_span_id) or field.startswith(prefix_baggage)
    return field if is_ours else None


_format = CarrierFormat(_field)
