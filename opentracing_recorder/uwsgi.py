"""Whether uWSGI has yet to fork; for recorders with threads, which may not start one before.

uWSGI forks from C, without holding the interpreter's lock. A worker that is forked while another
thread holds that lock waits for it for ever; and as soon as it is to reload, uWSGI waits for the
worker, and answers nobody meanwhile.
"""

from __future__ import annotations

import sys

from opentracing.interrupts import reraise_interrupt


def has_yet_to_fork() -> bool:
    """Whether this process loads an application from which uWSGI will fork others, or may do so."""
    # Asked each time: without a master, the process that loads becomes the first worker.
    return _worker_id() == 0 and not _is_child()


def is_first_worker() -> bool:
    """Whether this is worker 1: where one is to speak for all."""
    return _worker_id() == 1


def _worker_id() -> object:
    # uWSGI puts the module there; whatever else has its name, such as a mock, may lack anything.
    return _ask("worker_id")


def _is_child() -> bool:
    """Whether this is one of the children that are no workers, which fork nothing."""
    return bool(_ask("mule_id") or _ask("i_am_the_spooler"))


def _ask(name: str) -> object:
    try:
        return getattr(sys.modules["uwsgi"], name)()
    except Exception:
        reraise_interrupt()
        return None
