"""The messages of OTLP's protocol buffers, from the fields of a span.

Source: opentelemetry-proto 1.9, trace.proto, common.proto. A key is a field's number, shifted by
three bits, and its type.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from ._opentelemetry_fields import EventFields, LinkFields, SpanFields
from ._otlp_attributes import Attributes, text_field
from ._otlp_numbers import otlp_flags, within
from ._protobuf import bytes_field, varint

TIMES = Struct("<cQcQ").pack
START, END = b"\x39", b"\x41"
TIME = Struct("<cQ").pack
FLAGS = Struct("<HI").pack
FLAGS_KEY = 0x0185  # the key 133 as a varint, read as a little-endian number
_LINK_FLAGS = Struct("<cI").pack
KIND = tuple(b"\x30%c" % (kind + 1) for kind in range(5))

of_span = Attributes(0x4A)
of_event = Attributes(0x1A)  # and of a scope
_of_link = Attributes(0x22)


def span_message(span: SpanFields) -> bytes:
    parent = b"" if span.parent_id is None else bytes_field(0x22, _span_id(span.parent_id))
    return b"".join(
        [
            bytes_field(0x0A, _trace_id(span.trace_id)),
            bytes_field(0x12, _span_id(span.span_id)),
            text_field(0x1A, span.trace_state),
            parent,
            text_field(0x2A, span.name),
            KIND[span.kind],
            TIMES(START, within(span.start_time), END, within(span.end_time)),
            of_span.of(span.attributes),
            count_field(0x50, span.dropped_attributes),
            *(bytes_field(0x5A, event_message(event)) for event in span.events),
            count_field(0x60, span.dropped_events),
            *(bytes_field(0x6A, link_message(link)) for link in span.links),
            count_field(0x70, span.dropped_links),
            status_field(span.status, span.status_message),
            FLAGS(FLAGS_KEY, otlp_flags(span.flags, span.is_parent_remote)),
        ]
    )


def event_message(event: EventFields) -> bytes:
    return b"".join(
        [
            TIME(b"\x09", within(event.time)),
            text_field(0x12, event.name),
            of_event.of(event.attributes),
            count_field(0x20, event.dropped_attributes),
        ]
    )


def link_message(link: LinkFields) -> bytes:
    return b"".join(
        [
            bytes_field(0x0A, _trace_id(link.trace_id)),
            bytes_field(0x12, _span_id(link.span_id)),
            text_field(0x1A, link.trace_state),
            _of_link.of(link.attributes),
            count_field(0x28, link.dropped_attributes),
            _LINK_FLAGS(b"\x35", otlp_flags(link.flags, link.is_remote)),
        ]
    )


def scope_message(scope: Any) -> bytes:
    return b"".join(
        [
            text_field(0x0A, scope.name),
            text_field(0x12, scope.version),
            of_event.of(scope.attributes or {}),
        ]
    )


def status_field(code: int, message: str | None) -> bytes:
    return bytes_field(0x7A, text_field(0x12, message) + count_field(0x18, code))


def _trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def count_field(key: int, number: int) -> bytes:
    return b"%c%b" % (key, varint(number)) if number else b""
