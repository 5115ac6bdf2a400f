"""SpanContext, the context of mock spans: two ids and baggage, always sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentracing.interrupts import reraise_interrupt
from opentracing_recorder import BasicSpanContext
from opentracing_recorder.context import basic_context


class SpanContext(BasicSpanContext):
    """The context of a mock span: two ids and baggage. Without ids, its child starts a trace."""

    __slots__ = ()

    def __init__(
        self,
        trace_id: int | None = None,
        span_id: int | None = None,
        baggage: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(trace_id, span_id, baggage)

    @property
    def has_trace(self) -> bool:
        """Whether both ids are set. Tests make up ids of any type."""
        return self.trace_id is not None and self.span_id is not None


def known_context(context: Any) -> BasicSpanContext:
    """`basic_context`, which also takes ids that are text: tests make them up."""
    known = basic_context(context)
    if known is not context and not known.has_trace:
        try:
            trace_id, span_id = context.trace_id, context.span_id
        except Exception:  # then they are no ids
            reraise_interrupt()
            return known
        if isinstance(trace_id, str) and isinstance(span_id, str):
            return SpanContext(trace_id, span_id, known.baggage)  # type: ignore[arg-type]
    return known
