"""Sends spans to Kafka."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

from . import _otlp_protobuf
from ._arguments import check_count, check_seconds, check_type
from ._batch_retry import BatchTooLarge, SendError, SpanRejected, Unavailable
from ._errors import shown, visible
from ._failure_log import RateLimit, since_last
from ._kafka_delivery import Delivery, too_large
from ._kafka_producer import Brokers
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
        check_type("format", format, str)
        if format not in TOPICS:
            raise ValueError(f"format must be {' or '.join(TOPICS)}, not {format!r}")
        self.topic = TOPICS[format] if topic is None else topic
        check_type("topic", self.topic, str)
        if not self.topic:
            raise ValueError("topic must not be empty")
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
        self._max_message_size = check_count("max_message_size", max_message_size)
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
        encode, taken = self._encode_span, []

        def encode_and_take(span: BasicSpan) -> Any:
            encoded = encode(span)
            taken.append(span)
            return encoded

        encoded = self.encode_each(delivery.begin(spans), encode_and_take)
        if not encoded:
            return
        traces: dict[Any, tuple[list[BasicSpan], list[Any]]] = {}
        for span, part in zip(taken, self._parts(encoded)):
            trace = traces.get(span._trace_id)
            if trace is None:
                traces[span._trace_id] = [span], [part]
            else:
                trace[0].append(span)
                trace[1].append(part)
        for trace_id, trace in traces.items():
            self._produce_trace(delivery, b"%032x" % trace_id, *trace, seconds_left)

    def _produce_trace(
        self,
        delivery: Delivery,
        key: bytes,
        spans: list[BasicSpan],
        parts: list[Any],
        seconds_left: Callable[[], float],
    ) -> None:
        """Give librdkafka spans of one trace: in one message, unless that is too large."""
        body = self._body(parts)
        if len(body) <= self._max_message_size:
            message = delivery.message(spans)
            self._brokers.produce(self.topic, key, body, message, seconds_left)
            delivery.add(message)  # not if that has raised
            return
        half = len(parts) // 2
        if half:
            self._produce_trace(delivery, key, spans[:half], parts[:half], seconds_left)
            self._produce_trace(delivery, key, spans[half:], parts[half:], seconds_left)
        else:
            limit = self._max_message_size
            text = f"a message of {len(body)} bytes; max_message_size is {limit}"
            message = delivery.message(spans)
            message(too_large(text))
            delivery.add(message)

    def _error(self, delivery: Delivery, open_messages: int) -> SendError:
        """The error of a call after which messages are left."""
        found = self._brokers.take_error()
        if delivery.errors:
            found = self._brokers.shown(delivery.errors[-1])
        if delivery.is_fatal:
            self._brokers.discard()
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
        self._delivery = None
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
