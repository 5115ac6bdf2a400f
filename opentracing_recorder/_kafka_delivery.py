"""The messages of one batch on their way to Kafka, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, Message

from .span import BasicSpan

_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_REFUSED = frozenset(
    {
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._INVALID_DIFFERENT_RECORD,  # of another message, which was sent with it
    }
)


def too_large(text: str) -> KafkaError:
    """The error of a message that is above a limit of our own."""
    return KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, text)


class Delivery:
    """The outcome of one batch, which may take several calls of `send`.

    librdkafka goes on with a message when the time of a call is over, and sends it once. So the
    next call waits for it, and sends nothing but what failed. A message without an error is
    acknowledged, or still on its way.
    """

    def __init__(self, spans: Sequence[BasicSpan]) -> None:
        self._spans = spans  # kept, or their ids might be used again
        self.sent: list[BasicSpan] = []
        """The spans of messages that librdkafka has, or that have failed in this call."""
        self._failed: list[BasicSpan] = []
        self.errors: list[KafkaError] = []
        """Those of this call."""
        self.attempts = 0
        """Calls since one that changed what is sent next."""

    def __contains__(self, span: BasicSpan) -> bool:
        return any(each is span for each in self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def fail(self, spans: list[BasicSpan], error: KafkaError, _: object = None) -> None:
        """Note the error of a message with these spans; librdkafka calls it with that message."""
        self._failed += spans
        self.errors.append(error)

    def fail_trace(
        self, traces: Mapping[int, list[BasicSpan]], error: KafkaError, message: Message
    ) -> None:
        """Note the error of a message whose key is one of these traces' ids."""
        self.fail(traces[int(message.key() or b"", 16)], error)

    def begin(self, spans: Sequence[BasicSpan]) -> Sequence[BasicSpan]:
        """Begin a call; return the spans to send: those that are in no message without an error."""
        self.attempts += 1
        if not self.sent:
            return spans
        failed = set(map(id, self._failed))
        self.sent = [each for each in self.sent if id(each) not in failed]
        self._failed.clear()
        self.errors.clear()
        sent = set(map(id, self.sent))
        return [each for each in spans if id(each) not in sent]

    @property
    def is_too_large(self) -> bool:
        """Whether this call had a message above a limit."""
        return any(each.code() in _TOO_LARGE for each in self.errors)

    @property
    def is_refused(self) -> bool:
        """Whether brokers refused a message of this call for what it is."""
        return any(each.code() in _REFUSED for each in self.errors)

    @property
    def is_fatal(self) -> bool:
        """Whether the producer cannot be used any more."""
        return any(each.fatal() or each.code() == KafkaError._FATAL for each in self.errors)

    def numbers(self) -> tuple[int, int]:
        """Of the spans in messages, those without an error, and the others."""
        lost = len(self._failed)
        return len(self.sent) - lost, lost
