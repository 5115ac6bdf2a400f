"""Text of others for a log: that of an error in one line, escaped, shortened, without secrets.

The texts of errors are a backend's, or a client library's, as much as ours: they hold what a server
answered, and URLs and headers with what these hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opentracing.interrupts import reraise_interrupt

from ._json_safe import text_of

_SHOWN = 500  # characters
_SEARCHED = 10_000  # characters, before what is hidden makes a text shorter
_MOST_CAUSES = 10
_HIDDEN = "***"

# Patterns that `re` compiles when they are first needed.
_BETWEEN_TOKENS = r'([\s"<>]+)'
# What http.client, requests, h11 and gRPC write before a header that they refuse; and a name with
# its value.
_SECRETS = (
    r"(?i)(\bheader (?:value|part)|\bmetadata was invalid|\bbearer(?=\s)"
    r"|(?:authorization|cookie|(?:api|auth|access)[-_]?(?:key|token)|password|secret)['\"]*\s*[:=,])"
    r"[^\r\n]*"
)


def error_text(error: BaseException) -> str:
    """The type and the message of an error, as `one_line`."""
    return one_line(text_of(error))


def one_line(text: str, secrets: Iterable[str] = (), length: int = _SHOWN) -> str:
    """The start of a text, without line breaks or anything else that a terminal acts on.

    Hides the credentials and the query of a URL, the value of a header that has a secret by its
    name, and the `secrets`.
    """
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    text = re.sub(_SECRETS, rf"\1 {_HIDDEN}", text[:_SEARCHED])
    text = "".join(map(_without_secrets, re.split(_BETWEEN_TOKENS, text)))
    # One character more than is shown: otherwise millions might have to be escaped.
    text = "".join(map(_escaped, text[: length + 1]))
    return text if len(text) <= length else text[: length - 3] + "..."


def _without_secrets(token: str) -> str:
    """A URL, or what may be a part of one, without credentials and query."""
    before, _, after = token.rpartition("@")
    if ":" in before:
        scheme, slashes, _ = before.partition("://")
        token = f"{scheme + slashes if slashes else ''}{_HIDDEN}@{after}"
    before, _, query = token.partition("?")
    return f"{before}?{_HIDDEN}" if query.strip("?") else token


def _escaped(each: str) -> str:
    return each if each.isprintable() else each.encode("unicode_escape").decode("ascii")


class EscapedError(Exception):
    """Stands for an error in a traceback; its message is the type and the message of that error."""


def loggable(error: BaseException) -> BaseException:
    """An error whose traceback can be logged: itself, unless its text or that of a cause cannot.

    Otherwise an `EscapedError` with the same frames, and one for each of the causes.
    """
    try:
        return _loggable(error)
    except Exception:  # one with code of its own where others have a cause
        reraise_interrupt()
        return EscapedError(error_text(error))


def _loggable(error: BaseException) -> BaseException:
    causes: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and len(causes) <= _MOST_CAUSES:
        causes.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    if len(causes) <= _MOST_CAUSES and all(map(_is_loggable, causes)):
        return error
    shown: EscapedError | None = None
    for each in reversed(causes):
        cause, shown = shown, EscapedError(error_text(each)).with_traceback(each.__traceback__)
        shown.__cause__ = cause
    return shown or error


def _is_loggable(error: BaseException) -> bool:
    # Of these a traceback shows more than the message.
    has_more = isinstance(error, SyntaxError) or any(
        hasattr(error, name) for name in ("__notes__", "exceptions")
    )
    return not has_more and error_text(error) == text_of(error)
