"""Hostile values in spans: nothing raises or hangs, and no other span is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opentracing.mocktracer import MockTracer
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import (
    BasicTracer,
    BatchRecorder,
    CompositeRecorder,
    InMemoryRecorder,
    Stats,
    Trace,
    _zipkin_json,
)
from opentracing_recorder.timeline import render_html, render_text
from opentracing_recorder.zipkin import ZipkinTracer

from ..http_server import ScriptedServer
from ..tables import table
from ..zipkin_payload import payload_of
from .hostile_places import PLACES, TAGS, Place
from .hostile_values import HOSTILE_VALUES
from .sinks import all_sinks

pytestmark = pytest.mark.needs_os

SECONDS = 60.0
"""CPU time that one value may take: in 40 places, and ten recorders. Most take a hundredth, and a
mapping without end a quarter, on a busy machine.
"""

A_DOZEN = [
    "all methods raise",
    "a mapping whose keys raise",
    "an object without a class",
    "an error without text",
    "a list of arrays",
    "__str__ returns None",
    "says that it is a Span",
    "a mock with magic",
    "a dict in itself",
    "an endless sequence",
    "huge text of surrogates",
    "NaN",
]
"""Of each kind the worst, for the tests that always run."""

every_value = pytest.mark.parametrize("value", table(HOSTILE_VALUES, A_DOZEN))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@every_value
def test_a_hostile_value_arrives_and_so_do_the_others(
    value: str, server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans with the value in any place arrive through every recorder, and each is counted."""
    sinks = all_sinks(server, tmp_path / "spans.jsonl")
    started = time.process_time()
    with BasicTracer(CompositeRecorder(each.recorder for each in sinks.values())) as tracer:
        expected = record(tracer, value)
        assert tracer.flush(60)
    for recorder, sink in sinks.items():
        arrived = Counter(sink.arrived())
        lost = [place for span_id, place in expected.items() if arrived[span_id] != 1]
        assert lost == [], f"{value}, through {recorder}"
        assert len(arrived) == len(expected)
        if isinstance(sink.recorder, BatchRecorder):
            # On a machine with other work, sending may be slow.
            stats = sink.recorder.stats._replace(slow=0)
            assert stats == Stats(len(expected), len(expected), 0, 0, 0), recorder
    assert time.process_time() - started < SECONDS
    expected_news = (
        "is finished",
        *("tags of a new span", "tags of a span"),
        "items of baggage were dropped",
        "send has lasted",
    )
    unexpected = [
        each.message
        for each in caplog.records
        if not any(news in each.message for news in expected_news)
    ]
    assert unexpected == []


@every_value
def test_a_hostile_value_does_no_harm_to_a_tracer_that_joins_spans(value: str) -> None:
    """Such a tracer reads the tags at the start."""
    recorder = InMemoryRecorder()
    expected = record(ZipkinTracer("shop", recorder=recorder, one_span_per_rpc=True), value, TAGS)
    assert {span.context.to_span_id() for span in recorder.spans} == expected.keys()


def record(tracer: BasicTracer, value: str, places: Mapping[str, Place] = PLACES) -> dict[str, str]:
    """A hostile span for each place, with plain ones between; by id, if the span counts."""
    expected = {}
    for place, put in places.items():
        plain = tracer.start_span("plain")
        plain.finish()
        expected[plain.context.to_span_id()] = f"before {place}"
        try:
            span: Any = put(tracer, HOSTILE_VALUES[value]())
        except Exception as error:
            raise AssertionError(f"{value} as {place} raises") from error
        if span.sampled:  # the hostile value of `sampling.priority` may be false
            expected[span.context.to_span_id()] = place
    plain = tracer.start_span("plain")
    plain.finish()
    expected[plain.context.to_span_id()] = "after all"
    return expected


def test_zipkin_s_encoder_keeps_no_long_text_that_should_be_an_address() -> None:
    """The encoder remembers addresses; a million digits are not one."""
    span = BasicTracer().start_span("a", tags={"peer.ipv4": "9" * 1_000_000})
    span.finish()
    before = _zipkin_json._address.cache_info().misses
    assert len(payload_of([span], {})) > 1_000_000
    assert _zipkin_json._address.cache_info().misses == before


@every_value
def test_a_mock_tracer_keeps_a_hostile_value(value: str) -> None:
    """The object itself is kept, as a tag and in a log."""
    tracer, made = MockTracer(), HOSTILE_VALUES[value]()
    with tracer.start_active_span("a", tags={"at start": made}) as scope:
        scope.span.set_tag("key", made).log_kv({"event": made})
        tracer.start_span("b", child_of=scope.span).finish()
    b, a = tracer.finished_spans()
    assert (b.operation_name, a.operation_name) == ("b", "a")
    assert a.tags["at start"] is a.tags["key"] is a.logs[0].key_values["event"] is made


@every_value
def test_a_hostile_value_does_no_harm_to_a_mock_tracer(value: str) -> None:
    """In any place, nothing raises, and each span is kept."""
    tracer = MockTracer()
    for place, put in PLACES.items():
        tracer.reset()
        try:
            put(tracer, HOSTILE_VALUES[value]())
        except Exception as error:
            raise AssertionError(f"{value} as {place} raises") from error
        assert tracer.finished_spans(), place


@every_value
@pytest.mark.parametrize(
    "kind",
    [ThreadLocalScopeManager, ContextVarsScopeManager],
)
def test_a_hostile_value_may_be_active(value: str, kind: type) -> None:
    """It is given as a span: children are roots, an error propagates, and the scope closes."""
    tracer = BasicTracer(scope_manager=kind())
    made, error = HOSTILE_VALUES[value](), KeyError("the application's")
    with tracer.scope_manager.activate(made, True):
        tracer.start_span("x").finish()
    with pytest.raises(KeyError) as caught, tracer.scope_manager.activate(made, True):
        raise error
    assert caught.value is error
    assert tracer.scope_manager.active is None


@pytest.mark.parametrize("text", ["x☃", "x", "\x00\n"], ids=["wide", "ASCII", "control"])
@pytest.mark.long
def test_megabytes_of_text_are_drawn_in_no_time(text: str) -> None:
    """A timeline in text uses no more of the text than its width."""
    recorder = InMemoryRecorder()
    text *= 4_000_000 // len(text)
    tracer = BasicTracer(recorder, service_name=text)
    for number in range(9):
        with tracer.start_span(f"{number}{text}") as span:
            span.set_tag("error", True).log_kv({"event": "error", "message": text})
    traces = Trace.from_spans(recorder.spans)
    started = time.process_time()
    drawn = render_text(traces, width=80)
    spent = time.process_time() - started
    assert len(drawn) < 9 * 4 * 81
    assert spent < 5.0  # seconds; five times as long if it read the whole text
    assert render_html(traces[:1])
