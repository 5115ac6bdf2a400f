"""Spans into logs, and trace ids onto log records: LoggingRecorder and SpanContextFilter.

::

    import io
    import logging

    from opentracing_recorder import BasicTracer, LoggingRecorder

    stream = io.StringIO()
    logger = logging.getLogger("shop.spans")
    logger.addHandler(logging.StreamHandler(stream))
    logger.setLevel(logging.INFO)
    logger.propagate = False

    tracer = BasicTracer(LoggingRecorder(logger))
    tracer.start_span("order", tags={"item": "teapot"}).finish()
    assert stream.getvalue().startswith("order ")
    assert "item=teapot" in stream.getvalue()

Each span is one line at level INFO by default; a formatter finds the whole of it in the record's
``span``. `SpanContextFilter` puts the ids of the active span onto each record of a handler. Both
are cheap if the level is off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import opentracing
from opentracing.interrupts import reraise_interrupt

from ._json_safe import json_safe, text_of
from .recorder import Recorder

if TYPE_CHECKING:
    from .span import BasicSpan


class LoggingRecorder(Recorder):
    """Writes one line for each span; the whole span is the record's ``span`` attribute (a dict).

    `logger` is a logger or the name of one (default: ``"opentracing.spans"``), `level` a level of
    the logging module.
    """

    def __init__(
        self, logger: logging.Logger | str | None = None, level: int = logging.INFO
    ) -> None:
        if logger is None:
            logger = "opentracing.spans"
        if isinstance(logger, str):
            logger = logging.getLogger(logger)
        if not callable(getattr(logger, "log", None)):
            raise TypeError(f"logger must be a Logger or a name, not {type(logger).__name__}")
        if isinstance(level, bool) or not isinstance(level, int):
            raise TypeError(f"level must be an int, not {type(level).__name__}")
        self.logger = logger
        self.level = level

    def record_span(self, span: BasicSpan) -> None:
        if self.logger.isEnabledFor(self.level):
            fields = span.to_dict()
            self.logger.log(self.level, "%s", _line(fields), extra={"span": fields})


def _line(span: dict[str, object]) -> str:
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
    tags = span["tags"]
    assert isinstance(tags, dict)
    parts.extend(f"{_word(key)}={_word(value)}" for key, value in tags.items())
    logs = span["logs"]
    assert isinstance(logs, list)
    if logs:
        parts.append(f"logs={len(logs)}")
    return " ".join(parts)


def _word(value: object) -> str:
    """Text as it is where it cannot break the line or be taken for two words; else quoted."""
    text = text_of(json_safe(value))
    plain = text.isprintable() and not any(each in text for each in " =\"'")
    return text if plain else repr(text)


class SpanContextFilter(logging.Filter):
    """Puts ``trace_id`` and ``span_id`` of the active span on each log record, for formatters::

        handler.addFilter(SpanContextFilter())
        handler.setFormatter(logging.Formatter("%(trace_id)s %(span_id)s %(message)s"))

    Both are ``""`` if no span is active. A record that has one of them already keeps it, and gets
    ``""`` for the other, so the first filter decides: add it to the handler that runs where the
    line is logged, such as a `QueueHandler`, not to the one behind the queue.

    Reads the global tracer, or the `tracer` given.
    """

    def __init__(self, tracer: opentracing.Tracer | None = None) -> None:
        super().__init__()
        if tracer is not None and not isinstance(tracer, opentracing.Tracer):
            raise TypeError(f"tracer must be a Tracer, not {type(tracer).__name__}")
        self._tracer = tracer

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: no record is left out."""
        trace_id: str | None = getattr(record, "trace_id", None)
        span_id: str | None = getattr(record, "span_id", None)
        if trace_id is None and span_id is None:
            try:
                tracer = opentracing.global_tracer() if self._tracer is None else self._tracer
                span = tracer.active_span
                if span is not None:
                    trace_id = span.context.to_trace_id()
                    span_id = span.context.to_span_id()
            except Exception:  # a tracer of another make; a log line must not fail for it
                reraise_interrupt()
        record.trace_id = "" if trace_id is None else trace_id
        record.span_id = "" if span_id is None else span_id
        return True
