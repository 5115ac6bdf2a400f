"""Each field of a span has its place in Zipkin's JSON; every payload keeps the API's rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import child_of, follows_from
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    InMemoryRecorder,
    RemoteSpanContext,
)

if sys.platform == "emscripten":
    pytest.skip("what checks Zipkin's JSON has no wheel for Pyodide", allow_module_level=True)

from opentracing_recorder import _zipkin_json
from opentracing_recorder._json_bytes import dumps_without_orjson
from opentracing_recorder._zipkin_json import (
    array_of,
    endpoint,
    span_encoder,
    to_json,
    to_json_parts,
)
from opentracing_recorder.zipkin import ZipkinRecorder

from ..zipkin_payload import payload_of, spans_in

LATEST = 9200000000000000000  # microseconds
SHOP = endpoint("Shop")


@pytest.fixture
def tracer() -> BasicTracer:
    return BasicTracer(InMemoryRecorder(), trace_id_bits=128)


@pytest.fixture(params=["orjson", "json"])
def _either_json(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs with orjson, where there is one, and with the standard library's JSON."""
    if request.param == "json":
        monkeypatch.setattr(_zipkin_json, "dumps", dumps_without_orjson)


def encoded(span: BasicSpan) -> dict[str, Any]:
    """The one finished span, as it is sent."""
    (fields,) = spans_in(payload_of([span], SHOP))
    return fields


def finished(tracer: BasicTracer, **tags: Any) -> dict[str, Any]:
    span = tracer.start_span("x", tags={key.replace("_", "."): tags[key] for key in tags})
    span.finish()
    return encoded(span)


def test_a_span_has_ids_times_and_names(tracer: BasicTracer) -> None:
    """Ids are hexadecimal, times whole microseconds, names in lower case."""
    caller = BasicSpanContext(0xABC, 0xDEF)
    span = tracer.start_span("GET /Cart", child_of=caller, start_time=1700000000.000001)
    span.finish(finish_time=1700000000.25)
    assert encoded(span) == {
        "traceId": "0000000000000abc",
        "parentId": "0000000000000def",
        "id": span.context.to_span_id(),
        "name": "get /cart",
        "timestamp": 1700000000000001,
        "duration": 249999,
        "localEndpoint": {"serviceName": "shop"},
    }


def test_a_root_has_a_long_trace_id_and_no_parent(tracer: BasicTracer) -> None:
    """128 bits are 32 digits; a name that is not known is left out."""
    span = tracer.start_span()
    span.finish()
    fields = encoded(span)
    assert fields["traceId"] == f"{span.context.trace_id:032x}"
    assert "parentId" not in fields
    assert "name" not in fields


@pytest.mark.parametrize(
    ("trace_id", "digits"),
    [
        (1, "0000000000000001"),
        (0xFFFF, "000000000000ffff"),
        (0x10000, "0000000000010000"),
        (2**64 - 1, "f" * 16),
        (2**64, "00000000000000010000000000000000"),
        (2**128 - 1, "f" * 32),
    ],
)
def test_a_trace_id_has_16_digits_or_32(tracer: BasicTracer, trace_id: int, digits: str) -> None:
    """An id of at most 64 bits has 16 digits, as other services of the trace report it."""
    span = tracer.start_span("x", child_of=BasicSpanContext(trace_id, 2**64 - 1))
    span.finish()
    fields = encoded(span)
    assert fields["traceId"] == digits
    assert fields["parentId"] == "f" * 16
    assert fields["id"] == f"{span.context.span_id:016x}"


@pytest.mark.parametrize(
    ("start", "finish", "timestamp", "duration"),
    [
        (1700000000.0, 1700000000.0, 1700000000000000, 1),
        (-5.0, -4.0, 1, 1000000),
        (0.0, 1e300, 1, LATEST),
        (4e-7, 8e-7, 1, 1),
        (1.0, 9.22e12, 1000000, LATEST),
        (9.22e12, 9.22e12, LATEST, 1),
        (1e300, 1e300, LATEST, 1),
    ],
)
def test_times_are_those_that_zipkin_can_hold(
    tracer: BasicTracer, start: float, finish: float, timestamp: int, duration: int
) -> None:
    """A time has at least one microsecond, and at most a signed 64-bit number of them."""
    span = tracer.start_span("x", start_time=start)
    span.finish(finish_time=finish)
    fields = encoded(span)
    assert (fields["timestamp"], fields["duration"]) == (timestamp, duration)


@pytest.mark.parametrize("kind", ["client", "server", "producer", "consumer"])
def test_span_kind_becomes_the_kind(tracer: BasicTracer, kind: str) -> None:
    """The four kinds of OpenTracing are Zipkin's."""
    fields = finished(tracer, span_kind=kind)
    assert fields["kind"] == kind.upper()
    assert fields["tags"] == {}


def test_an_unknown_kind_stays_a_tag(tracer: BasicTracer) -> None:
    """Zipkin would refuse it as a kind, and with it the batch."""
    fields = finished(tracer, span_kind="internal")
    assert "kind" not in fields
    assert fields["tags"] == {"span.kind": "internal"}


@pytest.mark.parametrize(
    ("tags", "remote"),
    [
        ({"peer.service": "Payment"}, {"serviceName": "payment"}),
        ({"peer.ipv4": "10.0.0.7"}, {"ipv4": "10.0.0.7"}),
        ({"peer.ipv4": 0x0A000007}, {"ipv4": "10.0.0.7"}),
        ({"peer.ipv4": "2001:db8::1"}, {"ipv6": "2001:db8::1"}),
        ({"peer.ipv6": "2001:DB8::0001"}, {"ipv6": "2001:db8::1"}),
        ({"peer.ipv6": "fe80::1%eth0"}, {"ipv6": "fe80::1"}),
        ({"peer.ipv6": "::ffff:10.0.0.7"}, {"ipv4": "10.0.0.7"}),
        ({"peer.port": 65535}, {"port": 65535}),
        (
            {"peer.service": "db", "peer.ipv4": "10.0.0.7", "peer.ipv6": "::1", "peer.port": "80"},
            {"serviceName": "db", "ipv4": "10.0.0.7", "ipv6": "::1", "port": 80},
        ),
    ],
)
def test_peer_tags_become_the_remote_endpoint(
    tracer: BasicTracer, tags: dict[str, Any], remote: dict[str, Any]
) -> None:
    """Names in lower case, addresses in their usual form; they are tags no longer."""
    fields = finished(tracer, **{"peer.hostname": "pay-1", **tags})
    assert fields["remoteEndpoint"] == remote
    assert fields["tags"] == {"peer.hostname": "pay-1"}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("peer.ipv4", "10.0.0.256", "10.0.0.256"),
        ("peer.ipv4", 2**32, "4294967296"),
        ("peer.ipv4", -1, "-1"),
        ("peer.ipv6", 5, "5"),
        ("peer.ipv6", "localhost", "localhost"),
        ("peer.port", 0, "0"),
        ("peer.port", 65536, "65536"),
        ("peer.port", True, "true"),
        ("peer.port", "http", "http"),
        ("peer.port", "9" * 5000, "9" * 5000),
    ],
)
def test_a_peer_tag_that_is_no_address_stays_a_tag(
    tracer: BasicTracer, key: str, value: Any, text: str
) -> None:
    """Zipkin would refuse the batch for it; and what was given is not lost."""
    fields = finished(tracer, **{key: value})
    assert "remoteEndpoint" not in fields
    assert fields["tags"] == {key: text}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (200, "200"),
        (-(10**9), "-1000000000"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63) - 1, hex(-(2**63) - 1)),
        (2**70, hex(2**70)),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ([1, "two"], '[1,"two"]'),
        ({"a": {"b": 1}}, '{"a":{"b":1}}'),
        (b"bytes", "bytes"),
        (ValueError("no"), "ValueError: no"),
    ],
)
@pytest.mark.usefixtures("_either_json")
def test_tags_are_text(tracer: BasicTracer, value: Any, text: str) -> None:
    """Numbers, booleans and collections as JSON has them, all else as its text."""
    assert finished(tracer, key=value)["tags"] == {"key": text}


def test_an_exception_gives_the_error_tag_its_message(tracer: BasicTracer) -> None:
    """The tag is what Zipkin shows of a failure; the whole log is an annotation."""
    span = tracer.start_span("x")
    with pytest.raises(ValueError, match="no money"), span:
        raise ValueError("no money")
    fields = encoded(span)
    assert fields["tags"] == {"error": "no money"}
    assert '"error.kind":"ValueError"' in fields["annotations"][0]["value"]


@pytest.mark.parametrize(
    ("tag", "log", "text"),
    [
        (True, None, "true"),
        ("timed out", None, "timed out"),
        ("timed out", {"event": "error", "message": "of a part"}, "timed out"),
        ("True", {"event": "error", "message": "no money"}, "no money"),
        (True, {"event": "error", "message": "", "error.object": "E: 1"}, "E: 1"),
        (True, {"event": "error", "error.kind": KeyError}, "KeyError"),
        (True, {"event": "retry", "message": "again"}, "true"),
        (1, {"event": "error", "message": "no money"}, "1"),
    ],
)
def test_the_error_tag_says_what_is_known(
    tracer: BasicTracer, tag: Any, log: dict[str, Any] | None, text: str
) -> None:
    """A tag that says more than that there was an error stays; else the last error log speaks."""
    span = tracer.start_span("x", tags={"error": tag})
    if log is not None:
        span.log_kv(log)
    span.finish()
    assert encoded(span)["tags"] == {"error": text}


@pytest.mark.parametrize("value", [False, "false", "False", None, 0, ""])
def test_no_error_is_no_tag(tracer: BasicTracer, value: Any) -> None:
    """No ``error`` tag is sent then, since any value marks a failure for Zipkin."""
    assert finished(tracer, error=value)["tags"] == {}


@pytest.mark.parametrize(
    ("log", "text"),
    [
        ({"event": "cache miss"}, "cache miss"),
        ({"event": "retry", "attempt": 2}, '{"event":"retry","attempt":2}'),
        ({"size": 0.5, "of": [1]}, '{"size":0.5,"of":[1]}'),
        ({"message": "plain"}, '{"message":"plain"}'),
        ({1: "a", "k": "\ud800"}, '{"1":"a","k":"?"}'),
        ({"event": "e" * 5000}, "e" * 4095 + "…"),
        ({}, "{}"),
    ],
)
@pytest.mark.usefixtures("_either_json")
def test_logs_become_annotations(tracer: BasicTracer, log: dict[Any, Any], text: str) -> None:
    """An event alone is its name; more fields are JSON; what is too long is cut."""
    span = tracer.start_span("x")
    span.log_kv(log, timestamp=1700000000.5)
    span.finish()
    assert encoded(span)["annotations"] == [{"timestamp": 1700000000500000, "value": text}]


def test_annotations_are_in_order_and_unique(tracer: BasicTracer) -> None:
    """The same event at the same time is sent once: the API wants no two alike."""
    span = tracer.start_span("x")
    for event, timestamp in [("a", 1.0), ("b", 1.0), ("a", 1.0), ("a", -1.0)]:
        span.log_kv({"event": event}, timestamp=timestamp)
    span.finish()
    sent = [(each["value"], each["timestamp"]) for each in encoded(span)["annotations"]]
    assert sent == [("a", 1000000), ("b", 1000000), ("a", 1)]


def test_baggage_stays_out(tracer: BasicTracer) -> None:
    """It belongs to the application, and may be private."""
    span = tracer.start_span("x").set_baggage_item("user", "Turing")
    span.finish()
    assert "Turing" not in str(encoded(span))


def test_debug_is_sent(tracer: BasicTracer) -> None:
    """A trace that is marked for debugging says so to the server, as B3 has it."""
    caller = RemoteSpanContext(1, 2, extra={"debug": "1"})
    span = tracer.start_span("x", child_of=caller)
    span.finish()
    assert encoded(span)["debug"] is True


def test_references_beyond_the_parent_are_a_tag(tracer: BasicTracer) -> None:
    """Zipkin knows parents alone; the others can still be searched for."""
    parent, first, second = (BasicSpanContext(7, number) for number in (1, 2, 3))
    references = [follows_from(first), child_of(parent), child_of(second)]
    span = tracer.start_span("x", references=references)
    span.finish()
    fields = encoded(span)
    assert fields["parentId"] == "0000000000000001"
    assert fields["tags"] == {
        "references": "follows_from 0000000000000007:0000000000000002,"
        " child_of 0000000000000007:0000000000000003"
    }


def test_the_only_reference_is_the_parent(tracer: BasicTracer) -> None:
    """It needs no tag."""
    span = tracer.start_span("x", references=follows_from(BasicSpanContext(7, 1)))
    span.finish()
    assert "tags" not in encoded(span)


def _without_ids(span: BasicSpan) -> None:
    span._context = BasicSpanContext()


def _with_a_long_id(span: BasicSpan) -> None:
    span._context = BasicSpanContext(1 << 128, 1)


def _with_a_wrong_parent(span: BasicSpan) -> None:
    span.parent_id = -1


def _without_a_start(span: BasicSpan) -> None:
    span.start_time = float("nan")


def _with_a_broken_log(span: BasicSpan) -> None:
    span.logs.append(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spoil",
    [_without_ids, _with_a_long_id, _with_a_wrong_parent, _without_a_start, _with_a_broken_log],
)
def test_a_span_that_cannot_be_encoded_is_left_out(
    tracer: BasicTracer, spoil: Callable[[BasicSpan], None]
) -> None:
    """The others are encoded."""
    good, bad, last = spans = [tracer.start_span(name) for name in ("good", "bad", "last")]
    for span in spans:
        span.finish()
    spoil(bad)
    encoded = ZipkinRecorder("shop").encode_each(spans, span_encoder(SHOP))
    assert [each["name"] for each in encoded] == ["good", "last"]
    assert last.context.to_span_id() != good.context.to_span_id()


@pytest.mark.usefixtures("_either_json")
def test_text_without_utf8_is_sent_with_question_marks(tracer: BasicTracer) -> None:
    """One such text, or a tag's key that is none, does not cost the batch or the span."""
    span = tracer.start_span("x", tags={"k\udfff": "v\ud800"})
    span.tags[5] = "five"  # type: ignore[index]
    span.finish()
    assert encoded(span)["tags"] == {"k?": "v?", "5": "five"}


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.lists(st.integers()),
    st.sampled_from([object(), ValueError("x"), ValueError, 10**5000]),
)
keys = st.one_of(
    st.text(st.characters()),
    st.sampled_from(
        ["error", "span.kind", "peer.service", "peer.ipv4", "peer.ipv6", "peer.port", "event"]
    ),
)


@given(
    st.dictionaries(keys, anything),
    st.lists(st.dictionaries(keys, anything)),
    st.floats(),
    st.floats(),
    st.text(st.characters()),
)
@pytest.mark.usefixtures("_either_json")
def test_whatever_an_application_does_the_server_gets_what_it_takes(
    tags: dict[str, Any], logs: list[dict[str, Any]], start: float, finish: float, name: str
) -> None:
    """No tag, log, time or name of an application's costs a span, or breaks the API's rules."""
    span = BasicTracer(InMemoryRecorder()).start_span(name, tags=tags, start_time=start)
    for log in logs:
        span.log_kv(log, timestamp=start)
    span.finish(finish_time=finish)
    encoded(span)


@pytest.mark.usefixtures("_either_json")
def test_parts_of_an_array_are_those_of_its_spans() -> None:
    """Whatever their tags and logs hold, also what looks like the start of a span."""
    tracer = BasicTracer()
    start = '{"traceId":"'
    odd = ["},", start, "}," + start, "\\", '\\"},' + start, "", "é", "\ud800", 'yAnnotations"']
    spans = [
        tracer.start_span(text, tags={"traceId": text, text: text, "x": {"traceId": text}}).log_kv(
            {"traceId": text, "list": [{"a": 1}, {"traceId": "1"}]}
        )
        for text in odd
    ]
    for span in spans:
        span.finish()
    encoded = list(map(span_encoder({"serviceName": "shop"}), spans))
    parts = to_json_parts(encoded)
    assert len(parts) == len(spans)
    for span, part in zip(encoded, parts):
        assert json.loads(array_of([part])) == json.loads(to_json([span]))
    assert json.loads(array_of(parts)) == json.loads(to_json(encoded))
    assert b'yAnnotations"' not in array_of(parts)
