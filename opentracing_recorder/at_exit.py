"""What has to be done before a process ends; for recorders, which hold spans until they are sent.

The interpreter's exit tells, but not in a child of multiprocessing: that ends without it.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

_last_acts: list[Callable[[], object]] = []
_covered_child: int | None = None


def at_exit(act: Callable[[], object]) -> None:
    """Have `act` called when the interpreter exits."""
    if not _last_acts:
        atexit.register(_run)
    _last_acts.append(act)


def cover_child() -> None:
    """Have the same done at the end of this process if it is a child of multiprocessing.

    Called when there is something to lose: at its start, such a child forgets what was registered.
    """
    global _covered_child
    # Not by `get`: without the GIL that locks the dict, and a lock that threads wait for while a
    # process forks can be held in the child for ever.
    if "multiprocessing.util" not in sys.modules:
        return
    util = sys.modules["multiprocessing.util"]
    if util is None or sys.modules["multiprocessing"].parent_process() is None:
        return
    if _covered_child != os.getpid():
        _covered_child = os.getpid()
        util.Finalize(None, _run_when_alone, exitpriority=0)


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
            pass
    _run()


def _wait_and_run() -> None:
    while others := _others():
        others[0].join()
    _run()


def _others() -> list[threading.Thread]:
    this = (threading.current_thread(), threading.main_thread())
    return [each for each in threading.enumerate() if not each.daemon and each not in this]


def _run() -> None:
    for act in _last_acts:
        act()
