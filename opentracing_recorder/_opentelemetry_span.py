"""Converts a BasicSpan to the ReadableSpan that OpenTelemetry's exporters take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from opentracing import ReferenceType, logs, tags

from ._clock import nanoseconds
from ._json_safe import json_safe, text_of
from ._opentelemetry_conventions import with_opentelemetry_names
from .context import BasicSpanContext
from .span import BasicSpan, LogData, is_failed

VERSION = version("opentracing")

_SCOPE = InstrumentationScope("opentracing", VERSION)

_KINDS = {
    tags.SPAN_KIND_RPC_CLIENT: SpanKind.CLIENT,
    tags.SPAN_KIND_RPC_SERVER: SpanKind.SERVER,
    tags.SPAN_KIND_PRODUCER: SpanKind.PRODUCER,
    tags.SPAN_KIND_CONSUMER: SpanKind.CONSUMER,
}

_LATEST = 9e9  # seconds since the epoch, in the year 2255: 64 bits hold it in nanoseconds


def to_readable_span(span: BasicSpan, resource: Resource, semantic_names: bool) -> ReadableSpan:
    """Convert `span` for exporters. Raises ValueError if no trace can have its ids."""
    context = span.context
    if not context.has_trace:
        raise ValueError(f"a span of no trace: {context}")
    details = getattr(span, "opentelemetry", None)
    if details is not None:
        return _from_api(span, details, resource)
    # As `to_dict` has them; copied first, in one atomic step: the owner may still change them.
    span_tags = json_safe(span.tags.copy())
    kind = _KINDS.get(text_of(span_tags.get(tags.SPAN_KIND, "")).lower(), SpanKind.INTERNAL)
    events = [_event(log) for log in list(span._logs or ())]
    failure = _last_failure(events)
    status = _status(span_tags, failure)
    attributes = with_opentelemetry_names(span_tags) if semantic_names else span_tags
    attributes.pop(tags.ERROR, None)  # the status has it
    if kind is not SpanKind.INTERNAL:
        attributes.pop(tags.SPAN_KIND)
    if semantic_names and status.status_code is StatusCode.ERROR and _EXCEPTION_TYPE in failure:
        attributes.setdefault("error.type", failure[_EXCEPTION_TYPE])
    start = _nanoseconds(span.start_time)
    return _FinishedSpan(
        span,
        name=text_of(span.operation_name),
        context=_span_context(context, context.is_remote),
        parent=_parent(span, kind),
        resource=resource,
        attributes=to_attributes(attributes),
        events=events,
        links=_links(span),
        kind=kind,
        status=status,
        start_time=start,
        end_time=start + _nanoseconds(span.duration),
        instrumentation_scope=_SCOPE,
    )


def _from_api(span: BasicSpan, details: Any, resource: Resource) -> ReadableSpan:
    """A span that OpenTelemetry's API started: nothing is renamed."""
    context = span.context
    scope = details.scope
    kind, state = details.kind, context.extra.get("tracestate")
    flags = TraceFlags(
        (TraceFlags.SAMPLED if context.sampled else 0)
        | (_RANDOM_TRACE_ID if details.is_random else 0)
    )
    trace_state = TraceState.from_header([text_of(state)]) if state else None
    parent = None
    if span.parent_id is not None:
        parent = SpanContext(
            context.trace_id,  # type: ignore[arg-type]
            span.parent_id,
            details.is_parent_remote,
            flags,
            trace_state,
        )
    start = details.start_time
    start = _nanoseconds(span.start_time) if start is None else start
    end = details.end_time
    return _FinishedSpan(
        span,
        name=text_of(span.operation_name),
        context=SpanContext(
            context.trace_id,  # type: ignore[arg-type]
            context.span_id,  # type: ignore[arg-type]
            False,
            flags,
            trace_state,
        ),
        parent=parent,
        resource=resource,
        attributes=details.attributes(span.tags.copy()),
        events=[_event(log) for log in list(span._logs or ())],
        links=details.links,
        kind=kind,
        status=details.status or Status(),
        start_time=start,
        end_time=start + _nanoseconds(span.duration) if end is None else end,
        instrumentation_scope=_scope(scope),
    )


def _scope(scope: Any) -> InstrumentationScope:
    if not hasattr(InstrumentationScope, "attributes"):  # before 1.30
        return InstrumentationScope(scope.name, scope.version, scope.schema_url)
    return InstrumentationScope(scope.name, scope.version, scope.schema_url, scope.attributes)


class _ApiEvent(Event):
    """An event of OpenTelemetry's API, with the number of attributes that it has left out."""

    def __init__(self, log: Any) -> None:
        super().__init__(log.name, log.attributes, log.time_ns)
        self._dropped: int = log.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


_RANDOM_TRACE_ID = 2  # TraceFlags of older versions have no name for it


class _FinishedSpan(ReadableSpan):
    """A ReadableSpan with the numbers of tags and logs that its BasicSpan has left out."""

    def __init__(self, span: BasicSpan, **fields: Any) -> None:
        super().__init__(**fields)
        self._dropped_tags = span.dropped_tags
        self._dropped_logs = span.dropped_logs
        self._dropped_links = getattr(getattr(span, "opentelemetry", None), "dropped_links", 0)

    @property
    def dropped_attributes(self) -> int:
        return self._dropped_tags

    @property
    def dropped_events(self) -> int:
        return self._dropped_logs

    @property
    def dropped_links(self) -> int:
        return self._dropped_links


def _nanoseconds(seconds: float) -> int:
    """Seconds as nanoseconds, at the nearest number that OTLP can hold."""
    return nanoseconds(max(0.0, min(seconds, _LATEST)))


def _span_context(context: BasicSpanContext, is_remote: bool) -> SpanContext:
    assert context.trace_id is not None
    assert context.span_id is not None
    state = context.extra.get("tracestate")
    return SpanContext(
        context.trace_id,
        context.span_id,
        is_remote,
        TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
        TraceState.from_header([state]) if state else None,
    )


def _parent(span: BasicSpan, kind: SpanKind) -> SpanContext | None:
    if span.parent_id is None:
        return None
    context = span.context
    # A span keeps no more of its parent than the id. A server and a consumer continue what another
    # process sent them.
    is_remote = kind in (SpanKind.SERVER, SpanKind.CONSUMER) or any(
        isinstance(each, BasicSpanContext) and each.span_id == span.parent_id and each.is_remote
        for _, each in span.references
    )
    parent = BasicSpanContext(
        context.trace_id, span.parent_id, sampled=context.sampled, extra=context.extra
    )
    return _span_context(parent, is_remote) if parent.has_trace else None


def _links(span: BasicSpan) -> list[Link]:
    """The references, except the one that `parent` expresses: that the span is its child."""
    links = []
    said_by_parent = (ReferenceType.CHILD_OF, span.context.trace_id, span.parent_id)
    for kind, context in span.references:
        if not isinstance(context, BasicSpanContext) or not context.has_trace:
            continue
        if (kind, context.trace_id, context.span_id) != said_by_parent:
            attributes = {"opentracing.ref_type": text_of(kind)}
            links.append(Link(_span_context(context, context.is_remote), attributes))
    return links


# Tags and logs, in the JSON-safe form of `to_dict`. For errors the source is OpenTelemetry's
# specification, OpenTracing Compatibility.

_EXCEPTION_TYPE = "exception.type"
_EXCEPTION_MESSAGE = "exception.message"
_EXCEPTION_STACKTRACE = "exception.stacktrace"

# The text of an exception: its type, whose own name begins with a capital, and its message.
_EXCEPTION = re.compile(r"<?((?:[^\s:]+\.)?[A-Z]\w*)>?(?:: (.*))?", re.DOTALL)


def _status(span_tags: dict[str, Any], failure: Mapping[str, Any]) -> Status:
    error = span_tags.get(tags.ERROR)
    if error is None:
        return Status(StatusCode.UNSET)
    if not is_failed(span_tags):
        return Status(StatusCode.OK)
    message = failure.get(_EXCEPTION_MESSAGE)
    if message is None:  # some applications put it here
        message = None if text_of(error).lower() in ("true", "1") else text_of(error)
    return Status(StatusCode.ERROR, message)


def _event(log: LogData) -> Event:
    if hasattr(log, "time_ns"):
        return _ApiEvent(log)
    fields = json_safe(log.key_values)
    event = fields.pop(logs.EVENT, None)
    name = None if event is None else text_of(event)
    is_nameless_error = name is None and (logs.ERROR_OBJECT in fields or logs.ERROR_KIND in fields)
    if name == "error" or is_nameless_error:
        name, fields = "exception", _exception(fields)
    return Event(
        name="log" if name is None else name,
        attributes=to_attributes(fields),
        timestamp=_nanoseconds(log.timestamp),
    )


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


def _last_failure(events: Sequence[Event]) -> Mapping[str, Any]:
    """The attributes of the last exception among them."""
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
