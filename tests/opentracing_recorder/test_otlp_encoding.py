"""OTLP's messages, in protocol buffers and in JSON, read with the official ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from importlib.metadata import version
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opentracing import child_of, follows_from
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    InMemoryRecorder,
    RemoteSpanContext,
    _otlp_attributes,
    _otlp_json,
    _otlp_messages,
    _otlp_protobuf,
)
from opentracing_recorder._opentelemetry_fields import SpanFields, fields_of

from .numbers_of_others import PLAIN

pytest.importorskip("opentelemetry.proto.trace", reason="opentelemetry-proto is not installed")

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ..otlp_payload import request_in, spans_in

ENCODINGS = [_otlp_protobuf, _otlp_json]

T = 1_700_000_000_123_456_789  # nanoseconds since the epoch


@pytest.fixture(params=ENCODINGS, ids=["protobuf", "JSON"])
def encoding(request: pytest.FixtureRequest) -> Any:
    """Each encoding."""
    return request.param


def payload_of(
    encoding: Any,
    *spans: BasicSpan,
    semantic_names: bool = True,
    resource_attributes: Mapping[str, Any] | None = None,
) -> bytes:
    encoded = list(map(encoding.span_encoder(semantic_names), spans))
    made: bytes = encoding.to_request(resource_attributes or {}, encoded)
    return made


def sent(encoding: Any, span: BasicSpan, semantic_names: bool = True) -> Any:
    """A span as the official messages read it."""
    (found,) = spans_in(payload_of(encoding, span, semantic_names=semantic_names))
    return found


def assert_same(found: Any, expected: Any) -> None:
    """Also if a number in them is no number, which is equal to none."""
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    ), f"{found}\nis not\n{expected}"


def spans_of(steps: Callable[[BasicTracer], object], **options: Any) -> list[BasicSpan]:
    recorder = InMemoryRecorder()
    steps(BasicTracer(recorder, trace_id_bits=128, **options))
    assert recorder.spans
    return list(recorder.spans)


def finished(**start: Any) -> BasicSpan:
    (span,) = spans_of(lambda tracer: tracer.start_span("x", **start).finish())
    return span


# Field by field, what OpenTelemetry's exporter sends for the same spans.


def start(tracer: BasicTracer, **options: Any) -> None:
    tracer.start_span("look up", **options).finish()


def start_with_logs(tracer: BasicTracer) -> None:
    span = tracer.start_span("order")
    span.log_kv({"event": "packed", "boxes": 2, "weights": [1.5, 2.5]}, timestamp=100.75)
    span.log_kv({"message": "sent", "": 1, "none": None})
    span.log_kv({"event": "error", "error.object": KeyError("teapot"), "stack": "x.py:1"})
    span.log_kv({})
    span.finish()


def fail(tracer: BasicTracer) -> None:
    with pytest.raises(KeyError), tracer.start_span("order", tags={"http.status_code": "500"}):
        raise KeyError("teapot")


def leave_out(tracer: BasicTracer) -> BasicSpan:
    tracer.max_tags, tracer.max_logs = 2, 3
    span = tracer.start_span("x", tags={str(number): number for number in range(6)})
    for number in range(200):
        span.log_kv({"event": number})
    span.finish()
    return span


CALLER = RemoteSpanContext((0xA << 64) + 1, 2, extra={"tracestate": "a=1,b=2"})
OTHER = RemoteSpanContext(3, 4, extra={"tracestate": "c=3"})
LOCAL = BasicSpanContext(5, 6)

SPANS: dict[str, Callable[[BasicTracer], object]] = {
    "a root": start,
    "a child": lambda tracer: start(tracer, child_of=LOCAL),
    "a child of a caller": lambda tracer: start(tracer, child_of=CALLER),
    "a server's span": lambda tracer: start(tracer, child_of=CALLER, tags={"span.kind": "server"}),
    "times": lambda tracer: start(tracer, start_time=T / 1e9),
    "a time before 1970": lambda tracer: start(tracer, start_time=-5.5),
    "texts": lambda tracer: start(tracer, tags={"a": "b", "é": "ü", "long": "x" * 20_000}),
    "a long key": lambda tracer: start(tracer, tags={"k" * 20_000: "v", "k" * 200: "v"}),
    "integers": lambda tracer: start(tracer, tags={"a": 1, "b": -1, "c": 2**63 - 1, "d": -(2**63)}),
    "long integers": lambda tracer: start(tracer, tags={"a": 2**63, "b": -(2**70), "c": 2**64}),
    "floats": lambda tracer: start(tracer, tags={"a": 1.5, "b": float("nan"), "c": -1e300}),
    "truth values": lambda tracer: start(tracer, tags={"a": True, "b": False}),
    "lists": lambda tracer: start(
        tracer, tags={"a": [1, 2], "b": ["x"], "c": [True], "d": [], "e": [1, "a"], "f": (0.5,)}
    ),
    "a mapping": lambda tracer: start(tracer, tags={"a": {"b": [1, {"c": None}]}}),
    "numbers of others": lambda tracer: start(
        tracer, tags={name: value for name, (value, _) in PLAIN.items()}
    ),
    "no name, no value": lambda tracer: start(tracer, tags={"": 1, "none": None, "other": 2}),
    "a client's span": lambda tracer: start(
        tracer,
        tags={
            "span.kind": "client",
            "http.method": "GET",
            "http.status_code": 200,
            "http.url": "http://shop/",
            "peer.hostname": "shop",
            "peer.port": "80",
            "peer.ipv4": 0x7F000001,
            "component": "urllib3",
        },
    ),
    "a server's peer": lambda tracer: start(
        tracer, tags={"span.kind": "server", "peer.hostname": "shop", "peer.port": 80}
    ),
    "a producer's span": lambda tracer: start(
        tracer, tags={"span.kind": "Producer", "message_bus.destination": "orders"}
    ),
    "a consumer's span": lambda tracer: start(
        tracer, child_of=LOCAL, tags={"span.kind": "consumer"}
    ),
    "a kind of its own": lambda tracer: start(tracer, tags={"span.kind": "local"}),
    "a database": lambda tracer: start(
        tracer, tags={"db.type": "sql", "db.instance": "shop", "db.statement": "SELECT 1"}
    ),
    "both names": lambda tracer: start(
        tracer, tags={"http.method": "GET", "http.request.method": "POST"}
    ),
    "an error": lambda tracer: start(tracer, tags={"error": True}),
    "no error": lambda tracer: start(tracer, tags={"error": False}),
    "an error's text": lambda tracer: start(tracer, tags={"error": "timed out"}),
    "logs": start_with_logs,
    "an exception": fail,
    "references": lambda tracer: start(
        tracer, references=[child_of(LOCAL), follows_from(OTHER), child_of(CALLER)]
    ),
    "what was left out": leave_out,
    "what was left out, and the rest taken away": lambda tracer: leave_out(tracer).logs.clear(),
}


def _api_steps() -> dict[str, Callable[[Any], object]]:
    from opentelemetry import trace
    from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

    state = TraceState([("vendor", "x"), ("other", "y")])
    remote = SpanContext(7 << 70, 9, True, TraceFlags(3), state)
    values = {
        "text": "é",
        "bytes": b"\x00\xff",
        "none": None,
        "number": 2**62,
        "float": 0.5,
        "bool": True,
        "mixed": (1, "a", None, (True, 2.5)),
        "map": {"a": {"b": [1, b"x"]}, "c": None},
        "error": "an attribute as any other",
        "span.kind": "and this",
        "http.method": "not renamed",
    }
    if tuple(map(int, version("opentelemetry-sdk").split(".")[:2])) < (1, 45):
        for name in ("none", "mixed", "map"):  # the earlier ones, for Python 3.9, drop these
            del values[name]

    def all_fields(tracer: Any) -> None:
        span = tracer.start_span(
            "all",
            trace.set_span_in_context(trace.NonRecordingSpan(remote)),
            SpanKind.PRODUCER,
            values,
            [Link(remote, values), Link(SpanContext(1, 2, False, TraceFlags(0)), {})],
            T,
        )
        span.add_event("packed", values, T + 1)
        span.add_event("none", {}, T + 2)
        span.record_exception(KeyError("teapot"), values, T + 3)
        span.set_status(StatusCode.ERROR, "sold out")
        span.end(T + 4)

    def count(tracer: Any) -> None:
        span = tracer.start_span("x", attributes={str(each): each for each in range(300)})
        for each in range(300):
            span.add_event(str(each))
            span.add_link(remote)
        span.add_event("last", {str(each): each for each in range(200)})
        span.set_status(StatusCode.OK)
        span.end()

    def nest(tracer: Any) -> None:
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass

    return {
        "all fields": all_fields,
        "what was left out": count,
        "parent and child": nest,
        "nothing": lambda tracer: tracer.start_span("").end(),
        **{
            f"kind {kind.name}": lambda tracer, kind=kind: tracer.start_span("x", kind=kind).end()
            for kind in SpanKind
        },
    }


API_SPANS = ["all fields", "what was left out", "parent and child", "nothing"]
API_SPANS += [f"kind {kind}" for kind in ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")]


def spans_of_api(steps: Callable[[Any], object]) -> list[BasicSpan]:
    """The spans that OpenTelemetry's API starts."""
    from opentracing_recorder.opentelemetry_api import (
        BasicTracerProvider,
        OpenTelemetryScopeManager,
    )

    def take(tracer: BasicTracer) -> None:
        provider = BasicTracerProvider(tracer)
        steps(provider.get_tracer("lib", "1.0", "https://schema", {"a": 1, "b": "é"}))

    return spans_of(take, scope_manager=OpenTelemetryScopeManager())


def of_opentelemetry(
    spans: list[BasicSpan], semantic_names: bool, resource_attributes: dict[str, Any]
) -> Any:
    """The request that OpenTelemetry's exporter makes of the same spans, and two fields more.

    It leaves out the trace state of links, and W3C's bits of all flags, though the messages have a
    place for them.
    """
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource

    from opentracing_recorder._opentelemetry_span import to_readable_span

    resource = Resource(resource_attributes)
    readable = [to_readable_span(span, resource, semantic_names) for span in spans]
    request = encode_spans(readable)
    made = [
        span
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]
    by_id = {each.context.span_id: each for each in readable}
    for span in made:
        given = by_id[int.from_bytes(span.span_id, "big")]
        span.flags |= given.context.trace_flags
        for link, given_link in zip(span.links, given.links):
            link.flags |= given_link.context.trace_flags
            link.trace_state = given_link.context.trace_state.to_header()
    return request


RESOURCE = {"service.name": "shop", "number": 5, "list": ["a"], "é": "ü", "float": 0.5, "no": False}


@pytest.mark.needs_os
@pytest.mark.parametrize("semantic_names", [True, False])
@pytest.mark.parametrize("name", SPANS)
def test_a_span_is_what_opentelemetry_sends(
    encoding: ModuleType, name: str, semantic_names: bool
) -> None:
    """All fields of the request are equal, but for two that the exporter leaves out."""
    pytest.importorskip("opentelemetry.exporter", reason="there is no wheel for this interpreter")
    spans = spans_of(SPANS[name])
    payload = payload_of(
        encoding, *spans, semantic_names=semantic_names, resource_attributes=RESOURCE
    )
    assert_same(request_in(payload), of_opentelemetry(spans, semantic_names, RESOURCE))


@pytest.mark.needs_os
@pytest.mark.parametrize("semantic_names", [True, False])
@pytest.mark.parametrize("name", API_SPANS)
def test_a_span_of_opentelemetrys_api_is_what_its_sdk_sends(
    encoding: ModuleType, name: str, semantic_names: bool
) -> None:
    """The same for spans that OpenTelemetry's API started; nothing of them is renamed."""
    pytest.importorskip("opentelemetry.exporter", reason="there is no wheel for this interpreter")
    spans = spans_of_api(_api_steps()[name])
    payload = payload_of(
        encoding, *spans, semantic_names=semantic_names, resource_attributes=RESOURCE
    )
    assert_same(request_in(payload), of_opentelemetry(spans, semantic_names, RESOURCE))


@pytest.mark.needs_os
def test_spans_of_several_scopes_share_a_request(encoding: ModuleType) -> None:
    """Each scope is there once, with its spans in their order."""
    pytest.importorskip("opentelemetry.exporter", reason="there is no wheel for this interpreter")
    from opentracing_recorder.opentelemetry_api import BasicTracerProvider

    def take(tracer: BasicTracer) -> None:
        provider = BasicTracerProvider(tracer)
        for number in range(3):
            tracer.start_span(f"own {number}").finish()
            provider.get_tracer("a", "1").start_span(f"a {number}").end()
            provider.get_tracer("b", None, "https://schema").start_span(f"b {number}").end()

    spans = spans_of(take)
    found = request_in(payload_of(encoding, *spans, resource_attributes=RESOURCE))
    assert_same(found, of_opentelemetry(spans, True, RESOURCE))
    (resource,) = found.resource_spans
    assert [[span.name for span in scope.spans] for scope in resource.scope_spans] == [
        ["own 0", "own 1", "own 2"],
        ["a 0", "a 1", "a 2"],
        ["b 0", "b 1", "b 2"],
    ]


# Any span, as messages made of its fields.


def any_value(value: Any) -> AnyValue:
    """By the type; integers beyond 64 bits and all other objects are text."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return AnyValue(int_value=value)
        return AnyValue(string_value=hex(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=text(value))
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    made = AnyValue()
    if isinstance(value, Mapping):
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(key_values(value))
    else:
        made.array_value.SetInParent()
        made.array_value.values.extend(map(any_value, value))
    return made


def text(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


def key_values(values: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=text(key), value=any_value(each)) for key, each in values.items()]


def flags(w3c: int, is_remote: bool) -> int:
    return w3c + 0x100 + (0x200 if is_remote else 0)


def as_message(span: SpanFields) -> Span:
    """The official message of a span."""
    return Span(
        trace_id=span.trace_id.to_bytes(16, "big"),
        span_id=span.span_id.to_bytes(8, "big"),
        trace_state=span.trace_state,
        parent_span_id=b"" if span.parent_id is None else span.parent_id.to_bytes(8, "big"),
        name=span.name,
        kind=span.kind + 1,  # type: ignore[arg-type]
        start_time_unix_nano=max(0, min(span.start_time, 2**64 - 1)),
        end_time_unix_nano=max(0, min(span.end_time, 2**64 - 1)),
        attributes=key_values(span.attributes),
        events=[
            Span.Event(
                time_unix_nano=max(0, min(each.time, 2**64 - 1)),
                name=text(each.name),
                attributes=key_values(each.attributes),
                dropped_attributes_count=each.dropped_attributes,
            )
            for each in span.events
        ],
        links=[
            Span.Link(
                trace_id=each.trace_id.to_bytes(16, "big"),
                span_id=each.span_id.to_bytes(8, "big"),
                trace_state=each.trace_state,
                attributes=key_values(each.attributes),
                dropped_attributes_count=each.dropped_attributes,
                flags=flags(each.flags, each.is_remote),
            )
            for each in span.links
        ],
        status=Status(code=span.status, message=text(span.status_message or "")),  # type: ignore[arg-type]
        dropped_attributes_count=span.dropped_attributes,
        dropped_events_count=span.dropped_events,
        dropped_links_count=span.dropped_links,
        flags=flags(span.flags, span.is_parent_remote),
    )


class Text(str):
    """Text of a class of its own, which says other things of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"

    def encode(self, *_: Any) -> bytes:
        return b"other"


class Number(int):
    pass


class Named(str, Enum):
    A = "a"


# `st.text()` has no surrogates.
_texts = st.text(st.characters(exclude_categories=[]), max_size=20)
_sizes = st.sampled_from([0, 1, 99, 100, 101, 126, 127, 128, 129, 300, 16_383, 16_384])
_long_texts = st.builds(lambda size, each: each * size, _sizes, st.sampled_from(["x", "é"]))
_keys = (
    _texts
    | _long_texts
    | st.integers(0, 2000).map(lambda number: f"key {number}")
    | st.sampled_from(
        ["span.kind", "error", "http.status_code", "peer.port", "peer.ipv4", "db.type"]
    )
)
_numbers = (
    st.integers()
    | st.integers(2**62, 2**65)
    | st.integers(-(2**65), -(2**62))
    | st.floats().map(lambda each: each if each == each else math.nan)  # JSON has one alone
    | st.booleans()
)
_scalars = (
    st.none()
    | _numbers
    | _texts
    | _long_texts
    | st.binary(max_size=20)
    | st.builds(Text, _texts)
    | st.builds(Number, st.integers())
    | st.sampled_from([Named.A, *(value for value, _ in PLAIN.values())])
    | st.sampled_from(["server", "client", "producer", "Consumer", "true", "200", "80"])
)
_values = st.recursive(
    _scalars,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(_texts, each, max_size=4),
    max_leaves=5,
)
_times = st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 4e9)
_contexts = st.builds(
    lambda kind, trace_id, span_id, sampled, extra: kind(trace_id, span_id, None, sampled, extra),
    st.sampled_from([BasicSpanContext, RemoteSpanContext]),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.just(True),
    st.sampled_from([{}, {"tracestate": "a=1"}, {"tracestate": "\ud800"}]),
)
_references = st.lists(
    st.builds(lambda make, each: make(each), st.sampled_from([child_of, follows_from]), _contexts),
    max_size=3,
)


@given(
    name=_texts | _long_texts,
    tags=st.dictionaries(_keys, _values, max_size=8),
    references=_references,
    logs=st.lists(st.dictionaries(_keys, _values, max_size=4), max_size=3),
    start_time=_times,
    finish_time=_times,
    semantic_names=st.booleans(),
)
def test_any_span_is_read_back(
    name: str,
    tags: dict[str, Any],
    references: list[Any],
    logs: list[dict[str, Any]],
    start_time: float,
    finish_time: float,
    semantic_names: bool,
) -> None:
    """The official messages read the values that the fields of the span have."""
    span = BasicTracer(trace_id_bits=128).start_span(
        name, tags=tags, references=references, start_time=start_time
    )
    for each in logs:
        span.log_kv(each)
    span.finish(finish_time)
    expected = as_message(fields_of(span, semantic_names))
    for encoding in ENCODINGS:
        assert_same(sent(encoding, span, semantic_names), expected)


_usual_tags = st.dictionaries(
    _keys | st.sampled_from(["span.kind", "http.method", "peer.hostname"]),
    st.integers(-(2**63), 2**63 - 1) | st.booleans() | _texts | st.sampled_from(["server", "80"]),
    max_size=6,
)


@given(
    name=_texts | _long_texts,
    tags=_usual_tags,
    parent=st.none() | _contexts,
    start_time=st.floats(-1, 1e10),
    duration=st.floats(0, 2),
    semantic_names=st.booleans(),
)
@example("x", {"span.kind": "server", "peer.port": 80}, CALLER, 1.0, 0.5, True)
def test_the_usual_span_is_what_all_fields_make_of_it(
    name: str,
    tags: dict[str, Any],
    parent: BasicSpanContext | None,
    start_time: float,
    duration: float,
    semantic_names: bool,
) -> None:
    """The short way gives up, or gives the same message."""
    span = BasicTracer(trace_id_bits=128).start_span(name, parent, tags=tags, start_time=start_time)
    span.finish(start_time + duration)
    try:
        usual = _otlp_protobuf._usual(semantic_names, span)
    except (ValueError, KeyError, OverflowError):
        return
    if usual is not None:
        expected = as_message(fields_of(span, semantic_names))
        assert_same(Span.FromString(usual), expected)


@pytest.mark.parametrize("semantic_names", [True, False])
@pytest.mark.parametrize(
    ("parent", "tags"),
    [
        (None, {}),
        (LOCAL, {"a": "b", "n": 5, "t": True}),
        (None, {"span.kind": "server", "http.method": "GET", "http.status_code": 200}),
        (LOCAL, {"span.kind": "client", "peer.hostname": "shop", "peer.port": 80}),
    ],
)
def test_nearly_all_spans_are_usual(
    parent: BasicSpanContext | None, tags: dict[str, Any], semantic_names: bool
) -> None:
    """Otherwise the short way, and the test of it, would serve nobody."""
    span = finished(child_of=parent, tags=tags)
    usual = _otlp_protobuf._usual(semantic_names, span)
    assert usual is not None
    assert_same(Span.FromString(usual), as_message(fields_of(span, semantic_names)))


_api_keys = _texts.filter(bool) | _long_texts.filter(bool) | st.integers(0, 2000).map(str)
_api_scalars = (
    st.none()
    | _numbers
    | _texts
    | _long_texts
    | st.binary(max_size=20)
    | st.builds(Number, st.integers())
    | st.just(Named.A)
)
_api_values = st.recursive(
    _api_scalars,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(_api_keys, each, max_size=4),
    max_leaves=5,
)
_api_attributes = st.dictionaries(_api_keys, _api_values, max_size=4)
_api_times = st.none() | st.integers(-(2**70), 2**70)


@pytest.mark.needs_os
@given(
    name=_texts | _long_texts,
    attributes=_api_attributes,
    event=_api_attributes,
    link=_api_attributes,
    start_time=_api_times,
    end_time=_api_times,
    description=st.none() | _texts,
)
def test_any_span_of_opentelemetrys_api_is_read_back(
    name: str,
    attributes: dict[str, Any],
    event: dict[str, Any],
    link: dict[str, Any],
    start_time: int | None,
    end_time: int | None,
    description: str | None,
) -> None:
    """The values are those that were given, in their types, nested as they were."""
    trace = pytest.importorskip("opentelemetry.trace")
    context = trace.SpanContext(7, 9, True, trace.TraceFlags(1))

    def steps(tracer: Any) -> None:
        span = tracer.start_span(
            name, attributes=attributes, links=[trace.Link(context, link)], start_time=start_time
        )
        span.add_event(name, event, start_time)
        span.set_status(trace.StatusCode.ERROR, description)
        span.end(end_time)

    (span,) = spans_of_api(steps)
    expected = as_message(fields_of(span, True))
    for attributes_found, attributes_given in (
        (expected.attributes, attributes),
        (expected.events[0].attributes, event),
        (expected.links[0].attributes, link),
    ):
        assert_same(
            Span(attributes=attributes_found), Span(attributes=key_values(attributes_given))
        )
    for encoding in ENCODINGS:
        assert_same(sent(encoding, span), expected)


@given(attributes=st.dictionaries(_texts, _api_values, max_size=5))
def test_any_resource_is_read_back(attributes: dict[str, Any]) -> None:
    """Its values are those that were given; the scope is that of OpenTracing's API."""
    for encoding in ENCODINGS:
        payload = payload_of(encoding, finished(), resource_attributes=attributes)
        (resource,) = request_in(payload).resource_spans
        found = Span(attributes=resource.resource.attributes)
        assert_same(found, Span(attributes=key_values(attributes)))
        (scope,) = resource.scope_spans
        assert (scope.scope.name, bool(scope.scope.version)) == ("opentracing", True)
        assert not scope.schema_url


# Names that are kept.


def test_names_are_kept_within_bounds() -> None:
    """However many names and sizes there are, all are sent right, and few are remembered."""
    kept = _otlp_messages.of_span._of_text
    for number in range(3 * _otlp_attributes.MOST_KEPT):
        tags = {f"key {number}": "x" * (number % 300), f"{number}" * 200: "y"}
        found = sent(_otlp_protobuf, finished(tags=tags), False)
        assert_same(Span(attributes=found.attributes), Span(attributes=key_values(tags)))
        assert len(kept) <= _otlp_attributes.MOST_KEPT
    assert max(map(len, kept)) <= _otlp_attributes.LONGEST_KEPT


class Liar(Text):
    """A key that says to be another, and that its bytes are others."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash("liar's victim")

    def __eq__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize("value", ["text", 5, True])
def test_a_key_of_a_class_of_its_own_changes_no_other(value: Any, encoding: ModuleType) -> None:
    """Nothing is remembered by such a key."""
    first = payload_of(encoding, finished(), resource_attributes={Liar("liar"): value})
    then = payload_of(encoding, finished(), resource_attributes={"liar's victim": value})
    for payload, name in ((first, "liar"), (then, "liar's victim")):
        (resource,) = request_in(payload).resource_spans
        assert [each.key for each in resource.resource.attributes] == [name]


def test_a_parent_without_an_id_is_no_parent(encoding: ModuleType) -> None:
    """A recorder may have changed it."""
    span = finished(child_of=LOCAL)
    span.parent_id = 0
    assert sent(encoding, span).parent_span_id == b""


@pytest.mark.needs_os
def test_every_depth_can_be_read(encoding: ModuleType) -> None:
    """Decoders take no more than 100 messages within each other; a mapping takes three."""
    pytest.importorskip("opentelemetry.trace", reason="opentelemetry-api is not installed")
    deep: Any = 1
    for _ in range(100):
        deep = {"k": deep}

    def steps(tracer: Any) -> None:
        span = tracer.start_span("x")
        span.add_event("deep", {"k": deep})
        span.end()

    (span,) = spans_of_api(steps)
    assert sent(encoding, span).events[0].attributes[0].value.kvlist_value.values


REPEATED: list[Any] = []
for _ in range(50):
    REPEATED = [REPEATED, REPEATED]

CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE


class Endless(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat("x")


@pytest.mark.needs_os
@pytest.mark.parametrize(
    "value", [REPEATED, CYCLE, Endless()], ids=["repeated", "cycle", "endless"]
)
@pytest.mark.parametrize("api", ["OpenTelemetry", "OpenTracing"])
def test_a_value_without_end_is_cut(encoding: ModuleType, api: str, value: Any) -> None:
    """Neither the application nor the sender waits, whichever API sets it on the span."""
    pytest.importorskip("opentelemetry.trace", reason="opentelemetry-api is not installed")

    def steps(tracer: Any) -> None:
        span = tracer.start_span("x")
        if api == "OpenTracing":
            span.basic_span.set_tag("key", value)
        else:
            span.set_attribute("key", value)
        span.end()

    (span,) = spans_of_api(steps)
    found = sent(encoding, span)
    (attribute,) = found.attributes
    assert attribute.key == "key"
    assert found.ByteSize() < 1_000_000
