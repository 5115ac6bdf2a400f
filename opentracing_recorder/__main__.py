"""``python -m opentracing_recorder show FILE``: spans from files, as timelines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ._errors import visible
from .json_lines import NotASpan, bounded_lines, read_spans
from .timeline import render_html, render_text
from .trace import Trace

_MOST_COMPLAINTS = 5  # for each file; the others are counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0, or 1 where a file or trace could not be shown."""
    options = _parser().parse_args(arguments)
    spans: list[dict[str, Any]] = []
    status = 0
    for name in options.files:
        try:
            spans += _read(name)
        except OSError as error:
            _complain(f"{name}: {error.strerror or error}")
            status = 1
    traces = Trace.from_spans(spans)
    if options.trace is not None:
        wanted = options.trace.lower()
        traces = [trace for trace in traces if trace.trace_id.lower().startswith(wanted)]
    if not traces:
        _complain("no spans" if options.trace is None else f"no trace {options.trace}")
        return 1
    try:
        if options.html is None:
            _print(traces, options)
        else:
            _write_page(traces, options)
    except BrokenPipeError:  # a pager that was left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _complain(f"{error.filename or options.html or 'output'}: {error.strerror or error}")
        status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m opentracing_recorder",
        description="Look at spans that a JSONLinesRecorder wrote.",
    )
    commands = parser.add_subparsers(required=True, metavar="show")
    show = commands.add_parser(
        "show",
        help="draw the traces in files of spans",
        description="Draw the traces in files of spans. Spans of one trace belong together,"
        " whichever services, processes and files they come from.",
    )
    show.add_argument(
        "files", nargs="+", metavar="FILE", help="a file of spans, one to_dict() a line; - is stdin"
    )
    show.add_argument("--html", metavar="OUT", help="write a page instead; - is stdout")
    show.add_argument("--trace", metavar="ID", help="only this trace; the start of its id will do")
    show.add_argument("--width", type=_width, metavar="N", help="columns (default: the terminal's)")
    show.add_argument("--no-fold", action="store_true", help="one line for each span, always")
    color = show.add_mutually_exclusive_group()
    color.add_argument("--color", action="store_true", default=None, help="use colours")
    color.add_argument(
        "--no-color",
        action="store_false",
        dest="color",
        help="use none (default: by the terminal, and by NO_COLOR)",
    )
    return parser


def _width(text: str) -> int:
    width = int(text)
    if width < 1:
        raise argparse.ArgumentTypeError(f"at least 1 column, not {width}")
    return width


def _read(name: str) -> Iterator[dict[str, Any]]:
    """The spans of a file; what is none is told on standard error, and left out."""
    broken = 0
    with open(0 if name == "-" else name, "rb", closefd=name != "-") as lines:
        for span in read_spans(bounded_lines(lines)):
            if not isinstance(span, NotASpan):
                yield span
                continue
            broken += 1
            if broken <= _MOST_COMPLAINTS:
                _complain(f"{name}: {span}; left out")
    if broken > _MOST_COMPLAINTS:
        _complain(f"{name}: {broken - _MOST_COMPLAINTS} more lines are no spans; left out")


def _print(traces: list[Trace], options: argparse.Namespace) -> None:
    color = options.color
    if color is None:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        color = sys.stdout.isatty() and not plain
    fold = {"fold": None} if options.no_fold else {}
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


def _complain(message: str) -> None:
    # The names of files are untrusted, and so is what is said of their lines.
    print(visible(message, unicode=False), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
