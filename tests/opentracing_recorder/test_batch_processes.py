"""BatchRecorder in processes of their own: at the exit, after a fork, under gevent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.needs_os


_PRELUDE = f"""
import os, sys, threading, time
sys.path[:0] = {sys.path!r}
from opentracing_recorder import BasicTracer, BatchRecorder, Stats

class Printing(BatchRecorder):
    def send(self, spans):
        for span in spans:
            os.write(1, (span.operation_name + "\\n").encode())

def record(*names):
    for name in names:
        tracer.start_span(name).finish()
"""


# gevent's own hook in a forked child, on Python 3.13 and later, if a thread is older than its
# patches: see findings/gevent_fork_hook_fails_beside_an_older_thread.sh.
_GEVENTS_HOOK = r"""Exception ignored in.* <bound method _ForkHooks\.after_fork_in_child .*
Traceback .*
(  .*\n)+TypeError: _ThreadHandle\._set_done\(\) takes no keyword arguments
"""


def run(
    script: str, prelude: str = _PRELUDE, split: str | None = None, tolerated: str = ""
) -> list[str]:
    """The words (or lines) that the script prints; it must end well and leave stderr empty.

    Nothing but what matches `tolerated` may be there, once.
    """
    done = subprocess.run(
        # From Python 3.12 a fork beside a thread is warned of; that is what these tests are about.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", prelude + script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    stderr = done.stderr
    if tolerated and re.fullmatch(tolerated, stderr):
        stderr = ""
    assert (stderr, done.returncode) == ("", 0)
    return done.stdout.split(split)


HANGING = """
import atexit, logging
logging.disable()  # of what hangs

class Hanging(BatchRecorder):
    def send(self, spans):
        time.sleep(HOW_LONG)
        raise OSError("it hangs")

def make(kind):
    return kind(interval=60, exit_timeout=3)

def last():
    print("late" if time.monotonic() - start > LIMIT else "in-time")

atexit.register(last)
# Closed in any order: there are several that hang, and several that do not.
recorders = [make(kind) for kind in (Hanging, Printing) * 3]

def use():
    for recorder in recorders:
        BasicTracer(recorder).start_span("sent").finish()
"""


def test_at_exit_backends_that_hang_take_the_time_of_one() -> None:
    """The spans that other recorders have queued are sent meanwhile."""
    script = HANGING.replace("LIMIT", "6").replace("HOW_LONG", "60")
    assert run(script + "use()\nstart = time.monotonic()\n") == ["sent", "sent", "sent", "in-time"]


@pytest.mark.long
def test_at_exit_a_backend_that_hangs_leaves_the_others_their_time() -> None:
    """The others are closed in time, also if no thread can be started, as at Python 3.12's exit."""
    script = """
import _thread

def use_without_threads():
    def start_new_thread(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    _thread.start_new_thread = start_new_thread
    use()

atexit.register(use_without_threads)
start = time.monotonic()
"""
    hanging = HANGING.replace("LIMIT", "15").replace("HOW_LONG", "self.send_timeout")
    assert run(hanging + script) == ["sent", "sent", "sent", "in-time"]


# Not by joining it: threading in Python 3.9 stumbles over that now and then.
WAIT_FOR_THE_END_OF_MAIN = """
def wait_for_the_end_of_main():
    main = threading.main_thread().ident
    def functions(frame):
        while frame is not None:
            yield frame.f_code.co_name
            frame = frame.f_back
    while "_shutdown" not in functions(sys._current_frames()[main]):
        time.sleep(0.01)
    time.sleep(0.1)

def record_late(name):
    wait_for_the_end_of_main()
    record(name)

recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
"""


def test_exit_sends_what_is_queued() -> None:
    """Spans of non-daemon threads and of later exit handlers are sent too."""
    script = (
        WAIT_FOR_THE_END_OF_MAIN
        + """
import atexit
atexit.register(record, "handler")
threading.Thread(target=record_late, args=["thread"]).start()
record("main")
"""
    )
    assert sorted(run(script)) == ["handler", "main", "thread"]


def test_exit_sends_what_was_first_recorded_when_no_thread_can_start() -> None:
    """The span is sent; from Python 3.12, no thread can start once the main thread has ended."""
    start = 'threading.Thread(target=record_late, args=["late"]).start()'
    assert run(WAIT_FOR_THE_END_OF_MAIN + start) == ["late"]


def test_exit_waits_no_longer_than_its_limit() -> None:
    """A `send` that hangs, several recorders or a backend that is down do not hold it up."""
    script = """
import logging
logging.getLogger("opentracing_recorder").addHandler(logging.NullHandler())
class Hanging(BatchRecorder):
    def send(self, spans):
        time.sleep(600)
class Down(BatchRecorder):
    def send(self, spans):
        raise OSError
kept = []
for kind in (Hanging, Down, Hanging, Down):
    kept.append(BasicTracer(kind(exit_timeout=0.5)))
    kept[-1].start_span("x").finish()
"""
    start = time.monotonic()
    assert run(script) == []
    assert time.monotonic() - start < 20


def test_a_dead_backend_costs_an_unconfigured_program_two_lines() -> None:
    """Without configured logging, Python shows two warnings: the failure, and the loss."""
    script = """
class Down(BatchRecorder):
    def send(self, spans):
        raise OSError("no route")
recorder = Down(exit_timeout=0.3, interval=0.05)
for number in range(3):
    BasicTracer(recorder).start_span("x").finish()
os.dup2(1, 2)
"""
    lines = run(script, split="\n")[:-1]
    assert [line.partition(":")[0] for line in lines] == [
        "Down",
        "Down was closed before 3 spans were sent",
    ]
    assert "OSError: no route" in lines[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_clean() -> None:
    """It sends its own spans and none of the parent's, which the parent sends, each once."""
    script = """
class Forking(Printing):
    def forked(self):
        os.write(1, b"forked\\n")
recorder = Forking(interval=60)
tracer = BasicTracer(recorder)
record("parent1", "parent2")
pid = os.fork()
if pid == 0:
    assert recorder.stats == Stats(0, 0, 0, 0, 0)
    record("child")
    assert recorder.flush(10)
    assert recorder.stats == Stats(1, 1, 0, 0, 0)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert recorder.stats.queued == 2
assert recorder.flush(10)
assert recorder.stats == Stats(2, 2, 0, 0, 0)
"""
    assert run(script) == ["forked", "child", "parent1", "parent2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_under_load_lose_and_double_nothing() -> None:
    """While threads record and the worker sends, children come and go."""
    script = """
recorder = Printing(interval=0.001, batch_size=7, queue_size=100_000)
tracer = BasicTracer(recorder)
def load(thread):
    for number in range(1000):
        record(f"p-{thread}-{number}")
threads = [threading.Thread(target=load, args=(each,)) for each in range(4)]
for thread in threads:
    thread.start()
children = []
for child in range(8):
    pid = os.fork()
    if pid == 0:
        record(*(f"c-{child}-{number}" for number in range(50)))
        os._exit(0 if recorder.flush(30) and recorder.stats == Stats(50, 50, 0, 0, 0) else 1)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
for thread in threads:
    thread.join()
assert recorder.flush(30)
"""
    names = run(script)
    assert len(names) == len(set(names)) == 4000 + 8 * 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_do_not_come_back_at_the_same_moments() -> None:
    """The random part of their pauses differs: a busy backend is not met by all at once."""
    script = """
from opentracing_recorder._batch_retry import _jitter
for child in range(4):
    pid = os.fork()
    if pid == 0:
        os.write(1, f"{_jitter.random()}\\n".encode())
        os._exit(0)
    os.waitpid(pid, 0)
"""
    assert len(set(run(script))) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_from_c_starts_clean() -> None:
    """Python's hooks do not run there; a trace that begins in the child makes up for them."""
    script = """
import ctypes, time
recorder = Printing(interval=60)
tracer = BasicTracer(recorder)
record("parent")
time.sleep(0.5)  # a thread that is not asleep may hold the interpreter's own locks at the fork
pid = ctypes.CDLL(None).fork()
if pid == 0:
    record("child")
    assert recorder.stats == Stats(1, 0, 0, 0, 1)
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
assert recorder.flush(10)
"""
    assert run(script) == ["child", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_closed_recorder_is_closed_in_a_child_too() -> None:
    """It takes nothing there."""
    script = """
recorder = Printing()
tracer = BasicTracer(recorder)
recorder.close()
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.stats == Stats(1, 0, 1, 0, 0) and recorder.close() else 1)
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(script) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_multiprocessing_sends_at_its_end() -> None:
    """Such a child ends without the interpreter's exit handlers."""
    script = """
import multiprocessing
tracer = BasicTracer(Printing(interval=60))
record("parent")
child = multiprocessing.get_context("fork").Process(target=record, args=("child",))
child.start()
child.join()
"""
    assert run(script) == ["child", "parent"]


@pytest.mark.parametrize("used_before", [True, False])
def test_under_gevent_that_patches_late(used_before: bool) -> None:
    """A recorder that was made before, and perhaps used, holds up no greenlet.

    So it is in the workers of ``gunicorn --preload -k gevent``.
    """
    pytest.importorskip("gevent")
    used = "record('before')\nassert recorder.flush(10)\n" if used_before else ""
    script = f"""
recorder = Printing(interval=0.02)
tracer = BasicTracer(recorder)
{used}
from gevent import monkey
monkey.patch_all()
import gevent
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        gevent.sleep(0.001)
ticking = gevent.spawn(tick)
record("first")
gevent.sleep(0.01)
assert recorder.flush(10)
record("second")
while recorder.stats.queued:
    gevent.sleep(0.001)
time.sleep(0.1)
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
gevent.joinall([gevent.spawn(record, "greenlet") for _ in range(3)])
assert recorder.flush(10)
assert len(ticks) > 10
ticking.kill()
record("last")
assert recorder.close(10)
"""
    expected = ["child", "first", *["greenlet"] * 3, "last", "second"]
    names = run(script, tolerated=_GEVENTS_HOOK if used_before else "")
    assert sorted(names) == (["before"] if used_before else []) + expected


@pytest.mark.parametrize("patched_first", [True, False])
def test_under_gevent(patched_first: bool) -> None:
    """The worker is a greenlet; whether patching or importing came first makes no difference."""
    pytest.importorskip("gevent")
    patch = "from gevent import monkey\nmonkey.patch_all()\n"
    script = """
import gevent
class Slow(Printing):
    def send(self, spans):
        time.sleep(0.01)
        super().send(spans)
recorder = Slow(interval=0.01, batch_size=10, queue_size=10_000)
tracer = BasicTracer(recorder)
def work(number):
    for each in range(20):
        record(f"{number}-{each}")
        gevent.sleep(0)
gevent.joinall([gevent.spawn(work, number) for number in range(20)])
assert recorder.flush(20)
assert recorder.stats == Stats(400, 400, 0, 0, 0)
pid = os.fork()
if pid == 0:
    record("child")
    os._exit(0 if recorder.flush(10) else 1)
assert os.waitpid(pid, 0)[1] == 0
record("last")
"""
    prelude = patch + _PRELUDE if patched_first else _PRELUDE + patch
    names = run(script, prelude)
    assert len(names) == len(set(names)) == 402
