"""The header classes and message clients of real libraries, as carriers, both ways."""

from __future__ import annotations

import asyncio
import email.message
import http.client
import uuid
import wsgiref.headers
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import botocore.awsrequest
import botocore.compat
import bottle
import django.conf
import django.http
import grpc.aio
import httpx
import multidict
import pytest
import requests.structures
import scrapy.http
import starlette.datastructures
import tornado.httputil
import urllib3
import werkzeug.datastructures
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from opentracing import Format
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    CompositePropagator,
    JaegerPropagator,
    KafkaHeaders,
    Propagator,
    TextPropagator,
    TraceContextPropagator,
)

from .. import formats

django.conf.settings.configure()

Pairs = list[tuple[str, str]]

CONTEXT = BasicSpanContext(0xA1, 0xB2, {"user": "amy"})
FORMATS = {name: formats.FORMATS[name] for name in ("headers", "w3c", "b3", "jaeger headers")}
BESIDE_WHAT_IS_WRITTEN: dict[type, list[str]] = {
    TextPropagator: ["ot-baggage-role"],
    TraceContextPropagator: ["tracestate"],
    B3Propagator: ["b3", "x-b3-flags"],
    JaegerPropagator: ["uberctx-role", "jaeger-debug-id"],
}


def by(add: str, make: Callable[[], Any]) -> Callable[[Pairs], Any]:
    """Headers that are added one by one, by a method of this name."""

    def made(pairs: Pairs) -> Any:
        headers = make()
        for pair in pairs:
            getattr(headers, add)(*pair)
        return headers

    return made


CARRIERS: dict[str, Callable[[Pairs], Any]] = {
    "grpc.aio.Metadata": lambda pairs: grpc.aio.Metadata(*pairs),
    "werkzeug.Headers": werkzeug.datastructures.Headers,
    "werkzeug.MultiDict": werkzeug.datastructures.MultiDict,
    "requests": requests.structures.CaseInsensitiveDict,
    "httpx.Headers": httpx.Headers,
    "aiohttp": multidict.CIMultiDict,
    "starlette.MutableHeaders": lambda pairs: starlette.datastructures.MutableHeaders(
        raw=[(name.lower().encode(), value.encode()) for name, value in pairs]
    ),
    "django.HttpResponse": by("__setitem__", django.http.HttpResponse),
    "django's response headers": lambda pairs: (
        django.http.HttpResponse(headers=dict(pairs)).headers
    ),
    "email.Message": by("__setitem__", email.message.Message),
    "http.client": by("add_header", http.client.HTTPMessage),
    "wsgiref.Headers": lambda pairs: wsgiref.headers.Headers(list(pairs)),
    "botocore.HTTPHeaders": by("add_header", botocore.compat.HTTPHeaders),
    "botocore.HeadersDict": lambda pairs: botocore.awsrequest.HeadersDict(dict(pairs)),
    "tornado.HTTPHeaders": by("add", tornado.httputil.HTTPHeaders),
    "urllib3.HTTPHeaderDict": by("add", urllib3.HTTPHeaderDict),
    "bottle.HeaderDict": by("append", bottle.HeaderDict),
    "scrapy.Headers": by("appendlist", scrapy.http.Headers),
}
every_carrier = pytest.mark.parametrize("name", CARRIERS)
every_format = pytest.mark.parametrize("propagator", FORMATS.values(), ids=FORMATS)


def injected(propagator: Propagator, context: BasicSpanContext = CONTEXT) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagator.inject(context, carrier)
    return carrier


def entries(carrier: Any) -> list[tuple[str, str]]:
    """All that is in such headers, names in lower case; lists of values one by one."""
    multi = getattr(carrier, "multi_items", None) or carrier.items
    found = []
    for name, value in multi():
        for each in value if isinstance(value, list) else [value]:
            pair = tuple(
                part.decode() if isinstance(part, bytes) else part for part in (name, each)
            )
            found.append((pair[0].lower(), pair[1]))
    return sorted(pair for pair in found if pair[0] != "content-type")


@every_carrier
@every_format
def test_headers_of_a_request_are_read(name: str, propagator: Propagator) -> None:
    """Ids and baggage, beside other headers."""
    context = propagator.extract(CARRIERS[name]([("host", "h"), *injected(propagator).items()]))
    assert context is not None
    assert (context.trace_id, context.span_id) == (0xA1, 0xB2)
    if not isinstance(propagator, B3Propagator):
        assert context.baggage == {"user": "amy"}


@every_carrier
@every_format
def test_headers_of_a_stranger_are_replaced(name: str, propagator: Propagator) -> None:
    """Twice in lower case and once in another, and baggage that the new context has not."""
    old = [*injected(propagator), *BESIDE_WHAT_IS_WRITTEN[type(propagator)]]
    spellings = [*old, *old]
    if name != "grpc.aio.Metadata":  # gRPC takes lower case alone
        spellings += [each.title() for each in old]
    carrier = CARRIERS[name]([("host", "h"), *((each, "old") for each in spellings)])
    context = BasicSpanContext(0xC3, 0xD4)
    propagator.inject(context, carrier)
    assert entries(carrier) == sorted([("host", "h"), *injected(propagator, context).items()])


def test_the_body_of_a_streaming_response_is_not_touched() -> None:
    """Its headers are what it is a carrier for."""
    response = django.http.StreamingHttpResponse(iter([b"a", b"b"]), headers={"B3": "old"})
    FORMATS["b3"].inject(CONTEXT, response)
    assert "B3" not in response
    assert list(response) == [b"a", b"b"]


# Kafka: librdkafka has a broker to test with. kafka-python 3 cannot read what it answers.


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": ""})
    (address,) = producer.list_topics(timeout=10).brokers.values()
    yield f"{address.host}:{address.port}"
    producer.flush(10)


@pytest.fixture(scope="module")
def tracer() -> BasicTracer:
    return BasicTracer(
        propagators={
            Format.TEXT_MAP: CompositePropagator([TraceContextPropagator(), TextPropagator()])
        }
    )


def by_confluent_kafka(broker: str, topic: str, headers: Any) -> None:
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(topic, b"value", headers=headers)
    assert producer.flush(20) == 0


def by_aiokafka(broker: str, topic: str, headers: Any) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await asyncio.wait_for(producer.send_and_wait(topic, b"value", headers=headers), 20)

    asyncio.run(send())


def consumed(broker: str, topic: str) -> Any:
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        messages: Iterable[Any] = (consumer.poll(1) for _ in range(30))
        return next(each for each in messages if each is not None and not each.error())
    finally:
        consumer.close()


@pytest.mark.parametrize("send", [by_confluent_kafka, by_aiokafka])
def test_a_trace_goes_through_kafka(
    send: Callable[[str, str, Any], None], broker: str, tracer: BasicTracer
) -> None:
    """Each client takes the list into which `KafkaHeaders` wrote."""
    headers: list[Any] = [("content-type", b"text/plain")]
    span = tracer.start_span("send").set_baggage_item("user", "amy")
    tracer.inject(span, Format.TEXT_MAP, KafkaHeaders(headers))
    topic = uuid.uuid4().hex
    send(broker, topic, headers)
    context = tracer.extract(Format.TEXT_MAP, consumed(broker, topic).headers())
    assert isinstance(context, BasicSpanContext)
    assert (context.trace_id, context.span_id) == (span.context.trace_id, span.context.span_id)
    assert context.baggage == {"user": "amy"}


def test_kafka_python_writes_what_was_injected(tracer: BasicTracer) -> None:
    """Its records take the list into which `KafkaHeaders` wrote, and give it back."""
    headers: list[Any] = []
    span = tracer.start_span("send")
    tracer.inject(span, Format.TEXT_MAP, KafkaHeaders(headers))
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    batch.append(0, 1, b"key", b"value", headers)
    (record,) = DefaultRecordBatch(bytes(batch.build()))
    context = tracer.extract(Format.TEXT_MAP, record.headers)
    assert isinstance(context, BasicSpanContext)
    assert (context.trace_id, context.span_id) == (span.context.trace_id, span.context.span_id)


def test_a_message_without_headers_has_no_trace(broker: str, tracer: BasicTracer) -> None:
    """Its `headers()` are None."""
    topic = uuid.uuid4().hex
    by_confluent_kafka(broker, topic, None)
    headers = consumed(broker, topic).headers()
    assert headers is None
    assert tracer.extract(Format.TEXT_MAP, headers) is None
