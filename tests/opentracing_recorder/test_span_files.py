"""read_spans and write_spans: anyone's files of spans, whole, broken and hostile."""

from __future__ import annotations

import gzip
import io
import json
import logging
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import follows_from
from opentracing_recorder import (
    BasicTracer,
    InMemoryRecorder,
    NotASpan,
    Trace,
    _json_stream,
    _text_stream,
    read_spans,
    write_spans,
)

from .span_dicts import span

OURS = b'{"trace_id":"1","span_id":"2"}'


def read(source: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The spans in a source, and the places and reasons of what is none."""
    skipped: list[NotASpan] = []
    spans = list(read_spans(source, skipped.append))
    return spans, [f"{each.place} is no span: {each.reason}" for each in skipped]


def whole(source: Any) -> list[dict[str, Any]]:
    """The spans in a source that holds nothing else."""
    spans, skipped = read(source)
    assert skipped == []
    return spans


def ids(spans: list[dict[str, Any]]) -> list[str]:
    return [each["span_id"][-1] for each in spans]


# Formats.

ZIPKIN: dict[str, Any] = {
    "traceId": "5af7183fb1d4cf5f",
    "parentId": "6b221d5bc9e6496c",
    "id": "352bff9a74ca9ad2",
    "kind": "CLIENT",
    "name": "get /stock",
    "timestamp": 1700000000000001,
    "duration": 1431,
    "localEndpoint": {"serviceName": "shop", "ipv4": "192.168.99.1", "port": 3306},
    "remoteEndpoint": {"serviceName": "stock", "ipv4": "172.19.0.2", "ipv6": "::1", "port": 58648},
    "annotations": [{"timestamp": 1700000000000500, "value": "retry"}],
    "tags": {"http.method": "GET", "error": ""},
    "debug": True,
    "shared": True,
}

OTLP_SPAN: dict[str, Any] = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "parentSpanId": "eee19b7ec3c1b173",
    "name": "get /stock",
    "kind": 3,
    "startTimeUnixNano": "1700000000000000001",
    "endTimeUnixNano": "1700000000250000001",
    "attributes": [
        {"key": "text", "value": {"stringValue": "x"}},
        {"key": "int", "value": {"intValue": "9223372036854775807"}},
        {"key": "float", "value": {"doubleValue": 1}},
        {"key": "not finite", "value": {"doubleValue": "-Infinity"}},
        {"key": "bool", "value": {"boolValue": True}},
        {"key": "bytes", "value": {"bytesValue": "AP8="}},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}},
        {
            "key": "mapping",
            "value": {"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}]}},
        },
        {"key": "nothing", "value": {}},
    ],
    "droppedAttributesCount": 1,
    "events": [
        {"timeUnixNano": "1700000000100000000", "name": "retry", "attributes": []},
        {
            "timeUnixNano": "1700000000200000000",
            "name": "exception",
            "attributes": [
                {"key": "exception.type", "value": {"stringValue": "Timeout"}},
                {"key": "exception.message", "value": {"stringValue": "late"}},
                {"key": "exception.stacktrace", "value": {"stringValue": "x:1"}},
            ],
        },
    ],
    "droppedEventsCount": 2,
    "links": [
        {"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175"},
        {
            "traceId": "0000000000000000d269b633813fc60d",
            "spanId": "eee19b7ec3c1b175",
            "attributes": [{"key": "opentracing.ref_type", "value": {"stringValue": "child_of"}}],
        },
    ],
    "status": {"code": 2, "message": "late"},
}

OTLP: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": "shop"}},
                    {"key": "host.name", "value": {"stringValue": "a"}},
                ]
            },
            "scopeSpans": [{"scope": {"name": "lib", "version": "1"}, "spans": [OTLP_SPAN]}],
        }
    ]
}

JAEGER_SPAN: dict[str, Any] = {
    "traceID": "000000000000000000000000000000ff",
    "spanID": "2",
    "flags": 1,
    "operationName": "get /stock",
    "references": [
        {"refType": "FOLLOWS_FROM", "traceID": "ff", "spanID": "7"},
        {"refType": "CHILD_OF", "traceID": "fe", "spanID": "8"},
        {"refType": "CHILD_OF", "traceID": "ff", "spanID": "9"},
    ],
    "startTime": 1700000000000001,
    "duration": 1431,
    "tags": [
        {"key": "text", "type": "string", "value": "x"},
        {"key": "bool", "type": "bool", "value": True},
        {"key": "int", "type": "int64", "value": 200},
        {"key": "large int", "type": "int64", "value": "9223372036854775222"},
        {"key": "float", "type": "float64", "value": 72},
        {"key": "binary", "type": "binary", "value": "AAAwOQ=="},
        {"key": "span.kind", "type": "string", "value": "client"},
    ],
    "logs": [
        {
            "timestamp": 1700000000000500,
            "fields": [{"key": "event", "type": "string", "value": "retry"}],
        }
    ],
    "processID": "p1",
    "warnings": ["clock skew"],
}

JAEGER: dict[str, Any] = {
    "data": [
        {
            "traceID": "000000000000000000000000000000ff",
            "spans": [JAEGER_SPAN],
            "processes": {
                "p1": {
                    "serviceName": "shop",
                    "tags": [{"key": "ip", "type": "string", "value": "10.0.0.1"}],
                }
            },
            "warnings": None,
        }
    ],
    "total": 0,
    "limit": 0,
    "offset": 0,
    "errors": None,
}


def test_a_span_of_zipkin_is_read_with_each_field() -> None:
    """Zipkin's fields become those that the same span has here."""
    assert whole(json.dumps([ZIPKIN])) == [
        {
            "trace_id": "5af7183fb1d4cf5f",
            "span_id": "352bff9a74ca9ad2",
            "parent_id": "6b221d5bc9e6496c",
            "operation_name": "get /stock",
            "service": "shop",
            "start_time": 1700000000.000001,
            "duration": 0.001431,
            "tags": {
                "http.method": "GET",
                "error": True,
                "span.kind": "client",
                "peer.service": "stock",
                "peer.ipv4": "172.19.0.2",
                "peer.ipv6": "::1",
                "peer.port": 58648,
            },
            "logs": [{"timestamp": 1700000000.0005, "fields": {"event": "retry"}}],
            "references": [],
            "baggage": {},
            "dropped_tags": 0,
            "dropped_logs": 0,
            "shared": True,
            "debug": True,
        }
    ]


def test_a_span_of_otlp_is_read_with_each_field() -> None:
    """OTLP's fields, its resource and its scope become those that the same span has here."""
    assert whole(json.dumps(OTLP)) == [
        {
            "trace_id": "5b8efff798038103d269b633813fc60c",
            "span_id": "eee19b7ec3c1b174",
            "parent_id": "eee19b7ec3c1b173",
            "operation_name": "get /stock",
            "service": "shop",
            "start_time": 1700000000000000001 / 1_000_000_000,
            "duration": 0.25,
            "tags": {
                "host.name": "a",
                "otel.scope.name": "lib",
                "otel.scope.version": "1",
                "text": "x",
                "int": 9223372036854775807,
                "float": 1.0,
                "not finite": "-inf",
                "bool": True,
                "bytes": "AP8=",
                "list": [1, None],
                "mapping": {"a": "b"},
                "nothing": None,
                "span.kind": "client",
                "error": True,
            },
            "logs": [
                {"timestamp": 1700000000.1, "fields": {"event": "retry"}},
                {
                    "timestamp": 1700000000.2,
                    "fields": {
                        "event": "error",
                        "error.kind": "Timeout",
                        "message": "late",
                        "stack": "x:1",
                    },
                },
            ],
            "references": [
                {
                    "type": "follows_from",
                    "trace_id": "5b8efff798038103d269b633813fc60d",
                    "span_id": "eee19b7ec3c1b175",
                },
                {
                    "type": "child_of",
                    "trace_id": "d269b633813fc60d",
                    "span_id": "eee19b7ec3c1b175",
                },
            ],
            "baggage": {},
            "dropped_tags": 1,
            "dropped_logs": 2,
        }
    ]


def test_a_span_of_jaeger_is_read_with_each_field() -> None:
    """Jaeger's fields, and those of its process, become those that the same span has here."""
    assert whole(json.dumps(JAEGER)) == [
        {
            "trace_id": "00000000000000ff",
            "span_id": "0000000000000002",
            "parent_id": "0000000000000009",
            "operation_name": "get /stock",
            "service": "shop",
            "start_time": 1700000000.000001,
            "duration": 0.001431,
            "tags": {
                "ip": "10.0.0.1",
                "text": "x",
                "bool": True,
                "int": 200,
                "large int": 9223372036854775222,
                "float": 72.0,
                "binary": "AAAwOQ==",
                "span.kind": "client",
                "jaeger.warnings": ["clock skew"],
            },
            "logs": [{"timestamp": 1700000000.0005, "fields": {"event": "retry"}}],
            "references": [
                {
                    "type": "follows_from",
                    "trace_id": "00000000000000ff",
                    "span_id": "0000000000000007",
                },
                {
                    "type": "child_of",
                    "trace_id": "00000000000000fe",
                    "span_id": "0000000000000008",
                },
            ],
            "baggage": {},
            "dropped_tags": 0,
            "dropped_logs": 0,
        }
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parentSpanID": "5"}, {"parent_id": "0000000000000005"}),
        ({"references": JAEGER_SPAN["references"][:2]}, {"parent_id": "0000000000000007"}),
        ({"references": None, "parentSpanID": "0"}, {"parent_id": None, "references": []}),
        ({"process": {"serviceName": "own"}}, {"service": "own"}),
        ({"processID": "p2"}, {"service": None}),
        ({"warnings": None, "tags": None, "logs": None}, {"tags": {"ip": "10.0.0.1"}, "logs": []}),
        (
            {"tags": [{"key": "ip", "type": "bool", "value": "true"}], "warnings": []},
            {"tags": {"ip": True}},
        ),
    ],
)
def test_what_jaeger_writes_differently_is_read(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Its older fields and those of its storage mean the same; null is an empty list."""
    trace = {**JAEGER["data"][0], "spans": [{**JAEGER_SPAN, **fields}]}
    (found,) = whole(json.dumps(trace))
    assert {key: found[key] for key in expected} == expected


def snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def with_protobufs_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(key): with_protobufs_names(each) for key, each in value.items()}
    return [with_protobufs_names(each) for each in value] if isinstance(value, list) else value


def in_base64(value: Any) -> Any:
    import base64

    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(each)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else in_base64(each)
            for key, each in value.items()
        }
    return [in_base64(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "change",
    [
        with_protobufs_names,
        in_base64,
        lambda request: {"batches": request["resourceSpans"]},
        lambda request: {"trace": request},
        lambda request: request["resourceSpans"],
        lambda request: json.loads(
            json.dumps(request)
            .replace('"kind": 3', '"kind": "SPAN_KIND_CLIENT"')
            .replace('"code": 2', '"code": "STATUS_CODE_ERROR"')
            .replace("scopeSpans", "instrumentationLibrarySpans")
            .replace('"scope"', '"instrumentationLibrary"')
        ),
    ],
    ids=[
        "protobuf's names",
        "base64",
        "Tempo 1",
        "Tempo 2",
        "no request",
        "enumerations, old names",
    ],
)
def test_what_other_writers_of_otlp_write_is_read(change: Any) -> None:
    """The same spans in other forms of protobuf's JSON are read as the same."""
    assert whole(json.dumps(change(OTLP))) == whole(json.dumps(OTLP))


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ([], "child_of"),
        (
            [{"key": "opentracing.ref_type", "value": {"stringValue": "follows_from"}}],
            "follows_from",
        ),
    ],
)
def test_a_link_to_the_parent_is_of_a_child_unless_it_says_otherwise(
    attributes: list[Any], kind: str
) -> None:
    """Instrumentation may link the parent as well, which waited for the span all the same."""
    parent = {"traceId": OTLP_SPAN["traceId"], "spanId": OTLP_SPAN["parentSpanId"]}
    span = {**OTLP_SPAN, "links": [{**parent, "attributes": attributes}]}
    (found,) = whole(json.dumps(span))
    assert [each["type"] for each in found["references"]] == [kind]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({}, None),
        ({"code": 0}, None),
        ({"code": 1}, False),
        ({"code": 2}, True),
        ({"code": 2, "message": "sold out"}, "sold out"),
        ({"code": 2, "message": "false"}, True),
    ],
)
def test_a_status_becomes_the_tag_error(status: dict[str, Any], error: Any) -> None:
    """A failed span is one here too, whatever its message is."""
    (found,) = whole(json.dumps({**OTLP_SPAN, "status": status}))
    assert found["tags"].get("error") == error


def test_a_span_of_zipkin_without_times_has_those_of_its_annotations() -> None:
    """An old client reports a half without a timestamp; a span without a duration is unfinished."""
    fields = {key: each for key, each in ZIPKIN.items() if key not in ("timestamp", "duration")}
    (found,) = whole(json.dumps([fields]))
    assert (found["start_time"], found["duration"]) == (1700000000.0005, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"traceId": "ABC"}, {"trace_id": "0000000000000abc"}),
        ({"traceId": "1" + "0" * 16}, {"trace_id": "0" * 15 + "1" + "0" * 16}),
        ({"parentId": "5"}, {"parent_id": "0000000000000005"}),
        ({"parentId": "0" * 16}, {"parent_id": None}),
        ({"parentId": None}, {"parent_id": None}),
        ({"parentId": "no id"}, {"parent_id": "no id"}),
    ],
)
def test_ids_have_the_digits_of_our_own(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Ids are padded, so that the formats of several programs make one trace."""
    (found,) = whole(json.dumps({**ZIPKIN, **given}))
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        f"[{json.dumps(ZIPKIN)}]",
        f"[[{json.dumps(ZIPKIN)}], []]",
        json.dumps(ZIPKIN),
        json.dumps([ZIPKIN], indent=2),
        json.dumps(ZIPKIN, indent="\t"),
        json.dumps({"total": 1, "data": [ZIPKIN]}),
        "\ufeff" + json.dumps([[ZIPKIN]], indent=2).replace("\n", "\r\n"),
    ],
    ids=["list", "lists", "one", "indented list", "indented one", "answer", "mark and returns"],
)
def test_every_layout_of_zipkins_answers_is_read(text: str) -> None:
    """Traces, one trace, and one span; as one line or as many."""
    assert ids(whole(text)) == ["2"]


def test_a_file_may_hold_all_formats() -> None:
    """Each line, and each value that stands on several, is told apart by itself."""
    texts = [
        OURS.decode(),
        json.dumps(OTLP),
        json.dumps([ZIPKIN], indent=1),
        OURS.decode() + OURS.decode(),
        json.dumps(JAEGER, indent=4),
        json.dumps(OTLP_SPAN),
    ]
    assert ids(whole("\n".join(texts))) == list("2422224")


# Sources.


@pytest.mark.parametrize("compress", [lambda content: content, gzip.compress])
@pytest.mark.parametrize(
    "kind", ["path", "text path", "bytes", "file", "memory", "text", "open text"]
)
def test_every_source_is_read(compress: Any, kind: str, tmp_path: Path) -> None:
    """Paths, bytes, text and open files have the same spans; all but text may be compressed."""
    content = (OURS + b"\n") * 3
    path = tmp_path / "spans"
    path.write_bytes(compress(content))
    if kind == "path":
        assert len(whole(path)) == 3
    elif kind == "text path":
        assert len(whole(str(path))) == 3
    elif kind == "bytes":
        assert len(whole(path.read_bytes())) == 3
    elif kind == "file":
        with path.open("rb") as file:
            assert len(whole(file)) == 3
    elif kind == "memory":
        assert len(whole(memoryview(path.read_bytes()))) == 3
    elif kind == "text":
        assert len(whole(content.decode())) == 3
    else:
        assert len(whole(io.StringIO(content.decode()))) == 3


def test_members_of_gzip_follow_each_other() -> None:
    """Files that were compressed one by one, and padded with zeros, are one."""
    assert len(whole(gzip.compress(OURS) + gzip.compress(OURS) + b"\0" * 512)) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_text_with_a_byte_order_mark_is_read(encoding: str) -> None:
    """Windows writes such files, by a redirection for example."""
    (found,) = whole('{"trace_id":"1","span_id":"2","service":"é☃"}\r\n'.encode(encoding))
    assert found["service"] == "é☃"


@pytest.mark.parametrize("path", ["missing", "\0", "\ud800", "."])
def test_a_path_that_cannot_be_read_raises(path: str) -> None:
    """The error is an OSError, also for text that no path can be."""
    with pytest.raises(OSError, match="Errno"):
        list(read_spans(path))


@pytest.mark.parametrize("text", ["", " \n ", "[]", "[[], []]", '{"data": [], "total": 0}'])
def test_nothing_is_no_error(text: str) -> None:
    """An empty text, and an empty list, have no spans."""
    assert whole(text) == []


# Writing.


def recorded_spans() -> list[dict[str, Any]]:
    """Spans of two services, with tags, logs and an error."""
    recorder = InMemoryRecorder()
    shop = BasicTracer(recorder, service_name="shop", trace_id_bits=128)
    stock = BasicTracer(recorder, service_name="stock")
    with shop.start_active_span("checkout", tags={"http.status_code": 500, "paid": True}) as scope:
        tags = {"span.kind": "client", "peer.service": "stock", "peer.port": 80}
        with shop.start_active_span("call", tags=tags) as call:
            call.span.log_kv({"event": "retry", "attempt": 2}).log_kv({"event": "sent"})
            server = stock.start_span(
                "get", child_of=call.span.context, tags={"span.kind": "server"}
            )
            server.set_tag("error", True)
            server.log_kv({"event": "error", "error.kind": "Timeout", "message": "late"})
            server.finish()
        followed = [follows_from(call.span.context), follows_from(scope.span.context)]
        shop.start_span("audit", references=followed).finish()
        scope.span.set_tag("error", "sold out")
    return [each.to_dict() for each in recorder.spans]


@pytest.mark.parametrize("format", ["jsonl", "zipkin", "otlp"])
@pytest.mark.parametrize("name", ["spans", "spans.gz"])
def test_what_is_written_is_read(format: str, name: str, tmp_path: Path) -> None:
    """The trees of spans, their services, kinds, errors and logs come back, in each format."""
    spans = recorded_spans()
    path = tmp_path / name
    assert write_spans(spans, path, format) == len(spans)
    assert path.read_bytes().startswith(b"\x1f\x8b") is (name == "spans.gz")
    found = whole(path)
    tags = ["span.kind", "peer.service"]
    expected = [each.outline(tags) for each in Trace.from_spans(spans)]
    assert [each.outline(tags) for each in Trace.from_spans(found)] == expected
    assert [each["service"] for each in found] == [each["service"] for each in spans]
    # Zipkin has a place for the parent's id, but not for how it is one.
    assert [each["references"] for each in found] == [
        [
            each
            for each in before["references"]
            if format != "zipkin" or each["span_id"] != before["parent_id"]
        ]
        for before in spans
    ]
    for now, before in zip(found, spans):
        assert now["start_time"] == pytest.approx(before["start_time"], abs=1e-6)
        assert now["duration"] == pytest.approx(before["duration"], abs=1e-6)
        fields = [each["fields"] for each in now["logs"]]
        assert fields == [each["fields"] for each in before["logs"]]


def test_spans_are_written_as_they_are(tmp_path: Path) -> None:
    """`write_spans` takes spans as well as their `to_dict` form, and an open file."""
    recorder = InMemoryRecorder()
    BasicTracer(recorder).start_span("a").finish()
    file = io.BytesIO()
    assert write_spans(recorder.spans, file) == 1
    assert whole(file.getvalue()) == [recorder.spans[0].to_dict()]


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """The error names those that there are, and no file is made."""
    with pytest.raises(ValueError, match="jsonl, zipkin, otlp, chrome, not 'xml'"):
        write_spans([], tmp_path / "file", "xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_a_span_without_a_place_in_the_format_is_reported(format: str) -> None:
    """A span whose ids no trace can have is skipped, and the others are written."""
    file, skipped = io.BytesIO(), []
    spans = [span("x"), {**span("2"), "trace_id": "1"}]
    assert write_spans(spans, file, format, skipped.append) == 1
    assert ids(whole(file.getvalue())) == ["2"]
    (report,) = skipped
    assert report.startswith("the span 'op x' cannot be written: trace id got an invalid")


def test_refused_spans_are_logged_by_default(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the name of the span and the reason."""
    assert write_spans([span("x\n")], io.BytesIO(), "otlp") == 0
    (message,) = caplog.messages
    assert message.startswith("the span 'op x\\n' cannot be written")


@pytest.mark.parametrize(
    ("format", "content"),
    [("jsonl", b""), ("zipkin", b"[]\n"), ("otlp", b""), ("chrome", None)],
)
def test_no_spans_make_a_valid_file(format: str, content: bytes | None) -> None:
    """A list without elements is a list."""
    file = io.BytesIO()
    assert write_spans([], file, format) == 0
    if content is None:
        assert json.loads(file.getvalue())["traceEvents"] == []
    else:
        assert file.getvalue() == content


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_an_unfinished_span_stays_one(format: str) -> None:
    """It has no duration, or no end."""
    file = io.BytesIO()
    unfinished = {**span("2", duration=None, start_time=5.0), "trace_id": "1"}
    write_spans([unfinished], file, format)
    (found,) = whole(file.getvalue())
    assert (found["start_time"], found["duration"]) == (5.0, None)


def test_the_half_of_a_shared_span_stays_one() -> None:
    """Zipkin's flags are in what is read, and come back."""
    file = io.BytesIO()
    write_spans(read_spans(json.dumps([ZIPKIN])), file, "zipkin")
    (written,) = json.loads(file.getvalue())
    assert (written["shared"], written["debug"]) == (True, True)
    assert whole(file.getvalue()) == whole(json.dumps([ZIPKIN]))


def test_lines_of_otlp_have_one_service_each() -> None:
    """A line is a request of the spans of a service that follow each other, 512 at most."""
    file = io.BytesIO()
    names = ["a"] * 600 + ["b", "a"]
    spans = [
        {**span(f"{each + 1:x}", service=name), "trace_id": "1"} for each, name in enumerate(names)
    ]
    write_spans(spans, file, "otlp")
    requests = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [len(request["resourceSpans"][0]["scopeSpans"][0]["spans"]) for request in requests] == [
        512,
        88,
        1,
        1,
    ]
    assert [each["service"] for each in whole(file.getvalue())] == names


texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name not in ("error", "span.kind", "service.name", "references")
)
values = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
span_ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
trace_ids = span_ids | st.integers(2**64, 2**128 - 1).map("{:032x}".format)


@st.composite
def spans_in_nanoseconds(draw: st.DrawFn) -> dict[str, Any]:
    """Spans that OTLP has a place for, with all that they have."""
    tags = draw(st.dictionaries(names, values | st.lists(texts, max_size=2), max_size=3))
    error = draw(st.sampled_from([None, True, False, "sold out"]))
    kind = draw(st.sampled_from([None, "client", "server", "producer", "consumer"]))
    tags.update({key: each for key, each in (("error", error), ("span.kind", kind)) if each})
    if error is False:
        tags["error"] = False
    fields = st.dictionaries(names.filter(lambda name: name != "event"), values, max_size=2)
    return {
        "trace_id": draw(trace_ids),
        "span_id": draw(span_ids),
        "parent_id": draw(st.none() | span_ids),
        "operation_name": draw(texts),
        "service": draw(st.none() | names),
        "start_time": draw(st.integers(1, 2**61)) / 1_000_000_000,
        "duration": draw(st.integers(0, 2**50)) / 1_000_000_000,
        "tags": tags,
        "logs": [
            {
                "timestamp": draw(st.integers(0, 2**61)) / 1_000_000_000,
                "fields": {"event": draw(st.sampled_from(["retry", "☃"])), **draw(fields)},
            }
            for _ in range(draw(st.integers(0, 2)))
        ],
        "references": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "type": st.sampled_from(["follows_from", "child_of"]),
                        "trace_id": trace_ids,
                        "span_id": span_ids,
                    }
                ),
                max_size=2,
            )
        ),
        "baggage": {},
        "dropped_tags": draw(st.integers(0, 9)),
        "dropped_logs": draw(st.integers(0, 9)),
    }


@given(st.lists(spans_in_nanoseconds(), max_size=4))
def test_otlp_and_lines_bring_back_the_same(spans: list[dict[str, Any]]) -> None:
    """Each field comes back, in its type, to the nanosecond; lines bring back all there is."""
    for format in ("jsonl", "otlp"):
        file = io.BytesIO()
        assert write_spans(spans, file, format) == len(spans)
        assert whole(file.getvalue()) == spans


@given(st.lists(spans_in_nanoseconds(), max_size=4))
def test_zipkin_brings_back_what_it_has_a_place_for(spans: list[dict[str, Any]]) -> None:
    """What was read from Zipkin's format is the same when it was written and read again."""
    first, second = io.BytesIO(), io.BytesIO()
    assert write_spans(spans, first, "zipkin") == len(spans)
    found = whole(first.getvalue())
    for now, before in zip(found, spans):
        same = ("trace_id", "span_id", "parent_id")
        assert [now[key] for key in same] == [before[key] for key in same]
        assert now["operation_name"] == before["operation_name"].lower()
        assert now["service"] == (before["service"] and before["service"].lower())
        assert abs(now["start_time"] - before["start_time"]) <= 1e-6
        assert abs(now["duration"] - before["duration"]) <= 1e-6
        assert bool(now["tags"].get("error")) == bool(before["tags"].get("error"))
        assert now["tags"].get("span.kind") == before["tags"].get("span.kind")
    write_spans(found, second, "zipkin")
    assert whole(second.getvalue()) == found


# What is no span.


@pytest.mark.parametrize(
    ("content", "skipped"),
    [
        (b'{"trace_id":"1","span_', "line 1 is no span: it ends too early"),
        (b'{"trace_id":"1",', "line 1 is no span: it ends too early"),
        (b'{"trace_id":"1', "line 1 is no span: it ends too early"),
        (b"hello\n", "line 1 is no span: it is not JSON"),
        (b'{"a": 1}\n', "line 1 is no span: it has no trace and span id"),
        (b"5", "line 1 is no span: it has no trace and span id"),
        (b"[5]", "line 1, column 2, is no span: it has no trace and span id"),
        (b'{"trace_id": "\xff"}', "line 1 is no span: it is not UTF-8"),
        (b"\xff\n", "line 1 is no span: it is not UTF-8"),
        (b"\n\n  {,}", "line 3, column 3, is no span: Expecting property name"),
        (b'{"a":\n{"b"}}', "line 1 is no span: Expecting ':' delimiter: line 2 column 5"),
        (b'{"a":\n[\n1 2]}', "line 1 is no span: Expecting ',' delimiter: line 3 column 3"),
        (b'[{"a":{}},', "line 1, column 2, is no span: it has no trace and span id"),
        (b'{"traceId":"1","id":"x"}', "line 1 is no span: its span id is not hexadecimal: 'x'"),
        (b'{"traceId":"0","id":"1"}', "line 1 is no span: its trace id is not hexadecimal: '0'"),
        (b'{"traceID":"1","spanID":5,"startTime":1}', "line 1 is no span: it has no span id"),
        (
            b'{"traceEvents":[]}',
            "line 1 is no span: it has Chrome's trace events, which are not read",
        ),
        (b'{"resourceMetrics":[]}', "line 1 is no span: it has no trace and span id"),
        (b'{"data":[{"x":1}]}', "line 1, column 10, is no span: it has no trace and span id"),
        (b'{"total":1,"data":5}', "line 1 is no span: it has no trace and span id"),
        (b'{"a":' + b"9" * 5000 + b"}", "line 1 is no span: an integer in it is too long"),
        (b"\0" * 5000, "line 1 is no span: it is not JSON"),
        (
            b"\x28\xb5\x2f\xfd" + b"x" * 50,
            "the rest from line 1 is no span: it is compressed with zstd",
        ),
        (b"PK\x03\x04" + b"x" * 50, "the rest from line 1 is no span: it is a ZIP archive"),
    ],
)
def test_what_is_no_span_is_reported_with_its_place(content: bytes, skipped: str) -> None:
    """The report says where it is, and what is wrong with it."""
    spans, reports = read(content)
    assert spans == []
    assert reports[0].startswith(skipped)


@pytest.mark.parametrize(
    "line", ["2026-11-30 14:05:00 INFO x=1", "1700000000 x", "127.0.0.1 - -", '"GET /" 200']
)
def test_a_line_of_another_log_is_one_report(line: str) -> None:
    """A line that begins with a number is reported once, and a span inside of it is read."""
    span = '{"trace_id":"1","span_id":"2"}'
    spans, reports = read(f"{line}\n{line} {span}\n{span}\n".encode())
    assert len(spans) == 2
    assert reports == [f"line {number} is no span: it is not JSON" for number in (1, 2)]


def test_a_bad_span_among_good_ones_is_named() -> None:
    """The report says which span of a value it is; the others are read."""
    trace = {**JAEGER["data"][0], "spans": [JAEGER_SPAN, {}, 5, JAEGER_SPAN]}
    spans, skipped = read(json.dumps(trace))
    assert len(spans) == 2
    assert skipped == [
        "line 1, span 2, is no span: it has no trace id",
        "line 1, span 3, is no span: it has no trace id",
    ]


def test_a_report_has_its_parts() -> None:
    """A NotASpan says its source, place and reason, also after it was pickled."""
    skipped: list[NotASpan] = []
    assert list(read_spans(b"{}", skipped.append)) == []
    error = pickle.loads(pickle.dumps(skipped[0]))
    assert str(error) == "text: line 1 is no span: it has no trace and span id"
    assert (error.source, error.place) == ("text", "line 1")
    assert isinstance(error, ValueError)


def test_reports_are_logged_by_default(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The first are logged as warnings, and the number of the others."""
    path = tmp_path / "spans\x1b"
    path.write_bytes(b"x\n" * 8)
    with caplog.at_level(logging.WARNING, "opentracing_recorder.span_files"):
        assert list(read_spans(path)) == []
    assert caplog.messages[0].endswith("spans\\x1b: line 1 is no span: it is not JSON; skipped")
    assert caplog.messages[5:] == [f"{tmp_path}/spans\\x1b: 3 more; skipped"]


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"{" * 100_000]
)
def test_json_of_any_depth_is_read(content: bytes) -> None:
    """How deep JSON may be nested differs between Pythons; none of them raises."""
    spans, skipped = read(content)
    assert spans == []
    assert len(skipped) == 1


def test_values_that_are_nested_deep_are_read() -> None:
    """A span whose attributes are nested as deep as JSON allows is read or reported."""
    for depth in (100, 200, 300, 900, 3000):
        value = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth
        attributes = f'"attributes":[{{"key":"a","value":{value}}}]'
        text = (
            f'{{"traceId":"1","spanId":"2","startTimeUnixNano":"1",{attributes}}}\n{OURS.decode()}'
        )
        spans, skipped = read(text)
        assert len(spans) + len(skipped) == 2
        assert spans[-1]["span_id"] == "2"


def test_empty_lines_are_passed_over() -> None:
    """A line break may follow another one."""
    spans, skipped = read(b'\n{"trace_id":"1","span_id":"2"}\n    \n?')
    assert spans == [{"trace_id": "1", "span_id": "2"}]
    assert skipped == ["line 4 is no span: it is not JSON"]


def test_broken_lines_hide_no_others() -> None:
    """Each broken line is reported by itself, and every whole one is read."""
    lines = [b'{"trace_id":"1","tags":', OURS, b"x", OURS, b'{"trace_id":"', b"\xff", OURS, b'{"']
    spans, skipped = read(b"\n".join(lines))
    assert len(spans) == 3
    assert [each.partition(" is no")[0] for each in skipped] == [
        "line 1",
        "line 3",
        "line 5",
        "line 6",
        "line 8",
    ]


def test_a_span_after_a_torn_one_on_its_line_is_found() -> None:
    """The torn line of a killed process does not hide the lines that others write after it."""
    inside = rb'"tags":{"nested":{"trace_id":"x"},"text":"{\"trace_id\":"}'
    torn = b'{"trace_id":"1","tags":{"a":"{\\"trace_id\\":'
    spans, skipped = read(torn + b'{"trace_id":"2","span_id":"3",' + inside + b"}\n")
    assert [(each["trace_id"], each["span_id"]) for each in spans] == [("2", "3")]
    assert len(skipped) == 1


def test_the_last_of_many_torn_spans_on_a_line_is_found() -> None:
    """The last span on a line is found, however many processes were killed while they wrote."""
    torn = b'{"trace_id":"1","tags":{"a":"' * 50
    spans, skipped = read(torn + b'{"trace_id":"2","span_id":"3"}\n')
    assert spans == [{"trace_id": "2", "span_id": "3"}]
    assert len(skipped) == 1


@pytest.mark.parametrize("indent", [None, 1])
def test_a_broken_span_of_a_list_hides_no_others(indent: Any) -> None:
    """The spans before and after it are read, and there is one report."""
    spans = [{**ZIPKIN, "id": f"{each + 1}"} for each in range(5)]
    text = json.dumps(spans, indent=indent).replace('"id": "3",', '"id": "3"', 1)
    found, skipped = read(text + "\n" + OURS.decode())
    assert ids(found) == list("12452")
    assert len(skipped) == 1


@pytest.mark.parametrize("document", [[ZIPKIN] * 3, OTLP, JAEGER], ids=["zipkin", "otlp", "jaeger"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(document: Any, indent: Any) -> None:
    """Wherever it ends, its whole spans are read, the end is reported, and nothing raises."""
    text = json.dumps(document, indent=indent)
    number = len(whole(text))
    for end in range(1, len(text), 7):
        spans, skipped = read(text[:end])
        assert len(spans) <= number
        assert skipped or text[:end].isspace()
        # An enclosing list that is not closed hides no span.
    assert len(read(text[:-1])[0]) == number
    assert len(read(gzip.compress(text.encode())[:-9])[0]) == number


# Bounds.


def test_a_value_without_end_is_read_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value above the limit is reported in its place, and the spans after it are read."""
    monkeypatch.setattr(_json_stream, "MAX_VALUE", 1000)
    monkeypatch.setattr(_json_stream, "CHUNK", 100)
    monkeypatch.setattr(_text_stream, "CHUNK", 100)
    at_limit = OURS[:-1] + b',"x":"' + b"x" * (1000 - len(OURS) - 7) + b'"}'
    above = at_limit[:-2] + b'x"}'
    assert len(at_limit) == 1000
    content = b"\n".join([b"x" * 5000, at_limit, above, OURS, above * 5, OURS])
    spans, skipped = read(content)
    assert len(spans) == 3
    too_long = "is no span: it is longer than 1000 characters"
    assert skipped == [
        "line 1 is no span: it is not JSON",
        f"line 3 {too_long}",
        f"line 5 {too_long}",
    ]


class Endless(io.RawIOBase):
    """A file of a size, whose content is a pattern, and which is never held."""

    def __init__(self, start: bytes, pattern: bytes, times: int) -> None:
        self._parts = self._made(start, pattern, times)

    @staticmethod
    def _made(start: bytes, pattern: bytes, times: int) -> Iterator[bytes]:
        if start:
            yield start
        several = max(1, 4096 // len(pattern))
        for _ in range(times // several):
            yield pattern * several

    def read(self, size: int = -1) -> bytes:
        return next(self._parts, b"")


LARGE = {
    "lines": (b"", (OURS + b"\n").rjust(256)),
    "one list": (b"[", json.dumps(ZIPKIN).encode() + b","),
    "OTLP": (b'{"resourceSpans":[', json.dumps(OTLP["resourceSpans"][0]).encode() + b","),
    "lists": (b"", b"["),
    "spaces": (b"", b" "),
    "zeros": (b"", b"\0"),
    "no UTF-8": (b"", b"\xff"),
    "empty lists": (b"[", b"[],".rjust(64)),
    "a text": (b'{"trace_id":"', b"x"),
    "open objects": (b"", b'{"trace_id":'),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", LARGE)
def test_a_file_of_any_size_is_read_in_bounded_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading holds no more than a few of the longest values, however large the file is."""
    tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy has none", exc_type=ImportError)
    monkeypatch.setattr(_json_stream, "MAX_VALUE", 128 * 1024)
    start, pattern = LARGE[kind]
    file: Any = Endless(start, pattern, 3 * 1024 * 1024 // len(pattern))
    tracemalloc.start()
    try:
        for _ in read_spans(file, id):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 1024 * 1024, peak


def test_what_gzip_makes_of_little_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that expands far more than spans can is read up to a limit, and reported."""
    monkeypatch.setattr(_text_stream, "_MOST_EXPANDED", 1_000_000)
    content = gzip.compress(OURS + b"\n" + b" " * 1_900_000)
    spans, skipped = read(content)
    assert len(spans) == 1
    assert len(skipped) == 1
    assert skipped[0].startswith("the rest from line 2")
    assert skipped[0].endswith("is no span: it expands to more than 500 times its size")
    monkeypatch.setattr(_text_stream, "_MOST_EXPANDED", 2_000_000)
    assert len(whole(content)) == 1


def test_compression_that_ends_or_breaks_is_reported() -> None:
    """The spans before the place are read, and a fault of the compression is one report."""
    lines = b"".join(b'{"trace_id":"%x","span_id":"2"}\n' % (each * 7919) for each in range(5000))
    content = gzip.compress(lines)
    spans, skipped = read(content[: len(content) // 2])
    assert 2000 < len(spans) < 3000
    assert skipped[-1].endswith("its gzip compression ends too early")
    spans, skipped = read(content[:-8] + struct.pack("<II", 0, 0))
    assert skipped[-1].endswith("its gzip compression is damaged")
    spans, skipped = read(content + b"garbage")
    assert len(spans) == 5000
    assert skipped[-1].endswith("its gzip compression is damaged")


NAMES = [
    *("traceId", "id", "spanId", "trace_id", "span_id", "traceID", "spanID", "parentId", "name"),
    *("spans", "data", "trace", "batches", "resourceSpans", "resource", "scopeSpans", "scope"),
    *("attributes", "key", "value", "intValue", "arrayValue", "values", "stringValue", "type"),
    *("tags", "annotations", "timestamp", "duration", "startTimeUnixNano", "endTimeUnixNano"),
    *("kind", "logs", "fields", "references", "processes", "processID", "status", "code", "error"),
    *("localEndpoint", "serviceName", "remoteEndpoint", "events", "links", "message", "startTime"),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(json_values | st.text() | st.just(OTLP) | st.just(JAEGER) | st.just(ZIPKIN)))
def test_no_json_makes_it_raise(values: list[Any]) -> None:
    """Whatever types the fields of known names have, a span is read or reported."""
    for separator in ("", "\n", ","):
        text = separator.join(json.dumps(each) for each in values)
        for each in read(text.encode("utf-8", "surrogatepass"))[0]:
            assert {"trace_id", "span_id"} <= each.keys()
            assert Trace.from_spans([each])


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    """Bytes of all kinds, also as gzip's content or after its first bytes, are read or reported."""
    for each in (content, b'[{"' + content, b"\x1f\x8b" + content, gzip.compress(content)):
        read(each)


@given(
    st.sampled_from([json.dumps([ZIPKIN] * 2), json.dumps(OTLP, indent=1), json.dumps(JAEGER)]),
    st.data(),
)
def test_no_damage_makes_it_raise(text: str, data: st.DataObject) -> None:
    """A file with a part that is missing, doubled or replaced is read or reported."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    middle = data.draw(st.sampled_from(["", text[start:end] * 2, '"', "}", "[", "\n", "\x00"]))
    read((text[:start] + middle + text[end:]).encode())


@given(st.lists(st.sampled_from(["{}", "x", '{"a"', " ", "\n", OURS.decode(), "[", "]", ","])))
def test_chunks_change_nothing(parts: list[str]) -> None:
    """However a stream is cut into chunks, the same is read and reported."""
    text = "".join(parts)
    found = [
        list(
            _json_stream.JSONStream(text[each : each + size] for each in range(0, len(text), size))
        )
        for size in (1, 7, 1000)
    ]
    assert found[0] == found[1] == found[2]
