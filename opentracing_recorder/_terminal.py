"""Whether the terminal's colors are wanted, for the command and for ConsoleRecorder."""

from __future__ import annotations

import os
from typing import IO


def has_color(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal that shows colors, and ``NO_COLOR`` is not set.

    Source: https://no-color.org/.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and bool(isatty())
