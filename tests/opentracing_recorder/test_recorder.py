"""Recorder, and what holds for every recorder: its failures are its own."""

from __future__ import annotations

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    Recorder,
)
from opentracing_recorder.recorder import FailureLog


class Broken(Recorder):
    def record_span(self, span: BasicSpan) -> None:
        raise RuntimeError("record")

    def span_started(self, span: BasicSpan) -> None:
        raise RuntimeError("start")

    def flush(self, timeout: float | None = None) -> bool:
        raise RuntimeError("flush")

    close = flush


def test_recorder_that_raises_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application goes on; the log says how many times it happened."""
    now = [1000.0]
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])
    tracer = BasicTracer(Broken())
    for _ in range(5):
        tracer.start_span("x").finish()
    assert len(caplog.records) == 1
    now[0] += FailureLog.interval
    tracer.start_span("x").finish()
    assert len(caplog.records) == 2
    assert "Broken" in caplog.text
    assert "(10 times" in caplog.records[1].getMessage()
    assert not tracer.flush()
    assert not tracer.close()
    assert tracer.close()


def test_composite_recorder_keeps_failures_apart(caplog: pytest.LogCaptureFixture) -> None:
    """Every recorder gets every span, whichever raises; flush and close say if all succeeded."""
    first, last = InMemoryRecorder(), InMemoryRecorder()
    composite = CompositeRecorder([first, Broken(), last])
    tracer = BasicTracer(composite)
    with tracer, tracer.start_active_span("x"):
        pass
    assert len(first.spans) == len(last.spans) == 1
    assert not composite.flush(1)
    assert CompositeRecorder([first, last]).close(1)
    assert not hasattr(CompositeRecorder([first]), "span_started")
    with pytest.raises(TypeError, match="record_span"):
        CompositeRecorder([5])  # type: ignore[list-item]


def test_span_started_is_called_where_defined() -> None:
    """A recorder with the hook sees sampled spans at their start."""

    class Watching(InMemoryRecorder):
        def __init__(self) -> None:
            super().__init__()
            self.started: list[BasicSpan] = []

        def span_started(self, span: BasicSpan) -> None:
            self.started.append(span)

    recorder = Watching()
    tracer = BasicTracer(CompositeRecorder([recorder]))
    span = tracer.start_span("x")
    tracer.start_span("y", child_of=BasicSpanContext(1, 2, sampled=False))
    assert recorder.started == [span]


def test_recorder_may_use_the_tracer() -> None:
    """A recorder that traces its own work does not deadlock, nor recurse for ever."""

    class Tracing(InMemoryRecorder):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if span.operation_name == "outer":
                with span.tracer.start_active_span("inner"):
                    pass

    recorder = Tracing()
    BasicTracer(recorder).start_span("outer").finish()
    assert [span.operation_name for span in recorder.spans] == ["outer", "inner"]
