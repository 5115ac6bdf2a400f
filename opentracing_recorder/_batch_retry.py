"""The errors that `send` raises, and the attempt that follows each: its size and its pause."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from ._process import at_fork

_LONGEST_PAUSE = 5.0  # a backend that is back is used again before a bounded queue is full
_LONGEST_RETRY_AFTER = 120.0
# Failures in a row without a reason:
_SUSPICIOUS = 3  # a span of the batch may be the reason
_PROVEN = 8  # the last span that is left of it is, if others were sent; a weak network is not

_jitter = Random()  # not the module's generator, which the application may have seeded
at_fork(_jitter.seed)  # otherwise all children would retry at the same moments


class SendError(Exception):
    """The base of the errors that `BatchRecorder.send` raises to decide about its batch.

    ::

        SendError
          + Rejected       the batch is never sent again
          + SpanRejected   the batch is sent again in halves, at once
          + BatchTooLarge  the same
          + Unavailable    the batch is sent again after a pause

    Every other exception counts as `Unavailable`.
    """


class Rejected(SendError):
    """Raised by `send` if the backend will never accept this batch: all of it counts as failed."""


class SpanRejected(SendError):
    """Raised by `send` if the backend refuses a batch for a span in it, to get it in halves.

    A span that is refused alone counts as failed. If `batch_size` spans in a row were refused, what
    is refused next counts as failed whole, until the backend accepts a span again.
    """


class BatchTooLarge(SendError):
    """Raised by `send` to get the batch in halves; a single span too large counts as failed."""


class Unavailable(SendError):
    """Raised by `send` to get the batch again after a pause.

    `retry_after` is the shortest pause, in seconds, if the backend has named one. The longest that
    is kept is 120 seconds.
    """

    def __init__(self, message: object = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Undelivered(Unavailable):
    """Raised by `send` if the reason of a failure is unknown: it may be a span of the batch.

    After three failures in a row, the batch is sent in halves, and these in halves. A span that
    stands alone then counts as failed after eight failures in a row, if the part before it was
    sent. The attempts of all parts count together until one is sent: it may be an outage.
    """


class Attempt(NamedTuple):
    """One call of `send` for the oldest spans of the queue."""

    size: int
    """Spans."""

    number: int = 1
    """Counts the attempts of the same spans; after `Undelivered`, those since any were sent."""

    pause: float = 0.0
    """Seconds to wait before it."""

    rest: tuple[int, ...] = ()
    """The sizes of the other parts of the same batch, in their order."""

    is_alive: bool = False
    """Whether the backend took the spans before these, which were a part of the same batch."""


def next_attempt(
    attempt: Attempt, error: BaseException, attempts: int, interval: float
) -> Attempt | None:
    """Return the attempt that follows one that raised `error`, or None: its spans are given up.

    The pauses double from `interval`, to 5 seconds at most, less a random part of up to a half.
    """
    size, number, _, rest, is_alive = attempt
    if isinstance(error, Rejected):
        return None
    half = size // 2
    parts = (size - half, *rest)
    if isinstance(error, (SpanRejected, BatchTooLarge)):
        return Attempt(half, 1, 0.0, parts, is_alive) if half else None
    if number >= attempts:
        return None
    if isinstance(error, Undelivered):
        if half and number >= _SUSPICIOUS:
            return Attempt(half, number + 1, 0.0, parts, is_alive)
        if is_alive and number >= _PROVEN:
            return None
    # Bounded twice: a high power of 2 is no float.
    pause = min(interval * 2.0 ** min(number - 1, 100), _LONGEST_PAUSE)
    pause *= _jitter.uniform(0.5, 1.0)
    asked = error.retry_after if isinstance(error, Unavailable) else None
    if isinstance(asked, (int, float)):
        pause = max(pause, min(asked, _LONGEST_RETRY_AFTER))
    return Attempt(size, number + 1, pause, rest, is_alive)


def next_part(attempt: Attempt, error: BaseException | None) -> Attempt | None:
    """Return the attempt that follows one that is settled, or None: so is its batch.

    `error` is what it was given up for, or None: it was sent.
    """
    if not attempt.rest:
        return None
    size, *rest = attempt.rest
    number = attempt.number if isinstance(error, Undelivered) else 1
    return Attempt(size, number, rest=tuple(rest), is_alive=error is None)
