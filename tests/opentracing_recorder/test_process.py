"""Forks, uWSGI's too: ids do not repeat, locks are free, and no thread starts too early.

tests/servers has the real uWSGI.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from opentracing_recorder import BasicSpan, BasicTracer, BatchRecorder, Stats
from opentracing_recorder._process import has_yet_to_fork, is_first_worker

_LONG = 10.0

# Forks.

# The second is fork(2) itself: none of the interpreter's preparations for a fork take place.
_FORKS = ["os.fork()", "ctypes.CDLL(None).fork()"]


def _forks(test: Any) -> Any:
    """Marks a test that forks."""
    has_fork = hasattr(os, "fork")
    return pytest.mark.needs_os(
        pytest.mark.skipif(not has_fork, reason="this system has no fork")(test)
    )


def _run(script: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _either_fork(test: Any) -> Any:
    """Runs a test that forks with each way to fork."""
    return _forks(pytest.mark.parametrize("fork", _FORKS, ids=["Python", "C"])(test))


@_forks
@pytest.mark.parametrize("fork", _FORKS, ids=["Python", "C"])
@pytest.mark.parametrize("page", [True, False], ids=["page", "pid"])
@pytest.mark.parametrize("parent", ["None", "RemoteSpanContext(1, 2)"], ids=["root", "remote"])
def test_forked_children_make_no_repeated_id(fork: str, page: bool, parent: str) -> None:
    """Eight children, forked after ids were made, make different ones; from C, too."""
    script = (
        "import ctypes, os, sys\n"
        f"sys.platform = sys.platform if {page} else 'posix'\n"
        "from opentracing_recorder import BasicTracer, RemoteSpanContext\n"
        "tracer = BasicTracer()\n"
        "tracer.start_span('warm')\n"
        "children = []\n"
        "for _ in range(8):\n"
        f"    pid = {fork}\n"
        "    if pid == 0:\n"
        f"        spans = [tracer.start_span('x', {parent}).context for _ in range(50)]\n"
        "        text = ''.join(f'{s.span_id}\\n' for s in spans)\n"
        "        os.write(1, text.encode())\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "for pid in children:\n"
        "    os.waitpid(pid, 0)\n"
    )
    ids = _run(script).split()
    assert len(ids) == len(set(ids)) == 8 * 50


@_either_fork
def test_renewals_run_once_in_each_child(fork: str) -> None:
    """Each child, and each child of a child, runs them with its first trace only."""
    script = (
        "import ctypes, os, sys\n"
        "from opentracing_recorder import BasicTracer\n"
        "from opentracing_recorder._process import at_fork\n"
        "tracer, renewed = BasicTracer(), []\n"
        "at_fork(lambda: renewed.append(1))\n"
        "def trace():\n"
        "    tracer.start_span('x'), tracer.start_span('x')\n"
        "    os.write(1, b'%d' % len(renewed))\n"
        "trace()\n"
        f"if {fork} == 0:\n"
        "    trace()\n"
        f"    if {fork} == 0:\n"
        "        trace()\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "trace()\n"
    )
    assert _run(script) == "0120"


@_either_fork
def test_a_renewed_lock_is_free_in_a_child(fork: str) -> None:
    """If another thread holds the lock during a fork, the child has a free one."""
    script = (
        "import ctypes, os, sys, threading\n"
        "from opentracing_recorder import BasicTracer\n"
        "from opentracing_recorder._process import RenewedLock\n"
        "lock, tracer = RenewedLock(), BasicTracer()\n"
        "held, forked = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with lock.current:\n"
        "        held.set()\n"
        "        forked.wait()\n"
        "thread = threading.Thread(target=hold)\n"
        "thread.start()\n"
        "held.wait()\n"
        f"if {fork} == 0:\n"
        "    tracer.start_span('x')\n"
        "    os.write(1, b'%d' % lock.current.acquire(blocking=False))\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "forked.set()\n"
        "thread.join()\n"
        "os.write(1, b'%d' % lock.current.acquire(blocking=False))\n"
    )
    assert _run(script) == "11"


# uWSGI.


class Sending(BatchRecorder):
    """Says on which thread it sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(interval=0.01, **options)
        self.sent_on: list[int] = []
        self.has_sent = threading.Event()

    def send(self, spans: Sequence[BasicSpan]) -> None:
        self.sent_on.append(threading.get_ident())
        self.has_sent.set()


def uwsgi(worker: int, **functions: Any) -> SimpleNamespace:
    """The module that uWSGI puts into its processes, as far as we ask it."""
    return SimpleNamespace(worker_id=lambda: worker, **functions)


@pytest.mark.parametrize(
    ("module", "yet_to_fork", "first"),
    [
        (uwsgi(0), True, False),
        (uwsgi(0, mule_id=lambda: 0, i_am_the_spooler=lambda: False), True, False),
        (uwsgi(0, mule_id=lambda: 1), False, False),
        (uwsgi(0, i_am_the_spooler=lambda: True), False, False),
        (uwsgi(1), False, True),
        (uwsgi(2), False, False),
        (SimpleNamespace(), False, False),
        (None, False, False),
    ],
    ids=["master", "master of all", "mule", "spooler", "worker 1", "worker 2", "other", "none"],
)
def test_uwsgi_is_asked_what_the_process_is(
    monkeypatch: pytest.MonkeyPatch, module: Any, yet_to_fork: bool, first: bool
) -> None:
    """Only the process that loads the application has yet to fork."""
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    assert has_yet_to_fork() is yet_to_fork
    assert is_first_worker() is first


@pytest.mark.needs_os
@pytest.mark.parametrize("queue_size", [1, 1000])
def test_no_thread_starts_before_uwsgi_forks(
    monkeypatch: pytest.MonkeyPatch, queue_size: int
) -> None:
    """The first span in a worker starts it, even if what came before has filled the queue."""
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(0))
    recorder = Sending(queue_size=queue_size)
    tracer = BasicTracer(recorder)
    threads = threading.active_count()
    tracer.start_span("loading").finish()
    assert not recorder.has_sent.wait(0.1)
    assert threading.active_count() == threads
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(1))
    tracer.start_span("request").finish()
    assert recorder.has_sent.wait(_LONG)
    assert recorder.sent_on[0] != threading.get_ident()
    tracer.close(_LONG)


@pytest.mark.needs_os
def test_flush_sends_before_uwsgi_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calling thread sends."""
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(0))
    recorder = Sending()
    tracer = BasicTracer(recorder)
    tracer.start_span("loading").finish()
    assert tracer.flush(_LONG)
    assert recorder.sent_on == [threading.get_ident()]
    assert recorder.stats == Stats(recorded=1, sent=1, dropped=0, failed=0, queued=0)
