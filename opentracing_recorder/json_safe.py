"""Any value as JSON or as text, without ever raising; for recorders and `to_dict`.

Applications put all kinds of objects into tags and logs. What has no JSON form becomes text, and
what cannot even become text is shown by its type.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from itertools import islice
from types import TracebackType
from typing import Any

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
    if issubclass(kind, BaseException):
        return f"{_type_name(kind)}: {value}"
    if issubclass(kind, _CONTAINERS) and not _is_small(value):
        return _shown_by_type(kind)
    return str.__str__(str(value))


_CONTAINERS = (dict, list, tuple, set, frozenset)


def _is_small(container: Any) -> bool:
    """Whether `str` can be asked for its text: fifty lists of which each holds the next one twice
    are small in memory, and their text would never be done.
    """
    left = _MAX_CHARACTERS
    pending = [container]
    while pending:
        each = pending.pop()
        kind = type(each)
        for base in _CONTAINERS:
            if issubclass(kind, base):
                # Past what a subclass makes of these, which may have no end.
                left -= base.__len__(each) * _CHARACTERS_A_PART
                if left < 0:
                    return False
                pending.extend(base.__iter__(each))
                if base is dict:
                    pending.extend(dict.values(each))
                break
        else:
            left -= len(each) if kind in (str, bytes, bytearray) else 0
    return left >= 0


def json_safe(value: object) -> Any:
    """`value` as what `json.dumps` and orjson accept: str, int, float, bool, None, list, dict."""
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        return text_of(value)
    return _json_safe(value, _MAX_DEPTH, [_MAX_PARTS])


def _json_safe(value: Any, depth: int, parts_left: list[int]) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
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
            if is_mapping:
                return {
                    text_of(key): _json_safe(item, depth - 1, parts_left)
                    for key, item in children
                    if _take_part(parts_left)
                }
            return [
                _json_safe(item, depth - 1, parts_left)
                for item in children
                if _take_part(parts_left)
            ]
    except Exception:
        return text_of(_shown_by_type(kind))
    return text_of(value)


def _take_part(parts_left: list[int]) -> bool:
    parts_left[0] -= 1
    return parts_left[0] >= 0


def _shown_by_type(kind: type) -> str:
    return f"<{_type_name(kind)}>"


def _type_name(kind: type) -> str:
    # Past its metaclass, which may make of these names what it likes.
    name: str = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__module__"].__get__(kind)
    return f"{module}.{name}" if type(module) is str and module != "builtins" else name
