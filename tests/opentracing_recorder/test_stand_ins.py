"""Stand-ins that suites and applications pass: a tracer that is none, odd tags."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from opentracing import Format, SpanContext
from opentracing.mocktracer import MockTracer
from opentracing.mocktracer.span import MockSpan
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositePropagator,
    InMemoryRecorder,
    Propagator,
    TextPropagator,
    span,
)
from opentracing_recorder._failure_log import RateLimit


class Failing:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class OddLimits:
    max_tags, max_logs = None, "many"

    def record(self, span: object) -> None:
        raise ValueError("not today")


@pytest.fixture(autouse=True)
def news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test gets its first report."""
    monkeypatch.setattr(span, "_unrecorded", RateLimit())
    monkeypatch.setattr(span, "_bad_tags", RateLimit())


@pytest.mark.parametrize("kind", [BasicSpan, MockSpan])
@pytest.mark.parametrize(
    "make",
    [lambda: None, object, mock.Mock, mock.MagicMock, Failing, OddLimits, lambda: "a tracer"],
    ids=["None", "object", "Mock", "MagicMock", "failing", "odd limits", "text"],
)
def test_a_span_works_without_a_tracer(make: Callable[[], Any], kind: Any) -> None:
    """Any stand-in serves; limits are the default ones, and a span without a recorder is logged."""
    tracer = make()
    made = kind(tracer, "x", BasicSpanContext(1, 2), tags={"first": 1})
    assert made.tracer is made._tracer is tracer
    made.set_tag("a", 1).log_kv({"event": "e"}).set_baggage_item("k", "v")
    made.set_operation_name("y")
    for number in range(300):
        made.set_tag(str(number), number).log_kv({"n": number})
    with made:
        pass
    assert (made.operation_name, made.get_baggage_item("k")) == ("y", "v")
    assert made.to_dict()["trace_id"] == "0000000000000001"
    assert made.finished
    assert "y" in repr(made)
    if kind is BasicSpan:
        assert (len(made.tags), len(made.logs)) == (128, 128)


def test_a_stand_in_is_given_the_span() -> None:
    """Its `record` is called once with the span."""
    tracer = mock.Mock()
    made = BasicSpan(tracer, "x", BasicSpanContext(1, 2))
    made.finish()
    tracer.record.assert_called_once_with(made)


def test_a_span_that_no_tracer_takes_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the stand-in's type; further spans are counted."""
    for _ in range(3):
        BasicSpan(None, "x", BasicSpanContext(1, 2)).finish()  # type: ignore[arg-type]
    (message,) = [each.getMessage() for each in caplog.records]
    assert message.startswith("NoneType could not record a span;")


def test_a_record_of_ones_own_that_raises_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """A subclass of the tracer is the application's code too."""

    class Own(BasicTracer):
        def record(self, span: BasicSpan) -> None:
            raise ValueError("not today\nERROR:root:forged")

    with Own().start_active_span("x") as scope:
        scope.span.set_tag("a", 1)
    own: Any = scope.span
    assert own.finished
    assert [each.levelno for each in caplog.records] == [logging.ERROR]
    assert "\nERROR:root:forged" not in caplog.text


NO_TAGS: dict[str, Callable[[], Any]] = {
    "a number": lambda: 5,
    "zero": lambda: 0,
    "text": lambda: "tags",
    "no pairs": lambda: [1, 2],
    "what raises": Failing,
    "a generator that fails": lambda: (1 // 0 for _ in "x"),
    "unhashable keys": lambda: [([], 1)],
}


@pytest.mark.parametrize("make_tracer", [BasicTracer, MockTracer])
@pytest.mark.parametrize("make", NO_TAGS.values(), ids=NO_TAGS)
def test_tags_that_are_none_are_reported_once(
    make: Callable[[], Any], make_tracer: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The span starts without them, and takes others."""
    tracer = make_tracer()
    spans = [tracer.start_span("x", tags=make()) for _ in range(3)]
    spans.append(tracer.start_active_span("x", tags=make()).span)
    for each in spans:
        each.set_tag("a", 1)
        assert each.tags == {"a": 1}
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "tags of a span must be a mapping" in caplog.text


@pytest.mark.parametrize("make_tracer", [BasicTracer, MockTracer])
def test_tags_may_be_pairs(
    make_tracer: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Any iterable of pairs serves; of an endless one, the first pairs count."""
    tracer = make_tracer()
    assert tracer.start_span("x", tags=((k, 1) for k in "ab")).tags == {"a": 1, "b": 1}
    assert tracer.start_span("x", tags=[("a", 1)]).tags == {"a": 1}
    endless = ((str(number), number) for number in itertools.count())
    assert "0" in tracer.start_span("x", tags=endless).tags
    assert caplog.records == []


class InjectOnly:
    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        carrier["own"] = "1"


class ExtractOnly:
    def extract(self, carrier: Any) -> Any:
        return BasicSpanContext(1, 2)


@pytest.mark.parametrize("make_tracer", [BasicTracer, MockTracer])
def test_a_propagator_may_have_one_half(make_tracer: Callable[[], Any]) -> None:
    """A client's own needs no extract, a server's no inject; what it lacks does nothing."""
    tracer = make_tracer()
    tracer.register_propagator("out", InjectOnly())
    tracer.register_propagator("in", ExtractOnly())
    out: dict[str, str] = {}
    tracer.inject(BasicSpanContext(1, 2), "out", out)
    tracer.inject(BasicSpanContext(1, 2), "in", out)
    assert out == {"own": "1"}
    assert tracer.extract("out", out) is None
    assert tracer.extract("in", out).span_id == 2


def test_propagators_of_ones_own_may_be_among_several() -> None:
    """They work whatever they derive from, and also with only one half."""
    given: list[Any] = [InjectOnly(), ExtractOnly(), TextPropagator()]
    composite = CompositePropagator(given)
    tracer = BasicTracer(InMemoryRecorder(), propagators={Format.TEXT_MAP: composite})
    carrier: dict[str, str] = {}
    tracer.inject(BasicSpanContext(3, 4), Format.TEXT_MAP, carrier)
    context: Any = tracer.extract(Format.TEXT_MAP, carrier)
    assert (carrier["own"], carrier["ot-tracer-traceid"], context.trace_id) == ("1", "3", 1)


class Both(InjectOnly, ExtractOnly):
    pass


def test_a_propagator_of_ones_own_may_be_only_read() -> None:
    """It need not know how to remove its headers, which stay then."""
    own: Any = Both()
    composite = CompositePropagator([own, TextPropagator()], written=[TextPropagator()])
    carrier = {"own": "1"}
    composite.inject(BasicSpanContext(3, 4), carrier)
    assert carrier["own"] == "1"
    composite.remove_from(carrier)
    assert carrier == {"own": "1"}


@pytest.mark.parametrize("wrong", [5, object(), None, TextPropagator, Propagator])
def test_what_can_do_neither_is_refused(wrong: Any) -> None:
    """An object that can do neither is refused, and so is a class in place of an instance."""
    with pytest.raises(TypeError, match="propagator"):
        BasicTracer().register_propagator("x", wrong)
    with pytest.raises(TypeError, match="propagators"):
        CompositePropagator([wrong])
