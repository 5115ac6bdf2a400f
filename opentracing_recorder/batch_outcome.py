"""What becomes of a batch of spans: what `send` raises, and how `BatchRecorder` counts it."""

from __future__ import annotations

from typing import NamedTuple


class Stats(NamedTuple):
    """What became of the spans of this process.

    ``recorded`` is the sum of ``sent``, ``dropped``, ``failed`` and ``queued``.
    """

    recorded: int
    """Spans given to `record_span`."""

    sent: int
    """Spans that the backend has acknowledged."""

    dropped: int
    """Spans that never got a try to the end: the queue was full, or the recorder closed."""

    failed: int
    """Spans that the backend refused, or that could not be delivered in `attempts` attempts."""

    queued: int
    """Spans that wait, or are being sent."""

    slow: int = 0
    """Calls of `send` that have lasted longer than `send_timeout`, the one under way included.

    A tenth of it is tolerated: what gives up in time does so a little late.
    """


class Rejected(Exception):
    """Raised by `send`: the backend will never accept this batch. It counts as failed."""


class BatchTooLarge(Exception):
    """Raised by `send`: the batch is sent again in halves. One span too large counts as failed."""


class Unavailable(Exception):
    """Raised by `send`: try again, after `retry_after` seconds if the backend named a time."""

    def __init__(self, message: object = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
