"""The messages of one batch on their way to Kafka, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError

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


class Message:
    """The spans of one message; called once, with the error of its delivery, or None."""

    __slots__ = ("delivery", "error", "is_open", "spans")

    def __init__(self, delivery: Delivery, spans: Sequence[BasicSpan]) -> None:
        self.delivery = delivery
        self.spans = spans
        self.error: KafkaError | None = None
        self.is_open = True

    def __call__(self, error: KafkaError | None, _: object) -> None:
        self.is_open = False
        self.error = error
        self.delivery.open -= 1
        if error is not None:
            self.delivery.errors.append(error)


class Delivery:
    """What became of the spans of one batch, which may take several calls of `send`.

    librdkafka goes on with a message when the time of a call is over, and sends it once. So the
    next call waits for it, and sends nothing but what was refused.
    """

    def __init__(self, spans: Sequence[BasicSpan]) -> None:
        self._spans = {id(each): each for each in spans}  # kept, or ids might be used again
        self._messages: list[Message] = []
        self.open = 0
        """Messages that librdkafka has not reported yet."""
        self.errors: list[KafkaError] = []
        """Those of this call."""
        self.attempts = 0
        """Calls since one that changed what is sent next."""

    def __contains__(self, span: BasicSpan) -> bool:
        return id(span) in self._spans

    def __len__(self) -> int:
        return len(self._spans)

    def begin(self, spans: Sequence[BasicSpan]) -> Sequence[BasicSpan]:
        """Begin a call; return the spans to send: those not acknowledged, nor on their way."""
        self.attempts += 1
        if not self._messages:
            return spans
        self.errors.clear()
        self._messages = [each for each in self._messages if each.error is None]
        kept = {id(span) for message in self._messages for span in message.spans}
        return [each for each in spans if id(each) not in kept]

    def message(self, spans: Sequence[BasicSpan]) -> Message:
        """A message that is given to librdkafka next."""
        message = Message(self, spans)
        self._messages.append(message)
        self.open += 1
        return message

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
        """Of spans in messages: those acknowledged, and the others."""
        acknowledged = others = 0
        for each in self._messages:
            if each.is_open or each.error is not None:
                others += len(each.spans)
            else:
                acknowledged += len(each.spans)
        return acknowledged, others
