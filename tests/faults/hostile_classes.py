"""Objects that fail, lie or never end, for the table of hostile values."""

from __future__ import annotations

import datetime
import enum
import itertools
import socket
import threading
import traceback
import weakref
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opentracing import Reference

HUGE = 1 << 18
"""How many characters or bytes a huge value has."""


class HostileError(Exception):
    """The exception of failing values; its own text fails as well."""

    def __str__(self) -> str:
        raise RuntimeError("no text of the error either")

    __repr__ = __str__


def fail(*args: Any, **kwargs: Any) -> Any:
    raise HostileError


SPECIAL_METHODS = (
    *("__str__", "__repr__", "__hash__", "__eq__", "__ne__", "__lt__", "__bool__", "__len__"),
    *("__iter__", "__next__", "__getitem__", "__contains__", "__length_hint__", "__call__"),
    *("__getattr__", "__getattribute__", "__format__", "__float__", "__index__", "__int__"),
    *("__bytes__", "__fspath__", "__reduce_ex__", "__copy__", "__deepcopy__", "__sizeof__"),
    *("__enter__", "__exit__", "__add__", "__radd__", "__mod__", "__sub__", "__rsub__"),
    *("__instancecheck__", "__dir__", "__setattr__", "keys", "items", "values", "get", "copy"),
)


def that_fails(base: type, *names: str, fail: Callable[..., Any] = fail) -> type:
    """A class derived from `base` with these methods, all of which call the same function."""
    return type(f"Failing{base.__name__.capitalize()}", (base,), dict.fromkeys(names, fail))


def of_class(answer: Callable[[], Any]) -> Any:
    """An object whose class, if it is asked, is the result of `answer`."""

    class Pretender:
        @property
        def __class__(self) -> Any:
            return answer()

        @__class__.setter
        def __class__(self, value: Any) -> None:
            raise HostileError

    return Pretender()


def of_class_that_raises() -> Any:
    return of_class(fail)


def pretender(of: type) -> Any:
    return of_class(lambda: of)


def returning(result: Any, *names: str) -> Any:
    return that_fails(object, *names, fail=lambda *args: result)()


class FailingMeta(type):
    """The metaclass of classes that fail as their instances do."""

    __str__ = __repr__ = __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = fail
    __name__ = __module__ = property(fail)  # type: ignore[assignment]


class LazyNothing:
    """A lazy object with nothing behind it: every access fails."""

    def __getattribute__(self, name: str) -> Any:
        raise HostileError

    def __setattr__(self, name: str, value: Any) -> None:
        raise HostileError


class Colliding:
    """A key that equals another one in a dict, and then fails."""

    def __init__(self, other: object) -> None:
        self._hash = hash(other)

    def __hash__(self) -> int:
        return self._hash

    __eq__ = fail


class Array:
    """Like numpy's arrays: comparisons give arrays, and an array has no truth value."""

    shape, dtype = (2,), "float64"

    def __eq__(self, other: object) -> Any:
        return Array()

    __ne__ = __lt__ = __gt__ = __eq__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __float__(self) -> float:
        raise TypeError("only arrays of one element")

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[float]:
        return iter((1.0, 2.0))


class GrowingDict(UserDict):  # type: ignore[type-arg]
    """Iterating over it adds items."""

    def __iter__(self) -> Iterator[Any]:
        for number in itertools.count():
            self.data[number] = number
            yield number


class EndlessDict(dict):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return itertools.count()

    keys = __iter__  # type: ignore[assignment]

    def items(self) -> Any:
        return ((number, number) for number in itertools.count())

    def __getitem__(self, key: Any) -> Any:
        return key


class EndlessList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat("again")


class EndlessMapping(Mapping):  # type: ignore[type-arg]
    def __getitem__(self, key: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __len__(self) -> int:
        return 1 << 60


class EndlessSequence(Sequence):  # type: ignore[type-arg]
    def __getitem__(self, index: Any) -> Any:
        return self

    def __len__(self) -> int:
        return 1 << 60


class FailingBytes(bytes):
    def decode(self, *args: Any, **kwargs: Any) -> Any:
        raise HostileError

    __bytes__ = __len__ = __iter__ = __str__ = decode  # type: ignore[assignment]


class FailingText(str):
    __slots__ = ()
    __str__ = __repr__ = __hash__ = __eq__ = __len__ = __bool__ = fail  # type: ignore[assignment]
    encode = lower = isascii = isprintable = replace = __format__ = fail  # type: ignore[assignment]


class FailingInt(int):
    __str__ = __repr__ = __bool__ = __index__ = __add__ = __float__ = fail  # type: ignore[assignment]
    __lt__ = __gt__ = __le__ = __ge__ = __neg__ = __hash__ = __eq__ = fail  # type: ignore[assignment]


class FailingFloat(float):
    __str__ = __repr__ = __bool__ = __add__ = __sub__ = __float__ = fail  # type: ignore[assignment]
    __lt__ = __gt__ = __le__ = __ge__ = __neg__ = __hash__ = __eq__ = fail  # type: ignore[assignment]


class FailingReference(Reference):
    type = referenced_context = property(fail)  # type: ignore[assignment]


class Pair(NamedTuple):
    left: Any
    right: Any


class TextlessColor(enum.Enum):
    RED = {"a": ["b"]}

    def __str__(self) -> str:
        raise HostileError


class Flag(enum.IntFlag):
    A, B = 1, 2


class FailingZone(datetime.tzinfo):
    utcoffset = tzname = dst = fail


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def cyclic_cause() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    first.__context__, second.__context__ = second, first
    first.args = (second,)
    second.args = (first,)
    return caught(first)


def deep_cause(depth: int) -> BaseException:
    error: BaseException = ValueError("last")
    for _ in range(depth):
        outer = ValueError(error)
        outer.__cause__ = error
        outer.inner = error  # type: ignore[attr-defined]
        error = outer
    return error


def failing_error() -> BaseException:
    class Failing(Exception):
        def __init__(self, *args: Any) -> None:
            if not args:
                raise HostileError
            super().__init__(*args)

        def __new__(cls, *args: Any) -> Any:
            if len(args) != 2:
                raise HostileError
            return super().__new__(cls, *args)

        __str__ = __repr__ = __reduce__ = __copy__ = fail  # type: ignore[assignment]
        args = property(fail)  # type: ignore[assignment]
        __cause__ = __context__ = __traceback__ = property(fail)  # type: ignore[assignment]

    return caught(Failing(1, 2))


def bad_tracebacks() -> Any:
    return traceback.TracebackException.from_exception(caught(ValueError()))


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def repeated(wrap: Callable[[Any], Any]) -> Any:
    """Fifty layers, each of which holds the next one twice."""
    return nested(50, wrap)


def cycle(value: Any, add: Callable[[Any, Any], Any]) -> Any:
    add(value, value)
    return value


def generator_that_fails() -> Iterator[Any]:
    yield ("a", 1)
    raise HostileError


def closed_socket() -> Any:
    made = socket.socket()
    made.close()
    return made


def dead_proxy() -> Any:
    return weakref.proxy(threading.Event())


def pairs_that_never_end() -> Iterator[Any]:
    return ((str(number), number) for number in itertools.count())
