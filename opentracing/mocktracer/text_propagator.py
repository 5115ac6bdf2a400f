"""TextPropagator, a mock tracer's TEXT_MAP and HTTP_HEADERS: two ids in hexadecimal, and baggage.

The names on the wire are basictracer's, without its sampling decision: a mock tracer keeps all.
"""

from __future__ import annotations

from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing_recorder import TextPropagator as BasicTextPropagator

from .context import SpanContext as MockSpanContext
from .propagator import Propagator

prefix_tracer_state = "ot-tracer-"
prefix_baggage = "ot-baggage-"
field_name_trace_id = prefix_tracer_state + "traceid"
field_name_span_id = prefix_tracer_state + "spanid"
field_count = 2

_format = BasicTextPropagator(decision=False)


class TextPropagator(Propagator):
    """Writes baggage as it is; reads names in any case, and baggage keys in lower case.

    `extract` also raises `SpanContextCorruptedException` for a carrier without a trace: a test sees
    at once that nothing was injected.
    """

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        _format.inject(span_context, carrier)

    def extract(self, carrier: Any) -> MockSpanContext:
        found = _format.extract(carrier)
        if found is None:
            raise SpanContextCorruptedException(f"the carrier has no {field_name_trace_id}")
        baggage = {key.lower(): value for key, value in found.baggage.items()}
        context = MockSpanContext(found.trace_id, found.span_id, baggage)
        if found.dropped_baggage:
            context.dropped_baggage = found.dropped_baggage
        return context
