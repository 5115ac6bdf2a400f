"""The kinds of functions, for the decorator and for work that is handed over."""

from __future__ import annotations

from . import _typing as t

# Flags of code. `inspect`, which names them, takes longer to import than this package.
GENERATOR = 0x20
COROUTINE = 0x80
ITERABLE_COROUTINE = 0x100  # a generator that may be awaited: of `types.coroutine`
ASYNC_GENERATOR = 0x200

# `inspect.markcoroutinefunction` sets the first; its like in asgiref and unittest.mock the second.
_COROUTINE_MARKS = ("_is_coroutine_marker", "_is_coroutine")


def unbound(function: t.Any) -> t.Any:
    """The function inside partial functions, which has their name and kind."""
    if hasattr(function, "__code__"):  # as most have, bound methods too
        return function
    from functools import partial

    while isinstance(function, partial):
        function = function.func
    return function


def flags_of(function: t.Any) -> int:
    """The flags of a callable's code; 0 if it has none, as that of a builtin function."""
    attributes = getattr(function, "__dict__", ())
    if any(mark in attributes for mark in _COROUTINE_MARKS):
        return COROUTINE
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__call__, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    return flags if isinstance(flags, int) else 0
