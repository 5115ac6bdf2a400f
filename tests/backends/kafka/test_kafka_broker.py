"""KafkaRecorder with a real Kafka, which is killed, hangs and refuses; each span is there once."""

from __future__ import annotations

import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from opentracing_recorder import BasicTracer, Recorder

from ...kafka_broker import KafkaContract, messages_in
from ...programs import FORKING, run_program
from ...threads import on_threads
from .conftest import MakeRecorder, names_in
from .kafka_server import KafkaServer


def create(kafka: KafkaServer, topic: str, **config: str) -> None:
    """Create a topic with settings of its own."""
    settings = {name.replace("_", "."): value for name, value in config.items()}
    admin = AdminClient({"bootstrap.servers": kafka.address, "log_level": 0})
    for each in admin.create_topics([NewTopic(topic, 4, 1, config=settings)]).values():
        each.result(30)


class Load:
    """Records spans at a steady rate on a thread of its own, from entering to leaving."""

    def __init__(self, tracer: BasicTracer) -> None:
        self._tracer = tracer
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.recorded: list[str] = []
        self.changed = threading.Condition()

    def wait_for(self, more: int) -> None:
        """Until so many more spans are recorded."""
        with self.changed:
            wanted = len(self.recorded) + more
            assert self.changed.wait_for(lambda: len(self.recorded) >= wanted, 60)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            with self.changed:
                for _ in range(10):
                    name = str(len(self.recorded))
                    self._tracer.start_span(name).finish()
                    self.recorded.append(name)
                self.changed.notify_all()


def test_a_broker_that_is_killed_costs_no_span_and_doubles_none(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str
) -> None:
    """It is killed under load, and started again with what it had acknowledged."""
    recorder = make_recorder(
        topic=topic, queue_size=65536, send_timeout=1.0, config={"reconnect.backoff.max.ms": 500}
    )
    tracer = BasicTracer(recorder)
    with Load(tracer) as load:
        load.wait_for(500)
        kafka.kill()
        load.wait_for(500)
        kafka.start()
        load.wait_for(500)
    assert tracer.flush(60)
    stats = recorder.stats
    assert (stats.sent, stats.dropped, stats.failed) == (len(load.recorded), 0, 0)
    assert names_in(kafka, topic) == Counter(load.recorded)


def test_a_broker_that_hangs_costs_no_span_and_doubles_none(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str
) -> None:
    """It stores what it was sent before librdkafka gave up waiting, and then what is sent again."""
    recorder = make_recorder(
        topic=topic, queue_size=65536, send_timeout=0.5, config={"reconnect.backoff.max.ms": 200}
    )
    tracer = BasicTracer(recorder)
    with Load(tracer) as load:
        load.wait_for(500)
        assert tracer.flush(30)
        for _ in range(3):
            kafka.pause()
            load.wait_for(1500)
            kafka.resume()
            load.wait_for(500)
    assert tracer.flush(60)
    stats = recorder.stats
    assert (stats.sent, stats.dropped, stats.failed) == (len(load.recorded), 0, 0)
    assert names_in(kafka, topic) == Counter(load.recorded)


def test_what_is_lost_in_a_long_outage_is_counted(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str
) -> None:
    """What a full queue drops is not in the topic, and all else is there once."""
    recorder = make_recorder(
        topic=topic, queue_size=300, send_timeout=0.5, config={"reconnect.backoff.max.ms": 200}
    )
    tracer = BasicTracer(recorder)
    with Load(tracer) as load:
        load.wait_for(100)
        kafka.pause()
        load.wait_for(1000)
        kafka.resume()
        load.wait_for(100)
    tracer.flush(60)
    stats = recorder.stats
    assert stats.dropped > 0
    assert stats.sent + stats.dropped == len(load.recorded)
    found = names_in(kafka, topic)
    assert len(found) == found.total() == stats.sent


def test_a_hundred_thousand_spans_of_eight_threads_arrive_once(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str
) -> None:
    """Each of them, as counted in the topic."""
    recorder = make_recorder(topic=topic, queue_size=1 << 17)
    tracer = BasicTracer(recorder)

    threads = iter(range(8))

    def record() -> None:
        thread = next(threads)
        for number in range(12_500):
            tracer.start_span(f"{thread}-{number}").finish()

    on_threads(record)
    assert tracer.flush(120)
    assert recorder.stats.sent == 100_000
    # Read as text: the JSON of so many takes longer than all else.
    found = Counter(
        name.partition(b'"')[0].decode()
        for each in messages_in(kafka.address, topic)
        for name in each.value.split(b'"name":"')[1:]
    )
    assert found == Counter(f"{thread}-{number}" for thread in range(8) for number in range(12_500))


def test_a_span_that_the_broker_finds_too_large_fails_alone(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its limit is lower than ours, and for all messages that librdkafka sends together."""
    create(kafka, topic, max_message_bytes="3000")
    recorder = make_recorder(topic=topic, interval=5)
    tracer = BasicTracer(recorder)
    for number in range(100):
        tracer.start_span(f"{number}", tags={"text": "x" * 100}).finish()
    tracer.start_span("huge", tags={"text": "x" * 5000}).finish()
    assert not tracer.flush(60)
    assert (recorder.stats.sent, recorder.stats.failed) == (100, 1)
    assert "the span 'huge'" in caplog.text
    assert "MSG_SIZE_TOO_LARGE" in caplog.text
    assert names_in(kafka, topic) == Counter(map(str, range(100)))


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_a_trace_larger_than_the_brokers_limit_arrives_in_parts(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str, format: str
) -> None:
    """The broker takes 1 MiB, as it does by default; some of the parts are nearly as large."""
    recorder = make_recorder(topic=topic, format=format, interval=5)
    tracer = BasicTracer(recorder)
    with tracer.start_active_span("root") as scope:
        for number in range(20):
            tracer.start_span(f"{number}", tags={"text": "x" * 290_000}).finish()
    assert tracer.flush(60)
    assert (recorder.stats.sent, recorder.stats.failed) == (21, 0)
    messages = messages_in(kafka.address, topic)
    assert {each.key.decode() for each in messages} == {f"{scope.span.context.trace_id:032x}"}
    sizes = [len(each.value) for each in messages]
    assert sum(sizes) > 5_800_000
    assert 850_000 < max(sizes) <= 900 * 1024
    assert sum(each.value.count(b"x" * 290_000) for each in messages) == 20


def test_spans_that_the_broker_refuses_fail(
    kafka: KafkaServer, make_recorder: MakeRecorder, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For a time that the topic does not take, for example: each is counted, and not retried."""
    create(kafka, topic, message_timestamp_before_max_ms="0")
    recorder = make_recorder(topic=topic, config={"linger.ms": 50})
    tracer = BasicTracer(recorder)
    for number in range(20):
        tracer.start_span(f"{number}").finish()
    assert not tracer.flush(60)
    assert (recorder.stats.sent, recorder.stats.failed) == (0, 20)
    assert "was rejected" in caplog.text
    assert "INVALID_TIMESTAMP" in caplog.text or "INVALID_RECORD" in caplog.text
    assert not names_in(kafka, topic)


def test_children_of_a_prefork_server_send_their_own(kafka: KafkaServer, topic: str) -> None:
    """The recorder is made, and used, before the fork; each child and the parent lose none."""
    program = f"""
        import os
        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(KafkaRecorder("shop", "{kafka.address}", topic="{topic}"))
        tracer.start_span("start").finish()
        assert tracer.flush(20)
        children = []
        for child in range(4):
            pid = os.fork()
            if not pid:
                for number in range(100):
                    tracer.start_span(f"{{child}}-{{number}}").finish()
                break
            children.append(pid)
        else:
            tracer.start_span("end").finish()
            print(*(os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children))
    """
    ended = run_program([*FORKING, "-c", textwrap.dedent(program)])
    assert (ended.code, ended.output, ended.error) == (0, "0 0 0 0\n", "")
    expected = ["start", "end", *(f"{child}-{n}" for child in range(4) for n in range(100))]
    assert names_in(kafka, topic) == Counter(expected)


@pytest.mark.parametrize("format", ["zipkin", "otlp"])
def test_a_program_that_ends_at_once_loses_none(
    kafka: KafkaServer, topic: str, format: str
) -> None:
    """Its exit waits for the broker's acknowledgement."""
    program = f"""
        from opentracing_recorder import BasicTracer
        from opentracing_recorder.kafka import KafkaRecorder

        tracer = BasicTracer(
            KafkaRecorder("shop", "{kafka.address}", topic="{topic}", format="{format}")
        )
        for number in range(3000):
            tracer.start_span(str(number)).finish()
    """
    ended = run_program([sys.executable, "-c", textwrap.dedent(program)])
    assert (ended.code, ended.output, ended.error) == (0, "", "")
    assert len(messages_in(kafka.address, topic)) == 3000


class TestContract(KafkaContract):
    """The kit of every recorder, with a proxy before the broker."""

    @pytest.fixture(autouse=True)
    def _broker(self, kafka: KafkaServer) -> Iterator[None]:
        self.kafka = kafka
        with self.forwarding(kafka.address):
            yield

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return names_in(self.kafka, self.topic).elements()
