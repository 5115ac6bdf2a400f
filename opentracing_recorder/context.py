"""BasicSpanContext, the part of a span that travels to its children and over the wire.

It holds the ids, the sampling decision and the baggage::

    from opentracing_recorder import BasicSpanContext, BasicTracer

    context = BasicSpanContext(trace_id=1, span_id=2, baggage={"tenant": "7"}, sampled=True)
    assert context.to_trace_id() == "0000000000000001"

    span = BasicTracer().start_span("work", child_of=context)
    assert (span.context.trace_id, span.parent_id) == (1, 2)
    assert span.get_baggage_item("tenant") == "7"

The `baggage` of a context is a dict of its own. An item that is written into it reaches carriers,
and spans that start from this context later; `set_baggage_item` does the same for a span.
`RemoteSpanContext` is a context that a propagator read from a carrier. `dropped_baggage` counts the
items that exceeded the limits: 64 items and 8192 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from opentracing import SpanContext
from opentracing.interrupts import reraise_interrupt

from ._json_safe import dict_of, text_of
from ._process import RenewedLock

_TRACE_IDS = 1 << 128
_SPAN_IDS = 1 << 64

# What a subclass may define that makes it read in ways of its own.
_OWN_WAYS = frozenset(
    {
        *("__init__", "__new__", "__getattribute__", "has_trace", "trace_id", "span_id"),
        *("sampled", "_baggage", "parent_id", "extra"),
    }
)

ContextT = TypeVar("ContextT", bound="BasicSpanContext")

RANDOM_BITS = 56
"""How many bits W3C Trace Context's random flag vouches for: the lowest ones of the trace id."""

NO_EXTRA = SpanContext.EMPTY_BAGGAGE  # any empty mapping that nobody can change

_NO_BAGGAGE = SpanContext.EMPTY_BAGGAGE

_lock = RenewedLock()  # held where a context gets its dict of baggage, which is rare


class BasicSpanContext(SpanContext):
    """Ids, the sampling decision, and baggage.

    `trace_id` has 64 or 128 bits, `span_id` 64; neither is ever 0. `sampled` may be assigned. As a
    parent, a context without ids starts a new trace, and a `sampled` of None leaves the decision
    to the tracer's sampler. The baggage given is copied.

    In a subclass that does not call the constructor, fields that it does not set have the defaults.
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
    """How many baggage items were left out because they were over the limits: by extraction, or by
    the last injection that left out any.
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

    _is_plain = True
    """Whether an instance has all fields, and reads as one of this class does."""

    def __init_subclass__(cls, calls_constructor: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _OWN_WAYS.isdisjoint(vars(cls)):
            cls._is_plain = False
            if (
                not calls_constructor
                and cls.__init__ is not object.__init__
                and cls.__new__ is object.__new__
            ):
                type.__setattr__(cls, "__new__", staticmethod(_with_defaults))

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
    def baggage(self) -> dict[str, str]:
        """The baggage items, in a dict that is this context's own.

        What is written into it reaches carriers, and children that are started later.
        """
        baggage = self._baggage
        if baggage is _NO_BAGGAGE or baggage is None:
            with _lock.current:
                if self._baggage is baggage:
                    self._baggage = {}
                baggage = self._baggage
        return baggage  # type: ignore[return-value]  # unless a subclass assigns another mapping

    def with_baggage_item(self: ContextT, key: str, value: str) -> ContextT:
        """A copy of this context with one baggage item added or replaced."""
        context = copy(self)
        context._baggage = {**copied_baggage(self._baggage), key: value}
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
            f", sampled={self.sampled}, baggage={dict(copied_baggage(self._baggage))})"
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


_FIELDS = tuple(
    (vars(BasicSpanContext)[name], default)
    for name, default in (
        *(("trace_id", None), ("span_id", None), ("sampled", True)),
        *(("_baggage", _NO_BAGGAGE), ("parent_id", None), ("extra", NO_EXTRA)),
    )
)


has_binary_ids: Callable[[BasicSpanContext], bool] = vars(BasicSpanContext)["has_trace"].fget
"""`has_trace`, past what a subclass makes of it: whether the ids are numbers that fit."""


def _with_defaults(cls: type[ContextT], *args: object, **kwargs: object) -> ContextT:
    context = object.__new__(cls)
    for slot, default in _FIELDS:
        slot.__set__(context, default)  # past what the subclass has under that name
    return context


def copied_baggage(baggage: Any) -> Mapping[str, str]:
    """A copy of baggage that may be changed meanwhile; `EMPTY_BAGGAGE` if it is empty.

    Never raises, whatever has been given for baggage.
    """
    try:
        if not baggage:
            return _NO_BAGGAGE
        # Of a dict in one atomic step.
        return baggage.copy() if type(baggage) is dict else dict_of(baggage) or _NO_BAGGAGE
    except Exception:
        reraise_interrupt()
        return _NO_BAGGAGE


def basic_context(context: Any) -> BasicSpanContext:
    """`context` itself if it is a BasicSpanContext; otherwise what can be read of it.

    That is the one place where contexts of another make come in: all that follows gets ours. They
    have ids in `trace_id` and `span_id`, both ints, perhaps `sampled` and `parent_id`, and baggage
    in `baggage` or `_baggage`. Never raises: what raises when it is read, or lies, is not there.
    """
    kind = type(context)
    if kind is BasicSpanContext or kind is ExtractedSpanContext:
        return context  # type: ignore[no-any-return]
    if issubclass(kind, BasicSpanContext) and (kind._is_plain or _is_readable(context)):
        return context  # type: ignore[no-any-return]
    made = RemoteSpanContext if _read(context, "is_remote") is True else BasicSpanContext
    trace_id = _id_or_none(_read(context, "trace_id"), _TRACE_IDS)
    span_id = _id_or_none(_read(context, "span_id"), _SPAN_IDS)
    if trace_id is None or span_id is None:
        return BasicSpanContext(None, None, _baggage_of(context), None)
    return made(
        trace_id,
        span_id,
        _baggage_of(context),
        _decision_or_none(_read(context, "sampled")),
        _id_or_none(_read(context, "parent_id"), _SPAN_IDS),
        _extra_of(context),
    )


def has_ids(context: Any) -> bool:
    """Whether what need not be a SpanContext has the ids of one."""
    return basic_context(context).has_trace


def _is_readable(context: BasicSpanContext) -> bool:
    """Whether the fields can be read, of a subclass that may make of them what it likes."""
    try:
        bool(context.sampled)
        for field in ("has_trace", "trace_id", "span_id", "parent_id", "extra", "is_remote"):
            getattr(context, field)
        return context._baggage is None or isinstance(context._baggage, Mapping)
    except Exception:
        reraise_interrupt()
        return False


def _read(context: Any, name: str) -> Any:
    try:
        return getattr(context, name, None)
    except Exception:
        reraise_interrupt()
        return None


def _id_or_none(value: Any, end: int) -> int | None:
    # By its real type, as stand-ins can be any number; and plain, whatever its class makes of it.
    number = int.__add__(value, 0) if issubclass(type(value), int) else 0
    return number if 0 < number < end else None


def _decision_or_none(value: Any) -> bool | None:
    try:
        return None if value is None else bool(value)
    except Exception:
        reraise_interrupt()
        return None


def _baggage_of(context: Any) -> dict[str, str]:
    for name in ("baggage", "_baggage"):
        found = _texts(_read(context, name))
        if found:
            return found
    return {}


def _extra_of(context: Any) -> Mapping[str, str]:
    """The `extra` of a proxy for one of our contexts; elsewhere the name may mean anything."""
    try:
        is_ours = isinstance(context, BasicSpanContext)
    except Exception:
        reraise_interrupt()
        return NO_EXTRA
    return (is_ours and _texts(_read(context, "extra"))) or NO_EXTRA


def _texts(mapping: Any) -> dict[str, str]:
    try:
        if not issubclass(type(mapping), Mapping):
            return {}
        return {text_of(key): text_of(value) for key, value in dict_of(mapping).items()}
    except Exception:
        reraise_interrupt()
        return {}


def format_span_id(span_id: int | None) -> str:
    """A span id as text: 16 digits, none for None."""
    return f"{span_id:016x}" if isinstance(span_id, int) else ""
