"""Sends a signal again whose handler does not run, in a child of multiprocessing; for `shutdown`.

Python calls a handler between two steps of the main thread. A signal that comes just before the
thread blocks in C, as in a lock of multiprocessing, is not handled before the lock is free.
`Pool.terminate` sends SIGTERM to its workers at such moments, and waits for them for ever.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections.abc import Callable

from opentracing.interrupts import reraise_interrupt

from ._process import at_fork

_PATIENCE = 0.1
"""Seconds before a signal is sent again, and between two sendings."""

# The threads of the first two cannot block. Trio warns of a second user of the wakeup descriptor.
_IN_THE_WAY = ("gevent", "eventlet", "trio")

_is_missed: Callable[[int], bool] | None = None
_descriptors: tuple[int, int] | None = None


def send_again_while(is_missed: Callable[[int], bool]) -> None:
    """Send each signal to the main thread again while `is_missed(signum)`.

    This holds in this process, if it is a child of multiprocessing, and in such children that are
    forked from it later. Call it on the main thread. Never raises.
    """
    global _is_missed
    _is_missed = is_missed
    at_fork(_renew)
    for name in ("multiprocessing", "multiprocess"):  # the latter is pathos's copy
        if f"{name}.util" in sys.modules and sys.modules[name].parent_process() is not None:
            _watch()


def _renew() -> None:
    """Leave the signals of a forked child to itself; watch them if it is one of multiprocessing."""
    global _descriptors
    try:
        if _descriptors is not None:
            import signal

            other = signal.set_wakeup_fd(-1)
            if other == _descriptors[1]:
                for each in _descriptors:
                    os.close(each)
            else:
                signal.set_wakeup_fd(other)
            _descriptors = None
        for name in ("multiprocessing", "multiprocess"):
            util = sys.modules.get(f"{name}.util")
            if util is not None:  # it calls this when it has made this process its child
                util.register_after_fork(_watch, _call)
    except Exception:  # not the main thread; a module is half imported, or a stand-in
        reraise_interrupt()


def _call(function: Callable[[], None]) -> None:
    function()


def _watch() -> None:
    global _descriptors
    import signal

    if _descriptors is not None or not hasattr(signal, "pthread_kill"):  # Windows
        return
    if any(name in sys.modules for name in _IN_THE_WAY):
        return
    try:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        other = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if other != -1:
            signal.set_wakeup_fd(other)
            os.close(reader)
            os.close(writer)
            return
        _descriptors = reader, writer
        _thread.start_new_thread(_send_again, (reader, threading.get_ident()))
    except (OSError, RuntimeError, ValueError):  # no descriptor or thread to give
        reraise_interrupt()


def _send_again(reader: int, main: int) -> None:
    import signal

    while True:
        received = set(os.read(reader, 65_536))  # a byte for each signal
        time.sleep(_PATIENCE)
        for signum in received:
            while _is_missed is not None and _is_missed(signum):
                signal.pthread_kill(main, signum)
                time.sleep(_PATIENCE)
