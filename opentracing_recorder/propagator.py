"""Propagator: a span context onto the wire and back; and the carrier reading all formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import six

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException

from .context import BasicSpanContext

MAX_BAGGAGE_ITEMS = 64
"""How many baggage items are taken from a carrier; the rest is dropped and counted."""

MAX_BAGGAGE_BYTES = 8192
"""How many bytes of baggage, keys and values in UTF-8, are taken from a carrier."""

_HEX_DIGITS = "0123456789abcdefABCDEF"
_SHOWN = 40  # characters of a broken value in an error message


class Propagator(ABC):
    """Writes and reads span contexts in one format. Called from any thread."""

    @abstractmethod
    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        """Write `span_context` into `carrier`; a context without a trace writes nothing.

        Raises `InvalidCarrierException` for a carrier it cannot write to.
        """

    @abstractmethod
    def extract(self, carrier: Any) -> BasicSpanContext | None:
        """Read a context out of `carrier`; None where it holds no trace of this format.

        Raises `InvalidCarrierException` for a carrier it cannot read, and
        `SpanContextCorruptedException`, with the field and its value, for a broken trace. Nothing
        else, whatever the carrier holds.
        """


class CompositePropagator(Propagator):
    """Writes several formats, and reads the first, in the order given, that is there and whole.

    A broken trace of one format does not hide a good one of another; it is raised only where no
    format has a good one.
    """

    def __init__(self, propagators: Iterable[Propagator]) -> None:
        self.propagators = tuple(propagators)
        for each in self.propagators:
            if not isinstance(each, Propagator):
                raise TypeError(f"propagators must be Propagators, not {type(each).__name__}")

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        for propagator in self.propagators:
            propagator.inject(span_context, carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        if not hasattr(carrier, "__len__"):  # an iterator, which can be read only once
            carrier = _pairs(carrier)
        broken: SpanContextCorruptedException | None = None
        for propagator in self.propagators:
            try:
                context = propagator.extract(carrier)
            except SpanContextCorruptedException as error:
                broken = broken or error
            else:
                if context is not None:
                    return context
        if broken is not None:
            raise broken
        return None


default_propagators: dict[Any, Propagator] = {}
"""The propagators that every tracer starts with, by format; filled by the package itself."""


def read_carrier(carrier: Any, initials: str) -> Iterable[tuple[str, Any]]:
    """The entries of a carrier whose names start with one of `initials`; names as they are.

    A carrier is any mapping, or an iterable of pairs. `initials` must list both cases, and ``H``
    where headers in the WSGI form are wanted. Names that are neither str nor bytes are left out.
    """
    if type(carrier) is dict:
        try:
            # Most headers are none of ours: one look at the first letter is all they cost.
            return [(key, carrier[key]) for key in carrier if key[0] in initials]
        except (IndexError, KeyError, TypeError):
            pass  # a name that is empty, or no str
    found = []
    for key, value in _pairs(carrier):
        name = text_or_none(key)
        if name and name[0] in initials:
            found.append((name, value))
    return found


def header_name(key: str) -> str:
    """A header's name in lower case with hyphens, also from the WSGI form, HTTP_X_NAME."""
    if key.startswith("HTTP_"):
        key = key[5:].replace("_", "-")
    return key.lower()


def text_or_none(value: Any) -> str | None:
    """`value` as str, from str or bytes; None for anything else, which no wire can have sent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return six.ensure_str(value)
        except UnicodeDecodeError:
            return six.ensure_str(value, "latin-1")
    return None


def _pairs(carrier: Any) -> list[tuple[Any, Any]]:
    if isinstance(carrier, (str, bytes, bytearray, memoryview)):
        raise _invalid_carrier(carrier)
    pairs = []
    try:
        items: Any = carrier.items() if hasattr(carrier, "items") else carrier
        for pair in items:
            if isinstance(pair, (tuple, list)) and len(pair) == 2:
                pairs.append((pair[0], pair[1]))
    except Exception as error:
        raise _invalid_carrier(carrier) from error
    return pairs


def write_carrier(carrier: Any, entries: Mapping[str, str]) -> None:
    """Put `entries` into a mapping, or a list of pairs, in place of what has the same names.

    Names count as the same whatever their case, so no stale entry stays beside a new one. In a list
    of pairs of bytes, the new pairs are bytes too.
    """
    if isinstance(carrier, list):
        kept = [pair for pair in carrier if _name_of(pair) not in entries]
        in_bytes = any(isinstance(pair, (tuple, list)) and _is_bytes(pair) for pair in carrier)
        carrier[:] = kept + [
            (six.ensure_binary(key), six.ensure_binary(value)) if in_bytes else (key, value)
            for key, value in entries.items()
        ]
        return
    try:
        if type(carrier) is not dict or carrier:
            names = [key for key in carrier if isinstance(key, str) and key.lower() in entries]
            for name in names:
                del carrier[name]
        for key, value in entries.items():
            carrier[key] = value
    except Exception as error:
        raise _invalid_carrier(carrier, "to write to, a mutable mapping or a list") from error


def _name_of(pair: Any) -> str | None:
    name = text_or_none(pair[0]) if isinstance(pair, (tuple, list)) and pair else None
    return None if name is None else name.lower()


def _is_bytes(pair: Any) -> bool:
    return bool(pair) and isinstance(pair[0], bytes)


def parse_hex_id(field: str, value: str, max_digits: int) -> int:
    """An id of at most `max_digits` hexadecimal digits, and not 0."""
    value = value.strip(" \t")
    # `strip` leaves nothing of a run of hexadecimal digits; `int` alone would take "0x1" and "1_0".
    if value and len(value) <= max_digits and not value.strip(_HEX_DIGITS):
        number = int(value, 16)
        if number:
            return number
    raise SpanContextCorruptedException(f"{field} got an invalid hexadecimal value {shown(value)}")


def shown(value: object) -> str:
    """A value for an error message: its repr, shortened."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _SHOWN + 3 else f"{text[:_SHOWN]}..."


def bounded_baggage(items: Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """What of these baggage items is within the limits, and how many are not; the first one wins
    where a key is repeated.
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


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _invalid_carrier(
    carrier: Any, accepted: str = "a mapping, or an iterable of pairs"
) -> InvalidCarrierException:
    return InvalidCarrierException(f"the carrier is a {type(carrier).__name__}; wanted: {accepted}")
