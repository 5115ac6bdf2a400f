"""The command ``run`` before servers: every span of every worker arrives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ..http_server import ScriptedServer
from . import test_asgi, test_servers
from .launched import FOLDER, PATIENCE, ROOT, Launched, wait_until
from .test_servers import LONGEST_EXIT, WORKERS, Load

pytestmark = pytest.mark.needs_os

RUN = ["-m", "opentracing_recorder", "run"]
ANSWERS = 100  # at least, before the reload, and again before the end


def _variables(trace_url: str) -> dict[str, str]:
    """Nothing but the end of a process sends its spans."""
    return {
        "PYTHONPATH": str(ROOT),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_TRACES_EXPORTER": "zipkin",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": trace_url,
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }


class Served(test_servers.Server):
    """A server that forks workers."""

    def __init__(self, folder: Path, trace_url: str, *options: str) -> None:
        command = [sys.executable, *RUN, *test_servers.GUNICORN[1:], *options, "run_app:app"]
        super().__init__(folder, trace_url, command, _variables(trace_url))


class Spawned(test_asgi.Server):
    """A server that starts each worker as a program of its own."""

    def __init__(self, folder: Path, trace_url: str, *options: str) -> None:
        os.environ.update(_variables(trace_url))
        command = [*RUN[1:], "-m", "uvicorn", "--port=0", *options, "run_app:asgi"]
        super().__init__(folder, trace_url, command)


class Worker(Launched):
    """A Celery worker with two children."""

    def __init__(self, folder: Path, trace_url: str) -> None:
        environ = {**_variables(trace_url), "QUEUE": str(folder / "queue")}
        producer = [sys.executable, "run_app.py", "6"]
        subprocess.run(
            producer, cwd=FOLDER, env={**os.environ, **environ}, check=True, timeout=PATIENCE
        )
        options = ["--app=run_app:celery", "worker", "--concurrency=2"]
        super().__init__(folder, [sys.executable, *RUN, "-m", "celery", *options], environ)


def LAUNCHED(folder: Path, trace_url: str, kind: type[Launched], *options: str) -> Launched:
    return kind(folder, trace_url, *options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [[], ["--preload"], ["--worker-class=gthread", "--threads=4"], ["--worker-class=gevent"]],
)
def test_gunicorn(
    options: list[str], start: Callable[..., Served], backend: ScriptedServer
) -> None:
    """Flask's requests are spans of OpenTelemetry's instrumentation, in each of the workers."""
    server = start(Served, *options)
    load = Load(server.port)
    load.run_until(ANSWERS, WORKERS)
    server.reload()
    load.run_until(2 * ANSWERS, 2 * WORKERS)
    load.stop()
    assert server.stop() < LONGEST_EXIT
    spans = backend.spans()
    assert {(span["name"], span["kind"]) for span in spans} == {("get /", "SERVER")}
    assert {span["localEndpoint"]["serviceName"] for span in spans} == {"shop"}
    traces = Counter(span["traceId"] for span in spans)
    assert max(traces.values()) == 1
    assert {trace.decode() for trace in load.traces} <= set(traces)
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("options", [[], ["--workers=2"], ["--reload"]])
def test_uvicorn(
    options: list[str],
    start: Callable[..., Spawned],
    backend: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests without a lifespan are traced in workers that uvicorn starts anew, to the last."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    server = start(Spawned, *options)
    paths = [f"/{number}" for number in range(6)]
    for path in paths:
        server.get(path)
    assert server.stop() < LONGEST_EXIT
    assert sorted(span["name"] for span in backend.spans()) == paths
    assert "Traceback" not in server.log()


def test_celery(start: Callable[..., Worker], backend: ScriptedServer, tmp_path: Path) -> None:
    """A task's span in a forked child is below that of OpenTelemetry's instrumentation."""
    worker = start(Worker)
    notes = tmp_path / "notes"
    wait_until(lambda: notes.exists() and len(notes.read_text().splitlines()) == 6, worker.log)
    worker.stop()
    spans = backend.spans()
    names = Counter(span["name"] for span in spans)
    assert names == {"run/work": 6, **{f"task {number}": 1 for number in range(6)}}
    runs = {span["id"] for span in spans if span["name"] == "run/work"}
    assert {span["parentId"] for span in spans if span["name"] != "run/work"} == runs
    assert "Traceback" not in worker.log()
