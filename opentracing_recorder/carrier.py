"""Carriers: finding, reading and replacing the entries of one format in any form of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import Any

import six

from opentracing import InvalidCarrierException, SpanContextCorruptedException

# Names come from outside: what is remembered of them is bounded.
_MAX_KNOWN_NAMES = 1000
_MAX_KNOWN_LENGTH = 100
_MAX_KNOWN_SETS = 200
_MAX_KNOWN_SET_LENGTH = 2000  # characters

_SHOWN = 40  # characters of a broken value in an error message


class CarrierFormat:
    """Finds and replaces the entries of one format in carriers of any form, from any thread.

    `field_of` says which field of the format an entry's name, as text, stands for: a text that is
    the same for all spellings of the name, or None for a name that is not the format's. `usual` are
    the sets of fields that most carriers have, for `plans`.
    """

    def __init__(
        self,
        field_of: Callable[[str], str | None],
        usual: Iterable[tuple[str, ...]] = (),
    ) -> None:
        self._field_of = field_of
        self._usual = tuple(usual)
        # Services see the same few names in every request, most of them not the format's: one
        # look into a dict is all that those cost. Names in bytes have a dict of their own, as no
        # name is to be compared with one of the other type.
        self._known: dict[Any, str | None] = {}
        self._known_bytes: dict[Any, str | None] = {}
        # By all the names of a dict: its fields, each with its name. One look answers for all.
        self._known_sets: dict[Any, dict[str, str]] = {}
        self.plans: dict[Any, tuple[str, ...] | None] = {}
        """By all the names of a dict, those of its fields, in the order of the `usual` ones; empty
        where it has no field of the format. With one look, and no call, a propagator has all names
        at hand. None for a dict with other fields; a KeyError for one with names that `read_text`
        is to learn.
        """

    def read(self, carrier: Any) -> list[tuple[str, Any]]:
        """The format's fields in a mapping or an iterable of pairs, each with its raw value."""
        if type(carrier) is dict:
            known = self._known
            try:
                return [(field, carrier[name]) for name in carrier if (field := known[name])]
            except Exception:  # a name that is not known yet, or is no text
                pass
        return [(field, value) for name, value in pairs_of(carrier) if (field := self._field(name))]

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
            self.plans.clear()
        self._known_sets[names] = fields
        plan: tuple[str, ...] | None = None if fields else ()
        for usual in self._usual:
            if fields.keys() == set(usual):
                plan = tuple(fields[field] for field in usual)
        self.plans[names] = plan

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
        pairs = pairs_of(carrier)
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


def shown(value: object) -> str:
    """A value for an error message: its repr, shortened."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _SHOWN + 3 else f"{text[:_SHOWN]}..."


def pairs_of(carrier: Any) -> list[tuple[Any, Any]]:
    """The entries of a mapping or an iterable of pairs; what is no pair is passed over."""
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


def _invalid_carrier(
    carrier: Any, accepted: str = "a mapping, or an iterable of pairs"
) -> InvalidCarrierException:
    return InvalidCarrierException(f"the carrier is a {type(carrier).__name__}; wanted: {accepted}")
