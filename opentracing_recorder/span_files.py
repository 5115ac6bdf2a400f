"""read_spans and write_spans, which read anyone's files of spans, and write them.

The format of a file is found out::

    from opentracing_recorder import Trace, read_spans

    zipkin = '''[
      {"traceId": "8d3206f314e3a43c", "id": "8a9ee56f2edc51b5", "name": "get /checkout",
       "kind": "SERVER", "timestamp": 1700000000000000, "duration": 120000,
       "localEndpoint": {"serviceName": "shop"}, "tags": {"http.status_code": "200"}}
    ]'''
    (span,) = read_spans(zipkin)
    print(span["service"], span["operation_name"], span["duration"], span["tags"])

which prints::

    shop get /checkout 0.12 {'http.status_code': '200', 'span.kind': 'server'}
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._json_stream import Broken, JSONStream
from ._span_files_forms import spans_of
from ._span_files_reports import NotASpan, Reports
from ._text_stream import Source, open_text

__all__ = ["NotASpan", "read_spans"]

_logger = logging.getLogger(__name__)


def read_spans(
    source: Source, skipped: Callable[[NotASpan], object] | None = None
) -> Iterator[dict[str, Any]]:
    reports = Reports(_logger.warning) if skipped is None else None
    skip = skipped or reports
    with open_text(source) as (name, chunks):
        for found in JSONStream(chunks):
            place = str(found.place)
            if isinstance(found, Broken):
                skip(NotASpan(name, place, found.reason))
                continue
            try:
                for span in spans_of(found.value):
                    if isinstance(span, dict):
                        yield span
                    else:
                        number, reason = span
                        skip(NotASpan(name, f"{place.rstrip(',')}, span {number},", reason))
            except RecursionError:
                skip(NotASpan(name, place, "it is nested too deep"))
            except ValueError as error:
                reraise_interrupt()
                if found.is_sure:
                    skip(NotASpan(name, place, str(error)))
    if reports is not None:
        reports.close()
