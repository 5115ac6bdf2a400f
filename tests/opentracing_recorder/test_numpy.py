"""numpy's own scalars, all of those that are numbers or truth values, wherever spans are sent."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import BasicTracer, InMemoryRecorder, JSONLinesRecorder
from opentracing_recorder._json_safe import json_safe

if platform.python_implementation() != "CPython" or sys.platform == "emscripten":
    pytest.skip("numpy has no wheel for this Python", allow_module_level=True)

import numpy as np

from opentracing_recorder._opentelemetry_fields import to_attributes

from ..zipkin_payload import payload_of

SCALARS = [
    *((kind(3), 3) for kind in (np.int8, np.int16, np.int32, np.int64)),
    *((kind(3), 3) for kind in (np.uint8, np.uint16, np.uint32, np.uint64)),
    *((kind(0.5), 0.5) for kind in (np.float16, np.float32, np.float64, np.longdouble)),
    (np.bool_(True), True),
    (np.bool_(False), False),
    (np.array(3), 3),
    (np.array(True), True),
]


def same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and bool(found == expected)


@pytest.mark.parametrize(("value", "expected"), SCALARS, ids=lambda each: type(each).__name__)
def test_a_scalar_is_the_number_that_it_is(value: Any, expected: Any, tmp_path: Path) -> None:
    """In files, for OpenTelemetry, and as text for Zipkin; alone, nested, and in a log."""
    tracer = BasicTracer(JSONLinesRecorder(tmp_path / "spans"))
    span = tracer.start_span("x", tags={"a": value, "b": [value, {"c": value}]})
    span.log_kv({"d": value}).finish()
    written = json.loads((tmp_path / "spans").read_bytes())
    assert same(written["tags"]["a"], expected)
    assert same(written["tags"]["b"][0], expected)
    assert same(written["tags"]["b"][1]["c"], expected)
    assert same(written["logs"][0]["fields"]["d"], expected)
    attributes = to_attributes(json_safe({"a": value, "b": [value, value]}))
    assert same(attributes["a"], expected)
    assert [same(each, expected) for each in attributes["b"]] == [True, True]
    (sent,) = json.loads(payload_of([span], {}))
    assert sent["tags"]["a"] == json.dumps(expected)


def test_what_is_no_scalar_is_text() -> None:
    """Arrays are shown as numpy shows them, large ones shortened; so are dates and complex."""
    assert json_safe(np.array([1, 2])) == "[1 2]"
    assert len(json_safe(np.zeros(1_000_000))) < 200
    assert json_safe(np.datetime64("2020-01-02")) == "2020-01-02"
    assert json_safe(np.complex128(1j)) == "1j"
    assert json_safe(np.float32("nan")) == "nan"
    assert json_safe(np.uint64(2**64 - 1)) == 2**64 - 1


def test_numpys_numbers_serve_as_times_and_decisions() -> None:
    """Start and end, the sampling priority, and the error tag."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    span = tracer.start_span("x", start_time=np.float32(5), tags={"error": np.bool_(True)})
    span.log_kv({}, np.int64(6)).finish(np.float64(7.5))
    assert json.loads(json.dumps(span.to_dict()))["start_time"] == 5
    assert (span.logs[0].timestamp, span.duration) == (6, 2.5)
    tracer.start_span("y", tags={"sampling.priority": np.int64(0)}).finish()
    tracer.start_span("z", tags={"sampling.priority": np.bool_(False)}).finish()
    assert recorder.find(error=True) == recorder.spans == [span]
