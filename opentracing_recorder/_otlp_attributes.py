"""Attributes in OTLP's protocol buffers.

The bytes before a value, and few short texts, are kept: a service uses the same names in every
span.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from types import MappingProxyType
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._json_safe import text_of
from ._opentelemetry_conventions import NUMBERS
from ._otlp_numbers import MAX_64_BITS, fits
from ._protobuf import bytes_field, varint

_DOUBLE = Struct("<d").pack


def utf8(text: Any) -> bytes:
    return text_of(text).encode()


def text_field(key: int, text: Any) -> bytes:
    return bytes_field(key, utf8(text)) if text else b""


class _Heads(dict[int, bytes]):
    """All of an attribute that stands before its value, by the value's size in bytes."""

    def __init__(self, field: int, name: str, type_of_value: int) -> None:
        super().__init__()
        self._field = field
        self._key = bytes_field(0x0A, name.encode())
        self._type = type_of_value

    def __missing__(self, size: int) -> bytes:
        value = bytes((self._type,))
        if self._type == _STRING:
            value += varint(size)
        start = self._key + b"\x12" + varint(len(value) + size) + value
        head = bytes((self._field,)) + varint(len(start) + size) + start
        if size < 0x80:
            self[size] = head
        return head


class _Texts(dict[str, bytes]):
    """All of an attribute with a text, by the text. Few short texts are kept, as most are few."""

    def __init__(self, heads: _Heads) -> None:
        super().__init__()
        self._heads = heads

    def __missing__(self, text: str) -> bytes:
        content = text.encode()
        field = self._heads[len(content)] + content
        if len(self) < _MOST_TEXTS_KEPT and len(content) <= LONGEST_KEPT:
            self[text] = field
        return field


class _ByName(dict[str, Any]):
    """The `_Heads`, or for text the `_Texts`, of names used lately, whose number is bounded."""

    def __init__(self, field: int, type_of_value: int, names: Mapping[str, str]) -> None:
        super().__init__()
        self._field = field
        self._type = type_of_value
        self._names = names

    def __missing__(self, name: str) -> Any:
        if type(name) is not str:  # another one may be equal to it
            raise TypeError("a name of a class of its own")
        made: Any = _Heads(self._field, self._names.get(name, name), self._type)
        if self._type == _STRING:
            if self._names and name in NUMBERS:
                raise ValueError("text that becomes a number")
            made = _Texts(made)
        if len(name) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[name] = made
        return made


class Attributes:
    """Writes attributes as fields of one key, each a KeyValue, under other `names` if there are."""

    def __init__(
        self, field: int, names: Mapping[str, str] = MappingProxyType({}), is_plain: bool = False
    ) -> None:
        self._field = field
        self._is_plain = is_plain
        self._of_text = _ByName(field, _STRING, names)
        self._of_int = _ByName(field, _INT, names)
        self._of_bool = _ByName(field, _BOOL, names)
        self._of_float = _ByName(field, _FLOAT, names)

    def write(self, attributes: Mapping[str, Any], parts: list[bytes]) -> None:
        """Append to `parts`.

        May raise for a value of which `of` takes care; if `is_plain`, for every one that is no
        text, truth value or number.
        """
        append = parts.append
        of_text = self._of_text
        for key in attributes:  # not of `items`: making the pairs costs more
            value = attributes[key]
            kind = type(value)
            if kind is str:
                append(of_text[key][value])
            elif kind is int:
                content = _INTS[value] if 0 <= value < 1024 else _int(value)
                append(self._of_int[key][len(content)])
                append(content)
            elif kind is bool:
                append(self._of_bool[key][1])
                append(_INTS[value])
            elif kind is float:
                if value - value:  # true for what is no number, and for an infinite one
                    raise ValueError("a float without a finite value")
                append(self._of_float[key][8])
                append(_DOUBLE(value))
            elif self._is_plain:
                raise TypeError("not plain")
            else:
                append(bytes_field(self._field, _key_value(key, value)))

    def of(self, attributes: Mapping[str, Any]) -> bytes:
        """The fields of all attributes. Raises nothing for values of OpenTelemetry's types."""
        parts: list[bytes] = []
        try:
            self.write(attributes, parts)
        except Exception:  # text without UTF-8, a long integer, a name that is no text
            reraise_interrupt()
            parts = [bytes_field(self._field, _key_value(*item)) for item in attributes.items()]
        return b"".join(parts)


def _key_value(key: Any, value: Any) -> bytes:
    return bytes_field(0x0A, utf8(key)) + bytes_field(0x12, _any_value(value))


def _any_value(value: Any) -> bytes:
    """An AnyValue; one without a field for None."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"%c%c" % (_BOOL, value)
    if isinstance(value, str):
        return bytes_field(_STRING, utf8(value))
    if isinstance(value, int):
        if fits(value):
            return b"%c%b" % (_INT, _int(value))
        return bytes_field(_STRING, hex(value).encode())
    if isinstance(value, float):
        return b"%c%b" % (_FLOAT, _DOUBLE(value))
    if isinstance(value, bytes):
        return bytes_field(0x3A, value)
    if isinstance(value, Sequence):
        return bytes_field(0x2A, b"".join(bytes_field(0x0A, _any_value(each)) for each in value))
    if isinstance(value, Mapping):
        return bytes_field(0x32, of_others.of(value))
    return bytes_field(_STRING, utf8(value))


def _int(value: int) -> bytes:
    if not fits(value):
        raise ValueError("an integer of more than 64 bits")
    return varint(value & MAX_64_BITS)


_STRING, _BOOL, _INT, _FLOAT = 0x0A, 0x10, 0x18, 0x21  # keys of an AnyValue

LONGEST_KEPT, MOST_KEPT, _MOST_TEXTS_KEPT = 100, 512, 16  # characters, names, texts of a name

_INTS = tuple(map(varint, range(1024)))

of_others = Attributes(0x0A)
