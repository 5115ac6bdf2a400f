"""Trace and span ids: drawn at random, written as hexadecimal digits, and read from them."""

from __future__ import annotations

from binascii import unhexlify
from random import Random
from struct import Struct

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._errors import shown
from ._process import at_fork

# A generator of our own: `random.seed()` in the application does not reach it. The system's entropy
# seeds it. `getrandbits` is one C call, atomic among threads, and costs a tenth of `os.urandom`.
_random = Random()

at_fork(_random.seed)

random_bits = _random.getrandbits
"""A random number of as many bits as asked for."""

_int_from_bytes = int.from_bytes
_unpack_ids = Struct(">QQ").unpack
_unpack_long_ids = Struct(">QQQ").unpack
_64_BITS = 1 << 64


def hex_ids(
    trace_id: t.Any, span_id: t.Any, parent_id: t.Any = None
) -> tuple[str, str, str | None] | None:
    """The ids for the wire: 16 digits each, or 32 for a trace id of more than 64 bits.

    None unless a trace can have the ids of trace and span. The parent's is None unless a span can
    have it. Checking and formatting each id is unrolled into one call.
    """
    if isinstance(trace_id, int) and isinstance(span_id, int) and trace_id and span_id:
        parent = None
        try:
            # Bytes cost a third of formatting numbers.
            if parent_id and isinstance(parent_id, int) and 0 < parent_id < _64_BITS:
                parent = parent_id.to_bytes(8, "big").hex()
            return (
                trace_id.to_bytes(8 if trace_id < _64_BITS else 16, "big").hex(),
                span_id.to_bytes(8, "big").hex(),
                parent,
            )
        except OverflowError:  # negative, or too long
            pass
    return None


def id_text(number: object) -> str:
    """Any integer as 16 digits or 32, for a reader; ``""`` for anything else."""
    if not isinstance(number, int):
        return ""
    try:
        return number.to_bytes(8 if number < _64_BITS else 16, "big").hex()
    except OverflowError:  # no trace has it: a test made it up
        return f"{number:x}"


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
