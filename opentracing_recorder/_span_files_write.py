"""The content of files of spans, for `opentracing_recorder.span_files`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._json_safe import json_safe
from ._span_files_chrome import events_of
from ._span_files_given import GivenSpan
from ._zipkin_json import endpoint, not_version_1, span_encoder, to_json

Spans = Iterable[dict[str, Any]]
Refuse = Callable[[dict[str, Any], str], object]
"""Is called with a span that a format has no place for, and the reason."""

_BATCH = 512  # spans of a line in OTLP


def json_lines(spans: Spans, refuse: Refuse) -> Iterator[bytes]:
    for span in spans:
        yield _dumps(span) + b"\n"


def _dumps(value: Any) -> bytes:
    try:
        text = _encode(value)
    except (ValueError, TypeError, RecursionError):  # such as an infinite number
        reraise_interrupt()
        text = _encode(json_safe(value))
    return text.encode("utf-8", "replace")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def zipkin(spans: Spans, refuse: Refuse) -> Iterator[bytes]:
    separator = b"[\n"
    for fields, span in _given(spans, refuse):
        encoded = span_encoder(endpoint(fields.get("service")))(span)  # type: ignore[arg-type]
        if not span.is_finished:
            del encoded["duration"]
        if not encoded["localEndpoint"]:
            del encoded["localEndpoint"]
        yield separator + not_version_1(to_json([encoded])[1:-1])
        separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"


def otlp(spans: Spans, refuse: Refuse) -> Iterator[bytes]:
    from ._opentelemetry_fields import fields_of
    from ._otlp_json import encoded, to_request

    service: Any = None
    batch: list[Any] = []
    for fields, span in _given(spans, refuse):
        if batch and (len(batch) == _BATCH or fields.get("service") != service):
            yield to_request(_resource(service), batch) + b"\n"
            batch = []
        service = fields.get("service")
        found = fields_of(span, False)  # type: ignore[arg-type]
        batch.append(encoded(found if span.is_finished else found._replace(end_time=0)))
    if batch:
        yield to_request(_resource(service), batch) + b"\n"


def _resource(service: Any) -> dict[str, Any]:
    return {"service.name": service} if service else {}


def chrome(spans: Spans, refuse: Refuse) -> Iterator[bytes]:
    separator = b'{"displayTimeUnit":"ms","traceEvents":[\n'
    for event in events_of(spans):
        yield separator + _dumps(event)
        separator = b",\n"
    yield b"\n]}\n" if separator == b",\n" else separator + b"]}\n"


def _given(spans: Spans, refuse: Refuse) -> Iterator[tuple[dict[str, Any], GivenSpan]]:
    for fields in spans:
        try:
            yield fields, GivenSpan(fields)
        except ValueError as error:
            reraise_interrupt()
            refuse(fields, str(error))


FORMATS = {"jsonl": json_lines, "zipkin": zipkin, "otlp": otlp, "chrome": chrome}
