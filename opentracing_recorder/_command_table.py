"""Tables for terminals, which fit the width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ._terminal_text import BOLD, Glyphs, columns_of, fit, in_color, shown_start

_LEAST_TEXT = 20  # columns of a text column, below which a column of figures is left out
_GAP = "  "


class Column(NamedTuple):
    """A column: of text, which is cut if there is no space, or of figures, which are not."""

    title: str
    is_text: bool = False
    importance: int = 0
    """If the width is too small, columns of figures are left out, the least important first."""


class Cell(NamedTuple):
    text: str
    color: str = ""


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    width: int,
    glyphs: Glyphs,
    color: bool,
) -> list[str]:
    """The lines of a table: one with the titles, and one for each row.

    No line is wider than `width`. Text is untrusted: it is escaped, and cut.
    """
    head = [Cell(column.title, BOLD) for column in columns]
    lines = [
        [cell._replace(text=shown_start(cell.text, width, glyphs)) for cell in row]
        for row in (head, *rows)
    ]
    needed = [max(columns_of(line[place].text) for line in lines) for place in range(len(columns))]
    kept = _kept(columns, needed, width)
    room = width - len(_GAP) * (len(kept) - 1)
    room -= sum(needed[place] for place in kept if not columns[place].is_text)
    texts = [place for place in kept if columns[place].is_text]
    # Those that need more than an equal part get what the others leave.
    for number, place in enumerate(sorted(texts, key=needed.__getitem__)):
        needed[place] = min(needed[place], max(room // (len(texts) - number), 1))
        room -= needed[place]
    return [_line(columns, line, needed, kept, width, glyphs, color) for line in lines]


def _kept(columns: Sequence[Column], needed: Sequence[int], width: int) -> list[int]:
    kept = list(range(len(columns)))
    while True:
        taken = sum(
            min(needed[place], _LEAST_TEXT) if columns[place].is_text else needed[place]
            for place in kept
        )
        figures = [place for place in kept if not columns[place].is_text]
        if taken + len(_GAP) * (len(kept) - 1) <= width or len(figures) <= 1:
            return kept
        kept.remove(min(figures, key=lambda place: columns[place].importance))


def _line(
    columns: Sequence[Column],
    cells: Sequence[Cell],
    widths: Sequence[int],
    kept: Sequence[int],
    width: int,
    glyphs: Glyphs,
    color: bool,
) -> str:
    texts = [
        fit(cells[place].text, widths[place], glyphs.cut)
        if columns[place].is_text
        else cells[place].text.rjust(widths[place])
        for place in kept
    ]
    if columns[kept[-1]].is_text:
        texts[-1] = texts[-1].rstrip()
    line = _GAP.join(texts).rstrip()
    if columns_of(line) > width:
        return fit(line, width, glyphs.cut).rstrip()
    if not color:
        return line
    return _GAP.join(in_color(cells[place].color, text) for place, text in zip(kept, texts))
