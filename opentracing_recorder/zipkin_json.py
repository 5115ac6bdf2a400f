"""Spans in Zipkin's JSON, version 2 of its API; for `opentracing_recorder.zipkin`.

Source: the OpenAPI description of Zipkin's API (openzipkin/zipkin-api, zipkin2-api.yaml). A server
refuses a whole batch for one field out of its range, so whatever does not fit is left out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from opentracing import SpanContext, logs, tags

from .context import BasicSpanContext, format_span_id
from .json_safe import json_safe, text_of
from .propagator import is_debug
from .span import is_failed

if TYPE_CHECKING:
    from .span import BasicSpan, LogData

try:
    from orjson import dumps
except ImportError:  # it has no wheels for PyPy
    import json

    def dumps(value: Any) -> bytes:  # type: ignore[misc]
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


MAX_ANNOTATION = 4096
"""How many characters of a log's text are sent."""

MAX_MESSAGE = 1024
"""How many characters of an error's message are sent."""

REFERENCES_TAG = "references"
"""The tag that lists a span's references beyond its parent: Zipkin has no place of its own."""

_KINDS = {
    tags.SPAN_KIND_RPC_CLIENT: "CLIENT",
    tags.SPAN_KIND_RPC_SERVER: "SERVER",
    tags.SPAN_KIND_PRODUCER: "PRODUCER",
    tags.SPAN_KIND_CONSUMER: "CONSUMER",
}

# Tags that may become something else than a tag.
_MAPPED = frozenset(
    {
        tags.SPAN_KIND,
        tags.ERROR,
        tags.PEER_SERVICE,
        tags.PEER_HOST_IPV4,
        tags.PEER_HOST_IPV6,
        tags.PEER_PORT,
    }
)

_MAX_TIME = 2**63 - 1  # microseconds, in the server's 64-bit integer


class SharedSpanContext(BasicSpanContext):
    """The context of a server's span that has the id of its caller's span, which reports it too."""

    __slots__ = ()


def encode(spans: Sequence[BasicSpan], local_endpoint: dict[str, Any]) -> tuple[bytes, int]:
    """A JSON array of `spans`, and how many of them had to be left out."""
    try:
        return dumps([_fields(span, local_endpoint) for span in spans]), 0
    except Exception:
        encoded = [_encoded_alone(span, local_endpoint) for span in spans]
        usable = [each for each in encoded if each is not None]
        return b"[" + b",".join(usable) + b"]", len(spans) - len(usable)


def _encoded_alone(span: BasicSpan, local_endpoint: dict[str, Any]) -> bytes | None:
    try:
        fields = _fields(span, local_endpoint)
        try:
            return dumps(fields)
        except Exception:  # some text that has no UTF-8, or a key that is no text
            return dumps(json_safe(fields))
    except Exception:
        return None


def endpoint(
    service_name: object = None, *addresses: IPv4Address | IPv6Address | None, port: int | None
) -> dict[str, Any]:
    """An endpoint as Zipkin has it: with what is known, and empty if nothing is."""
    known: dict[str, Any] = {}
    if service_name:
        known["serviceName"] = text_of(service_name).lower()
    for address in addresses:
        if address is not None:
            known[f"ipv{address.version}"] = str(address)
    if port is not None:
        known["port"] = port
    return known


def _fields(span: BasicSpan, local_endpoint: dict[str, Any]) -> dict[str, Any]:
    # The span's own fields: asking for its context would make one. `CPU per span` in the
    # benchmarks pays for it.
    trace_id: Any = span._trace_id
    span_id: Any = span._span_id
    parent_id = span.parent_id or 0
    if not (0 < trace_id < 1 << 128 and 0 < span_id < 1 << 64 and 0 <= parent_id < 1 << 64):
        raise ValueError("ids that Zipkin cannot have")
    timestamp = int(span.start_time * 1e6 + 0.5)
    duration = int(span.duration * 1e6 + 0.5)
    fields: dict[str, Any] = {
        "traceId": f"{trace_id:032x}" if trace_id >> 64 else f"{trace_id:016x}",
        "id": f"{span_id:016x}",
        "timestamp": timestamp if 0 < timestamp <= _MAX_TIME else _into_range(timestamp),
        "duration": duration if 0 < duration <= _MAX_TIME else _into_range(duration),
        "localEndpoint": local_endpoint,
    }
    if parent_id:
        fields["parentId"] = f"{parent_id:016x}"
    name = span.operation_name
    if name:
        fields["name"] = (name if type(name) is str else text_of(name)).lower()
    given = span.tags
    if given:
        kept = {
            key: value if type(value) is str else _text(value)
            for key, value in given.copy().items()  # in one step: its owner may still change it
        }
        if not _MAPPED.isdisjoint(kept):
            _map_tags(span, kept, fields)
        if kept:
            fields["tags"] = kept
    if span._logs:
        fields["annotations"] = _annotations(span._logs)
    if span.references:
        _add_references(span, fields)
    context = span._own_context
    if context is not None:
        if is_debug(context):
            fields["debug"] = True
        if type(context) is SharedSpanContext:
            fields["shared"] = True
    return fields


def _into_range(microseconds: int) -> int:
    return min(max(microseconds, 1), _MAX_TIME)


def _text(value: Any) -> str:
    """A tag's value: numbers, booleans, None and collections as JSON has them; the rest as text."""
    if type(value) is int and value.bit_length() < 64:
        return str(value)
    safe = json_safe(value)
    return safe if type(safe) is str else dumps(safe).decode()


def _map_tags(span: BasicSpan, kept: dict[str, str], fields: dict[str, Any]) -> None:
    """Move tags for which Zipkin has a field of its own there, and write `error` as it wants it."""
    kind = _KINDS.get(kept.get(tags.SPAN_KIND, ""))
    if kind is not None:
        fields["kind"] = kind
        del kept[tags.SPAN_KIND]
    if tags.ERROR in kept:
        # For Zipkin any such tag marks a failed span, whatever its value.
        if is_failed(span.tags):
            kept[tags.ERROR] = _error_message(span, kept[tags.ERROR])
        else:
            del kept[tags.ERROR]
    remote = _remote_endpoint(kept)
    if remote:
        fields["remoteEndpoint"] = remote


def _error_message(span: BasicSpan, tag: str) -> str:
    """What the tag says; where that is only that there was one, what the last error log says."""
    if tag.lower() != "true":
        return tag
    for log in reversed(span._logs or ()):
        fields = log.key_values
        if fields.get(logs.EVENT) == "error":
            for key in (logs.MESSAGE, logs.ERROR_OBJECT, logs.ERROR_KIND):
                message = text_of(fields.get(key) or "")
                if message:
                    return _shortened(message, MAX_MESSAGE)
    return tag


def _remote_endpoint(kept: dict[str, str]) -> dict[str, Any]:
    """The other side of a call, of the ``peer.`` tags; those that have no place there are kept."""
    service = kept.pop(tags.PEER_SERVICE, None)
    if kept.keys().isdisjoint(_MAPPED):
        return {"serviceName": service.lower()} if service else {}
    addresses = []
    for key in (tags.PEER_HOST_IPV6, tags.PEER_HOST_IPV4):
        if key in kept:
            address = _address(kept[key], key == tags.PEER_HOST_IPV4)
            if address is not None:
                addresses.append(address)
                del kept[key]
    port = kept.get(tags.PEER_PORT, "")
    if port.isdecimal() and len(port) <= 5 and 0 < int(port) < 1 << 16:
        del kept[tags.PEER_PORT]
        return endpoint(service, *addresses, port=int(port))
    return endpoint(service, *addresses, port=None)


@lru_cache(maxsize=1024)
def _address(text: str, may_be_number: bool) -> IPv4Address | IPv6Address | None:
    """An IP address, also as the number that OpenTracing allows for IPv4; None for other text."""
    try:
        if may_be_number and text.isdecimal():
            return IPv4Address(int(text))
        address = ip_address(text.partition("%")[0])  # the zone means nothing elsewhere
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _annotations(own: list[LogData]) -> list[dict[str, Any]]:
    # As keys of a dict: Zipkin wants each of them only once.
    once = {
        (_into_range(int(log.timestamp * 1e6 + 0.5)), _log_text(log)): None for log in list(own)
    }
    return [{"timestamp": timestamp, "value": value} for timestamp, value in once]


def _log_text(log: LogData) -> str:
    """The event's name where that is all there is; else the fields as JSON."""
    fields = log.key_values
    if len(fields) == 1 and logs.EVENT in fields:
        return _shortened(text_of(fields[logs.EVENT]), MAX_ANNOTATION)
    return _shortened(dumps(json_safe(fields)).decode(), MAX_ANNOTATION)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _add_references(span: BasicSpan, fields: dict[str, Any]) -> None:
    others = [
        f"{kind} {context.to_trace_id()}:{context.to_span_id()}"
        for kind, context in span.references
        if isinstance(context, SpanContext)
        and context.to_span_id()
        and context.to_span_id() != format_span_id(span.parent_id)
    ]
    if others:
        fields.setdefault("tags", {}).setdefault(REFERENCES_TAG, ", ".join(others))
