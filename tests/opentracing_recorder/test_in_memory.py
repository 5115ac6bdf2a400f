"""InMemoryRecorder: keeps, bounds and finds."""

from __future__ import annotations

import pytest

from opentracing_recorder import (
    BasicTracer,
    InMemoryRecorder,
)


def test_in_memory_recorder_bounds_and_finds() -> None:
    """It keeps the last ones, gives copies, finds by name, tags and error, and forgets."""
    recorder = InMemoryRecorder(max_spans=2)
    tracer = BasicTracer(recorder)
    for name in "abc":
        tracer.start_span(name, tags={"n": name, "error": name == "c"}).finish()
    assert [span.operation_name for span in recorder.spans] == ["b", "c"]
    assert recorder.spans is not recorder.spans
    assert recorder.one(error=True).operation_name == "c"
    assert recorder.find(tags={"n": "b"}, error=False) == recorder.find("b")
    with pytest.raises(AssertionError, match="'b', 'c'"):
        recorder.one("a")
    recorder.clear()
    assert recorder.get_spans() == []
    for bad in (0, "2", True):
        with pytest.raises((TypeError, ValueError), match="max_spans"):
            InMemoryRecorder(bad)  # type: ignore[arg-type]
