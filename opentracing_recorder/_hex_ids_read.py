"""Trace and span ids, read from hexadecimal digits."""

from __future__ import annotations

from binascii import unhexlify
from struct import Struct

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._errors import shown

_int_from_bytes = int.from_bytes
_unpack_ids = Struct(">QQ").unpack
_unpack_long_ids = Struct(">QQQ").unpack


def parse_hex_ids(trace_id: str, span_id: str) -> tuple[int, int]:
    """Both ids of a usual carrier, with all their digits: 16 or 32, and 16.

    Raises ValueError or `struct.error` for any other text, which `parse_hex_id` reads.
    """
    # `parse_hex_id` of both, unrolled: that costs half. Not by `fromhex`, which skips spaces.
    if len(trace_id) == 16:
        trace_number, span_number = _unpack_ids(unhexlify(trace_id + span_id))
    elif len(trace_id) == 32:
        high, low, span_number = _unpack_long_ids(unhexlify(trace_id + span_id))
        trace_number = high << 64 | low
    else:
        raise ValueError
    if trace_number and span_number:
        return trace_number, span_number
    raise ValueError


def parse_hex_id(field: str, value: str, max_digits: int) -> int:
    """An id of at most `max_digits` digits, which is not 0; spaces around it are skipped.

    Raises `SpanContextCorruptedException` with the name of its `field`.
    """
    digits = value.strip(" \t")
    if len(digits) <= max_digits:
        try:
            # `int` would take "0x1", "-1" and "1_0".
            number = _int_from_bytes(unhexlify(digits.zfill(max_digits)), "big")
        except ValueError:
            reraise_interrupt()
            number = 0
        if number:
            return number
    raise SpanContextCorruptedException(f"{field} got an invalid hexadecimal value {shown(value)}")
