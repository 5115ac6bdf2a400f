"""Spans in Zipkin's JSON, version 2 of its API; for `opentracing_recorder.zipkin`.

Source: the OpenAPI description of Zipkin's API (openzipkin/zipkin-api, zipkin2-api.yaml). A server
refuses a whole batch for one field out of its range, so values that do not fit are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from opentracing import SpanContext, logs, tags
from opentracing.interrupts import reraise_interrupt
from opentracing.tags import (
    ERROR,
    PEER_HOST_IPV4,
    PEER_HOST_IPV6,
    PEER_PORT,
    PEER_SERVICE,
    SPAN_KIND,
)

from ._hex_ids import id_text
from ._json_bytes import dumps
from ._json_safe import Parts, json_safe, text_of
from .context import BasicSpanContext
from .span import BasicSpan, LogData, is_failed

MAX_ANNOTATION = 4096
"""The most characters of a log's text that are sent."""

MAX_MESSAGE = 1024
"""The most characters of an error's message that are sent."""

REFERENCES_TAG = "references"
"""The tag that lists a span's references beyond its parent: Zipkin has no place of its own."""

_KINDS = {
    tags.SPAN_KIND_RPC_CLIENT: "CLIENT",
    tags.SPAN_KIND_RPC_SERVER: "SERVER",
    tags.SPAN_KIND_PRODUCER: "PRODUCER",
    tags.SPAN_KIND_CONSUMER: "CONSUMER",
}

_PEER = frozenset({PEER_SERVICE, PEER_HOST_IPV4, PEER_HOST_IPV6, PEER_PORT})

_SPECIAL = _PEER | {SPAN_KIND, ERROR}

_PLAIN = frozenset({str, int, bool})  # types of which JSON takes every value, or refuses it

_NUMBERS = {number: str(number) for number in range(600)}  # status codes, and small counts

_LONGEST_ADDRESS = 100  # with a zone; longer texts are none, and would be kept in a cache

_LIMIT = 1 << 63  # of a signed 64-bit integer, which the server has for microseconds
_MAX_SECONDS = 9.2e12  # in microseconds, still within that


class SharedSpanContext(BasicSpanContext):
    """The context of a server's span that has the id of its caller's span, which reports it too."""

    __slots__ = ()


def span_encoder(local_endpoint: dict[str, Any]) -> Callable[[BasicSpan], dict[str, Any]]:
    """A function that returns the fields of a span, for `to_json`."""
    blank = {
        "traceId": "",
        "id": "",
        "name": "",
        "timestamp": 0,
        "duration": 0,
        "localEndpoint": local_endpoint,
    }
    return partial(_fields, blank)


def to_json(encoded: list[dict[str, Any]]) -> bytes:
    """A JSON array of encoded spans."""
    try:
        return dumps(encoded)
    except Exception:  # text that has no UTF-8, or a tag's key that is no text
        reraise_interrupt()
        return dumps([json_safe(each) for each in encoded])


# No other object has this key after a comma, and no text has its quotes.
_FIRST, _BETWEEN, _LAST = b'[{"traceId":', b'},{"traceId":', b"}]"
_ARRAY = _FIRST + b"%b" + _LAST


def to_json_parts(encoded: list[dict[str, Any]]) -> list[bytes]:
    """Each of the encoded spans as a part of a JSON array, for `array_of`; none for version 1.

    A call of the JSON encoder costs as much as several spans, so there is one for all.
    """
    return not_version_1(to_json(encoded))[len(_FIRST) : -len(_LAST)].split(_BETWEEN)


def array_of(parts: list[bytes]) -> bytes:
    """A JSON array of spans."""
    return _ARRAY % _BETWEEN.join(parts)


def not_version_1(report: bytes) -> bytes:
    """The same JSON, with no text that Zipkin's servers take for a field of version 1 of its API.

    They look for the end of ``"binaryAnnotations"`` anywhere, and then refuse the whole report.
    """
    return report.replace(b'yAnnotations"', b'y\\u0041nnotations"')


def endpoint(
    service_name: object = None,
    *addresses: IPv4Address | IPv6Address | None,
    port: int | None = None,
) -> dict[str, Any]:
    """An endpoint in Zipkin's form, with the fields that are known; empty if none is."""
    known: dict[str, Any] = {}
    if service_name:
        known["serviceName"] = text_of(service_name).lower()
    for address in addresses:
        if address is not None:
            known[f"ipv{address.version}"] = str(address)
    if port is not None:
        known["port"] = port
    return known


def _fields(blank: dict[str, Any], span: BasicSpan) -> dict[str, Any]:
    """Fill the fields of a span into a copy of `blank`, which costs less than a new dict."""
    # The span's own fields: asking for its context would make one.
    trace_id: Any = span._trace_id
    span_id: Any = span._span_id
    if not trace_id or not span_id:
        raise ValueError("a span without an id")
    start = span.start_time
    duration = span.duration
    # As a rule; comparisons cost least unchained and with literals, and `__trunc__` is `int`.
    if start > 0.0 and start < 1e12 and duration >= 0.0 and duration < 1e12:
        timestamp = (start * 1e6 + 0.5).__trunc__() or 1
        micros = (duration * 1e6 + 0.5).__trunc__() or 1
    else:
        timestamp = _microseconds(start)
        micros = _microseconds(duration)
    name = span.operation_name
    fields = blank.copy()
    # `_hex_ids.hex_ids` unrolled, which refuses a parent that is too long as well.
    fields["traceId"] = trace_id.to_bytes(8 if trace_id < 1 << 64 else 16, "big").hex()
    fields["id"] = span_id.to_bytes(8, "big").hex()
    fields["name"] = name.lower() if type(name) is str else text_of(name).lower()
    fields["timestamp"] = timestamp
    fields["duration"] = micros
    if not name:
        del fields["name"]
    if span.parent_id:
        fields["parentId"] = span.parent_id.to_bytes(8, "big").hex()
    own = span.tags
    if own:
        # Copied in one step: whoever owns the span may still change it.
        fields["tags"] = kept = own.copy()
        special = False
        parts = None
        for key in kept:  # not of `items`: making the pairs costs more
            value = kept[key]
            if type(value) is not str:
                kept[key] = (_NUMBERS.get(value) if type(value) is int else None) or _text(
                    value, parts := parts or Parts()
                )
            if key in _SPECIAL:
                special = True
        if special:
            _move_special(span, kept, fields)
    if span._logs:
        fields["annotations"] = _annotations(span._logs)
    if span.references:
        _add_references(span, fields)
    context = span._own_context
    if context is not None:
        if context.is_debug:
            fields["debug"] = True
        if type(context) is SharedSpanContext:
            fields["shared"] = True
    return fields


def _microseconds(seconds: float) -> int:
    """At least one, and no more than the server can hold."""
    return int(min(max(seconds, 1e-6), _MAX_SECONDS) * 1e6 + 0.5)


def _move_special(span: BasicSpan, kept: dict[str, str], fields: dict[str, Any]) -> None:
    """Move the tags that Zipkin has fields for into these."""
    role = kept.get(SPAN_KIND)
    if role in _KINDS:
        fields["kind"] = _KINDS[role]
        del kept[SPAN_KIND]
    if ERROR in kept:
        _set_error(span, kept)
    if not _PEER.isdisjoint(kept):
        remote = _remote_endpoint(kept)
        if remote:
            fields["remoteEndpoint"] = remote


def _text(value: Any, parts: Parts) -> str:
    """A tag's value: numbers, booleans, None and collections as JSON has them; the rest as text."""
    if type(value) is int and -_LIMIT < value < _LIMIT:
        return str(value)
    safe = json_safe(value, parts)
    return safe if type(safe) is str else dumps(safe).decode()


def _set_error(span: BasicSpan, kept: dict[str, str]) -> None:
    """Give the tag a message, or take it away: for Zipkin any such tag marks a failed span."""
    tag = kept.pop(ERROR)
    if not is_failed(span.tags):
        return
    kept[ERROR] = tag
    if tag.lower() != "true":
        return
    for log in reversed(span._logs or ()):
        fields = log.key_values
        if text_of(fields.get(logs.EVENT)) == "error":
            for key in (logs.MESSAGE, logs.ERROR_OBJECT, logs.ERROR_KIND):
                value = fields.get(key)
                message = "" if value is None else text_of(value)
                if message:
                    kept[ERROR] = _shortened(message, MAX_MESSAGE)
                    return


def _remote_endpoint(kept: dict[str, str]) -> dict[str, Any]:
    """Move the ``peer.`` tags into the endpoint of a call's other side; the others are kept."""
    service = kept.pop(PEER_SERVICE, "")
    if _PEER.isdisjoint(kept):
        return {"serviceName": service.lower()} if service else {}
    addresses = []
    for key in (PEER_HOST_IPV6, PEER_HOST_IPV4):
        text = kept.get(key, "")
        is_short = 0 < len(text) <= _LONGEST_ADDRESS
        address = _address(text, key == PEER_HOST_IPV4) if is_short else None
        if address is not None:
            addresses.append(address)
            del kept[key]
    port = kept.get(PEER_PORT, "")
    number = int(port) if port.isdecimal() and len(port) <= 5 else 0
    if not 0 < number < 1 << 16:
        return endpoint(service, *addresses)
    del kept[PEER_PORT]
    return endpoint(service, *addresses, port=number)


@lru_cache(maxsize=1024)
def _address(text: str, may_be_number: bool) -> IPv4Address | IPv6Address | None:
    """An IP address, also as the number that OpenTracing allows for IPv4; None for other text."""
    try:
        if may_be_number and text.isdecimal():
            return IPv4Address(int(text))
        address = ip_address(text.partition("%")[0])  # the zone means nothing elsewhere
    except ValueError:
        reraise_interrupt()
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _annotations(own: list[LogData]) -> list[dict[str, Any]]:
    # Zipkin wants each of them only once.
    once = {(_microseconds(log.timestamp), _log_text(log.key_values)): None for log in own.copy()}
    return [{"timestamp": timestamp, "value": value} for timestamp, value in once]


def _log_text(fields: dict[str, Any]) -> str:
    """The event's name if there is no other field; otherwise the fields as JSON."""
    if len(fields) == 1 and logs.EVENT in fields:
        return _shortened(text_of(fields[logs.EVENT]), MAX_ANNOTATION)
    try:
        if not _PLAIN.issuperset(map(type, fields.values())):
            fields = json_safe(fields)
        text = dumps(fields).decode()
    except Exception:  # keys that are no text, for example
        reraise_interrupt()
        text = dumps(json_safe(fields)).decode()
    return _shortened(text, MAX_ANNOTATION)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _add_references(span: BasicSpan, fields: dict[str, Any]) -> None:
    known = ("", id_text(span.parent_id), fields["id"])  # its own: a caller's that it joined
    others = [
        f"{kind} {context.to_trace_id()}:{context.to_span_id()}"
        for kind, context in span.references
        if isinstance(context, SpanContext) and context.to_span_id() not in known
    ]
    if others:
        fields.setdefault("tags", {}).setdefault(REFERENCES_TAG, ", ".join(others))
