"""Arguments that cannot serve: the error names each, what it must be, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opentracing_recorder._arguments import (
    check_count,
    check_has,
    check_seconds,
    check_timeout,
    check_type,
)


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (lambda: check_type("name", 1, str), TypeError, "name must be a str, not int"),
        (lambda: check_type("n", True, int), TypeError, "n must be an int, not bool"),
        (lambda: check_type("b", 1, bool), TypeError, "b must be a bool, not int"),
        (lambda: check_type("t", [], dict, "a table"), TypeError, "t must be a table, not list"),
        (lambda: check_count("n", 1.0), TypeError, "n must be an int, not float"),
        (lambda: check_count("n", 0), ValueError, "n must be at least 1, not 0"),
        (lambda: check_seconds("s", "1"), TypeError, "s must be a number of seconds, not str"),
        (lambda: check_seconds("s", 0), ValueError, "s must be more than 0 seconds, not 0"),
        (lambda: check_seconds("s", float("inf")), ValueError, "more than 0 seconds, not inf"),
        (lambda: check_timeout(True), TypeError, "timeout must be a number of seconds or None"),
        (lambda: check_timeout(float("nan")), ValueError, "a number of seconds, not nan"),
        (
            lambda: check_has("r", 1, "record"),
            TypeError,
            "r must have a record method; int has none",
        ),
        (lambda: check_has("r", str, "lower"), TypeError, "must be an instance, not the class str"),
    ],
)
def test_an_argument_that_cannot_serve_is_refused(
    check: Callable[[], Any], error: type[Exception], message: str
) -> None:
    """The error names the argument, what it must be, and the value that was found."""
    with pytest.raises(error, match=message):
        check()


def test_what_was_found_is_shortened() -> None:
    """A number of ten thousand digits makes a message of one line."""
    with pytest.raises(ValueError, match="n must be at least 1, not ") as caught:
        check_count("n", -(10**10_000))
    assert len(str(caught.value)) < 300


def test_arguments_that_serve_come_back() -> None:
    """Valid arguments are returned as they were given."""
    assert (check_count("n", 1), check_seconds("s", 0.5)) == (1, 0.5)
    check_timeout(None)
    check_timeout(-1)
    check_has("r", "a", "lower")
