"""Spans finished twice, by many threads, in a child or too late; and values that interrupt."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    CompositeRecorder,
    Stats,
)

from ..http_server import ScriptedServer
from .sinks import Sink, all_sinks

pytestmark = pytest.mark.needs_os


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def sinks(server: ScriptedServer, tmp_path: Path) -> dict[str, Sink]:
    return all_sinks(server, tmp_path / "spans.jsonl")


def tracer_for(sinks: dict[str, Sink]) -> BasicTracer:
    return BasicTracer(CompositeRecorder(each.recorder for each in sinks.values()))


def check(sinks: dict[str, Sink], spans: list[BasicSpan]) -> None:
    """Every sink has these spans, each once, and counts them."""
    expected = Counter(span.context.to_span_id() for span in spans)
    for name, sink in sinks.items():
        assert Counter(sink.arrived()) == expected, name
        if isinstance(sink.recorder, BatchRecorder):
            assert sink.recorder.stats == Stats(len(spans), len(spans), 0, 0, 0), name


def at_once(number: int, act: Callable[[], object]) -> None:
    """Run a function on several threads as nearly at once as possible."""
    barrier = threading.Barrier(number)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait()
            act()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# Not by the marker `threads`: without the GIL, the sinks' packages cannot be installed.
@pytest.mark.usefixtures("threads_interrupt_each_other")
@pytest.mark.parametrize("number", [2, 8])
def test_a_span_that_threads_finish_at_once_is_recorded_once(
    number: int, sinks: dict[str, Sink]
) -> None:
    """One thread's `finish` counts, whatever the others do to the span at that time."""
    tracer = tracer_for(sinks)
    spans = [tracer.start_span("contested") for _ in range(200)]

    def finish_all() -> None:
        for span in spans:
            span.set_tag("key", 1).log_kv({"event": "e"}).finish()
            span.finish(1.0)

    at_once(number, finish_all)
    assert tracer.flush(60)
    check(sinks, spans)
    assert tracer.close(60)


def test_a_span_that_is_finished_twice_is_recorded_once(sinks: dict[str, Sink]) -> None:
    """It is recorded as it was at the first time."""
    tracer = tracer_for(sinks)
    with tracer.start_active_span("twice") as scope:
        scope.span.finish(scope.span.start_time + 2)
    scope.span.finish(scope.span.start_time + 3)
    scope.close()
    assert tracer.flush(60)
    check(sinks, [scope.span])
    assert scope.span.duration == pytest.approx(2)
    assert tracer.close(60)


def test_what_is_finished_after_its_tracer_closed_is_dropped_and_counted(
    sinks: dict[str, Sink],
) -> None:
    """Recorders with a queue drop it; the others still record it, and nothing raises."""
    tracer = tracer_for(sinks)
    late = tracer.start_span("late")
    tracer.start_span("in time").finish()
    assert tracer.close(60)
    late.finish()
    late.finish()
    tracer.start_span("later").finish()
    assert tracer.close(1)
    for name, sink in sinks.items():
        is_queued = isinstance(sink.recorder, BatchRecorder)
        assert len(sink.arrived()) == (1 if is_queued else 3), name
        if isinstance(sink.recorder, BatchRecorder):
            assert sink.recorder.stats == Stats(3, 1, 2, 0, 0), name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_span_that_a_child_finishes_as_well_is_recorded_once_in_each(
    sinks: dict[str, Sink],
) -> None:
    """A fork copies the span, so that each process finishes its own."""
    tracer = tracer_for(sinks)
    before, shared = tracer.start_span("before"), tracer.start_span("shared")
    before.finish()
    child = os.fork()
    if not child:
        status = 1
        try:
            before.finish()
            shared.finish()
            shared.finish()
            assert tracer.flush(60)
            for sink in sinks.values():
                if isinstance(sink.recorder, BatchRecorder):
                    assert sink.recorder.stats == Stats(1, 1, 0, 0, 0)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    shared.finish()
    assert tracer.flush(60)
    for name, sink in sinks.items():
        if isinstance(sink.recorder, BatchRecorder):
            assert sink.recorder.stats == Stats(2, 2, 0, 0, 0), name
    both = [before, shared, shared]  # if both write to one file
    for name in ("JSONLinesRecorder", "ZipkinRecorder"):
        assert Counter(sinks[name].arrived()) == Counter(
            each.context.to_span_id() for each in both
        ), name
    assert tracer.close(60)


# Exceptions that are no Exception.


class Interrupting:
    """Raises an exception that ends a program, or a task, if its text is asked for."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __str__


every_interrupt = pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit]
)


@every_interrupt
def test_an_interrupt_passes_through_on_the_thread_of_the_application(
    error: type[BaseException], sinks: dict[str, Sink]
) -> None:
    """The tracer does not swallow it; later spans are recorded."""
    by_name = {name: sinks[name] for name in ("LoggingRecorder", "JSONLinesRecorder")}
    for sink in by_name.values():
        tracer = BasicTracer(sink.recorder)
        span = tracer.start_span("a")
        with pytest.raises(error):
            span.set_tag(Interrupting(error), 1)  # type: ignore[arg-type]
        span.set_tag("key", Interrupting(error))
        with pytest.raises(error):
            span.finish()
        later = tracer.start_span("b")
        later.finish()
        span.finish()
        assert sink.arrived() == [later.context.to_span_id()]
    assert not sinks["JSONLinesRecorder"].recorder.flush()
    assert sinks["JSONLinesRecorder"].recorder.flush()


@every_interrupt
@pytest.mark.parametrize(
    "name", ["ZipkinRecorder", "OpenTelemetryRecorder", "OpenTelemetry's console"]
)
def test_an_interrupt_on_the_thread_of_a_recorder_costs_its_span_alone(
    name: str, error: type[BaseException], sinks: dict[str, Sink]
) -> None:
    """On that thread it interrupts nothing else; the rest of the batch arrives."""
    sink = sinks[name]
    tracer, expected = BasicTracer(sink.recorder), []
    for number in range(5):
        span: Any = tracer.start_span("a")
        if number == 2:
            span.set_tag("key", Interrupting(error))
        elif number == 3:
            span.log_kv({"event": Interrupting(error)})
        else:
            expected.append(span.context.to_span_id())
        span.finish()
    assert not tracer.flush(60)
    assert sorted(sink.arrived()) == sorted(expected)
    assert isinstance(sink.recorder, BatchRecorder)
    assert sink.recorder.stats == Stats(5, 3, 0, 2, 0)
    tracer.start_span("later").finish()
    assert tracer.flush(60)
    assert not tracer.close(60)


def test_an_interrupt_of_the_application_s_thread_comes_out_of_a_flush_that_sends_itself(
    sinks: dict[str, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no thread can be started, no span is lost by it."""

    def refuse(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    sink = sinks["ZipkinRecorder"]
    tracer = BasicTracer(sink.recorder)
    value = Interrupting(KeyboardInterrupt)
    with monkeypatch.context() as patched:
        patched.setattr("_thread.start_new_thread", refuse)
        tracer.start_span("a", tags={"key": value}).finish()
        tracer.start_span("b").finish()
        with pytest.raises(KeyboardInterrupt):
            tracer.flush(60)
    value.error = ValueError
    assert tracer.flush(60)
    assert tracer.close(60)
    assert len(sink.arrived()) == 2
