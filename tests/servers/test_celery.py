"""Every span arrives of children of billiard, Celery's multiprocessing, and of pathos's.

They leave by `os._exit`, without the interpreter's exit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ..http_server import ScriptedServer
from .launched import FOLDER, PATIENCE, ROOT, Launched, wait_until
from .test_mixed import trees

pytestmark = pytest.mark.needs_os

TASKS = [f"task {number}" for number in range(6)]


class Worker(Launched):
    """A Celery worker with two children, and the tasks that it was given."""

    def __init__(self, folder: Path, trace_url: str, *options: str, **environ: str) -> None:
        self._folder = folder
        self._environ = {
            **environ,
            "PYTHONPATH": str(ROOT),
            "TRACE_URL": trace_url,
            "QUEUE": str(folder / "queue"),
        }
        self._run("celery_app.py", "6")
        command = [sys.executable, "-m", "celery", "--app=celery_app", "worker", *options]
        super().__init__(folder, command, self._environ)

    def ask(self, *arguments: str) -> None:
        """Control it from Celery's command line."""
        self._run("-m", "celery", "--app=celery_app", *arguments)

    def wait_for_tasks(self, count: int = 6) -> set[str]:
        """Wait until so many tasks are done, and return the processes that did them."""
        notes = self._folder / "notes"
        wait_until(lambda: notes.exists() and len(notes.read_text().splitlines()) >= count)
        return {line.split()[0] for line in notes.read_text().splitlines()}

    def _run(self, *command: str) -> None:
        subprocess.run(
            [sys.executable, *command],
            cwd=FOLDER,
            env={**os.environ, **self._environ},
            check=True,
            timeout=PATIENCE,
            stdout=subprocess.DEVNULL,
        )


LAUNCHED = Worker


def delivered(backend: ScriptedServer, *left_out: str) -> list[str]:
    names = [span["name"] for span in backend.spans()]
    return sorted(name for name in names if name not in left_out)


def test_children_that_end_after_two_tasks(
    start: Callable[..., Worker], backend: ScriptedServer
) -> None:
    """Six tasks' spans and those of the shutdown arrive, with the default options."""
    worker = start("--concurrency=2", INTERVAL="1", MAX_TASKS="2")
    assert len(worker.wait_for_tasks()) >= 3
    worker.stop()
    assert delivered(backend, "leave") == TASKS
    assert delivered(backend, *TASKS).count("leave") >= 3
    assert "Traceback" not in worker.log()


def test_each_task_is_one_tree_with_instrumentation(
    start: Callable[..., Worker], backend: ScriptedServer
) -> None:
    """A task's own span is a child of Celery's in the child process, and that of the producer's."""
    worker = start("--concurrency=2", INTERVAL="60", MAX_TASKS="2", INSTRUMENTED="yes")
    worker.wait_for_tasks()
    worker.stop()
    spans = [span for span in backend.spans() if span["name"] != "leave"]
    sent, run = "apply_async/work", "run/work"
    expected = [sorted([(sent, ""), (run, sent), (task, run)]) for task in TASKS]
    assert sorted(trees(spans).values()) == sorted(expected)
    assert len(spans) == 3 * len(TASKS)
    assert "Traceback" not in worker.log()


def test_idle_children_when_the_worker_is_shut_down(
    start: Callable[..., Worker], backend: ScriptedServer
) -> None:
    """Their spans are sent only when they end."""
    worker = start("--concurrency=2", INTERVAL="60")
    worker.wait_for_tasks()
    assert delivered(backend) == []
    worker.stop()
    assert delivered(backend, "leave") == TASKS
    assert "Traceback" not in worker.log()


def test_a_pool_that_is_restarted(start: Callable[..., Worker], backend: ScriptedServer) -> None:
    """The replaced children send their spans, and the worker goes on."""
    worker = start("--concurrency=2", INTERVAL="60")
    worker.wait_for_tasks()
    worker.ask("call", "work", "--args=[6]")
    worker.wait_for_tasks(7)
    worker.ask("control", "pool_restart")
    wait_until(lambda: len(delivered(backend, "leave")) == 7)
    worker.stop()
    assert delivered(backend, "leave") == [*TASKS, "task 6"]


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_pools_without_children(
    pool: str, start: Callable[..., Worker], backend: ScriptedServer
) -> None:
    """The worker's own exit sends its spans."""
    worker = start(f"--pool={pool}", INTERVAL="60")
    worker.wait_for_tasks()
    worker.stop()
    assert delivered(backend, "leave") == TASKS


PROGRAM = """
import os, sys, threading, time
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

recorder = ZipkinRecorder("app", sys.argv[1], interval=60)
tracer = ZipkinTracer("app", recorder=recorder)

def record(name):
    tracer.start_span(str(name)).finish()

def leave_a_thread():
    record("beside a thread")
    threading.Thread(target=time.sleep, args=(30,)).start()

def leave():
    with tracer.start_active_span("leave"):
        sys.exit(3)

if __name__ == "__main__":
    import {package} as package

    children = [package.Process(target=each) for each in ({endings})]
    for child in children:
        child.start()
    for child in children:
        child.join()
    pool = package.Pool(2)
    pool.map(record, range(4), 1)
    pool.close()
    pool.join()
    record("main")
"""


@pytest.mark.parametrize(
    ("package", "endings"),
    [("billiard", "leave, leave_a_thread"), ("multiprocess", "leave, leave")],
)
def test_children_of_copies_of_multiprocessing(
    package: str, endings: str, tmp_path: Path, backend: ScriptedServer
) -> None:
    """Processes and the workers of a pool deliver their spans; billiard waits for no thread."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(package=package, endings=endings))
    ended = subprocess.run(
        [sys.executable, program, backend.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0
    of_children = ["beside a thread", "leave"] if package == "billiard" else ["leave", "leave"]
    assert delivered(backend) == sorted([*"0123", *of_children, "main"])
