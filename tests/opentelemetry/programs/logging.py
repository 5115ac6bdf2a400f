"""The logging of Python: records within a span, after an exception, and without a span."""

from __future__ import annotations

import logging

from opentelemetry import trace
from opentelemetry.instrumentation.logging import LoggingInstrumentor


def run() -> list[list[object]]:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    LoggingInstrumentor().instrument(inject_trace_context=True)
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.propagate = False
    contexts = [trace.INVALID_SPAN_CONTEXT]
    logger.warning("before")
    try:
        with trace.get_tracer("shop").start_as_current_span("order") as span:
            contexts += [span.get_span_context()] * 2
            logger.warning("within")
            try:
                raise ValueError("no such item")
            except ValueError:
                logger.exception("failed")
                raise
    except ValueError:
        contexts.append(trace.INVALID_SPAN_CONTEXT)
        logger.warning("after")
    return [
        [
            record.getMessage(),
            int(record.otelTraceID, 16) == context.trace_id,  # type: ignore[attr-defined]
            int(record.otelSpanID, 16) == context.span_id,  # type: ignore[attr-defined]
            record.otelTraceSampled,  # type: ignore[attr-defined]
        ]
        for record, context in zip(records, contexts)
    ]
