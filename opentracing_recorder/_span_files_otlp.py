"""Reads spans in OTLP's JSON.

Source: the OTLP specification, JSON Protobuf Encoding. Also read are the names of fields as
protocol buffers have them, ids in base64 and names of enumerations, which other writers of
protobuf's JSON use, and the names that older versions had.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from opentracing import logs, tags
from opentracing.interrupts import reraise_interrupt

from ._json_safe import text_of
from ._opentelemetry_fields import ERROR, KINDS, OK, SCOPE, TELEMETRY_SDK
from ._span_files_values import (
    dict_of,
    integer_of,
    list_of,
    parent_id_of,
    seconds_of,
    span_id_of,
    trace_id_of,
)

_NANOSECONDS = 1_000_000_000

_KINDS = {kind + 1: tag for tag, kind in KINDS.items()}
_KINDS_BY_NAME = {f"SPAN_KIND_{tag.upper()}": tag for tag in KINDS}
_STATUS_BY_NAME = {"STATUS_CODE_OK": OK, "STATUS_CODE_ERROR": ERROR}

_SERVICE = "service.name"
_SDK = "telemetry.sdk.name"
_DESCRIPTION = "otel.status_description"

# The fields of an exception, under the names that an error's log has.
_OF_ERROR = {
    "exception.type": logs.ERROR_KIND,
    "exception.message": logs.MESSAGE,
    "exception.stacktrace": logs.STACK,
}


@lru_cache(maxsize=64)
def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def _get(fields: dict[str, Any], name: str) -> Any:
    value = fields.get(name)
    return fields.get(_snake(name)) if value is None else value


def _lists(fields: dict[str, Any], *names: str) -> Iterator[Any]:
    for name in names:
        yield from list_of(_get(fields, name))


def is_request(value: dict[str, Any]) -> bool:
    return any(type(_get(value, name)) is list for name in _REQUEST)


def is_resource(value: dict[str, Any]) -> bool:
    return any(type(_get(value, name)) is list for name in _SCOPES)


def is_span(value: dict[str, Any]) -> bool:
    return "traceId" in value and "spanId" in value and "startTimeUnixNano" in value


_REQUEST = ("resourceSpans", "batches")
_SCOPES = ("scopeSpans", "instrumentationLibrarySpans")


def spans_of_request(value: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each span of an ExportTraceServiceRequest, and the tags that all of its resource have."""
    for resource in _lists(value, *_REQUEST):
        yield from spans_of_resource(dict_of(resource))


def spans_of_resource(value: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each span of a ResourceSpans, and the tags that its resource and its scope give to it."""
    shared = _attributes(dict_of(value.get("resource")))
    if shared.get(_SDK) == TELEMETRY_SDK[_SDK]:
        shared = {key: each for key, each in shared.items() if key not in TELEMETRY_SDK}
    for each in map(dict_of, _lists(value, *_SCOPES)):
        scope = dict_of(_get(each, "scope") or _get(each, "instrumentationLibrary"))
        given = dict(shared)
        if scope.get("name") and scope["name"] != SCOPE.name:
            given.update(_of_scope(scope))
        for span in _lists(each, "spans"):
            yield span, given


def _of_scope(scope: dict[str, Any]) -> dict[str, Any]:
    """The tags of a scope, as OpenTelemetry names them for formats without scopes."""
    named = {f"otel.scope.{name}": scope[name] for name in ("name", "version") if scope.get(name)}
    return {**named, **_attributes(scope)}


def span_of(value: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A span in the form of `to_dict`. Raises ValueError for a value that is none."""
    own_tags = {**shared, **_attributes(value)}
    service = own_tags.pop(_SERVICE, None)
    kind = value.get("kind")
    role = _KINDS.get(kind) if type(kind) is int else _KINDS_BY_NAME.get(text_of(kind))
    if role is not None:
        own_tags.setdefault(tags.SPAN_KIND, role)
    events = [_log(each) for each in list_of(value.get("events"))]
    _set_status(dict_of(value.get("status")), own_tags, events)
    parent_id = parent_id_of(_get(value, "parentSpanId"))
    links = (_reference(each, parent_id) for each in list_of(value.get("links")))
    references = [each for each in links if each is not None]
    start = integer_of(_get(value, "startTimeUnixNano")) or 0
    end = integer_of(_get(value, "endTimeUnixNano"))
    return {
        "trace_id": trace_id_of(_get(value, "traceId")),
        "span_id": span_id_of(_get(value, "spanId")),
        "parent_id": parent_id,
        "operation_name": text_of(value.get("name") or ""),
        "service": text_of(service) if service else None,
        "start_time": start / _NANOSECONDS,
        "duration": max(0, end - start) / _NANOSECONDS if end else None,
        "tags": own_tags,
        "logs": events,
        "references": references,
        "baggage": {},
        "dropped_tags": integer_of(_get(value, "droppedAttributesCount")) or 0,
        "dropped_logs": integer_of(_get(value, "droppedEventsCount")) or 0,
    }


def _set_status(
    status: dict[str, Any], own_tags: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    """The tag `error`, as `_opentelemetry_fields` reads the status from it."""
    code = status.get("code")
    code = _STATUS_BY_NAME.get(code) if type(code) is str else code
    if code == OK:
        own_tags.setdefault(tags.ERROR, False)
    if code != ERROR:
        return
    own_tags[tags.ERROR] = True
    message = text_of(status.get("message") or "")
    failures = [log["fields"] for log in events if log["fields"].get(logs.EVENT) == "error"]
    if not message or (failures and failures[-1].get(logs.MESSAGE) == message):
        return
    if message.lower() in ("true", "false", "0", "1"):
        own_tags[_DESCRIPTION] = message
    else:
        own_tags[tags.ERROR] = message


def _log(event: Any) -> dict[str, Any]:
    event = dict_of(event)
    fields = _attributes(event)
    name = text_of(event.get("name") or "")
    if name == "exception":
        named = {_OF_ERROR.get(key, key): each for key, each in fields.items()}
        fields = {logs.EVENT: "error", **named}
    elif name and (name != "log" or not fields):
        fields = {logs.EVENT: name, **fields}
    return {"timestamp": seconds_of(_get(event, "timeUnixNano"), _NANOSECONDS), "fields": fields}


def _reference(link: Any, parent_id: str | None) -> dict[str, str] | None:
    link = dict_of(link)
    try:
        span_id = span_id_of(_get(link, "spanId"))
        # A link to the parent that does not say so is no sign that the parent did not wait.
        usual = "child_of" if span_id == parent_id else "follows_from"
        return {
            "type": text_of(_attributes(link).get("opentracing.ref_type") or usual),
            "trace_id": trace_id_of(_get(link, "traceId")),
            "span_id": span_id,
        }
    except ValueError:  # to a span that cannot be
        reraise_interrupt()
        return None


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return _values(holder.get("attributes"))


def _values(attributes: Any) -> dict[str, Any]:
    return {
        text_of(each["key"]): _value(dict_of(each.get("value")))
        for each in list_of(attributes)
        if isinstance(each, dict) and "key" in each
    }


def _value(value: dict[str, Any]) -> Any:
    """The value in an AnyValue; None if it has none."""
    for name, given in value.items():
        if name in _PLAIN:
            return given
        if name in _TYPED:
            return _TYPED[name](given)
    return None


def _int(given: Any) -> Any:
    number = integer_of(given)
    return given if number is None else number


def _list(given: Any) -> list[Any]:
    return [_value(dict_of(each)) for each in list_of(dict_of(given).get("values"))]


def _mapping(given: Any) -> dict[str, Any]:
    return _values(dict_of(given).get("values"))


def _double(given: Any) -> Any:
    """A float; as text if it is not finite, as `json_safe` has it."""
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        reraise_interrupt()
        return given
    return number if number - number == 0 else repr(number)


_PLAIN = {"stringValue", "string_value", "boolValue", "bool_value", "bytesValue", "bytes_value"}
_TYPED = {
    **dict.fromkeys(("intValue", "int_value"), _int),
    **dict.fromkeys(("doubleValue", "double_value"), _double),
    **dict.fromkeys(("arrayValue", "array_value"), _list),
    **dict.fromkeys(("kvlistValue", "kvlist_value"), _mapping),
}
