"""Spans as log lines, and trace ids on log records."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import opentracing
from opentracing_recorder import BasicSpanContext, BasicTracer, LoggingRecorder, SpanContextFilter


def test_one_readable_line_a_span(caplog: pytest.LogCaptureFixture) -> None:
    """Name, duration, ids and tags on one line; the whole span in `extra`."""
    tracer = BasicTracer(LoggingRecorder(), service_name="shop")
    caplog.set_level(logging.INFO)
    span = tracer.start_span(
        "check out", child_of=BasicSpanContext(0xA, 0xB), start_time=1, tags={"n": 1, "t": "a\nb"}
    )
    span.log_kv({"event": "e"}).finish(1.25)
    (record,) = caplog.records
    assert record.name == "opentracing.spans"
    assert record.getMessage() == (
        "'check out' 250.000ms trace=000000000000000a"
        f" span={span.context.to_span_id()} parent=000000000000000b service=shop"
        " n=1 t='a\\nb' logs=1"
    )
    assert record.__dict__["span"] == span.to_dict()


def test_logger_and_level_are_chosen(caplog: pytest.LogCaptureFixture) -> None:
    """A logger by name or itself; below its level nothing is written."""
    caplog.set_level(logging.DEBUG, "own")
    BasicTracer(LoggingRecorder("own", logging.DEBUG)).start_span("x").finish()
    BasicTracer(LoggingRecorder(logging.getLogger("own"))).start_span("y").finish()
    BasicTracer(LoggingRecorder(level=1)).start_span("z").finish()
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO"]


@pytest.mark.parametrize(
    ("arguments", "name"), [({"logger": 5}, "logger"), ({"level": "INFO"}, "level")]
)
def test_arguments_are_checked(arguments: dict[str, Any], name: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(TypeError, match=name):
        LoggingRecorder(**arguments)


def record_through(log_filter: SpanContextFilter) -> tuple[str, str]:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "message", (), None)
    assert log_filter.filter(record)
    return record.__dict__["trace_id"], record.__dict__["span_id"]


def test_filter_puts_the_active_ids_on_records() -> None:
    """The global tracer's active span, or that of the tracer given; else empty strings."""
    tracer = BasicTracer()
    assert record_through(SpanContextFilter()) == ("", "")
    with tracer.start_active_span("x") as scope:
        ids = scope.span.context.to_trace_id(), scope.span.context.to_span_id()
        assert record_through(SpanContextFilter(tracer)) == ids
        assert record_through(SpanContextFilter()) == ("", "")
        with opentracing.use_tracer(tracer):
            assert record_through(SpanContextFilter()) == ids
    assert record_through(SpanContextFilter(tracer)) == ("", "")


def test_filter_never_costs_a_log_line() -> None:
    """A tracer of another make that fails does not raise into logging."""

    class Failing(opentracing.Tracer):
        @property
        def active_span(self) -> opentracing.Span | None:
            raise RuntimeError("no span today")

    assert record_through(SpanContextFilter(Failing())) == ("", "")


def test_filter_wants_a_tracer() -> None:
    """The constructor says so, and does not leave every line without ids."""
    with pytest.raises(TypeError, match="tracer must be a Tracer, not str"):
        SpanContextFilter("shop")  # type: ignore[arg-type]
