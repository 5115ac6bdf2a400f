"""Attribute values as OpenTelemetry takes them, and what is kept of a span started by its API."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import islice
from typing import Any

from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    TraceFlags,
    TraceState,
)

from opentracing import tags
from opentracing.interrupts import reraise_interrupt

from ._json_safe import Parts, text_of
from .context import BasicSpanContext, RemoteSpanContext
from .span import LogData, is_failed

_logger = logging.getLogger(__name__)

FIT = {str, bool, int, float}
"""Types of values that need no cleaning."""

_PLAIN = {*FIT, bytes, type(None)}
RANDOM_TRACE_ID = 0x02
"""A trace flag, for which earlier versions of OpenTelemetry's API have no name."""

MAX_ATTRIBUTES = 128
"""The greatest number of attributes of an event, a link or an instrumentation scope."""

_LATEST = 1 << 64  # nanoseconds; later times are no float, and OTLP has none

# Levels of a value within a value. In OTLP, a mapping is three messages within each other, and an
# event's attribute seven. Decoders take 100.
_NESTED = 30


class InstrumentationScope:
    """The library that started a span: what `get_tracer` was given.

    `version` and `schema_url` are ``""`` if they were not given.
    """

    __slots__ = ("attributes", "name", "schema_url", "version")

    def __init__(
        self, name: str, version: str, schema_url: str, attributes: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.version = version
        self.schema_url = schema_url
        self.attributes = attributes

    def __repr__(self) -> str:
        return f"InstrumentationScope({self.name!r}, {self.version!r}, {self.schema_url!r})"


class Resource:
    """The process that a span belongs to: `attributes`, with ``service.name``."""

    __slots__ = ("attributes", "schema_url")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self.schema_url = ""


class Origin:
    """The fields that are the same for all spans that one tracer starts with one kind."""

    __slots__ = ("kind", "own", "provider", "scope", "shown")

    def __init__(
        self, provider: Any, scope: InstrumentationScope, kind: SpanKind, shown: dict[str, Any]
    ) -> None:
        self.provider = provider
        self.scope = scope
        self.kind = kind
        self.shown = shown
        self.own = frozenset((*shown, tags.ERROR))


class Details:
    """The fields that a span has in OpenTelemetry and a `BasicSpan` has not.

    A span that OpenTelemetry's API started has them under ``opentelemetry``. Recorders for
    OpenTelemetry read them, so that the span arrives as its own SDK would send it.
    """

    # The tracer sets the two fields that have no default.

    origin: Origin

    own: frozenset[str]
    """The tags that are no attributes: they show scope, kind and status.

    ``error`` is one, unless an attribute has its name: OpenTracing's API may set it.
    """

    status: Status | None = None
    """None for one that is unset."""

    links: tuple[Link, ...] = ()
    dropped_links = 0

    start_time: int | None = None
    end_time: int | None = None
    """Nanoseconds since the epoch, if they were given."""

    is_random = True
    """Whether the trace id is known to be random, as the flag ``02`` says."""

    is_parent_remote = False

    length: int | None = None
    """The greatest length of a text among the attributes, if there is one."""

    @property
    def scope(self) -> InstrumentationScope:
        return self.origin.scope

    @property
    def kind(self) -> SpanKind:
        return self.origin.kind

    def is_failed_by_tag(self, span_tags: Mapping[str, Any]) -> bool:
        """Whether OpenTracing's API has set ``error`` on a span without a status."""
        return (
            self.status is None
            and tags.ERROR in self.own
            and tags.ERROR in span_tags
            and is_failed(span_tags)
        )

    def attributes(self, span_tags: dict[str, Any]) -> dict[str, Any]:
        """The tags that are attributes. OpenTracing's API may have set any value."""
        own = self.own
        return {
            key: cleaned_value(value) if issubclass(type(value), (Sequence, Mapping)) else value
            for key, value in span_tags.items()
            if key not in own
        }

    def describe(self, description: str | None) -> None:
        """Replace the description of the status."""
        if self.status is not None:
            self.status = Status(self.status.status_code, description)

    def replaced(
        self,
        text: Callable[[str], str | None],
        attributes: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Details:
        """A copy, whose status description and attributes of links went through these functions.

        A link whose trace state would be changed has none.
        """
        made = copy(self)
        if self.status is not None and self.status.description is not None:
            made.describe(text(self.status.description))
        made.links = tuple(
            _CountedLink(
                _with_state(each.context, text),
                attributes(dict(each.attributes or {})),
                getattr(each, "dropped_attributes", 0),
            )
            for each in self.links
        )
        return made


def _with_state(context: SpanContext, text: Callable[[str], str | None]) -> SpanContext:
    """The context, without a trace state that the function would change."""
    state = context.trace_state.to_header() if context.trace_state else ""
    if text(state) == state:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


UNSET = Status()


class EventLog(LogData):
    """An event of OpenTelemetry's as a log of ours: readers of logs see an error in an exception.

    `attributes` gives back its attributes, also after a recorder has changed some of them.
    """

    __slots__ = ("dropped_attributes", "is_error", "name", "time_ns")

    def __init__(
        self, name: str, attributes: dict[str, Any], time_ns: int | None, dropped: int
    ) -> None:
        self.name = name
        self.time_ns = time_ns = time.time_ns() if time_ns is None else time_ns
        self.timestamp = time_ns / 1e9
        self.dropped_attributes = dropped
        self.is_error = is_error = name == "exception"
        if not is_error and "event" not in attributes:
            self.key_values = {"event": name, **attributes}
            return
        names = _AS_ERROR if is_error else _AS_EVENT
        shown = {names.get(key, key): value for key, value in attributes.items()}
        self.key_values = {"event": "error" if is_error else name, **shown}

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the event."""
        names = _FROM_ERROR if self.is_error else _FROM_EVENT
        return {
            names.get(key, key): value for key, value in self.key_values.items() if key != "event"
        }


# The names of attributes as fields of a log. An event's own name is the field ``event``; each name
# that is taken so gets a prefix.
_AS_EVENT = {"event": "attributes.event"}
_AS_ERROR = {
    "exception.type": "error.kind",
    "exception.message": "message",
    "exception.stacktrace": "stack",
    **{key: f"attributes.{key}" for key in ("event", "error.kind", "message", "stack")},
}
_FROM_EVENT = {shown: key for key, shown in _AS_EVENT.items()}
_FROM_ERROR = {shown: key for key, shown in _AS_ERROR.items()}


# Attributes.


def cleaned_attributes(
    attributes: Any, limit: int | None = None, length: int | None = None
) -> tuple[dict[str, Any], int]:
    """A copy with names and values that OpenTelemetry knows, and how many it has left out.

    At most `limit` are kept, the newest. `length` is the greatest length of text. Never raises.
    """
    if attributes is None:
        return {}, 0
    cleaned: dict[str, Any] = {}
    number = 0
    try:
        for key, value in attributes.items() if attributes else ():
            number += 1
            name = key if type(key) is str and key else name_of(key)
            if name:
                is_fit = length is None and type(value) in _PLAIN
                cleaned[name] = value if is_fit else cleaned_value(value, length)
    except Exception:  # of a mapping of the application's
        reraise_interrupt()
        _logger.warning("attributes of type %s were left out", text_of(type(attributes)))
    if limit is not None and len(cleaned) > limit:
        cleaned = dict(islice(cleaned.items(), len(cleaned) - limit, None))
    return cleaned, number - len(cleaned)


def is_name(key: Any) -> bool:
    """Whether an attribute can have this name: text, and not empty. Any other one is reported."""
    if issubclass(type(key), str) and str.__len__(key):
        return True
    _logger.warning("attribute %.200s was left out: a name is text, and not empty", text_of(key))
    return False


def name_of(key: Any) -> str:
    """A key of a mapping as an attribute's name; ``""`` if the attribute is to be left out.

    As in OpenTelemetry's SDK, a key becomes text if its class has a text of its own, and if it is
    true: neither 0 nor None does. Each key that is no name is reported. Never raises.
    """
    if issubclass(type(key), str) and str.__len__(key):
        return "".join((key,))
    try:
        name = str(key) if key and _has_text(key) else ""
    except Exception:  # of its own methods
        reraise_interrupt()
        name = ""
    if name:
        _logger.warning("the name of attribute %.200s, a %s, became text", name, text_of(type(key)))
        return name
    is_name(key)
    return ""


def _has_text(value: Any) -> bool:
    """Whether its class shows more than the address of an object."""
    kind: Any = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


def cleaned_value(value: Any, length: int | None = None) -> Any:
    """`value` if it is text, a number, bytes or None; sequences become tuples, mappings dicts.

    Any other object becomes text, or None if it has none of its own, with a warning. What is nested
    too deep, or follows ten thousand parts, is shown by its type. Never raises.
    """
    return _cleaned(value, length, _NESTED, Parts())


def _cleaned(value: Any, length: int | None, depth: int, parts: Parts) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value if length is None or kind is not str else value[:length]
    try:
        if isinstance(value, (bool, int, float, bytes)):
            return value
        if isinstance(value, str):
            return value if length is None else value[:length]
        is_mapping = isinstance(value, Mapping)
        if is_mapping or isinstance(value, Sequence):
            if not depth or parts.left <= 0:
                return f"<{kind.__name__}>"  # its text could grow without bound
            children = list(islice(value.items() if is_mapping else value, parts.left))
            parts.left -= len(children)
            if not is_mapping:
                return tuple([_cleaned(each, length, depth - 1, parts) for each in children])
            return {
                name: _cleaned(each, length, depth - 1, parts)
                for key, each in children
                if (name := name_of(key))
            }
        text = plain_text(value) if _has_text(value) else None
    except Exception:
        reraise_interrupt()
        text = text_of(value)
    _logger.warning(
        "an attribute value of type %.200s became %s",
        text_of(kind),
        "None" if text is None else "text",
    )
    return text


def time_or_none(value: Any) -> int | None:
    """Nanoseconds since the epoch, if this is a time. Any other value is reported."""
    if value is None:
        return None
    kind = type(value)
    if issubclass(kind, int) and abs(time := int.__index__(value)) < _LATEST:
        return time
    _logger.warning("a time of type %s was left out: it is an int below 2**64", text_of(kind))
    return None


def plain_text(value: Any) -> str:
    """`str(value)`, which is what OpenTelemetry's SDK takes. Never raises."""
    try:
        return str(value)
    except Exception:  # of its own method
        reraise_interrupt()
        return text_of(value)


# Contexts.


def to_span_context(
    context: BasicSpanContext, is_remote: bool | None = None, is_random: bool | None = None
) -> SpanContext:
    """A context of ours as OpenTelemetry's; one without a trace is invalid."""
    if not context.has_trace:
        return SpanContext(0, 0, False)
    extra = context.extra
    flags = TraceFlags.SAMPLED if context.is_sampled else TraceFlags.DEFAULT
    if is_random or (is_random is None and extra.get("random") == "1"):
        flags |= RANDOM_TRACE_ID
    state = extra.get("tracestate")
    return SpanContext(
        context.trace_id,  # type: ignore[arg-type]
        context.span_id,  # type: ignore[arg-type]
        context.is_remote if is_remote is None else is_remote,
        TraceFlags(flags),
        TraceState.from_header([text_of(state)]) if state else None,
    )


def usable_context(context: Any) -> SpanContext | None:
    """A context with flags and a trace state of the right types; None if it is no context."""
    if not issubclass(type(context), SpanContext):
        return None
    flags, state = context.trace_flags, context.trace_state
    if type(flags) is TraceFlags and type(state) is TraceState:
        return context  # type: ignore[no-any-return]
    return SpanContext(
        context.trace_id,
        context.span_id,
        context.is_remote,
        TraceFlags(flags & 0xFF if isinstance(flags, int) else 0),
        state if isinstance(state, TraceState) else None,
    )


def valid_context_of(span: Any) -> SpanContext | None:
    """The context of a span of another tracer of OpenTelemetry's, or None. Never raises."""
    try:
        context = usable_context(span.get_span_context()) if isinstance(span, Span) else None
    except Exception:  # of the other tracer
        reraise_interrupt()
        return None
    return context if context is not None and context.is_valid else None


def to_basic_context(context: SpanContext, baggage: Any = None) -> BasicSpanContext:
    """A context of OpenTelemetry's as ours."""
    made = (RemoteSpanContext if context.is_remote else BasicSpanContext)(
        context.trace_id, context.span_id, baggage, context.trace_flags.sampled
    )
    if context.trace_state or context.trace_flags & RANDOM_TRACE_ID:
        extra = {}
        if context.trace_state:
            extra["tracestate"] = context.trace_state.to_header()
        if context.trace_flags & RANDOM_TRACE_ID:
            extra["random"] = "1"
        made.extra = extra
    return made


class _CountedLink(Link):
    """A link with the number of attributes that it has left out."""

    def __init__(self, context: SpanContext, attributes: dict[str, Any], dropped: int) -> None:
        super().__init__(context, attributes)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


def usable_links(links: Any, length: int | None, most: int) -> tuple[Link, ...]:
    """Links with cleaned attributes; one without a valid context needs more to be kept."""
    try:
        made = [usable_link(each.context, each.attributes, length, most) for each in links if each]
        return tuple(each for each in made if each is not None)
    except Exception:
        reraise_interrupt()
        _logger.warning("links of type %s were left out", text_of(type(links)))
        return ()


def usable_link(context: Any, attributes: Any, length: int | None, most: int) -> Link | None:
    """A link with cleaned attributes; None if it has neither a valid context nor anything else."""
    context = usable_context(context)
    if context is None:
        return None
    cleaned, dropped = cleaned_attributes(attributes, most, length)
    if not (context.is_valid or cleaned or dropped or context.trace_state):
        return None
    return _CountedLink(context, cleaned, dropped)
