"""BasicSpanContext: the part of a span that travels to its children and over the wire.

A context has the ids of a trace and of a span in it, the sampling decision, and baggage::

    from opentracing_recorder import BasicSpanContext, BasicTracer

    context = BasicSpanContext(0x463AC35C9F6413AD, 0xA2FB4A1D1A96D312, {"user": "amy"})
    assert context.to_trace_id() == "463ac35c9f6413ad"
    child = BasicTracer().start_span("work", child_of=context)
    assert child.get_baggage_item("user") == "amy"

An application meets contexts as ``span.context`` and as the result of ``tracer.extract``; those
that came in a carrier are `RemoteSpanContext`. To read and write them in a format of your own, see
`opentracing_recorder.propagator`.

The `baggage` of a context is a dict of its own. An item that is written into it reaches carriers,
and spans that start from this context later; `set_baggage_item` does the same for a span.
`dropped_baggage` counts the items that exceeded the limits: 64 items and 8192 bytes.

A context of another make is a parent, and is injected, if it has integers `trace_id` and `span_id`.
Its `sampled`, `parent_id`, `is_remote` and `baggage` or `_baggage` are read if they are present.
Without both ids it starts a new trace, and nothing is written. `basic_context` reads one.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index

from opentracing import SpanContext
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._hex_ids import hex_ids, id_text
from ._json_safe import dict_of
from ._process import RenewedLock

TYPE_CHECKING = False

__all__ = ["RANDOM_BITS", "BasicSpanContext", "RemoteSpanContext", "basic_context"]

_TRACE_IDS = 1 << 128
_SPAN_IDS = 1 << 64

RANDOM_BITS = 56
"""The number of bits of a trace id, the lowest, that W3C's random flag declares random."""

NO_EXTRA = SpanContext.EMPTY_BAGGAGE  # any empty mapping that nobody can change

_NO_BAGGAGE = SpanContext.EMPTY_BAGGAGE

_lock = RenewedLock()  # held where a context gets its dict of baggage, which is rare


class BasicSpanContext(SpanContext):
    """Ids, the sampling decision, and baggage.

    `trace_id` has 64 or 128 bits, `span_id` 64; neither is ever 0. `sampled` may be assigned. As a
    parent, a context without ids starts a new trace, and a `sampled` of None leaves the decision
    to the tracer's sampler. The baggage given is copied.

    If a subclass does not call the constructor, fields that it does not set have their defaults.
    """

    __slots__ = ("_baggage", "extra", "parent_id", "sampled", "span_id", "trace_id")

    parent_id: int | None
    """The id of the span's parent, if it is known: some formats write it."""

    extra: Mapping[str, str]
    """Other fields of a wire format, under keys of its own, such as ``tracestate``. Every
    descendant has them too, and each propagator writes the keys that it knows.
    """

    is_remote = False
    """Whether the span belongs to another process: its context came in a carrier."""

    dropped_baggage = 0
    """The number of baggage items dropped because of the limits: by extraction, or by the last
    injection that dropped any.
    """

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
        # No other context has this dict; only the empty one is shared.
        if baggage is None or baggage is _NO_BAGGAGE:
            self._baggage = _NO_BAGGAGE
        else:
            self._baggage = copied_baggage(baggage)
        self.parent_id = parent_id
        self.extra = extra if extra is NO_EXTRA or isinstance(extra, Mapping) else NO_EXTRA

    _baggage: Mapping[str, str]

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        has_constructor = cls.__init__ not in (BasicSpanContext.__init__, object.__init__)
        # Not those of this module, whose fields are all set: reading them would cost more.
        if has_constructor and cls.__module__ != __name__ and not hasattr(cls, "__getattr__"):
            cls.__getattr__ = _default  # type: ignore[attr-defined]

    def __reduce_ex__(self, protocol: t.SupportsIndex) -> t.Any:
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
    def is_sampled(self) -> bool:
        """Whether the trace is kept as far as this context says: undecided counts as sampled.

        Formats that have no value for "undecided" write this.
        """
        sampled = self.sampled
        return sampled is None or bool(sampled)

    @property
    def is_debug(self) -> bool:
        """Whether the trace is marked to be kept at any cost: ``"debug": "1"`` in `extra`.

        A later decision of the trace's own service to drop it is stronger.
        """
        extra = self.extra
        return bool(extra) and extra.get("debug") == "1" and self.is_sampled

    @property
    def randomness(self) -> int | None:
        """The 56 random bits by which every sampler in the trace may decide; None if the format
        that it came in guarantees none.
        """
        extra = self.extra
        if "randomness" in extra:
            return int(extra["randomness"], 16)
        if extra.get("random") == "1" and isinstance(self.trace_id, int):
            return self.trace_id % (1 << RANDOM_BITS)
        return None

    @property
    def baggage(self) -> dict[str, str]:
        """The baggage items, in a dict that is this context's own.

        Items added to it reach carriers, and children that are started later.
        """
        baggage = self._baggage
        if baggage is _NO_BAGGAGE or baggage is None:
            self._begin_baggage()
            baggage = self._baggage
        return baggage  # type: ignore[return-value]  # unless a subclass assigns another mapping

    @_lock.held
    def _begin_baggage(self) -> None:
        if self._baggage is _NO_BAGGAGE or self._baggage is None:
            self._baggage = {}

    def with_baggage_item(self: t.ContextT, key: str, value: str) -> t.ContextT:
        """A copy of this context with one baggage item added or replaced."""
        from copy import copy

        context = copy(self)
        context._baggage = {**copied_baggage(self._baggage), key: value}
        return context

    def to_trace_id(self) -> str:
        """The trace id as 16 or 32 lower-case hexadecimal digits; ``""`` without one."""
        return id_text(self.trace_id)

    def to_span_id(self) -> str:
        """The span id as 16 lower-case hexadecimal digits; ``""`` without one."""
        return id_text(self.span_id)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(trace_id={self.to_trace_id()!r}, span_id={self.to_span_id()!r}"
            f", sampled={self.sampled}, baggage={dict(copied_baggage(self._baggage))})"
        )


class RemoteSpanContext(BasicSpanContext):
    """A context that a propagator has read from a carrier."""

    __slots__ = ()

    is_remote = True


class ExtractedSpanContext(RemoteSpanContext):
    """A `RemoteSpanContext` made without fields: a propagator that knows all six sets them itself.

    It has no constructor in Python, which would cost more.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__


_with_defaults = BasicSpanContext()
_DEFAULTS = {name: getattr(_with_defaults, name) for name in BasicSpanContext.__slots__}


def _default(context: BasicSpanContext, name: str) -> t.Any:
    """The value of an unset field: constructors of basictracer's time set but four of six."""
    if name in _DEFAULTS:
        return _DEFAULTS[name]
    raise AttributeError(f"{type(context).__name__} has no attribute {name!r}")


def copied_baggage(baggage: t.Any) -> Mapping[str, str]:
    """A copy of baggage, which other threads may change meanwhile; `EMPTY_BAGGAGE` if it is empty.

    Never raises, whatever object it is given.
    """
    try:
        if not baggage:
            return _NO_BAGGAGE
        # A dict is copied in one atomic step.
        return baggage.copy() if type(baggage) is dict else dict_of(baggage) or _NO_BAGGAGE
    except Exception:
        reraise_interrupt()
        return _NO_BAGGAGE


def basic_context(context: t.Any) -> BasicSpanContext:
    """`context` itself if it is a BasicSpanContext; otherwise one with the fields that it has.

    Never raises: an object whose attributes cannot be read is a context without ids.
    """
    kind = type(context)
    if kind is BasicSpanContext or kind is ExtractedSpanContext or kind is RemoteSpanContext:
        return context  # type: ignore[no-any-return]
    try:
        if issubclass(kind, BasicSpanContext):
            for field in BasicSpanContext.__slots__:  # a property of a subclass may raise
                getattr(context, field)
            return context  # type: ignore[no-any-return]
        baggage = getattr(context, "baggage", None) or getattr(context, "_baggage", None)
        made = BasicSpanContext(None, None, baggage, None)
        trace_id, span_id = getattr(context, "trace_id", None), getattr(context, "span_id", None)
        if hex_ids(trace_id, span_id) is None:
            return made
        if getattr(context, "is_remote", False) is True:
            made = RemoteSpanContext(None, None, baggage, None)
        made.trace_id, made.span_id = trace_id, span_id
        sampled = getattr(context, "sampled", None)
        made.sampled = None if sampled is None else bool(sampled)
        parent_id = getattr(context, "parent_id", None)
        made.parent_id = parent_id if hex_ids(trace_id, parent_id) else None
        if isinstance(context, BasicSpanContext):  # a lazy object may stand for one
            made.extra = context.extra
        return made
    except Exception:
        reraise_interrupt()
        return BasicSpanContext(sampled=None)
