"""Any value as JSON or as text, without ever raising; for recorders and `to_dict`.

Applications put all kinds of objects into tags and logs. A value without a JSON form becomes text;
one without a text is shown by its type.
"""

from __future__ import annotations

from collections import UserList, deque
from collections.abc import Callable, Mapping
from itertools import islice
from operator import index
from types import SimpleNamespace, TracebackType

from opentracing.interrupts import reraise_interrupt

from . import _typing as t

# The limits of one value: they bound both the work and the size of a hostile or cyclic one.
_MAX_DEPTH = 8
_MAX_PARTS = 10_000
_MAX_PARTS_OF_TEXT = 200  # of a container as text
_MAX_CHARACTERS = 1_000_000  # of a container as text

_MIN_JSON_INTEGER, _MAX_JSON_INTEGER = -(2**63), 2**64

_SEQUENCES = (
    *(list, tuple, set, frozenset, deque, UserList),
    *map(type, ({}.keys(), {}.values(), {}.items())),
)


class Parts:
    """The limit of parts that several values may have together, in all their containers."""

    __slots__ = ("left", "was_cut")

    def __init__(self, left: int = _MAX_PARTS) -> None:
        self.left = left
        self.was_cut = False


def text_of(value: object) -> str:
    """`value` as text that UTF-8 can encode; a container as the text of its JSON-safe form.

    ``<module.Type>`` if its `str` fails, or if a container's text would be too long.
    """
    if type(value) is str and value.isascii():  # as most are
        return value
    try:
        text = _text_of(value)
    except Exception:
        reraise_interrupt()
        text = _shown_by_type(type(value))
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _text_of(value: t.Any) -> str:
    # By its real type: `isinstance` believes what a proxy says its class is, and runs its code.
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if kind is TracebackType:
        import traceback

        return "".join(traceback.format_tb(value))
    if issubclass(kind, type):
        return _type_name(value)
    if issubclass(kind, BaseException):
        return _text_of_error(value, _MAX_DEPTH, Parts())
    if issubclass(kind, (*_SEQUENCES, SimpleNamespace, Mapping)):
        form = json_safe(value, Parts(_MAX_PARTS_OF_TEXT))
        return str(form) if _length(form) <= _MAX_CHARACTERS else _shown_by_type(kind)
    return str.__str__(str(value))


def _text_of_error(error: BaseException, depth: int, parts: Parts) -> str:
    """The type and the message; the type alone if the arguments are too much for a message."""
    arguments = [
        _json_safe(each, depth, parts) for each in _arguments_of(error) if type(each) is not str
    ]
    if parts.was_cut or _length(arguments) > _MAX_CHARACTERS:
        return _shown_by_type(type(error))
    return f"{_type_name(type(error))}: {error}"


_arguments_of: Callable[[t.Any], tuple[t.Any, ...]] = BaseException.args.__get__  # type: ignore[attr-defined]


def _length(form: t.Any) -> int:
    """The number of characters of the texts in a JSON-safe form: one may be in it many times."""
    if type(form) is str:
        return len(form)
    if type(form) is dict:
        return sum(len(key) + _length(item) for key, item in form.items())
    return sum(map(_length, form)) if type(form) is list else 0


def dict_of(given: t.Any) -> dict[t.Any, t.Any]:
    """`dict(given)`, with what that raises, but of what has no end the first items alone."""
    if hasattr(given, "keys"):
        keys = given.keys()
        pairs = ((key, given[key]) for key in keys)
    else:
        pairs = given
    # A tuple's hash may take for ever, as its text.
    return {
        text_of(key) if issubclass(type(key), tuple) else key: value
        for key, value in islice(pairs, _MAX_PARTS)
    }


def json_safe(value: object, parts: Parts | None = None) -> t.Any:
    """`value` as what `json.dumps` and orjson accept: str, int, float, bool, None, list, dict.

    Several values that belong together share `parts`.
    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        return text_of(value)
    return _json_safe(value, _MAX_DEPTH, Parts() if parts is None else parts)


def _json_safe(value: t.Any, depth: int, parts: Parts) -> t.Any:
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str or issubclass(kind, (str, bytes, bytearray)):
        return text_of(value)
    try:
        if issubclass(kind, int):
            number = int(value)
            return number if _MIN_JSON_INTEGER <= number < _MAX_JSON_INTEGER else hex(number)
        if issubclass(kind, float):
            real = float(value)
            return real if real - real == 0 else repr(real)
        is_mapping = kind is dict or issubclass(kind, (SimpleNamespace, Mapping))
        is_error = not is_mapping and issubclass(kind, BaseException)
        if is_mapping or is_error or issubclass(kind, _SEQUENCES):
            if not depth or parts.left <= 0:
                parts.was_cut = True
                return text_of(_shown_by_type(kind))  # its text could grow without bound
            if is_error:
                parts.left -= 10  # its text is made once for each error that it is in
                return text_of(_text_of_error(value, depth - 1, parts))
            if issubclass(kind, SimpleNamespace):
                value = object.__getattribute__(value, "__dict__")
            # Copied first: another thread may still be changing it.
            children = list(islice(value.items() if is_mapping else value, parts.left))
            parts.left -= len(children)
            if is_mapping:
                return {
                    # `text_of` of plain text, unrolled.
                    key if type(key) is str and key.isascii() else text_of(key): item
                    if type(item) is str and item.isascii()
                    else _json_safe(item, depth - 1, parts)
                    for key, item in children
                }
            return [_json_safe(item, depth - 1, parts) for item in children]
        number = _plain_number(value)
        return text_of(value) if number is value else _json_safe(number, depth, parts)
    except Exception:
        reraise_interrupt()
        return text_of(_shown_by_type(kind))


def _plain_number(value: t.Any) -> t.Any:
    """A number or truth value of another make, such as numpy's, as an int, a float or a bool.

    Any other value is returned as it is, and so is a Decimal, which only text holds.
    """
    kind = type(value)
    try:
        # Much else is true or false, but does not call itself so.
        if hasattr(kind, "__bool__"):
            text = text_of(value)
            if text in ("True", "False") and text == str(bool(value)):
                return bool(value)
        if hasattr(kind, "__index__"):
            return index(value)
        from numbers import Real

        if issubclass(kind, Real):
            return float(value)
    except Exception:
        reraise_interrupt()
    return value


def _shown_by_type(kind: type) -> str:
    return f"<{_type_name(kind)}>"


def _type_name(kind: type) -> str:
    return type.__repr__(kind)[len("<class '") : -len("'>")]  # its metaclass may have another
