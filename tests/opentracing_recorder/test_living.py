"""The recorders in use: added by any thread, forgotten, and renewed in a forked child."""

from __future__ import annotations

import gc
import os
import threading
from typing import Any

import pytest

from opentracing_recorder import BasicTracer, BatchRecorder, FilterRecorder, InMemoryRecorder
from opentracing_recorder._living import Living


class Thing:
    """An object that counts how often it is renewed."""

    renewed = 0

    def renew(self) -> None:
        self.renewed += 1


def test_what_is_no_longer_used_is_forgotten() -> None:
    """Only objects that something else holds are found."""
    living = Living(Thing.renew)
    kept, dropped = Thing(), Thing()
    living.add(kept)
    living.add(dropped)
    del dropped
    gc.collect()  # PyPy
    assert list(living) == [kept]


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_renews_each() -> None:
    """The parent's objects stay as they are."""
    living = Living(Thing.renew)
    things = [Thing() for _ in range(3)]
    for each in things:
        living.add(each)
    child = os.fork()
    if child == 0:
        os._exit(sum(each.renewed for each in things))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert [each.renewed for each in things] == [0, 0, 0]


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_what_a_backend_traces_in_a_forked_child_is_counted() -> None:
    """It is told after all else has begun anew, and so nothing forgets its spans."""

    class Reconnecting(BatchRecorder):
        def send(self, spans: Any) -> None: ...

        def forked(self) -> None:
            tracer.start_span("reconnect").finish()

    backend = Reconnecting()
    BasicTracer(backend).start_span("before").finish()
    recorder = FilterRecorder(InMemoryRecorder(), lambda span: span)
    tracer = BasicTracer(recorder)
    child = os.fork()
    if child == 0:
        os._exit(recorder.counts.passed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.threads
@pytest.mark.needs_os
def test_others_may_be_added_while_one_looks() -> None:
    """A look never fails, and finds those that were there before."""
    living = Living(Thing.renew)
    things = [Thing() for _ in range(3_000)]  # so many that a look takes a while
    for each in things:
        living.add(each)
    is_over = threading.Event()
    added = []

    def add() -> None:
        while not is_over.wait(0.001):
            added.append(Thing())
            living.add(added[-1])

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(100):
            assert set(things) <= set(living)
    finally:
        is_over.set()
        thread.join()
