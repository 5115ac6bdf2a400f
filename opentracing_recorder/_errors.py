"""Errors and values of others for logs and messages: escaped, shortened, without secrets.

The text of an error is a backend's, or a client library's, as much as ours: it may hold a server's
answer, and URLs and headers with credentials. Copies of exceptions keep no frame alive.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._json_safe import text_of

_SHOWN = 500  # characters
_SEARCHED = 10_000  # characters, before what is hidden makes a text shorter
_MOST_CAUSES = 10
_HIDDEN = "***"

# Patterns of `re`, which is imported when they are first needed.
_BETWEEN_TOKENS = r'([\s"<>]+)'
# The text that http.client, requests, h11 and gRPC write before a header that they refuse; and a
# name with its value.
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
    import re

    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    text = re.sub(_SECRETS, rf"\1 {_HIDDEN}", text[:_SEARCHED])
    text = "".join(map(_without_secrets, re.split(_BETWEEN_TOKENS, text)))
    # One character more than is shown: otherwise millions might have to be escaped.
    text = visible(text[: length + 1])
    return text if len(text) <= length else text[: length - 3] + "..."


def _without_secrets(token: str) -> str:
    """A URL, or a text that may be a part of one, without credentials and query."""
    before, _, after = token.rpartition("@")
    if ":" in before:
        scheme, slashes, _ = before.partition("://")
        token = f"{scheme + slashes if slashes else ''}{_HIDDEN}@{after}"
    before, _, query = token.partition("?")
    return f"{before}?{_HIDDEN}" if query.strip("?") else token


def shown(value: t.Any, length: int = 40) -> str:
    """The repr of a value for a message, on one line; `length` is in characters."""
    text = repr(value[: length + 1] if isinstance(value, (str, bytes)) else value)
    return visible(text if len(text) <= length + 2 else f"{text[:length]}...")


def visible(text: str, unicode: bool = True, also: str = "") -> str:
    """The text with every character escaped that would move a cursor or turn the direction.

    Such characters become Python's escapes, and so does all that is not ASCII if `unicode` is
    false. The characters of `also` stay as they are.
    """
    if text.isprintable() and (unicode or text.isascii()):
        return text
    return text.translate(_Escapes(unicode, also))


class _Escapes(dict[int, str]):
    """The form of each character, made at its first use: texts may have millions."""

    def __init__(self, unicode: bool, also: str) -> None:
        self._unicode, self._also = unicode, also

    def __missing__(self, code: int) -> str:
        each = chr(code)
        if not (each in self._also or (each.isprintable() and (self._unicode or code < 128))):
            each = each.encode("unicode_escape").decode("ascii")
        self[code] = each
        return each


class EscapedError(Exception):
    """Stands for an error in a traceback; its message is the type and the message of that error."""


def loggable(error: BaseException) -> BaseException:
    """An error whose traceback can be logged: itself, unless its text or that of a cause cannot.

    Otherwise an `EscapedError` with the same frames, and one for each of the causes.
    """
    try:
        return _loggable(error)
    except Exception:  # the error's own code for its cause fails
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
    # A traceback shows more than the message of these.
    has_more = isinstance(error, SyntaxError) or any(
        hasattr(error, name) for name in ("__notes__", "exceptions")
    )
    return not has_more and error_text(error) == text_of(error)


_GROUPS: t.Any = getattr(builtins, "BaseExceptionGroup", None)  # from Python 3.11


def group_types() -> tuple[t.Any, ...]:
    """The base class of exception groups; before Python 3.11 that of the backport, if loaded."""
    kind = _GROUPS or getattr(sys.modules.get("exceptiongroup"), "BaseExceptionGroup", None)
    return () if kind is None else (kind,)


_MAX_DEPTH = 8  # of exceptions inside exceptions


def without_frames(error: BaseException) -> BaseException | str:
    """A copy of an exception that leads to no traceback; its text if no copy is faithful."""
    text = text_of(error)
    return text if text.startswith("<") else _without_frames(error, _MAX_DEPTH)  # <its type>


def _without_frames(error: BaseException, depth: int) -> BaseException | str:
    if not depth:
        return text_of(error)
    # The members of a group have tracebacks too.
    is_group = isinstance(error, group_types())
    try:
        made = _copy_of_group(error, depth) if is_group else _copy_of(error, depth)
        if made is not error and type(made) is type(error) and str(made) == str(error):
            return made
    except Exception:  # for example, it cannot be made without its constructor
        reraise_interrupt()
    return text_of(error)


def _copy_of(error: BaseException, depth: int) -> BaseException:
    kind = type(error)
    if kind.__module__ == "builtins":
        from copy import copy

        made = copy(error)
    else:
        # The application's constructor is not called: it may do more than construct.
        made = kind.__new__(kind, *error.args)
        made.__dict__.update(error.__dict__)
    # An exception in an attribute, such as a cause, has a traceback of its own.
    made.args = tuple(_released(each, depth) for each in error.args)
    for name, each in error.__dict__.items():
        if isinstance(each, BaseException):
            made.__dict__[name] = _released(each, depth)
    return made


def _released(value: t.Any, depth: int) -> t.Any:
    return _without_frames(value, depth - 1) if isinstance(value, BaseException) else value


def _copy_of_group(error: t.Any, depth: int) -> BaseException:
    members = [_without_frames(each, depth - 1) for each in error.exceptions]
    return error.derive(members)  # type: ignore[no-any-return]
