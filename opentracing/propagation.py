"""The carrier formats of every tracer, and the exceptions of inject and extract.

Used by instrumentation libraries on both sides of a process boundary.
"""

from __future__ import annotations


class UnsupportedFormatException(Exception):
    """The tracer has no propagator for the format."""


class InvalidCarrierException(Exception):
    """The carrier has a type that the format cannot read or write."""


class SpanContextCorruptedException(Exception):
    """The carrier has a trace that cannot be read."""


class Format:
    """The names of the built-in formats, for `Tracer.inject` and `Tracer.extract`.

    A tracer may support more; formats are compared with ``==``.
    """

    BINARY = "binary"
    """Opaque bytes. Inject appends them to a ``bytearray``."""

    TEXT_MAP = "text_map"
    """String keys and values with any characters, which arrive unchanged.

    The carrier may have unrelated entries too, so a tracer gives its own a prefix.
    """

    HTTP_HEADERS = "http_headers"
    """Keys and values that are valid HTTP header names and values, without further escaping.

    The carrier may have unrelated headers, and names may arrive in another case.
    """
