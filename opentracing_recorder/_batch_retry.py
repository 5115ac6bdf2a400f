"""Errors that `send` raises, and the attempt that follows: after which pause, of how many spans."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from ._process import at_fork

_LONGEST_PAUSE = 5.0  # a backend that is back is used again before a bounded queue is full
_LONGEST_RETRY_AFTER = 120.0

_jitter = Random()  # of our own: the application's random numbers stay as it seeded them
at_fork(_jitter.seed)  # otherwise all children would return to a busy backend at the same moments


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


class RetryPolicy:
    """Decides what follows a failed attempt.

    The pauses double from `interval`, to 5 seconds at most, less a random part of up to a half.
    """

    def __init__(self, attempts: int, interval: float, random: Random = _jitter) -> None:
        self._attempts = attempts
        self._interval = interval
        self._random = random

    def next(self, attempt: Attempt, error: BaseException) -> Attempt | None:
        """The attempt after one that raised `error`; None if its spans are given up."""
        if isinstance(error, Rejected):
            return None
        if isinstance(error, BatchTooLarge):
            return Attempt(attempt.size // 2) if attempt.size > 1 else None
        if attempt.number >= self._attempts:
            return None
        return Attempt(attempt.size, attempt.number + 1, self._pause(attempt.number, error))

    def _pause(self, number: int, error: BaseException) -> float:
        # Bounded twice: a high power of 2 is no float.
        pause = min(self._interval * 2.0 ** min(number - 1, 100), _LONGEST_PAUSE)
        pause *= self._random.uniform(0.5, 1.0)
        asked = error.retry_after if isinstance(error, Unavailable) else None
        if isinstance(asked, (int, float)):
            pause = max(pause, min(asked, _LONGEST_RETRY_AFTER))
        return pause
