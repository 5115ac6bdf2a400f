"""The connection of one recorder to Kafka's brokers: a producer of librdkafka's.

librdkafka sends, retries and reconnects on threads of its own, which are not Python's. It calls
back in `wait` alone.
"""

from __future__ import annotations

import _thread
import ctypes
import logging
import re
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_type
from ._batch_retry import Unavailable
from ._errors import one_line
from ._failure_log import RateLimit, since_last
from ._json_safe import text_of

_logger = logging.getLogger("opentracing_recorder.kafka")

OVERHEAD = 1024
"""The bytes of a message beside its body, at most: its key, its lengths, and those of its batch."""

_GUARANTEES = {
    "acks": "all",
    "enable.idempotence": True,
    "message.timeout.ms": 0,  # never: what is given up is the recorder's to decide
}

_ONCE = "each span is sent once"
_OWN = "it is the recorder's own"
_RESERVED = {
    "bootstrap.servers": "give bootstrap_servers",
    "metadata.broker.list": "give bootstrap_servers",
    "message.max.bytes": "give max_message_size",
    **dict.fromkeys((*_GUARANTEES, "request.required.acks", "delivery.timeout.ms"), _ONCE),
    "transactional.id": _ONCE,
    **dict.fromkeys(("dr_cb", "dr_msg_cb", "on_delivery", "delivery.report.only.error"), _OWN),
    **dict.fromkeys(("error_cb", "log_cb", "logger", "log.queue", "default.topic.config"), _OWN),
}

_SECRET_NAMES = re.compile("password|secret|token|username|pem|oauthbearer")
_SHORTEST_SECRET = 4  # characters; hiding less would spoil too much of a message

_SLICE = 0.1  # seconds; after these, `wait` returns, as the recorder may close meanwhile
_GREENLET_SLICE = 0.01
_LONGEST_END = 1.0

_UNKNOWN = "opentracing"  # no property has this name


def check_encodable(name: str, text: object) -> None:
    """Raise ValueError for text that UTF-8 cannot encode: confluent-kafka does not check it."""
    try:
        if isinstance(text, str):
            text.encode()
    except UnicodeEncodeError:
        reraise_interrupt()
        raise ValueError(f"{name} must be text that UTF-8 can encode") from None


class Brokers:
    """The brokers, and the producer that sends to them, which is made when it is first used.

    For one thread at a time. Raises TypeError or ValueError for an argument that cannot serve, and
    names it, without starting a thread.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        config: Mapping[str, Any] | None,
        *,
        max_message_size: int,
        max_messages: int,
        answer_timeout: float,
    ) -> None:
        check_type("bootstrap_servers", bootstrap_servers, str)
        if not bootstrap_servers.strip():
            raise ValueError("bootstrap_servers must name a broker, such as kafka:9092")
        check_encodable("bootstrap_servers", bootstrap_servers)
        given = _checked({} if config is None else config)
        for text in (*given, *given.values()):
            check_encodable("config", text)
        self._events = _Events(given)
        self._config = {
            "client.id": "opentracing-python",
            "linger.ms": 1,  # of a batch, librdkafka has all messages at once
            "partitioner": "murmur2_random",  # that of Kafka's own clients
            "queue.buffering.max.messages": max_messages,
            "queue.buffering.max.kbytes": 65536 + max_message_size // 1024,
            "reconnect.backoff.max.ms": 5000,
            "socket.timeout.ms": min(max(int(answer_timeout * 1000), 10), 300_000),
            **given,
            "bootstrap.servers": bootstrap_servers,
            "message.max.bytes": max_message_size + OVERHEAD,
            **_GUARANTEES,
        }
        self._check()
        self._producer: Any = None

    def _check(self) -> None:
        """Have librdkafka read the settings, in this order, and refuse the last of them."""
        try:
            Producer({**self._config, _UNKNOWN: ""})
        except KafkaException as error:
            reraise_interrupt()
            text = self._shown(error)
            if f'"{_UNKNOWN}"' not in text:
                raise ValueError(f"config cannot be used: {text}") from None
        except TypeError as error:  # of a callback that cannot be called
            reraise_interrupt()
            raise TypeError(f"config cannot be used: {self._shown(error)}") from None

    def produce(
        self,
        topic: str,
        body: bytes,
        key: str,
        on_error: Callable[[KafkaError], object],
        seconds_left: Callable[[], float],
    ) -> None:
        """Give librdkafka a message; if its delivery fails, `on_error` is called, as a rule later.

        Waits while librdkafka's queue is full. Raises Unavailable if no producer can be made.
        """
        produce = self.ready()
        while True:
            try:
                produce(topic, body, key, -1, on_error)  # -1: the key decides on the partition
                return
            except BufferError:
                reraise_interrupt()
                left = seconds_left()
                if left <= 0:
                    on_error(KafkaError(KafkaError._QUEUE_FULL))
                    return
                self.wait(left)
            except KafkaException as error:
                reraise_interrupt()
                on_error(error.args[0])
                return

    def ready(self) -> Callable[..., None]:
        """The method of the producer that `produce` calls. Raises Unavailable if there is none."""
        producer = self._new_producer() if self._producer is None else self._producer
        produce: Callable[..., None] = producer.produce
        return produce

    def open_messages(self) -> int:
        """The number of messages that are neither acknowledged nor failed, or what else waits."""
        return 0 if self._producer is None else len(self._producer)

    def wait(self, seconds: float) -> None:
        """Call back for what has happened; wait for it, for `seconds` or a tenth of one."""
        if self._producer is None:
            return
        if type(_thread.start_new_thread) is BuiltinFunctionType:
            self._producer.poll(min(seconds, _SLICE))
        elif not self._producer.poll(0):
            # Threads are greenlets, and while one waits in librdkafka, no other would run.
            pause = _thread.allocate_lock()
            pause.acquire()
            pause.acquire(True, min(seconds, _GREENLET_SLICE))

    def take_error(self) -> str:
        """The last error of a connection, and forget it; "" if there was none."""
        text, self._events.error = self._events.error, ""
        return text

    def shown(self, error: KafkaError) -> str:
        """The text of an error, without secrets."""
        return self._events.shown(f"{error.name()}: {error.str()}")

    def discard(self) -> bool:
        """End the producer, and all deliveries; return whether each was reported as failed."""
        producer, self._producer = self._producer, None
        if producer is None:
            return True
        producer.purge()
        return not producer.flush(_LONGEST_END)  # it returns when the last is reported

    def forget(self) -> None:
        """Leave the producer alone in a forked child, which has none of its threads."""
        if self._producer is not None:
            # For ever: ending it would wait for them.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))
            self._producer = None

    def _new_producer(self) -> Any:
        callbacks: dict[str, Any] = {
            "error_cb": self._events.on_error,
            "delivery.report.only.error": True,
        }
        try:
            self._producer = Producer({**self._config, **callbacks}, logger=self._events)
        except KafkaException as error:  # a file that cannot be read, for example
            reraise_interrupt()
            raise Unavailable(f"no producer can be made: {self._shown(error)}") from None
        return self._producer

    def _shown(self, error: Exception) -> str:
        (found,) = error.args
        return self._events.shown(found.str() if isinstance(found, KafkaError) else text_of(found))


class _Events:
    """Gets librdkafka's errors and log lines. It knows no producer, so both can be freed."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        texts = [text_of(value) for name, value in config.items() if _SECRET_NAMES.search(name)]
        self._secrets = sorted((each for each in texts if len(each) >= _SHORTEST_SECRET), key=len)
        self._limits: dict[str, RateLimit] = {}
        self.error = ""

    def shown(self, text: str) -> str:
        return one_line(text, reversed(self._secrets))

    def on_error(self, error: KafkaError) -> None:
        if not (self.error and error.code() == KafkaError._ALL_BROKERS_DOWN):  # which says less
            self.error = self.shown(error.str())

    def log(self, level: int, _: str, facility: str, name: str, text: str) -> None:
        """As a logger: each facility's lines at most once a minute; those for debugging all."""
        times = 1
        if level > logging.DEBUG:
            times = self._limits.setdefault(facility, RateLimit()).count()
        if times:
            shown = self.shown(text)
            _logger.log(level, "librdkafka: %s %s%s", facility, shown, since_last(times))


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    check_type("config", config, Mapping, "a mapping")
    for name in config:
        if not isinstance(name, str):
            raise TypeError(f"config must have names that are str, not {type(name).__name__}")
        if name in _RESERVED:
            raise ValueError(f"config cannot have {name!r}: {_RESERVED[name]}")
    return dict(config)
