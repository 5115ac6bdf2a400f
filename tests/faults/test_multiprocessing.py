"""Children of multiprocessing, however they are started: every span of each arrives, once.

They end by `os._exit`, without the interpreter's exit. Each program runs in its own process, from a
file, which its children import if they are not forked.
"""

from __future__ import annotations

import multiprocessing
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from ..programs import FORKING, run_program

pytestmark = [pytest.mark.needs_os, pytest.mark.long]

PRELUDE = """
import multiprocessing, os, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from opentracing_recorder import BasicTracer, BatchRecorder, close_at_signals

PLACE, METHOD = sys.argv[1:]
start = multiprocessing.get_context(METHOD)

class Appending(BatchRecorder):
    def send(self, spans):
        lines = [
            f"{os.getpid()} {span.context.trace_id} {span.context.span_id} {span.operation_name}"
            for span in spans
        ]
        file = os.open(PLACE, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, ("\\n".join(lines) + "\\n").encode())
        os.close(file)

# Nothing but the end of a process sends these.
tracer = BasicTracer(Appending(interval=60, queue_size=100_000))

def record(*names):
    for name in names:
        tracer.start_span(str(name)).finish()

def leave():
    with tracer.start_active_span("leave"):
        sys.exit(3)

def leave_a_thread():
    def work():
        threading.main_thread().join(0.3)
        record("thread")
    threading.Thread(target=work).start()
    record("beside a thread")

def leave_a_pool_of_threads():
    sys.pool = ThreadPoolExecutor(1)
    sys.pool.submit(record, "in a pool").result()

def have_a_child():
    record("child")
    child = start.Process(target=record, args=("grandchild",))
    child.start()
    child.join()
    record("after a grandchild")

def task(number):
    with tracer.start_active_span(f"task {number}"):
        record(f"in {number}")

def task_that_flushes(number):
    task(number)
    assert tracer.flush(10)

def main():
    record("first")
"""

END = """
    record("last")

if __name__ == "__main__":
    main()
"""

methods = pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())


class Delivered:
    """The spans that a program's processes sent."""

    def __init__(self, path: Path) -> None:
        lines = [line.split(" ", 3) for line in path.read_text().splitlines()]
        self.names = Counter(line[3] for line in lines)
        assert len({span for _, _, span, _ in lines}) == len(lines), "a span's id comes twice"
        traces = {(trace, process) for process, trace, _, _ in lines}
        assert len({trace for trace, _ in traces}) == len(traces), "two processes have one trace"
        # Each process sent its own: the parent's came from one process, which sent no others.
        of_the_parent = [line[0] for line in lines if line[3] in ("first", "last")]
        assert len(of_the_parent) == 2
        assert len(set(of_the_parent)) == 1
        self.by_the_parent = [line[3] for line in lines if line[0] == of_the_parent[0]]


def run(tmp_path: Path, method: str, program: str) -> Delivered:
    """Run a program with this `main`; it must end with status 0, in time, and without output."""
    script, place = tmp_path / "program.py", tmp_path / "spans"
    script.write_text(
        PRELUDE.replace(r"\n", "\\n") + textwrap.indent(textwrap.dedent(program), " " * 4) + END
    )
    ended = run_program([*FORKING, script, place, method], timeout=120)
    assert (ended.error, ended.code) == ("", 0)
    return Delivered(place)


@methods
def test_processes(tmp_path: Path, method: str) -> None:
    """The spans of several children at once arrive, however each child ends."""
    program = """
        children = [start.Process(target=record, args=range(each, each + 500)) for each in (0, 500)]
        endings = leave, leave_a_thread, leave_a_pool_of_threads, have_a_child
        children += [start.Process(target=each) for each in endings]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0, 3, 0, 0, 0]
    """
    delivered = run(tmp_path, method, program)
    of_children = ["leave", "thread", "beside a thread", "in a pool"]
    of_children += ["child", "grandchild", "after a grandchild"]
    assert delivered.names == Counter(["first", "last", *of_children, *map(str, range(1000))])
    assert sorted(delivered.by_the_parent) == ["first", "last"]


POOLS = {
    "pool": """
        pool = start.Pool(3)
        pool.map(task, range(30), chunksize=1)
        pool.close()
        pool.join()
    """,
    "pool of short lives": """
        pool = start.Pool(2, maxtasksperchild=4)
        pool.map(task, range(30), chunksize=1)
        pool.close()
        pool.join()
    """,
    "pool, terminated": """
        with start.Pool(3) as pool:
            pool.map(task_that_flushes, range(30), chunksize=1)
    """,
    "pool, terminated, whose workers close at signals": """
        with start.Pool(3, initializer=close_at_signals) as pool:
            pool.map(task, range(30), chunksize=1)
    """,
    "executor": """
        with ProcessPoolExecutor(3, mp_context=start) as pool:
            list(pool.map(task, range(30)))
    """,
    "executor, left to the exit": """
        pool = ProcessPoolExecutor(3, mp_context=start)
        list(pool.map(task, range(30)))
    """,
}


@methods
@pytest.mark.parametrize("kind", POOLS)
def test_pools(tmp_path: Path, method: str, kind: str) -> None:
    """The spans of tasks arrive, however many a worker runs, and however it ends.

    Terminating a pool, as `with` does, kills its workers by a signal: spans that they did not flush
    are lost, unless they close at signals.
    """
    delivered = run(tmp_path, method, POOLS[kind])
    tasks = [f"{what} {number}" for what in ("task", "in") for number in range(30)]
    assert delivered.names == Counter(["first", "last", *tasks])
    assert sorted(delivered.by_the_parent) == ["first", "last"]


@methods
def test_a_pool_terminated_in_the_midst(tmp_path: Path, method: str) -> None:
    """It does not hang, whatever its workers are doing, and no span arrives twice."""
    program = """
        pool = start.Pool(3)
        pool.map_async(task_that_flushes, range(100_000), chunksize=1)
        while not os.path.exists(PLACE) or not os.path.getsize(PLACE):
            time.sleep(0.01)
        pool.terminate()
        pool.join()
    """
    delivered = run(tmp_path, method, program)
    assert set(delivered.names.values()) == {1}
    assert len(delivered.names) > 2
    assert sorted(delivered.by_the_parent) == ["first", "last"]
