"""The carrier formats every tracer understands, and what inject and extract may raise.

Used by instrumentation libraries on both sides of a process boundary.
"""

from __future__ import annotations


class UnsupportedFormatException(Exception):
    """The tracer has no propagator for the format that was asked for."""


class InvalidCarrierException(Exception):
    """The carrier is not of a type that its format can read or write."""


class SpanContextCorruptedException(Exception):
    """The carrier holds a trace, but one that cannot be read."""


class Format:
    """The names of the built-in formats, for `Tracer.inject` and `Tracer.extract`.

    A tracer may support more; formats are compared with ``==``.
    """

    BINARY = "binary"
    """One opaque run of bytes. Inject appends to a ``bytearray``."""

    TEXT_MAP = "text_map"
    """String keys and values of any characters, kept as they are.

    The carrier may hold unrelated entries too: a tracer marks its own with a prefix.
    """

    HTTP_HEADERS = "http_headers"
    """Keys and values that are safe as HTTP header names and values, with no further escaping.

    The carrier may hold unrelated headers; names may come back in another case.
    """
