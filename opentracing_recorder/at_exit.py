"""What has to be done before a process ends; for recorders, which hold spans until they are sent.

The interpreter's exit is the time for it. Children of multiprocessing, and of billiard, which is
Celery's, end without that exit.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._errors import loggable

_logger = logging.getLogger(__name__)

_last_acts: list[Callable[[], object]] = []
_flushes: list[Callable[[], object]] = []
_covered_child: int | None = None


def at_exit(act: Callable[[], object], flush: Callable[[], object]) -> None:
    """Have `act` called when the interpreter exits, and `flush` when an application is shut down.

    After the latter the process may go on.
    """
    if not _last_acts:
        atexit.register(run)
    _last_acts.append(act)
    _flushes.append(flush)


def cover_child() -> None:
    """Have the same done at the end of a child of multiprocessing, or of a package made after it.

    Called when there is something to lose: at its start, such a child forgets what was registered.
    Never raises: what bears these names may be half imported, or stand in for the real thing.
    """
    if _covered_child == os.getpid():
        return
    for cover in (_cover_child_of_multiprocessing, _cover_child_of_billiard):
        try:
            cover()
        except Exception:  # asked again when the next queue begins
            reraise_interrupt()


def _cover_child_of_multiprocessing() -> None:
    global _covered_child
    # Not by `get`: without the GIL that locks the dict, and a lock that threads wait for while a
    # process forks can be held in the child for ever.
    for name in ("multiprocessing", "multiprocess"):  # the latter is pathos's copy
        if name in sys.modules and f"{name}.util" in sys.modules:
            util = sys.modules[f"{name}.util"]
            if util is not None and sys.modules[name].parent_process() is not None:
                util.Finalize(None, _run_when_alone, exitpriority=0)
                _covered_child = os.getpid()
                return


def _cover_child_of_billiard() -> None:
    global _covered_child
    if _covered_child == os.getpid():
        return
    if "billiard.process" in sys.modules and sys.modules["billiard.process"] is not None:
        child = sys.modules["billiard.process"].current_process()
        if child._parent_pid is not None:
            _cover_worker(child)
            _covered_child = os.getpid()


def _cover_worker(child: Any) -> None:
    """Have the same done where a child of billiard ends: it waits for no thread.

    A worker of a pool, such as Celery's, leaves without its finalizers, but calls `on_exit` before.
    """
    worker: Any = getattr(child, "_target", None)
    if not hasattr(worker, "on_exit"):
        sys.modules["billiard.util"].Finalize(None, run, exitpriority=0)
        return
    former = worker.on_exit

    def on_exit(*args: object) -> None:
        try:
            if former is not None:
                former(*args)  # what Celery's `worker_process_shutdown` calls may still record
        finally:
            run()

    worker.on_exit = on_exit


def _run_when_alone() -> None:
    """Run once the threads have ended that multiprocessing waits for after its finalizers.

    Waiting for them here might have no end: those of a ThreadPoolExecutor are told to end later.
    """
    if _others():
        try:
            # No daemon: it is waited for as well.
            threading.Thread(target=_wait_and_run, name="opentracing-at-exit").start()
            return
        except RuntimeError:  # the system has no thread to give
            reraise_interrupt()
    run()


def _wait_and_run() -> None:
    while others := _others():
        others[0].join()
    run()


def _others() -> list[threading.Thread]:
    this = (threading.current_thread(), threading.main_thread())
    return [each for each in threading.enumerate() if not each.daemon and each not in this]


def run() -> None:
    """Do it now: what `at_exit` was given."""
    for act in _last_acts:
        _do(act)


def run_flushes() -> None:
    """Send what waits in this process, as far as `at_exit` was given something for that."""
    for flush in _flushes:
        _do(flush)


def _do(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:  # the other acts are of other recorders
        reraise_interrupt()
        _logger.error("what was to be done at the exit raised", exc_info=loggable(error))
