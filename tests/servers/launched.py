"""A server or worker in a process group of its own, with its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
PATIENCE = 60.0


class Launched:
    """A running command; it is started in this folder, and its output is the file "log"."""

    def __init__(self, folder: Path, command: list[str], environ: dict[str, str]) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=FOLDER,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> float:
        """End it by SIGTERM, and return how many seconds that took."""
        start = time.monotonic()
        self.process.terminate()
        self.process.wait(PATIENCE)
        return time.monotonic() - start

    def kill(self) -> None:
        """End all processes of its group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def wait_until(holds: Callable[[], bool], log: Callable[[], str] = str) -> None:
    """Return when it holds; at the time limit, fail with the log."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, log()
        time.sleep(0.02)
