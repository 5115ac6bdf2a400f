"""The objects of one kind that are in use, such as recorders: for forks, and a process's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar
from weakref import WeakSet

from opentracing.interrupts import reraise_interrupt

from ._process import at_fork

T = TypeVar("T")


class Living(Generic[T]):
    """All objects that were added and still live. A forked child calls `renew` of each.

    If `renew` may trace, give `is_last`. Safe to use from any thread.
    """

    def __init__(self, renew: Callable[[T], object], is_last: bool = False) -> None:
        self._objects: WeakSet[T] = WeakSet()
        self._renew = renew
        at_fork(self._renew_all, is_last)

    def add(self, one: T) -> None:
        self._objects.add(one)

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                return iter(list(self._objects))
            except RuntimeError:  # another thread has added one meanwhile
                reraise_interrupt()

    def _renew_all(self) -> None:
        for each in self:
            self._renew(each)
