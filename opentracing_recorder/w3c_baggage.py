"""The ``baggage`` header of W3C Baggage: from a span's baggage to text and back.

Used by `TraceContextPropagator`. The wire is that of https://www.w3.org/TR/baggage/.
"""

from __future__ import annotations

from collections.abc import Iterable

from .context import BasicSpanContext
from .fields import bounded_baggage, percent_decoded, percent_encoded, written_baggage

# What else a token may hold (RFC 9110, section 5.6.2), but for those that a reader may decode.
_KEPT_IN_KEYS = "!#$&'*^`|"


def format_baggage(context: BasicSpanContext) -> str:
    """The header's value: ``KEY=VALUE`` for each item, joined by commas.

    Keys and values are percent-encoded. Left out is what the format has no place for, an empty
    key, and each item over the limits, which with its commas and equals signs the header keeps.
    """
    items = written_baggage(context, _encoded, separators=len("=,"))
    return ",".join([f"{key}={value}" for key, value in items if key])


def _encoded(key: str, value: str) -> tuple[str, str]:
    return percent_encoded(key, _KEPT_IN_KEYS), percent_encoded(value)


def parse_baggage(header: str) -> tuple[dict[str, str], int]:
    """The items of the header's value, within the limits, and how many were over them.

    What is no ``KEY=VALUE`` is passed over, and so are properties, which baggage in OpenTracing has
    no place for. Of a key that is repeated the last value counts, as in OpenTelemetry for Go and
    JavaScript. ``+`` is itself, as in the specification; OpenTelemetry for Python and .NET write it
    for a space.
    """
    return bounded_baggage(_items(header), last_wins=True)


def _items(header: str) -> Iterable[tuple[str, str]]:
    for member in header.split(","):
        key, equals, value = member.partition(";")[0].partition("=")
        key = percent_decoded(key.strip(" \t"))
        if key and equals:
            yield key, percent_decoded(value.strip(" \t"))
