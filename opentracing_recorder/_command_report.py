"""The reports of all commands on standard error."""

from __future__ import annotations

import sys

from ._errors import visible


def report(message: str) -> None:
    """Print a message on standard error, as one line."""
    # If standard error is closed, `print` would write to standard output.
    if sys.stderr is not None:
        # The names of files are untrusted.
        print(visible(message, unicode=False), file=sys.stderr)
