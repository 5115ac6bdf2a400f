"""Calls renewals in a forked child, and the last acts at the end of a process.

Ids, locks and recorders with threads are renewed in a forked child. Recorders send the spans that
they hold before a process ends; some processes end without the interpreter's exit.
"""

from __future__ import annotations

import atexit
import mmap
import os
import sys
import threading
from collections.abc import Callable, MutableSequence
from functools import wraps

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._errors import loggable
from ._failure_log import logger

# Forks. `os.fork` calls `renew` in the child. A server that forks from C, such as uWSGI, does not:
# a page of memory that the kernel clears in children shows that this is one.

_MADV_WIPEONFORK = 18  # of Linux, from 4.14 on; `mmap` has no name for it

_renewals: list[Callable[[], object]] = []


class _Pid:
    """A mark for systems without such a page, at ten times the cost."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> bool:
        return self._pid == os.getpid()

    def __setitem__(self, index: int, value: int) -> None:
        self._pid = os.getpid()


def _make_mark() -> t.Any:
    if not hasattr(os, "fork"):
        return bytearray(1)
    if sys.platform == "linux":
        try:
            page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            page.madvise(_MADV_WIPEONFORK)
            return page
        except (AttributeError, OSError, ValueError):  # an older kernel
            pass
    return _Pid()


unforked: MutableSequence[int] = _make_mark()
"""Its first item is true until this process is forked; where it is false, call `renew`."""

unforked[0] = 1


def at_fork(renewal: Callable[[], object], is_last: bool = False) -> None:
    """Have `renewal` called in every forked child, before its first trace begins.

    It may be called twice, and on any thread. Only those that come last, after all others, may
    trace.
    """
    if renewal not in _renewals:
        _renewals.insert(len(_renewals) if is_last else 0, renewal)


def renew() -> None:
    """Call every renewal that `at_fork` was given."""
    for renewal in _renewals:
        renewal()
    unforked[0] = 1


# All locks are re-entrant, as a finalizer or a signal's handler that runs meanwhile may trace as
# well. No `with` statement takes one. If such a handler raises as the block begins, on CPython
# 3.14, or ends, on 3.9, the lock stays taken, and every other thread waits for ever.


def holding(name: str, owner: object = None) -> Callable[[t.FunctionT], t.FunctionT]:
    """Have functions hold the lock of that name: the owner's, or that of their first argument.

    It is a `threading.RLock`.
    """

    def decorate(function: t.FunctionT) -> t.FunctionT:
        @wraps(function)
        def call(first: t.Any, *others: t.Any, **options: t.Any) -> t.Any:
            lock = getattr(first if owner is None else owner, name)
            try:
                lock.acquire()
                result = function(first, *others, **options)
                # It is not, if a call inside this one was interrupted, and the exception swallowed.
                if lock._is_owned():
                    lock.release()
                return result
            except BaseException:  # perhaps before the lock was taken, or after
                if lock._is_owned():
                    lock.release()
                raise

        return call  # type: ignore[return-value]

    return decorate


under_lock = holding("_lock")
"""Decorates a method that holds `self._lock`."""


class RenewedLock:
    """A lock of a module, which every forked child replaces by a new one.

    Decorate functions with `held`: they hold it. They have at least one argument.
    """

    __slots__ = ("current", "held")

    def __init__(self) -> None:
        self._renew()
        at_fork(self._renew)
        self.held = holding("current", self)

    def _renew(self) -> None:
        self.current: t.Any = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew)


# The end. Children of multiprocessing, and of billiard, which is Celery's, end without the
# interpreter's exit.

_last_acts: list[Callable[[], object]] = []
_flushes: list[Callable[[], object]] = []
_locks: list[Callable[[], bool]] = []
_covered_child: int | None = None


def at_exit(
    act: Callable[[], object],
    flush: Callable[[], object],
    owns_lock: Callable[[], bool] | None = None,
    is_first: bool = False,
) -> None:
    """Have `act` called when the interpreter exits, and `flush` when an application is shut down.

    After a flush the process may go on. A second call with the same `act` does nothing. `owns_lock`
    says whether this thread has a lock that `act` takes. If `is_first`, they come before all
    others: they pass spans on to recorders that these close.
    """
    if act in _last_acts:
        return
    if not _last_acts:
        atexit.register(run_last_acts)
    place = 0 if is_first else len(_last_acts)
    _last_acts.insert(place, act)
    _flushes.insert(place, flush)
    if owns_lock is not None:
        _locks.append(owns_lock)


def holds_lock() -> bool:
    """Whether a signal interrupts this thread while the last acts on another would wait for it."""
    return any(owns_lock() for owns_lock in _locks)


def cover_child() -> None:
    """Run the last acts at the end of a child of multiprocessing, or of a package made after it.

    Called when spans begin to wait: at its start, such a child forgets what was registered. Never
    raises.
    """
    global _covered_child
    if _covered_child == os.getpid():
        return
    try:
        # Not by `get`: without the GIL that locks the dict, and a lock that threads wait for while
        # a process forks can be held in the child for ever.
        for name in ("multiprocessing", "multiprocess"):  # the latter is pathos's copy
            if f"{name}.util" in sys.modules and sys.modules[name].parent_process() is not None:
                sys.modules[f"{name}.util"].Finalize(None, _run_when_alone, exitpriority=0)
                _covered_child = os.getpid()
                return
        if "billiard.process" in sys.modules:
            child = sys.modules["billiard.process"].current_process()
            if child._parent_pid is not None:
                _cover_worker(child)
                _covered_child = os.getpid()
    except Exception:  # a module is half imported, or a stand-in; asked again by the next span
        reraise_interrupt()


def _cover_worker(child: t.Any) -> None:
    """Run the last acts at the end of a child of billiard, which waits for no thread.

    A worker of a pool, such as Celery's, leaves without its finalizers, but calls `on_exit` before.
    """
    worker: t.Any = getattr(child, "_target", None)
    if not hasattr(worker, "on_exit"):
        sys.modules["billiard.util"].Finalize(None, run_last_acts, exitpriority=0)
        return
    former = worker.on_exit

    def on_exit(*args: object) -> None:
        try:
            if former is not None:
                former(*args)  # what Celery's `worker_process_shutdown` calls may still record
        finally:
            run_last_acts()

    worker.on_exit = on_exit


def _run_when_alone() -> None:
    """Run the last acts when the threads have ended that multiprocessing waits for later.

    A wait here might never end: the threads of a ThreadPoolExecutor are stopped after this.
    """
    if _others():
        try:
            # No daemon: the process waits for it as well.
            threading.Thread(target=_wait_and_run, name="opentracing-at-exit").start()
            return
        except RuntimeError:  # the system has no more threads
            reraise_interrupt()
    run_last_acts()


def _wait_and_run() -> None:
    while others := _others():
        others[0].join()
    run_last_acts()


def _others() -> list[threading.Thread]:
    this = (threading.current_thread(), threading.main_thread())
    return [each for each in threading.enumerate() if not each.daemon and each not in this]


def run_last_acts() -> None:
    """Call every act that `at_exit` was given."""
    _call_each(_last_acts)


def run_flushes() -> None:
    """Call every flush that `at_exit` was given."""
    _call_each(_flushes)


def _call_each(acts: list[Callable[[], object]]) -> None:
    for act in acts:
        try:
            act()
        except Exception as error:  # the other acts are of other recorders
            reraise_interrupt()
            logger(__name__).error(
                "a recorder raised at the end of this process", exc_info=loggable(error)
            )


# uWSGI forks from C, without holding the interpreter's lock. A worker that is forked while another
# thread holds that lock waits for it for ever. At the next reload, uWSGI waits for the worker, and
# serves no request meanwhile. So no thread may start before the fork.


def has_yet_to_fork() -> bool:
    """Whether this process loads an application from which uWSGI will fork others, or may do so."""
    # Asked each time: without a master, the process that loads becomes the first worker. Mules and
    # spoolers are children that fork nothing.
    return _ask("worker_id") == 0 and not (_ask("mule_id") or _ask("i_am_the_spooler"))


def is_first_worker() -> bool:
    """Whether this is uWSGI's worker 1, which logs for all."""
    return _ask("worker_id") == 1


def _ask(name: str) -> object:
    # uWSGI puts the module there. A stand-in, such as a mock, may lack the function.
    try:
        return getattr(sys.modules["uwsgi"], name)()
    except Exception:
        reraise_interrupt()
        return None
