"""Spans as OTLP's messages in protocol buffers; for `opentracing_recorder.otlp`.

Source: opentelemetry-proto 1.9, trace.proto, common.proto, resource.proto. A key is a field's
number, shifted by three bits, and its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from struct import Struct
from types import MappingProxyType
from typing import Any

from opentracing import logs, tags
from opentracing.interrupts import reraise_interrupt

from ._clock import nanoseconds
from ._json_safe import json_safe, text_of
from ._opentelemetry_conventions import NAMES, NAMES_OF_SERVER, NUMBERS
from ._opentelemetry_fields import (
    CONSUMER,
    INTERNAL,
    KINDS,
    RANDOM_TRACE_ID,
    SAMPLED,
    SCOPE,
    SERVER,
    EventFields,
    LinkFields,
    SpanFields,
    event_fields,
    fields_of,
    is_parent_remote,
    link_from_api,
    links_of,
    nanoseconds_within_limits,
    to_attributes,
    trace_state_of,
)
from ._otlp_numbers import MAX_64_BITS, fits, otlp_flags, within
from ._protobuf import bytes_field, varint
from .span import BasicSpan, LogData

CONTENT_TYPE = "application/x-protobuf"

Encoded = tuple[Any, bytes]
"""The scope of a span, and the field `spans` of a ScopeSpans."""

_IDS = Struct(">HQQHQ").pack  # trace_id, span_id
_IDS_WITH_PARENT = Struct(">HQQHQHQ").pack
_TRACE_ID, _SPAN_ID, _PARENT_ID = 0x0A10, 0x1208, 0x2208  # keys, and lengths in bytes
_TIMES = Struct("<cQcQ").pack
_START, _END = b"\x39", b"\x41"
_FLAGS = Struct("<HI").pack
_FLAGS_KEY = 0x0185  # the key 133 as a varint, read as a little-endian number
_KIND = tuple(b"\x30%c" % (kind + 1) for kind in range(5))
_DOUBLE = Struct("<d").pack
_TIME = Struct("<cQ").pack


def span_encoder(semantic_names: bool) -> Callable[[BasicSpan], Encoded]:
    """A function that encodes a span, for `to_request`."""
    return partial(_encode, semantic_names)


def to_request(resource_attributes: Mapping[str, Any], encoded: Sequence[Encoded]) -> bytes:
    """An ExportTraceServiceRequest with encoded spans."""
    resource = bytes_field(0x0A, _of_others.of(resource_attributes))
    by_scope: dict[int, list[Any]] = {}
    for scope, span in encoded:
        by_scope.setdefault(id(scope), [scope]).append(span)
    parts: list[bytes] = [resource]
    size = len(resource)
    for scope, *spans in by_scope.values():
        head = bytes_field(0x0A, _scope(scope))
        tail = bytes_field(0x1A, _utf8(scope.schema_url)) if scope.schema_url else b""
        length = len(head) + sum(map(len, spans)) + len(tail)
        start = b"\x12" + varint(length)
        size += len(start) + length
        parts += [start, head, *spans, tail]
    # Joined once: each copy of a long request costs its memory.
    return b"".join([b"\x0a", varint(size), *parts])


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
    return fields.scope, bytes_field(0x12, _span(fields))


def _span(span: SpanFields) -> bytes:
    parent = b"" if span.parent_id is None else bytes_field(0x22, _span_id(span.parent_id))
    return b"".join(
        [
            bytes_field(0x0A, _trace_id(span.trace_id)),
            bytes_field(0x12, _span_id(span.span_id)),
            _text_field(0x1A, span.trace_state),
            parent,
            _text_field(0x2A, span.name),
            _KIND[span.kind],
            _TIMES(_START, within(span.start_time), _END, within(span.end_time)),
            _of_span.of(span.attributes),
            _count(0x50, span.dropped_attributes),
            *(bytes_field(0x5A, _event(event)) for event in span.events),
            _count(0x60, span.dropped_events),
            *(bytes_field(0x6A, _link(link)) for link in span.links),
            _count(0x70, span.dropped_links),
            _status(span.status, span.status_message),
            _FLAGS(_FLAGS_KEY, otlp_flags(span.flags, span.is_parent_remote)),
        ]
    )


def _event(event: EventFields) -> bytes:
    return b"".join(
        [
            _TIME(b"\x09", within(event.time)),
            _text_field(0x12, event.name),
            _of_event.of(event.attributes),
            _count(0x20, event.dropped_attributes),
        ]
    )


def _link(link: LinkFields) -> bytes:
    return b"".join(
        [
            bytes_field(0x0A, _trace_id(link.trace_id)),
            bytes_field(0x12, _span_id(link.span_id)),
            _text_field(0x1A, link.trace_state),
            _of_link.of(link.attributes),
            _count(0x28, link.dropped_attributes),
            Struct("<cI").pack(b"\x35", otlp_flags(link.flags, link.is_remote)),
        ]
    )


def _scope(scope: Any) -> bytes:
    return b"".join(
        [
            _text_field(0x0A, scope.name),
            _text_field(0x12, scope.version),
            _of_event.of(scope.attributes or {}),
        ]
    )


def _status(code: int, message: str | None) -> bytes:
    return bytes_field(0x7A, _text_field(0x12, message) + _count(0x18, code))


def _trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _utf8(text: Any) -> bytes:
    return text_of(text).encode()


def _text_field(key: int, text: Any) -> bytes:
    return bytes_field(key, _utf8(text)) if text else b""


def _count(key: int, number: int) -> bytes:
    return b"%c%b" % (key, varint(number)) if number else b""


class _Heads(dict[int, bytes]):
    """All of an attribute that stands before its value, by the value's size in bytes."""

    def __init__(self, field: int, name: str, type_of_value: int) -> None:
        super().__init__()
        self._field = field
        self._key = bytes_field(0x0A, name.encode())
        self._type = type_of_value

    def __missing__(self, size: int) -> bytes:
        value = bytes((self._type,))
        if self._type == _STRING:
            value += varint(size)
        start = self._key + b"\x12" + varint(len(value) + size) + value
        head = bytes((self._field,)) + varint(len(start) + size) + start
        if size < 0x80:
            self[size] = head
        return head


class _Texts(dict[str, bytes]):
    """All of an attribute with a text, by the text. Few short texts are kept, as most are few."""

    def __init__(self, heads: _Heads) -> None:
        super().__init__()
        self._heads = heads

    def __missing__(self, text: str) -> bytes:
        content = text.encode()
        field = self._heads[len(content)] + content
        if len(self) < _MOST_TEXTS_KEPT and len(content) <= _LONGEST_KEPT:
            self[text] = field
        return field


class _ByName(dict[str, Any]):
    """The `_Heads`, or for text the `_Texts`, of names used lately, whose number is bounded."""

    def __init__(self, field: int, type_of_value: int, names: Mapping[str, str]) -> None:
        super().__init__()
        self._field = field
        self._type = type_of_value
        self._names = names

    def __missing__(self, name: str) -> Any:
        if type(name) is not str:  # another one may be equal to it
            raise TypeError("a name of a class of its own")
        made: Any = _Heads(self._field, self._names.get(name, name), self._type)
        if self._type == _STRING:
            if self._names and name in NUMBERS:
                raise ValueError("text that becomes a number")
            made = _Texts(made)
        if len(name) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[name] = made
        return made


class _Attributes:
    """Writes attributes as fields of one key, each a KeyValue, under other `names` if there are."""

    def __init__(
        self, field: int, names: Mapping[str, str] = MappingProxyType({}), is_plain: bool = False
    ) -> None:
        self._field = field
        self._is_plain = is_plain
        self._of_text = _ByName(field, _STRING, names)
        self._of_int = _ByName(field, _INT, names)
        self._of_bool = _ByName(field, _BOOL, names)
        self._of_float = _ByName(field, _FLOAT, names)

    def write(self, attributes: Mapping[str, Any], parts: list[bytes]) -> None:
        """Append to `parts`.

        May raise for a value of which `of` takes care; if `is_plain`, for every one that is no
        text, truth value or number.
        """
        append = parts.append
        of_text = self._of_text
        for key in attributes:  # not of `items`: making the pairs costs more
            value = attributes[key]
            kind = type(value)
            if kind is str:
                append(of_text[key][value])
            elif kind is int:
                content = _INTS[value] if 0 <= value < 1024 else _int(value)
                append(self._of_int[key][len(content)])
                append(content)
            elif kind is bool:
                append(self._of_bool[key][1])
                append(_INTS[value])
            elif kind is float:
                if value - value:  # true for what is no number, and for an infinite one
                    raise ValueError("a float without a finite value")
                append(self._of_float[key][8])
                append(_DOUBLE(value))
            elif self._is_plain:
                raise TypeError("not plain")
            else:
                append(bytes_field(self._field, _key_value(key, value)))

    def of(self, attributes: Mapping[str, Any]) -> bytes:
        """The fields of all attributes. Raises nothing for values of OpenTelemetry's types."""
        parts: list[bytes] = []
        try:
            self.write(attributes, parts)
        except Exception:  # text without UTF-8, a long integer, a name that is no text
            reraise_interrupt()
            parts = [bytes_field(self._field, _key_value(*item)) for item in attributes.items()]
        return b"".join(parts)


def _key_value(key: Any, value: Any) -> bytes:
    return bytes_field(0x0A, _utf8(key)) + bytes_field(0x12, _any_value(value))


def _any_value(value: Any) -> bytes:
    """An AnyValue; one without a field for None."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"%c%c" % (_BOOL, value)
    if isinstance(value, str):
        return bytes_field(_STRING, _utf8(value))
    if isinstance(value, int):
        if fits(value):
            return b"%c%b" % (_INT, _int(value))
        return bytes_field(_STRING, hex(value).encode())
    if isinstance(value, float):
        return b"%c%b" % (_FLOAT, _DOUBLE(value))
    if isinstance(value, bytes):
        return bytes_field(0x3A, value)
    if isinstance(value, Sequence):
        return bytes_field(0x2A, b"".join(bytes_field(0x0A, _any_value(each)) for each in value))
    if isinstance(value, Mapping):
        return bytes_field(0x32, _of_others.of(value))
    return bytes_field(_STRING, _utf8(value))


def _int(value: int) -> bytes:
    if not fits(value):
        raise ValueError("an integer of more than 64 bits")
    return varint(value & MAX_64_BITS)


_STRING, _BOOL, _INT, _FLOAT = 0x0A, 0x10, 0x18, 0x21  # keys of an AnyValue

_LONGEST_KEPT, _MOST_KEPT, _MOST_TEXTS_KEPT = 100, 512, 16  # characters, names, texts of a name

_INTS = tuple(map(varint, range(1024)))

_of_span = _Attributes(0x4A)
_of_event = _Attributes(0x1A)  # and of a scope
_of_link = _Attributes(0x22)
_of_others = _Attributes(0x0A)
_of_tags = _Attributes(0x4A, is_plain=True)
_of_client = _Attributes(0x4A, NAMES, is_plain=True)
_of_server = _Attributes(0x4A, NAMES_OF_SERVER, is_plain=True)


# Nearly all spans: the bytes of `_span(fields_of(span))` without the objects in between. Returning
# None, or raising, leaves a span to that.

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
    [_FLAGS(_FLAGS_KEY, otlp_flags(flags, is_remote)) for flags in range(4)]
    for is_remote in (False, True)
)


@lru_cache(maxsize=_MOST_KEPT)
def _start_of_span(size: int) -> bytes:
    return b"\x12" + varint(size)


@lru_cache(maxsize=_MOST_KEPT)
def _name_field(name: str) -> bytes:
    return _text_field(0x2A, name)


def _usual(semantic_names: bool, span: BasicSpan) -> bytes | None:
    # Copied in one step: the owner may still change them.
    own = span.tags.copy()
    if not _UNUSUAL.isdisjoint(own):
        return None
    kind = INTERNAL
    if tags.SPAN_KIND in own:
        kind = KINDS[own.pop(tags.SPAN_KIND)]  # a KeyError for another one
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
        parts = [_of_span.of(details.attributes(own))]
    flags = RANDOM_TRACE_ID if details.is_random else 0
    flag_fields = _REMOTE_PARENT if details.is_parent_remote else _LOCAL_PARENT
    links = [link_from_api(link) for link in details.links] if details.links else ()
    status = details.status
    usual = _usual_span(
        span,
        parts,
        details.kind.value,
        _NO_STATUS if status is None else _status(status.status_code.value, status.description),
        flags,
        flag_fields,
        links,
        details.start_time,
        details.end_time,
    )
    return usual and usual + _count(0x70, details.dropped_links)


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
    name = span.operation_name
    parts += (
        ids,
        _name_field(name) if len(name) <= _LONGEST_KEPT else _text_field(0x2A, name),
        _KIND[kind],
        _TIMES(_START, start_time, _END, end_time),
        status,
        flag_fields[flags],
    )
    if span._logs:
        for log in span._logs.copy():
            parts.append(bytes_field(0x5A, _usual_event(log)))
        parts.append(_count(0x60, span.dropped_logs))
    for link in links:
        parts.append(bytes_field(0x6A, _link(link)))
    if context is not None and context.extra:
        parts.append(_text_field(0x1A, trace_state_of(context)))
    if span.dropped_tags:
        parts.append(_count(0x50, span.dropped_tags))
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
        return _event(event_fields(log))
    parts = [
        _TIME(b"\x09", nanoseconds_within_limits(log.timestamp)),
        bytes_field(0x12, name.encode()),
    ]
    _of_event.write(fields, parts)
    return b"".join(parts)
