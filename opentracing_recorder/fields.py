"""What the fields of the wire formats hold: ids, flags, baggage; read and written within limits."""

from __future__ import annotations

import logging
import sys
from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any
from urllib.parse import quote, unquote

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._errors import shown
from ._failure_log import RateLimit
from ._json_safe import text_of
from .context import (
    NO_EXTRA,
    BasicSpanContext,
    ExtractedSpanContext,
    RemoteSpanContext,
    copied_baggage,
)

_logger = logging.getLogger(__name__)

MAX_BAGGAGE_ITEMS = 64
"""How many baggage items are taken from a carrier, or written into one; the rest is dropped and
counted.
"""

MAX_BAGGAGE_BYTES = 8192
"""How many bytes of baggage, keys and values in UTF-8, are taken from a carrier, or written into
one: there in the encoding of the format.
"""

MAX_ENCODED_BAGGAGE = 3 * MAX_BAGGAGE_BYTES
"""How many characters baggage within that limit may have in percent-encoding."""

# What percent-encoding keeps: RFC 3986, section 2.3.
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

_int_from_bytes = int.from_bytes
_unpack_ids = Struct(">QQ").unpack
_unpack_long_ids = Struct(">QQQ").unpack
_64_BITS = 1 << 64


def parse_hex_id(field: str, value: str, max_digits: int) -> int:
    """An id of at most `max_digits` hexadecimal digits, and not 0."""
    if len(value) <= max_digits:
        try:
            # The quickest way to a number; and `int` would take "0x1", "-1" and "1_0".
            number = _int_from_bytes(unhexlify(value), "big")
        except ValueError:
            reraise_interrupt()
            number = 0
        if number:
            return number
    # An odd number of digits, or blanks around.
    digits = value.strip(" \t")
    if len(digits) <= max_digits:
        try:
            number = _int_from_bytes(unhexlify("0" * (len(digits) & 1) + digits), "big")
        except ValueError:
            reraise_interrupt()
            number = 0
        if number:
            return number
    raise SpanContextCorruptedException(f"{field} got an invalid hexadecimal value {shown(value)}")


def context_from_hex(
    trace_id: str,
    span_id: str,
    sampled: bool | None,
    parent_id: int | None = None,
    extra: Mapping[str, str] = NO_EXTRA,
) -> RemoteSpanContext:
    """A context without baggage, of ids with all their digits: 16 or 32, and 16.

    For the usual carrier; raises ValueError or `struct.error` for ids that `parse_hex_id` is to
    look at, and to name.
    """
    # Both ids at once, and the constructor unrolled, for half of what parsing each of them and
    # calling it would cost: `extract` in the benchmarks pays for it.
    if len(trace_id) == 16:
        trace_number, span_number = _unpack_ids(unhexlify(trace_id + span_id))
    elif len(trace_id) == 32:
        high, low, span_number = _unpack_long_ids(unhexlify(trace_id + span_id))
        trace_number = high << 64 | low
    else:
        raise ValueError
    if not trace_number or not span_number:
        raise ValueError
    context = ExtractedSpanContext()
    context.trace_id = trace_number
    context.span_id = span_number
    context.sampled = sampled
    context._baggage = NO_EXTRA
    context.parent_id = parent_id
    context.extra = extra
    return context


def hex_ids(context: BasicSpanContext) -> tuple[str, str] | None:
    """The ids of trace and span as `format_hex_id` writes them; None without `has_trace`.

    One call for both ids and that look at them: `inject` in the benchmarks pays for it.
    """
    trace_id = context.trace_id
    span_id = context.span_id
    if isinstance(trace_id, int) and isinstance(span_id, int) and trace_id and span_id:
        try:
            return (
                trace_id.to_bytes(8 if trace_id < _64_BITS else 16, "big").hex(),
                span_id.to_bytes(8, "big").hex(),
            )
        except OverflowError:  # negative, or too long
            pass
    return None


def format_hex_id(number: Any) -> str:
    """An id, such as `has_trace` vouches for, in 16 digits, or 32 if it has more than 64 bits."""
    digits: str = number.to_bytes(8 if number < 1 << 64 else 16, "big").hex()
    return digits


def is_span_id(number: object) -> bool:
    """Whether a span can have this id."""
    return isinstance(number, int) and 0 < number < 1 << 64


def is_debug(context: BasicSpanContext) -> bool:
    """Whether the trace is marked to be kept whatever it costs: ``"debug": "1"`` in `extra`.

    A decision to drop it, which its own service has taken since, is stronger.
    """
    extra = context.extra
    return bool(extra) and extra.get("debug") == "1" and context.sampled in (True, None)


def percent_encoded(text: str, kept: str = "") -> str:
    """`text` in what headers can hold: letters, digits, ``-._~``, percent signs, and `kept`."""
    # `strip` leaves nothing of a text that needs no encoding, for a tenth of what `quote` costs.
    return quote(text, safe=kept) if text.strip(UNRESERVED) else text


def percent_decoded(text: str) -> str:
    """The inverse; a text that is too long to be baggage, whatever it stands for, stays as it is.

    Decoding takes up to two hundred times the memory of the text.
    """
    return unquote(text) if "%" in text and len(text) <= MAX_ENCODED_BAGGAGE else text


def form_decoded(text: str) -> str:
    """The same, of a text in which "+" is a blank."""
    return percent_decoded(text.replace("+", " "))


def bounded_baggage(
    items: Iterable[tuple[str, str]], last_wins: bool = False
) -> tuple[dict[str, str], int]:
    """What of these baggage items is within the limits, and how many are not.

    Where a key is repeated, the first item counts, or with `last_wins` the last.
    """
    baggage: dict[str, str] = {}
    dropped = 0
    room = MAX_BAGGAGE_BYTES
    for key, value in items:
        if key in baggage:
            if not last_wins:
                continue
            room += _utf8_size(key) + _utf8_size(baggage.pop(key))
        size = _utf8_size(key) + _utf8_size(value)
        if size > room or len(baggage) >= MAX_BAGGAGE_ITEMS:
            dropped += 1
            continue
        room -= size
        baggage[key] = value
    return baggage, dropped


class _Room:
    """What of baggage may still be written into a carrier."""

    __slots__ = ("bytes", "dropped", "items")

    def __init__(self) -> None:
        self.items = MAX_BAGGAGE_ITEMS
        self.bytes = MAX_BAGGAGE_BYTES
        self.dropped = 0


class SharedBaggage(dict[str, str]):
    """The baggage of a context that several formats write into one carrier: they share its room."""

    def __init__(self, baggage: Mapping[str, str]) -> None:
        super().__init__(baggage)
        self.room = _Room()


def written_baggage(
    context: BasicSpanContext,
    encoded: Callable[[str, str], tuple[str, str]],
    separators: int = 0,  # bytes of each item
) -> list[tuple[str, str]]:
    """The baggage of a context as a format writes it, item for item, as far as there is room."""
    baggage = context._baggage
    is_shared = type(baggage) is SharedBaggage
    room = baggage.room if type(baggage) is SharedBaggage else _Room()
    items_left, bytes_left, dropped = room.items, room.bytes, 0
    items = []
    for key, value in (baggage if is_shared else copied_baggage(baggage)).items():
        if not items_left:
            dropped += 1
            continue
        # Nearly all are ASCII, of which the length is the size, and as they are.
        if type(key) is not str or not key.isascii():
            key = text_of(key)
        if type(value) is not str or not value.isascii():
            value = text_of(value)
        if len(key) + len(value) <= bytes_left:  # no encoding makes a text shorter
            item = encoded(key, value)
            key, value = item
            size = len(key) + len(value) + separators
            if not key.isascii() or not value.isascii():
                size = _utf8_size(key) + _utf8_size(value) + separators
            if size <= bytes_left:
                items_left -= 1
                bytes_left -= size
                items.append(item)
                continue
        dropped += 1
    room.items, room.bytes = items_left, bytes_left
    if dropped:
        room.dropped += dropped
        if not is_shared:
            report_dropped(context, dropped)
    return items


_dropped_news = RateLimit()


def report_dropped(context: BasicSpanContext, dropped: int) -> None:
    """Keep and log how many items of a context's baggage a carrier had no room for."""
    try:
        context.dropped_baggage = dropped
    except Exception:  # a class of somebody's own may have no place for it
        reraise_interrupt()
    times = _dropped_news.count()
    if times and not sys.is_finalizing():
        _logger.warning(
            "baggage was cut to %d items and %d bytes, as encoded, on its way out (%d times since"
            " the last such message; %d items this time); set less of it, or write fewer formats",
            MAX_BAGGAGE_ITEMS,
            MAX_BAGGAGE_BYTES,
            times,
            dropped,
        )


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
