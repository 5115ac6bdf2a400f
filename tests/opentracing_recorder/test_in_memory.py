"""InMemoryRecorder: keeps, bounds and finds."""

from __future__ import annotations

import pytest

from opentracing_recorder import (
    BasicTracer,
    InMemoryRecorder,
)


def test_in_memory_recorder_bounds_and_finds() -> None:
    """It keeps the last spans, returns copies, finds by name, tags and error, and clears."""
    recorder = InMemoryRecorder(max_spans=2)
    tracer = BasicTracer(recorder)
    for name in "abc":
        tracer.start_span(name, tags={"n": name, "error": name == "c"}).finish()
    assert [span.operation_name for span in recorder.spans] == ["b", "c"]
    assert recorder.spans is not recorder.spans
    assert recorder.one(error=True).operation_name == "c"
    assert recorder.find(tags={"n": "b"}, error=False) == recorder.find("b")
    with pytest.raises(
        AssertionError, match=r"^0 spans fit operation_name='a'; expected one\. Recorded:\nb\nc !$"
    ):
        recorder.one("a")
    recorder.clear()
    assert recorder.get_spans() == []
    for bad in (0, "2", True):
        with pytest.raises((TypeError, ValueError), match="max_spans"):
            InMemoryRecorder(bad)  # type: ignore[arg-type]


def test_every_span_is_kept_by_default() -> None:
    """Without `max_spans`, no span is dropped."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    for _ in range(1000):
        tracer.start_span("x").finish()
    assert len(recorder.spans) == 1000


def test_spans_is_a_copy_that_does_not_grow() -> None:
    """The returned list does not change, and changing it changes nothing."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    tracer.start_span("x").finish()
    read = recorder.spans
    tracer.start_span("y").finish()
    assert len(read) == 1
    read.clear()
    assert len(recorder.get_spans()) == 2


def test_find_wants_tags_with_values() -> None:
    """Tags that are no mapping are an error; a test that wants only names uses `outline`."""
    recorder = InMemoryRecorder()
    for search in (recorder.find, recorder.one, recorder.wait_for):
        with pytest.raises(TypeError, match="tags must be a mapping of tags to values, not list"):
            search("x", tags=["a"])  # type: ignore[arg-type]


def test_find_wants_every_tag_with_its_value() -> None:
    """A missing tag does not equal a tag with the value None."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    for tags in ({"a": 1, "b": None}, {"a": 1}, {"a": 2, "b": None}):
        tracer.start_span("x", tags=tags).finish()
    assert recorder.find(tags={"a": 1, "b": None}) == recorder.spans[:1]
    assert recorder.find("y") == []


def test_a_recorder_shows_how_many_spans_it_has() -> None:
    """Its repr has the number of spans, and no span."""
    recorder = InMemoryRecorder()
    BasicTracer(recorder).start_span("order").finish()
    assert repr(recorder) == "<InMemoryRecorder: 1 spans>"
