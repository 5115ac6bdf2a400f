"""The standard log fields of the OpenTracing semantic conventions, for `Span.log_kv`."""

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
