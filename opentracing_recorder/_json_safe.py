"""Any value as JSON or as text, without ever raising; for recorders and `to_dict`.

Applications put all kinds of objects into tags and logs. What has no JSON form becomes text, and
what cannot even become text is shown by its type.
"""

from __future__ import annotations

import math
import traceback
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from numbers import Integral, Real
from operator import index
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import Any

from opentracing.interrupts import reraise_interrupt

# What one value may grow to: these bound both the work and the size of a hostile or cyclic value.
_MAX_DEPTH = 8
_MAX_PARTS = 10_000
_MAX_CHARACTERS = 1_000_000
_CHARACTERS_A_PART = _MAX_CHARACTERS // _MAX_PARTS

_MAX_JSON_INTEGER = 2**64


def text_of(value: object) -> str:
    """`value` as text that UTF-8 can encode; ``<module.Type>`` where its `str` fails, or where it
    is a container that would make too long a text.
    """
    try:
        text = _text_of(value)
    except Exception:
        reraise_interrupt()
        text = _shown_by_type(type(value))
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _text_of(value: Any) -> str:
    # By its real type: `isinstance` believes what a proxy says its class is, and runs its code.
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if kind is TracebackType:
        return "".join(traceback.format_tb(value))
    if issubclass(kind, type):
        return _type_name(value)
    if not is_small(value):
        return _shown_by_type(kind)
    if issubclass(kind, BaseException):
        return f"{_type_name(kind)}: {value}"
    return str.__str__(str(value))


def _in_dict(container: Any) -> Iterable[Any]:
    return chain(dict.keys(container), dict.values(container))


def _in_namespace(container: Any) -> Iterable[Any]:
    return _in_dict(object.__getattribute__(container, "__dict__"))


def _in_error(error: Any) -> Iterable[Any]:
    # A message may be as long as any other text.
    return [each for each in _args_of(error) if type(each) is not str]


_args_of: Callable[[Any], tuple[Any, ...]] = BaseException.args.__get__  # type: ignore[attr-defined]

_CONTAINERS: dict[type, Callable[[Any], Iterable[Any]]] = {
    dict: _in_dict,
    **{kind: kind.__iter__ for kind in (list, tuple, set, frozenset, deque)},
    **dict.fromkeys(map(type, ({}.keys(), {}.values(), {}.items())), iter),
    MappingProxyType: lambda container: chain(container, container.values()),
    **dict.fromkeys((UserDict, UserList, SimpleNamespace), _in_namespace),
    BaseException: _in_error,
}
# By what no metaclass has a say in: what is in each of them, past what a subclass makes of it.
_PARTS = {id(kind): parts_of for kind, parts_of in _CONTAINERS.items()}
_mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def is_small(container: Any) -> bool:
    """Whether `str` can be asked for its text: fifty lists of which each holds the next one twice
    are small in memory, and their text would never be done.
    """
    left = _MAX_CHARACTERS
    pending = [container]
    while pending and left >= 0:
        each = pending.pop()
        kind = type(each)
        if kind is str or kind is bytes or kind is bytearray:
            left -= len(each)
            continue
        for base in _mro_of(kind):
            parts_of = _PARTS.get(id(base))
            if parts_of is not None:
                parts = list(islice(parts_of(each), _MAX_PARTS + 1))
                left -= (1 + len(parts)) * _CHARACTERS_A_PART
                if base is BaseException:  # asked for its text once for each that it is in
                    left -= 10 * _CHARACTERS_A_PART
                pending.extend(parts)
                break
    return left >= 0


def dict_of(given: Any) -> dict[Any, Any]:
    """`dict(given)`, with what that raises, but of what has no end the first items alone."""
    if hasattr(given, "keys"):
        keys = given.keys()
        pairs = ((key, given[key]) for key in keys)
    else:
        pairs = given
    # To hash a tuple takes as long as its text.
    return {
        key if is_small(key) else text_of(key): value for key, value in islice(pairs, _MAX_PARTS)
    }


def new_parts() -> list[int]:
    """How many parts values may have, in all containers: to share, and to count down."""
    return [_MAX_PARTS]


def json_safe(value: object, parts_left: list[int] | None = None) -> Any:
    """`value` as what `json.dumps` and orjson accept: str, int, float, bool, None, list, dict.

    Several values that belong together share `parts_left`, which `new_parts` makes.
    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        return text_of(value)
    return _json_safe(value, _MAX_DEPTH, new_parts() if parts_left is None else parts_left)


def _json_safe(value: Any, depth: int, parts_left: list[int]) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, (str, bytes, bytearray)):
        return text_of(value)
    if issubclass(kind, int):
        number = int.__add__(value, 0)  # plain, whatever its subclass makes of itself
        return number if -_MAX_JSON_INTEGER <= 2 * number < 2 * _MAX_JSON_INTEGER else hex(number)
    if issubclass(kind, float):
        real = float.__add__(value, 0.0)
        return real if math.isfinite(real) else float.__repr__(real)
    try:
        is_mapping = issubclass(kind, Mapping)
        if is_mapping or issubclass(kind, (list, tuple, set, frozenset)):
            if not depth or parts_left[0] <= 0:
                return text_of(_shown_by_type(kind))  # its text could grow without bound
            # Copied first: another thread may still be changing it.
            children = list(islice(value.items() if is_mapping else value, parts_left[0]))
            parts_left[0] -= len(children)
            if is_mapping:
                return {
                    text_of(key): _json_safe(item, depth - 1, parts_left) for key, item in children
                }
            return [_json_safe(item, depth - 1, parts_left) for item in children]
    except Exception:
        reraise_interrupt()
        return text_of(_shown_by_type(kind))
    number = plain_number(value)
    return text_of(value) if number is value else _json_safe(number, depth, parts_left)


def plain_number(value: Any) -> Any:
    """A number or truth value of another make, such as numpy's, as an int, a float or a bool.

    Anything else, and what fails to answer, as it is; so too a Decimal, which only text holds.
    """
    kind = type(value)
    if kind is bool or kind is int or kind is float:
        return value
    try:
        if hasattr(kind, "__bool__") and not issubclass(kind, (str, bytes)):
            # Much else is true or false, but calls itself neither.
            text = text_of(value)
            if text in ("True", "False") and bool(value) is (text == "True"):
                return bool(value)
        if hasattr(kind, "__index__"):
            return int.__add__(index(value), 0)
        if issubclass(kind, Integral):
            return int.__add__(int(value), 0)
        if issubclass(kind, Real):
            return float.__add__(float(value), 0.0)
    except Exception:
        reraise_interrupt()
    return value


def _shown_by_type(kind: type) -> str:
    return f"<{_type_name(kind)}>"


def _type_name(kind: type) -> str:
    # Past its metaclass, which may make of these names what it likes.
    name: str = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__module__"].__get__(kind)
    return f"{module}.{name}" if type(module) is str and module != "builtins" else name
