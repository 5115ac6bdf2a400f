"""SpanContext, the context of mock spans: two ids and baggage, always sampled."""

from __future__ import annotations

from opentracing_recorder import BasicSpanContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class SpanContext(BasicSpanContext):
    """What a mock span's children and carriers get; as a parent, without ids it starts a trace."""

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
        """Whether there are ids at all; suites make theirs up, of any type."""
        return self.trace_id is not None and self.span_id is not None
