"""The command ``show``, which draws traces as text or as a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ._command_files import FILES_HELP, FORMATS_HELP, Files, chosen_traces
from ._command_output import add_output_arguments, is_colored
from .timeline import render_html, render_text
from .trace import Trace


def add_parsers(commands: Any) -> None:
    """Add the command to those of an `argparse` parser."""
    show = commands.add_parser(
        "show",
        help="draw the traces in the files",
        description="Draw the traces in the files. The spans of a trace may come from several"
        f" services, processes and files. {FORMATS_HELP}",
    )
    show.set_defaults(run=_run)
    show.add_argument("files", nargs="+", metavar="FILE", help=FILES_HELP)
    show.add_argument("--html", metavar="OUT", help="write an HTML page to OUT; - is stdout")
    show.add_argument("--trace", metavar="ID", help="show only traces whose id starts with ID")
    show.add_argument("--no-fold", action="store_true", help="draw each span on its own line")
    add_output_arguments(show)


def _run(options: argparse.Namespace) -> int:
    files = Files(options.files)
    traces = chosen_traces(files, options.trace)
    if not traces:
        return 1
    if options.html is None:
        _print(traces, options)
    else:
        _write_page(traces, options)
    return files.status


def _print(traces: list[Trace], options: argparse.Namespace) -> None:
    fold = {"fold": None} if options.no_fold else {}
    color = is_colored(options)
    print(render_text(traces, width=options.width, color=color, stream=sys.stdout, **fold))
    sys.stdout.flush()


def _write_page(traces: list[Trace], options: argparse.Namespace) -> None:
    names = ", ".join(
        "standard input" if each == "-" else Path(each).name for each in options.files
    )
    page = render_html(traces, title=names).encode("utf-8")
    if options.html == "-":
        sys.stdout.buffer.write(page)
        sys.stdout.flush()
    else:
        Path(options.html).write_bytes(page)
