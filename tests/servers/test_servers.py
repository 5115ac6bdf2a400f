"""Servers that fork workers, reloaded under load: ids never repeat, and every span arrives."""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ..http_server import ScriptedServer
from ..soak.sink import ids_in
from .launched import PATIENCE, Launched, wait_until

pytestmark = pytest.mark.needs_os

WORKERS = 4
CLIENTS = 8
ANSWERS = 400  # at least, before each reload
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
    "gunicorn, over OTLP": [*GUNICORN, "--preload", "app"],
    "gunicorn, threads": [*GUNICORN, "--worker-class=gthread", "--threads=4", "app"],
    "gunicorn, gevent": [*GUNICORN, "--worker-class=gevent", "app"],
    # The tracer is made before gevent patches, and used after it.
    "gunicorn, gevent, app loaded first": [*GUNICORN, "--worker-class=gevent", "--preload", "app"],
    "uWSGI": UWSGI,
    "uWSGI, telling Python after forks": [*UWSGI, "--py-call-osafterfork"],
    "uWSGI, telling Python of forks": [*UWSGI, "--py-call-uwsgi-fork-hooks"],
    "uWSGI, app loaded in each worker": [*UWSGI, "--lazy-apps"],
}

# If uWSGI loads the application before it forks, spans recorded until then are not sent otherwise.
FLUSH = {"FLUSH": "yes"}
OTLP = {"OTLP": "yes"}


class Server(Launched):
    """One of the servers, in a process group of its own."""

    def __init__(
        self, folder: Path, trace_url: str, command: list[str], environ: dict[str, str]
    ) -> None:
        self.notes = folder / "notes"
        self.port = free_port()
        command = [part.replace("{port}", str(self.port)) for part in command]
        super().__init__(
            folder, command, {**environ, "TRACE_URL": trace_url, "NOTES": str(self.notes)}
        )
        self._wait_until_it_listens()

    def finished(self) -> list[tuple[str, str]]:
        """The process and the id of each span that was finished so far."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

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
    """If uWSGI chose its port itself, it would choose another when it is reloaded."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Load:
    """Clients that send requests until they are stopped, and count the answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.traces: list[bytes] = []
        self.processes: set[bytes] = set()
        self.failures: list[Exception] = []
        # Daemons: a test that fails must not leave the process waiting for them.
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def run_until(self, answers: int, processes: int) -> None:
        """Wait for so many answers, from at least so many processes."""
        end = time.monotonic() + PATIENCE
        while len(self.traces) < answers or len(self.processes) < processes:
            assert time.monotonic() < end, (len(self.traces), self.processes, self.failures[-3:])
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
                trace, process = connection.getresponse().read().split()
                self.traces.append(trace)
                self.processes.add(process)
            except OSError as error:  # a server may reset connections while it reloads
                self.failures.append(error)
            except http.client.HTTPException as error:
                self.failures.append(error)
            finally:
                connection.close()


LAUNCHED = Server


def ids(backend: ScriptedServer) -> list[str]:
    return [
        id for each in backend.requests for id in ids_in(each.headers["content-type"], each.body)
    ]


@pytest.mark.parametrize("name", SERVERS)
def test_no_span_is_lost_or_doubled_when_workers_are_reloaded(
    name: str, start: Callable[..., Server], backend: ScriptedServer
) -> None:
    """All workers answer, each span arrives once, no id repeats, and the server ends in time."""
    server = start(
        SERVERS[name],
        {**(FLUSH if name.startswith("uWSGI") else {}), **(OTLP if "OTLP" in name else {})},
    )
    load = Load(server.port)
    for generation in (1, 2, 3):
        load.run_until(generation * ANSWERS, generation * WORKERS)
        if generation < 3:
            server.reload()
    load.stop()
    seconds = server.stop()
    finished, arrived = server.finished(), ids(backend)
    print(
        f"{name}: {len(load.traces)} requests, {len(load.failures)} of them reset; "
        f"{len(load.processes)} processes; {len(finished)} spans finished, {len(arrived)} arrived; "
        f"ended in {seconds:.1f} s"
    )
    assert len(set(load.traces)) == len(load.traces)
    assert Counter(arrived) == Counter(id for _, id in finished)
    assert max(Counter(arrived).values()) == 1
    assert seconds < LONGEST_EXIT
    assert "Traceback" not in server.log()


def test_uwsgi_says_that_spans_recorded_before_it_forked_are_not_sent(
    start: Callable[..., Server], backend: ScriptedServer
) -> None:
    """The first worker logs it once, with the remedy; all spans of the workers arrive."""
    server = start(UWSGI, {})
    load = Load(server.port)
    load.run_until(100, WORKERS)
    load.stop()
    server.stop()
    loading, *requests = server.finished()
    assert loading[0] == str(server.process.pid)
    assert Counter(ids(backend)) == Counter(id for _, id in requests)
    assert server.log().count("1 spans were recorded before uWSGI forked") == 1


def test_uwsgi_without_a_master_sends_what_was_recorded_before_it_forked(
    start: Callable[..., Server], backend: ScriptedServer
) -> None:
    """The process that loaded the application is then the first worker."""
    server = start([part for part in UWSGI if part != "--master"], {})
    load = Load(server.port)
    load.run_until(100, WORKERS)
    loading = server.finished()[0]
    assert loading[0].encode() in load.processes
    wait_until(lambda: loading[1] in ids(backend))
    load.stop()
    assert "before uWSGI forked" not in server.log()
