"""Any value as JSON or as text, without ever raising; for recorders and `to_dict`.

Applications put all kinds of objects into tags and logs. What has no JSON form becomes text, and
what cannot even become text is shown by its type.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

# What one value may grow to: these bound both the work and the size of a hostile or cyclic value.
_MAX_DEPTH = 8
_MAX_PARTS = 10_000

_MAX_JSON_INTEGER = 2**64


def text_of(value: object) -> str:
    """`value` as text that UTF-8 can encode; ``<module.Type>`` where its `str` fails."""
    if isinstance(value, str):
        text = str.__str__(value)
    elif isinstance(value, (bytes, bytearray)):
        text = value.decode("utf-8", "replace")
    elif isinstance(value, TracebackType):
        text = "".join(traceback.format_tb(value))
    elif isinstance(value, type):
        text = _type_name(value)
    elif isinstance(value, BaseException):
        try:
            text = f"{_type_name(type(value))}: {value}"
        except Exception:
            return f"<{_type_name(type(value))}>"
    else:
        try:
            text = str.__str__(str(value))
        except Exception:
            return f"<{_type_name(type(value))}>"
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def json_safe(value: object) -> Any:
    """`value` as what `json.dumps` and orjson accept: str, int, float, bool, None, list, dict."""
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        return text_of(value)
    return _json_safe(value, _MAX_DEPTH, [_MAX_PARTS])


def _json_safe(value: object, depth: int, parts_left: list[int]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        value = int.__add__(value, 0)  # plain, whatever its subclass makes of itself
        return value if -_MAX_JSON_INTEGER < 2 * value < 2 * _MAX_JSON_INTEGER else hex(value)
    if isinstance(value, float):
        value = float.__add__(value, 0.0)
        return value if math.isfinite(value) else float.__repr__(value)
    if isinstance(value, Mapping):
        children: Any = _children(value, depth, parts_left)
        if children is not None:
            return {
                text_of(key): _json_safe(item, depth - 1, parts_left)
                for key, item in children
                if _take_part(parts_left)
            }
    elif isinstance(value, (list, tuple, set, frozenset)):
        children = _children(value, depth, parts_left)
        if children is not None:
            return [
                _json_safe(item, depth - 1, parts_left)
                for item in children
                if _take_part(parts_left)
            ]
    return text_of(value) if depth else f"<{_type_name(type(value))}>"


def _children(value: Any, depth: int, parts_left: list[int]) -> list[Any] | None:
    if not depth or parts_left[0] <= 0:
        return None
    try:
        return list(value.items()) if isinstance(value, Mapping) else list(value)
    except Exception:
        return None


def _take_part(parts_left: list[int]) -> bool:
    parts_left[0] -= 1
    return parts_left[0] >= 0


def _type_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
