"""SpanContext, the context of mock spans: BasicTracer's own, under the name that 2.4 gave it."""

from __future__ import annotations

from opentracing_recorder import BasicSpanContext as SpanContext

__all__ = ["SpanContext"]
