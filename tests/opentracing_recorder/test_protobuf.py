"""The wire format of protocol buffers, as the official package reads and writes it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opentracing_recorder._protobuf import MalformedMessage, bytes_field, read_fields, varint

_LONGEST_READ = 64 * 1024  # bytes of a server's reply


@given(st.integers(0, 2**64 - 1) | st.integers(0, 70).map(lambda bits: (1 << min(bits, 63)) - 1))
@example(2**64 - 1)
@example(0x80)
@example(0x4000)
def test_a_number_is_read_back(number: int) -> None:
    """In groups of seven bits, no more than it needs."""
    written = varint(number)
    assert list(read_fields(b"\x08" + written)) == [(0x08, number)]
    assert len(written) == max(1, -(-number.bit_length() // 7))


@given(st.lists(st.tuples(st.integers(1, 15), st.binary(max_size=300)), max_size=5))
def test_fields_of_bytes_are_read_back(fields: list[tuple[int, bytes]]) -> None:
    """In their order, however often one is repeated."""
    keys = [(number << 3 | 2, content) for number, content in fields]
    assert list(read_fields(b"".join(bytes_field(*each) for each in keys))) == keys


@given(st.binary() | st.lists(st.integers(0, 0x8F), max_size=50).map(bytes))
@example(b"\x08")
@example(b"\x0a")
@example(b"\x0a\x80")
@example(b"\x0b")
@example(b"\xff" * 11)
@example(b"\x0a" + b"\xff" * 9 + b"\x01")
@example(b"\x09\x00")
def test_any_bytes_are_fields_or_malformed(data: bytes) -> None:
    """No other exception is raised, and no field is longer than the bytes there are."""
    fields = []
    with suppress(MalformedMessage):
        fields.extend(read_fields(data))
    assert len(fields) <= len(data)
    assert sum(len(value) for _, value in fields if type(value) is bytes) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08" * _LONGEST_READ,
        b"\x0a\x00" * (_LONGEST_READ // 2),
        b"\xff" * _LONGEST_READ,
        b"\x0a" + varint(_LONGEST_READ) + b"\x08" * _LONGEST_READ,
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * _LONGEST_READ,
    ],
    ids=["numbers", "empty fields", "one number", "one field", "a size beyond its end"],
)
def test_each_byte_is_read_once(data: bytes) -> None:
    """A long message takes no more steps than it has bytes, also if it is malformed."""
    steps = 0
    with suppress(MalformedMessage):
        for _ in read_fields(data):
            steps += 1
    assert steps <= len(data)
