"""Baggage on the wire: its limits, its encoding, and its two forms.

`PrefixedBaggage` is one entry for each item, as the text format and Jaeger have it;
`format_w3c_baggage` and `parse_w3c_baggage` are the ``baggage`` header of
https://www.w3.org/TR/baggage/.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from urllib.parse import quote, unquote

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._failure_log import RateLimit, logger, since_last
from ._json_safe import text_of
from .context import BasicSpanContext, copied_baggage

MAX_BAGGAGE_ITEMS = 64
"""The most items read from a carrier, or written into one; the rest is dropped and counted."""

MAX_BAGGAGE_BYTES = 8192
"""The most bytes of keys and values read from a carrier, counted in UTF-8, or written into one,
counted in the encoding of the format.
"""

MAX_ENCODED_BAGGAGE = 3 * MAX_BAGGAGE_BYTES
"""The most characters that baggage within that limit may have in percent-encoding."""

# Percent-encoding keeps these: RFC 3986, section 2.3.
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

# A token may hold these too (RFC 9110, section 5.6.2), except for those that a reader may decode.
_KEPT_IN_W3C_KEYS = "!#$&'*^`|"


# Encoding.


def percent_encoded(text: str, kept: str = "") -> str:
    """`text` in characters that headers can hold: letters, digits, ``-._~%`` and `kept`."""
    # `strip` leaves nothing of a text that needs no encoding, for a tenth of the cost of `quote`.
    return quote(text, safe=kept) if text.strip(_UNRESERVED) else text


def percent_decoded(text: str) -> str:
    """The inverse; a text that is too long for baggage stays as it is.

    Decoding takes up to two hundred times the memory of the text.
    """
    return unquote(text) if "%" in text and len(text) <= MAX_ENCODED_BAGGAGE else text


def form_decoded(text: str) -> str:
    """The same, of a text in which "+" is a space."""
    return percent_decoded(text.replace("+", " "))


# Limits.


def bounded_baggage(items: Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """The items that are within the limits, and how many are not.

    If a key is repeated, the first item counts.
    """
    baggage: dict[str, str] = {}
    dropped = 0
    room = MAX_BAGGAGE_BYTES
    for key, value in items:
        if key in baggage:
            continue
        size = _utf8_size(key) + _utf8_size(value)
        if size > room or len(baggage) >= MAX_BAGGAGE_ITEMS:
            dropped += 1
            continue
        room -= size
        baggage[key] = value
    return baggage, dropped


class SharedBaggage(dict[str, str]):
    """Baggage that several formats write into one carrier, and the room that is left for it."""

    items_left = MAX_BAGGAGE_ITEMS
    bytes_left = MAX_BAGGAGE_BYTES
    dropped = 0


def written_baggage(
    context: BasicSpanContext,
    encoded: Callable[[str, str], tuple[str, str]] | None = None,
    separators: int = 0,  # bytes of each item
) -> list[tuple[str, str]]:
    """The baggage of a context as a format writes it, item for item, while there is room."""
    given: t.Any = context._baggage
    is_shared = type(given) is SharedBaggage
    room = given if is_shared else SharedBaggage(copied_baggage(given))
    items = []
    for key, value in room.items():
        item = text_of(key), text_of(value)
        # No encoding makes a text shorter.
        if room.items_left and len(item[0]) + len(item[1]) <= room.bytes_left:
            if encoded is not None:
                item = encoded(*item)
            size = _utf8_size(item[0]) + _utf8_size(item[1]) + separators
            if size <= room.bytes_left:
                room.items_left -= 1
                room.bytes_left -= size
                items.append(item)
                continue
        room.dropped += 1
    if room.dropped and not is_shared:
        report_dropped(context, room.dropped)
    return items


_dropped_reports = RateLimit()


def report_dropped(context: BasicSpanContext, dropped: int) -> None:
    """Note on a context how many of its items a carrier had no room for, and log it."""
    try:
        context.dropped_baggage = dropped
    except Exception:  # a class of the application may have no place for it
        reraise_interrupt()
    times = _dropped_reports.count()
    if times and not sys.is_finalizing():
        logger(__name__).warning(
            "%d items of baggage were dropped on their way out%s: a carrier has at most %d items"
            " and %d bytes, as encoded; set less baggage, or write fewer formats",
            dropped,
            since_last(times),
            MAX_BAGGAGE_ITEMS,
            MAX_BAGGAGE_BYTES,
        )


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


# The two forms.


class PrefixedBaggage:
    """One entry for each item, named by a prefix and the item's key, beside a format's `fields`.

    With `encoded`, for HTTP_HEADERS, keys and values are percent-encoded, and keys are in lower
    case, as header names are. Otherwise, for TEXT_MAP, both are kept as they are.
    """

    def __init__(
        self,
        prefix: str,
        fields: Collection[str],
        encoded: bool,
        decode_value: Callable[[str], str] = percent_decoded,
    ) -> None:
        self._prefix = prefix
        self._fields = fields
        self._encoded = encoded
        self._decode_value = decode_value

    def field_of(self, name: str) -> str | None:
        """The field of the format that an entry's name stands for, for `CarrierFormat`."""
        field = name.lower()
        if field in self._fields:
            return field
        if not field.startswith(self._prefix):
            return None
        if self._encoded:
            return field
        return self._prefix + name[len(self._prefix) :]  # the key keeps its case

    def entries(self, context: BasicSpanContext) -> Iterable[tuple[str, str]]:
        """The entries that hold the baggage of a context, within the limits."""
        items = written_baggage(context, _encoded_for_headers if self._encoded else None)
        return [(self._prefix + key, value) for key, value in items]

    def items(self, fields: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        """The items among `fields`."""
        for field, value in fields.items():
            if field.startswith(self._prefix):
                key = field[len(self._prefix) :]
                if self._encoded:
                    key, value = percent_decoded(key), self._decode_value(value)
                yield key, value


def _encoded_for_headers(key: str, value: str) -> tuple[str, str]:
    return percent_encoded(key).lower(), percent_encoded(value)


def format_w3c_baggage(context: BasicSpanContext) -> str:
    """The header's value: ``KEY=VALUE`` for each item, percent-encoded, joined by commas.

    An empty key is left out, as the format has no place for it. The limits hold for the whole
    header, with its commas and equals signs.
    """
    items = written_baggage(context, _encoded_for_w3c, separators=len("=,"))
    return ",".join([f"{key}={value}" for key, value in items if key])


def _encoded_for_w3c(key: str, value: str) -> tuple[str, str]:
    return percent_encoded(key, _KEPT_IN_W3C_KEYS), percent_encoded(value)


def parse_w3c_baggage(header: str) -> tuple[dict[str, str], int]:
    """The items of the header's value, within the limits, and how many were over them.

    Text without an equals sign is skipped, and so are properties, for which baggage in OpenTracing
    has no place. If a key is repeated, the last value counts, as in OpenTelemetry for
    Go and JavaScript. ``+`` is itself, as in the specification; OpenTelemetry for Python and .NET
    write it for a space.
    """
    return bounded_baggage(dict(_w3c_items(header)).items())


def _w3c_items(header: str) -> Iterable[tuple[str, str]]:
    for member in header.split(","):
        key, equals, value = member.partition(";")[0].partition("=")
        key = percent_decoded(key.strip(" \t"))
        if key and equals:
            yield key, percent_decoded(value.strip(" \t"))
