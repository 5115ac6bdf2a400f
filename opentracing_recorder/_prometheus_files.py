"""Writes metrics into the files of prometheus_client's multiprocess mode, from a thread.

In that mode, a scrape reads files of all processes, and asks no collector. The thread writes once a
second, and once more at the end of the process.
"""

from __future__ import annotations

import _thread
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from time import sleep
from typing import Any

from prometheus_client import values
from prometheus_client.core import Metric

from opentracing.interrupts import reraise_interrupt

from ._failure_log import FailureLog
from ._living import Living
from ._process import at_exit, has_yet_to_fork, under_lock

INTERVAL = 1.0
"""Seconds between two writes."""

_LONGEST_WAIT = 1.0  # seconds of a fork for a write under way


def are_used() -> bool:
    """Whether prometheus_client is in multiprocess mode: PROMETHEUS_MULTIPROC_DIR was set."""
    return bool(getattr(values.ValueClass, "_multiprocess", False))


class MetricFiles:
    """The files of this process, with what `collect` returns."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = weakref.WeakMethod(collect)
        self._failures = FailureLog(self)
        self._begin()
        _living.add(self)
        at_exit(_write_all, _write_all)
        if hasattr(os, "register_at_fork") and not _handlers:
            _handlers.append(True)
            os.register_at_fork(before=_hold_all, after_in_parent=_release_all)

    def _begin(self) -> None:
        """Have no file open yet, as at first and in a forked child."""
        self._lock: Any = threading.RLock()
        self._values: dict[Any, Any] = {}
        self._written: dict[Any, float] = {}
        self._running = _thread.allocate_lock()  # held from the start of the thread on

    def start(self) -> bool:
        """Start the thread; False if none may be started yet."""
        if has_yet_to_fork():
            return False
        if self._running.acquire(False):
            try:
                # Not threading.Thread, whose start waits; a span may finish in a signal's handler.
                _thread.start_new_thread(_write_on, (weakref.ref(self),))
            except RuntimeError:  # the interpreter is exiting, or the system has no thread to give
                reraise_interrupt()
                self._running.release()
                return False
        return True

    def write(self) -> bool:
        """Write what has changed. Returns False when the metrics are gone."""
        collect = self._collect()
        if collect is None:
            return False
        try:
            metrics = list(collect())
            self._write_each(metrics)
        except Exception:
            reraise_interrupt()
            self._failures.report("write")
        return True

    @under_lock  # a fork waits for it: prometheus_client's own would stay taken in the child
    def _write_each(self, metrics: list[Metric]) -> None:
        for metric in metrics:
            self._write(metric)

    def _write(self, metric: Metric) -> None:
        below = 0.0
        for sample in metric.samples:
            name, labels, number = sample.name, sample.labels, sample.value
            if metric.type == "histogram":
                if name.endswith("_count"):  # added up by the reader, as buckets are
                    continue
                if name.endswith("_bucket"):
                    number, below = number - below, number
                    if labels["le"] == "+Inf":
                        below = 0.0
            key = name, tuple(labels.items())
            if key not in self._values:
                self._values[key] = values.ValueClass(
                    metric.type,
                    metric.name,
                    name,
                    tuple(labels),
                    tuple(labels.values()),
                    metric.documentation,
                    multiprocess_mode="livesum" if metric.type == "gauge" else "",
                )
            if self._written.get(key) != number:
                self._values[key].set(number)
                self._written[key] = number

    # Around a fork.

    def hold(self) -> None:
        self._lock.acquire(timeout=_LONGEST_WAIT)

    def release(self) -> None:
        if self._lock._is_owned():  # otherwise the wait was too long
            self._lock.release()


_living = Living(MetricFiles._begin)
_handlers: list[bool] = []


def _write_on(reference: weakref.ref[MetricFiles]) -> None:
    """Write until the files' metrics are gone."""
    while True:
        files = reference()
        if files is None or not files.write():
            return
        del files
        sleep(INTERVAL)


def _write_all() -> None:
    for files in _living:
        files.write()


def _hold_all() -> None:
    for files in _living:
        files.hold()


def _release_all() -> None:
    for files in _living:
        files.release()
