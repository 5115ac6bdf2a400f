"""Recorders with threads under uWSGI; tests/servers has the real one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from opentracing_recorder import BasicSpan, BasicTracer, BatchRecorder, Stats
from opentracing_recorder.uwsgi import has_yet_to_fork, is_first_worker

_LONG = 10.0


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
    """On the thread that calls it."""
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi(0))
    recorder = Sending()
    tracer = BasicTracer(recorder)
    tracer.start_span("loading").finish()
    assert tracer.flush(_LONG)
    assert recorder.sent_on == [threading.get_ident()]
    assert recorder.stats == Stats(recorded=1, sent=1, dropped=0, failed=0, queued=0)
