"""Spans as log lines, and trace ids on log records."""

from __future__ import annotations

import logging
import pickle
import queue
from collections.abc import Iterator
from logging.handlers import MemoryHandler, QueueHandler, QueueListener, SocketHandler
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
    """A logger is given by name or as an object; below its level nothing is written."""
    caplog.set_level(logging.DEBUG, "own")
    BasicTracer(LoggingRecorder("own", logging.DEBUG)).start_span("x").finish()
    BasicTracer(LoggingRecorder(logging.getLogger("own"))).start_span("y").finish()
    BasicTracer(LoggingRecorder(level=1)).start_span("z").finish()
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO"]


@pytest.mark.parametrize(
    ("arguments", "name"), [({"logger": 5}, "logger"), ({"level": "INFO"}, "level")]
)
def test_arguments_are_checked(arguments: dict[str, Any], name: str) -> None:
    """A wrong argument is named in the error."""
    with pytest.raises(TypeError, match=name):
        LoggingRecorder(**arguments)


def record_through(log_filter: SpanContextFilter) -> tuple[str, str]:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "message", (), None)
    assert log_filter.filter(record)
    return record.__dict__["trace_id"], record.__dict__["span_id"]


def test_filter_puts_the_active_ids_on_records() -> None:
    """The ids are those of the active span of the global tracer, or of the given one."""
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
    """An exception of another library's tracer does not reach logging."""

    class Failing(opentracing.Tracer):
        @property
        def active_span(self) -> opentracing.Span | None:
            raise RuntimeError("no span today")

    assert record_through(SpanContextFilter(Failing())) == ("", "")


def test_filter_wants_a_tracer() -> None:
    """The constructor raises, so that no line is silently without ids."""
    with pytest.raises(TypeError, match="tracer must be a Tracer, not str"):
        SpanContextFilter("shop")  # type: ignore[arg-type]


class Behind(logging.Handler):
    """A handler with its own filter, which runs while another request's span is active."""

    def __init__(self, tracer: BasicTracer) -> None:
        super().__init__()
        self.tracer = tracer
        self.lines: list[str] = []
        self.addFilter(SpanContextFilter(tracer))
        self.setFormatter(logging.Formatter("%(trace_id)s %(span_id)s %(message)s"))

    def handle(self, record: logging.LogRecord) -> Any:
        with self.tracer.start_active_span("another request", ignore_active_span=True):
            return super().handle(record)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger whose lines go only to the handlers of one test."""
    logger = logging.getLogger("test_logging")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.handlers.clear()
    logger.filters.clear()


def log_in_and_out_of_a_request(tracer: BasicTracer, logger: logging.Logger) -> list[str]:
    """Log one line in a span and one outside it, for `Behind` to write."""
    with tracer.start_active_span("request") as scope:
        logger.info("in the request")
    logger.info("after it")
    context = scope.span.context
    return [f"{context.to_trace_id()} {context.to_span_id()} in the request", "  after it"]


@pytest.mark.needs_os
def test_ids_pass_a_queue(logger: logging.Logger) -> None:
    """A filter before a queue sets a line's ids, whatever span is active in the listener."""
    tracer = BasicTracer()
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    handler = QueueHandler(records)
    handler.addFilter(SpanContextFilter(tracer))
    logger.addHandler(handler)
    behind = Behind(tracer)
    listener = QueueListener(records, behind)
    listener.start()
    expected = log_in_and_out_of_a_request(tracer, logger)
    listener.stop()
    assert behind.lines == expected


def test_ids_wait_in_memory(logger: logging.Logger) -> None:
    """A filter on a `MemoryHandler` sets a line's ids, whatever span is active at the flush."""
    tracer = BasicTracer()
    behind = Behind(tracer)
    handler = MemoryHandler(10, target=behind)
    handler.addFilter(SpanContextFilter(tracer))
    logger.addHandler(handler)
    expected = log_in_and_out_of_a_request(tracer, logger)
    assert behind.lines == []
    handler.close()
    assert behind.lines == expected


def test_ids_travel_to_another_process(logger: logging.Logger) -> None:
    """A `SocketHandler` sends the ids with the record, and the receiver's filter keeps them."""
    tracer = BasicTracer()
    behind = Behind(tracer)

    class Sending(SocketHandler):
        def send(self, s: bytes) -> None:
            received = logging.makeLogRecord(pickle.loads(s[4:]))  # after the length
            behind.handle(received)

    handler = Sending("localhost", None)
    handler.addFilter(SpanContextFilter(tracer))
    logger.addHandler(handler)
    assert log_in_and_out_of_a_request(tracer, logger) == behind.lines


def test_the_first_filter_decides(logger: logging.Logger) -> None:
    """A record that passes the filters of two tracers has both ids of one span."""
    tracer = BasicTracer()
    behind = Behind(BasicTracer())
    logger.addFilter(SpanContextFilter(tracer))
    logger.addHandler(behind)
    assert log_in_and_out_of_a_request(tracer, logger) == behind.lines


def test_a_filter_on_a_handler_sees_the_lines_of_child_loggers(logger: logging.Logger) -> None:
    """A filter on a logger does not: logging calls it only for that logger's own lines."""
    tracer = BasicTracer()
    on_logger = SpanContextFilter(tracer)
    handler = MemoryHandler(10)
    logger.addHandler(handler)
    logger.addFilter(on_logger)
    with tracer.start_active_span("request") as scope:
        logger.getChild("child").info("passed by")
        handler.addFilter(SpanContextFilter(tracer))
        logger.getChild("child").info("seen")
    passed_by, seen = handler.buffer
    assert not hasattr(passed_by, "trace_id")
    assert vars(seen)["trace_id"] == scope.span.context.to_trace_id()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"trace_id": "a", "span_id": "b"}, ("a", "b")),
        ({"trace_id": "a"}, ("a", "")),
        ({"span_id": "b"}, ("", "b")),
        ({"trace_id": "", "span_id": ""}, ("", "")),
        ({"trace_id": "a", "span_id": None}, ("a", "")),
    ],
)
def test_ids_of_the_application_s_own_are_kept(
    given: dict[str, Any], kept: tuple[str, str], logger: logging.Logger
) -> None:
    """Ids given in `extra` are kept, and are never completed with those of another span."""
    tracer = BasicTracer()
    handler = MemoryHandler(10)
    handler.addFilter(SpanContextFilter(tracer))
    logger.addHandler(handler)
    with tracer.start_active_span("another"):
        logger.info("message", extra=given)
    (record,) = handler.buffer
    assert (vars(record)["trace_id"], vars(record)["span_id"]) == kept


def test_none_is_no_id(logger: logging.Logger) -> None:
    """A record whose ids are None gets the ids of the active span."""
    tracer = BasicTracer()
    handler = MemoryHandler(10)
    handler.addFilter(SpanContextFilter(tracer))
    logger.addHandler(handler)
    with tracer.start_active_span("request") as scope:
        logger.info("message", extra={"trace_id": None, "span_id": None})
    (record,) = handler.buffer
    assert vars(record)["span_id"] == scope.span.context.to_span_id()


def test_a_recorder_shows_its_logger() -> None:
    """Its repr has the logger's name."""
    assert repr(LoggingRecorder()) == "<LoggingRecorder opentracing.spans>"
