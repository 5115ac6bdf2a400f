"""The command ``python -m opentracing_recorder show FILE``, which draws the spans of files.

The files are those that a `JSONLinesRecorder` wrote. Those of several services are drawn together::

    python -m opentracing_recorder show shop.jsonl stock.jsonl      # - is standard input
    python -m opentracing_recorder show spans.jsonl --trace 3f1a    # by the start of its id
    python -m opentracing_recorder show spans.jsonl --html out.html # a page

The same from Python::

    from opentracing_recorder import BasicTracer, JSONLinesRecorder
    from opentracing_recorder.__main__ import main

    with BasicTracer(JSONLinesRecorder("spans.jsonl"), service_name="shop") as tracer:
        with tracer.start_active_span("checkout"):
            tracer.start_span("look up stock").finish()

    assert main(["show", "spans.jsonl", "--html", "out.html"]) == 0

The picture fits the terminal's width, or ``--width``. It has colours in a terminal, unless
``NO_COLOR`` is set or ``--no-color`` is given. ``--no-fold`` draws a line for each span. A
malformed line, such as the last line of a process that was killed, is reported on standard error
and skipped. The exit status is 1 if a file or a trace could not be shown.
"""

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

_MOST_REPORTS = 5  # for each file; further ones are counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 1 if a file or a trace cannot be shown."""
    options = _parser().parse_args(arguments)
    spans: list[dict[str, Any]] = []
    status = 0
    for name in options.files:
        try:
            spans += _read(name)
        except OSError as error:
            _report(f"{name}: {error.strerror or error}")
            status = 1
    traces = Trace.from_spans(spans)
    if options.trace is not None:
        wanted = options.trace.lower()
        traces = [trace for trace in traces if trace.trace_id.lower().startswith(wanted)]
    if not traces:
        _report("no spans" if options.trace is None else f"no trace {options.trace}")
        return 1
    try:
        if options.html is None:
            _print(traces, options)
        else:
            _write_page(traces, options)
    except BrokenPipeError:  # the pager has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _report(f"{error.filename or options.html or 'output'}: {error.strerror or error}")
        status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m opentracing_recorder",
        description="Show the spans that a JSONLinesRecorder wrote.",
    )
    commands = parser.add_subparsers(required=True, metavar="show")
    show = commands.add_parser(
        "show",
        help="draw the traces in the files",
        description="Draw the traces in the files. The spans of a trace may come from several"
        " services, processes and files.",
    )
    show.add_argument(
        "files", nargs="+", metavar="FILE", help="a JSON Lines file of spans; - is stdin"
    )
    show.add_argument("--html", metavar="OUT", help="write an HTML page to OUT; - is stdout")
    show.add_argument("--trace", metavar="ID", help="show only traces whose id starts with ID")
    show.add_argument("--width", type=_width, metavar="N", help="columns (default: the terminal's)")
    show.add_argument("--no-fold", action="store_true", help="draw each span on its own line")
    color = show.add_mutually_exclusive_group()
    color.add_argument("--color", action="store_true", default=None, help="use colors")
    color.add_argument(
        "--no-color",
        action="store_false",
        dest="color",
        help="use no colors (default: colors on a terminal, unless NO_COLOR is set)",
    )
    return parser


def _width(text: str) -> int:
    width = int(text)
    if width < 1:
        raise argparse.ArgumentTypeError(f"at least 1 column, not {width}")
    return width


def _read(name: str) -> Iterator[dict[str, Any]]:
    """The spans of a file; other lines are skipped, and reported on standard error."""
    broken = 0
    with open(0 if name == "-" else name, "rb", closefd=name != "-") as lines:
        for span in read_spans(bounded_lines(lines)):
            if not isinstance(span, NotASpan):
                yield span
                continue
            broken += 1
            if broken <= _MOST_REPORTS:
                _report(f"{name}: {span}; skipped")
    if broken > _MOST_REPORTS:
        _report(f"{name}: {broken - _MOST_REPORTS} more lines are not spans; skipped")


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


def _report(message: str) -> None:
    # The names of files are untrusted, and so are their lines.
    print(visible(message, unicode=False), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
