"""`stats` of wrapping and composite recorders: the same numbers, whatever stands in front."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    NoopRecorder,
    Recorder,
    Rejected,
    Stats,
)
from opentracing_recorder._wrapping import Wrapping

from ..threads import on_threads
from .scripted import Backend, Scripted, wait_until

pytestmark = pytest.mark.needs_os


class Passing(Wrapping):
    """Hands each span on."""

    def record_span(self, span: BasicSpan) -> None:
        self.recorder.record_span(span)


def record(recorder: Recorder, number: int) -> None:
    tracer = BasicTracer(recorder)
    for _ in range(number):
        tracer.start_span("x").finish()


def test_a_composite_adds_up_what_its_recorders_count(backend: Backend) -> None:
    """Field by field: a span that two of them get is counted for each."""
    first, second = backend(interval=60), backend(Rejected("400"), interval=60)
    composite = CompositeRecorder([InMemoryRecorder(), Passing(first), NoopRecorder(), second])
    record(composite, 3)
    assert composite.stats == Stats(6, 0, 0, 0, 6)
    composite.flush()
    assert composite.stats == Stats(6, 3, 0, 3, 0)
    assert type(composite.stats) is Stats
    assert Passing(CompositeRecorder([composite])).stats == composite.stats


@pytest.mark.parametrize(
    "recorder",
    [
        CompositeRecorder([]),
        CompositeRecorder([NoopRecorder(), InMemoryRecorder()]),
        CompositeRecorder([CompositeRecorder([Passing(NoopRecorder())])]),
        Passing(CompositeRecorder([])),
    ],
)
def test_recorders_that_count_nothing_have_no_stats(recorder: Any) -> None:
    """None, which is not zero."""
    assert recorder.stats is None


def test_stats_of_another_form_are_left_out(backend: Backend) -> None:
    """A recorder of another make may call anything by this name."""

    class Odd(NoopRecorder):
        stats = {"recorded": 5}

    assert CompositeRecorder([Odd(), backend()]).stats == Stats(0, 0, 0, 0, 0)
    assert CompositeRecorder([Odd()]).stats is None


def test_what_is_left_at_the_end_counts_as_dropped_through_all(backend: Backend) -> None:
    """Also if `close` times out; a late acknowledgement still counts as sent."""
    quick, hung = backend(interval=60), backend(batch_size=2, interval=60)
    recorder = Passing(CompositeRecorder([Passing(hung), quick]))
    hung.gate.clear()
    record(recorder, 5)
    hung.wait_for_send()
    assert not recorder.close(0.2)
    assert hung.stats == Stats(5, 0, 5, 0, 0)
    assert recorder.stats.queued == 0
    record(recorder, 1)
    assert recorder.stats.recorded == 12
    hung.gate.set()
    wait_until(lambda: hung.released == 1)
    assert hung.stats == Stats(6, 2, 4, 0, 0)
    assert recorder.stats == Stats(*map(sum, zip(hung.stats, quick.stats)))


@pytest.mark.parametrize("close_first", [False, True])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_counts_its_own(backend: Backend, close_first: bool) -> None:
    """From zero; a recorder that was closed before drops what comes, and counts it."""
    recorder = Passing(CompositeRecorder([backend(interval=60), backend(interval=60)]))
    record(recorder, 3)
    if close_first:
        recorder.close()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            record(recorder, 2)
            recorder.close()
            os.write(writing, repr(tuple(recorder.stats)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    sent, dropped = (0, 4) if close_first else (4, 0)
    assert os.read(reading, 1000).decode() == repr((4, sent, dropped, 0, 0, 0))
    os.close(reading)
    os.close(writing)
    recorder.close()
    assert recorder.stats == Stats(6, 6, 0, 0, 0)


def balanced(stats: Stats) -> bool:
    return stats.recorded == stats.sent + stats.dropped + stats.failed + stats.queued


ACTIONS = st.lists(
    st.one_of(
        st.integers(1, 5),  # records so many
        st.sampled_from(["flush", "close", "close at once"]),
    ),
    max_size=8,
)
ANSWERS = st.lists(st.sampled_from(["accepts", "rejects", "fails"]), max_size=4)


@given(ACTIONS, ANSWERS, ANSWERS)
def test_every_span_is_counted_once_for_each_recorder(
    actions: list[Any], first: list[str], second: list[str]
) -> None:
    """Whatever happens in whichever order, the sum holds, and nothing is queued at the end."""
    answers: dict[str, Callable[[], object]] = {
        "accepts": lambda: None,
        "rejects": lambda: Rejected("400"),
        "fails": lambda: OSError("down"),
    }
    backends = [
        Scripted(*[answers[each]() for each in script], batch_size=2, queue_size=4, attempts=2)
        for script in (first, second)
    ]
    recorder = Passing(CompositeRecorder([Passing(backends[0]), backends[1], NoopRecorder()]))
    recorded = 0
    for action in [*actions, "close"]:
        if type(action) is int:
            record(recorder, action)
            recorded += action
        elif action == "flush":
            recorder.flush(5)
        else:
            recorder.close(5 if action == "close" else 0)
        assert balanced(recorder.stats)
        assert all(balanced(each.stats) for each in backends)
        assert recorder.stats.recorded == 2 * recorded
    assert recorder.stats.queued == 0
    for each in backends:
        wait_until(lambda each=each: each.released == 1)  # type: ignore[misc]
        assert each.stats.sent == len(each.accepted)


@pytest.mark.threads
def test_the_sum_holds_at_every_moment(backend: Backend) -> None:
    """Eight threads record and one reads: no reading is out of balance."""
    recorder = CompositeRecorder([backend(), backend(Rejected("400")), backend(queue_size=16)])
    done = threading.Event()
    seen: list[Stats] = []

    def read() -> None:
        while not done.is_set():
            seen.append(recorder.stats)

    reader = threading.Thread(target=read)
    reader.start()
    on_threads(lambda: record(recorder, 500))
    recorder.close()
    done.set()
    reader.join()
    assert all(map(balanced, seen))
    assert recorder.stats.recorded == 12_000
    assert recorder.stats.queued == 0
