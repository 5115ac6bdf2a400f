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
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import IO, Any

from ._errors import shown
from ._json_safe import text_of
from ._json_stream import Broken, JSONStream
from ._span_files_forms import NotSpans, spans_of
from ._span_files_reports import NotASpan, Reports
from ._span_files_write import FORMATS
from ._text_stream import Source, open_text
from .trace import AnySpan

__all__ = ["NotASpan", "read_spans", "write_spans"]

_logger = logging.getLogger(__name__)


def read_spans(
    source: Source, skipped: Callable[[NotASpan], object] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the spans in a source, one by one, in the form of `BasicSpan.to_dict`.

    The source is a path; ``"-"``, which is standard input; a text, which begins with ``{`` or
    ``[``; bytes; or an open file, in text or binary mode. Each may be compressed with gzip, but for
    text.

    For each thing that is no span, `skipped` is called with a `NotASpan`. By default, the first 5
    are logged as warnings, and the number of the others. The content of a source never raises;
    OSError is raised for a file that cannot be read.
    """
    reports = Reports(_logger.warning)
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
            except NotSpans as error:
                if found.is_sure:
                    skip(NotASpan(name, place, str(error)))
    reports.close()


def write_spans(
    spans: Iterable[AnySpan],
    target: str | os.PathLike[str] | IO[bytes],
    format: str = "jsonl",
    skipped: Callable[[str], object] | None = None,
) -> int:
    """Write spans, or their `to_dict` form, to a file; return how many were written.

    The target is a path; ``"-"``, which is standard output; or a file in binary mode. A path that
    ends in ``.gz`` is compressed. The format is ``"jsonl"``, ``"zipkin"``, ``"otlp"`` or
    ``"chrome"``; the guide of this module describes them. Spans are written as they come, but for
    ``"chrome"``, which takes them all first.

    A span whose ids the format cannot hold is skipped: `skipped` is called with the reason. By
    default, it is logged as a warning. Raises OSError if the file cannot be written, and ValueError
    for another format.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {shown(format)}")
    written = 0

    def taken() -> Iterator[dict[str, Any]]:
        nonlocal written
        for span in spans:
            written += 1
            yield dict(span) if isinstance(span, Mapping) else span.to_dict()

    def refuse(span: Mapping[str, Any], reason: str) -> None:
        nonlocal written
        written -= 1
        name = shown(text_of(span.get("operation_name")))
        (skipped or _logger.warning)(f"the span {name} cannot be written: {reason}; skipped")

    with ExitStack() as stack:
        write = _opened(target, stack)
        for part in FORMATS[format](taken(), refuse):
            write(part)
    return written


def _opened(
    target: str | os.PathLike[str] | IO[bytes], stack: ExitStack
) -> Callable[[bytes], object]:
    if not isinstance(target, (str, os.PathLike)):
        return target.write
    if target == "-":
        stack.callback(sys.stdout.flush)
        return sys.stdout.buffer.write
    if os.fspath(target).endswith(".gz"):
        import gzip

        return stack.enter_context(gzip.open(target, "wb")).write
    return stack.enter_context(open(target, "wb")).write
