"""Numbers within the ranges that OTLP's messages have for them."""

from __future__ import annotations

HAS_IS_REMOTE, IS_REMOTE = 0x100, 0x200
"""Flags that OTLP has beside W3C's: whether a context is remote, if that is known."""

MAX_64_BITS = (1 << 64) - 1


def otlp_flags(flags: int, is_remote: bool) -> int:
    """The flags of W3C's ``traceparent``, and whether the parent, or a link's span, is remote."""
    return flags & 0xFF | HAS_IS_REMOTE | (IS_REMOTE if is_remote else 0)


def within(nanoseconds: int) -> int:
    """The nearest time that an unsigned integer of 64 bits can hold."""
    return min(max(nanoseconds, 0), MAX_64_BITS)


def fits(number: int) -> bool:
    """Whether a signed integer of 64 bits can hold it."""
    return -(1 << 63) <= number < 1 << 63
