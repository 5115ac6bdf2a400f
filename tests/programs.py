"""Programs that a test runs in a process of their own, to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# From Python 3.12, a fork beside a thread is warned of.
FORKING = [sys.executable, "-W", "ignore:This process:DeprecationWarning"]


class Ended(NamedTuple):
    """How a program ended, its output, and how many seconds that took after its signal."""

    code: int
    output: str
    error: str
    seconds: float


def run_program(
    command: list[Any], kill: signal.Signals | None = None, timeout: float = 60.0
) -> Ended:
    """Run a program to its end; with `kill`, it gets that signal once it has printed a line.

    If it takes longer than `timeout` seconds, it and its children are killed, and TimeoutExpired is
    raised.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    start = time.monotonic()
    try:
        if kill is not None:
            assert process.stdout is not None
            process.stdout.readline()
            start = time.monotonic()
            process.send_signal(kill)
        output, error = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # a child would hold the output open
        process.communicate()
        raise
    return Ended(process.returncode, output, error, time.monotonic() - start)
