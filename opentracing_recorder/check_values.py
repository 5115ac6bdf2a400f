"""What applications put into tags and logs: the values that every recorder has to cope with."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any


class _Color(enum.Enum):
    RED = "red"


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text today")

    __repr__ = __str__


class _UnprintableText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text today")

    __repr__ = __str__


class _Pretender:
    """Says that it is a str."""

    @property
    def __class__(self) -> Any:
        return str

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError


class _UnreadableDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("no items today")

    keys = values = __iter__ = items


class _Code(int):
    pass


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _cyclic_list() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def _cyclic_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


VALUES: dict[str, Callable[[], Any]] = {
    "text": lambda: "teapot",
    "no text": lambda: "",
    "text beyond ASCII": lambda: "naïve ☃ 🎉",
    "text with control characters": lambda: "a\r\n\t\x00\x1b[31mb",
    "True": lambda: True,
    "None": lambda: None,
    "0": lambda: 0,
    "a negative int": lambda: -1,
    "2**63": lambda: 2**63,
    "2**64": lambda: 2**64,
    "an int subclass": lambda: _Code(7),
    "a float": lambda: 0.1,
    "a very large float": lambda: 1.7e308,
    "bytes": lambda: b"\x00\xff",
    "a bytearray": lambda: bytearray(b"ab"),
    "a memoryview": lambda: memoryview(b"ab"),
    "a complex number": lambda: 1j,
    "a Decimal": lambda: decimal.Decimal("12.50"),
    "a Fraction": lambda: fractions.Fraction(1, 3),
    "a datetime": lambda: datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "a date": lambda: datetime.date(2020, 1, 2),
    "a timedelta": lambda: datetime.timedelta(1),
    "a UUID": lambda: uuid.UUID(int=1),
    "a path": lambda: pathlib.PurePosixPath("/a"),
    "an enum member": lambda: _Color.RED,
    "a list": lambda: [1, "a", None],
    "a tuple": lambda: (1, (2, 3)),
    "a set": lambda: {1},
    "a deque": lambda: deque([1]),
    "a dict": lambda: {"a": {"b": [1]}},
    "a dict with keys of many types": lambda: {1: 1, None: 2, (1, 2): 3, b"a": 4},
    "an OrderedDict": lambda: OrderedDict(a=1),
    "a range": lambda: range(3),
    "a generator": lambda: (each for each in "ab"),
    "a function": lambda: _nested,
    "a class": lambda: _Color,
    "an exception": lambda: ValueError("bad"),
    "an object": object,
}
"""By name, what makes the value: most of them have no form in JSON."""

HOSTILE_VALUES: dict[str, Callable[[], Any]] = {
    "nan": lambda: float("nan"),
    "an infinite float": lambda: float("-inf"),
    "a very large int": lambda: 10**5000,
    "half a surrogate pair": lambda: "a\ud800b",
    "a large text": lambda: "x" * 100_000,
    "a list that holds itself": _cyclic_list,
    "a dict that holds itself": _cyclic_dict,
    "a list nested 5000 deep": lambda: _nested(5000),
    "a list of 50000": lambda: list(range(50_000)),
    "an object whose str() raises": _Unprintable,
    "a str subclass whose str() raises": lambda: _UnprintableText("a"),
    "a dict key whose str() raises": lambda: {_Unprintable(): 1},
    "a dict that cannot be read": lambda: _UnreadableDict(a=1),
    "an object that says it is a str": _Pretender,
    "an exception whose str() raises": lambda: ValueError(_Unprintable()),
}
"""What fails in an encoder that is not prepared for it, or grows without bound."""
