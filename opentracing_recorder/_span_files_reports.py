"""Reports of what in a file is no span: the first ones, and the number of the others."""

from __future__ import annotations

from collections.abc import Callable

from ._errors import visible

_MOST_REPORTS = 5  # for each file; further ones are counted


class NotASpan(ValueError):
    """Something in a file that is no span, or only a part of one. Its text has place and reason."""

    def __init__(self, source: str, place: str, reason: str) -> None:
        super().__init__(f"{source}: {place} is no span: {reason}")
        self.source = source
        """The file's path, ``-`` for standard input, or ``text``."""

        self.place = place
        """The line, counted from 1; also the column, or which span it is of those in a value."""

        self.reason = reason

    def __reduce__(self) -> tuple[type[NotASpan], tuple[str, str, str]]:
        return NotASpan, (self.source, self.place, self.reason)


class Reports:
    """Passes the texts of the first on to a function, in one line each, and counts the others."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self._report = report
        self._number = 0
        self._source = ""

    def __call__(self, error: NotASpan) -> None:
        self._source = error.source
        self._number += 1
        if self._number <= _MOST_REPORTS:
            # The content of files is untrusted, and so are their names.
            self._report(f"{visible(str(error), unicode=False)}; skipped")

    def close(self) -> None:
        """Report how many others there are."""
        more = self._number - _MOST_REPORTS
        if more > 0:
            self._report(f"{visible(self._source, unicode=False)}: {more} more; skipped")
