"""The wire format of protocol buffers, read and written without their package.

Source: the encoding guide of protocol buffers (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Types of fields. A field's key is its number, shifted by three bits, and its type."""


class MalformedMessage(ValueError):
    """Raised for bytes that are no message: `field` says where, `value` is what was found."""

    def __init__(self, field: str, value: bytes) -> None:
        super().__init__(field, value)
        self.field = field
        self.value = value


def varint(number: int) -> bytes:
    """A number from 0 to 2**64 - 1 in groups of seven bits, the lowest first."""
    if number < 0x80:
        return _SHORT[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


_SHORT = tuple(bytes((number,)) for number in range(0x80))


def bytes_field(key: int, content: bytes) -> bytes:
    """A field of bytes, text or a message, whose key is less than 128."""
    return _SHORT[key] + varint(len(content)) + content


def read_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: their keys, and values as int or bytes, by the type of the field.

    Raises `MalformedMessage`.
    """
    position = 0
    while position < len(data):
        # Most keys and sizes are one byte: without a call, small fields cost half.
        key = data[position]
        if key < 0x80:
            position += 1
        else:
            key, position = _read_varint(data, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _read_varint(data, position)
            yield key, value
            continue
        if kind == FIXED64:
            size = 8
        elif kind == FIXED32:
            size = 4
        elif kind == BYTES:
            size = data[position] if position < len(data) else 0x80
            if size < 0x80:
                position += 1
            else:
                size, position = _read_varint(data, position)
        else:  # groups, which were abolished long ago, or no type at all
            raise MalformedMessage(f"field {key >> 3}", data[position : position + 8])
        content = data[position : position + size]
        if len(content) < size:
            raise MalformedMessage(f"field {key >> 3}", content)
        position += size
        yield key, content if kind == BYTES else int.from_bytes(content, "little")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at a position, of at most ten bytes, and the position after it."""
    number = 0
    for index, byte in enumerate(data[position : position + 10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, position + index + 1
    raise MalformedMessage("varint", data[position : position + 10])
