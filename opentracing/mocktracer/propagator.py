"""Propagator, the base of a mock tracer's propagators, and of those that suites register."""

from __future__ import annotations

from typing import Any

from opentracing import SpanContext


class Propagator:
    """Writes nothing and reads nothing; as in 2.4, a subclass may define just one of the two."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        """Write `span_context` into `carrier`."""

    def extract(self, carrier: Any) -> SpanContext | None:
        """Read a context out of `carrier`, or None."""
        return None
