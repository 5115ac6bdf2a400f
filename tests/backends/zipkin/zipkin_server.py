"""A real Zipkin server, for the tests here; as a program, for `make demo-zipkin`.

    python tests/backends/zipkin/zipkin_server.py PROGRAM [ARGUMENT...]

runs the Python program with ``--zipkin URL`` added: the one that `ZIPKIN_URL` in the environment
names, or else a new one, which then goes on until Enter is pressed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

VERSION = "3.6.1"
ARTIFACT = f"io.zipkin:zipkin-server:{VERSION}:jar:exec"

# Seconds that the server has to start, and a span to be found in it; Maven has more to fetch it.
PATIENCE = 120.0
FETCH_PATIENCE = 900.0

_JAR = Path(f"io/zipkin/zipkin-server/{VERSION}/zipkin-server-{VERSION}-exec.jar")
_ADDRESS = re.compile(r"Serving HTTP at .*(http://127\.0\.0\.1:\d+)/")


class Missing(Exception):
    """A requirement of the server is missing; the message says what to install."""


class ZipkinServer:
    """A running server that keeps its spans in memory, on a port that was free."""

    def __init__(self, log: Path, **environment: str) -> None:
        """Start it, and wait until it is up; `log` is the file for what it prints.

        `environment` has more of its variables.

        Raises Missing where it cannot be had, and RuntimeError if it does not start.
        """
        java = shutil.which("java")
        if java is None:
            raise Missing("Java 17 is missing; on Debian: apt-get install default-jre-headless")
        command = [java, "-XX:TieredStopAtLevel=1", "-Xmx512m", "-jar", str(find_jar())]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                # It finds a free port for 0 by itself, and its log says which.
                [*command, "--armeria.ports[0].ip=127.0.0.1"],
                env={**os.environ, "QUERY_PORT": "0", "STORAGE_TYPE": "mem", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal is for the program; this is ended by `close`.
                start_new_session=True,
            )
        try:
            self.url = self._wait_until(lambda: self._address(log))
            self._wait_until(self._is_up)
        except BaseException:
            self.close()
            raise

    def get(self, path: str, **query: Any) -> Any:
        """The answer of Zipkin's API to a path, such as ``/api/v2/services``."""
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)

    def trace(self, trace_id: str, spans: int) -> list[Any]:
        """The spans of a trace as soon as there are so many; the server stores with a delay."""

        def complete() -> Any:
            try:
                found = self.get(f"/api/v2/trace/{trace_id}")
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 404:
                    raise
                return None
            return found if len(found) >= spans else None

        found: list[Any] = self._wait_until(complete)
        return found

    def close(self) -> None:
        """End it, and wait until it has ended."""
        self._process.kill()  # it has nothing to save, and would take seconds to end by itself
        self._process.wait()

    def _is_up(self) -> bool:
        try:
            return bool(self.get("/health")["status"] == "UP")
        except urllib.error.HTTPError as error:  # 503 until it has reached what it reads from
            error.close()
            return False

    def _address(self, log: Path) -> str | None:
        printed = log.read_text(encoding="utf-8", errors="replace")
        if self._process.poll() is not None:
            raise RuntimeError(f"Zipkin has ended: {printed[-2000:]}")
        found = _ADDRESS.search(printed)
        return found[1] if found else None

    @staticmethod
    def _wait_until(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        raise TimeoutError(f"not in {PATIENCE:g} s")


def find_jar() -> Path:
    """The server in Maven's cache, where Maven puts it if it is not there yet."""
    jar = Path.home() / ".m2" / "repository" / _JAR
    if jar.exists():
        return jar
    _maven("dependency:get", f"-Dartifact={ARTIFACT}", "-Dtransitive=false")
    if not jar.exists():  # the user's settings have moved the cache
        evaluate = ("help:evaluate", "-Dexpression=settings.localRepository", "-DforceStdout")
        jar = Path(_maven(*evaluate).strip()) / _JAR
    return jar


def _maven(*arguments: str) -> str:
    """Return Maven's output, in strict mode, which refuses a file with a wrong checksum."""
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("Maven is missing, to fetch Zipkin; on Debian: apt-get install maven")
    done = subprocess.run(
        [maven, "--batch-mode", "--quiet", "--strict-checksums", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=FETCH_PATIENCE,
    )
    if done.returncode != 0:
        raise Missing(f"Maven could not fetch Zipkin: {done.stdout[:500]}")
    return done.stdout


def main() -> int:
    """Run the program of the command line with a Zipkin; its exit status."""
    command = [sys.executable, *sys.argv[1:], "--zipkin"]
    url = os.environ.get("ZIPKIN_URL")
    if url:
        return subprocess.run([*command, url]).returncode
    print("Starting a Zipkin; if it is not in Maven's cache, 130 MB are fetched.", flush=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="zipkin-") as folder,
            closing(ZipkinServer(Path(folder) / "log.txt")) as server,
        ):
            status = subprocess.run([*command, server.url]).returncode
            if status == 0 and sys.stdin.isatty():
                input("Zipkin runs until you press Enter. ")
            return status
    except (Missing, RuntimeError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
