"""BinaryPropagator: the BINARY format of the basictracer family, without the protobuf package.

::

    from opentracing_recorder import BasicSpanContext, BinaryPropagator

    carrier = bytearray()
    BinaryPropagator().inject(BasicSpanContext(1, 2, {"user": "amy"}), carrier)
    context = BinaryPropagator().extract(bytes(carrier))
    assert (context.span_id, context.baggage) == (2, {"user": "amy"})

The wire is basictracer-go's ``wire.proto``: a big-endian uint32, the length of the rest, then this
message of protocol buffers, version 3:

    message TracerState {
        fixed64 trace_id = 1;
        fixed64 span_id = 2;
        bool sampled = 3;
        map<string, string> baggage_items = 4;
        fixed64 trace_id_high = 5;  // ours: the upper half of a 128-bit trace id; others skip it
    }

An undecided context is written as sampled. Limits and errors: see
`opentracing_recorder.propagator`.
"""

from __future__ import annotations

import struct

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._baggage import bounded_baggage, written_baggage
from ._errors import shown
from ._hex_ids import hex_ids
from ._protobuf import BYTES, FIXED64, VARINT, MalformedMessage, bytes_field, read_fields
from .context import BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import Propagator

# A field's key is its number, shifted by three bits, and the type of its value.
_TRACE_ID_KEY = 1 << 3 | FIXED64
_SPAN_ID_KEY = 2 << 3 | FIXED64
_SAMPLED_KEY = 3 << 3 | VARINT
_BAGGAGE_KEY = 4 << 3 | BYTES
_TRACE_ID_HIGH_KEY = 5 << 3 | FIXED64
_ITEM_KEY_KEY = 1 << 3 | BYTES
_ITEM_VALUE_KEY = 2 << 3 | BYTES

_MAX_64_BITS = 2**64 - 1

# A sampled trace without baggage, as every tracer writes it: the message's length, then the ids and
# `sampled`, each behind its key.
_USUAL = struct.Struct("<4sBQBQBB")
_USUAL_SIZE = _USUAL.size
_USUAL_LENGTH = struct.pack(">I", _USUAL_SIZE - 4)
_unpack_usual = _USUAL.unpack

_pack_ids = struct.Struct("<BQBQ").pack
_pack_length = struct.Struct(">I").pack
_SAMPLED = bytes((_SAMPLED_KEY, 1))


class BinaryPropagator(Propagator):
    """Appends to a ``bytearray``; reads ``bytes``, ``bytearray`` or ``memoryview``."""

    def inject(self, span_context: SpanContext, carrier: t.Any) -> None:
        """Append `span_context` to the bytearray `carrier`; without a trace, append nothing."""
        if not isinstance(carrier, bytearray):
            raise InvalidCarrierException(
                f"the carrier is a {type(carrier).__name__}; wanted: a bytearray"
            )
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        trace_id: t.Any = span_context.trace_id
        span_id = span_context.span_id
        if hex_ids(trace_id, span_id) is None:
            return
        message = _pack_ids(_TRACE_ID_KEY, trace_id & _MAX_64_BITS, _SPAN_ID_KEY, span_id)
        # False is the default, which is never written. `or` saves the call of a property.
        if span_context.sampled or span_context.is_sampled:
            message += _SAMPLED
        if span_context._baggage:
            for key, value in written_baggage(span_context):
                item = bytes_field(_ITEM_KEY_KEY, key.encode())
                item += bytes_field(_ITEM_VALUE_KEY, value.encode())
                message += bytes_field(_BAGGAGE_KEY, item)
        if trace_id > _MAX_64_BITS:
            message += struct.pack("<BQ", _TRACE_ID_HIGH_KEY, trace_id >> 64)
        try:
            carrier += _pack_length(len(message)) + message
        except BufferError as error:
            raise InvalidCarrierException("the carrier is fixed by a memoryview of it") from error

    def extract(self, carrier: t.Any) -> BasicSpanContext | None:
        kind = type(carrier)
        if (kind is bytearray or kind is bytes) and len(carrier) == _USUAL_SIZE:
            # The fields of the usual message, unrolled: read at once, they cost a quarter.
            length, first, trace_id, second, span_id, third, sampled = _unpack_usual(carrier)
            if (
                length == _USUAL_LENGTH
                and first == _TRACE_ID_KEY
                and second == _SPAN_ID_KEY
                and third == _SAMPLED_KEY
                and sampled == 1
                and trace_id
                and span_id
            ):
                return RemoteSpanContext(trace_id, span_id)
        if carrier is None:
            return None
        if not isinstance(carrier, (bytes, bytearray, memoryview)):
            raise InvalidCarrierException(
                f"the carrier is a {type(carrier).__name__};"
                " wanted: bytes, a bytearray or a memoryview"
            )
        try:
            data = bytes(carrier)
        except ValueError as error:
            reraise_interrupt()
            raise InvalidCarrierException("the carrier is a released memoryview") from error
        if not data:
            return None
        if len(data) < 4:
            raise _corrupted("length", data)
        (length,) = struct.unpack_from(">I", data)
        if length > len(data) - 4:
            raise SpanContextCorruptedException(
                f"length says {length} bytes, but only {len(data) - 4} follow"
            )
        ids = {_TRACE_ID_KEY: 0, _SPAN_ID_KEY: 0, _TRACE_ID_HIGH_KEY: 0}
        sampled = False
        items: list[tuple[str, str]] = []
        unreadable = 0
        try:
            for key, value in read_fields(data[4 : 4 + length]):
                if key in ids:
                    ids[key] = value
                elif key == _SAMPLED_KEY:
                    sampled = value != 0
                elif key == _BAGGAGE_KEY:
                    try:
                        items.append(_baggage_item(value))
                    except UnicodeDecodeError:
                        unreadable += 1
        except MalformedMessage as error:
            reraise_interrupt()
            raise _corrupted(error.field, error.value) from None
        trace_id = ids[_TRACE_ID_HIGH_KEY] << 64 | ids[_TRACE_ID_KEY]
        if not trace_id:
            raise _corrupted("trace_id", 0)
        if not ids[_SPAN_ID_KEY]:
            raise _corrupted("span_id", 0)
        # If a map repeats a key, protocol buffers take the last one.
        baggage, dropped = bounded_baggage(dict(items).items())
        context = RemoteSpanContext(trace_id, ids[_SPAN_ID_KEY], baggage, sampled)
        if dropped + unreadable:
            context.dropped_baggage = dropped + unreadable
        return context


def _baggage_item(data: bytes) -> tuple[str, str]:
    key = value = ""
    for field, content in read_fields(data):
        if field == _ITEM_KEY_KEY:
            key = content.decode()
        elif field == _ITEM_VALUE_KEY:
            value = content.decode()
    return key, value


def _corrupted(field: str, value: object) -> SpanContextCorruptedException:
    return SpanContextCorruptedException(f"{field} got an invalid value {shown(value)}")
