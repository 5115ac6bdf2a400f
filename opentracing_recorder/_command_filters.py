"""The options of a command that select spans."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import datetime

from .statistics import matching
from .trace import TraceNode

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0}
_UNITS.update(m=60.0, min=60.0, h=3600.0, d=86400.0)
_LONGEST = 1e10  # seconds, some 300 years


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add ``--operation``, ``--service``, ``--tag``, ``--slower-than`` and ``--since``."""
    where = parser.add_argument_group("filters", "All that are given must match a span.")
    where.add_argument("--operation", metavar="NAME")
    where.add_argument("--service", metavar="NAME")
    where.add_argument(
        "--tag",
        action="append",
        default=[],
        type=_tag,
        metavar="KEY=VALUE",
        help="several must match together",
    )
    where.add_argument(
        "--slower-than", type=_duration, metavar="DURATION", help="such as 200ms, 1.5s, 3m"
    )
    where.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="started at or after 2026-11-30T14:05 (local time, unless it has an offset or Z), or"
        " in the last 15m, 2h or 1d before now",
    )


def where_of(options: argparse.Namespace) -> Callable[[TraceNode], bool]:
    """The function that selects the spans which match all the filters given."""
    return matching(
        operation=options.operation,
        service=options.service,
        tags=dict(options.tag),
        slower_than=options.slower_than,
        since=options.since,
    )


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"KEY=VALUE, not {text!r}")
    return key, value


def _duration(text: str) -> float:
    seconds = _seconds(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"a number with a unit, such as 200ms, not {text!r}")
    return seconds


def _seconds(text: str) -> float | None:
    """A duration with units, such as ``200ms`` and ``1m30s``; None if it is none."""
    part = r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµμ]+)\s*"
    if not re.fullmatch(f"(?:{part})+", text):
        return None
    seconds = 0.0
    for number, unit in re.findall(part, text):
        if unit not in _UNITS:
            return None
        seconds += float(number) * _UNITS[unit]
    return seconds if seconds < _LONGEST else None


def _since(text: str) -> float:
    seconds = _seconds(text)
    if seconds is not None:
        return time.time() - seconds
    try:
        # Before 3.11, Python does not know the Z.
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"a time such as 2026-11-30T14:05, or a duration such as 15m, not {text!r}"
        ) from None
