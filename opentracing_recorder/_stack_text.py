"""The text of an error as `traceback.format_exception` has it, within limits.

Spans keep it under ``stack``. Timelines read the causes from it, because files have only text.
"""

from __future__ import annotations

from types import TracebackType

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._errors import group_types
from ._json_safe import text_of

# The limits of one text. Frames and characters are shared by its errors, which have at least the
# second number each.
_MAX_ERRORS = 50
_MAX_CHAIN = 16  # an error and its causes
_MAX_FRAMES, _MIN_FRAMES = 150, 4
_MAX_MESSAGES, _MIN_MESSAGE = 8000, 400
_MAX_TEXT = 50_000
_MAX_FOLLOWED = 100_000  # causes, of all its errors
_MAX_NOTES = 20
_MAX_OFFSET = 1000  # of a syntax error, in a line of at most this length

# Those of `traceback`.
_MAX_WIDTH, _MAX_DEPTH = 15, 10
_SENTENCES = (
    "\nThe above exception was the direct cause of the following exception:\n\n",
    "\nDuring handling of the above exception, another exception occurred:\n\n",
)
_HEADER = "Traceback (most recent call last):"

# Those of the base class: a class may have properties of its own, with code that fails.
_base: t.Any = BaseException
_cause_of = _base.__cause__.__get__
_context_of = _base.__context__.__get__
_suppresses_context = _base.__suppress_context__.__get__
traceback_of = _base.__traceback__.__get__

_SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)
_OF_SYNTAX = ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset")


def stack_text(error: BaseException | None, stack: TracebackType | None) -> str:
    """The text of an error that was raised with this traceback, or of the traceback alone.

    If it is too long, the innermost cause and the error itself are kept, and it says how much is
    left out. Never raises.
    """
    try:
        if error is None:
            text = "" if stack is None else _frames(stack, _length(stack), _MAX_FRAMES)
        else:
            text = _Writer(error, stack).text
    except Exception:  # of a group's own members, for example
        reraise_interrupt()
        text = text_of(stack)
    return _cut(text_of(text), _MAX_TEXT)


def _cut(text: str, most: int) -> str:
    """The first and the last lines of a text that has more than `most` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    first, last = text[:half].rpartition("\n"), text[-half:].partition("\n")
    start, end = first[0] or first[2], last[2] or last[0]
    return f"{start}\n... {len(text) - len(start) - len(end)} characters left out ...\n{end}"


class _Shown:
    """One error of a text: its traceback, and the members to show if it is a group."""

    __slots__ = ("error", "left_out", "length", "link", "members", "stack")

    def __init__(self, error: BaseException, stack: TracebackType | None, link: str) -> None:
        self.error = error
        self.stack = stack
        self.length = _length(stack)
        self.link = link  # the sentence behind it
        self.members: list[list[_Shown]] | None = None
        self.left_out = 0  # members


class _Writer:
    """Finds what to show of an error within the limits, and writes it."""

    def __init__(self, error: BaseException, stack: TracebackType | None) -> None:
        self._groups = group_types()
        self._seen = {id(error)}
        self._shown: list[_Shown] = []
        chain = self._chain(error, stack, _MAX_ERRORS, 0)
        number = len(self._shown)
        is_short = sum(each.length for each in self._shown) <= _MAX_FRAMES
        self._frames = _MAX_FRAMES if is_short else max(_MIN_FRAMES, _MAX_FRAMES // number)
        self._characters = max(_MIN_MESSAGE, _MAX_MESSAGES // number)
        self._parts: list[str] = []
        self._write(chain, 0)
        self.text = "".join(self._parts)

    def _chain(
        self, error: BaseException, stack: TracebackType | None, room: int, depth: int
    ) -> list[_Shown]:
        """An error and its causes, the innermost first; with members of groups at most `room`."""
        found = [(error, stack, "")]
        while len(self._seen) < _MAX_FOLLOWED:
            cause, link = _cause_of(error), _SENTENCES[0]
            if cause is None and not _suppresses_context(error):
                cause, link = _context_of(error), _SENTENCES[1]
            if cause is None or id(cause) in self._seen:
                break
            self._seen.add(id(cause))
            found.append((cause, traceback_of(cause), link))
            error = cause
        most = max(2, min(room, _MAX_CHAIN))
        over = len(found) - most
        if over > 0:
            outer = most // 2
            first, its_stack, before = found[outer + over]
            after = found[outer][2]
            kept = (first, its_stack, f"{before}... {over} errors left out ...\n{after}")
            found[outer : outer + over + 1] = [kept]
        chain = [_Shown(*each) for each in reversed(found)]
        self._shown += chain
        if self._groups:
            groups = [each for each in chain if issubclass(type(each.error), self._groups)]
            for each in groups:
                self._add_members(each, (room - len(chain)) // len(groups), depth)
        return chain

    def _add_members(self, shown: _Shown, room: int, depth: int) -> None:
        members: t.Any = shown.error.exceptions  # type: ignore[attr-defined]
        shown.members = []
        is_shown = depth < _MAX_DEPTH and room > 0
        kept = members[: min(_MAX_WIDTH, room)] if is_shown else ()
        shown.left_out = len(members) - len(kept)
        for each in kept:
            self._seen.add(id(each))
        for each in kept:
            chain = self._chain(each, traceback_of(each), room // len(kept), depth + 1)
            shown.members.append(chain)

    def _write(self, chain: list[_Shown], depth: int) -> bool:
        """Write errors, the innermost first; returns whether a group has closed the frame."""
        is_closed = False
        for shown in chain:
            members, inner = shown.members, depth
            if members is not None and depth > _MAX_DEPTH:
                self._add(f"... (max_group_depth is {_MAX_DEPTH})\n", depth)
            else:
                if members is not None:
                    inner = depth or 1
                if shown.stack is not None:
                    group = "" if members is None else "Exception Group "
                    self._add(f"{group}{_HEADER}\n", inner, "|" if inner == depth else "+")
                    self._add(_frames(shown.stack, shown.length, self._frames), inner)
                self._add(self._last_lines(shown.error), inner)
                if members is not None:
                    self._write_members(members, shown.left_out, inner)
                    is_closed = True
            if shown.link:
                self._add(shown.link, depth)
        return is_closed

    def _write_members(self, members: list[list[_Shown]], left_out: int, depth: int) -> None:
        margin, is_closed = "  " * depth, False
        titles = [str(number + 1) for number in range(len(members))] + ["..."] * (left_out > 0)
        for number, title in enumerate(titles):
            branch = "  " if number else "+-"
            self._parts.append(f"{margin}{branch}+---------------- {title} ----------------\n")
            if number < len(members):
                is_closed = self._write(members[number], depth + 1)
            else:
                is_closed = False
                plural = "s" * (left_out > 1)
                self._add(f"and {left_out} more exception{plural}\n", depth + 1)
        if not is_closed:
            self._parts.append(f"{margin}  +------------------------------------\n")

    def _last_lines(self, error: BaseException) -> str:
        """The type and the message, and the notes."""
        most = self._characters
        if type(error) in _SYNTAX_ERRORS:
            lines = _syntax_lines(error)
        else:
            name, _, message = self._text_of(error).partition(": ")
            if name.startswith("<"):  # it has no text
                name = name[1:-1]
            name = name[len("__main__.") :] if name.startswith("__main__.") else name
            message = _cut(message, most)  # the last lines of one may be another process's error
            lines = f"{name}: {message}\n" if message else f"{name}\n"
        notes = object.__getattribute__(error, "__dict__").get("__notes__")
        if type(notes) is list:
            text = "".join([f"{text_of(each)}\n" for each in notes[:_MAX_NOTES]])
            lines += _cut(text, most)
        return lines

    def _text_of(self, error: BaseException) -> str:
        kind = type(error)
        for group in self._groups:
            # Its message names no member; `text_of` would read them all.
            if issubclass(kind, group) and kind.__str__ is group.__str__:
                return f"{text_of(kind)}: {text_of(str(error))}"
        return text_of(error)

    def _add(self, text: str, depth: int, border: str = "|") -> None:
        if depth:
            margin = f"{'  ' * depth}{border} "
            text = "".join([margin + line for line in text.splitlines(True)])
        self._parts.append(text)


def _length(stack: TracebackType | None) -> int:
    length = 0
    while stack is not None:
        length += 1
        stack = stack.tb_next
    return length


def _frames(stack: TracebackType, length: int, most: int) -> str:
    """The frames of a traceback: the first and the last, if they are more than `most`."""
    try:
        from traceback import format_tb  # which fails late in the interpreter's exit

        if length <= most:
            return "".join(format_tb(stack))
        half = most // 2
        first = format_tb(stack, half)
        inner: t.Any = stack
        for _ in range(length - half):
            inner = inner.tb_next
        left_out = f"  ... {length - 2 * half} frames left out ...\n"
        return "".join([*first, left_out, *format_tb(inner)])
    except Exception:  # also of the application's own loader of source
        reraise_interrupt()
        return f"  ... {length} frames left out ...\n"


def _syntax_lines(error: BaseException) -> str:
    """The last lines of an error that shows the line of source."""
    from traceback import format_exception_only

    made = type(error)()
    for name in _OF_SYNTAX:
        value = getattr(error, name, None)
        if type(value) is str and name != "filename":
            value = value[:_MAX_OFFSET]
        elif type(value) is int and "offset" in name:
            value = min(value, _MAX_OFFSET)
        setattr(made, name, value if type(value) in (str, int) else None)
    return "".join(format_exception_only(type(made), made))


# Reading it.

_LINKS = [each.strip() for each in _SENTENCES]
_MAX_MORE = 2000  # characters
# Pools of processes quote the traceback of the other process, as the text of a cause.
_OF_ANOTHER_PROCESS = ("RemoteTraceback: ", '"""')
_FIRST_MEMBER, _NEXT_MEMBER = "  +-+---------------- ", "    +---------------- "


def with_causes(message: str, stack: str) -> str:
    """The message of an error, with the members of a group and the innermost cause, on one line.

    `stack` is the text of the error's stack, or any other.
    """
    if _FIRST_MEMBER not in stack and not any(each in stack for each in _LINKS):
        return message
    more = _more_of(stack.split("\n"))[1]
    return message + (more if len(more) <= _MAX_MORE else f"{more[:_MAX_MORE]}...")


def _more_of(lines: list[str], depth: int = 0) -> tuple[str, str]:
    """The error that these lines show, and its members and innermost cause, to write behind it."""
    links = [at for at, line in enumerate(lines) if _inner(line) in _LINKS]
    outer = lines[links[-1] + 1 :] if links else lines
    more = _members(outer, depth)
    error = _error_of(outer)
    if links and depth < _MAX_DEPTH:
        cause, of_cause = _more_of(lines[: links[0]], depth + 1)
        if cause and cause != error:  # they are equal if it is the same error in another process
            more += f" (from {cause}{of_cause})"
    return error, more


def _error_of(lines: list[str]) -> str:
    """The first line that is not of a traceback."""
    for line in map(_inner, lines):
        if not line or line[0].isspace() or line.endswith((_HEADER, *_OF_ANOTHER_PROCESS)):
            continue
        return line if len(line) <= _MIN_MESSAGE else f"{line[:_MIN_MESSAGE]}..."
    return ""


def _inner(line: str) -> str:
    """A line without the margin of a group."""
    return line[4:] if line[:4] in ("  | ", "  + ") else line


def _members(lines: list[str], depth: int) -> str:
    members: list[list[str]] = []
    for line in lines:
        if line.startswith(_NEXT_MEMBER if members else _FIRST_MEMBER):
            members.append([])
        elif members:
            members[-1].append(line[2:])
    if not members or depth >= _MAX_DEPTH:
        return ""
    return ": " + "; ".join(["".join(_more_of(each, depth + 1)) for each in members])
