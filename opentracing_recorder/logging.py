"""Spans in the log, and trace ids on log records: LoggingRecorder and SpanContextFilter.

`LoggingRecorder` logs one line for each span, by default at level INFO to the logger
``opentracing.spans``. The attribute ``span`` of the log record is the whole span, in its `to_dict`
form. `SpanContextFilter` puts the ids of the active span on the lines that the application logs, so
that a line leads to its trace::

    import logging
    import sys

    from opentracing_recorder import (
        BasicTracer,
        CompositeRecorder,
        InMemoryRecorder,
        LoggingRecorder,
        SpanContextFilter,
    )

    recorder = InMemoryRecorder()
    tracer = BasicTracer(CompositeRecorder([recorder, LoggingRecorder()]))

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(SpanContextFilter(tracer))  # without an argument: the global tracer
    handler.setFormatter(logging.Formatter("[%(trace_id)s] %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)

    with tracer.start_active_span("order", tags={"item": "teapot"}):
        logging.getLogger("shop").info("packing")

which prints::

    [57b805b2aa111ebb] shop: packing
    [] opentracing.spans: order 0.127ms trace=57b805b2aa111ebb span=9ac39743e98e851b item=teapot

Add the filter to the handler that runs on the thread that logs the line. If a `QueueHandler` keeps
lines for another handler, add it to the queue's handler; the handler behind it runs on another
thread. The same holds for a `MemoryHandler`, which passes lines on later. A record that has ids
keeps them, so later filters change nothing. A filter on a logger does not suffice, because logging
does not apply it to the lines of child loggers.
"""

from __future__ import annotations

import logging
from typing import Any

import opentracing
from opentracing.interrupts import reraise_interrupt

from ._arguments import check_has, check_type
from ._json_safe import json_safe, text_of
from .recorder import Recorder
from .span import BasicSpan


class LoggingRecorder(Recorder):
    """Writes one line for each span; the whole span is the record's ``span`` attribute (a dict).

    `logger` is a logger or its name (default: ``"opentracing.spans"``); `level` is a level of the
    logging module.
    """

    def __init__(
        self, logger: logging.Logger | str | None = None, level: int = logging.INFO
    ) -> None:
        if logger is None:
            logger = "opentracing.spans"
        if isinstance(logger, str):
            logger = logging.getLogger(logger)
        check_has("logger", logger, "log")
        check_type("level", level, int)
        self.logger = logger
        self.level = level

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self.logger, 'name', '')}>"

    def record_span(self, span: BasicSpan) -> None:
        if self.logger.isEnabledFor(self.level):
            fields = span.to_dict()
            self.logger.log(self.level, "%s", _line(fields), extra={"span": fields})


def _line(span: dict[str, Any]) -> str:
    """A span, in `to_dict` form, as one line: name, duration, ids, tags, number of logs."""
    duration = span["duration"]
    parts = [
        _word(span["operation_name"]) or '""',
        f"{duration * 1000:.3f}ms" if isinstance(duration, float) else "unfinished",
        f"trace={span['trace_id']}",
        f"span={span['span_id']}",
    ]
    if span["parent_id"]:
        parts.append(f"parent={span['parent_id']}")
    if span["service"]:
        parts.append(f"service={_word(span['service'])}")
    parts.extend(f"{_word(key)}={_word(value)}" for key, value in span["tags"].items())
    if span["logs"]:
        parts.append(f"logs={len(span['logs'])}")
    return " ".join(parts)


def _word(value: object) -> str:
    """A value as one word: quoted if it has a space, ``=``, a quote or an unprintable character."""
    text = text_of(json_safe(value))
    plain = text.isprintable() and not any(each in text for each in " =\"'")
    return text if plain else repr(text)


class SpanContextFilter(logging.Filter):
    """Puts ``trace_id`` and ``span_id`` of the active span on each log record, for formatters::

        handler.addFilter(SpanContextFilter())
        handler.setFormatter(logging.Formatter("%(trace_id)s %(span_id)s %(message)s"))

    Both are ``""`` if no span is active. If a record already has one of them, the filter keeps it
    and sets the other to ``""``, so the first filter decides. Add the filter to the handler that
    runs on the logging thread, such as a `QueueHandler`, not to the handler behind the queue.

    `tracer` is the tracer whose active span is used (default: the global one).
    """

    def __init__(self, tracer: opentracing.Tracer | None = None) -> None:
        super().__init__()
        if tracer is not None:
            check_type("tracer", tracer, opentracing.Tracer)
        self._tracer = tracer

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the ids on the record, and return True: no record is dropped."""
        trace_id: str | None = getattr(record, "trace_id", None)
        span_id: str | None = getattr(record, "span_id", None)
        if trace_id is None and span_id is None:
            try:
                tracer = opentracing.global_tracer() if self._tracer is None else self._tracer
                span = tracer.active_span
                if span is not None:
                    trace_id = span.context.to_trace_id()
                    span_id = span.context.to_span_id()
            except Exception:  # from another library's tracer; logging must not fail
                reraise_interrupt()
        record.trace_id = "" if trace_id is None else trace_id
        record.span_id = "" if span_id is None else span_id
        return True
