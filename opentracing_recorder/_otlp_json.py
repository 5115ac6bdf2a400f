"""Spans as OTLP's messages in JSON; for `opentracing_recorder.otlp`.

Source: the OTLP specification, JSON Protobuf Encoding: ids in hexadecimal digits, integers of 64
bits as text, enumerations as numbers, names in lowerCamelCase.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from ._json_bytes import dumps
from ._json_safe import text_of
from ._opentelemetry_fields import EventFields, LinkFields, SpanFields, fields_of
from ._otlp_numbers import fits, otlp_flags, within
from .span import BasicSpan

CONTENT_TYPE = "application/json"

Encoded = tuple[Any, bytes]
"""The scope of a span, and the span."""


def span_encoder(semantic_names: bool) -> Callable[[BasicSpan], Encoded]:
    """A function that encodes a span, for `to_request`."""

    def encode(span: BasicSpan) -> Encoded:
        return encoded(fields_of(span, semantic_names))

    return encode


def encoded(fields: SpanFields) -> Encoded:
    """A span with these fields, for `to_request`."""
    # Copied: orjson's bytes keep 8 KiB, however short they are.
    return fields.scope, bytes(memoryview(dumps(_span(fields))))


def to_request(resource_attributes: Mapping[str, Any], spans: Sequence[Encoded]) -> bytes:
    """An ExportTraceServiceRequest with encoded spans."""
    by_scope: dict[int, tuple[Any, list[bytes]]] = {}
    for scope, span in spans:
        by_scope.setdefault(id(scope), (scope, []))[1].append(span)
    resource = dumps({"attributes": _attributes(resource_attributes)})
    parts = [b'{"resourceSpans":[{"resource":', resource, b',"scopeSpans":[']
    for scope, of_scope in by_scope.values():
        parts += [b'{"scope":', dumps(_scope(scope)), b',"schemaUrl":']
        parts += [dumps(text_of(scope.schema_url)), b',"spans":[']
        for span in of_scope:
            parts += [span, b","]
        parts[-1] = b"]}"
        parts.append(b",")
    parts[-1] = b"]}]}"
    return b"".join(parts)


def _span(span: SpanFields) -> dict[str, Any]:
    parent_id = span.parent_id
    return {
        "traceId": f"{span.trace_id:032x}",
        "spanId": f"{span.span_id:016x}",
        "traceState": span.trace_state,
        "parentSpanId": "" if parent_id is None else f"{parent_id:016x}",
        "flags": otlp_flags(span.flags, span.is_parent_remote),
        "name": span.name,
        "kind": span.kind + 1,
        "startTimeUnixNano": str(within(span.start_time)),
        "endTimeUnixNano": str(within(span.end_time)),
        "attributes": _attributes(span.attributes),
        "droppedAttributesCount": span.dropped_attributes,
        "events": [_event(event) for event in span.events],
        "droppedEventsCount": span.dropped_events,
        "links": [_link(link) for link in span.links],
        "droppedLinksCount": span.dropped_links,
        "status": {"code": span.status, "message": text_of(span.status_message or "")},
    }


def _event(event: EventFields) -> dict[str, Any]:
    return {
        "timeUnixNano": str(within(event.time)),
        "name": text_of(event.name),
        "attributes": _attributes(event.attributes),
        "droppedAttributesCount": event.dropped_attributes,
    }


def _link(link: LinkFields) -> dict[str, Any]:
    return {
        "traceId": f"{link.trace_id:032x}",
        "spanId": f"{link.span_id:016x}",
        "traceState": link.trace_state,
        "attributes": _attributes(link.attributes),
        "droppedAttributesCount": link.dropped_attributes,
        "flags": otlp_flags(link.flags, link.is_remote),
    }


def _scope(scope: Any) -> dict[str, Any]:
    return {
        "name": text_of(scope.name),
        "version": text_of(scope.version or ""),
        "attributes": _attributes(scope.attributes or {}),
    }


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": text_of(key), "value": _any_value(each)} for key, each in attributes.items()]


def _any_value(value: Any) -> dict[str, Any]:
    """An AnyValue; one without a field for None."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": bool(value)}
    if isinstance(value, str):
        return {"stringValue": text_of(value)}
    if isinstance(value, int):
        return {"intValue": str(int(value))} if fits(value) else {"stringValue": hex(value)}
    if isinstance(value, float):
        return {"doubleValue": float(value) if isfinite(value) else _NOT_FINITE[str(value)]}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_any_value(each) for each in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value)}}
    return {"stringValue": text_of(value)}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
