"""Trace and span ids: drawn at random, and written as hexadecimal digits."""

from __future__ import annotations

import os
from _random import Random  # the base of the class in `random`, which loads much that is not needed

from . import _typing as t
from ._process import at_fork

# A generator of our own: `random.seed()` in the application does not reach it. The system's entropy
# seeds it. `getrandbits` is one C call, atomic among threads, and costs a tenth of `os.urandom`.
_random = Random()


def _seed() -> None:
    # With an argument: by itself, only that of CPython is known to take the system's entropy.
    _random.seed(int.from_bytes(os.urandom(32), "big"))


_seed()
at_fork(_seed)

random_bits = _random.getrandbits
"""A random number of as many bits as asked for."""

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
