"""The fields of a finished span in OpenTelemetry's data model, as plain values.

Every way to OpenTelemetry takes a span's fields from here: its exporters, and both encodings of
OTLP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from opentracing import ReferenceType, logs, tags

from ._clock import nanoseconds
from ._json_safe import json_safe, text_of
from ._opentelemetry_conventions import with_opentelemetry_names
from .context import BasicSpanContext
from .span import BasicSpan, LogData, is_failed

VERSION = version("opentracing")

TELEMETRY_SDK = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentracing_recorder",  # "opentelemetry" is reserved for its own SDKs
    "telemetry.sdk.version": VERSION,
}
"""The resource attributes that name this package."""

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(5)
"""Kinds of spans, as OpenTelemetry's `SpanKind` numbers them."""

UNSET, OK, ERROR = range(3)
"""Codes of a status, as OpenTelemetry's `StatusCode` numbers them."""

SAMPLED, RANDOM_TRACE_ID = 1, 2
"""Flags of a trace, as in W3C's ``traceparent``."""

KINDS = {
    tags.SPAN_KIND_RPC_CLIENT: CLIENT,
    tags.SPAN_KIND_RPC_SERVER: SERVER,
    tags.SPAN_KIND_PRODUCER: PRODUCER,
    tags.SPAN_KIND_CONSUMER: CONSUMER,
}

_LATEST = 9e9  # seconds since the epoch, in the year 2255: 64 bits hold it in nanoseconds


class ScopeFields(NamedTuple):
    """The library that started a span."""

    name: str
    version: str
    schema_url: str = ""
    attributes: Mapping[str, Any] = {}  # never changed


SCOPE = ScopeFields("opentracing", VERSION)
"""That of spans that OpenTracing's API started."""


class EventFields(NamedTuple):
    """An event; `time` is in nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Mapping[str, Any]
    dropped_attributes: int = 0


class LinkFields(NamedTuple):
    """A link to another span."""

    trace_id: int
    span_id: int
    is_remote: bool
    flags: int
    trace_state: str
    attributes: Mapping[str, Any]
    dropped_attributes: int = 0


class SpanFields(NamedTuple):
    """A finished span; times are in nanoseconds since the epoch."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    is_parent_remote: bool
    flags: int
    trace_state: str
    kind: int
    start_time: int
    end_time: int
    attributes: Mapping[str, Any]
    events: Sequence[EventFields]
    links: Sequence[LinkFields]
    status: int
    status_message: str | None
    scope: Any  # with the attributes of ScopeFields
    dropped_attributes: int
    dropped_events: int
    dropped_links: int


def fields_of(span: BasicSpan, semantic_names: bool) -> SpanFields:
    """The fields of a span that either API started.

    Raises ValueError if no trace can have its ids.
    """
    context = span.context
    if not context.has_trace:
        raise ValueError(f"a span of no trace: {context}")
    details = getattr(span, "opentelemetry", None)
    if details is not None:
        return _fields_from_api(span, details)
    # As `to_dict` has them; copied first, in one atomic step: the owner may still change them.
    span_tags = json_safe(span.tags.copy())
    kind = KINDS.get(text_of(span_tags.get(tags.SPAN_KIND, "")).lower(), INTERNAL)
    events = [event_fields(log) for log in list(span._logs or ())]
    failure = _last_failure(events)
    status, message = _status(span_tags, failure)
    attributes = with_opentelemetry_names(span_tags) if semantic_names else span_tags
    attributes.pop(tags.ERROR, None)  # the status has it
    if kind != INTERNAL:
        attributes.pop(tags.SPAN_KIND)
    if semantic_names and status == ERROR and _EXCEPTION_TYPE in failure:
        attributes.setdefault("error.type", failure[_EXCEPTION_TYPE])
    start = nanoseconds_within_limits(span.start_time)
    parent_id = span.parent_id
    if not parent_id or not 0 < parent_id < 1 << 64:  # no span can have it
        parent_id = None
    return SpanFields(
        text_of(span.operation_name),
        context.trace_id,  # type: ignore[arg-type]
        context.span_id,  # type: ignore[arg-type]
        parent_id,
        parent_id is not None and is_parent_remote(span, kind),
        SAMPLED if context.sampled else 0,
        trace_state_of(context),
        kind,
        start,
        start + nanoseconds_within_limits(span.duration),
        to_attributes(attributes),
        events,
        links_of(span),
        status,
        message,
        SCOPE,
        span.dropped_tags,
        span.dropped_logs,
        0,
    )


def _fields_from_api(span: BasicSpan, details: Any) -> SpanFields:
    """A span that OpenTelemetry's API started: nothing is renamed."""
    context = span.context
    start, end, given = details.start_time, details.end_time, details.status
    events = [event_fields(log) for log in list(span._logs or ())]
    span_tags = span.tags.copy()
    status, message = UNSET, None
    if given is not None:
        status, message = given.status_code.value, given.description
    elif details.is_failed_by_tag(span_tags):
        status, message = _status(span_tags, _last_failure(events))
    start = nanoseconds_within_limits(span.start_time) if start is None else start
    return SpanFields(
        text_of(span.operation_name),
        context.trace_id,  # type: ignore[arg-type]
        context.span_id,  # type: ignore[arg-type]
        span.parent_id,
        details.is_parent_remote,
        (SAMPLED if context.sampled else 0) | (RANDOM_TRACE_ID if details.is_random else 0),
        trace_state_of(context),
        details.kind.value,
        start,
        start + nanoseconds_within_limits(span.duration) if end is None else end,
        details.attributes(span_tags),
        events,
        [link_from_api(link) for link in details.links],
        status,
        message,
        details.scope,
        span.dropped_tags,
        span.dropped_logs,
        details.dropped_links,
    )


def link_from_api(link: Any) -> LinkFields:
    context = link.context
    return LinkFields(
        context.trace_id,
        context.span_id,
        context.is_remote,
        int(context.trace_flags),
        context.trace_state.to_header() if context.trace_state else "",
        link.attributes or {},
        getattr(link, "dropped_attributes", 0),
    )


def nanoseconds_within_limits(seconds: float) -> int:
    """Seconds as nanoseconds, at the nearest number that OTLP can hold."""
    return nanoseconds(max(0.0, min(seconds, _LATEST)))


def trace_state_of(context: BasicSpanContext) -> str:
    return text_of(context.extra.get("tracestate") or "")


def is_parent_remote(span: BasicSpan, kind: int) -> bool:
    """Whether the parent is in another process.

    A span keeps no more of its parent than the id. A server and a consumer continue what another
    process sent them.
    """
    return kind in (SERVER, CONSUMER) or any(
        isinstance(each, BasicSpanContext) and each.span_id == span.parent_id and each.is_remote
        for _, each in span.references
    )


def links_of(span: BasicSpan) -> list[LinkFields]:
    """The references, except the one that the parent's id expresses: that the span is its child."""
    links = []
    said_by_parent = (ReferenceType.CHILD_OF, span.context.trace_id, span.parent_id)
    for kind, context in span.references:
        if not isinstance(context, BasicSpanContext) or not context.has_trace:
            continue
        if (kind, context.trace_id, context.span_id) != said_by_parent:
            links.append(
                LinkFields(
                    context.trace_id,  # type: ignore[arg-type]
                    context.span_id,  # type: ignore[arg-type]
                    context.is_remote,
                    SAMPLED if context.sampled else 0,
                    trace_state_of(context),
                    {"opentracing.ref_type": text_of(kind)},
                )
            )
    return links


# Tags and logs, in the JSON-safe form of `to_dict`. For errors the source is OpenTelemetry's
# specification, OpenTracing Compatibility.

_EXCEPTION_TYPE = "exception.type"
_EXCEPTION_MESSAGE = "exception.message"
_EXCEPTION_STACKTRACE = "exception.stacktrace"

# The text of an exception: its type, whose own name begins with a capital, and its message.
_EXCEPTION = re.compile(r"<?((?:[^\s:]+\.)?[A-Z]\w*)>?(?:: (.*))?", re.DOTALL)


def _status(span_tags: dict[str, Any], failure: Mapping[str, Any]) -> tuple[int, str | None]:
    error = span_tags.get(tags.ERROR)
    if error is None:
        return UNSET, None
    if not is_failed(span_tags):
        return OK, None
    message = failure.get(_EXCEPTION_MESSAGE)
    if message is None:  # some applications put it here
        message = None if text_of(error).lower() in ("true", "1") else text_of(error)
    return ERROR, message


def event_fields(log: LogData) -> EventFields:
    if hasattr(log, "time_ns"):  # of OpenTelemetry's API
        of_api: Any = log
        return EventFields(
            of_api.name, of_api.time_ns, of_api.attributes, of_api.dropped_attributes
        )
    fields = json_safe(log.key_values)
    event = fields.pop(logs.EVENT, None)
    name = None if event is None else text_of(event)
    is_nameless_error = name is None and (logs.ERROR_OBJECT in fields or logs.ERROR_KIND in fields)
    if name == "error" or is_nameless_error:
        name, fields = "exception", _exception(fields)
    time = nanoseconds_within_limits(log.timestamp)
    return EventFields("log" if name is None else name, time, to_attributes(fields))


def _exception(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an error's log, under the names that exceptions have."""
    kind = fields.pop(logs.ERROR_KIND, None)
    stack = fields.pop(logs.STACK, None)
    message = fields.pop(logs.MESSAGE, None)
    match = _EXCEPTION.fullmatch(text_of(fields.get(logs.ERROR_OBJECT, "")))
    if match:
        del fields[logs.ERROR_OBJECT]
        kind = match[1] if kind is None else kind
        message = match[2] if message is None else message
    found = {_EXCEPTION_TYPE: kind, _EXCEPTION_MESSAGE: message, _EXCEPTION_STACKTRACE: stack}
    exception = {key: text_of(value) for key, value in found.items() if value is not None}
    return {**exception, **fields}


def _last_failure(events: Sequence[EventFields]) -> Mapping[str, Any]:
    """The attributes of the last exception among them."""
    event: EventFields
    for event in reversed(events):
        if event.name == "exception" and event.attributes:
            return event.attributes
    return {}


def to_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-safe values under their names, without values of None and empty names."""
    return {
        key: value if type(value) is str else _attribute(value)
        for key, value in values.items()
        if key and value is not None
    }


def _attribute(value: Any) -> Any:
    """`value` in a type that every exporter takes: text, number, bool, or a list of one type."""
    kind = type(value)
    if kind is int:
        return value if _fits(value) else hex(value)
    if kind is list:
        kinds = set(map(type, value))
        if len(kinds) <= 1 and kinds <= {str, bool, int, float} and all(map(_fits, value)):
            return value
    return json.dumps(value, ensure_ascii=False) if kind is list or kind is dict else value


def _fits(value: Any) -> bool:
    """Whether it is no number beyond the signed 64 bits of OTLP; JSON has 64 without a sign."""
    return type(value) is not int or value < 1 << 63
