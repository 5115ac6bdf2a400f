"""The output of commands: its width and colours, and the parts of its tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from ._command_table import Cell, Column, table
from ._terminal_text import (
    DIM,
    RED,
    Glyphs,
    can_encode,
    fit,
    has_color,
    in_color,
    shown_start,
    terminal_width,
)
from ._timeline_axis import format_duration

_LONGEST_ID = 32  # characters of a trace id; a longer one is cut


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--width``, ``--color`` and ``--no-color`` to a command."""
    parser.add_argument(
        "--width", type=_width, metavar="N", help="columns (default: the terminal's)"
    )
    color = parser.add_mutually_exclusive_group()
    color.add_argument("--color", action="store_true", default=None, help="use colors")
    color.add_argument(
        "--no-color",
        action="store_false",
        dest="color",
        help="use no colors (default: colors on a terminal, unless NO_COLOR is set)",
    )


def is_colored(options: argparse.Namespace) -> bool:
    """Whether standard output gets colours: an option overrides the environment."""
    return has_color(sys.stdout) if options.color is None else bool(options.color)


def at_least_one(text: str, unit: str) -> int:
    """The number of an argument, such as of columns."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1 {unit}, not {text!r}")
    return number


def _width(text: str) -> int:
    return at_least_one(text, "column")


class Output:
    """Standard output, with the width, the colours and the characters that it can show."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.glyphs = Glyphs(can_encode(sys.stdout))
        self.width: int = options.width or terminal_width()
        self.color = is_colored(options)

    def name(self, service: str | None, operation: str, error: bool = False) -> Cell:
        named = f"{service}: {operation}" if service else operation
        return Cell(f"{self.glyphs.error} {named}", RED) if error else Cell(named)

    def duration(self, seconds: float | None) -> Cell:
        return Cell("-" if seconds is None else format_duration(seconds, self.glyphs.micro))

    def failed(self, number: int) -> Cell:
        return Cell(str(number), RED if number else "")

    def pairs(self, pairs: Iterable[tuple[Cell, Cell]]) -> list[Cell]:
        """Cells with two figures, before and after."""
        both = list(pairs)
        width = max((len(after.text) for _, after in both), default=0)
        return [
            Cell(f"{before.text} {self.glyphs.to} {after.text:>{width}}", after.color)
            for before, after in both
        ]

    def share(self, share: float) -> Cell:
        return Cell(f"{share * 100:.0f} %")

    def time(self, seconds: float) -> Cell:
        """A time since the epoch, in local time."""
        try:
            return Cell(f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}")
        except (ValueError, OverflowError, OSError):  # not in the years 1 to 9999
            return Cell(f"{seconds:g} s")

    def trace_id(self, trace_id: str) -> Cell:
        return Cell(trace_id[:_LONGEST_ID], DIM)

    def print_table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        lines = table(columns, rows, width=self.width, glyphs=self.glyphs, color=self.color)
        print("\n".join(lines))

    def print_line(self, text: str, color: str = "") -> None:
        line = fit(shown_start(text, self.width, self.glyphs), self.width, self.glyphs.cut).rstrip()
        print(in_color(color, line) if self.color else line)

    def flush(self) -> None:
        sys.stdout.flush()
