"""The options of a command's output: its width, and its colours."""

from __future__ import annotations

import argparse
import os
import sys


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
    color: bool | None = options.color
    if color is None:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        color = sys.stdout.isatty() and not plain
    return color


def _width(text: str) -> int:
    width = int(text)
    if width < 1:
        raise argparse.ArgumentTypeError(f"at least 1 column, not {width}")
    return width
