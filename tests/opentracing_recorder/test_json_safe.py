"""Any value as JSON or text."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import http
import json
import time
from collections import UserList, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from opentracing_recorder import BasicTracer, InMemoryRecorder
from opentracing_recorder._json_safe import json_safe, text_of

from .numbers_of_others import PLAIN, Index


def test_json_safe_forms() -> None:
    """JSON's own values stay; the rest becomes text that says what it was."""
    assert json_safe({"a": (1, 2.5, True, None, "s")}) == {"a": [1, 2.5, True, None, "s"]}
    assert json_safe(float("inf")) == "inf"
    assert json_safe(2**64) == "0x10000000000000000"
    assert json_safe(b"bytes") == "bytes"
    assert json_safe(ValueError("x")) == "ValueError: x"
    assert text_of(ValueError) == "ValueError"
    wide: list[Any] = ["x"] * 1000
    for _ in range(30):
        wide = [wide] * 10
    assert len(json.dumps(json_safe(wide))) < 10_000_000


def twice(kind: Callable[[Any], Any]) -> Any:
    """Fifty containers, each of which holds the next one twice."""
    value: Any = "end"
    for _ in range(50):
        value = {"a": value, "b": value} if kind is dict else kind((value, value))
    return value


class Endless(list[int]):
    """Says that it goes on for ever."""

    def __iter__(self) -> Any:
        while True:
            yield 1


CYCLE: list[Any] = []
CYCLE += [CYCLE, CYCLE]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 2.5, None, "a", {"b": True}], "[1, 2.5, None, 'a', {'b': True}]"),
        ((1, "2", [b"3"], {4: 5}), "[1, '2', ['3'], {'4': 5}]"),
        (UserList([1]), "[1]"),
        (deque([1]), "[1]"),
        (SimpleNamespace(a=1), "{'a': 1}"),
        (["x" * 10_000] * 50, str(["x" * 10_000] * 50)),
        (["x" * 10_000] * 1000, "<list>"),
        (ValueError("a", (1,)), "ValueError: ('a', (1,))"),
        (ValueError(["x" * 10_000] * 1000), "<ValueError>"),
    ],
    ids=lambda each: each[:9] if isinstance(each, str) else type(each).__name__,
)
def test_the_text_of_a_container_is_that_of_its_json_form(value: object, text: str) -> None:
    """It is shown by its type if that would be more than a million characters."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value",
    [
        *(twice(kind) for kind in (dict, list, tuple, deque, UserList)),
        *(CYCLE, range(1 << 60), frozenset(range(20_000)), Endless([1, 2])),
        *(ValueError(CYCLE), ValueError(twice(lambda pair: ValueError(*pair)))),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_text_that_would_never_end_takes_bounded_time(value: object) -> None:
    """Repeated and deep parts of a value take bounded time."""
    started = time.process_time()
    assert 0 < len(text_of(value)) < 100_000
    assert time.process_time() - started < 5.0  # seconds; a hundredth is enough


def test_tracing_takes_containers_whose_text_never_ends() -> None:
    """Wherever a span makes text of what it is given."""
    recorder = InMemoryRecorder()
    endless = twice(dict)
    with BasicTracer(recorder).start_span(endless) as span:
        span.set_tag(endless, endless)
        span.set_tag((1, twice(tuple)), 1)  # type: ignore[arg-type]
        span.set_baggage_item("a", endless)
        span.log_kv(endless)
        span.log_kv({"event": endless})
    (recorded,) = recorder.spans
    assert recorded.operation_name == recorded.get_baggage_item("a") == text_of(endless)
    assert json.dumps(recorded.to_dict())


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *PLAIN.values(),
        (fractions.Fraction(1, 4), 0.25),
        (http.HTTPStatus.NOT_FOUND, 404),
        (Level.HIGH, 3),
        (Index(2**64), hex(2**64)),
    ],
    ids=repr,
)
def test_a_number_of_another_make_stays_one(value: Any, expected: Any) -> None:
    """Integral and Real, whatever has an index, and truth values such as numpy's; also inside."""
    for found in (json_safe(value), json_safe([value])[0], json_safe({"a": (value,)})["a"][0]):
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (decimal.Decimal("12.50"), "12.50"),
        (datetime.timedelta(1), "1 day, 0:00:00"),
        (Index(RuntimeError("no")), "an index"),
        (Index("3"), "an index"),
    ],
    ids=["Decimal", "timedelta", "raises", "no int"],
)
def test_what_is_no_such_number_stays_text(value: Any, text: str) -> None:
    """Decimals, timedeltas, and objects with an index that fails become text."""
    assert json_safe(value) == text
