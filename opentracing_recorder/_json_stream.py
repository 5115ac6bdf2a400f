"""The values in a stream of JSON, one by one, however large or broken the stream is.

A list is not held: its elements are the values, and so are those of a list that is the first member
of an object, with a name that is known, such as ``{"data": [...]}``. Text of any other kind is an
error with its place, and the values after it are found again. Time is linear in the length of the
stream, and memory is bounded by the longest value that is read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

from opentracing.interrupts import reraise_interrupt

CHUNK = 64 * 1024
"""The characters of which a window has at least as many, if the stream goes on."""

MAX_VALUE = 64 * 1024 * 1024
"""The most characters of one value that are read; a longer one is an error."""

WRAPPERS = ("data", "resourceSpans", "resource_spans", "batches")
"""The members of an object whose lists are entered."""


class Place(NamedTuple):
    """The place at which a value begins, counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}" + (f", column {self.column}," if self.column > 1 else "")


class Value(NamedTuple):
    """A value, and where it begins."""

    place: Place
    value: Any
    is_sure: bool = True
    """Whether it is known to be a whole value, and not to be a part of a broken one."""


class Broken(NamedTuple):
    """Text that is no JSON, and why."""

    place: Place
    reason: str
    is_rest: bool = False
    """Whether nothing after it is read."""


class StreamFault(Exception):
    """The stream cannot be read on; its chunks may raise this."""


class _Failure(Exception):
    """A value cannot be read: why, and the position in the window up to which it was tried."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.position = position


def _not_finite(name: str) -> str:
    return repr(float(name))  # as `json_safe` has such numbers


_decode = JSONDecoder(parse_constant=_not_finite).raw_decode

_SPACE = re.compile(r"[ \t\n\r]*")
_TEXT_AFTER = re.compile(r"[ \t]*[^ \t\n\r]")
_WRAPPER = re.compile(rf'\{{\s*"(?:{"|".join(WRAPPERS)})"\s*:\s*(?=\[)')
_LONGEST_START = 200  # characters of a match of these; a longer one is not found
# No text in JSON holds this: its quotation marks would have backslashes.
_START = re.compile(r'\{\s*"(?:trace_?id|resource_?spans|data)"\s*:', re.IGNORECASE)
_NEXT_LINE = re.compile(r"\n")
_LINE_WITH_START = re.compile(r"\n[ \t]*(?=[{\[])")
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # bytes as `surrogateescape` has them

_LONGEST_WORD = 12  # characters of a literal, such as -Infinity, or an escape that may be cut off
_CLOSING = {"[": "]", "{": "}"}
_TRIED_AT_LEAST = 1024 * 1024
_MOST_PASSED = (
    8 * 1024
)  # characters that stay in a window; json counts the lines of all at an error
_DEEP = 64 * 1024  # characters that count as tried if a value is nested too deep


class _Window:
    """The part of the stream that is held, and the position in it."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._given_back: deque[str] = deque()
        self.text = ""
        self.position = 0
        self.ended = False
        self.fault: str | None = None
        self.passed = 0  # characters before the text
        self._line, self._line_start = 1, 0  # of the last place, and in which character it begins
        self._undecodable_until = 0

    @property
    def place(self) -> Place:
        return Place(self._line, self.passed + self.position - self._line_start + 1)

    def more(self) -> None:
        """Read on: at least as much as is held, so that all attempts at a value stay linear."""
        held = self.text[self.position :]
        self.passed += self.position
        self.position = 0
        parts, missing = [held], max(CHUNK, len(held))
        while missing > 0:
            chunk = self._next_chunk()
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            missing -= len(chunk)
        self.text = "".join(parts)
        if not self.text.isascii() and _UNDECODABLE.search(self.text):
            self._undecodable_until = self.passed + len(self.text)

    def _next_chunk(self) -> str | None:
        if self._given_back:
            return self._given_back.popleft()
        try:
            return next(self._chunks, None)
        except StreamFault as fault:
            self.fault = str(fault)
            return None

    def move_to(self, position: int) -> None:
        lines = self.text.count("\n", self.position, position)
        if lines:
            self._line += lines
            self._line_start = self.passed + self.text.rfind("\n", 0, position) + 1
        self.position = position
        if len(self.text) > 4 * CHUNK and position:
            # A long value is read, or cannot be read. The rest is given back: an error costs time
            # in proportion to the text before it.
            rest = self.text[position:]
            self.passed += position
            self.position = 0
            self.text = rest[:CHUNK]
            starts = range(CHUNK, len(rest), CHUNK)
            self._given_back.extendleft(rest[start : start + CHUNK] for start in reversed(starts))
            self.ended = self.ended and not self._given_back
        elif position > _MOST_PASSED:
            self.text = self.text[position:]
            self.passed += position
            self.position = 0

    def at_least(self, length: int) -> None:
        """Hold so many characters, if there are."""
        while len(self.text) - self.position < length and not self.ended:
            self.more()

    def next_character(self) -> str:
        """The next character that is no space, which is moved to; "" at the end."""
        while True:
            if self.position < len(self.text):
                character = self.text[self.position]
                if character not in " \t\n\r":
                    return character
                match = _SPACE.match(self.text, self.position)
                self.move_to(match.end())  # type: ignore[union-attr]  # it matches everywhere
            elif self.ended:
                return ""
            else:
                self.more()

    def value(self) -> tuple[Any, int]:
        """The value at the position, and the position after it. Raises _Failure."""
        while True:
            text, start = self.text, self.position
            try:
                value, end = _decode(text, start)
            except RecursionError:
                raise _Failure("it is nested too deep", min(start + _DEEP, len(text))) from None
            except JSONDecodeError as error:
                at = min(error.pos, len(text))
                is_cut = at + _LONGEST_WORD >= len(text) or error.msg.startswith("Unterminated")
                if self.ended or not is_cut:
                    raise _Failure(self._reason(error, at), at) from None
            except ValueError:  # an integer with too many digits
                reraise_interrupt()
                raise _Failure("an integer in it is too long", len(text)) from None
            else:
                if end < len(text) or self.ended or type(value) in (dict, list, str):
                    return self._checked(value, end), end
            if len(self.text) - start > MAX_VALUE:
                raise _Failure(f"it is longer than {MAX_VALUE} characters", len(self.text))
            self.more()

    def _checked(self, value: Any, end: int) -> Any:
        if end - self.position > MAX_VALUE:
            raise _Failure(f"it is longer than {MAX_VALUE} characters", end)
        if self.passed + self.position < self._undecodable_until and _UNDECODABLE.search(
            self.text, self.position, end
        ):
            raise _Failure("it is not UTF-8", end)
        return value

    def _reason(self, error: JSONDecodeError, at: int) -> str:
        text, start = self.text, self.position
        if _UNDECODABLE.search(text, start, at + 1):
            return "it is not UTF-8"
        # Cut off at the end of a line, or at the last one's.
        is_line_end = start < at < len(text) and (
            text[at] == "\n" or (text[at] == "{" and text[at - 1] == "\n")
        )
        rest = _SPACE.match(text, at)
        is_end = rest is not None and rest.end() == len(text)
        if is_line_end or is_end or error.msg.startswith("Unterminated"):
            return "it ends too early"
        if at == start:
            return "it is not JSON"
        line = self._line + text.count("\n", start, at)
        newline = text.rfind("\n", start, at)
        column = at - newline if newline >= 0 else self.passed + at - self._line_start + 1
        return f"{error.msg}: line {line} column {column}"


class JSONStream:
    """Iterates over the values and the faults of a stream, given as chunks of text."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._window = _Window(chunks)
        self._open: list[str] = []  # how the lists and objects began that were entered
        # After an error in one of these, parts of values follow, until a line begins with one.
        self._is_lost = False
        self._is_guess = False  # the next value was found inside of broken text
        self._tried = 0  # characters of values that could not be read

    def __iter__(self) -> Iterator[Value | Broken]:
        window = self._window
        while character := window.next_character():
            if character in "{[" and window.place.column == 1:
                self._is_lost = False
            try:
                found = self._next(character)
            except _Failure as failure:
                if not (self._is_lost or self._is_guess):
                    yield Broken(window.place, str(failure))
                self._skip(failure.position)
                continue
            if found is not None:
                yield found
                self._is_guess = False
                try:
                    self._separate()
                except _Failure as failure:
                    yield Broken(window.place, str(failure))
                    self._skip(failure.position)
        if window.fault is not None or self._open:
            yield Broken(window.place, window.fault or "it ends too early", True)

    def _next(self, character: str) -> Value | None:
        """Move past what begins with this character; the value if it is one."""
        window = self._window
        if self._open and character == _CLOSING[self._open[-1]]:
            window.move_to(window.position + 1)
            self._open.pop()
            self._separate()
            return None
        if self._open and self._open[-1] == "{":
            self._enter_member()
            return None
        if character == "[" and not self._open:
            window.move_to(window.position + 1)
            self._open.append("[")
            return None
        if character == "{":
            window.at_least(_LONGEST_START)
            match = _WRAPPER.match(window.text, window.position)
            if match:
                window.move_to(match.end() + 1)
                self._open += "{["
                return None
        if self._is_lost and character not in "{[":
            if character not in ",]}":
                raise _Failure("", window.position)
            window.move_to(window.position + 1)
            return None
        place = window.place
        value, end = window.value()
        if not self._open and _TEXT_AFTER.match(window.text, end) and character not in "{[":
            raise _Failure("it is not JSON", end)  # text that begins with a number, as in a log
        window.move_to(end)
        return Value(place, value, not (self._is_lost or self._is_guess))

    def _enter_member(self) -> None:
        """Move past a member of an object, or to the first element of its list."""
        window = self._window
        key, end = window.value()
        if type(key) is not str:
            raise _Failure("Expecting property name", window.position)
        window.move_to(end)
        if window.next_character() != ":":
            raise _Failure("Expecting ':' delimiter", window.position)
        window.move_to(window.position + 1)
        if window.next_character() == "[" and key in WRAPPERS:
            window.move_to(window.position + 1)
            self._open.append("[")
        else:
            window.move_to(window.value()[1])
            self._separate()

    def _separate(self) -> None:
        """Move past the comma after an element or a member."""
        if not self._open:
            return
        character = self._window.next_character()
        if character == ",":
            self._window.move_to(self._window.position + 1)
        elif character not in ("", _CLOSING[self._open[-1]]):
            raise _Failure("Expecting ',' delimiter", self._window.position)

    def _skip(self, tried_to: int) -> None:
        """Move from a value that cannot be read to the next that may be one."""
        window = self._window
        start = window.position
        self._tried += tried_to - start + 1
        self._is_lost = self._is_lost or bool(self._open)
        self._open.clear()
        # The last character may be the line's end, or one after it.
        is_line = not self._is_lost and "\n" not in window.text[start : max(start, tried_to - 1)]
        # A value may follow inside of the text that was tried; but not all of it is tried again
        # and again.
        is_within_budget = self._tried <= 4 * (window.passed + start) + _TRIED_AT_LEAST
        window.move_to(start + 1 if is_within_budget else max(start + 1, tried_to))
        while True:
            text, position = window.text, window.position
            line = _NEXT_LINE.search(text, position) if is_line else None
            line = line or (None if is_line else _LINE_WITH_START.search(text, position))
            inside = _START.search(text, position, line.end() if line else len(text))
            found = inside.start() if inside else line.end() if line else None
            if found is not None:
                self._is_guess = inside is not None
                window.move_to(found)
                return
            if window.ended:
                self._is_guess = False
                window.move_to(len(text))
                return
            window.move_to(max(position, len(text) - _LONGEST_START))
            window.more()
