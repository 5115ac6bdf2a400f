"""Converts a BasicSpan to the ReadableSpan that OpenTelemetry's exporters take."""

from __future__ import annotations

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

from ._opentelemetry_fields import SCOPE, EventFields, LinkFields, SpanFields, fields_of
from .span import BasicSpan

_SCOPE = InstrumentationScope(SCOPE.name, SCOPE.version)


def to_readable_span(span: BasicSpan, resource: Resource, semantic_names: bool) -> ReadableSpan:
    """Convert `span` for exporters. Raises ValueError if no trace can have its ids."""
    fields = fields_of(span, semantic_names)
    trace_id, flags = fields.trace_id, TraceFlags(fields.flags)
    trace_state = _trace_state(fields.trace_state)
    parent = None
    if fields.parent_id is not None:
        parent = SpanContext(
            trace_id, fields.parent_id, fields.is_parent_remote, flags, trace_state
        )
    return _FinishedSpan(
        fields,
        name=fields.name,
        context=SpanContext(trace_id, fields.span_id, False, flags, trace_state),
        parent=parent,
        resource=resource,
        attributes=fields.attributes,
        events=[_Event(event) for event in fields.events],
        links=[_Link(link) for link in fields.links],
        kind=SpanKind(fields.kind),
        status=Status(StatusCode(fields.status), fields.status_message),
        start_time=fields.start_time,
        end_time=fields.end_time,
        instrumentation_scope=_scope(fields.scope),
    )


def _trace_state(text: str) -> TraceState | None:
    return TraceState.from_header([text]) if text else None


def _scope(scope: Any) -> InstrumentationScope:
    if scope is SCOPE:
        return _SCOPE
    if not hasattr(InstrumentationScope, "attributes"):  # before 1.30
        return InstrumentationScope(scope.name, scope.version, scope.schema_url)
    return InstrumentationScope(scope.name, scope.version, scope.schema_url, scope.attributes)


# The SDK's classes count what they leave out themselves; these know what was left out before.


class _FinishedSpan(ReadableSpan):
    def __init__(self, span: SpanFields, **fields: Any) -> None:
        super().__init__(**fields)
        self._dropped = span

    @property
    def dropped_attributes(self) -> int:
        return self._dropped.dropped_attributes

    @property
    def dropped_events(self) -> int:
        return self._dropped.dropped_events

    @property
    def dropped_links(self) -> int:
        return self._dropped.dropped_links


class _Event(Event):
    def __init__(self, event: EventFields) -> None:
        super().__init__(event.name, event.attributes, event.time)
        self._dropped = event.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


class _Link(Link):
    def __init__(self, link: LinkFields) -> None:
        context = SpanContext(
            link.trace_id,
            link.span_id,
            link.is_remote,
            TraceFlags(link.flags),
            _trace_state(link.trace_state),
        )
        super().__init__(context, link.attributes)
        self._dropped = link.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        return self._dropped
