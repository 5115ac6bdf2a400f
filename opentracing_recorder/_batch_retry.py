"""The errors that `send` raises, and the attempt that follows each: its size and its pause."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from ._process import at_fork

_LONGEST_PAUSE = 5.0  # a backend that is back is used again before a bounded queue is full
_LONGEST_RETRY_AFTER = 120.0

_jitter = Random()  # not the module's generator, which the application may have seeded
at_fork(_jitter.seed)  # otherwise all children would retry at the same moments


class SendError(Exception):
    """The base of the errors that `BatchRecorder.send` raises to decide about its batch.

    ::

        SendError
          + Rejected       the batch is never sent again
          + BatchTooLarge  the batch is sent again in halves, at once
          + Unavailable    the batch is sent again after a pause

    Every other exception counts as `Unavailable`.
    """


class Rejected(SendError):
    """Raised by `send` if the backend will never accept this batch: all of it counts as failed."""


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


class Attempt(NamedTuple):
    """One call of `send` for the oldest spans of the queue."""

    size: int
    """Spans."""

    number: int = 1
    """Counts the attempts of the same spans."""

    pause: float = 0.0
    """Seconds to wait before it."""


def next_attempt(
    attempt: Attempt, error: BaseException, attempts: int, interval: float
) -> Attempt | None:
    """Return the attempt that follows one that raised `error`, or None: its spans are given up.

    The pauses double from `interval`, to 5 seconds at most, less a random part of up to a half.
    """
    if isinstance(error, Rejected):
        return None
    if isinstance(error, BatchTooLarge):
        return Attempt(attempt.size // 2) if attempt.size > 1 else None
    if attempt.number >= attempts:
        return None
    # Bounded twice: a high power of 2 is no float.
    pause = min(interval * 2.0 ** min(attempt.number - 1, 100), _LONGEST_PAUSE)
    pause *= _jitter.uniform(0.5, 1.0)
    asked = error.retry_after if isinstance(error, Unavailable) else None
    if isinstance(asked, (int, float)):
        pause = max(pause, min(asked, _LONGEST_RETRY_AFTER))
    return Attempt(attempt.size, attempt.number + 1, pause)
