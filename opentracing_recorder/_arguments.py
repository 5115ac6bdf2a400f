"""Refuses a wrong argument with an error that names it and shows the value.

Each function raises TypeError or ValueError before the argument is used. A bool is no number here,
and a class is no instance.
"""

from __future__ import annotations

import threading

from . import _typing as t
from ._json_safe import text_of

_SHOWN = 200  # characters of a value


def check_type(
    name: str, value: object, kind: type | tuple[type, ...], wanted: str | None = None
) -> None:
    """Refuse a value of another type; `wanted` says which, if `kind` does not read as English."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        if wanted is None:
            assert isinstance(kind, type)
            wanted = _with_article(kind.__name__)
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def check_instance(name: str, value: object) -> None:
    """Refuse a class where an instance of it belongs: it has the methods, but cannot serve."""
    if isinstance(value, type):
        raise TypeError(f"{name} must be an instance, not the class {value.__name__}")


def check_has(name: str, value: object, method: str) -> None:
    """Refuse a value without this method; its class may derive from any other."""
    check_instance(name, value)
    if not callable(getattr(value, method, None)):
        wanted = _with_article(method)
        raise TypeError(f"{name} must have {wanted} method; {type(value).__name__} has none")


def check_count(name: str, value: t.Any) -> int:
    """Return `value` if it is an int of at least 1."""
    check_type(name, value, int)
    check_range(name, value, value >= 1, "at least 1")
    return value  # type: ignore[no-any-return]


def check_seconds(name: str, value: t.Any) -> float:
    """Return `value` if it is a number of seconds above 0, and one that a thread can wait for."""
    check_type(name, value, (int, float), "a number of seconds")
    check_range(name, value, 0 < value <= threading.TIMEOUT_MAX, "more than 0 seconds")
    return value  # type: ignore[no-any-return]


def check_timeout(value: t.Any) -> None:
    """Refuse a value that is neither None nor a number of seconds."""
    if value is not None:
        check_type("timeout", value, (int, float), "a number of seconds or None")
        check_range("timeout", value, value == value, "a number of seconds")


def check_range(name: str, value: object, is_inside: bool, wanted: str) -> None:
    """Refuse a value for which the caller found that it is outside the range."""
    if not is_inside:
        raise ValueError(f"{name} must be {wanted}, not {text_of(value)[:_SHOWN]}")


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"
