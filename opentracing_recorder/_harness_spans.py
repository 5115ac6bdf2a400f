"""The spans, tags and logs that every recorder must handle."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import os
import pathlib
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from typing import Any

from opentracing import child_of

from .context import BasicSpanContext
from .in_memory import InMemoryRecorder
from .span import BasicSpan
from .tracer import BasicTracer

# Names differ between checks and between runs, so a backend need not be emptied.
_RUN = os.urandom(4).hex()
_NUMBERS = count(1)


class _Color(enum.Enum):
    RED = "red"


class _Unprintable:
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text today")

    __repr__ = __str__


class _UnprintableText(_Unprintable, str):
    __slots__ = ()


class _Pretender:
    """Its `__class__` is str."""

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
"""Functions that make values, by name; most of the values have no form in JSON."""

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
    "an object whose __class__ is str": _Pretender,
    "an exception whose str() raises": lambda: ValueError(_Unprintable()),
}
"""Functions that make values on which a careless encoder fails or grows without bound."""

ODD_NAMES = ("", " ", "\x00", "a\nb", "\ud800", "é☃🎉", "x" * 100_000, "<b>'\"&;%s{0}")
"""Names of operations that cannot be read back from every format."""


def new_spans(number: int, tags: dict[str, Any] | None = None, log: Any = None) -> list[BasicSpan]:
    """Finished spans that no recorder has received, each with its own name."""
    tracer = BasicTracer()
    spans = [tracer.start_span(f"check {_RUN} {next(_NUMBERS)}", tags=tags) for _ in range(number)]
    for span in spans:
        if log is not None:
            span.log_kv({"value": log})
        span.finish()
    return spans


def spans_of_every_kind() -> list[BasicSpan]:
    kept = InMemoryRecorder()
    tracers = [
        BasicTracer(kept, service_name="shop"),
        BasicTracer(kept, trace_id_bits=128),
        BasicTracer(kept, max_tags=1, max_logs=1),
    ]
    for tracer in tracers:
        root, child, late, remote, past, long = (f"check {_RUN} {next(_NUMBERS)}" for _ in range(6))
        with tracer.start_active_span(root, tags={"a": 1, "b": 2, "span.kind": "server"}) as scope:
            scope.span.set_baggage_item("tenant", "Café 7")
            scope.span.log_kv({"event": "one"}).log_kv({"event": "two"}, timestamp=1.0)
            scope.span.log_kv({})
            tracer.start_span(child, tags={"error": True, "span.kind": "client"}).finish()
        caller = BasicSpanContext(2**64 - 1, 2**64 - 1, {"a": "b"})
        tracer.start_span(
            late, references=[child_of(caller), child_of(scope.span.context)]
        ).finish()
        tracer.start_span(remote, child_of=BasicSpanContext(1, 1)).finish()
        tracer.start_span(past, start_time=0.0).finish(finish_time=0.0)
        tracer.start_span(long, start_time=1.0).finish(finish_time=4e9)
    return kept.spans
