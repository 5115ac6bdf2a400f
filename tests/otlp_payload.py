"""Reads the payloads that are posted over OTLP, with the official messages."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .http_server import Request


def request_in(payload: bytes) -> ExportTraceServiceRequest:
    """The request in a payload, which is in JSON if it begins so; every field is known."""
    if not payload.startswith(b"{"):
        request = ExportTraceServiceRequest.FromString(payload)
        size = request.ByteSize()
        request.DiscardUnknownFields()
        assert request.ByteSize() == size
        return request
    fields: dict[str, Any] = json.loads(payload, object_hook=_with_protobufs_ids)
    return ParseDict(fields, ExportTraceServiceRequest())


def _with_protobufs_ids(fields: dict[str, Any]) -> dict[str, Any]:
    """Ids as protobuf's own JSON has them: OTLP has hexadecimal digits there."""
    for name in {"traceId", "spanId", "parentSpanId"} & fields.keys():
        fields[name] = base64.b64encode(bytes.fromhex(fields[name])).decode()
    return fields


def spans_in(payload: bytes) -> list[Any]:
    """The spans of a request, in their order within each scope."""
    return [
        span
        for resource in request_in(payload).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def names_in(requests: list[Request]) -> list[str]:
    """The names of the spans in all these requests."""
    return [span.name for each in requests for span in spans_in(each.body)]
