"""Hostile values for tags and logs: objects that fail, lie or never end.

A function makes each of them, as reading some of them exhausts them or makes them grow.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import datetime
import decimal
import io
import itertools
import logging
import re
import threading
import types
import weakref
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, deque
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import opentracing
from opentracing_recorder import BasicSpan, BasicSpanContext

from .hostile_classes import (
    HUGE,
    SPECIAL_METHODS,
    Array,
    Colliding,
    EndlessDict,
    EndlessList,
    EndlessMapping,
    EndlessSequence,
    FailingBytes,
    FailingFloat,
    FailingInt,
    FailingMeta,
    FailingReference,
    FailingText,
    FailingZone,
    Flag,
    GrowingDict,
    HostileError,
    LazyNothing,
    Pair,
    TextlessColor,
    bad_tracebacks,
    caught,
    closed_socket,
    cycle,
    cyclic_cause,
    dead_proxy,
    deep_cause,
    fail,
    failing_error,
    generator_that_fails,
    nested,
    of_class_that_raises,
    pairs_that_never_end,
    pretender,
    repeated,
    returning,
    that_fails,
)

FAILING: dict[str, Callable[[], Any]] = {
    **{f"{name} raises": that_fails(object, name) for name in SPECIAL_METHODS},
    "all methods raise": that_fails(object, *SPECIAL_METHODS[:-1]),
    "a mapping whose keys raise": that_fails(dict, "keys", "items", "__iter__", "__len__"),
    "an abstract mapping that raises": that_fails(Mapping, "__getitem__", "__iter__", "__len__"),
    "a list that raises": that_fails(list, "__iter__", "__len__", "__getitem__", "__repr__"),
    "a tuple that raises": that_fails(tuple, "__iter__", "__len__", "__getitem__", "__repr__"),
    "a set that raises": that_fails(set, "__iter__", "__len__", "__contains__", "__repr__"),
    "a dict without text": lambda: that_fails(dict, "__str__", "__repr__")(a=1),
    "a deque that raises": that_fails(deque, "__iter__", "__len__", "__repr__"),
    "an object without a class": of_class_that_raises,
    "an instance of a failing class": lambda: FailingMeta("Failing", (), {})(),
    "a failing class": lambda: FailingMeta("Failing", (), {}),
    "a lazy object of nothing": LazyNothing,
    "a dead weak proxy": dead_proxy,
    "a failing str": lambda: FailingText("text"),
    "a failing int": lambda: FailingInt(7),
    "a failing float": lambda: FailingFloat(7.5),
    "failing bytes": lambda: FailingBytes(b"bytes"),
    "a failing reference": lambda: FailingReference("child_of", BasicSpanContext(1, 2)),
    "a failing error": failing_error,
    "an error of a failing value": lambda: ValueError(that_fails(object, "__str__", "__repr__")()),
    "an error without text": HostileError,
    "a failing generator": generator_that_fails,
    "a date in no zone": lambda: datetime.datetime(2020, 1, 1, tzinfo=FailingZone()),
    "an enum member without text": lambda: TextlessColor.RED,
    "a signaling NaN": lambda: decimal.Decimal("sNaN"),
    "an array": Array,
    "a list of arrays": lambda: [Array(), {"a": Array()}],
    **{
        f"a key that collides with {key!r}": lambda key=key: {Colliding(key): 1, "a": 2}
        for key in ("event", "stack", "message", "error", "error.object", "error.kind", "span.kind")
    },
}
"""Values that raise."""

LYING: dict[str, Callable[[], Any]] = {
    "__str__ returns None": lambda: returning(None, "__str__", "__repr__"),
    "__str__ returns bytes": lambda: returning(b"bytes", "__str__", "__repr__", "__format__"),
    "__str__ returns a failing str": lambda: returning(FailingText("a"), "__str__", "__repr__"),
    "__iter__ returns itself": lambda: returning(1, "__iter__", "keys", "items", "__getitem__"),
    "__len__ is negative": lambda: returning(-1, "__len__", "__hash__", "__bool__", "__index__"),
    "__float__ returns NaN": lambda: returning(float("nan"), "__float__"),
    "__float__ returns text": lambda: returning("1", "__float__", "__index__", "__int__"),
    "__eq__ is always true": lambda: returning(True, "__eq__", "__contains__"),
    "items of three": lambda: that_fails(dict, "items", fail=lambda self: [(1, 2, 3)])(a=1),
    "items that are no pairs": lambda: that_fails(dict, "items", fail=lambda self: 5)(a=1),
    "says that it is a str": lambda: pretender(str),
    "says that it is a dict": lambda: pretender(dict),
    "says that it is an int": lambda: pretender(int),
    "says that it is a Span": lambda: pretender(opentracing.Span),
    "says that it is a SpanContext": lambda: pretender(opentracing.SpanContext),
    "says that it is a BasicSpan": lambda: pretender(BasicSpan),
    "says that it is a BasicSpanContext": lambda: pretender(BasicSpanContext),
    "says that it is a Reference": lambda: pretender(opentracing.Reference),
    "says that it is an Exception": lambda: pretender(Exception),
    "a mock": mock.Mock,
    "a mock with magic": mock.MagicMock,
    "a mock of a span": lambda: mock.create_autospec(opentracing.Span, instance=True),
    "a mock sentinel": lambda: mock.sentinel.value,
    "a function called __str__": lambda: fail,
}
"""Values that misreport their type."""

ENDLESS: dict[str, Callable[[], Any]] = {
    "a list in itself": lambda: cycle([], list.append),
    "a dict in itself": lambda: cycle({}, lambda all, each: all.update(a=each)),
    "a deque in itself": lambda: cycle(deque(), deque.append),
    "a UserDict in itself": lambda: cycle(UserDict(), lambda all, each: all.update(a=each)),
    "a list in a tuple in itself": lambda: (lambda all: all.append((all, {"a": all})) or all)([]),
    "a namespace in itself": lambda: (lambda all: all.__dict__.update(a=all) or all)(
        types.SimpleNamespace()
    ),
    "a list nested 20,000 deep": lambda: nested(20_000, lambda each: [each]),
    "a dict nested 5,000 deep": lambda: nested(5_000, lambda each: {"a": each}),
    "a deque nested 5,000 deep": lambda: nested(5_000, lambda each: deque([each])),
    "errors nested 300 deep": lambda: deep_cause(300),
    "errors nested 5,000 deep": lambda: deep_cause(5000),
    "errors that cause each other": cyclic_cause,
    "lists repeated in lists": lambda: repeated(lambda each: [each, each]),
    "dicts repeated in dicts": lambda: repeated(lambda each: {"a": each, "b": each}),
    "named tuples repeated": lambda: repeated(lambda each: Pair(each, each)),
    "deques repeated": lambda: repeated(lambda each: deque([each, each])),
    "UserDicts repeated": lambda: repeated(lambda each: UserDict(a=each, b=each)),
    "UserLists repeated": lambda: repeated(lambda each: UserList([each, each])),
    "errors repeated": lambda: repeated(lambda each: ValueError(each, each)),
    "an error of lists repeated": lambda: ValueError(repeated(lambda each: [each, each])),
    "views repeated": lambda: repeated(lambda each: {"a": each, "b": each}.values()),
    "proxies repeated": lambda: repeated(
        lambda each: types.MappingProxyType({"a": each, "b": each})
    ),
    "namespaces repeated": lambda: repeated(lambda each: types.SimpleNamespace(a=each, b=each)),
    "a growing UserDict": GrowingDict,
    "an endless dict": lambda: EndlessDict(a=1),
    "an endless list": lambda: EndlessList([1]),
    "an endless mapping": EndlessMapping,
    "an endless sequence": EndlessSequence,
    "an endless iterator": itertools.count,
    "endless pairs": pairs_that_never_end,
    "a pair that never ends": lambda: [itertools.count()],
    "a range without end": lambda: range(1 << 62),
    "a ChainMap of itself": lambda: (lambda all: all.maps.append(all) or all)(ChainMap({"a": 1})),
    "a Counter": lambda: Counter("text"),
    "a defaultdict": lambda: collections.defaultdict(list, a=1),
}
"""Values without an end, or whose text would have none."""

LARGE: dict[str, Callable[[], Any]] = {
    "huge text": lambda: "x" * HUGE,
    "huge text beyond ASCII": lambda: "ж☃" * (HUGE // 2),
    "huge text of surrogates": lambda: "\ud800" * (HUGE // 4),
    "huge text of control characters": lambda: "\x00\n\x1b" * (HUGE // 12),
    "huge text that is a number": lambda: "9" * HUGE,
    "huge bytes": lambda: b"\xff" * (HUGE // 4),
    "a huge error": lambda: ValueError("e☃" * (HUGE // 2)),
    "a huge list": lambda: ["x"] * 30_000,
    "a huge dict": lambda: dict.fromkeys(range(3_000), "x"),
    "a list of huge texts": lambda: ["x" * 100_000] * 20,
    "a huge memoryview": lambda: memoryview(bytes(HUGE)),
    "a huge int": lambda: 1 << 200_000,
    "a huge negative int": lambda: -(10**5000),
    "a list of huge ints": lambda: [10**5000] * 3,
    "a huge Decimal": lambda: decimal.Decimal("1e999999"),
    "a huge UserString": lambda: UserString("x" * HUGE),
}
"""Large values."""

ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "NaN": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "the largest float": lambda: 1.7976931348623157e308,
    "2**63": lambda: 1 << 63,
    "2**64": lambda: 1 << 64,
    "-2**63 - 1": lambda: -(1 << 63) - 1,
    "a complex NaN": lambda: complex("nan+infj"),
    "True": lambda: True,
    "no text": str,
    "NUL": lambda: "\x00",
    "a surrogate": lambda: "\ud800",
    "a pair of surrogates": lambda: "\ud83d\ude00",
    "text in two directions": lambda: "\u202eabc\u2066\u200f",
    "a script": lambda: "</script><script>alert(1)</script>{0}%s%(a)s",
    "line ends": lambda: "\r\n\x85\u2028",
    "bytes": lambda: b"\x00\xff\xc3(",
    "a bytearray": lambda: bytearray(b"\xff"),
    "a memoryview": lambda: memoryview(b"\xff"),
    "a released memoryview": lambda: cycle(memoryview(b"a"), lambda view, _: view.release()),
    "None as a key": lambda: {None: None, 1: 1, (1, 2): 2, b"\xff": 3, 1.5: 4, "\ud800": 5},
    "unhashable": lambda: [{}, set(), bytearray()],
    "sets": lambda: {frozenset({1}), frozenset({None, "a"})},
    "an Enum": lambda: TextlessColor,
    "a flag": lambda: Flag.A | Flag.B,
    "a Decimal NaN": lambda: decimal.Decimal("NaN"),
    "a date": lambda: datetime.datetime.max,
    "a time zone": lambda: datetime.timezone.utc,
    "a module": lambda: logging,
    "a class": lambda: UserDict,
    "a generic alias": lambda: list[int],
    "a function": lambda: nested,
    "a coroutine function": lambda: contextlib.asynccontextmanager,
    "a generator": lambda: (each for each in "ab"),
    "a lock": threading.Lock,
    "a thread": threading.current_thread,
    "a socket": closed_socket,
    "a closed file": lambda: cycle(io.StringIO(), lambda file, _: file.close()),
    "a frame": lambda: caught(ValueError()).__traceback__.tb_frame,  # type: ignore[union-attr]
    "a traceback": lambda: caught(ValueError()).__traceback__,
    "what exc_info has": lambda: (ValueError, ValueError("a"), caught(ValueError()).__traceback__),
    "a TracebackException": bad_tracebacks,
    "a pattern": lambda: re.compile(b"\xff"),
    "a match": lambda: re.match("a", "a"),
    "an OrderedDict": lambda: OrderedDict({None: 1}),
    "a simple namespace": lambda: types.SimpleNamespace(a=1),
    "a ctypes pointer": lambda: ctypes.pointer(ctypes.c_int(1)),
    "a weak reference": lambda: weakref.ref(UserDict),
    "NotImplemented": lambda: NotImplemented,
    "an Ellipsis": lambda: ...,
    "a tracer": opentracing.Tracer,
    "KeyboardInterrupt": lambda: KeyboardInterrupt("not raised"),
    "a log record": lambda: logging.makeLogRecord({"msg": "%d", "args": ("a",)}),
}
"""Rare values."""

HOSTILE_VALUES = {**FAILING, **LYING, **ENDLESS, **LARGE, **ODD}
"""By name, what makes the value."""
