"""The retry policy of a BatchRecorder, by table: which attempt follows which error."""

from __future__ import annotations

from unittest import mock

import pytest

from opentracing_recorder import (
    BatchTooLarge,
    Rejected,
    SpanRejected,
    Unavailable,
    _batch_retry,
)
from opentracing_recorder._batch_retry import Attempt, Undelivered, next_attempt, next_part


def following(
    attempt: Attempt,
    error: BaseException,
    attempts: int = 40,
    interval: float = 1.0,
    part: float = 1.0,
) -> Attempt | None:
    """With chance that always gives the same part of a range: 1.0 is its upper end."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * part

    with mock.patch.object(_batch_retry._jitter, "uniform", uniform):
        return next_attempt(attempt, error, attempts, interval)


@pytest.mark.parametrize(
    ("attempt", "error", "expected"),
    [
        # Again, after a pause.
        (Attempt(8), OSError(), Attempt(8, 2, 1.0)),
        (Attempt(8, 2, 1.0), Unavailable("503"), Attempt(8, 3, 2.0)),
        (Attempt(8, 2, 1.0), KeyboardInterrupt(), Attempt(8, 3, 2.0)),
        (Attempt(8, 39), OSError(), Attempt(8, 40, 5.0)),
        # In halves, at once, with all attempts for each.
        (Attempt(9), BatchTooLarge(), Attempt(4, 1, 0.0, (5,))),
        (Attempt(2, 40, 5.0), BatchTooLarge(), Attempt(1, 1, 0.0, (1,))),
        (Attempt(4, rest=(5,)), SpanRejected("400"), Attempt(2, rest=(2, 5))),
        # The same, only after three failures.
        (Attempt(8), Undelivered(), Attempt(8, 2, 1.0)),
        (Attempt(8, 2, 1.0), Undelivered(), Attempt(8, 3, 2.0)),
        (Attempt(8, 3, 2.0), Undelivered(), Attempt(4, 4, 0.0, (4,))),
        (Attempt(4, 4, 0.0, (4,), True), Undelivered(), Attempt(2, 5, 0.0, (2, 4), True)),
        (Attempt(1, 9), Undelivered(), Attempt(1, 10, 5.0)),
        (Attempt(1, 7, is_alive=True), Undelivered(), Attempt(1, 8, 5.0, is_alive=True)),
        # Given up.
        (Attempt(8), Rejected("400"), None),
        (Attempt(1), BatchTooLarge(), None),
        (Attempt(1), SpanRejected("400"), None),
        (Attempt(1, 8, is_alive=True), Undelivered(), None),
        (Attempt(8, 40, 5.0), Undelivered(), None),
        (Attempt(8, 40, 5.0), OSError(), None),
        (Attempt(8, 40, 5.0), Unavailable("429", retry_after=1), None),
    ],
)
def test_what_follows_an_error(
    attempt: Attempt, error: BaseException, expected: Attempt | None
) -> None:
    """A batch is sent again, whole or in halves, or given up."""
    assert following(attempt, error) == expected


@pytest.mark.parametrize(
    ("attempt", "error", "expected"),
    [
        (Attempt(4), None, None),
        (Attempt(4, 9, rest=(4, 8)), None, Attempt(4, rest=(8,), is_alive=True)),
        (Attempt(1, 9, 5.0, (1,), True), Rejected(), Attempt(1)),
        (Attempt(1, 40, 5.0, (1,)), OSError(), Attempt(1)),
        # Until one is sent, the attempts of all parts count together.
        (Attempt(1, 40, 5.0, (1, 2)), Undelivered(), Attempt(1, 40, rest=(2,))),
    ],
)
def test_what_follows_a_part_that_is_settled(
    attempt: Attempt, error: BaseException | None, expected: Attempt | None
) -> None:
    """The next part of its batch, in the order in which the spans wait."""
    assert next_part(attempt, error) == expected


def test_one_attempt_means_no_other() -> None:
    """A batch is sent once; if it is too large, each half has one attempt."""
    assert following(Attempt(8), OSError(), attempts=1) is None
    assert following(Attempt(8), BatchTooLarge(), attempts=1) == Attempt(4, rest=(4,))


@pytest.mark.parametrize(
    ("interval", "number", "part", "pause"),
    [
        # They double from the interval, up to five seconds.
        (1.0, 1, 1.0, 1.0),
        (1.0, 2, 1.0, 2.0),
        (1.0, 3, 1.0, 4.0),
        (1.0, 4, 1.0, 5.0),
        (1.0, 5, 1.0, 5.0),
        (0.25, 3, 1.0, 1.0),
        (1000.0, 1, 1.0, 5.0),
        # After an outage of hours, too.
        (1.0, 9_999, 1.0, 5.0),
        (1e-300, 9_999, 1.0, 1e-300 * 2.0**100),
        # Less a random part, of up to a half.
        (1.0, 1, 0.0, 0.5),
        (1.0, 1, 0.5, 0.75),
        (1.0, 9, 0.0, 2.5),
    ],
)
def test_pauses(interval: float, number: int, part: float, pause: float) -> None:
    """They grow to a limit, so that a backend that is back has spans soon."""
    found = following(Attempt(8, number), OSError(), 10_000, interval, part)
    assert found == Attempt(8, number + 1, pytest.approx(pause))


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        (30, 30.0),
        (30.5, 30.5),
        (1e9, 120.0),
        (float("inf"), 120.0),
        # The pause would be longer anyway, or this is no time.
        (0, 1.0),
        (-5, 1.0),
        (0.5, 1.0),
        (float("nan"), 1.0),
        ("30", 1.0),
        (None, 1.0),
    ],
)
def test_the_time_that_a_backend_names_makes_a_pause_longer(
    retry_after: float | None, pause: float
) -> None:
    """Up to two minutes, even if it asks for years."""
    found = following(Attempt(8), Unavailable("429", retry_after=retry_after))
    assert found == Attempt(8, 2, pause)


def test_the_random_part_differs() -> None:
    """Processes do not all return to a busy backend at the same moments."""
    pauses = {next_attempt(Attempt(1), OSError(), 2, 1.0) for _ in range(100)}
    assert len(pauses) > 50
    assert all(each is not None and 0.5 <= each.pause <= 1.0 for each in pauses)
