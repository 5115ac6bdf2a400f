"""Carriers: finding, reading and replacing the entries of one format in any form of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
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
        """The format's fields in a mapping or an iterable of pairs, each with its raw value, for
        `first_text`.
        """
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
        `SpanContextCorruptedException` if one of the `unique` fields is there with two values.
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
            text = _joined_text(value) if field in lists else first_text(value)
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

    def write(self, carrier: Any, entries: Mapping[str, str]) -> None:
        """Put `entries`, by field, into a mutable mapping or a list of pairs.

        They take the place of all of the format's entries, of other fields and however spelled:
        headers that were copied from a stranger's request would count as ours downstream. In a list
        whose names or values are bytes, those of the new pairs are too.
        """
        try:
            if type(carrier) is dict:
                stale = self._known_sets[tuple(carrier)] if carrier else None
                if stale:
                    for name in stale.values():
                        del carrier[name]
                carrier.update(entries)
                return
        except Exception:  # names that are not known yet
            self._learn(carrier)
        try:
            if isinstance(carrier, list):
                self._write_pairs(carrier, entries)
                return
            for name in self._names_in(carrier):
                try:
                    del carrier[name]
                except KeyError:  # it went with another that is spelled alike
                    pass
            for field, value in entries.items():
                carrier[field] = value
        except Exception as error:
            raise _invalid_carrier(carrier, "to write to, a mutable mapping or a list") from error

    def remove_from(self, carrier: Any) -> None:
        """Remove all of the format's entries from a mutable mapping or a list of pairs."""
        try:
            if type(carrier) is dict and not self._known_sets[(*carrier,)]:
                return
        except Exception:  # names that are not known yet
            pass
        self.write(carrier, {})

    def _write_pairs(self, carrier: list[Any], entries: Mapping[str, str]) -> None:
        pairs = pairs_of(carrier)
        make_name = six.ensure_binary if _in_bytes(name for name, _ in pairs) else six.ensure_str
        make_value = six.ensure_binary if _in_bytes(value for _, value in pairs) else six.ensure_str
        kept = [pair for pair in carrier if self._field(_name_of(pair)) is None]
        written = [(make_name(field), make_value(value)) for field, value in entries.items()]
        carrier[:] = kept + written

    def _names_in(self, carrier: Any) -> list[Any]:
        """The names of the format's entries in a carrier, each as often as it is there: to delete
        one of grpc.aio.Metadata deletes its first value alone.
        """
        known = self._known
        try:
            # Usually none is there. Only `keys` is as safe to iterate over as a dict: a response,
            # for instance, may give away its body.
            names = carrier.keys()
            if not [name for name in names if known[name]]:
                return []
        except Exception:  # a name that is not known yet, or no `keys`
            pass
        try:
            return [name for name, _ in pairs_of(carrier) if self._field(name) is not None]
        except InvalidCarrierException:  # it does not tell its names, but may take new ones
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


def first_text(value: Any) -> str | None:
    """The same, of a list or tuple of values: the first that is text.

    Mappings to lists, such as API Gateway's ``multiValueHeaders``, have one for each name.
    """
    found = text_or_none(value)
    if found is None and issubclass(type(value), (list, tuple)):
        return next(_texts_in(value), None)
    return found


def _joined_text(value: Any) -> str | None:
    """The same, with all that are text, joined by commas."""
    found = text_or_none(value)
    if found is None and issubclass(type(value), (list, tuple)):
        return ",".join(_texts_in(value)) or None
    return found


def _texts_in(values: Any) -> Iterator[str]:
    return (text for value in values if (text := text_or_none(value)) is not None)


def shown(value: object) -> str:
    """A value for an error message: its repr, shortened."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _SHOWN + 3 else f"{text[:_SHOWN]}..."


def pairs_of(carrier: Any) -> list[tuple[Any, Any]]:
    """The entries of a mapping or an iterable of pairs; what is no pair is passed over.

    None, which is how many libraries say "no headers", has none.
    """
    if carrier is None:
        return []
    kind = type(carrier)
    if issubclass(kind, (str, bytes, bytearray, memoryview)):
        raise _invalid_carrier(carrier)
    pairs: list[tuple[Any, Any]] = []
    try:
        has_items = hasattr(carrier, "items")
        # What is no mapping may repeat a name: grpc.aio.Metadata has a list of values for each.
        repeats = has_items and not issubclass(kind, Mapping)
        items: Any = carrier.items() if has_items else carrier
        for pair in items:
            if isinstance(pair, (tuple, list)) and len(pair) == 2:
                name, value = pair
                if repeats and isinstance(value, list):
                    pairs += [(name, each) for each in value]
                else:
                    pairs.append((name, value))
    except Exception as error:
        raise _invalid_carrier(carrier) from error
    return pairs


class KafkaHeaders:
    """The list of a Kafka message's headers, as a carrier whose values are written in bytes::

        headers = []
        tracer.inject(span, Format.TEXT_MAP, KafkaHeaders(headers))
        producer.send("orders", b"...", headers=headers)

    confluent-kafka, aiokafka and kafka-python take names as str and values as bytes, which an empty
    list does not show. To extract, pass the list itself.
    """

    # No subclass of list, which aiokafka refuses.

    def __init__(self, headers: list[Any]) -> None:
        if not isinstance(headers, list):
            raise TypeError(f"headers must be a list, not {type(headers).__name__}")
        self.headers = headers

    def keys(self) -> list[Any]:
        """The names, each as often as it is there."""
        return [name for name, _ in pairs_of(self.headers)]

    def items(self) -> list[tuple[Any, Any]]:
        """The headers, in their order."""
        return pairs_of(self.headers)

    def __setitem__(self, name: str, value: Any) -> None:
        """Add a header, in place of all of this name."""
        header = six.ensure_str(name), six.ensure_binary(value)
        del self[name]
        self.headers.append(header)

    def __delitem__(self, name: Any) -> None:
        """Remove all headers of this name, if there are any."""
        kind = type(name)  # no name is compared with one of the other type
        self.headers[:] = [
            pair
            for pair in self.headers
            if type(found := _name_of(pair)) is not kind or found != name
        ]


def _in_bytes(parts: Iterable[Any]) -> bool:
    return any(isinstance(part, bytes) for part in parts)


def _name_of(pair: Any) -> Any:
    return pair[0] if isinstance(pair, (tuple, list)) and pair else None


def _invalid_carrier(
    carrier: Any, accepted: str = "a mapping, or an iterable of pairs"
) -> InvalidCarrierException:
    return InvalidCarrierException(f"the carrier is a {type(carrier).__name__}; wanted: {accepted}")
