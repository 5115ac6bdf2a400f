"""What has to be renewed in a forked child; for ids, locks, and recorders with threads.

`os.fork` tells. Servers that fork from C, such as uWSGI, do not: there a child is told from its
parent by a page of memory that the kernel gives to children empty.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, MutableSequence
from typing import Any

_MADV_WIPEONFORK = 18  # of Linux, from 4.14 on; `mmap` has no name for it

_renewals: list[Callable[[], object]] = []


class _Pid:
    """The answer where there is no such page, for ten times the cost."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> bool:
        return self._pid == os.getpid()

    def __setitem__(self, index: int, value: int) -> None:
        self._pid = os.getpid()


def _make_mark() -> Any:
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


def at_fork(renewal: Callable[[], object]) -> None:
    """Have `renewal` called in every forked child, before its first trace begins.

    It may be called twice, and on any thread.
    """
    _renewals.append(renewal)


def renew() -> None:
    """Run what `at_fork` was given."""
    for renewal in _renewals:
        renewal()
    unforked[0] = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew)
