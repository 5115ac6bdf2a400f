"""BinaryPropagator, a mock tracer's BINARY: the reference tracer's format, which runs no code.

2.4 used a pickle here, which runs any code of its sender.
"""

from __future__ import annotations

from typing import Any

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException
from opentracing_recorder import BinaryPropagator as BasicBinaryPropagator

from .context import SpanContext as MockSpanContext
from .propagator import Propagator

_format = BasicBinaryPropagator()


class BinaryPropagator(Propagator):
    """Appends to a ``bytearray``; an empty one is a `SpanContextCorruptedException`."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        _format.inject(span_context, carrier)

    def extract(self, carrier: Any) -> MockSpanContext:
        if carrier is None:  # as in 2.4; to the reference tracer it means "no headers"
            raise InvalidCarrierException("the carrier is a NoneType; wanted: a bytearray")
        context = _format.extract(carrier)
        if context is None:
            raise SpanContextCorruptedException("the carrier is empty")
        return MockSpanContext(context.trace_id, context.span_id, context._baggage)
