"""Reads spans in Zipkin's JSON, version 2 of its API, and writes them.

Source: the OpenAPI description of Zipkin's API (openzipkin/zipkin-api, zipkin2-api.yaml).
"""

from __future__ import annotations

import json
import re
from typing import Any

from opentracing import logs, tags
from opentracing.interrupts import reraise_interrupt

from ._json_safe import text_of
from ._span_files_values import (
    dict_of,
    integer_of,
    list_of,
    parent_id_of,
    seconds_of,
    span_id_of,
    trace_id_of,
)
from ._zipkin_json import REFERENCES_TAG

_MICROSECONDS = 1_000_000

_REFERENCE = re.compile(
    r"(?P<type>\S+) (?P<trace_id>[0-9a-f]{16}(?:[0-9a-f]{16})?):(?P<span_id>[0-9a-f]{16})"
)


def is_span(value: dict[str, Any]) -> bool:
    return "traceId" in value and "id" in value


def span_of(value: dict[str, Any]) -> dict[str, Any]:
    """A span in the form of `to_dict`. Raises ValueError for a value that is none."""
    annotations = [_log(each) for each in list_of(value.get("annotations"))]
    start = value.get("timestamp")
    if start is None and annotations:  # as spans that began as version 1 may have it
        start_time = min(each["timestamp"] for each in annotations)
    else:
        start_time = seconds_of(start, _MICROSECONDS)
    duration = integer_of(value.get("duration"))
    span_tags, references = _tags(value)
    span = {
        "trace_id": trace_id_of(value.get("traceId")),
        "span_id": span_id_of(value.get("id")),
        "parent_id": parent_id_of(value.get("parentId")),
        "operation_name": text_of(value.get("name") or ""),
        "service": _service(value.get("localEndpoint")),
        "start_time": start_time,
        "duration": None if duration is None else duration / _MICROSECONDS,
        "tags": span_tags,
        "logs": annotations,
        "references": references,
        "baggage": {},
        "dropped_tags": 0,
        "dropped_logs": 0,
    }
    for flag in ("shared", "debug"):
        if value.get(flag) is True:
            span[flag] = True
    return span


def _service(endpoint: Any) -> str | None:
    name = dict_of(endpoint).get("serviceName")
    return text_of(name) if name else None


def _tags(value: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    found: dict[str, Any] = dict(dict_of(value.get("tags")))
    kind = value.get("kind")
    if kind:
        found.setdefault(tags.SPAN_KIND, text_of(kind).lower())
    error = found.get(tags.ERROR)
    # For Zipkin any such tag marks a failed span, whatever its text is.
    if error is not None and text_of(error).lower() in ("", "true", "false"):
        found[tags.ERROR] = True
    remote = dict_of(value.get("remoteEndpoint"))
    for name, tag in _PEER.items():
        if remote.get(name):
            found.setdefault(tag, remote[name])
    listed = found.get(REFERENCES_TAG)
    matches = [_REFERENCE.fullmatch(each) for each in text_of(listed or "").split(", ")]
    if not all(matches):
        return found, []
    del found[REFERENCES_TAG]
    return found, [match.groupdict() for match in matches if match]


_PEER = {
    "serviceName": tags.PEER_SERVICE,
    "ipv4": tags.PEER_HOST_IPV4,
    "ipv6": tags.PEER_HOST_IPV6,
    "port": tags.PEER_PORT,
}


def _log(annotation: Any) -> dict[str, Any]:
    fields = dict_of(annotation)
    text = text_of(fields.get("value") or "")
    found: Any = None
    if text.startswith("{"):  # as our own recorder writes fields
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            reraise_interrupt()
    return {
        "timestamp": seconds_of(fields.get("timestamp"), _MICROSECONDS),
        "fields": found if isinstance(found, dict) and found else {logs.EVENT: text},
    }
