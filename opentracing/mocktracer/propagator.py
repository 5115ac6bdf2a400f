"""Propagator, the base of a mock tracer's propagators, and of those that suites register."""

from __future__ import annotations

from opentracing import SpanContext
from opentracing_recorder import BasicSpanContext
from opentracing_recorder import Propagator as AbstractPropagator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Propagator(AbstractPropagator):
    """Writes nothing and reads nothing; as in 2.4, a subclass may define just one of the two."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        pass

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        return None
