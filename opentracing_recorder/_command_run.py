"""The command ``run``, which starts a Python program that is traced as variables set it up."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ._command_report import report
from ._environment_names import VARIABLES

SITE = Path(__file__).with_name("_command_run_site")
"""The folder of a module that Python imports at its start."""

_ROOT = str(SITE.parent.parent)


def add_parsers(commands: Any) -> None:
    """Add the command to those of an `argparse` parser."""
    run = commands.add_parser(
        "run",
        help="run a Python program, traced as environment variables set it up",
        usage="python -m opentracing_recorder run [OPTION ...] FILE | -m MODULE [ARG ...]",
        description="Run a Python program with the arguments that python itself takes. It is traced"
        " as the variables below set it up, and so are the Python programs that it starts.",
        epilog="\n".join(_listed()),
        formatter_class=_Help,
        prefix_chars="\0",  # all arguments are Python's
        add_help=False,
    )
    run.set_defaults(run=lambda options: run_python(run, options.arguments), needs_output=False)
    run.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARG", help="arguments of python"
    )


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the list, and fills those of the description."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _listed() -> list[str]:
    lines = ["environment variables:"]
    for each in VARIABLES:
        lines += [f"  {each.name}", f"      {each.meaning} (default: {each.default})"]
    return [
        *lines,
        "",
        "The guide of opentracing_recorder.environment has the details.",
    ]


def run_python(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Run Python in the place of this process, or, on Windows, wait for it; return its status."""
    if arguments[:1] in (["-h"], ["--help"]):
        parser.print_help()
        return 0
    if not arguments:
        parser.error("a FILE, or -m and a MODULE, must be given")
    if sys.flags.ignore_environment or sys.flags.no_site:
        report("run needs PYTHONPATH and the module site: start Python without -E, -I and -S")
        return 2
    # Such as -X dev and -W error.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    if getattr(sys.stdout, "write_through", False):  # no flag shows -u
        flags.append("-u")
    command = [sys.executable, *flags, *arguments]
    path = [str(SITE)]
    if sys.path[:1] == [_ROOT] and _ROOT not in sys.path[1:]:  # a clone that is not installed
        path.append(_ROOT)
    path += filter(None, [os.environ.get("PYTHONPATH")])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    if os.name == "nt":  # there, `exec` ends this process before the other one
        return subprocess.run(command, env=environ, check=False).returncode
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(sys.executable, command, environ)
    return 0  # never: `execve` does not return
