"""Reads the answer to an OTLP report: the spans that a server rejected, and its message."""

from __future__ import annotations

import json
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._json_safe import text_of
from ._protobuf import BYTES, VARINT, read_fields

_PARTIAL_SUCCESS = 1 << 3 | BYTES
_REJECTED_SPANS = 1 << 3 | VARINT
_ERROR_MESSAGE = 2 << 3 | BYTES


def rejected_spans(body: bytes) -> tuple[int, str]:
    """The number of spans, and the message, of an ExportTraceServiceResponse.

    In protocol buffers, or in JSON if it begins so. An answer that is neither rejects nothing: its
    status says that the report was accepted.
    """
    try:
        read = _from_json if body.startswith(b"{") else _from_protobuf
        rejected, message = read(body)
        return max(0, rejected), message
    except Exception:
        reraise_interrupt()
        return 0, ""


def _from_json(body: bytes) -> tuple[int, str]:
    found = json.loads(body).get("partialSuccess") or {}
    rejected = str(found.get("rejectedSpans") or 0)
    # Of a number that cannot be read, the message is still worth reading.
    return (
        int(rejected) if rejected.isascii() and rejected.isdigit() and len(rejected) < 20 else 0,
        text_of(found.get("errorMessage") or ""),
    )


def _from_protobuf(body: bytes) -> tuple[int, str]:
    found: dict[int, Any] = {}
    for key, value in read_fields(body):
        if key == _PARTIAL_SUCCESS:
            found.update(read_fields(value))
    rejected = found.get(_REJECTED_SPANS, 0)
    # A negative number is a large one here.
    return (
        rejected if rejected < 1 << 63 else 0,
        text_of(found.get(_ERROR_MESSAGE, b"")),
    )
