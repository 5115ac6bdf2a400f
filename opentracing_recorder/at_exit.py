"""What has to be done before a process ends; for recorders, which hold spans until they are sent.

The interpreter's exit tells, but not in a child of multiprocessing: that ends without it.
"""

from __future__ import annotations

import atexit
import os
import sys
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
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None or multiprocessing.parent_process() is None:
        return
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _covered_child != os.getpid():
        _covered_child = os.getpid()
        util.Finalize(None, _run, exitpriority=0)


def _run() -> None:
    for act in _last_acts:
        act()
