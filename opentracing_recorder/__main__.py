"""The commands ``python -m opentracing_recorder``: show, ask about, and convert spans of files; run
a program that is traced.

``show`` draws the spans of one or more files, in any of the formats that
`opentracing_recorder.span_files` lists. The spans of several services are drawn together::

    python -m opentracing_recorder show shop.jsonl stock.jsonl      # - is standard input
    python -m opentracing_recorder show zipkin.json --trace 3f1a    # by the start of its id
    python -m opentracing_recorder show otlp.json.gz --html out.html # a page

The same from Python::

    from opentracing_recorder import BasicTracer, JSONLinesRecorder
    from opentracing_recorder.__main__ import main

    with BasicTracer(JSONLinesRecorder("spans.jsonl"), service_name="shop") as tracer:
        with tracer.start_active_span("checkout"):
            tracer.start_span("look up stock").finish()

    assert main(["show", "spans.jsonl", "--html", "out.html"]) == 0

The picture fits the terminal's width, or ``--width``. It has colours in a terminal, unless
``NO_COLOR`` is set or ``--no-color`` is given. ``--no-fold`` draws a line for each span.

``convert`` writes the spans of files as ``jsonl``, which is the format of `JSONLinesRecorder`, for
``zipkin``, as ``otlp``, or for ``chrome``, whose format Perfetto and speedscope open::

    python -m opentracing_recorder convert spans.jsonl --to chrome -o trace.json
    python -m opentracing_recorder convert spans.jsonl --to zipkin |
        curl --json @- http://localhost:9411/api/v2/spans

The same from Python::

    assert main(["convert", "spans.jsonl", "--to", "chrome", "-o", "trace.json"]) == 0

``top``, ``slowest``, ``errors``, ``compare`` and ``critical-path`` ask questions about the spans of
files. `opentracing_recorder.statistics` explains the answers::

    python -m opentracing_recorder top spans.jsonl --by p95 --service shop
    python -m opentracing_recorder slowest spans.jsonl -n 5 --since 15m
    python -m opentracing_recorder errors spans.jsonl --tag http.method=POST
    python -m opentracing_recorder compare yesterday.jsonl today.jsonl
    python -m opentracing_recorder critical-path spans.jsonl --trace 3f1a

``run`` runs a Python program, which is traced as environment variables set it up. ``run --help``
lists them, and `opentracing_recorder.environment` explains them::

    OTEL_SERVICE_NAME=shop python -m opentracing_recorder run app.py

Text that is no span, such as the last line of a process that was killed, is reported on standard
error with its place, and skipped. The exit status is 1 if a file or a trace could not be shown, or
if there is no span.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from . import _command_run
from ._command_report import report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 1 if a file or a trace cannot be shown."""
    given = sys.argv[1:] if arguments is None else arguments
    # An application's start waits for `run`, which needs none of the others.
    parser = _parser() if given[:1] == ["run"] else _parser_of_all()
    options = parser.parse_args(given)
    if sys.stdout is None and getattr(options, "needs_output", True):
        report("output: standard output is closed")
        return 1
    try:
        status: int = options.run(options)
    except BrokenPipeError:  # the pager has exited
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        report(f"{error.filename or 'output'}: {error.strerror or error}")
        status = 1
    return status


def _parser(description: str | None = None, *others: ModuleType) -> argparse.ArgumentParser:
    """A parser for ``run``, and for the commands of the `others`."""
    parser = argparse.ArgumentParser(prog="python -m opentracing_recorder", description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (*others, _command_run):
        module.add_parsers(commands)
    return parser


def _parser_of_all() -> argparse.ArgumentParser:
    from . import _command_convert, _command_questions, _command_show
    from ._command_files import FORMATS_HELP

    return _parser(
        f"Look at spans in files, or run a program that is traced. {FORMATS_HELP}",
        _command_show,
        _command_questions,
        _command_convert,
    )


if __name__ == "__main__":
    sys.exit(main())
