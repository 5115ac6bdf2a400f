"""Servers that fork workers, reloaded under load: ids never repeat, and every span arrives."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..http_server import ScriptedServer

pytestmark = pytest.mark.needs_os

FOLDER = Path(__file__).resolve().parent
WORKERS = 4
CLIENTS = 8
PATIENCE = 30.0
LONGEST_EXIT = 15.0

GUNICORN = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:{port}", f"--workers={WORKERS}"]
UWSGI = [
    str(Path(sys.executable).with_name("uwsgi")),
    "--http-socket=127.0.0.1:{port}",
    f"--processes={WORKERS}",
    "--master",
    "--need-app",
    "--die-on-term",
    "--disable-logging",
    "--wsgi=app",
]

SERVERS = {
    "gunicorn": [*GUNICORN, "app"],
    "gunicorn, app loaded first": [*GUNICORN, "--preload", "app"],
    "gunicorn, threads": [*GUNICORN, "--worker-class=gthread", "--threads=4", "app"],
    "uWSGI, telling Python of forks": [*UWSGI, "--enable-threads", "--py-call-osafterfork"],
    "uWSGI, app loaded in each worker": [*UWSGI, "--enable-threads", "--lazy-apps"],
}


class Server:
    """One of the servers, in a process group of its own."""

    def __init__(self, command: list[str], folder: Path, trace_url: str) -> None:
        self.notes = folder / "notes"
        self._log = folder / "log"
        self.port = free_port()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in command],
                cwd=FOLDER,
                env={**os.environ, "TRACE_URL": trace_url, "NOTES": str(self.notes)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_it_listens()

    def finished(self) -> list[tuple[str, str]]:
        """The process and the id of each span that was finished so far."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> float:
        """End it, and return how many seconds that took."""
        start = time.monotonic()
        self.process.terminate()
        self.process.wait(PATIENCE)
        return time.monotonic() - start

    def kill(self) -> None:
        """End whatever is left of it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.kill()
        raise AssertionError(self.log())


def free_port() -> int:
    """uWSGI that was to choose its port itself would choose another when it is reloaded."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Load:
    """Clients that ask for as long as they are let, and count the answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.answers: list[bytes] = []
        self.failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def run_until(self, answers: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self.answers) < answers:
            assert time.monotonic() < end, self.failures[-3:]
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                self.answers.append(connection.getresponse().read())
            except OSError as error:  # a server may reset connections while it reloads
                self.failures.append(error)
            except http.client.HTTPException as error:
                self.failures.append(error)
            finally:
                connection.close()


@pytest.fixture
def backend() -> Iterator[ScriptedServer]:
    with ScriptedServer() as backend:
        yield backend


@pytest.fixture(params=SERVERS.values(), ids=SERVERS.keys())
def server(
    request: pytest.FixtureRequest, tmp_path: Path, backend: ScriptedServer
) -> Iterator[Server]:
    server = Server(request.param, tmp_path, backend.url)
    yield server
    server.kill()


def test_no_span_is_lost_or_doubled_when_workers_are_reloaded(
    server: Server, backend: ScriptedServer
) -> None:
    """Of every process, each span arrives once; no id is made twice; the server ends in time."""
    load = Load(server.port)
    for answers in (400, 1200, 2000):
        load.run_until(answers)
        if answers < 2000:
            server.reload()
    load.stop()
    seconds = server.stop()
    finished = server.finished()
    arrived = [span["id"] for each in backend.requests for span in json.loads(each.body)]
    processes = len({process for process, _ in finished})
    print(
        f"{len(load.answers)} requests, {len(load.failures)} of them reset; {processes} processes; "
        f"{len(finished)} spans finished, {len(arrived)} arrived; ended in {seconds:.1f} s"
    )
    assert len(load.answers) >= 2000
    assert len(set(load.answers)) == len(load.answers)
    assert Counter(arrived) == Counter(id for _, id in finished)
    assert max(Counter(arrived).values()) == 1
    assert processes > 2 * WORKERS
    assert seconds < LONGEST_EXIT
    assert "Traceback" not in server.log()
