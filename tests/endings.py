"""Programs whose first report of spans is due at their end, one for each way to end.

Each gets a recorder, and runs from a file, which its children import where they are not forked. A
wait for a time limit, which an exit may end with, takes longer than a program is given.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from .programs import FORKING, run_program

PRELUDE = """
import asyncio, atexit, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from opentracing_recorder import BasicTracer

PLACE = sys.argv[1]
# Nothing but the end of a process sends spans, and who waits for its time limit waits too long.
NEVER = {"interval": 600, "exit_timeout": 150}
"""

TRACER = """
tracer = BasicTracer(make_recorder())

def record(name):
    tracer.start_span(name).finish()

async def serve():
    record("main")

def main():
"""

END = """
if __name__ == "__main__":
    main()
"""


class Ending(NamedTuple):
    """A way to end: the body of `main`, the names of the spans, and the exit status."""

    main: str
    names: list[str]
    code: int = 0
    last_line: str = ""
    """Of the standard error, which is otherwise empty."""


def _child(method: str) -> Ending:
    program = f"""
        child = multiprocessing.get_context("{method}").Process(target=record, args=("child",))
        child.start()
        child.join()
        record("main")
        sys.exit(child.exitcode)
    """
    return Ending(program, ["child", "main"])


def _executor(method: str) -> Ending:
    program = f"""
        context = multiprocessing.get_context("{method}")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            list(pool.map(record, ["a", "b"]))
        record("main")
    """
    return Ending(program, ["a", "b", "main"])


def executor_methods() -> list[str]:
    """How a ProcessPoolExecutor may start its processes: that of PyPy 3.9 has lost the method by
    which it starts them in any other way than by a fork.
    """
    methods = multiprocessing.get_all_start_methods()
    if sys.implementation.name == "pypy":
        from concurrent.futures import ProcessPoolExecutor

        if not hasattr(ProcessPoolExecutor, "_adjust_process_count"):
            return ["fork"]
    return methods


ENDINGS = {
    "the end of the script": Ending('record("main")', ["main"]),
    "sys.exit": Ending('record("main"); sys.exit(3)', ["main"], 3),
    "an uncaught exception": Ending(
        'record("main"); raise LookupError("sold out")', ["main"], 1, "LookupError: sold out"
    ),
    "asyncio.run": Ending("asyncio.run(serve())", ["main"]),
    # Since Python 3.12, no thread can be started any more then.
    "a span of an exit handler": Ending('atexit.register(record, "late")', ["late"]),
    **{f"a {each}ed child": _child(each) for each in multiprocessing.get_all_start_methods()},
    **{f"a pool, {each}": _executor(each) for each in executor_methods()},
}
if hasattr(os, "fork"):
    ENDINGS["a child of os.fork"] = Ending(
        """
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        record("main" if child else "child")
        """,
        ["child", "main"],
    )


def run(folder: Path, recorder: str, ending: Ending, place: str) -> None:
    """Run a program that ends in this way; nothing else may be printed.

    `recorder` is the body of a function that returns one, for the `PLACE` that is given.
    """
    script = folder / "program.py"
    make_recorder = "def make_recorder():\n" + textwrap.indent(textwrap.dedent(recorder), "    ")
    main = textwrap.indent(textwrap.dedent(ending.main), "    ")
    script.write_text(PRELUDE + make_recorder + TRACER + main + END)
    ended = run_program([*FORKING, script, place], timeout=120)
    last_line = ended.error.splitlines()[-1] if ending.last_line else ended.error
    assert (ended.code, last_line) == (ending.code, ending.last_line), ended.error
