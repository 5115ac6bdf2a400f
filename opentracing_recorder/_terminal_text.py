"""Text for terminals: its characters, its columns, and its colours."""

from __future__ import annotations

import shutil
import unicodedata
from functools import lru_cache
from typing import IO

from opentracing.interrupts import reraise_interrupt

from ._errors import visible

RED, GREEN, DIM, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
SERVICE_COLORS = ("\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m")


class Glyphs:
    """The characters that timelines and tables are drawn with."""

    def __init__(self, unicode: bool) -> None:
        self.unicode = unicode
        self.branch, self.last = ("├─ ", "└─ ") if unicode else ("|- ", "`- ")
        self.line = "│  " if unicode else "|  "
        self.full, self.left, self.right = ("━", "╸", "╺") if unicode else ("=", "=", "=")
        self.open, self.tip, self.log = ("┄", "▸", "┿") if unicode else ("~", ">", "+")
        self.error, self.cut, self.dot = ("✗", "…", "·") if unicode else ("!", ">", "-")
        self.times, self.to = ("×", "→") if unicode else ("x", "->")
        self.micro = "µs" if unicode else "us"


def terminal_width() -> int:
    """The columns of the terminal; 100 if it is none, or does not know."""
    return shutil.get_terminal_size((100, 24)).columns or 100


def can_encode(stream: IO[str] | None) -> bool:
    """Whether a stream can encode every character; names of spans may have any."""
    try:
        "✗\U0001f600".encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        reraise_interrupt()
        return False
    return True


def in_color(code: str, text: str) -> str:
    """Text in a colour of the terminal; spaces alone need none."""
    return f"{code}{text}{PLAIN}" if code and text.strip() else text


def shown_start(text: str, width: int, glyphs: Glyphs) -> str:
    """The start of a text, `visible`: no more of it than `width` columns can hold."""
    most = 4 * width  # some characters have no width
    return visible(text if len(text) <= most else text[:most] + glyphs.cut, glyphs.unicode)


def columns_of(text: str) -> int:
    """The number of columns that a terminal needs for a text."""
    return len(text) if text.isascii() else sum(map(_width, text))


@lru_cache(maxsize=1024)
def _width(character: str) -> int:
    # The emoji selector has no width, but makes the character before it one column wider.
    if unicodedata.category(character) in ("Mn", "Me") and character != "\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int, cut: str) -> str:
    """Text cut or filled to exactly `width` columns."""
    columns = columns_of(text)
    if columns <= width:
        return text + " " * (width - columns)
    kept = []
    room = width - 1
    for character in text:
        size = _width(character)
        if size > room:
            break
        room -= size
        kept.append(character)
    return "".join(kept) + cut + " " * room
