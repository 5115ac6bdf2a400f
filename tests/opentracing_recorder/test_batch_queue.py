"""The queue of a BatchRecorder keeps spans, counts what became of them, and settles waiters."""

from __future__ import annotations

import signal
import threading

import pytest

from opentracing_recorder import BasicSpan, BasicTracer, Stats
from opentracing_recorder._batch_queue import BatchQueue

from ..threads import on_threads


def queue_of(number: int) -> tuple[BatchQueue, list[BasicSpan]]:
    """A queue of so many spans."""
    queue = BatchQueue(10, threading.RLock())
    spans = [BasicTracer().start_span(str(each)) for each in range(number)]
    queue.spans.extend(spans)
    return queue, spans


def stats(queue: BatchQueue) -> Stats:
    return queue.stats(slow=0, has_closed=queue.is_ended)


def test_the_first_spans_stay_until_they_are_settled() -> None:
    """The oldest come first; a failed attempt loses none."""
    queue, spans = queue_of(5)
    assert queue.first(2) == queue.first(2) == spans[:2]
    queue.settle(2)
    assert queue.first(2) == spans[2:4]
    assert len(queue) == 3


def test_settled_spans_are_sent_or_failed() -> None:
    """The sum of all counts is what was recorded."""
    queue, _ = queue_of(5)
    queue.settle(3, failed=1)
    queue.drop()
    assert stats(queue) == Stats(recorded=6, sent=2, dropped=1, failed=1, queued=2)


def test_the_end_of_a_queue_drops_what_is_left() -> None:
    """A span that a delayed thread appends after the end is dropped too."""
    queue, spans = queue_of(5)
    queue.settle(1)
    queue.end()
    assert len(queue) == 0
    assert stats(queue) == Stats(recorded=5, sent=1, dropped=4, failed=0, queued=0)
    queue.spans.append(spans[0])
    assert stats(queue) == Stats(recorded=6, sent=1, dropped=5, failed=0, queued=0)


def test_a_queue_that_has_ended_settles_nothing() -> None:
    """The spans in a forked child's old queue are the parent's."""
    queue, _ = queue_of(2)
    queue.is_ended = True
    queue.settle(2)
    assert len(queue) == 2
    assert queue.sent == 0


def test_a_queue_that_closes_has_no_limit_to_append_below() -> None:
    """The limit of a closed queue stays 0, even if it is set again."""
    queue = BatchQueue(10, threading.RLock())
    queue.set_limit(3)
    assert queue.limit == 3
    queue.close()
    queue.set_limit(3)
    assert queue.limit == 0


def test_a_waiter_waits_for_what_is_queued_now() -> None:
    """It does not wait for spans that are queued later."""
    queue, spans = queue_of(2)
    waiter = queue.waiter()
    queue.spans.append(spans[0])
    queue.settle(1)
    assert not waiter.is_settled
    queue.settle(1)
    assert waiter.is_settled
    assert queue.has_sent(waiter)
    assert queue.waiters == []


def test_a_waiter_of_an_empty_queue_waits_for_nothing() -> None:
    """Nothing would settle it."""
    queue = BatchQueue(10, threading.RLock())
    waiter = queue.waiter()
    waiter.wait(None)
    assert queue.has_sent(waiter)


def test_a_waiter_for_the_end_waits_even_if_nothing_is_queued() -> None:
    """The recorder has connections to release."""
    queue = BatchQueue(10, threading.RLock())
    waiter = queue.waiter(for_end=True)
    assert not waiter.is_settled
    queue.end()
    assert waiter.is_settled


def test_a_waiter_whose_time_is_up_has_not_sent() -> None:
    """It is forgotten, and what is settled later does not reach it."""
    queue, _ = queue_of(1)
    waiter = queue.waiter()
    waiter.wait(0)
    assert not queue.has_sent(waiter)
    assert queue.waiters == []
    queue.settle(1)
    assert queue.has_sent(queue.waiter())


@pytest.mark.parametrize("loss", ["before", "failed", "left at the end"])
def test_each_loss_is_reported_to_one_waiter(loss: str) -> None:
    """The next has no loss of its own."""
    queue, _ = queue_of(1)
    if loss == "before":
        queue.drop()
    waiter = queue.waiter()
    if loss == "left at the end":
        queue.end()
    else:
        queue.settle(1, failed=int(loss == "failed"))
    assert [queue.has_sent(waiter), queue.has_sent(queue.waiter())] == [False, True]


def test_a_drop_after_the_call_is_the_next_waiters() -> None:
    """A flush is about what was recorded before it."""
    queue, _ = queue_of(1)
    waiter = queue.waiter()
    queue.drop()
    queue.settle(1)
    assert [queue.has_sent(waiter), queue.has_sent(queue.waiter())] == [True, False]


@pytest.mark.threads
@pytest.mark.needs_os
def test_drops_are_counted_exactly_by_many_threads() -> None:
    """Each is one atomic step."""
    queue = BatchQueue(10, threading.RLock())
    on_threads(lambda: [queue.drop() for _ in range(20_000)])
    assert queue.dropped == 160_000


@pytest.mark.needs_os
def test_drops_are_counted_exactly_in_signal_handlers() -> None:
    """A handler may interrupt a drop; Python 3.9 runs it between any two steps."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    queue = BatchQueue(10, threading.RLock())
    handled: list[None] = []

    def handle(number: int, frame: object) -> None:
        handled.append(None)
        queue.drop()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        for _ in range(200_000):
            queue.drop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled
    assert queue.dropped == 200_000 + len(handled)
