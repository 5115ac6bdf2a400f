"""KafkaRecorder, with the broker that librdkafka has for tests."""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import textwrap
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    BatchRecorder,
    Recorder,
    RemoteSpanContext,
)
from opentracing_recorder.harness import FaultyProxy

if sys.implementation.name != "cpython" or sys.platform == "emscripten":
    pytest.skip("confluent-kafka has no wheels for this interpreter", allow_module_level=True)

from confluent_kafka import KafkaError

from opentracing_recorder._zipkin_json import span_encoder, to_json
from opentracing_recorder.kafka import KafkaRecorder
from opentracing_recorder.otlp import OTLPTracer
from opentracing_recorder.zipkin import ZipkinTracer

from ..kafka_broker import Forwarder, KafkaContract, Received, librdkafka_broker, messages_in
from ..programs import FORKING, run_program
from ..runtimes import HAS_GEVENT, WHY_NOT_GEVENT
from ..zipkin_payload import spans_in

pytestmark = pytest.mark.needs_os

NOWHERE = "127.0.0.1:1"  # where nothing listens


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with librdkafka_broker() as address:
        yield address


@pytest.fixture
def topic() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def proxy(broker: str) -> Iterator[FaultyProxy]:
    """A proxy before the broker."""
    forwarder = Forwarder(broker)
    with FaultyProxy(forwarder.host, forwarder.port) as proxy:
        forwarder.told_port = proxy.port
        yield proxy
    forwarder.close()


@pytest.fixture
def make_tracer(broker: str, topic: str) -> Iterator[Callable[..., BasicTracer]]:
    """Makes a tracer that sends to the topic, with these options of its recorder."""
    made: list[BasicTracer] = []

    def make(bootstrap_servers: str = broker, **options: Any) -> BasicTracer:
        recorder = KafkaRecorder(
            "shop", bootstrap_servers, **{"topic": topic, "interval": 0.05, **options}
        )
        made.append(BasicTracer(recorder, trace_id_bits=128))
        return made[-1]

    yield make
    for tracer in made:
        tracer.close(1)


def finished(tracer: BasicTracer, name: str, **start: Any) -> BasicSpan:
    span = tracer.start_span(name, **start)
    span.finish()
    return span


def names(messages: Iterable[Received]) -> list[str]:
    return [span.get("name", "") for each in messages for span in spans_in(each.value)]


# What is sent.


def test_each_trace_is_a_message_with_its_id_for_a_key(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """Its value is a JSON list of the spans of that trace, as Zipkin reads it."""
    tracer = make_tracer()
    roots = [finished(tracer, f"root {number}") for number in range(3)]
    children = [finished(tracer, "child", child_of=root) for root in roots]
    assert tracer.flush(30)
    by_key = {each.key.decode(): spans_in(each.value) for each in messages_in(broker, topic)}
    assert by_key.keys() == {root.context.to_trace_id() for root in roots}
    for root, child in zip(roots, children):
        first, second = by_key[root.context.to_trace_id()]
        assert (first["name"], first["id"]) == (root.operation_name, root.context.to_span_id())
        assert (second["id"], second["parentId"]) == (child.context.to_span_id(), first["id"])
        assert first["localEndpoint"]["serviceName"] == "shop"


def test_a_key_has_32_digits(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """So a trace with an id of 64 bits has one key, whatever the format."""
    tracer = make_tracer()
    finished(tracer, "x", child_of=BasicSpanContext(0xABC, 1))
    assert tracer.flush(30)
    (message,) = messages_in(broker, topic)
    assert message.key == b"%032x" % 0xABC


def test_a_trace_goes_to_one_partition(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """Also if its spans are sent in several batches; other traces go to other partitions."""
    tracer = make_tracer(batch_size=16)
    for root in [finished(tracer, "root") for _ in range(40)]:
        finished(tracer, "child", child_of=root)
    assert tracer.flush(30)
    messages = messages_in(broker, topic)
    assert len(names(messages)) == 80
    assert len({(each.key, each.partition) for each in messages}) == 40
    assert len({each.partition for each in messages}) > 1


def test_a_span_is_what_zipkin_gets_over_http(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """Its kind, its tags, its error, its logs and its shared half are in the same JSON."""
    recorder = KafkaRecorder("Shop", broker, topic=topic, ip="192.0.2.1", port=8080)
    with ZipkinTracer("Shop", recorder=recorder, one_span_per_rpc=True) as tracer:
        caller = RemoteSpanContext(0xA << 64, 2)
        span = tracer.start_span("ask", child_of=caller, tags={"span.kind": "server", "n": 1})
        span.set_tag("error", True).log_kv({"event": "error", "message": "no tea"})
        span.finish()
        assert tracer.flush(30)
    (message,) = messages_in(broker, topic)
    endpoint = {"serviceName": "shop", "ipv4": "192.0.2.1", "port": 8080}
    assert message.value == to_json([span_encoder(endpoint)(span)])
    (sent,) = spans_in(message.value)
    assert (sent["kind"], sent["shared"], sent["id"]) == ("SERVER", True, f"{2:016x}")


def test_otlp_is_sent_as_protobuf(broker: str, topic: str) -> None:
    """Each message is an ExportTraceServiceRequest, with the resource and one trace's spans."""
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    recorder = KafkaRecorder(
        "shop", broker, format="otlp", topic=topic, resource_attributes={"host.name": "h"}
    )
    with OTLPTracer("shop", recorder=recorder) as tracer:
        root = finished(tracer, "root", tags={"span.kind": "server"})
        child = finished(tracer, "child", child_of=root)
        other = finished(tracer, "other")
    requests = {
        each.key.decode(): proto.ExportTraceServiceRequest.FromString(each.value)
        for each in messages_in(broker, topic)
    }
    assert requests.keys() == {root.context.to_trace_id(), other.context.to_trace_id()}
    (resource_spans,) = requests[root.context.to_trace_id()].resource_spans
    attributes = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
    assert (attributes["service.name"], attributes["host.name"]) == ("shop", "h")
    (scope_spans,) = resource_spans.scope_spans
    assert [(span.name, span.span_id.hex()) for span in scope_spans.spans] == [
        ("root", root.context.to_span_id()),
        ("child", child.context.to_span_id()),
    ]


@pytest.mark.parametrize(("format", "topic"), [("zipkin", "zipkin"), ("otlp", "otlp_spans")])
def test_the_topic_is_that_of_its_readers(broker: str, format: str, topic: str) -> None:
    """By default it is that of Zipkin's collector, or that of the Collector's receiver."""
    with BasicTracer(KafkaRecorder("shop", broker, format=format)) as tracer:
        finished(tracer, "x")
    assert len(messages_in(broker, topic)) == 1


# Options.


def test_the_options_and_defaults_are_those_of_every_batch_recorder() -> None:
    """Each has a name of its own in the constructor, which editors know."""
    own = inspect.signature(KafkaRecorder).parameters
    for name, option in inspect.signature(BatchRecorder).parameters.items():
        assert own[name] == option
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in own.values())


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"service_name": None}, TypeError, "service_name must be a str, not NoneType"),
        ({"topic": "\udcff"}, ValueError, "topic must be text that UTF-8 can encode"),
        ({"bootstrap_servers": "\udcff"}, ValueError, "bootstrap_servers must be text"),
        ({"config": {"client.id": "\udcff"}}, ValueError, "config must be text"),
        ({"bootstrap_servers": 9092}, TypeError, "bootstrap_servers must be a str, not int"),
        ({"bootstrap_servers": " "}, ValueError, "bootstrap_servers must name a broker"),
        ({"format": "thrift"}, ValueError, "format must be zipkin or otlp, not 'thrift'"),
        ({"format": None}, TypeError, "format must be a str, not NoneType"),
        ({"topic": 1}, TypeError, "topic must be a str, not int"),
        ({"topic": ""}, ValueError, "topic must not be empty"),
        ({"ip": "here"}, ValueError, "ip must be an IPv4 or IPv6 address, not 'here'"),
        ({"port": 0}, ValueError, "port must be from 1 to 65535, not 0"),
        ({"format": "otlp", "ip": "::1"}, ValueError, "ip cannot be given with the format otlp"),
        (
            {"resource_attributes": {}},
            ValueError,
            "resource_attributes cannot be given with the format zipkin",
        ),
        ({"max_message_size": 0}, ValueError, "max_message_size must be at least 1, not 0"),
        ({"batch_size": "x"}, TypeError, "batch_size must be an int, not str"),
        ({"send_timeout": 0}, ValueError, "send_timeout must be more than 0 seconds, not 0"),
        ({"queue_size": 0}, ValueError, "queue_size must be at least 1, not 0"),
        ({"config": []}, TypeError, "config must be a mapping, not list"),
        ({"config": {1: 2}}, TypeError, "config must have names that are str, not int"),
        ({"config": {"foo": 1}}, ValueError, 'No such configuration property: "foo"'),
        ({"config": {"linger.ms": "soon"}}, ValueError, "Invalid value for configuration property"),
        ({"config": {"oauth_cb": 1}}, TypeError, "expected oauth_cb property as a callable"),
        ({"config": {"acks": 1}}, ValueError, "config cannot have 'acks': each span is sent once"),
        (
            {"config": {"bootstrap.servers": "x"}},
            ValueError,
            "config cannot have 'bootstrap.servers': give bootstrap_servers",
        ),
    ],
)
def test_an_argument_that_cannot_serve_is_named(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """It is refused when the recorder is created, before a thread of librdkafka's starts."""
    threads = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0
    with pytest.raises(error) as raised:
        KafkaRecorder(**{"service_name": "shop", "bootstrap_servers": NOWHERE, **options})
    assert text in str(raised.value)
    if threads:
        assert len(os.listdir("/proc/self/task")) == threads


def test_settings_reach_librdkafka(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """Compression, for example; its callbacks are called too."""
    statistics: list[dict[str, Any]] = []
    tracer = make_tracer(
        config={
            "compression.type": "lz4",
            "client.id": "till",
            "statistics.interval.ms": 10,
            "stats_cb": lambda text: statistics.append(json.loads(text)),
        }
    )
    finished(tracer, "x")
    assert tracer.flush(30)
    finished(tracer, "y")
    assert tracer.flush(30)
    assert statistics
    assert statistics[0]["client_id"] == "till"
    assert sorted(names(messages_in(broker, topic))) == ["x", "y"]


def test_a_recorder_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Its repr has the service, the brokers and the topic; errors and logs have none either."""
    caplog.set_level(logging.DEBUG)
    config = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "amy-of-shop",
        "sasl.password": "open-sesame",
        "debug": "all",
    }
    recorder = KafkaRecorder("shop", NOWHERE, config=config, interval=0.01, send_timeout=0.2)
    assert repr(recorder).startswith(f"<KafkaRecorder 'shop' {NOWHERE} 'zipkin' recorded=0")
    with BasicTracer(recorder) as tracer:
        finished(tracer, "x")
        assert not tracer.flush(0.5)
        assert not tracer.close(0.5)
    with pytest.raises(ValueError, match="Invalid value") as raised:
        KafkaRecorder(
            "shop", config={"security.protocol": "open-sesame", "sasl.password": "open-sesame"}
        )
    text = caplog.text + repr(recorder) + str(raised.value) + repr(vars(recorder))
    assert "Connect to" in caplog.text
    assert "open-sesame" not in text
    assert "amy-of-shop" not in text


# What is too large.


def test_a_trace_that_is_too_large_is_sent_in_several_messages(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """Each is below the limit, and has the key of the trace."""
    tracer = make_tracer(max_message_size=5000)
    root = finished(tracer, "root")
    for number in range(20):
        finished(tracer, f"{number}", child_of=root, tags={"text": "x" * 1000})
    assert tracer.flush(30)
    messages = messages_in(broker, topic)
    assert len(messages) > 4
    assert max(len(each.value) for each in messages) <= 5000
    assert {each.key.decode() for each in messages} == {root.context.to_trace_id()}
    assert sorted(names(messages)) == sorted(["root", *map(str, range(20))])


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_a_span_that_is_too_large_fails_alone(
    broker: str,
    topic: str,
    make_tracer: Callable[..., BasicTracer],
    caplog: pytest.LogCaptureFixture,
    format: str,
) -> None:
    """The log names it; the others are sent once, those of its trace too."""
    tracer = make_tracer(max_message_size=5000, format=format, interval=5)
    root = finished(tracer, "root")
    for number in range(40):
        finished(tracer, f"{number}", child_of=root if number % 2 else None)
    huge = finished(tracer, "huge", child_of=root, tags={"text": "x" * 6000})
    assert not tracer.flush(30)
    stats = tracer.recorder.stats
    assert (stats.sent, stats.failed) == (41, 1)
    assert f"the span 'huge' ({huge.context.to_trace_id()}:" in caplog.text
    assert "max_message_size is 5000" in caplog.text
    if format == "zipkin":
        assert Counter(names(messages_in(broker, topic))) == Counter(["root", *map(str, range(40))])


def test_more_than_librdkafka_may_hold_is_sent_in_turns(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer]
) -> None:
    """While its queue is full, `send` waits."""
    tracer = make_tracer(config={"queue.buffering.max.messages": 2, "linger.ms": 0})
    for number in range(20):
        finished(tracer, f"{number}")
    assert tracer.flush(30)
    assert sorted(names(messages_in(broker, topic))) == sorted(map(str, range(20)))


# Failures.


def test_brokers_that_cannot_be_reached_are_reported_and_tried_again(
    make_tracer: Callable[..., BasicTracer], caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why; nothing is lost within the queue, and calls return in time."""
    tracer = make_tracer(NOWHERE, send_timeout=0.3)
    finished(tracer, "x")
    assert not tracer.flush(1)
    assert tracer.recorder.stats.queued == 1
    assert "is tried again" in caplog.text
    assert "1 messages are not acknowledged after 0.3 s" in caplog.text
    assert "Connection refused" in caplog.text
    assert "librdkafka: FAIL" in caplog.text
    assert tracer.recorder.stats.slow == 0


def test_spans_fail_after_all_attempts(
    make_tracer: Callable[..., BasicTracer],
) -> None:
    """librdkafka stops then as well: they are not sent later."""
    tracer = make_tracer(NOWHERE, send_timeout=0.2, attempts=2, interval=0.01)
    finished(tracer, "x")
    assert not tracer.flush(10)
    assert tracer.recorder.stats.failed == 1
    recorder: Any = tracer.recorder
    assert recorder._brokers.open_messages() == 0


def test_a_producer_that_cannot_be_made_is_reported(
    make_tracer: Callable[..., BasicTracer], caplog: pytest.LogCaptureFixture
) -> None:
    """For a file of certificates that is missing, for example; the spans wait for it."""
    tracer = make_tracer(config={"security.protocol": "ssl", "ssl.ca.location": "/missing"})
    finished(tracer, "x")
    assert not tracer.flush(0.5)
    assert "no producer can be made: Failed to create producer: ssl.ca.location" in caplog.text
    assert tracer.recorder.stats.queued == 1


def test_a_message_that_is_under_way_is_not_sent_again(
    broker: str, topic: str, proxy: FaultyProxy, make_tracer: Callable[..., BasicTracer]
) -> None:
    """If time runs out, the next attempts wait for librdkafka, which goes on by itself."""
    servers = f"{proxy.host}:{proxy.port}"
    tracer = make_tracer(servers, send_timeout=0.2, config={"socket.timeout.ms": 60_000})
    finished(tracer, "before")
    assert tracer.flush(30)
    proxy.mode = "hang"
    finished(tracer, "meanwhile")
    assert not tracer.flush(1)
    proxy.mode = "pass"
    assert tracer.flush(30)
    assert tracer.recorder.stats.sent == 2
    assert Counter(names(messages_in(broker, topic))) == Counter(["before", "meanwhile"])


def test_what_is_left_at_close_is_not_sent_later(
    broker: str, topic: str, proxy: FaultyProxy, make_tracer: Callable[..., BasicTracer]
) -> None:
    """It counts as dropped, and librdkafka has given it up."""
    tracer = make_tracer(f"{proxy.host}:{proxy.port}")
    finished(tracer, "before")
    assert tracer.flush(30)
    proxy.mode = "refuse"
    finished(tracer, "late")
    assert not tracer.close(1)
    proxy.mode = "pass"
    stats = tracer.recorder.stats
    assert (stats.sent, stats.dropped) == (1, 1)
    assert names(messages_in(broker, topic)) == ["before"]


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_values_that_cannot_be_encoded_cost_their_span_alone(
    broker: str, topic: str, make_tracer: Callable[..., BasicTracer], format: str
) -> None:
    """So does an id that cannot be a key."""
    tracer = make_tracer(interval=5, format=format)
    for trace_id in (0, 1 << 128, -1, None, "x", 1.5, [1]):
        span: Any = tracer.start_span("odd")
        span._trace_id = trace_id
        span.finish()
    finished(tracer, "fine")
    assert not tracer.flush(30)
    stats = tracer.recorder.stats
    assert (stats.sent, stats.failed) == (1, 7)
    (message,) = messages_in(broker, topic)
    assert b"fine" in message.value


class ScriptedProducer:
    """Stands for confluent-kafka's Producer; `outcome` of a message's first name decides on it.

    It is None for an acknowledgement, an error, or "wait" for one that never comes.
    """

    outcome: Callable[[str], Any]
    made: list[ScriptedProducer]
    stored: list[str]
    """The names of the spans that are acknowledged."""

    def __init__(self, config: dict[str, Any], logger: Any = None) -> None:
        self.config = config
        self._open: list[tuple[list[str], str, Callable[..., None]]] = []
        self._is_purged = False
        self.made.append(self)

    def produce(self, _: str, body: bytes, key: str, partition: int, on_delivery: Any) -> None:
        self._open.append(([span["name"] for span in spans_in(body)], key, on_delivery))

    def poll(self, seconds: float) -> int:
        messages, self._open = self._open, []
        purged = KafkaError(KafkaError._PURGE_QUEUE)
        for names, key, on_delivery in messages:
            found = purged if self._is_purged else self.outcome(names[0])
            if found is None:
                self.stored += names
            elif isinstance(found, str):
                self._open.append((names, key, on_delivery))
            else:
                on_delivery(found, SimpleNamespace(key=key.encode))
        if self._open:
            time.sleep(seconds)  # as the real one waits
        return len(messages) - len(self._open)

    def purge(self) -> None:
        self._is_purged = True

    def flush(self, seconds: float) -> int:
        self.poll(0)
        return len(self)

    def __len__(self) -> int:
        return len(self._open)


@pytest.fixture
def script() -> type[ScriptedProducer]:
    """A class of producers, which recorders use that are made in the test."""

    class Script(ScriptedProducer):
        made: list[ScriptedProducer] = []
        stored: list[str] = []

    return Script


MakeScripted = Callable[..., BasicTracer]


@pytest.fixture
def make_scripted(
    script: type[ScriptedProducer],
    make_tracer: Callable[..., BasicTracer],
    monkeypatch: pytest.MonkeyPatch,
) -> MakeScripted:
    def make(outcome: Callable[[str], Any], **options: Any) -> BasicTracer:
        script.outcome = staticmethod(outcome)  # type: ignore[assignment]
        tracer = make_tracer(NOWHERE, **options)
        monkeypatch.setattr("opentracing_recorder._kafka_producer.Producer", script)
        return tracer

    return make


def test_a_producer_waits_for_all_brokers_and_is_idempotent(
    script: type[ScriptedProducer], make_scripted: MakeScripted
) -> None:
    """It never gives a message up by itself; a setting of the application's changes none of it."""
    tracer = make_scripted(lambda name: None, config={"linger.ms": 20})
    finished(tracer, "x")
    assert tracer.flush(10)
    (producer,) = script.made
    expected = {
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": 0,
        "linger.ms": 20,
    }
    assert {name: producer.config[name] for name in expected} == expected


def test_of_a_batch_that_is_given_up_what_was_acknowledged_counts_as_sent(
    script: type[ScriptedProducer], make_scripted: MakeScripted, caplog: pytest.LogCaptureFixture
) -> None:
    """After the last attempt, the rest counts as failed, and the log has both numbers."""
    tracer = make_scripted(
        lambda name: "wait" if name == "stuck" else None, attempts=2, send_timeout=0.1
    )
    for name in ("a", "stuck", "b"):
        finished(tracer, name)
    assert not tracer.flush(10)
    stats = tracer.recorder.stats
    assert (stats.sent, stats.failed, stats.queued) == (2, 1, 0)
    assert script.stored == ["a", "b"]
    assert "Kafka took 2 spans of a batch, and 1 are lost" in caplog.text


def test_of_a_batch_that_close_gives_up_what_was_acknowledged_counts_as_sent(
    script: type[ScriptedProducer], make_scripted: MakeScripted
) -> None:
    """The rest counts as failed when the time of `close` is over."""
    tracer = make_scripted(lambda name: "wait" if name == "stuck" else None)
    for name in ("a", "stuck", "b"):
        finished(tracer, name)
    assert not tracer.close(0.5)
    stats = tracer.recorder.stats
    assert (stats.sent, stats.failed, stats.dropped) == (2, 1, 0)
    assert script.stored == ["a", "b"]


def test_a_producer_with_a_fatal_error_is_replaced(
    script: type[ScriptedProducer], make_scripted: MakeScripted
) -> None:
    """The next one sends what was not acknowledged, and nothing else."""
    fatal = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "gap", fatal=True)
    tracer = make_scripted(
        lambda name: fatal if name != "a" and len(script.made) == 1 else None, interval=0.05
    )
    for name in ("a", "b", "c"):
        finished(tracer, name)
    assert tracer.flush(10)
    assert len(script.made) == 2
    assert Counter(script.stored) == Counter(["a", "b", "c"])


def test_a_message_that_is_refused_costs_its_spans_alone(
    script: type[ScriptedProducer], make_scripted: MakeScripted, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that brokers refuse only because of it are sent again, and the others are not."""
    others = KafkaError(KafkaError._INVALID_DIFFERENT_RECORD)
    seen: Counter[str] = Counter()

    def outcome(name: str) -> KafkaError | None:
        seen[name] += 1
        if name == "bad":
            return KafkaError(KafkaError.INVALID_RECORD, "no")
        return others if name == "beside" and seen[name] == 1 else None

    tracer = make_scripted(outcome, interval=5)
    for name in ("a", "bad", "beside", "b"):
        finished(tracer, name)
    assert not tracer.flush(10)
    stats = tracer.recorder.stats
    assert (stats.sent, stats.failed) == (3, 1)
    assert Counter(script.stored) == Counter(["a", "beside", "b"])
    assert "the span 'bad'" in caplog.text
    assert "INVALID_RECORD: no" in caplog.text


def test_a_trace_that_fails_is_sent_again_whole(
    script: type[ScriptedProducer], make_scripted: MakeScripted
) -> None:
    """Its spans went in one message; those of the other traces are not sent again."""
    outcomes = {"root 1": [KafkaError(KafkaError._TIMED_OUT)]}
    tracer = make_scripted(lambda name: (outcomes.get(name) or [None]).pop(), interval=0.05)
    roots = [finished(tracer, f"root {number}") for number in range(3)]
    for number, root in enumerate(roots):
        finished(tracer, f"child {number}", child_of=root)
    assert tracer.flush(10)
    assert tracer.recorder.stats.sent == 6
    assert script.stored[4:] == ["root 1", "child 1"]
    assert len(script.stored) == 6


def test_of_a_divided_trace_only_the_message_that_fails_is_sent_again(
    script: type[ScriptedProducer], make_scripted: MakeScripted
) -> None:
    """All of them have one key, but each has its own spans."""
    outcomes = {"3": [KafkaError(KafkaError._TIMED_OUT)]}
    tracer = make_scripted(
        lambda name: (outcomes.get(name) or [None]).pop(), interval=0.05, max_message_size=2000
    )
    root = finished(tracer, "0", tags={"text": "x" * 1500})
    for number in range(1, 6):
        finished(tracer, str(number), child_of=root, tags={"text": "x" * 1500})
    assert tracer.flush(10)
    assert tracer.recorder.stats.sent == 6
    assert script.stored == ["0", "1", "2", "4", "5", "3"]


# Processes.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_a_producer_of_its_own(broker: str, topic: str) -> None:
    """Parent and child send their own spans; each ends as quickly as it would alone."""
    program = f"""
        import os, sys, time
        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(KafkaRecorder("shop", "{broker}", topic="{topic}", interval=0.1))
        tracer.start_span("before").finish()
        assert tracer.flush(20)
        tracer.start_span("waiting").finish()
        if os.fork() == 0:
            tracer.start_span("child").finish()
            start = time.monotonic()
            assert tracer.flush(20)
            assert tracer.recorder.stats.recorded == 1
            sys.exit()
        tracer.start_span("parent").finish()
        assert tracer.flush(20)
        pid, status = os.wait()
        print(os.waitstatus_to_exitcode(status))
    """
    ended = run_program([*FORKING, "-c", textwrap.dedent(program)])
    assert (ended.code, ended.output, ended.error) == (0, "0\n", "")
    sent = Counter(names(messages_in(broker, topic)))
    assert sent == Counter(["before", "waiting", "child", "parent"])


def test_spans_are_sent_at_the_exit(broker: str, topic: str) -> None:
    """A program that ends at once loses none, and prints nothing."""
    program = f"""
        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(KafkaRecorder("shop", "{broker}", topic="{topic}"))
        for number in range(2000):
            tracer.start_span(str(number)).finish()
    """
    ended = run_program([sys.executable, "-c", textwrap.dedent(program)])
    assert (ended.code, ended.output, ended.error) == (0, "", "")
    assert Counter(names(messages_in(broker, topic))) == Counter(map(str, range(2000)))


def test_an_exit_without_brokers_is_bounded() -> None:
    """It lasts `exit_timeout`, and says what is lost."""
    program = f"""
        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(KafkaRecorder("shop", "{NOWHERE}", exit_timeout=1))
        tracer.start_span("x").finish()
    """
    ended = run_program([sys.executable, "-c", textwrap.dedent(program)])
    assert ended.code == 0
    assert "KafkaRecorder was closed before 1 spans were sent" in ended.error
    assert ended.seconds < 10


@pytest.mark.skipif(not HAS_GEVENT, reason=WHY_NOT_GEVENT)
def test_with_gevent_other_greenlets_run_meanwhile(broker: str, topic: str) -> None:
    """While the recorder waits for brokers, the application's greenlets go on."""
    program = f"""
        from gevent import monkey

        monkey.patch_all()
        import time

        import gevent

        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(KafkaRecorder("shop", "{broker}", topic="{topic}", interval=0.05))
        tracer.start_span("x").finish()
        assert tracer.flush(20)
        lost = BasicTracer(KafkaRecorder("shop", "{NOWHERE}", interval=0.05, exit_timeout=0.5))
        lost.start_span("y").finish()
        longest = 0.0
        end = time.monotonic() + 1.5
        while (now := time.monotonic()) < end:
            gevent.sleep(0.01)
            longest = max(longest, time.monotonic() - now)
        print(longest < 0.5, lost.recorder.stats.queued)
    """
    ended = run_program([sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)])
    assert (ended.code, ended.output) == (0, "True 1\n"), ended.error
    assert names(messages_in(broker, topic)) == ["x"]


class TestContract(KafkaContract):
    """The kit of every recorder, with a proxy before the broker."""

    @pytest.fixture(autouse=True)
    def _broker(self, broker: str) -> Iterator[None]:
        self.broker = broker
        with self.forwarding(broker):
            yield

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return names(messages_in(self.broker, self.topic))
