"""A trace goes through headers of real messages, with each client on either side of a Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer

from opentracing import Format
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    JaegerPropagator,
    KafkaHeaders,
    Propagator,
    TextPropagator,
    TraceContextPropagator,
)

from .kafka_server import KafkaServer

Headers = list[tuple[str, bytes]]


def by_confluent_kafka(broker: str, topic: str, headers: Headers) -> None:
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(topic, b"value", headers=headers)
    assert producer.flush(20) == 0


def by_aiokafka(broker: str, topic: str, headers: Headers) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await asyncio.wait_for(producer.send_and_wait(topic, b"value", headers=headers), 20)

    asyncio.run(send())


def from_confluent_kafka(broker: str, topic: str) -> Any:
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(20)
        assert message is not None
        return message.headers()
    finally:
        consumer.close()


def from_aiokafka(broker: str, topic: str) -> Any:
    async def receive() -> Any:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=broker, group_id=topic, auto_offset_reset="earliest"
        )
        async with consumer:
            return (await asyncio.wait_for(consumer.getone(), 20)).headers

    return asyncio.run(receive())


@pytest.mark.parametrize("receive", [from_confluent_kafka, from_aiokafka])
@pytest.mark.parametrize("send", [by_confluent_kafka, by_aiokafka])
@pytest.mark.parametrize(
    "propagator",
    [TextPropagator(), TraceContextPropagator(), B3Propagator(), JaegerPropagator()],
    ids=lambda each: type(each).__name__,
)
def test_a_trace_goes_through_headers(
    kafka: KafkaServer,
    topic: str,
    propagator: Propagator,
    send: Callable[[str, str, Headers], None],
    receive: Callable[[str, str], Any],
) -> None:
    """The consumer finds the producer's span, and passes it on in the headers that it received."""
    tracer = BasicTracer(propagators={Format.TEXT_MAP: propagator}, trace_id_bits=128)
    headers: Headers = [("content-type", b"text/plain"), ("none", None)]  # type: ignore[list-item]
    span = tracer.start_span("send")
    tracer.inject(span, Format.TEXT_MAP, KafkaHeaders(headers))
    send(kafka.address, topic, headers)
    received = receive(kafka.address, topic)
    context = tracer.extract(Format.TEXT_MAP, received)
    assert isinstance(context, BasicSpanContext)
    assert (context.trace_id, context.span_id) == (span.context.trace_id, span.context.span_id)

    passed_on = list(received)
    work = tracer.start_span("work", child_of=context)
    tracer.inject(work, Format.TEXT_MAP, passed_on)  # a message's: written as bytes
    assert {(type(name), type(value)) for name, value in passed_on} <= {
        (str, bytes),
        (str, type(None)),
    }
    assert passed_on[:2] == headers[:2]
    send(kafka.address, f"{topic}-2", passed_on)
    context = tracer.extract(Format.TEXT_MAP, receive(kafka.address, f"{topic}-2"))
    assert isinstance(context, BasicSpanContext)
    assert (context.trace_id, context.span_id) == (span.context.trace_id, work.context.span_id)
