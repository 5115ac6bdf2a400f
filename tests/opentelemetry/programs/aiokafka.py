"""aiokafka on librdkafka's mock of a broker: a message sent and received, and one too large."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import Producer
from opentelemetry import trace
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor


def run() -> list[str]:
    cluster = Producer({"test.mock.num.brokers": 1})
    (broker,) = cluster.list_topics(timeout=30).brokers.values()
    AIOKafkaInstrumentor().instrument()
    return asyncio.run(_exchange(f"{broker.host}:{broker.port}"))


async def _exchange(address: str) -> list[str]:
    results = []
    async with AIOKafkaProducer(bootstrap_servers=address, client_id="shop") as producer:
        with trace.get_tracer("shop").start_as_current_span("order"):
            await producer.send_and_wait("items", b"pear", key=b"k")
        consumer = AIOKafkaConsumer(
            "items", bootstrap_servers=address, client_id="shop", auto_offset_reset="earliest"
        )
        async with consumer:
            message = await asyncio.wait_for(consumer.getone(), 30)
        results += [message.value.decode(), *sorted(name for name, _ in message.headers)]
        try:
            await producer.send_and_wait("items", b"x" * 2_000_000, key=b"k")
        except KafkaError as error:
            results.append(type(error).__name__)
    return results
