"""Fixtures of the tests with a real Kafka: a broker; a Zipkin and a Collector that read it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from opentracing_recorder.kafka import KafkaRecorder

from ...kafka_broker import messages_in
from ...zipkin_payload import spans_in
from ..collector.conftest import Collector, Sink, running_collector, running_sink
from ..zipkin.zipkin_server import ZipkinServer
from .kafka_server import KafkaServer

MakeRecorder = Callable[..., KafkaRecorder]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker that all tests share: none leaves it ended."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def zipkin(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipkinServer]:
    """A Zipkin that reads the broker's topic `zipkin`."""
    log = tmp_path_factory.mktemp("zipkin") / "log.txt"
    with closing(ZipkinServer(log, KAFKA_BOOTSTRAP_SERVERS=kafka.address)) as server:
        yield server


@pytest.fixture(scope="session")
def sink(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """What a Collector forwards that reads the broker's topic `otlp_spans`."""
    with ExitStack() as stack:
        sink = stack.enter_context(running_sink())
        folder = tmp_path_factory.mktemp("collector")
        collector: Collector = stack.enter_context(
            running_collector(folder, sink, kafka=kafka.address)
        )
        assert collector
        yield sink


@pytest.fixture
def topic() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def make_recorder(kafka: KafkaServer) -> Iterator[MakeRecorder]:
    """Makes a recorder that sends to the broker, with these options."""
    made: list[KafkaRecorder] = []

    def make(service_name: str = "shop", **options: Any) -> KafkaRecorder:
        made.append(KafkaRecorder(service_name, kafka.address, **{"interval": 0.1, **options}))
        return made[-1]

    yield make
    for recorder in made:
        recorder.close(5)


def names_in(kafka: KafkaServer, topic: str) -> Counter[str]:
    """How often a topic has a span of each name."""
    return Counter(
        span.get("name", "")
        for each in messages_in(kafka.address, topic)
        for span in spans_in(each.value)
    )
