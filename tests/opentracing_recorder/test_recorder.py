"""Recorder, and what holds for every recorder: its failures are its own."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from typing import Any
from unittest import mock

import pytest

from opentracing import child_of
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    NoopRecorder,
    Recorder,
)
from opentracing_recorder.recorder import started_hook


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
    now[0] += 59.9
    tracer.start_span("x").finish()
    assert len(caplog.records) == 1
    now[0] += 0.2
    tracer.start_span("x").finish()
    assert len(caplog.records) == 2
    assert "Broken" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "(12 times" in caplog.records[1].getMessage()
    assert not tracer.flush()
    assert not tracer.close()
    assert not tracer.close()


def test_an_error_of_a_recorder_is_logged_in_lines_of_our_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its text is escaped in the traceback, and a URL's secrets are not shown; the frames stay."""

    class Hostile(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            raise OSError("http://me:sesame@backend/\nERROR forged\x1b[2J")

    BasicTracer(CompositeRecorder([Hostile()])).start_span("x").finish()
    (record,) = caplog.records
    shown = logging.Formatter().format(record)
    assert "OSError: http://***@backend/\\nERROR forged\\x1b[2J" in shown
    assert "in record_span" in shown
    assert len(shown.splitlines()[-1]) < 200


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
    with pytest.raises(TypeError, match="record_span"):
        CompositeRecorder([5])  # type: ignore[list-item]


class _DuckRecorder:
    """Derives from nothing, as recorders written for basictracer do."""

    def record_span(self, span: BasicSpan) -> None:
        pass


@pytest.mark.parametrize(
    "recorder",
    [
        NoopRecorder(),
        InMemoryRecorder(),
        CompositeRecorder([NoopRecorder(), InMemoryRecorder()]),
        CompositeRecorder([]),
        _DuckRecorder(),
        CompositeRecorder([_DuckRecorder()]),  # type: ignore[list-item]
        CompositeRecorder([CompositeRecorder([_DuckRecorder()])]),  # type: ignore[list-item]
    ],
    ids=lambda recorder: type(recorder).__name__,
)
def test_a_recorder_that_leaves_span_started_alone_is_not_called(recorder: Any) -> None:
    """A recorder without the hook does not pay for it."""
    assert started_hook(recorder) is None
    BasicTracer(recorder).start_span("x").finish()


def test_span_started_may_be_put_on_an_instance() -> None:
    """An attribute, a mock and a recorder that derives from nothing are called as well."""
    hooked, mocked, duck = InMemoryRecorder(), mock.Mock(), _DuckRecorder()
    started: list[BasicSpan] = []
    hooked.span_started = duck.span_started = started.append  # type: ignore
    for each in (hooked, mocked, duck):
        BasicTracer(CompositeRecorder([each])).start_span("in a composite")
        BasicTracer(each).start_span("alone")
    names = [span.operation_name for span in started]
    assert names == ["in a composite", "alone"] * 2
    assert mocked.span_started.call_count == 2


def test_span_started_of_the_base_can_be_called() -> None:
    """A recorder that overrides it may go on to its base's, as with every method."""

    class Watching(InMemoryRecorder):
        def span_started(self, span: BasicSpan) -> None:
            super().span_started(span)
            self.last = span

    recorder = Watching()
    assert BasicTracer(recorder).start_span("x") is recorder.last


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


def test_recorder_is_abstract_and_its_defaults_deliver() -> None:
    """`record_span` is all there is to write; flush and close say True, again and again."""

    class Least(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            pass

    with pytest.raises(TypeError, match="abstract"):
        Recorder()  # type: ignore[abstract]
    recorder = Least()
    assert [recorder.flush(1), recorder.flush(), recorder.close(1), recorder.close()] == [True] * 4


@pytest.mark.needs_os
def test_spans_are_recorded_on_the_thread_that_finishes_them() -> None:
    """Finished, and once each."""
    seen: list[Any] = []

    class Watching(Recorder):
        def record_span(self, span: BasicSpan) -> None:
            seen.append((span.operation_name, span.finished, threading.current_thread()))

    span = BasicTracer(Watching()).start_span("x")
    thread = threading.Thread(target=span.finish)
    thread.start()
    thread.join()
    assert seen == [("x", True, thread)]


def test_noop_recorder_keeps_nothing() -> None:
    """A span that is finished and let go is freed."""
    tracer = BasicTracer(NoopRecorder())
    span = tracer.start_span("x")
    span.finish()
    watched = weakref.ref(span)
    del span
    gc.collect()
    assert watched() is None


def test_a_clock_that_goes_back_silences_no_report(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Failures are reported once a minute of the clock as it goes on from there, each jump being
    one more occasion.
    """
    now = [100_000.0]
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])
    tracer = BasicTracer(Broken())
    reports = []
    for jump in (0.0, -86_400.0, 30.0, 31.0, 86_400.0, -86_400.0, -3600.0, 59.0, 2.0):
        now[0] += jump
        caplog.clear()
        for _ in range(3):
            tracer.start_span("x").finish()
        reports.append(len(caplog.records))
    assert reports == [1, 1, 0, 1, 1, 1, 1, 0, 1]


def test_no_part_of_a_composite_gets_more_time_when_the_clock_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is given at most what the caller has given."""
    now, given = [100_000.0], []
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])

    class Jumping(NoopRecorder):
        def flush(self, timeout: float | None = None) -> bool:
            given.append(timeout)
            now[0] -= 86_400.0
            return True

    assert CompositeRecorder([Jumping(), Jumping()]).flush(2.0)
    assert given == [2.0, 2.0]


def test_each_recorder_has_a_minute_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """A report about one recorder does not silence another's."""
    tracers = [BasicTracer(CompositeRecorder([Broken(), Broken()])), BasicTracer(Broken())]
    for tracer in tracers * 2:
        tracer.start_span("x").finish()
    assert len(caplog.records) == 3


def test_composite_calls_all_in_order_with_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that did not deliver keeps none of the others from it; the timeout is for all."""
    now, calls = [1000.0], []
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])

    class Slow(Recorder):
        def __init__(self, name: str) -> None:
            self.name = name

        def record_span(self, span: BasicSpan) -> None:
            calls.append((self.name, span.operation_name))

        def span_started(self, span: BasicSpan) -> None:
            calls.append((self.name, "started"))

        def flush(self, timeout: float | None = None) -> bool:
            calls.append((self.name, timeout))
            now[0] += 0.75
            return self.name != "a"

        close = flush

    composite = CompositeRecorder([Slow("a"), Broken(), Slow("b"), Slow("c")])
    BasicTracer(composite).start_span("x").finish()
    names = [(name, what) for what in ("started", "x") for name in "abc"]
    assert calls == names
    for method in (composite.flush, composite.close):
        calls.clear()
        assert not method(1.0)
        assert calls == [("a", 1.0), ("b", 0.25), ("c", 0.0)]
    calls.clear()
    composite.flush()
    assert calls == [("a", None), ("b", None), ("c", None)]


def test_span_started_sees_the_whole_span() -> None:
    """Tags, references and parent are there when the hook is called."""
    seen: list[Any] = []

    class Watching(InMemoryRecorder):
        def span_started(self, span: BasicSpan) -> None:
            seen.append((span.operation_name, span.tags.copy(), span.parent_id, span.references))

    parent = BasicSpanContext(1, 2)
    BasicTracer(Watching()).start_span("x", references=child_of(parent), tags={"a": 1})
    assert seen == [("x", {"a": 1}, 2, (child_of(parent),))]


class _Redacting(InMemoryRecorder):
    """Changes all that a recorder may change."""

    def record_span(self, span: BasicSpan) -> None:
        span.tags["card"] = "***"
        span.tags["own"] = True
        span.logs[0].key_values["card"] = "***"
        del span.logs[1:]
        span.operation_name = "redacted"
        super().record_span(span)


def _recorded_by(*recorders: InMemoryRecorder) -> BasicSpan:
    with BasicTracer(CompositeRecorder(recorders)).start_span("pay", tags={"card": 1}) as span:
        span.log_kv({"card": 1}, 1.0).log_kv({"event": "paid"}, 2.0)
    return span


def _facts(span: BasicSpan) -> tuple[Any, ...]:
    logs = [(log.key_values, log.timestamp) for log in span.logs]
    return span.operation_name, span.tags, logs


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_recorder_changes_no_other_recorders_span(place: int) -> None:
    """Its changes to name, tags and logs reach neither the recorders before it nor those after."""
    recorders = [InMemoryRecorder(), InMemoryRecorder()]
    recorders.insert(place, _Redacting())
    _recorded_by(*recorders)
    for number, recorder in enumerate(recorders):
        (span,) = recorder.spans
        if number == place:
            tags, logs = {"card": "***", "own": True}, [({"card": "***"}, 1.0)]
            assert _facts(span) == ("redacted", tags, logs)
        else:
            logs = [({"card": 1}, 1.0), ({"event": "paid"}, 2.0)]
            assert _facts(span) == ("pay", {"card": 1}, logs)


def test_the_first_recorder_gets_the_very_span() -> None:
    """The others get one that is equal in all its fields, finished, and of the same kind."""
    first, second = InMemoryRecorder(), InMemoryRecorder()
    span = _recorded_by(first, second)
    (other,) = second.spans
    assert first.spans == [span]
    assert other is not span
    assert type(other) is type(span)
    assert other.to_dict() == span.to_dict()
    assert other.finished
    other.finish()
    assert len(first.spans) == len(second.spans) == 1


def test_a_span_that_cannot_be_copied_reaches_every_recorder() -> None:
    """Itself: no span is lost."""

    class Uncopied(BasicSpan):
        def __copy__(self) -> BasicSpan:
            raise RuntimeError("no copies")

    first, second = InMemoryRecorder(), InMemoryRecorder()
    span = Uncopied(BasicTracer(CompositeRecorder([first, second])), "x", BasicSpanContext(1, 2))
    span.finish()
    assert first.spans == second.spans == [span]
