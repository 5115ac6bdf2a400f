"""Propagator: a span context onto the wire and back; and the carrier reading all formats share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from binascii import unhexlify
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from copy import copy
from itertools import chain
from typing import Any
from urllib.parse import quote

import six

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException

from .context import BasicSpanContext

MAX_BAGGAGE_ITEMS = 64
"""How many baggage items are taken from a carrier; the rest is dropped and counted."""

MAX_BAGGAGE_BYTES = 8192
"""How many bytes of baggage, keys and values in UTF-8, are taken from a carrier."""

# Names come from outside: what is remembered of them is bounded.
_MAX_KNOWN_NAMES = 1000
_MAX_KNOWN_LENGTH = 100
_MAX_KNOWN_SETS = 200
_MAX_KNOWN_SET_LENGTH = 2000  # characters

# What percent-encoding keeps: RFC 3986, section 2.3.
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

_int_from_bytes = int.from_bytes
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
    """Reads whichever of several formats is there, and writes several.

    ::

        CompositePropagator([TraceContextPropagator(), B3Propagator()], written=[B3Propagator()])

    The first trace, in the order given, that is there and whole is the one extracted; the formats
    after it are not looked at. A broken trace of one format does not hide what is good in another;
    it is raised only where there is nothing else. A decision without a trace counts only where no
    format has a trace; baggage without a trace, of a format before it, goes with the trace.

    `written` are the propagators that write (default: all of `propagators`, in their order).
    """

    def __init__(
        self, propagators: Iterable[Propagator], *, written: Iterable[Propagator] | None = None
    ) -> None:
        self.propagators = _checked("propagators", propagators)
        self.written = self.propagators if written is None else _checked("written", written)

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        for propagator in self.written:
            propagator.inject(span_context, carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        if not hasattr(type(carrier), "__len__"):  # an iterator, which can be read only once
            carrier = _pairs(carrier)
        without_trace: BasicSpanContext | None = None
        broken: SpanContextCorruptedException | None = None
        for propagator in self.propagators:
            try:
                context = propagator.extract(carrier)
            except SpanContextCorruptedException as error:
                broken = broken or error
                continue
            if context is None:
                continue
            if without_trace is not None:
                context = _joined(context, without_trace)
            if context.has_trace:
                return context
            without_trace = context
        if broken is not None and without_trace is None:
            raise broken
        return without_trace


def _checked(name: str, propagators: Iterable[Propagator]) -> tuple[Propagator, ...]:
    if not isinstance(propagators, Iterable):
        raise TypeError(f"{name} must be Propagators, not {type(propagators).__name__}")
    checked = tuple(propagators)
    for each in checked:
        if not isinstance(each, Propagator):
            raise TypeError(f"{name} must be Propagators, not {type(each).__name__}")
    return checked


def _joined(context: BasicSpanContext, earlier: BasicSpanContext) -> BasicSpanContext:
    """`context` with what came without a trace before it: its baggage, and a first decision."""
    joined = copy(context)
    if not context.has_trace and earlier.sampled is not None:
        joined.sampled, joined.extra = earlier.sampled, earlier.extra
    if earlier.baggage:
        items = chain(context.baggage.items(), earlier.baggage.items())
        joined._baggage, dropped = bounded_baggage(items)
        joined.dropped_baggage = context.dropped_baggage + earlier.dropped_baggage + dropped
    return joined


class CarrierFormat:
    """Finds and replaces the entries of one format in carriers of any form, from any thread.

    `field_of` says which field of the format an entry's name, as text, stands for: a text that is
    the same for all spellings of the name, or None for a name that is not the format's.
    """

    def __init__(self, field_of: Callable[[str], str | None]) -> None:
        self._field_of = field_of
        # Services see the same few names in every request, most of them not the format's: one
        # look into a dict is all that those cost. Names in bytes have a dict of their own, as no
        # name is to be compared with one of the other type.
        self._known: dict[Any, str | None] = {}
        self._known_bytes: dict[Any, str | None] = {}
        # By all the names of a dict: its fields, each with its name. One look answers for all.
        self._known_sets: dict[Any, dict[str, str]] = {}

    def read(self, carrier: Any) -> list[tuple[str, Any]]:
        """The format's fields in a mapping or an iterable of pairs, each with its raw value."""
        if type(carrier) is dict:
            known = self._known
            try:
                return [(field, carrier[name]) for name in carrier if (field := known[name])]
            except Exception:  # a name that is not known yet, or is no text
                pass
        return [(field, value) for name, value in _pairs(carrier) if (field := self._field(name))]

    def read_text(
        self, carrier: Any, unique: Container[str] = (), lists: Container[str] = ()
    ) -> dict[str, str]:
        """The format's fields, each with the first of its values; without those that are no text.

        Fields that are `lists` have all of their values, joined by commas. Raises
        `SpanContextCorruptedException` if one of the `unique` fields has two values.
        """
        if type(carrier) is dict:
            try:
                known = self._known_sets[tuple(carrier)]
                fields: dict[str, str] = {}
                for field, name in known.items():  # in CPython 3.11 quicker than a comprehension
                    value = carrier[name]
                    if type(value) is not str:
                        break
                    fields[field] = value
                else:
                    return fields
            except Exception:  # names that are not known yet, or are no text
                self._learn(carrier)
        fields = {}
        for field, value in self.read(carrier):
            text = text_or_none(value)
            if text is None:
                continue
            if field in lists and field in fields:
                fields[field] += "," + text
                continue
            first = fields.setdefault(field, text)
            if first != text and field in unique:
                raise SpanContextCorruptedException(
                    f"{field} got two values, {shown(first)} and {shown(text)}"
                )
        return fields

    def _learn(self, carrier: dict[Any, Any]) -> None:
        """Remember which fields a dict with these names has, unless it has one of them twice."""
        names = tuple(carrier)
        if any(type(name) is not str for name in names):
            return
        if sum(map(len, names)) > _MAX_KNOWN_SET_LENGTH:
            return
        fields: dict[str, str] = {}
        for name in names:
            field = self._field(name)
            if field is not None and fields.setdefault(field, name) != name:
                return
        if len(self._known_sets) >= _MAX_KNOWN_SETS:
            self._known_sets.clear()
        self._known_sets[names] = fields

    def write(
        self,
        carrier: Any,
        entries: Mapping[str, str],
        replaced: Collection[str] | None = None,
    ) -> None:
        """Put `entries`, by field, into a mutable mapping or a list of pairs.

        They take the place of all entries of the `replaced` fields (default: of the same fields),
        however these are spelled: nothing stale stays beside the new. In a list whose names or
        values are bytes, those of the new pairs are too.
        """
        if replaced is None:
            replaced = entries
        try:
            if type(carrier) is dict:
                stale = self._known_sets[tuple(carrier)] if carrier else None
                if stale:
                    for field, name in stale.items():
                        if field in replaced:
                            del carrier[name]
                carrier.update(entries)
                return
        except Exception:  # names that are not known yet
            self._learn(carrier)
        try:
            if isinstance(carrier, list):
                self._write_pairs(carrier, entries, replaced)
                return
            for name in self._names_of(replaced, carrier):
                del carrier[name]
            for field, value in entries.items():
                carrier[field] = value
        except Exception as error:
            raise _invalid_carrier(carrier, "to write to, a mutable mapping or a list") from error

    def _write_pairs(
        self, carrier: list[Any], entries: Mapping[str, str], replaced: Collection[str]
    ) -> None:
        pairs = _pairs(carrier)
        make_name = six.ensure_binary if _in_bytes(name for name, _ in pairs) else six.ensure_str
        make_value = six.ensure_binary if _in_bytes(value for _, value in pairs) else six.ensure_str
        kept = [pair for pair in carrier if self._field(_name_of(pair)) not in replaced]
        written = [(make_name(field), make_value(value)) for field, value in entries.items()]
        carrier[:] = kept + written

    def _names_of(self, fields: Collection[str], carrier: Any) -> list[Any]:
        """The names in the carrier that stand for `fields`."""
        known = self._known
        try:
            return [name for name in carrier if (field := known[name]) and field in fields]
        except Exception:  # a name that is not known yet
            pass
        try:
            names = carrier.keys()
            return [name for name in names if self._field(name) in fields]
        except Exception:  # it does not tell its names, but may take new ones
            return []

    def _field(self, name: Any) -> str | None:
        known = self._known_bytes if type(name) is bytes else self._known
        try:
            return known[name]
        except Exception:  # not known yet, or no text
            text = text_or_none(name)
            if text is None:
                return None
            field = self._field_of(text)
            if type(name) in (str, bytes) and len(name) <= _MAX_KNOWN_LENGTH:
                if len(known) >= _MAX_KNOWN_NAMES:
                    known.clear()
                known[name] = field
            return field


def header_name(key: str) -> str:
    """A header's name in lower case with hyphens, also from the WSGI form, HTTP_X_NAME."""
    if key.startswith("HTTP_"):
        key = key[5:].replace("_", "-")
    return key.lower()


def text_or_none(value: Any) -> str | None:
    """`value` as str, from str or bytes; None for anything else, which no wire can have sent."""
    kind = type(value)  # `isinstance` believes what an object says its class is, and runs its code
    if issubclass(kind, str):
        return str.__str__(value)  # plain, whatever its subclass makes of itself
    if issubclass(kind, bytes):
        value = bytes.__getitem__(value, slice(None))
        try:
            return six.ensure_str(value)
        except UnicodeDecodeError:
            return six.ensure_str(value, "latin-1")
    return None


def _pairs(carrier: Any) -> list[tuple[Any, Any]]:
    if issubclass(type(carrier), (str, bytes, bytearray, memoryview)):
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


def _in_bytes(parts: Iterable[Any]) -> bool:
    return any(isinstance(part, bytes) for part in parts)


def _name_of(pair: Any) -> Any:
    return pair[0] if isinstance(pair, (tuple, list)) and pair else None


def parse_hex_id(field: str, value: str, max_digits: int) -> int:
    """An id of at most `max_digits` hexadecimal digits, and not 0."""
    if len(value) <= max_digits:
        try:
            # The quickest way to a number; and `int` would take "0x1", "-1" and "1_0".
            number = _int_from_bytes(unhexlify(value), "big")
        except ValueError:
            number = 0
        if number:
            return number
    # An odd number of digits, or blanks around.
    digits = value.strip(" \t")
    if len(digits) <= max_digits:
        try:
            number = _int_from_bytes(unhexlify("0" * (len(digits) & 1) + digits), "big")
        except ValueError:
            number = 0
        if number:
            return number
    raise SpanContextCorruptedException(f"{field} got an invalid hexadecimal value {shown(value)}")


def format_hex_id(number: Any) -> str:
    """An id, such as `has_trace` vouches for, in 16 digits, or 32 if it has more than 64 bits."""
    digits: str = number.to_bytes(8 if number < 1 << 64 else 16, "big").hex()
    return digits


def is_span_id(number: object) -> bool:
    """Whether a span can have this id."""
    return isinstance(number, int) and 0 < number < 1 << 64


def percent_encoded(text: str, kept: str = "") -> str:
    """`text` in what headers can hold: letters, digits, ``-._~``, percent signs, and `kept`."""
    # `strip` leaves nothing of a text that needs no encoding, for a tenth of what `quote` costs.
    return quote(text, safe=kept) if text.strip(UNRESERVED) else text


def is_debug(context: BasicSpanContext) -> bool:
    """Whether the trace is marked to be kept whatever it costs: ``"debug": "1"`` in `extra`.

    A decision to drop it, which its own service has taken since, is stronger.
    """
    extra = context.extra
    return bool(extra) and extra.get("debug") == "1" and context.sampled in (True, None)


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
