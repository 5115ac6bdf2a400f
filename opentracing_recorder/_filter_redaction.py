"""Redaction, which replaces values of spans that may hold a secret; its guide is in `filter`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_type
from ._filter_copy import bare_references, made, set_baggage
from ._filter_suspects import COUNTED, KEPT, SUSPECT, Suspects, is_card_number
from ._json_safe import Parts, json_safe, text_of
from .context import copied_baggage
from .span import BasicSpan

_MAX_DEPTH = 8
_LONGEST_TEXT = 2_000_000  # characters
_NO_CARD, _TOO_LONG = 10**12, 10**19  # a card's number has 13 to 19 digits

_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))

_LONGEST_REMEMBERED = 100  # characters
_MOST_REMEMBERED = 4000

_PAIRS = (("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value"))

_COUNT = re.compile(r"[-+\d.,]{1,20}")

_DIGIT = re.compile(r"\d")
_ESCAPE = re.compile(r"[%\\&]")
_WITHOUT_DIGITS = bytes.maketrans(b"123456789", b"000000000")


class Redaction:
    """Replaces values that may hold a secret, in the span that it is called with.

    `keys` are words that make a key suspicious, `patterns` regular expressions that find a secret
    in a text. They are used in addition to the default ones, unless `defaults` is False. Values
    under `kept_keys` are searched by pattern alone. May be called from any thread.
    """

    def __init__(
        self,
        keys: Iterable[str] = (),
        patterns: Iterable[str | re.Pattern[str]] = (),
        *,
        kept_keys: Iterable[str] = (),
        replacement: str = "[redacted]",
        defaults: bool = True,
    ) -> None:
        check_type("replacement", replacement, str)
        check_type("defaults", defaults, bool)
        self._replacement = replacement
        words = _words("keys", keys)
        self._suspects = Suspects(words, _words("kept_keys", kept_keys), defaults)
        self._patterns = _compiled(patterns)
        self._has_defaults = defaults
        # Below it, a number needs no search.
        self._harmless = 0 if self._patterns else _NO_CARD
        # The kinds of keys, those of them that are kept, and short texts in which nothing was
        # found. A dict is changed in one atomic step.
        self._kinds: dict[Any, int] = {}
        self._kept: dict[Any, int] = {}
        self._clean: dict[str, int] = {replacement: KEPT}
        # Texts in which nothing would be found with other digits either, as in a URL with a number.
        self._shapes: dict[bytes, int] = {}
        self._has_shapes = not self._patterns and not _DIGIT.search("".join(words))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __call__(self, span: BasicSpan) -> BasicSpan:
        """Replace the values of a span that may hold a secret, and return the span."""
        span = made(span)  # now, which saves a call
        if span.operation_name not in self._clean:
            span.operation_name = self._text(text_of(span.operation_name))
        parts: list[_Parts] = []
        self._redact(span.tags, parts)
        for log in span._logs or ():
            self._redact(log.key_values, parts)
        context: Any = span._own_context
        baggage = span._baggage if context is None else context._baggage
        if baggage:
            set_baggage(span, self._redact(dict(copied_baggage(baggage)), parts))
        if context is not None and context.extra:
            # Of other systems, as the trace state: without the header that holds a secret.
            context.extra = {
                key: value
                for key, value in context.extra.items()
                if type(value) is not str or self._text(value) is value
            }
        if span.references:
            span.references = bare_references(span)
        details = getattr(span, "opentelemetry", None)
        if details is not None:
            span.opentelemetry = details.replaced(  # type: ignore[attr-defined]
                self._text, lambda attributes: self._redact(attributes, parts)
            )
        return span

    def redacted(self, key: str, value: Any) -> Any:
        """The value that goes out in place of this one, if a span has it under this key."""
        return self._redact({key: value}, []).popitem()[1]

    def _redact(self, values: dict[Any, Any], parts: list[_Parts]) -> dict[Any, Any]:
        """Replace what is suspicious in this dict.

        `parts` has the limits of the span, if a value has needed them before.
        """
        kept, kinds, clean, harmless = self._kept, self._kinds, self._clean, self._harmless
        lowest = -harmless
        hidden = []
        for key, value in values.items():
            if type(key) is not str:
                return self._rebuilt(values, parts)
            kind = type(value)
            if key in kept:  # what comes again and again, without a call
                if kind is str:
                    if value not in clean and self._text(value) is not value:
                        values[key] = self._replacement
                    continue
                if kind is bool or (kind is int and lowest < value < harmless):
                    continue
            elif kind is str and kinds.get(key) == SUSPECT:
                values[key] = self._replacement
                continue
            if not parts:
                parts.append(_Parts())
            new = self._value(key, value, _MAX_DEPTH, parts[0])
            if new is not value:
                values[key] = new
            if key not in kinds and self._key(key) is not key:
                hidden.append(key)
        for key in hidden:
            values[self._key(key)] = values.pop(key)
        return values

    def _rebuilt(self, values: dict[Any, Any], parts: list[_Parts]) -> dict[Any, Any]:
        """The same for a dict with other keys, whose own methods may fail."""
        items = list(values.items())
        values.clear()
        if not parts:
            parts.append(_Parts())
        for key, value in items:
            values[self._key(key)] = self._value(key, value, _MAX_DEPTH, parts[0])
        return values

    def _key(self, key: Any) -> Any:
        """The key that goes out: one may hold a secret, too."""
        text = key if type(key) is str else text_of(key)
        if self._text(text) is not text:
            return self._replacement
        return key if _is_one_of(type(key), _PLAIN_KEYS) else text

    def _value(self, key: Any, value: Any, depth: int, parts: _Parts) -> Any:
        """The value that goes out under this key: itself, or the replacement."""
        text = key if type(key) is str else text_of(key)
        kind = self._kinds.get(text)
        if kind is None:
            kind = self._suspects.kind_of(text)
            if len(text) <= _LONGEST_REMEMBERED and self._text(text) is text:
                _remember(self._kinds, text, kind)
                if kind == KEPT:
                    _remember(self._kept, text, kind)
        if kind == SUSPECT:
            return value if value is None or type(value) is bool else self._replacement
        if kind == COUNTED:
            return self._counted(value, depth, parts)
        return self._searched(value, depth, parts)

    def _searched(self, value: Any, depth: int, parts: _Parts) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool or issubclass(kind, type):
            return value
        if kind is int or kind is float:
            return self._number(value)
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, depth, parts)
        if kind is bytes or issubclass(kind, BaseException):
            text = text_of(value)
            return value if self._text(text) is text else self._replacement
        # What is searched has to be what goes out.
        return self._searched(json_safe(value, parts.made), depth, parts)

    def _text(self, text: str) -> str:
        if text in self._clean:
            return text
        is_short, shape = len(text) <= _LONGEST_REMEMBERED, None
        # The digits of an escape, such as %3A, mean something else.
        if is_short and self._has_shapes and text.isascii() and not _ESCAPE.search(text):
            shape = text.encode().translate(_WITHOUT_DIGITS)
            if shape in self._shapes:
                return text
        if len(text) > _LONGEST_TEXT:
            return self._replacement
        if self._suspects.may_be_in(text):
            shape = None
            if self._suspects.are_found_in(text):
                return self._replacement
        for pattern in self._patterns:
            if pattern.search(text):
                return self._replacement
        if is_short:
            _remember(self._clean, text, KEPT)
            if shape is not None:
                _remember(self._shapes, shape, KEPT)
        return text

    def _number(self, number: float) -> Any:
        if -self._harmless < number < self._harmless:
            return number
        is_long = self._has_defaults and _NO_CARD <= abs(number) < _TOO_LONG
        if is_long and is_card_number(str(abs(int(number)))):
            return self._replacement
        if self._patterns and self._text(text_of(json_safe(number))) is self._replacement:
            return self._replacement
        return number

    def _container(self, value: Any, depth: int, parts: _Parts) -> Any:
        if depth <= 0 or len(value) > parts.left:
            return self._replacement
        parts.left -= len(value)
        if type(value) is dict:
            made = {
                self._key(key): self._value(key, each, depth - 1, parts)
                for key, each in value.copy().items()  # another thread may be changing it
            }
            # A pair, as of a header or an environment variable.
            for first, second in _PAIRS:
                named = made.get(first)
                if type(named) is str and second in made:
                    made[second] = self._value(named, made[second], depth - 1, parts)
            return made
        copied = []
        name: Any = None  # of the option before, in a command line
        for each in value.copy() if type(value) is list else value:
            if (
                _is_one_of(type(each), (list, tuple))
                and len(each) == 2
                and _is_one_of(type(each[0]), (str, bytes))
            ):
                # A header of a list of pairs, for example.
                key, second = each
                pair = (
                    self._searched(key, depth - 1, parts),
                    self._value(key, second, depth - 1, parts),
                )
                copied.append(pair if type(each) is tuple else [*pair])
                continue
            is_option = type(each) is str and each.startswith("-")
            if name is not None and type(each) is str and not is_option:
                copied.append(self._value(name, each, depth - 1, parts))
            else:
                copied.append(self._searched(each, depth - 1, parts))
            name = each.lstrip("-") if is_option else None
        return tuple(copied) if type(value) is tuple else copied

    def _counted(self, value: Any, depth: int, parts: _Parts) -> Any:
        """The value that goes out under a key such as ``tokens``: a number, and no text."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int or kind is float:
            return self._number(value)
        if kind is str:
            return value if _COUNT.fullmatch(value) else self._replacement
        if not _is_one_of(kind, (dict, list, tuple)):
            safe = json_safe(value, parts.made)
            is_text = issubclass(kind, bytes) or type(safe) is str
            return self._replacement if is_text else self._counted(safe, depth, parts)
        if depth <= 0 or len(value) > parts.left:
            return self._replacement
        parts.left -= len(value)
        if kind is dict:
            return {
                self._key(key): self._replacement
                if self._suspects.kind_of(text_of(key)) == SUSPECT
                else self._counted(each, depth - 1, parts)
                for key, each in value.copy().items()
            }
        return kind([self._counted(each, depth - 1, parts) for each in value])


class _Parts(Parts):
    """The limit of the parts of a span that are searched.

    `made` is that of the forms that are made to be searched.
    """

    __slots__ = ("made",)

    def __init__(self) -> None:
        super().__init__()
        self.made = Parts()


def _is_one_of(kind: type, kinds: tuple[type, ...]) -> bool:
    # Not by `in`, which runs the code of a metaclass that has an `__eq__`.
    return any(kind is each for each in kinds)


def _remember(known: dict[Any, int], text: Any, kind: int) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[text] = kind


def _words(name: str, given: Iterable[str]) -> list[str]:
    """The words or keys of an option."""
    wanted = "a list of texts"
    check_type(name, given, Iterable, wanted)
    if isinstance(given, (str, bytes)):  # one would be taken for its letters
        raise TypeError(f"{name} must be {wanted}, not {type(given).__name__}")
    words = list(given)
    for word in words:
        check_type(f"each of {name}", word, str)
        if not word.strip("-_. "):
            raise ValueError(f"each of {name} must have a letter or a digit, not {word!r}")
    return words


def _compiled(given: Iterable[str | re.Pattern[str]]) -> list[re.Pattern[str]]:
    wanted = "a list of regular expressions"
    check_type("patterns", given, Iterable, wanted)
    if isinstance(given, (str, bytes, re.Pattern)):
        raise TypeError(f"patterns must be {wanted}, not {type(given).__name__}")
    patterns = []
    for each in given:
        check_type("each of patterns", each, (str, re.Pattern), "a regular expression for text")
        try:
            pattern = re.compile(each)
        except re.error as error:
            reraise_interrupt()
            raise ValueError(f"a pattern is no regular expression: {each!r}: {error}") from None
        if isinstance(pattern.pattern, bytes):
            raise TypeError("each of patterns must be for text, not for bytes")
        patterns.append(pattern)
    return patterns
