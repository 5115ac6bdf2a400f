"""Ids and numbers in the JSON of other programs, for `opentracing_recorder.span_files`."""

from __future__ import annotations

import base64
from typing import Any

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._errors import shown
from ._hex_ids import id_text
from ._hex_ids_read import parse_hex_id
from ._json_safe import text_of

_LATEST = 1 << 64  # of a time in any unit


def trace_id_of(value: Any) -> str:
    """A trace id in the form of `to_dict`. Raises ValueError if it is none."""
    return _id("trace id", value, 32)


def span_id_of(value: Any) -> str:
    """A span id in the form of `to_dict`. Raises ValueError if it is none."""
    return _id("span id", value, 16)


def parent_id_of(value: Any) -> str | None:
    """A parent's id; None if it is missing. Text that no span can have is kept as it is."""
    if not value:
        return None
    try:
        return span_id_of(value)
    except ValueError:
        reraise_interrupt()
        text = text_of(value)
        return text if text.strip("0=A") else None  # zeros, also in base64


def _id(name: str, value: Any, digits: int) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"it has no {name}")
    # Protobuf's own JSON has bytes in base64, as Tempo writes them: 24 characters, or 12.
    if len(value) == digits * 3 // 4 and (digits == 32 or value.endswith("=")):
        try:
            number = int.from_bytes(base64.b64decode(value, validate=True), "big")
            if number and (digits == 16 or value.endswith("==")):
                return id_text(number)
        except ValueError:
            reraise_interrupt()
    try:
        return id_text(parse_hex_id(name, value, digits))
    except SpanContextCorruptedException:
        reraise_interrupt()
        raise ValueError(f"its {name} is not hexadecimal: {shown(value)}") from None


def integer_of(value: Any) -> int | None:
    """A number of 64 bits, which may be text; None for any other value."""
    kind = type(value)
    if kind is str:
        is_number = len(value) < 21 and value.isascii() and value.lstrip("-").isdigit()
        value = int(value) if is_number and value.count("-") < 2 else None
    elif kind is float:
        value = int(value) if abs(value) < _LATEST else None
    return value if type(value) is int and abs(value) < _LATEST else None


def seconds_of(value: Any, per_second: int) -> float:
    """A time since the epoch in seconds, from an integer in a smaller unit; 0.0 if it is none."""
    return (integer_of(value) or 0) / per_second


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def dict_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
