"""TextPropagator, a mock tracer's TEXT_MAP and HTTP_HEADERS: two ids in hexadecimal, and baggage.

The names on the wire are basictracer's, without its sampling decision: a mock tracer keeps all.
"""

from __future__ import annotations

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing_recorder.propagator import (
    bounded_baggage,
    parse_hex_id,
    read_carrier,
    text_or_none,
    write_carrier,
)

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
        if not isinstance(span_context, MockSpanContext) or span_context.trace_id is None:
            return
        entries = {
            field_name_trace_id: f"{span_context.trace_id:x}",
            field_name_span_id: f"{span_context.span_id:x}",
        }
        for key, value in span_context.baggage.items():
            entries[f"{prefix_baggage}{key}"] = value
        write_carrier(carrier, entries)

    def extract(self, carrier: Any) -> MockSpanContext:
        ids: dict[str, str] = {}
        items: list[tuple[str, str]] = []
        for key, value in read_carrier(carrier, "oO"):
            name, text = key.lower(), text_or_none(value)
            if text is None:
                continue
            if name in (field_name_trace_id, field_name_span_id):
                ids[name] = text
            elif name.startswith(prefix_baggage):
                items.append((name[len(prefix_baggage) :], text))
        if len(ids) < field_count:
            raise SpanContextCorruptedException(
                f"the carrier needs {field_name_trace_id} and {field_name_span_id}; of these it has"
                f" {', '.join(ids) or 'none'}"
            )
        baggage, dropped = bounded_baggage(items)
        context = MockSpanContext(
            parse_hex_id(field_name_trace_id, ids[field_name_trace_id], 32),
            parse_hex_id(field_name_span_id, ids[field_name_span_id], 16),
            baggage,
        )
        if dropped:
            context.dropped_baggage = dropped
        return context
