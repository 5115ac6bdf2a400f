"""BasicSpanContext: what of a span travels to its children and over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from opentracing import SpanContext

_TRACE_IDS = 1 << 128
_SPAN_IDS = 1 << 64

ContextT = TypeVar("ContextT", bound="BasicSpanContext")

RANDOM_BITS = 56
"""How many bits W3C Trace Context's random flag vouches for: the lowest ones of the trace id."""

NO_EXTRA = SpanContext.EMPTY_BAGGAGE  # any empty mapping that nobody can change


class BasicSpanContext(SpanContext):
    """Ids, the sampling decision, and baggage.

    `trace_id` has 64 or 128 bits, `span_id` 64; neither is ever 0. `sampled` may be assigned. As a
    parent, a context without ids starts a new trace, and a `sampled` of None leaves the decision
    to the tracer's sampler.
    """

    __slots__ = ("_baggage", "extra", "parent_id", "sampled", "span_id", "trace_id")

    parent_id: int | None
    """The id of the span's parent, where it is known: some formats write it."""

    extra: Mapping[str, str]
    """What a wire format has to carry beside the other fields, under keys of its own, such as
    ``tracestate``: every descendant has it too, and each propagator writes what it knows of it.
    """

    is_remote = False
    """Whether the span belongs to another process, and its context came in a carrier."""

    dropped_baggage = 0
    """How many baggage items extraction left out because they were over the limits."""

    def __init__(
        self,
        trace_id: int | None = None,
        span_id: int | None = None,
        baggage: Mapping[str, str] | None = None,
        sampled: bool | None = True,
        parent_id: int | None = None,
        extra: Mapping[str, str] = NO_EXTRA,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self._baggage = baggage or SpanContext.EMPTY_BAGGAGE
        self.parent_id = parent_id
        self.extra = extra

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return super().__reduce_ex__(max(index(protocol), 2))  # earlier ones know no slots

    @property
    def has_trace(self) -> bool:
        """Whether both ids are such that a trace can have them; only then it goes on the wire."""
        trace_id, span_id = self.trace_id, self.span_id
        return (
            isinstance(trace_id, int)
            and isinstance(span_id, int)
            and 0 < trace_id < _TRACE_IDS
            and 0 < span_id < _SPAN_IDS
        )

    @property
    def randomness(self) -> int | None:
        """The 56 random bits that every sampler in the trace may decide by; None if the format that
        it came in vouches for none.
        """
        extra = self.extra
        if "randomness" in extra:
            return int(extra["randomness"], 16)
        if extra.get("random") == "1" and isinstance(self.trace_id, int):
            return self.trace_id % (1 << RANDOM_BITS)
        return None

    @property
    def baggage(self) -> Mapping[str, str]:
        """The baggage items; the caller must not change the mapping."""
        return self._baggage

    def with_baggage_item(self: ContextT, key: str, value: str) -> ContextT:
        """A copy of this context with one baggage item added or replaced."""
        context = copy(self)
        context._baggage = {**self._baggage, key: value}
        return context

    def to_trace_id(self) -> str:
        """The trace id as 16 or 32 lower-case hexadecimal digits; ``""`` without one."""
        trace_id = self.trace_id
        if not isinstance(trace_id, int):
            return ""
        return f"{trace_id:016x}" if trace_id < 1 << 64 else f"{trace_id:032x}"

    def to_span_id(self) -> str:
        """The span id as 16 lower-case hexadecimal digits; ``""`` without one."""
        return format_span_id(self.span_id)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(trace_id={self.to_trace_id()!r}, span_id={self.to_span_id()!r}"
            f", sampled={self.sampled}, baggage={dict(self._baggage)})"
        )


class RemoteSpanContext(BasicSpanContext):
    """A context that a propagator has read from a carrier."""

    __slots__ = ()

    is_remote = True


class ExtractedSpanContext(RemoteSpanContext):
    """A `RemoteSpanContext` made without fields: a propagator that knows all six sets them itself.

    That costs less than a constructor, and less than going past one; `extract` in the benchmarks
    pays for it.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__


def format_span_id(span_id: int | None) -> str:
    """A span id as text: 16 digits, none for None."""
    return f"{span_id:016x}" if isinstance(span_id, int) else ""
