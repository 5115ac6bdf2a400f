"""Sends spans to a topic of Kafka's, where Zipkin or the OpenTelemetry Collector reads them.

Between the services and the backend, Kafka keeps spans while the backend is away, and hands them to
several readers. Install ``opentracing[kafka,orjson]``, and at the start of your application::

    import opentracing
    from opentracing_recorder.kafka import KafkaRecorder
    from opentracing_recorder.zipkin import ZipkinTracer

    recorder = KafkaRecorder("shop", bootstrap_servers="kafka-1:9092,kafka-2:9092")
    opentracing.set_global_tracer(ZipkinTracer(recorder=recorder))

Start Zipkin with ``KAFKA_BOOTSTRAP_SERVERS``. For the Collector's Kafka receiver, send OTLP::

    from opentracing_recorder.otlp import OTLPTracer

    recorder = KafkaRecorder(
        "shop",
        bootstrap_servers="kafka-1:9092",
        format="otlp",
        resource_attributes={"deployment.environment.name": "production"},
        config={
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "shop",
            "sasl.password": "...",
            "compression.type": "zstd",
        },
    )
    tracer = OTLPTracer(recorder=recorder)

## Options of KafkaRecorder

| Option | Default | Meaning |
|---|---|---|
| ``service_name`` | required | The name of this process. |
| ``bootstrap_servers`` | ``localhost:9092`` | Brokers to ask for all others, as ``host:port``, \
separated by commas. |
| ``format`` | ``zipkin`` | ``zipkin``: lists in Zipkin's JSON, version 2. ``otlp``: OTLP's \
protobuf, ``ExportTraceServiceRequest``. |
| ``topic`` | ``zipkin`` or ``otlp_spans`` | The topic, which its readers know by the same name. |
| ``config`` | none | Settings of librdkafka, by the names in its documentation: security, \
compression, timeouts. |
| ``ip``, ``port`` | as `opentracing_recorder.zipkin` has them | The address of this service, for \
``zipkin``. |
| ``resource_attributes``, ``semantic_names`` | as `opentracing_recorder.otlp` has them \
| For ``otlp``. |
| ``max_message_size`` | 921600 bytes (900 KiB) | The largest message before it is compressed: \
brokers refuse more than 1 MiB. |

``queue_size`` (16384 spans), ``batch_size`` (512 spans), ``interval`` (1 second), ``send_timeout``
(10 seconds), ``attempts`` (40) and ``exit_timeout`` (5 seconds) are those of `BatchRecorder`.

Set by the recorder, and refused in ``config``: ``acks=all``, ``enable.idempotence`` and
``message.timeout.ms=0``, which it needs to send each span once; the callbacks for deliveries,
errors and logs; what has an option of its own. Its defaults, which ``config`` may replace:
``linger.ms=1``, as librdkafka gets a whole batch at once and need not wait for more;
``partitioner=murmur2_random``, which is that of Kafka's own clients;
``queue.buffering.max.messages``, the batch size; ``queue.buffering.max.kbytes``, 64 MiB beyond
``max_message_size``; ``socket.timeout.ms``, the send timeout; ``reconnect.backoff.max.ms=5000``.

## Messages

The spans of one trace in one batch are one message. Its key is the trace's id in 32 hexadecimal
digits, so a trace stays in one partition, as tail sampling needs it. Many small traces cost more
than few large ones: a trace of a single span takes up to half as much again of CPU as over HTTP.
A message above ``max_message_size`` is divided. librdkafka sends many messages at once, and
compresses them together.

## What to watch

``recorder.stats`` counts spans by outcome: ``queued`` grows while no broker acknowledges,
``dropped`` when the queue is full. The log of ``opentracing_recorder`` says why, and that of
``opentracing_recorder.kafka`` has librdkafka's own lines, at most one a minute of each kind. No
line has a value of ``config`` that has a secret by its name. The number of messages that a reader
has not read yet is Kafka's to tell (consumer lag).

## Errors, and what is lost when

An argument that cannot serve raises TypeError or ValueError, which names it; so does a setting that
librdkafka does not know. Later:

- No broker answers, or a topic is missing: librdkafka goes on, without a copy of a message that a
  broker may have. The batch counts as an attempt each time that ``send_timeout`` ends. After
  ``attempts`` librdkafka gives up, and what brokers have not acknowledged counts as failed. The
  queue bridges an outage as long as it has space.
- The time of ``close`` or of the exit ends: the same, and such spans count as dropped, or as failed
  if brokers acknowledged a part of their batch. A span that is counted as lost may have arrived if
  the acknowledgement alone was lost.
- A span is larger than ``max_message_size``, or than the brokers take: it counts as failed. The
  others are sent.
- A broker refuses a message for what it is, for example its time: its spans count as failed.
- A span cannot be encoded: it counts as failed; the rest of its trace is sent.
- The process is killed: what is queued is lost.

The brokers recognize what a producer sends again, so that neither a restart of brokers nor lost
answers double a span. A producer that brokers refuse for good (a fatal error of librdkafka) is
replaced by another one, and what it had sent last may be there twice.

Each process has a producer of its own, which is made when it sends its first spans. A forked child
leaves that of its parent alone.

Headers of your own messages carry traces too: see `opentracing_recorder.KafkaHeaders`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

from confluent_kafka import KafkaException

from opentracing.interrupts import reraise_interrupt

from . import _otlp_protobuf
from ._arguments import check_count, check_seconds, check_type
from ._batch_retry import BatchTooLarge, SendError, SpanRejected, Unavailable
from ._errors import shown, visible
from ._failure_log import RateLimit, since_last
from ._kafka_delivery import Delivery, too_large
from ._kafka_producer import Brokers, check_encodable
from ._otlp_protobuf import resource_field
from ._otlp_resource import resource_of
from ._zipkin_endpoint import local_endpoint
from ._zipkin_json import array_of, span_encoder, to_json_parts
from .batch import BatchRecorder
from .span import BasicSpan

_logger = logging.getLogger(__name__)

DEFAULT_SERVERS = "localhost:9092"

MAX_MESSAGE_SIZE = 900 * 1024
"""The default limit of a message, in bytes: brokers refuse more than 1 MiB."""

TOPICS = {"zipkin": "zipkin", "otlp": "otlp_spans"}
"""The default topic of each format."""


class KafkaRecorder(BatchRecorder):
    """Sends spans to a topic of Kafka's, a message for each trace, on a thread of its own.

    The guide of this module describes the options. Raises TypeError or ValueError for an argument
    that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str,
        bootstrap_servers: str = DEFAULT_SERVERS,
        *,
        format: str = "zipkin",
        topic: str | None = None,
        config: Mapping[str, Any] | None = None,
        ip: str | None = None,
        port: int | None = None,
        resource_attributes: Mapping[str, Any] | None = None,
        semantic_names: bool | None = None,
        max_message_size: int = MAX_MESSAGE_SIZE,
        queue_size: int = 16384,
        batch_size: int = 512,
        interval: float = 1.0,
        send_timeout: float = 10.0,
        attempts: int = 40,
        exit_timeout: float = 5.0,
    ) -> None:
        check_type("service_name", service_name, str)
        self._service_name = service_name
        check_type("format", format, str)
        if format not in TOPICS:
            raise ValueError(f"format must be {' or '.join(TOPICS)}, not {format!r}")
        self.topic = TOPICS[format] if topic is None else topic
        check_type("topic", self.topic, str)
        if not self.topic:
            raise ValueError("topic must not be empty")
        check_encodable("topic", self.topic)
        of_others: dict[str, Any] = {
            "resource_attributes": resource_attributes,
            "semantic_names": semantic_names,
        }
        if format == "otlp":
            of_others = {"ip": ip, "port": port}
        for name, value in of_others.items():
            if value is not None:
                raise ValueError(f"{name} cannot be given with the format {format}")
        self._encode_span: Callable[[BasicSpan], Any]
        self._parts: Callable[[list[Any]], list[Any]]
        self._body: Callable[[list[Any]], bytes]
        if format == "otlp":
            resource = resource_of(service_name, resource_attributes)
            self._encode_span = _otlp_protobuf.span_encoder(semantic_names is not False)
            self._parts = list
            self._body = partial(_otlp_protobuf.request_of, resource_field(resource))
        else:
            self._encode_span = span_encoder(local_endpoint(service_name, ip, port))
            self._parts, self._body = to_json_parts, array_of
        self._max_size = check_count("max_message_size", max_message_size)
        self._brokers = Brokers(
            bootstrap_servers,
            config,
            max_message_size=max_message_size,
            max_messages=check_count("batch_size", batch_size),
            answer_timeout=check_seconds("send_timeout", send_timeout),
        )
        self._delivery: Delivery | None = None
        self._losses = RateLimit()
        self._destination = (
            f"{shown(service_name)} {visible(bootstrap_servers)} {shown(self.topic)}"
        )
        super().__init__(  # last: from here on a fork calls `forked`
            queue_size=queue_size,
            batch_size=batch_size,
            interval=interval,
            send_timeout=send_timeout,
            attempts=attempts,
            exit_timeout=exit_timeout,
        )

    @property
    def service_name(self) -> str:
        """The name that spans are sent under, and that of a tracer to which none is given."""
        return self._service_name

    def send(self, spans: Sequence[BasicSpan]) -> int:
        delivery, brokers = self._delivery, self._brokers
        if delivery is None or spans[0] not in delivery:
            delivery = self._delivery = Delivery(spans)
        end = monotonic() + self.send_timeout

        def seconds_left() -> float:
            nonlocal end
            # It is less from the moment when the recorder closes.
            end = min(end, monotonic() + self.send_timeout)
            return end - monotonic()

        self._produce(delivery, spans, seconds_left)
        while brokers.open_messages() and (left := seconds_left()) > 0:
            brokers.wait(left)
        open_messages = brokers.open_messages()
        if not open_messages and not delivery.errors:
            brokers.take_error()
            delivery.attempts = 0
            if len(spans) == len(delivery):  # otherwise its other parts follow
                self._delivery = None
            return 0
        error = self._error(delivery, open_messages)
        if not isinstance(error, Unavailable):
            delivery.attempts = 0
            raise error
        is_closing = self.send_timeout < self._send_timeout
        if delivery.attempts < self.attempts and not (is_closing and seconds_left() <= 0):
            raise error
        return self._give_up(delivery, error)

    def release(self) -> None:
        self._brokers.discard()

    def forked(self) -> None:
        self._brokers.forget()
        self._delivery = None

    def _produce(
        self,
        delivery: Delivery,
        spans: Sequence[BasicSpan],
        seconds_left: Callable[[], float],
    ) -> None:
        """Give librdkafka the spans of the batch that it does not have yet, by trace."""
        encode = self._encode_span
        taken: list[BasicSpan] = []
        take = taken.append

        def encode_and_take(span: BasicSpan) -> Any:
            encoded = encode(span)
            take(span)
            return encoded

        encoded = self.encode_each(delivery.begin(spans), encode_and_take)
        if not encoded:
            return
        spans_of: dict[int, list[BasicSpan]] = {}
        parts_of: dict[int, list[Any]] = {}
        for span, part in zip(taken, self._parts(encoded)):
            trace_id: Any = span._trace_id
            if trace_id in spans_of:
                spans_of[trace_id].append(span)
                parts_of[trace_id].append(part)
            else:
                spans_of[trace_id] = [span]
                parts_of[trace_id] = [part]
        brokers, topic, body_of, limit = self._brokers, self.topic, self._body, self._max_size
        produce, sent = brokers.ready(), delivery.sent
        fail = partial(delivery.fail_trace, spans_of)  # one for all costs less than one for each
        for (trace_id, few), parts in zip(spans_of.items(), parts_of.values()):
            key, body = trace_id.to_bytes(16, "big").hex(), body_of(parts)
            if len(body) <= limit:
                try:  # `Brokers.produce` unrolled
                    produce(topic, body, key, -1, fail)
                except (BufferError, KafkaException):
                    reraise_interrupt()
                    brokers.produce(topic, body, key, partial(delivery.fail, few), seconds_left)
                sent += few  # not if that has raised
                continue
            for some, body in self._divided(few, parts):
                fail_some = partial(delivery.fail, some)
                if len(body) <= limit:
                    brokers.produce(topic, body, key, fail_some, seconds_left)
                else:
                    text = f"a message of {len(body)} bytes; max_message_size is {limit}"
                    fail_some(too_large(text))
                sent += some

    def _divided(
        self, spans: list[BasicSpan], parts: list[Any]
    ) -> Iterator[tuple[list[BasicSpan], bytes]]:
        """The spans of one trace in messages that are small enough, or have a single span."""
        body = self._body(parts)
        half = len(parts) // 2
        if half and len(body) > self._max_size:
            yield from self._divided(spans[:half], parts[:half])
            yield from self._divided(spans[half:], parts[half:])
        else:
            yield spans, body

    def _error(self, delivery: Delivery, open_messages: int) -> SendError:
        """The error of a call after which messages are left."""
        found = self._brokers.take_error()
        if delivery.errors:
            found = self._brokers.shown(delivery.errors[-1])
        if delivery.is_fatal:
            if not self._brokers.discard():
                self._delivery = None  # all of it is sent again, rather than a part lost uncounted
        elif open_messages:
            text = f"{open_messages} messages are not acknowledged after {self.send_timeout:g} s"
            return Unavailable(f"{text}: {found}" if found else text)
        elif delivery.is_too_large:
            return BatchTooLarge(found)
        elif delivery.is_refused:
            return SpanRejected(found)
        return Unavailable(found)

    def _give_up(self, delivery: Delivery, error: Unavailable) -> int:
        """End the deliveries; return the number of spans that are lost, if not all are."""
        is_known = self._brokers.discard()
        delivery.attempts = 0  # other parts of the batch may follow
        acknowledged, lost = delivery.numbers()
        if not acknowledged or not is_known:
            raise error
        if lost and (times := self._losses.count()):
            _logger.error(
                "%s: Kafka took %d spans of a batch, and %d are lost%s: %s",
                type(self).__name__,
                acknowledged,
                lost,
                since_last(times),
                error,
            )
        return lost
