"""PrefixedBaggage: baggage of which each item is an entry, named by a prefix and the item's key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from .context import BasicSpanContext
from .fields import percent_decoded, percent_encoded, written_baggage


class PrefixedBaggage:
    """Writes and reads such items beside the format's other `fields`.

    With `encoded`, for HTTP_HEADERS, keys and values are percent-encoded, and keys are in lower
    case, as header names are. Without, for TEXT_MAP, they are kept as they are.
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
        """Which field of the format an entry's name stands for, for `CarrierFormat`."""
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
        encoded = _encoded if self._encoded else _as_it_is
        return [(self._prefix + key, value) for key, value in written_baggage(context, encoded)]

    def items(self, fields: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        """The items that are in `fields`."""
        for field, value in fields.items():
            if field.startswith(self._prefix):
                key = field[len(self._prefix) :]
                if self._encoded:
                    key, value = percent_decoded(key), self._decode_value(value)
                yield key, value


def _encoded(key: str, value: str) -> tuple[str, str]:
    return percent_encoded(key).lower(), percent_encoded(value)


def _as_it_is(key: str, value: str) -> tuple[str, str]:
    return key, value
