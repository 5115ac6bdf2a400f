"""The standard log fields of the OpenTracing semantic conventions.

Pass them to `Span.log_kv`::

    from opentracing import global_tracer, logs

    with global_tracer().start_active_span("charge") as scope:
        scope.span.log_kv({logs.EVENT: "retry", logs.MESSAGE: "the card's issuer is busy"})

Each constant is a field's key. An exception that leaves a span's ``with`` block is logged under all
five of them.
"""

from __future__ import annotations

ERROR_KIND = "error.kind"
"""The type of an error; for an exception, its class."""

ERROR_OBJECT = "error.object"
"""The exception itself."""

EVENT = "event"
"""A stable name for what happened, such as ``"error"``."""

MESSAGE = "message"
"""A short sentence for people."""

STACK = "stack"
"""The stack of the error: a traceback, or its text."""
