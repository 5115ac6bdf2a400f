"""The command ``convert``, which writes spans in another format."""

from __future__ import annotations

import argparse
import os
from itertools import chain
from typing import Any

from ._command_files import FILES_HELP, FORMATS_HELP, Files
from ._command_report import report
from .span_files import write_spans

_FORMATS = {
    "jsonl": "a span a line, as JSONLinesRecorder writes them",
    "zipkin": "Zipkin's JSON, version 2, with names in lower case",
    "otlp": "OTLP's JSON, a request a line",
    "chrome": "Chrome's trace event format, which Perfetto and speedscope open",
}


def add_parsers(commands: Any) -> None:
    """Add the command to those of an `argparse` parser."""
    convert = commands.add_parser(
        "convert",
        help="write the spans in the files in another format",
        description=f"Write the spans in the files in another format. {FORMATS_HELP}",
        epilog="Formats: " + "; ".join(f"{name}: {text}" for name, text in _FORMATS.items()) + ".",
    )
    convert.set_defaults(run=_run)
    convert.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    convert.add_argument(
        "--to",
        required=True,
        choices=list(_FORMATS),
        metavar="FORMAT",
        help=f"{', '.join(_FORMATS)}: see below",
    )
    convert.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="OUT",
        help="the file to write, compressed if its name ends in .gz (default: -, which is stdout)",
    )


def _run(options: argparse.Namespace) -> int:
    output = options.output
    if any(_is_same_file(name, output) for name in options.files):
        report(f"{output}: is one of the files to read; nothing is written")
        return 1
    files = Files(options.files)
    spans = iter(files)
    first = next(spans, None)  # before the output is made
    if first is None:
        report("no spans")
        return 1
    if not write_spans(chain([first], spans), output, options.to, report):
        return 1
    return files.status


def _is_same_file(name: str, other: str) -> bool:
    try:
        return "-" not in (name, other) and os.path.samefile(name, other)
    except OSError:  # one of them is not there
        return False
