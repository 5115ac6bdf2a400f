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
from collections.abc import Sequence

from . import _command_questions, _command_show
from ._command_files import report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 1 if a file or a trace cannot be shown."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except BrokenPipeError:  # the pager has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        report(f"{error.filename or 'output'}: {error.strerror or error}")
        status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m opentracing_recorder",
        description="Show the spans that a JSONLinesRecorder wrote.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command_show.add_parsers(commands)
    _command_questions.add_parsers(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
