"""Recorders, hooks and samplers that call the tracer, or themselves: the recursion ends.

Python's limit alone does not end it: with two calls in each, it is reached endlessly often.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    Recorder,
    Sampler,
)

from .calling import Calling, messages

LONG = 10.0  # seconds that a test waits for an event before it fails


@contextmanager
def in_time(seconds: float = LONG) -> Iterator[None]:
    """The block must end within this CPU time; endless recursion takes hours."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def messages_of_the_end(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All messages; on PyPy, whose limit is the size of the stack, without a first RecursionError.

    Deep in the recursion, PyPy may have the space to log it, and CPython never has.
    """
    is_pypy = platform.python_implementation() == "PyPy"
    return [each for each in messages(caplog) if not (is_pypy and " raised;" in each)]


class Hooked(InMemoryRecorder):
    def __init__(self, action: Callable[[BasicSpan], object]) -> None:
        super().__init__()
        self.span_started = action


def one(span: BasicSpan) -> None:
    with span.tracer.start_active_span("inner"):
        pass


def one_after_another(span: BasicSpan) -> None:
    for _ in range(2):
        span.tracer.start_span("inner").finish()


def one_in_another(span: BasicSpan) -> None:
    with span.tracer.start_active_span("inner"), span.tracer.start_active_span("inner"):
        pass


def whatever_happens(span: BasicSpan) -> None:
    for _ in range(2):
        with suppress(Exception):
            one(span)


def unless_quiet(trace: Callable[[BasicSpan], None]) -> Callable[[BasicSpan], None]:
    def trace_or_not(span: BasicSpan) -> None:
        if span.operation_name != "quiet":
            trace(span)

    return trace_or_not


every_circle = pytest.mark.parametrize(
    ("trace", "late"),
    [
        *product([one, one_after_another, one_in_another], [False, True]),
        (whatever_happens, False),  # begun late, it never ends: no error gets out
    ],
)


@every_circle
@pytest.mark.parametrize("composite", [False, True], ids=["alone", "composite"])
def test_a_recorder_that_traces_each_call_comes_to_an_end(
    trace: Callable[[BasicSpan], None],
    late: bool,
    composite: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It ends soon at the first span, or after one that met Python's limit.

    From then on, the recorder gets only the application's spans, each once.

    One log line reports it. If each call reached the limit, two spans a call would take forever.
    """
    tracing, other = Calling(unless_quiet(trace)), InMemoryRecorder()
    recorder = CompositeRecorder([tracing, other]) if composite else tracing
    tracer = BasicTracer(recorder)
    if late:
        tracer.start_span("quiet").finish()
    with in_time():
        tracer.start_span("first").finish()
    if not composite:
        assert tracing.names().count("first") == 1
    assert 2 < len(tracing.spans) < 2000
    tracer.start_span("next").finish()
    tracing.clear()
    other.clear()
    for name in ("second", "third"):
        with tracer.start_active_span(name):
            pass
    assert tracing.names() == ["second", "third"]
    assert sorted(span.operation_name for span in other.spans) == ["second", "third"] * composite
    name = type(recorder).__name__
    (message,) = messages_of_the_end(caplog)
    assert message.startswith(f"{name}.record_span makes spans of the tracer that calls it")
    assert tracer.recorder is recorder
    assert tracer.close()


@pytest.mark.needs_os
@pytest.mark.threads
def test_each_thread_has_an_end_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """A span that finishes on another thread is recorded while one is recorded on this thread."""
    inside, done = threading.Event(), threading.Event()

    def trace(span: BasicSpan) -> None:
        one(span)
        if span.operation_name == "slow":
            inside.set()
            done.wait(LONG)

    recorder = Calling(trace)
    tracer = BasicTracer(recorder)
    tracer.start_span("first").finish()
    recorder.clear()
    thread = threading.Thread(target=tracer.start_span("slow").finish)
    thread.start()
    assert inside.wait(LONG)
    tracer.start_span("quick").finish()
    assert recorder.names() == ["quick"]
    done.set()
    thread.join()
    assert recorder.names() == ["quick", "slow"]


@every_circle
def test_a_hook_that_traces_each_call_comes_to_an_end(
    trace: Callable[[BasicSpan], None], late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The same holds for `span_started`; its recorder gets every span of the application."""
    recorder = Hooked(unless_quiet(trace))
    tracer = BasicTracer(recorder)
    if late:
        tracer.start_span("quiet").finish()
    with in_time():
        tracer.start_span("first").finish()
    tracer.start_span("next").finish()
    recorder.clear()
    tracer.start_span("second").finish()
    assert sorted(span.operation_name for span in recorder.spans)[-1] == "second"
    assert len(recorder.spans) <= 3
    (message,) = messages_of_the_end(caplog)
    assert ".span_started makes spans" in message


@pytest.mark.parametrize("late", [False, True])
def test_a_sampler_that_traces_each_call_comes_to_an_end(
    late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It samples the application's traces as before, and its own spans are kept."""

    class Tracing(Sampler):
        begun = not late

        def sampled(self, trace_id: int, operation_name: str) -> bool:
            for _ in range(2 if self.begun else 0):
                tracer.start_span("asked").finish()
            return operation_name != "quiet"

    sampler, recorder = Tracing(), InMemoryRecorder()
    tracer = BasicTracer(recorder, sampler)
    if late:
        tracer.start_span("quiet").finish()
        sampler.begun = True
    with in_time():
        tracer.start_span("first").finish()
    recorder.clear()
    tracer.start_span("quiet").finish()
    tracer.start_span("loud").finish()
    assert [span.operation_name for span in recorder.spans] == ["asked"] * 4 + ["loud"]
    (message,) = messages(caplog)
    assert message.startswith("Tracing.sampled makes spans of the tracer that calls it")
    assert tracer.sampler is sampler


def test_a_recorder_that_calls_itself(caplog: pytest.LogCaptureFixture) -> None:
    """It is one failure: one message, and the next recorder gets each span once."""

    class Looping(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            self.record_span(span)

    last = InMemoryRecorder()
    tracer = BasicTracer(CompositeRecorder([Looping(), last]))
    for name in ("first", "second"):
        tracer.start_span(name).finish()
    assert [span.operation_name for span in last.spans] == ["first", "second"]
    (message,) = messages(caplog)
    assert message.startswith("Looping.record_span raised;")


def test_recorders_in_a_circle(caplog: pytest.LogCaptureFixture) -> None:
    """A circle ends at Python's limit; a recorder beside it still gets each span."""

    class Back(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            composite.record_span(span)

        def flush(self, timeout: float | None = None) -> bool:
            return composite.flush(timeout)

        def close(self, timeout: float | None = None) -> bool:
            return composite.close(timeout)

    last = InMemoryRecorder()
    composite = CompositeRecorder([Back(), last])
    tracer = BasicTracer(composite)
    with in_time():
        tracer.start_span("x").finish()
        assert not tracer.flush(1)
        assert not tracer.close(1)
    assert {span.operation_name for span in last.spans} == {"x"}
    (message,) = messages(caplog)
    assert message.startswith("Back.record_span raised")


def test_flush_and_close_of_the_tracer_from_its_recorder() -> None:
    """`flush` and `close` call each other, but end, and `close` closes once."""
    closed: list[str] = []

    class Calls(InMemoryRecorder):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if span.operation_name == "last":
                span.tracer.close()

        def flush(self, timeout: float | None = None) -> bool:
            return all(tracer.flush(timeout) for _ in range(2))

        def close(self, timeout: float | None = None) -> bool:
            closed.append("closed")
            return not tracer.close(timeout)

    recorder = Calls()
    tracer = BasicTracer(recorder)
    with in_time():
        assert not tracer.flush(1)
        for name in ("first", "last", "late"):
            tracer.start_span(name).finish()
    assert tracer.close()
    assert closed == ["closed"]
    assert [span.operation_name for span in recorder.spans] == ["first", "last", "late"]
