"""The carrier formats of every tracer, and the exceptions of inject and extract.

Instrumentation needs them on both sides of a process boundary. A malformed header must not fail the
request::

    from opentracing import Format, SpanContextCorruptedException
    from opentracing_recorder import BasicTracer

    tracer = BasicTracer()
    headers = {"ot-tracer-traceid": "?", "ot-tracer-spanid": "1", "ot-tracer-sampled": "true"}
    try:
        caller = tracer.extract(Format.HTTP_HEADERS, headers)
    except SpanContextCorruptedException:
        caller = None
    with tracer.start_active_span("serve", child_of=caller):
        pass

- `extract` returns None if the carrier holds no trace. It raises `SpanContextCorruptedException`
  for a malformed trace.
- Both `inject` and `extract` raise `InvalidCarrierException` for a carrier that the format cannot
  use, and `UnsupportedFormatException` for a format that the tracer does not have.
- They may be called from any thread, with a carrier that no other thread changes meanwhile.

`opentracing_recorder.propagator` describes carriers and the limits of what is read.
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
