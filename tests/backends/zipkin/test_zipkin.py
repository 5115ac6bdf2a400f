"""A real Zipkin server returns through its API the spans that ZipkinTracer sent."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from opentracing import Format, Reference, ReferenceType, tags
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

from .conftest import MakeTracer
from .zipkin_server import ZipkinServer

pytestmark = pytest.mark.needs_os


def only(zipkin: ZipkinServer, tracer: ZipkinTracer, span: Any) -> dict[str, Any]:
    """The one span of a trace, as the server has it."""
    assert tracer.flush(timeout=30)
    (found,) = zipkin.trace(span.context.to_trace_id(), spans=1)
    return dict(found)


def called(tracer: ZipkinTracer, caller: Any) -> Any:
    """Return the context that a callee extracts from the headers of a caller."""
    headers: dict[str, str] = {}
    caller.tracer.inject(caller.context, Format.HTTP_HEADERS, headers)
    return tracer.extract(Format.HTTP_HEADERS, headers)


def call(client: ZipkinTracer, server: ZipkinTracer, server_name: str) -> tuple[Any, Any]:
    """A client's span, and the server's for its request, both finished."""
    with client.start_active_span("ask", tags={tags.SPAN_KIND: "client"}) as asking:
        asking.span.set_tag(tags.PEER_SERVICE, server_name)
        caller = called(server, asking.span)
        with server.start_active_span(
            "answer", child_of=caller, tags={tags.SPAN_KIND: "server"}, ignore_active_span=True
        ) as answering:
            pass
    return asking.span, answering.span


def test_ids_and_parents_arrive(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """The server has the trace id with all of its 128 bits, each span's id, and its parent's."""
    tracer = make_tracer("ids")
    with tracer.start_active_span("root") as root, tracer.start_active_span("child") as child:
        pass
    assert tracer.flush(timeout=30)
    trace_id = root.span.context.to_trace_id()
    found = {span["name"]: span for span in zipkin.trace(trace_id, spans=2)}
    assert len(trace_id) == 32
    assert {span["traceId"] for span in found.values()} == {trace_id}
    assert found["root"]["id"] == root.span.context.to_span_id()
    assert "parentId" not in found["root"]
    assert found["child"]["id"] == child.span.context.to_span_id()
    assert found["child"]["parentId"] == root.span.context.to_span_id()


def test_a_trace_id_of_64_bits_arrives(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """With trace_id_bits=64 the server has 16 digits."""
    tracer = make_tracer("ids", trace_id_bits=64)
    span = tracer.start_span("short")
    span.finish()
    assert only(zipkin, tracer, span)["traceId"] == span.context.to_trace_id()
    assert len(span.context.to_trace_id()) == 16


def test_times_arrive_to_the_microsecond(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """The start, the duration and a log's time are what the span has."""
    now = int(time.time())
    tracer = make_tracer("times")
    span = tracer.start_span("timed", start_time=now + 0.25)
    span.log_kv({"event": "half"}, timestamp=now + 0.375)
    span.finish(finish_time=now + 0.500001)
    found = only(zipkin, tracer, span)
    assert found["timestamp"] == now * 1_000_000 + 250_000
    assert found["duration"] == 250_001
    assert found["annotations"] == [{"timestamp": now * 1_000_000 + 375_000, "value": "half"}]


@pytest.mark.parametrize("kind", ["client", "server", "producer", "consumer"])
def test_kinds_arrive(zipkin: ZipkinServer, make_tracer: MakeTracer, kind: str) -> None:
    """Each span.kind is the server's kind, and no tag."""
    tracer = make_tracer("kinds")
    span = tracer.start_span("work", tags={tags.SPAN_KIND: kind})
    span.finish()
    found = only(zipkin, tracer, span)
    assert found["kind"] == kind.upper()
    assert "tags" not in found


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"peer.ipv4": "192.0.2.1"}, {"ipv4": "192.0.2.1"}),
        ({"peer.ipv4": 0xC0000201}, {"ipv4": "192.0.2.1"}),
        ({"peer.ipv6": "2001:DB8::1"}, {"ipv6": "2001:db8::1"}),
    ],
)
def test_endpoints_arrive(
    zipkin: ZipkinServer,
    make_tracer: MakeTracer,
    address: dict[str, Any],
    expected: dict[str, str],
) -> None:
    """This service's address, and the other side's from the peer tags, are the endpoints."""
    tracer = make_tracer("Shop", recorder={"ip": "198.51.100.7", "port": 8080})
    span = tracer.start_span("ask", tags={"peer.service": "Stock", "peer.port": 5432, **address})
    span.finish()
    found = only(zipkin, tracer, span)
    assert found["localEndpoint"] == {"serviceName": "shop", "ipv4": "198.51.100.7", "port": 8080}
    assert found["remoteEndpoint"] == {"serviceName": "stock", "port": 5432, **expected}


def test_tags_arrive_as_text(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """Text stays as it is, in any script; other values are what JSON makes of them."""
    tracer = make_tracer("tags")
    span = tracer.start_span("tagged", tags={"text": "crème 🍮", "number": 7, "ok": True})
    span.set_tag("list", [1, None])
    span.set_baggage_item("secret", "stays out")
    span.finish()
    assert only(zipkin, tracer, span)["tags"] == {
        "text": "crème 🍮",
        "number": "7",
        "ok": "true",
        "list": "[1,null]",
    }


def test_an_exception_arrives_as_an_error(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """The error tag has the exception's message, and an annotation what was logged of it."""
    tracer = make_tracer("errors")
    with pytest.raises(ValueError, match="expired"), tracer.start_active_span("charge") as scope:
        raise ValueError("the card has expired")
    found = only(zipkin, tracer, scope.span)
    assert found["tags"] == {"error": "the card has expired"}
    (annotation,) = found["annotations"]
    assert '"error.kind":"ValueError"' in annotation["value"]


def test_an_error_tag_of_false_is_no_error(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """The server, for which any error tag is a failure, gets none."""
    tracer = make_tracer("errors")
    span = tracer.start_span("fine", tags={tags.ERROR: False})
    span.finish()
    assert "tags" not in only(zipkin, tracer, span)


def test_two_processes_have_two_spans_for_a_call(
    zipkin: ZipkinServer, make_tracer: MakeTracer
) -> None:
    """By default the server's span is a child of the client's."""
    client, server = make_tracer("two-client"), make_tracer("two-server")
    asking, answering = call(client, server, "two-server")
    assert client.flush(timeout=30)
    assert server.flush(timeout=30)
    found = {span["kind"]: span for span in zipkin.trace(asking.context.to_trace_id(), spans=2)}
    assert found["SERVER"]["id"] == answering.context.to_span_id()
    assert found["SERVER"]["parentId"] == found["CLIENT"]["id"] == asking.context.to_span_id()
    assert "shared" not in found["SERVER"]


def test_two_processes_share_a_span_if_asked_to(
    zipkin: ZipkinServer, make_tracer: MakeTracer
) -> None:
    """With one_span_per_rpc both report the same id and parent, the server's half as shared."""
    client = make_tracer("shared-client")
    server = make_tracer("shared-server", one_span_per_rpc=True)
    with client.start_active_span("root") as root:
        asking, _ = call(client, server, "shared-server")
    assert client.flush(timeout=30)
    assert server.flush(timeout=30)
    trace = zipkin.trace(asking.context.to_trace_id(), spans=3)
    found = {span.get("kind"): span for span in trace}
    assert found["CLIENT"]["id"] == found["SERVER"]["id"] == asking.context.to_span_id()
    assert found["CLIENT"]["parentId"] == found["SERVER"]["parentId"]
    assert found["SERVER"]["parentId"] == root.span.context.to_span_id()
    assert found["SERVER"]["shared"] is True
    assert "shared" not in found["CLIENT"]
    assert found["SERVER"]["localEndpoint"]["serviceName"] == "shared-server"


@pytest.mark.parametrize("shared", [False, True])
def test_calls_are_links_between_services(
    zipkin: ZipkinServer, make_tracer: MakeTracer, shared: bool
) -> None:
    """The server knows both services, and counts each call from one to the other once."""
    caller, callee = f"caller-{shared}".lower(), f"callee-{shared}".lower()
    client, server = make_tracer(caller), make_tracer(callee, one_span_per_rpc=shared)
    traces = [call(client, server, callee)[0].context.to_trace_id() for _ in range(3)]
    assert client.flush(timeout=30)
    assert server.flush(timeout=30)
    for trace_id in traces:
        zipkin.trace(trace_id, spans=2)
    links = zipkin.get("/api/v2/dependencies", endTs=int(time.time() * 1000) + 60_000)
    assert {caller, callee} <= set(zipkin.get("/api/v2/services"))
    assert [each for each in links if caller in each.values()] == [
        {"parent": caller, "child": callee, "callCount": 3}
    ]


def test_a_failed_call_is_counted_on_its_link(
    zipkin: ZipkinServer, make_tracer: MakeTracer
) -> None:
    """An error of the server's span is an error of the link."""
    client, server = make_tracer("failing-caller"), make_tracer("failing-callee")
    asking = client.start_span("ask", tags={tags.SPAN_KIND: "client"})
    answering = server.start_span(
        "answer", child_of=called(server, asking), tags={tags.SPAN_KIND: "server"}
    )
    answering.set_tag(tags.ERROR, True)
    answering.finish()
    asking.finish()
    assert client.flush(timeout=30)
    assert server.flush(timeout=30)
    zipkin.trace(asking.context.to_trace_id(), spans=2)
    links = zipkin.get("/api/v2/dependencies", endTs=int(time.time() * 1000) + 60_000)
    (link,) = [each for each in links if each["parent"] == "failing-caller"]
    assert link == {
        "parent": "failing-caller",
        "child": "failing-callee",
        "callCount": 1,
        "errorCount": 1,
    }


def test_a_debugged_trace_arrives_as_such(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """A caller's debug flag is on the server's side of the call."""
    tracer = make_tracer("debugged")
    caller = tracer.extract(Format.HTTP_HEADERS, {"b3": f"{7:032x}-{8:016x}-d"})
    span = tracer.start_span("work", child_of=caller)
    span.finish()
    assert only(zipkin, tracer, span)["debug"] is True


def test_a_second_reference_arrives_as_a_tag(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """Zipkin knows one parent; what a span follows from besides is in a tag."""
    tracer = make_tracer("references")
    first, second = tracer.start_span("first"), tracer.start_span("second")
    span = tracer.start_span(
        "third",
        references=[
            Reference(ReferenceType.CHILD_OF, first.context),
            Reference(ReferenceType.FOLLOWS_FROM, second.context),
        ],
    )
    span.finish()
    assert second.context.to_span_id() in only(zipkin, tracer, span)["tags"]["references"]


@pytest.mark.parametrize("compress_from", [0, 1 << 30], ids=["compressed", "plain"])
def test_a_thousand_spans_arrive(
    zipkin: ZipkinServer, make_tracer: MakeTracer, compress_from: int
) -> None:
    """All spans of a large trace are found, each once, compressed or not."""
    tracer = make_tracer("many", recorder={"compress_from": compress_from})
    with tracer.start_active_span("root") as root:
        for number in range(999):
            tracer.start_span(f"part {number}").finish()
    assert tracer.flush(timeout=30)
    found = zipkin.trace(root.span.context.to_trace_id(), spans=1000)
    assert len(found) == 1000
    assert len({span["id"] for span in found}) == 1000
    stats = tracer.recorder.stats
    assert (stats.sent, stats.dropped, stats.failed) == (1000, 0, 0)


def test_texts_that_the_server_misreads_arrive(
    zipkin: ZipkinServer, make_tracer: MakeTracer
) -> None:
    """The server takes a report for version 1 if a text in it ends as a field of that does."""
    tracer = make_tracer("misread")
    texts = {"key of yAnnotations": "a", "b": 'binaryAnnotations"', "c": "yAnnotations"}
    with tracer.start_active_span("root", tags=texts) as root:
        root.span.log_kv({"event": "yAnnotations"})
        tracer.start_span("other").finish()
    assert tracer.flush(timeout=30)
    found = {each["name"]: each for each in zipkin.trace(root.span.context.to_trace_id(), spans=2)}
    assert found["root"]["tags"] == texts
    assert [each["value"] for each in found["root"]["annotations"]] == ["yAnnotations"]
    assert tracer.recorder.stats[:5] == (2, 2, 0, 0, 0)


def test_spans_too_large_for_one_report_arrive(
    zipkin: ZipkinServer, make_tracer: MakeTracer
) -> None:
    """A batch of 15 MB, which the server would answer with 500, is sent in halves."""
    tracer = make_tracer("large", recorder={"interval": 30})
    with tracer.start_active_span("root") as root:
        for number in range(500):
            tracer.start_span(f"{number}", tags={"text": "x" * 30_000}).finish()
    assert tracer.flush(timeout=60)
    found = zipkin.trace(root.span.context.to_trace_id(), spans=501)
    assert len({span["id"] for span in found}) == 501
    assert tracer.recorder.stats[:5] == (501, 501, 0, 0, 0)


def test_a_span_that_the_server_refuses_costs_no_other(zipkin: ZipkinServer) -> None:
    """It is found by halves, and counts as failed alone; the others arrive."""

    class Spoiling(ZipkinRecorder):
        def encode_each(self, spans: Any, encode: Any) -> Any:
            encoded = super().encode_each(spans, encode)
            for fields in encoded:
                if fields["name"] == "300":
                    fields["id"] = "not hexadecimal"
            return encoded

    recorder = Spoiling("refused", zipkin.url, interval=30)
    with ZipkinTracer("refused", recorder=recorder) as tracer:
        with tracer.start_active_span("root") as root:
            for number in range(500):
                tracer.start_span(f"{number}").finish()
        assert not tracer.flush(timeout=60)
        found = zipkin.trace(root.span.context.to_trace_id(), spans=500)
    assert {span["name"] for span in found} == {"root", *map(str, range(500))} - {"300"}
    assert recorder.stats[:5] == (501, 500, 0, 1, 0)


def test_the_address_of_this_host_arrives(zipkin: ZipkinServer, make_tracer: MakeTracer) -> None:
    """The local endpoint has it, by which the server's page corrects the clocks of hosts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        try:
            plain.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        address = plain.getsockname()[0]
    tracer = make_tracer("addressed")
    span = tracer.start_span("work")
    span.finish()
    assert only(zipkin, tracer, span)["localEndpoint"] == {
        "serviceName": "addressed",
        "ipv4": address,
    }
