"""Spans as OTLP's messages in protocol buffers; for `opentracing_recorder.otlp`.

Source: opentelemetry-proto 1.9, trace.proto, common.proto, resource.proto. A key is a field's
number, shifted by three bits, and its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from struct import Struct
from typing import Any

from opentracing import logs, tags
from opentracing.interrupts import reraise_interrupt

from ._clock import nanoseconds
from ._json_safe import json_safe
from ._opentelemetry_conventions import NAMES, NAMES_OF_SERVER
from ._opentelemetry_fields import (
    CONSUMER,
    INTERNAL,
    KINDS,
    RANDOM_TRACE_ID,
    SAMPLED,
    SCOPE,
    SERVER,
    LinkFields,
    event_fields,
    fields_of,
    is_parent_remote,
    link_from_api,
    links_of,
    nanoseconds_within_limits,
    to_attributes,
    trace_state_of,
)
from ._otlp_attributes import LONGEST_KEPT, MOST_KEPT, Attributes, of_others, text_field, utf8
from ._otlp_messages import (
    END,
    FLAGS,
    FLAGS_KEY,
    KIND,
    START,
    TIME,
    TIMES,
    count_field,
    event_message,
    link_message,
    of_event,
    of_span,
    scope_message,
    span_message,
    status_field,
)
from ._otlp_numbers import MAX_64_BITS, otlp_flags
from ._protobuf import bytes_field, varint
from .span import BasicSpan, LogData

CONTENT_TYPE = "application/x-protobuf"

Encoded = tuple[Any, bytes]
"""The scope of a span, and the field `spans` of a ScopeSpans."""

_IDS = Struct(">HQQHQ").pack  # trace_id, span_id
_IDS_WITH_PARENT = Struct(">HQQHQHQ").pack
_TRACE_ID, _SPAN_ID, _PARENT_ID = 0x0A10, 0x1208, 0x2208  # keys, and lengths in bytes


def span_encoder(semantic_names: bool) -> Callable[[BasicSpan], Encoded]:
    """A function that encodes a span, for `to_request`."""
    return partial(_encode, semantic_names)


def to_request(resource_attributes: Mapping[str, Any], encoded: Sequence[Encoded]) -> bytes:
    """An ExportTraceServiceRequest with encoded spans."""
    return request_of(resource_field(resource_attributes), encoded)


def resource_field(resource_attributes: Mapping[str, Any]) -> bytes:
    """The first field of a ResourceSpans, for `request_of`."""
    return bytes_field(0x0A, of_others.of(resource_attributes))


def request_of(resource: bytes, encoded: Sequence[Encoded]) -> bytes:
    """The same as `to_request`, for many requests of one resource."""
    by_scope: dict[int, list[Any]] = {}
    for scope, span in encoded:
        by_scope.setdefault(id(scope), [scope]).append(span)
    parts: list[bytes] = [resource]
    size = len(resource)
    for scope, *spans in by_scope.values():
        head = _OWN_SCOPE if scope is SCOPE else bytes_field(0x0A, scope_message(scope))
        tail = bytes_field(0x1A, utf8(scope.schema_url)) if scope.schema_url else b""
        length = len(head) + sum(map(len, spans)) + len(tail)
        start = b"\x12" + varint(length)
        size += len(start) + length
        parts += [start, head, *spans, tail]
    # Joined once: each copy of a long request costs its memory.
    return b"".join([b"\x0a", varint(size), *parts])


_OWN_SCOPE = bytes_field(0x0A, scope_message(SCOPE))


def _encode(semantic_names: bool, span: BasicSpan) -> Encoded:
    details = getattr(span, "opentelemetry", None)
    try:
        if details is None:
            scope, usual = SCOPE, _usual(semantic_names, span)
        else:
            scope, usual = details.scope, _usual_from_api(span, details)
        if usual is not None:
            return scope, _start_of_span(len(usual)) + usual
    except Exception:  # text without UTF-8, numbers that are too long
        reraise_interrupt()
    fields = fields_of(span, semantic_names)
    return fields.scope, bytes_field(0x12, span_message(fields))


_of_tags = Attributes(0x4A, is_plain=True)
_of_client = Attributes(0x4A, NAMES, is_plain=True)
_of_server = Attributes(0x4A, NAMES_OF_SERVER, is_plain=True)


# Nearly all spans: the bytes of `span_message(fields_of(span))` without the objects in between.
# Returning None, or raising, leaves a span to that.

_CALLED = frozenset({SERVER, CONSUMER})
_PLAIN = frozenset({str, int, bool, float})

# An error is a status. Beside the others, or in place of them, renaming is more than another name.
_UNUSUAL = frozenset(
    {
        *NAMES.values(),
        *NAMES_OF_SERVER.values(),
        *(tags.DATABASE_TYPE, tags.PEER_HOST_IPV4, tags.PEER_HOST_IPV6),
        *(tags.ERROR, ""),
    }
)

_OF_ERROR = frozenset({logs.ERROR_OBJECT, logs.ERROR_KIND, ""})

_NO_STATUS = b"\x7a\x00"

_LOCAL_PARENT, _REMOTE_PARENT = (
    [FLAGS(FLAGS_KEY, otlp_flags(flags, is_remote)) for flags in range(4)]
    for is_remote in (False, True)
)


@lru_cache(maxsize=MOST_KEPT)
def _start_of_span(size: int) -> bytes:
    return b"\x12" + varint(size)


@lru_cache(maxsize=MOST_KEPT)
def _name_field(name: str) -> bytes:
    return text_field(0x2A, name)


def _usual(semantic_names: bool, span: BasicSpan) -> bytes | None:
    # Copied in one step: the owner may still change them.
    own = span.tags.copy()
    if not _UNUSUAL.isdisjoint(own):
        return None
    kind = INTERNAL
    if tags.SPAN_KIND in own:
        name = own.pop(tags.SPAN_KIND)
        if type(name) is not str:  # hashing it may take for ever
            return None
        kind = KINDS[name]  # a KeyError for another one
    attributes = _of_tags
    if semantic_names:
        attributes = _of_server if kind == SERVER else _of_client
    parts: list[bytes] = []
    try:
        attributes.write(own, parts)
    except Exception:  # as in `of`, and other values
        reraise_interrupt()
        if {*map(type, own)} != {str}:
            return None
        parts.clear()
        attributes.write(to_attributes(json_safe(own)), parts)
    flag_fields = _LOCAL_PARENT
    links: Any = ()
    if span.references:
        links = links_of(span)
        if span.parent_id and is_parent_remote(span, kind):
            flag_fields = _REMOTE_PARENT
    elif span.parent_id and kind in _CALLED:
        flag_fields = _REMOTE_PARENT
    return _usual_span(span, parts, kind, _NO_STATUS, 0, flag_fields, links)


def _usual_from_api(span: BasicSpan, details: Any) -> bytes | None:
    own = span.tags.copy()
    if tags.ERROR in own and details.is_failed_by_tag(own):
        return None
    for key in details.own:
        own.pop(key, None)
    parts: list[bytes] = []
    try:
        _of_tags.write(own, parts)
    except Exception:  # as in `of`, and other values, which OpenTracing's API may have set
        reraise_interrupt()
        parts = [of_span.of(details.attributes(own))]
    flags = RANDOM_TRACE_ID if details.is_random else 0
    flag_fields = _REMOTE_PARENT if details.is_parent_remote else _LOCAL_PARENT
    links = [link_from_api(link) for link in details.links] if details.links else ()
    status = details.status
    usual = _usual_span(
        span,
        parts,
        details.kind.value,
        _NO_STATUS
        if status is None
        else status_field(status.status_code.value, status.description),
        flags,
        flag_fields,
        links,
        details.start_time,
        details.end_time,
    )
    return usual and usual + count_field(0x70, details.dropped_links)


def _usual_span(
    span: BasicSpan,
    parts: list[bytes],
    kind: int,
    status: bytes,
    flags: int,
    flag_fields: Sequence[bytes],
    links: Sequence[LinkFields],
    start_time: int | None = None,
    end_time: int | None = None,
) -> bytes | None:
    trace_id: Any = span._trace_id
    span_id: Any = span._span_id
    start = span.start_time
    duration = span.duration
    name = span.operation_name
    if type(name) is not str:  # a recorder has changed it
        return None
    if not trace_id or not span_id or not 0.0 <= start < 9e9 or not 0.0 <= duration < 9e9:
        return None
    parent_id = span.parent_id
    if not parent_id:
        ids = _IDS(_TRACE_ID, trace_id >> 64, trace_id & MAX_64_BITS, _SPAN_ID, span_id)
    else:
        ids = _IDS_WITH_PARENT(
            _TRACE_ID,
            trace_id >> 64,
            trace_id & MAX_64_BITS,
            _SPAN_ID,
            span_id,
            _PARENT_ID,
            parent_id,
        )
    if start_time is None:
        # `nanoseconds` unrolled.
        whole = start.__trunc__()
        start_time = whole * 1_000_000_000 + ((start - whole) * 1e9 + 0.5).__trunc__()
    if end_time is None:
        end_time = start_time + (
            (duration * 1e9 + 0.5).__trunc__() if duration < 1.0 else nanoseconds(duration)
        )
    context = span._own_context
    if span._sampled if context is None else context.sampled:
        flags += SAMPLED
    parts += (
        ids,
        _name_field(name) if len(name) <= LONGEST_KEPT else text_field(0x2A, name),
        KIND[kind],
        TIMES(START, start_time, END, end_time),
        status,
        flag_fields[flags],
    )
    if span._logs:
        for log in span._logs.copy():
            parts.append(bytes_field(0x5A, _usual_event(log)))
    for link in links:
        parts.append(bytes_field(0x6A, link_message(link)))
    if context is not None and context.extra:
        parts.append(text_field(0x1A, trace_state_of(context)))
    if span.dropped_tags:
        parts.append(count_field(0x50, span.dropped_tags))
    if span.dropped_logs:  # also where a recorder has taken the others away
        parts.append(count_field(0x60, span.dropped_logs))
    return b"".join(parts)


def _usual_event(log: LogData) -> bytes:
    fields = log.key_values.copy()
    name = fields.pop(logs.EVENT, "log")
    if (
        type(name) is not str
        or name == "error"
        or hasattr(log, "time_ns")
        or not _OF_ERROR.isdisjoint(fields)
        or not _PLAIN.issuperset(map(type, fields.values()))
    ):
        return event_message(event_fields(log))
    parts = [
        TIME(b"\x09", nanoseconds_within_limits(log.timestamp)),
        bytes_field(0x12, name.encode()),
    ]
    of_event.write(fields, parts)
    return b"".join(parts)
