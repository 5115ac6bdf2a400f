"""Reads spans in Jaeger's JSON, as its page downloads traces.

Source: the model of Jaeger's user interface (jaegertracing/jaeger, internal/uimodel/model.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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

WARNINGS_TAG = "jaeger.warnings"
"""The tag with the warnings that Jaeger has for a span, such as that it corrected its clock."""

_MICROSECONDS = 1_000_000


def is_trace(value: dict[str, Any]) -> bool:
    return "traceID" in value and isinstance(value.get("spans"), list)


def is_span(value: dict[str, Any]) -> bool:
    return "traceID" in value and "spanID" in value and "startTime" in value


def spans_of(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each span of a trace, and its process."""
    processes = dict_of(value.get("processes"))
    for span in value["spans"]:
        yield span, processes.get(text_of(dict_of(span).get("processID")))


def span_of(value: dict[str, Any], process: Any) -> dict[str, Any]:
    """A span in the form of `to_dict`. Raises ValueError for a value that is none."""
    process = dict_of(value.get("process") or process)
    trace_id = trace_id_of(value.get("traceID"))
    found = map(_reference, list_of(value.get("references")))
    references = [each for each in found if each is not None]
    parent_id = parent_id_of(value.get("parentSpanID")) or _parent_id(trace_id, references)
    as_parent = {"type": "child_of", "trace_id": trace_id, "span_id": parent_id}
    duration = integer_of(value.get("duration"))
    own_tags = {**_fields(process.get("tags")), **_fields(value.get("tags"))}
    warnings = value.get("warnings")
    if warnings:
        own_tags[WARNINGS_TAG] = warnings
    service = process.get("serviceName")
    return {
        "trace_id": trace_id,
        "span_id": span_id_of(value.get("spanID")),
        "parent_id": parent_id,
        "operation_name": text_of(value.get("operationName") or ""),
        "service": text_of(service) if service else None,
        "start_time": seconds_of(value.get("startTime"), _MICROSECONDS),
        "duration": None if duration is None else duration / _MICROSECONDS,
        "tags": own_tags,
        "logs": [
            {
                "timestamp": seconds_of(dict_of(each).get("timestamp"), _MICROSECONDS),
                "fields": _fields(dict_of(each).get("fields")),
            }
            for each in list_of(value.get("logs"))
        ],
        "references": [each for each in references if each != as_parent],
        "baggage": {},
        "dropped_tags": 0,
        "dropped_logs": 0,
    }


def _reference(value: Any) -> dict[str, str] | None:
    fields = dict_of(value)
    try:
        return {
            "type": text_of(fields.get("refType") or "").lower(),
            "trace_id": trace_id_of(fields.get("traceID")),
            "span_id": span_id_of(fields.get("spanID")),
        }
    except ValueError:  # to a span that cannot be
        reraise_interrupt()
        return None


def _parent_id(trace_id: str, references: list[dict[str, str]]) -> str | None:
    """As Jaeger's page draws it: the span that it is a child of, otherwise one that it follows."""
    own = [each for each in references if each["trace_id"] == trace_id]
    own.sort(key=lambda each: each["type"] != "child_of")
    return own[0]["span_id"] if own else None


def _fields(values: Any) -> dict[str, Any]:
    found = {}
    for each in list_of(values):
        fields = dict_of(each)
        if "key" in fields:
            found[text_of(fields["key"])] = _typed(fields.get("type"), fields.get("value"))
    return found


def _typed(kind: Any, value: Any) -> Any:
    """A value in its type: large integers are text, and so is everything in its storage."""
    if kind == "int64":
        number = integer_of(value)
        return value if number is None else number
    if kind == "bool" and value in ("true", "false"):
        return value == "true"
    if kind == "float64" and isinstance(value, (str, int)) and not isinstance(value, bool):
        try:
            real = float(value)
        except (ValueError, OverflowError):
            reraise_interrupt()
            return value
        return real if real - real == 0 else repr(real)
    return value
