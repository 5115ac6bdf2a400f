"""Kafka's brokers for tests: librdkafka's own, a reader of topics, a forwarder to a broker."""

from __future__ import annotations

import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from opentracing_recorder import Recorder
from opentracing_recorder.harness import RecorderCheckMixin
from opentracing_recorder.kafka import KafkaRecorder

_PATIENCE = 30.0


class Received(NamedTuple):
    """A message that a broker has."""

    key: bytes
    value: bytes
    partition: int


@contextmanager
def librdkafka_broker() -> Iterator[str]:
    """The address of a broker that librdkafka runs in this process; it makes each topic asked for.

    Unlike a real one, it may store what is sent again.
    """
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (address,) = producer.list_topics(timeout=_PATIENCE).brokers.values()
    yield f"{address.host}:{address.port}"
    producer.flush(0)


def messages_in(bootstrap_servers: str, topic: str) -> list[Received]:
    """All messages of a topic, in the order of each of its partitions."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "test",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, _PATIENCE).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])
        received: list[Received] = []
        ended: set[int] = set()
        while len(ended) < len(partitions):
            message = consumer.poll(_PATIENCE)
            assert message is not None, f"{topic} has no end"
            error = message.error()
            if error is None:
                key, value = message.key(), message.value()
                received.append(Received(key, value, message.partition()))  # type: ignore[arg-type]
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())  # type: ignore[arg-type]
        return received
    finally:
        consumer.close()


class Forwarder:
    """Forwards to a broker, and tells clients that it listens on another port, such as a proxy's.

    A client connects to whatever port a broker tells it, and would go past the proxy.
    """

    host = "127.0.0.1"

    def __init__(self, broker: str) -> None:
        host, _, port = broker.rpartition(":")
        self._broker = host, int(port)
        self.told_port = 0
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self._broker)
            except OSError:
                client.close()
                continue
            told = struct.pack(">i", self.told_port)
            for source, target, port in ((client, broker, b""), (broker, client, told)):
                threading.Thread(
                    target=self._forward, args=(source, target, port), daemon=True
                ).start()

    def _forward(self, source: socket.socket, target: socket.socket, told: bytes) -> None:
        host = self._broker[0].encode()
        own = host + struct.pack(">i", self._broker[1])
        with suppress(OSError), source, target, source.makefile("rb") as frames:
            while len(size := frames.read(4)) == 4:
                frame = frames.read(*struct.unpack(">i", size))
                if told:
                    frame = frame.replace(own, host + told)
                target.sendall(size + frame)
            target.shutdown(socket.SHUT_WR)


class KafkaContract(RecorderCheckMixin):
    """The kit of every recorder, for a broker behind a proxy; a subclass calls `forwarding`."""

    @contextmanager
    def forwarding(self, broker: str) -> Iterator[None]:
        self.topic = uuid.uuid4().hex
        self.forwarder = Forwarder(broker)
        yield
        self.forwarder.close()

    def backend_address(self) -> tuple[str, int]:
        return self.forwarder.host, self.forwarder.port

    def recorder(self) -> Recorder:
        self.forwarder.told_port = self.proxy.port
        return KafkaRecorder(
            "shop",
            f"{self.proxy.host}:{self.proxy.port}",
            topic=self.topic,
            interval=0.05,
            send_timeout=1.0,
            config={"reconnect.backoff.max.ms": 500},
        )
