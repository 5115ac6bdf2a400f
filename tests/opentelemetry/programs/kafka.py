"""confluent-kafka on librdkafka's own broker: a message sent and received, and one too large."""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaException, Producer
from opentelemetry import trace
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor


def run() -> list[str]:
    kafka = ConfluentKafkaInstrumentor()
    plain = Producer({"test.mock.num.brokers": 1})
    producer = kafka.instrument_producer(plain)
    with trace.get_tracer("shop").start_as_current_span("order"):
        producer.produce("items", key="k", value=b"pear")
    producer.flush(30)
    (broker,) = plain.list_topics(timeout=30).brokers.values()
    address = f"{broker.host}:{broker.port}"
    settings = {"group.id": "shop", "auto.offset.reset": "earliest"}
    consumer = kafka.instrument_consumer(Consumer({"bootstrap.servers": address, **settings}))
    consumer.subscribe(["items"])
    message = consumer.poll(30)
    results = [message.value().decode(), *sorted(name for name, _ in message.headers())]
    consumer.close()
    try:
        producer.produce("items", value=b"x" * 2_000_000)
    except (BufferError, KafkaException) as error:
        results.append(error.args[0].name())
    return results
