"""Hostile recorders: the application goes on, and every other recorder gets its spans.

Recorders that call the tracer are in `test_recursion.py`, plain failures in the recorders' tests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    CompositeRecorder,
    InMemoryRecorder,
    JSONLinesRecorder,
    LoggingRecorder,
    Recorder,
    Stats,
)

from .calling import Calling, messages

LONG = 10.0  # seconds that a test waits for an event before it fails


@pytest.mark.parametrize("scope_manager", [ContextVarsScopeManager, ThreadLocalScopeManager])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_goes_through(
    scope_manager: Callable[[], Any], error: type[BaseException]
) -> None:
    """An interrupt while a span is recorded reaches the application; scopes end nevertheless, and
    the next span is recorded.
    """

    def interrupt(span: BasicSpan) -> None:
        if span.operation_name == "inner":
            raise error

    recorder = Calling(interrupt)
    tracer = BasicTracer(recorder, scope_manager=scope_manager())
    with tracer.start_active_span("outer") as outer:
        inner = tracer.start_active_span("inner")
        with pytest.raises(error):
            inner.close()
        inner.close()
        assert tracer.active_span is outer.span
    assert tracer.active_span is None
    assert recorder.names() == ["inner", "outer"]


@pytest.mark.needs_os
@pytest.mark.threads
def test_only_the_thread_that_finishes_waits() -> None:
    """A recorder that blocks for a second delays no span of another thread."""
    entered, gate = threading.Event(), threading.Event()

    def block(span: BasicSpan) -> None:
        if span.operation_name == "slow":
            entered.set()
            gate.wait(LONG)

    recorder = Calling(block)
    tracer = BasicTracer(recorder)
    thread = threading.Thread(target=tracer.start_span("slow").finish)
    thread.start()
    assert entered.wait(LONG)
    for number in range(100):
        with tracer.start_active_span("quick") as scope:
            scope.span.set_tag("number", number).log_kv({"event": "x"}).set_baggage_item("a", "b")
    assert recorder.names() == ["quick"] * 100
    gate.set()
    thread.join()
    assert recorder.names()[100:] == ["slow"]


def test_a_recorder_that_puts_another_in_its_place() -> None:
    """No span is lost by the change, and none is recorded twice."""
    recorders = [Calling(lambda span: use(span, 1)), Calling(lambda span: use(span, 0))]

    def use(span: BasicSpan, index: int) -> None:
        span.tracer.recorder = recorders[index]  # type: ignore[attr-defined]

    tracer = BasicTracer(recorders[0])
    for number in range(6):
        tracer.start_span(str(number)).finish()
    assert [recorder.names() for recorder in recorders] == [["0", "2", "4"], ["1", "3", "5"]]


def empty(span: BasicSpan) -> None:
    span.operation_name = span.tags = span.references = span.start_time = None  # type: ignore[assignment]


def delete(span: BasicSpan) -> None:
    del span.operation_name, span.tags, span.start_time, span.parent_id


def start_again(span: BasicSpan) -> None:
    span.duration = -1.0


@pytest.mark.parametrize("spoil", [empty, delete, start_again])
def test_a_recorder_that_spoils_its_span(
    spoil: Callable[[BasicSpan], None], tmp_path: Path
) -> None:
    """The application's calls raise nothing; the next recorder gets the span once, as it was."""
    last = InMemoryRecorder()
    file = JSONLinesRecorder(tmp_path / "spans.jsonl")
    tracer = BasicTracer(CompositeRecorder([Calling(spoil), LoggingRecorder(), file, last]))
    span = tracer.start_span("x")
    span_id = span.context.span_id
    span.finish()
    span.set_operation_name("late").set_tag("late", True).set_baggage_item("a", "b")
    span.log_kv({"event": "late"})
    span.finish()
    (recorded,) = last.spans
    assert recorded.context.span_id == span_id
    assert (recorded.operation_name, recorded.tags, recorded.finished) == ("x", {}, True)
    tracer.start_span("y").finish()
    assert len(last.spans) == 2


class Sending(BatchRecorder):
    """Calls a test's function with each batch."""

    def __init__(self, action: Callable[[Sequence[BasicSpan]], object], **options: Any) -> None:
        super().__init__(**{"interval": 0.01, **options})
        self.action = action

    def send(self, spans: Sequence[BasicSpan]) -> None:
        self.action(spans)


@pytest.mark.parametrize("kind", [Sending, InMemoryRecorder, JSONLinesRecorder, LoggingRecorder])
def test_a_recorder_whose_constructor_was_not_called(
    kind: type[Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    """Its spans are lost, and logged as lost; the application runs to its end."""
    forgetful = type("Forgetful", (kind,), {"__init__": lambda self: None})
    last = InMemoryRecorder()
    tracer = BasicTracer(CompositeRecorder([forgetful(), last]))
    for _ in range(3):
        tracer.start_span("x").finish()
    tracer.flush(1)
    tracer.close(1)
    assert len(last.spans) == 3
    (message,) = messages(caplog)
    assert message.startswith("Forgetful.record_span raised; ")


@pytest.mark.needs_os
def test_a_backend_that_records_what_it_sends() -> None:
    """Each report makes another one, but `flush` and `close` end, and each span is counted."""
    recorder = Sending(lambda spans: [recorder.record_span(span) for span in spans])
    tracer = BasicTracer(recorder)
    for number in range(10):
        tracer.start_span(str(number)).finish()
    assert recorder.flush(LONG)
    assert recorder.stats.sent >= 10
    recorder.close(LONG)
    stats = recorder.stats
    assert stats.recorded == stats.sent + stats.dropped
    assert (stats.failed, stats.queued) == (0, 0)


@pytest.mark.needs_os
@pytest.mark.parametrize("method", ["flush", "close"])
def test_a_recorder_that_delivers_each_span_at_once(method: str) -> None:
    """The application waits, as it is set to, but only for the delivery."""
    sent: list[str] = []

    class Impatient(Sending):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            assert getattr(span.tracer, method)(LONG)

    recorder = Impatient(lambda spans: sent.extend(span.operation_name for span in spans))
    tracer = BasicTracer(recorder)
    tracer.start_span("first").finish()
    assert sent == ["first"]
    tracer.start_span("second").finish()
    assert recorder.stats == (Stats(2, 2, 0, 0, 0) if method == "flush" else Stats(2, 1, 1, 0, 0))


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("where", ["record_span", "send"])
def test_a_fork_in_the_midst(where: str) -> None:
    """A recorder forks in a call, on any thread: parent and child count their own spans."""
    codes: list[int] = []

    def fork(first: BasicSpan) -> None:
        if first.operation_name != "fork":
            return
        pid = os.fork()
        if pid:
            codes.append(os.waitpid(pid, 0)[1])
            return
        code = 1
        try:
            tracer.start_span("child", ignore_active_span=True).finish()
            assert recorder.stats == Stats(1, 0, 0, 0, 1)
            assert recorder.flush(LONG)
            assert recorder.stats == Stats(1, 1, 0, 0, 0)
            code = 0
        finally:
            os._exit(code)

    class Forking(Sending):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if where == "record_span":
                fork(span)

    recorder = Forking(lambda spans: fork(spans[0]) if where == "send" else None, interval=60)
    tracer = BasicTracer(recorder)
    for name in ("fork", "after"):
        tracer.start_span(name).finish()
    assert recorder.flush(LONG)  # not `close`: the child of a closed recorder is closed as well
    assert codes == [0]
    assert recorder.close(LONG)
    assert recorder.stats == Stats(2, 2, 0, 0, 0)
