"""ASGI servers deliver all spans at SIGTERM, also that of a request under way."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ..http_server import ScriptedServer
from .launched import PATIENCE, ROOT, Launched, wait_until

pytestmark = pytest.mark.needs_os

PATHS = [f"/{number}" for number in range(6)]

UVICORN = ["uvicorn", "--port=0"]
HYPERCORN = ["hypercorn", "--bind=127.0.0.1:0"]
GUNICORN = ["gunicorn", "--bind=127.0.0.1:0"]

# Each with the status that it ends with.
SERVERS = {
    "uvicorn": ([*UVICORN, "asgi_app:app"], -signal.SIGTERM),
    "uvicorn, no lifespan": ([*UVICORN, "asgi_app:plain"], -signal.SIGTERM),
    "uvicorn, workers": ([*UVICORN, "--workers=2", "asgi_app:app"], 0),
    "uvicorn, reload": ([*UVICORN, "--reload", "asgi_app:app"], 0),
    "uvicorn, no lifespan, run by a program": (["asgi_app"], -signal.SIGTERM),
    "hypercorn": ([*HYPERCORN, "asgi_app:app"], 0),
    "hypercorn, no lifespan, trio": ([*HYPERCORN, "--worker-class=trio", "asgi_app:plain"], 0),
    "gunicorn": ([*GUNICORN, "--worker-class=uvicorn_worker.UvicornWorker", "asgi_app:app"], 0),
}


class Server(Launched):
    """One of the servers, at the port that it says it has."""

    def __init__(self, folder: Path, trace_url: str, command: list[str]) -> None:
        environ = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TRACE_URL": trace_url}
        super().__init__(folder, [sys.executable, "-m", *command], environ)
        self.wait_for_log(r"http://127\.0\.0\.1:\d+")
        (port,) = set(re.findall(r"http://127\.0\.0\.1:(\d+)", self.log()))
        self._address = ("127.0.0.1", int(port))
        # uvicorn says its address before it listens there.
        wait_until(self._listens, self.log)

    def get(self, path: str, **headers: str) -> str:
        """Return the answer: of the applications here, the process that answered."""
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        connection.request("GET", path, headers={"Connection": "close", **headers})
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    def wait_for_log(self, pattern: str) -> None:
        wait_until(lambda: bool(re.search(pattern, self.log())), self.log)

    def _listens(self) -> bool:
        try:
            socket.create_connection(self._address, PATIENCE).close()
        except ConnectionRefusedError:
            return False
        return True


LAUNCHED = Server


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_ended_by_sigterm(
    name: str, start: Callable[[list[str]], Server], backend: ScriptedServer
) -> None:
    """The spans of six requests, of one under way, and of the shutdown arrive once."""
    command, status = SERVERS[name]
    server = start(command)
    if "workers" in name:
        server.wait_for_log("(?s)(startup complete.*){2}")
    processes = {server.get(path) for path in PATHS}
    under_way = threading.Thread(target=server.get, args=("/under-way?seconds=0.5",))
    under_way.start()
    server.wait_for_log("begun /under-way")
    server.process.terminate()
    under_way.join()
    assert server.process.wait(PATIENCE) == status
    names = [span["name"] for span in backend.spans()]
    of_the_server = [each for each in names if each not in ("startup", "shutdown")]
    assert sorted(of_the_server) == [*PATHS, "/under-way"]
    if "no lifespan" not in name:
        assert names.count("startup") == names.count("shutdown") >= len(processes)
    assert "Traceback" not in server.log()
