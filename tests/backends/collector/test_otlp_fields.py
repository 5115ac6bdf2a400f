"""What OTLPRecorder sends arrives as what OpenTelemetryRecorder and OpenTelemetry's SDK send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import IdGenerator, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from opentracing import child_of, follows_from
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    RemoteSpanContext,
)
from opentracing_recorder._harness_spans import HOSTILE_VALUES, VALUES, spans_of_every_kind
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

from .conftest import Collector, Sink, by_exporter_over_http, in_json, in_protobuf

pytestmark = pytest.mark.needs_os

WAYS = {"exporter": by_exporter_over_http, "protobuf": in_protobuf, "json": in_json}

T = 1_700_000_000_123_456_789  # ns

REMOTE = SpanContext(
    (7 << 64) + 8, 9, True, TraceFlags(3), TraceState([("vendor", "x"), ("other", "y")])
)
UNSAMPLED = SpanContext(7, 10, False, TraceFlags(0))


@pytest.fixture(autouse=True)
def _empty_context() -> Iterator[None]:
    token = context.attach(context.Context())
    yield
    context.detach(token)


def arrived(sink: Sink, way: str) -> dict[bytes, dict[str, Any]]:
    """The spans that came by this way, with resource and scope, by the ids of the spans."""
    found = {}
    for each in sink.resource_spans:
        resource = MessageToDict(each.resource)
        if attribute("way", way) not in resource["attributes"]:
            continue
        resource["attributes"].remove(attribute("way", way))
        for scope_spans in each.scope_spans:
            for span in scope_spans.spans:
                assert span.span_id not in found
                found[span.span_id] = {
                    "resource": without_instance(resource),
                    "resource's schema": each.schema_url,
                    "scope": MessageToDict(scope_spans.scope),
                    "schema": scope_spans.schema_url,
                    "span": span,
                }
    return found


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
