"""Carriers: finds, reads and replaces the entries of one format in a mapping or pairs of any kind.

`CarrierFormat` is for the propagators; `KafkaHeaders` is public, as a name of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import islice

import six

from opentracing import InvalidCarrierException, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_type
from ._errors import shown

# Names come from outside: what is remembered of them is bounded.
_MAX_KNOWN_NAMES = 1000
_MAX_KNOWN_LENGTH = 100
_MAX_KNOWN_SETS = 200
_MAX_KNOWN_SET_LENGTH = 2000  # characters

MAX_ENTRIES = 10_000
"""The most entries read from a carrier that is no dict, list or tuple: it may have no end."""

# Every WSGI environ has it (PEP 3333), and what frameworks make of one, such as Django's `META`
# under ASGI, and the environment of a CGI script.
_IN_EVERY_ENVIRON = "REQUEST_METHOD"


class _Names(dict[object, "str | None"]):
    """The format's field for each name, or None; remembers the names that it was asked for.

    Services see the same few names in every request, most of them not the format's: each costs one
    look-up.
    """

    def __init__(self, field_of: Callable[[t.Any], str | None]) -> None:
        self._field_of = field_of

    def __missing__(self, name: str | bytes) -> str | None:
        field = self._field_of(name)
        if len(name) <= _MAX_KNOWN_LENGTH:
            if len(self) >= _MAX_KNOWN_NAMES:
                self.clear()
            self[name] = field
        return field


class CarrierFormat:
    """Finds and replaces the entries of one format in carriers of any form, from any thread.

    `field_of` says which field of the format an entry's name, as text, stands for: a text that is
    the same for all spellings of the name, or None for a name that is not the format's. `usual` are
    the sets of fields that most carriers have, for `plans`.

    A mapping with the name REQUEST_METHOD is a WSGI environ: there, a header's name has the form
    HTTP_X_NAME. Any other name is a variable of the process, which may have its parent's
    TRACEPARENT or BAGGAGE. In other carriers, that form means nothing.
    """

    def __init__(
        self,
        field_of: Callable[[str], str | None],
        usual: Iterable[tuple[str, ...]] = (),
    ) -> None:
        self._field_of = field_of
        self._usual = tuple(usual)
        self._known = _Names(field_of)
        # Names in bytes have a dict of their own: no name may be compared with one of the other
        # type.
        self._known_bytes = _Names(lambda name: field_of(_decoded(name)))
        self._known_in_environs = _Names(self._header_in_environ)
        # By all the names of a dict: its fields, each with its name. One look-up answers for all.
        self._known_sets: dict[t.Any, dict[str, str]] = {}
        self.plans: dict[t.Any, tuple[str, ...] | None] = {}
        """By all the names of a dict, those of its fields, in the order of the `usual` ones; empty
        if it has no field of the format, and None if it has other fields. A dict with names that
        `read_text` has not seen yet is missing. One look-up, without a call, finds all names.
        """

    def read_text(
        self, carrier: t.Any, unique: Container[str] = (), lists: Container[str] = ()
    ) -> dict[str, str]:
        """The format's fields, each with the first of its values; without those that are no text.

        Fields that are `lists` have all of their values, joined by commas. Raises
        `SpanContextCorruptedException` if one of the `unique` fields has two values.
        """
        fields: dict[str, str] = {}
        names = self._names_in(carrier) if type(carrier) is dict else None
        if names is not None:
            for known, name in names.items():  # in CPython 3.11 quicker than a comprehension
                value = carrier.get(name)
                if type(value) is not str:
                    break
                fields[known] = value
            else:
                return fields
            fields = {}
        parts: dict[str, list[str]] = {}  # by field; joined once, whatever their number
        pairs = pairs_of(carrier)
        field_of = self._field_in_environ if _is_environ(carrier, pairs) else self._field
        for name, value in pairs:
            field = field_of(name)
            if field is None:
                continue
            if field in lists:
                parts.setdefault(field, []).extend(_texts_in(value))
                continue
            text = first_text(value)
            if text is None:
                continue
            first = fields.setdefault(field, text)
            if first != text and field in unique:
                raise SpanContextCorruptedException(
                    f"{field} got two values, {shown(first)} and {shown(text)}"
                )
        fields.update((field, ",".join(texts)) for field, texts in parts.items() if texts)
        return fields

    def _names_in(self, carrier: dict[t.Any, t.Any]) -> dict[str, str] | None:
        """The format's fields in a dict, each with its name.

        None if a name is no text, or if two names stand for one field.
        """
        names = (*carrier,)
        try:
            return self._known_sets[names]
        except Exception:  # not known yet, or no text
            reraise_interrupt()
        if any(type(name) is not str for name in names):
            return None
        known = self._known_in_environs if _IN_EVERY_ENVIRON in names else self._known
        fields: dict[str, str] = {}
        for name in names:
            field = known[name]
            if field is not None and fields.setdefault(field, name) != name:
                return None
        if sum(map(len, names)) <= _MAX_KNOWN_SET_LENGTH:
            if len(self._known_sets) >= _MAX_KNOWN_SETS:
                self._known_sets.clear()
                self.plans.clear()
            self._known_sets[names] = fields
            plan: tuple[str, ...] | None = None if fields else ()
            for usual in self._usual:
                if fields.keys() == set(usual):
                    plan = tuple(fields[field] for field in usual)
            self.plans[names] = plan
        return fields

    def write(self, carrier: t.Any, entries: Mapping[str, str]) -> None:
        """Put `entries`, by field, into a mutable mapping or a list of pairs.

        They take the place of all of the format's entries, of other fields and in any spelling:
        headers that were copied from a stranger's request would count as ours downstream. If names
        or values in a list are bytes, those of the new pairs are too. In a WSGI environ, names have
        the form ``HTTP_X_NAME``.
        """
        try:
            if type(carrier) is dict and _IN_EVERY_ENVIRON not in carrier:
                stale = self._names_in(carrier)
                if stale is not None:
                    for name in stale.values():
                        del carrier[name]
                    carrier.update(entries)
                    return
            if isinstance(carrier, list):
                pairs = pairs_of(carrier)
                in_bytes = _in_bytes(name for name, _ in pairs), _in_bytes(v for _, v in pairs)
                self._write_pairs(carrier, entries, *in_bytes)
                return
            if type(carrier) is KafkaHeaders:  # at once: its own methods look at every header
                self._write_pairs(carrier.headers, entries, False, True)
                return
            names, is_environ = self._stale_names(carrier)
            once = list(dict.fromkeys(names))
            _delete(carrier, once)
            if len(once) < len(names):
                # Deleting a name of grpc.aio.Metadata deletes its first value alone. Most other
                # mappings look at all that they have, for each name that is deleted.
                _delete(carrier, self._stale_names(carrier)[0])
            for field, value in entries.items():
                carrier[_name_in_environ(field) if is_environ else field] = value
        except Exception as error:
            reraise_interrupt()
            raise _invalid_carrier(carrier, "to write to, a mutable mapping or a list") from error

    def remove_from(self, carrier: t.Any) -> None:
        """Remove all of the format's entries from a mutable mapping or a list of pairs."""
        self.write(carrier, {})

    def _write_pairs(
        self,
        pairs: list[t.Any],
        entries: Mapping[str, str],
        names_in_bytes: bool,
        values_in_bytes: bool,
    ) -> None:
        make_name = six.ensure_binary if names_in_bytes else six.ensure_str
        make_value = six.ensure_binary if values_in_bytes else six.ensure_str
        kept = [pair for pair in pairs if self._field(_name_of(pair)) is None]
        written = [(make_name(field), make_value(value)) for field, value in entries.items()]
        pairs[:] = kept + written

    def _stale_names(self, carrier: t.Any) -> tuple[list[t.Any], bool]:
        """The names of the format's entries in a mapping, each as often as it is present, in a WSGI
        environ in either form; and whether it is a WSGI environ.
        """
        try:
            # Usually there is none. Only `keys` is as safe to iterate over as a dict: a response,
            # for instance, may give away its body.
            names = list(islice(carrier.keys(), MAX_ENTRIES))
            is_usual = len(names) < MAX_ENTRIES and _IN_EVERY_ENVIRON not in names
            if is_usual and not any(map(self._field, names)):
                return [], False
        except Exception:  # no `keys`
            reraise_interrupt()
        try:
            pairs = pairs_of(carrier)
        except InvalidCarrierException:  # it does not give its names, but may take new ones
            return [], False
        if len(pairs) >= MAX_ENTRIES and type(carrier) is not dict:
            raise ValueError(f"the carrier has {MAX_ENTRIES} entries, or more")
        is_environ = _is_environ(carrier, pairs)
        stale = [
            name
            for name, _ in pairs
            if self._field(name) is not None
            or (is_environ and self._field_in_environ(name) is not None)
        ]
        return stale, is_environ

    def _field(self, name: t.Any) -> str | None:
        if type(name) is str:
            return self._known[name]
        if type(name) is bytes:
            return self._known_bytes[name]
        text = text_or_none(name)
        return None if text is None else self._field_of(text)

    def _field_in_environ(self, name: t.Any) -> str | None:
        return self._known_in_environs[name] if type(name) is str else None

    def _header_in_environ(self, name: str) -> str | None:
        is_header = name.startswith("HTTP_")
        return self._field_of(name[5:].replace("_", "-").lower()) if is_header else None


def _is_environ(carrier: t.Any, pairs: list[tuple[t.Any, t.Any]]) -> bool:
    """Whether a carrier, whose pairs these are, is a WSGI environ."""
    return hasattr(carrier, "items") and any(
        type(name) is str and name == _IN_EVERY_ENVIRON for name, _ in pairs
    )


def _name_in_environ(field: str) -> str:
    return "HTTP_" + field.upper().replace("-", "_")


def _delete(carrier: t.Any, names: list[t.Any]) -> None:
    for name in names:
        try:
            del carrier[name]
        except KeyError:  # it went with another that is spelled alike
            reraise_interrupt()


def text_or_none(value: t.Any) -> str | None:
    """`value` as str, from str or bytes; None for anything else, which no wire can have sent."""
    kind = type(value)  # `isinstance` believes what an object says its class is, and runs its code
    if issubclass(kind, str):
        return str.__str__(value)  # plain, whatever its subclass makes of itself
    if issubclass(kind, bytes):
        return _decoded(bytes.__getitem__(value, slice(None)))
    return None


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def first_text(value: t.Any) -> str | None:
    """The same, of a list or tuple of values: the first that is text.

    Mappings to lists, such as API Gateway's ``multiValueHeaders``, have one for each name.
    """
    found = text_or_none(value)
    return next(_texts_in(value), None) if found is None else found


def _texts_in(value: t.Any) -> Iterator[str]:
    """All that are text of a list or tuple of values, or a single one."""
    kind = type(value)
    values = islice(value, MAX_ENTRIES) if issubclass(kind, (list, tuple)) else (value,)
    return (text for each in values if (text := text_or_none(each)) is not None)


def pairs_of(carrier: t.Any) -> list[tuple[t.Any, t.Any]]:
    """The entries of a mapping or an iterable of pairs; anything that is no pair is skipped.

    None, by which many libraries mean "no headers", has none. A carrier other than a dict, a list
    or a tuple may have no end, and is read up to `MAX_ENTRIES`.
    """
    if carrier is None:
        return []
    kind = type(carrier)
    if issubclass(kind, (str, bytes, bytearray, memoryview)):
        raise _invalid_carrier(carrier)
    pairs: list[tuple[t.Any, t.Any]] = []
    try:
        has_items = hasattr(carrier, "items")
        # What is no mapping may repeat a name: grpc.aio.Metadata has a list of values for each.
        repeats = has_items and not issubclass(kind, Mapping)
        items: t.Any = carrier.items() if has_items else carrier
        if kind is not list and kind is not tuple and kind is not dict:
            items = islice(items, MAX_ENTRIES)
        for pair in items:
            if isinstance(pair, (tuple, list)) and len(pair) == 2:
                name, value = pair
                if repeats and isinstance(value, list):
                    pairs += [(name, each) for each in islice(value, MAX_ENTRIES)]
                    if len(pairs) > MAX_ENTRIES:
                        break
                else:
                    pairs.append((name, value))
    except Exception as error:
        reraise_interrupt()
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

    def __init__(self, headers: list[t.Any]) -> None:
        check_type("headers", headers, list)
        self.headers = headers

    def keys(self) -> list[t.Any]:
        """The names, each as often as it is present."""
        return [name for name, _ in pairs_of(self.headers)]

    def items(self) -> list[tuple[t.Any, t.Any]]:
        """The headers, in their order."""
        return pairs_of(self.headers)

    def __setitem__(self, name: str, value: t.Any) -> None:
        """Add a header, in place of all of this name."""
        header = six.ensure_str(name), six.ensure_binary(value)
        del self[name]
        self.headers.append(header)

    def __delitem__(self, name: t.Any) -> None:
        """Remove all headers of this name, if there are any."""
        kind = type(name)  # no name is compared with one of the other type
        self.headers[:] = [
            pair
            for pair in self.headers
            if type(found := _name_of(pair)) is not kind or found != name
        ]


def _in_bytes(parts: Iterable[t.Any]) -> bool:
    return any(isinstance(part, bytes) for part in parts)


def _name_of(pair: t.Any) -> t.Any:
    return pair[0] if isinstance(pair, (tuple, list)) and pair else None


def _invalid_carrier(
    carrier: t.Any, accepted: str = "a mapping, or an iterable of pairs"
) -> InvalidCarrierException:
    return InvalidCarrierException(f"the carrier is a {type(carrier).__name__}; wanted: {accepted}")
