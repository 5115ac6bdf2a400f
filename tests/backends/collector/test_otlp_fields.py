"""OTLPRecorder sends what OpenTelemetry's exporter sends for the same spans, in every field."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
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
    use_span,
)

from opentracing import child_of, follows_from
from opentracing_recorder import BasicTracer, CompositeRecorder, RemoteSpanContext
from opentracing_recorder._harness_spans import HOSTILE_VALUES, VALUES, spans_of_every_kind
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager

from .conftest import (
    Collector,
    CollectorWith,
    MakeRecorder,
    by_exporter_over_http,
    in_json,
    in_protobuf,
)

pytestmark = pytest.mark.needs_os

WAYS = {"exporter": by_exporter_over_http, "protobuf": in_protobuf, "json": in_json}

T = 1_700_000_000_123_456_789  # ns

REMOTE = SpanContext(
    (7 << 64) + 8, 9, True, TraceFlags(3), TraceState([("vendor", "x"), ("other", "y")])
)
UNSAMPLED = SpanContext(7, 10, False, TraceFlags(0))

Fields = dict[str, Any]


def tracer_of_all_ways(collector: Collector, **options: Any) -> BasicTracer:
    """A tracer whose spans reach the collector by each way; the resource says by which."""
    recorders = [
        make(
            collector,
            resource_attributes={"way": way, "replicas": 3, "zones": ["a", "b"], "odd": {"a": 1}},
            **options,
        )
        for way, make in WAYS.items()
    ]
    return BasicTracer(
        CompositeRecorder(recorders),
        scope_manager=OpenTelemetryScopeManager(),
        trace_id_bits=128,
        max_tags=40,
        max_logs=6,
    )


def arrived(collector: Collector, way: str) -> dict[bytes, Fields]:
    """What arrived by this way of each span, by its id."""
    found: dict[bytes, Fields] = {}
    for each in collector.sink.resource_spans:
        resource = {item.key: MessageToDict(item.value) for item in each.resource.attributes}
        if resource.pop("way") != {"stringValue": way}:
            continue
        resource.pop("service.instance.id", None)  # newer SDKs make one up
        for scope_spans in each.scope_spans:
            scope = MessageToDict(scope_spans.scope)
            for span in scope_spans.spans:
                assert span.span_id not in found, f"{span.name!r} arrived twice"
                found[span.span_id] = {
                    "resource": resource,
                    "scope": scope,
                    "schemas": (each.schema_url, scope_spans.schema_url),
                    "span": span,
                }
    return found


def as_exported(span: Span) -> Span:
    """Without what OpenTelemetry's exporter (1.45) leaves out, though OTLP has a field for it.

    These are the flags of W3C's ``traceparent``, of spans and links, and a link's trace state.
    """
    exported = Span()
    exported.CopyFrom(span)
    exported.flags &= ~0xFF
    for link in exported.links:
        link.flags &= ~0xFF
        link.trace_state = ""
    for each in (exported, *exported.events, *exported.links):
        each.attributes.sort(key=lambda attribute: attribute.key)
    return exported


def assert_same(ours: Fields, others: Fields) -> None:
    """One span arrived as the same, apart from what the exporter leaves out."""
    own, other = as_exported(ours.pop("span")), as_exported(others.pop("span"))
    assert ours == others
    if own.SerializeToString() != other.SerializeToString():  # quick
        assert MessageToDict(own) == MessageToDict(other)  # readable


def assert_all_same(collector: Collector, tracer: BasicTracer) -> None:
    """All recorded spans arrived by each way."""
    by_way = {way: arrived(collector, way) for way in WAYS}
    recorder: Any = tracer.recorder
    assert {each.stats.sent for each in recorder.recorders} == {len(by_way["exporter"])}
    for way in ("protobuf", "json"):
        assert by_way[way].keys() == by_way["exporter"].keys()
        for span_id, fields in by_way["exporter"].items():
            assert_same(by_way[way][span_id], dict(fields))


@pytest.mark.parametrize("semantic_names", [True, False])
def test_spans_of_opentracings_api_arrive_as_the_same(
    semantic_names: bool, shared_collector: CollectorWith
) -> None:
    """Tags and logs of every type, errors, references, limits, and standard tags do."""
    collector = shared_collector()
    with tracer_of_all_ways(collector, semantic_names=semantic_names) as tracer:
        record_tags(tracer)
        record_errors(tracer)
        record_references(tracer)
        for span in spans_of_every_kind():
            tracer.record(span)
        assert tracer.flush(60)
    assert_all_same(collector, tracer)


def record_tags(tracer: BasicTracer) -> None:
    for name, make in {**VALUES, **HOSTILE_VALUES}.items():
        span = tracer.start_span(name, tags={"value": make(), "after": 1})
        span.log_kv({"event": "found", "value": make()}).finish()
    for kind in ("client", "server", "producer", "consumer", "Server", "other", 5):
        standard: dict[str, Any] = {
            "span.kind": kind,
            "component": "shop",
            "http.method": "GET",
            "http.status_code": 500,
            "http.url": "http://shop/",
            "db.instance": "orders",
            "db.statement": "select 1",
            "db.type": "sql",
            "message_bus.destination": "queue",
            "peer.hostname": "db",
            "peer.port": 5432,
            "peer.service": "db",
        }
        tracer.start_span("standard", tags=standard).finish()
        standard.update({"http.status_code": "404", "peer.port": "x", "peer.ipv4": "1.2.3.4"})
        standard.update({"http.request.method": "PUT", "peer.ipv6": "::1", "db.type": "redis"})
        tracer.start_span("clash", tags=standard).finish()
        # Most spans are like these, which the encoder has a shorter way for.
        usual = {"span.kind": kind, "http.method": "GET", "http.url": "http://shop/", "paid": True}
        with tracer.start_active_span("usual", tags={**usual, "items": 7}):
            tracer.start_span("child", tags={**usual, "peer.port": 80, "debt": -(2**40)}).finish()
    span = tracer.start_span("many", tags=dict.fromkeys(map(str, range(45)), True))
    for number in range(9):
        span.log_kv({"event": number}, timestamp=1.5)
    span.finish()


def record_errors(tracer: BasicTracer) -> None:
    with suppress(LookupError), tracer.start_active_span("raises"):
        raise LookupError("sold out")
    for error in (True, False, "true", "false", "too late", "", 0, 1):
        tracer.start_span("error", tags={"error": error}).finish()
        span = tracer.start_span("logged", tags={"error": error})
        span.log_kv({"event": "error", "error.kind": "Timeout", "message": "late", "stack": "x:1"})
        span.log_kv({"error.object": ValueError("bad"), "more": 1}).log_kv({}).finish()


def record_references(tracer: BasicTracer) -> None:
    caller = RemoteSpanContext((0xAB << 64) + 0xCD, 0xEF, extra={"tracestate": "a=1,b=2"})
    unsampled = RemoteSpanContext(7, 8, sampled=False)
    here = tracer.start_span("here", child_of=caller, tags={"span.kind": "server"})
    tracer.start_span("child", child_of=here).finish()
    references = [follows_from(caller), child_of(here), child_of(caller), follows_from(unsampled)]
    tracer.start_span("all", references=references).finish()
    tracer.start_span("follows", references=references[:1]).finish()
    here.finish()


def test_spans_of_opentelemetrys_api_arrive_as_the_same(shared_collector: CollectorWith) -> None:
    """Attributes of every type, events, links, status, scope and limits do."""
    collector = shared_collector()
    with tracer_of_all_ways(collector) as tracer:
        provider = BasicTracerProvider(tracer, max_links=3)
        record_by_opentelemetry(provider)
        too_many = dict.fromkeys(map(str, range(150)), "x")
        span = provider.get_tracer("lib").start_span("full", attributes=too_many)
        span.add_event("full", too_many)
        span.add_link(REMOTE, too_many)
        span.end()
        assert tracer.flush(60)
    spans = [fields["span"] for fields in arrived(collector, "json").values()]
    (full,) = (span for span in spans if span.name == "full")
    assert all(each.dropped_attributes_count for each in (full, *full.events, *full.links))
    assert_all_same(collector, tracer)


class Ids(IdGenerator):
    """Gives the ids of other spans again, in the order in which these were started."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._trace_ids = iter([each.trace_id for each in spans if not each.parent_span_id])
        self._span_ids = iter([each.span_id for each in spans])

    def generate_trace_id(self) -> int:
        return int.from_bytes(next(self._trace_ids), "big")

    def generate_span_id(self) -> int:
        return int.from_bytes(next(self._span_ids), "big")

    def is_trace_id_random(self) -> bool:
        return True


@pytest.mark.parametrize("make", [in_protobuf, in_json])
def test_spans_of_opentelemetrys_api_arrive_as_its_sdk_sends_them(
    make: MakeRecorder, shared_collector: CollectorWith
) -> None:
    """The SDK gives itself another name; its exporter leaves out what `as_exported` clears."""
    collector = shared_collector()
    recorder = make(collector, resource_attributes={"way": "ours"})
    scope_manager = OpenTelemetryScopeManager()
    with BasicTracer(recorder, scope_manager=scope_manager, trace_id_bits=128) as tracer:
        record_by_opentelemetry(BasicTracerProvider(tracer, max_links=3))
        assert tracer.flush(60)
    ours = arrived(collector, "ours")
    started = sorted((each["span"] for each in ours.values()), key=lambda span: int(span.name))
    provider = TracerProvider(
        resource=Resource.create({"service.name": "shop", "way": "sdk"}),
        id_generator=Ids(started),
        span_limits=SpanLimits(max_links=3),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.url)))
    record_by_opentelemetry(provider)
    provider.shutdown()
    of_sdk = arrived(collector, "sdk")
    assert of_sdk.keys() == ours.keys()
    for span_id, fields in of_sdk.items():
        own = ours[span_id]
        for key in ("telemetry.sdk.name", "telemetry.sdk.version"):
            own["resource"] = {**own["resource"], key: fields["resource"][key]}
        assert_same(own, fields)


def record_by_opentelemetry(provider: trace.TracerProvider) -> None:
    """Record spans whose names are numbers, in the order in which they are started."""
    numbers = map(str, count())
    tracer = provider.get_tracer("lib", "1.0", "https://schema", {"a": 1, "b": [True, False]})
    values: dict[str, Any] = {
        "text": "naïve ☃ 🎉",
        "no text": "",
        "True": True,
        "0": 0,
        "lowest": -(2**63),
        "highest": 2**63 - 1,
        "float": 0.1,
        "large float": 1.7e308,
        "nan": float("nan"),
        "infinite": float("-inf"),
        "bytes": b"\x00\xff",
        "None": None,
        "list": ["a", "b"],
        "empty list": [],
        "mixed list": [1, "a", None, [2.5, [True]]],
        "numbers": (1, 2),
        "mapping": {"a": {"b": [1]}, "c": b"d"},
        "empty mapping": {},
        "error": True,
        "span.kind": "server",
        "http.method": "GET",
    }
    for kind in SpanKind:
        span = tracer.start_span(next(numbers), kind=kind, attributes=values, start_time=T)
        span.set_attribute("more", 1)
        span.add_event("event", values, T + 1)
        span.add_event("bare", timestamp=T + 2)
        span.end(T + 3)
    for status in (
        Status(StatusCode.OK),
        Status(StatusCode.ERROR),
        Status(StatusCode.ERROR, "sold out"),
    ):
        span = tracer.start_span(next(numbers), start_time=T)
        span.set_status(status)
        span.end(T + 1)
    remote = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    other = provider.get_tracer("other")
    with use_span(other.start_span(next(numbers), remote, SpanKind.SERVER, start_time=T)) as parent:
        links = [Link(REMOTE, {"a": [1]}), Link(UNSAMPLED), Link(parent.get_span_context())]
        child = other.start_span(next(numbers), links=links, start_time=T + 1)
        child.end(T + 2)
        child = tracer.start_span(next(numbers), links=[*links, *links], start_time=T + 1)
        for number in range(9):
            child.add_event(str(number), timestamp=T + number)
        child.record_exception(LookupError("sold out"), {"n": 1}, T + 9)
        child.end(T + 10)
        parent.end(T + 3)
