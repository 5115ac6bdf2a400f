"""Log lines with the ids of their trace, and spans as log lines.

    python examples/log_correlation.py

`SpanContextFilter` puts the active span's ids on each log record, of any library;
`LoggingRecorder` logs one line for each finished span.
"""

from __future__ import annotations

import logging
import sys

import opentracing
from opentracing_recorder import BasicTracer, LoggingRecorder, SpanContextFilter

logger = logging.getLogger("shop")


def main() -> None:
    """Trace one order; its log lines have the ids of the active span."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(SpanContextFilter())
    handler.setFormatter(logging.Formatter("[%(trace_id)16s %(span_id)16s] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])

    with opentracing.use_tracer(BasicTracer(LoggingRecorder())) as tracer:
        logger.info("open")
        with tracer.start_active_span("order", tags={"item": "teapot"}):
            logger.info("an order arrived")
            with tracer.start_active_span("pack"):
                logger.info("packing")
        logger.info("closed")


if __name__ == "__main__":
    main()
