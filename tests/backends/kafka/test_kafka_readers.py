"""A real Zipkin and a real Collector read from a real Kafka what KafkaRecorder sent."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing import Format, tags
from opentracing_recorder import BasicTracer
from opentracing_recorder.kafka import KafkaRecorder
from opentracing_recorder.otlp import OTLPTracer
from opentracing_recorder.zipkin import ZipkinTracer

from ..collector.conftest import Sink
from ..zipkin.zipkin_server import ZipkinServer
from .conftest import MakeRecorder

WRONG = "the card has expired"


def failed(tracer: BasicTracer) -> Any:
    """A finished span with tags, which an exception has left."""
    span = tracer.start_span("charge", tags={"text": "crème 🍮", "number": 7})
    with pytest.raises(ValueError, match=WRONG), span:
        raise ValueError(WRONG)
    return span


def called(tracer: BasicTracer, caller: Any) -> Any:
    """Return the context that a callee extracts from the headers of a caller."""
    headers: dict[str, str] = {}
    caller.tracer.inject(caller, Format.HTTP_HEADERS, headers)
    return tracer.extract(Format.HTTP_HEADERS, headers)


@pytest.mark.parametrize("kind", ["client", "server", "producer", "consumer"])
def test_zipkin_has_ids_and_kinds(
    zipkin: ZipkinServer, make_recorder: MakeRecorder, kind: str
) -> None:
    """The trace id has all of its 128 bits, and each span its id, its parent's and its kind."""
    tracer = ZipkinTracer("shop", recorder=make_recorder())
    with tracer.start_active_span("root") as root:
        child = tracer.start_span("child", tags={tags.SPAN_KIND: kind})
        child.finish()
    assert tracer.flush(30)
    trace_id = root.span.context.to_trace_id()
    found = {span["name"]: span for span in zipkin.trace(trace_id, spans=2)}
    assert len(trace_id) == 32
    assert {span["traceId"] for span in found.values()} == {trace_id}
    assert found["root"]["id"] == root.span.context.to_span_id()
    assert "parentId" not in found["root"]
    assert "kind" not in found["root"]
    assert found["child"]["id"] == child.context.to_span_id()
    assert found["child"]["parentId"] == found["root"]["id"]
    assert found["child"]["kind"] == kind.upper()


def test_zipkin_has_a_trace_id_of_64_bits(
    zipkin: ZipkinServer, make_recorder: MakeRecorder
) -> None:
    """It has 16 digits there."""
    tracer = BasicTracer(make_recorder())
    span = tracer.start_span("short")
    span.finish()
    assert tracer.flush(30)
    (found,) = zipkin.trace(span.context.to_trace_id(), spans=1)
    assert found["traceId"] == span.context.to_trace_id()
    assert len(found["traceId"]) == 16


def test_zipkin_has_both_halves_of_a_shared_span(
    zipkin: ZipkinServer, make_recorder: MakeRecorder
) -> None:
    """They come in two messages, as the client and the server send their own."""
    client = ZipkinTracer("till", recorder=make_recorder("till"))
    server = ZipkinTracer("stock", recorder=make_recorder("stock"), one_span_per_rpc=True)
    asking = client.start_span("ask", tags={tags.SPAN_KIND: "client"})
    server.start_span(
        "answer", child_of=called(server, asking), tags={tags.SPAN_KIND: "server"}
    ).finish()
    asking.finish()
    assert client.flush(30)
    assert server.flush(30)
    trace = zipkin.trace(asking.context.to_trace_id(), spans=2)
    found = {span["kind"]: span for span in trace}
    assert found["CLIENT"]["id"] == found["SERVER"]["id"] == asking.context.to_span_id()
    assert found["SERVER"]["shared"] is True
    assert "shared" not in found["CLIENT"]
    assert found["SERVER"]["localEndpoint"]["serviceName"] == "stock"


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "snappy", "zstd"])
def test_zipkin_has_tags_and_errors(
    zipkin: ZipkinServer, make_recorder: MakeRecorder, compression: str
) -> None:
    """Whatever Kafka's compression."""
    tracer = ZipkinTracer("shop", recorder=make_recorder(config={"compression.type": compression}))
    span = failed(tracer)
    assert tracer.flush(30)
    (found,) = zipkin.trace(span.context.to_trace_id(), spans=1)
    assert found["tags"] == {"text": "crème 🍮", "number": "7", "error": WRONG}
    (annotation,) = found["annotations"]
    assert '"error.kind":"ValueError"' in annotation["value"]


@pytest.mark.parametrize("text", ['{"traceId":"', "binaryAnnotations", '},{"traceId":"', '"}]'])
def test_zipkin_takes_any_text(
    zipkin: ZipkinServer, make_recorder: MakeRecorder, text: str
) -> None:
    """Also one that it would take for version 1 of its API, and what looks like another span."""
    tracer = ZipkinTracer("shop", recorder=make_recorder())
    span = tracer.start_span("odd", tags={text: text, "traceId": text})
    span.finish()
    assert tracer.flush(30)
    (found,) = zipkin.trace(span.context.to_trace_id(), spans=1)
    assert found["tags"] == {text: text, "traceId": text}


def test_zipkin_takes_a_span_of_a_nameless_service(
    zipkin: ZipkinServer, make_recorder: MakeRecorder
) -> None:
    """Its message still is of version 2 for Zipkin: kind and tags are kept."""
    tracer = ZipkinTracer("", recorder=make_recorder("", ip=""))
    span = tracer.start_span("x", tags={tags.SPAN_KIND: "server"})
    span.finish()
    assert tracer.flush(30)
    (found,) = zipkin.trace(span.context.to_trace_id(), spans=1)
    assert found["kind"] == "SERVER"


def test_the_collector_has_all_of_a_trace(sink: Sink, make_recorder: MakeRecorder) -> None:
    """Ids, kinds, attributes, the error and the resource are what an OTLPRecorder sends."""
    recorder: KafkaRecorder = make_recorder(format="otlp", resource_attributes={"host.name": "h"})
    tracer = OTLPTracer("shop", recorder=recorder)
    with tracer.start_active_span("order", tags={tags.SPAN_KIND: "server"}) as root:
        failing = failed(tracer)
    assert tracer.flush(30)
    trace_id = root.span.context.to_trace_id()
    sink.wait_for(lambda: sum(each.trace_id.hex() == trace_id for each in sink.spans) == 2)
    found = {each.name: each for each in sink.spans if each.trace_id.hex() == trace_id}
    order, charge = found["order"], found["charge"]
    assert order.span_id.hex() == root.span.context.to_span_id()
    assert (charge.span_id.hex(), charge.parent_span_id) == (
        failing.context.to_span_id(),
        order.span_id,
    )
    assert (order.kind, charge.kind) == (2, 1)
    attributes = {each.key: each.value for each in charge.attributes}
    assert attributes["text"].string_value == "crème 🍮"
    assert attributes["number"].int_value == 7
    assert charge.status.code == 2
    assert [event.name for event in charge.events] == ["exception"]
    resource = {
        each.key: each.value.string_value for each in sink.resource_spans[-1].resource.attributes
    }
    assert (resource["service.name"], resource["host.name"]) == ("shop", "h")
