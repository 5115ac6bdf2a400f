"""The files of a command line, and the reports on standard error, for all commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ._errors import visible
from .json_lines import NotASpan, bounded_lines, read_spans

FILES_HELP = "a JSON Lines file of spans; - is stdin"

_MOST_REPORTS = 5  # for each file; further ones are counted


class Files:
    """The spans of files, one by one. Whatever is none is reported on standard error, and skipped.

    `status` is the exit status: 1 if a file could not be read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.status = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name in self._names:
            try:
                yield from _read(name)
            except OSError as error:
                report(f"{name}: {error.strerror or error}")
                self.status = 1


def _read(name: str) -> Iterator[dict[str, Any]]:
    broken = 0
    with open(0 if name == "-" else name, "rb", closefd=name != "-") as lines:
        for span in read_spans(bounded_lines(lines)):
            if not isinstance(span, NotASpan):
                yield span
                continue
            broken += 1
            if broken <= _MOST_REPORTS:
                report(f"{name}: {span}; skipped")
    if broken > _MOST_REPORTS:
        report(f"{name}: {broken - _MOST_REPORTS} more lines are not spans; skipped")


def report(message: str) -> None:
    """Print a message on standard error, as one line."""
    # The names of files are untrusted, and so are their lines.
    print(visible(message, unicode=False), file=sys.stderr)
