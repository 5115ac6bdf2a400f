"""read_spans and write_spans, which read anyone's files of spans, and write them.

`read_spans` finds the format of a file out by itself::

    from opentracing_recorder import Trace, read_spans

    zipkin = '''[[
      {"traceId": "8d3206f314e3a43c", "id": "8a9ee56f2edc51b5", "name": "get /checkout",
       "kind": "SERVER", "timestamp": 1700000000000000, "duration": 120000,
       "localEndpoint": {"serviceName": "shop"}, "tags": {"http.status_code": "200"}},
      {"traceId": "8d3206f314e3a43c", "parentId": "8a9ee56f2edc51b5", "id": "15923bc6ced740d4",
       "name": "charge", "timestamp": 1700000000050000, "duration": 40000,
       "localEndpoint": {"serviceName": "shop"}, "tags": {"error": "card expired"}}
    ]]'''
    (trace,) = Trace.from_spans(read_spans(zipkin))
    print(trace.outline(["span.kind", "http.status_code"]))

which prints::

    get /checkout span.kind='server' http.status_code='200'
      charge !

`write_spans` writes spans, or what was read, in another format::

    from pathlib import Path
    from opentracing_recorder import write_spans

    assert write_spans(read_spans(zipkin), "otlp.json", "otlp") == 2
    print(Path("otlp.json").read_text(encoding="utf-8")[:100])

which prints::

    {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]}

``python -m opentracing_recorder show FILES`` draws files of all these formats, and ``convert``
writes them::

    python -m opentracing_recorder show spans.jsonl zipkin.json
    python -m opentracing_recorder convert otlp.json.gz --to chrome -o trace.json

## Formats

| Format | Read | Written |
|---|---|---|
| ``jsonl`` | the lines of a `JSONLinesRecorder` | a span a line |
| ``zipkin`` | Zipkin's JSON, version 2: a span, a trace, or a list of traces, as its API \
answers and its page downloads | a list of spans |
| ``otlp`` | OTLP's JSON: requests, also one a line, as the Collector's file exporter \
writes them; also protobuf's own JSON, as Tempo writes it | a request a line |
| | Jaeger's JSON, as its API answers and its page downloads | |
| ``chrome`` | | Chrome's trace event format, which <https://ui.perfetto.dev>, \
<https://speedscope.app> and chrome://tracing open |

Files may be compressed with gzip. Text is UTF-8, or UTF-16 with a byte order mark. Different
formats may follow each other in one file.

## Text that is no span

A file may be cut off, torn or damaged. Text that is no span is skipped, and the spans after it are
read. `skipped` is called with a `NotASpan` for each such text: its place, and the reason::

    text = "\\n".join(['{"trace_id": "8d32", "span_id": "8a9e"}', "hello", '{"trace_id": "8d'])
    spans = list(read_spans(text, skipped=print))

which prints::

    text: line 2 is no span: it is not JSON
    text: line 3 is no span: it ends too early

Without `skipped`, the first 5 of a file are logged as warnings, and the number of the others.

## Fields

Spans have the form of `BasicSpan.to_dict`. These are its fields in other formats:

| Field | Zipkin | OTLP | Jaeger |
|---|---|---|---|
| ``service`` | ``localEndpoint`` | ``service.name`` of the resource | that of the process |
| ``tags`` | ``tags``, of which all are text | ``attributes``, and those of resource and scope | \
``tags``, and those of the process |
| ``tags["span.kind"]`` | ``kind`` | ``kind`` | the tag |
| ``tags["error"]`` | the tag; ``True`` if it has no message | ``status``: its message or \
``True``; ``False`` for OK | the tag |
| ``tags["peer..."]`` | ``remoteEndpoint`` | the attributes | the tags |
| ``logs`` | ``annotations`` | ``events``; an ``exception`` has the fields of an error's log | \
``logs`` |
| ``parent_id`` | ``parentId`` | ``parentSpanId`` | the reference in the same trace, first of \
``CHILD_OF`` |
| ``references`` | the tag ``references``, if it is ours | ``links`` | the other references |

- Ids have 16 digits, or 32 for a trace id of more than 64 bits, so that formats can be mixed.
- The tag ``jaeger.warnings`` has Jaeger's warnings of a span; ``otel.scope.name`` and
  ``otel.scope.version`` have the scope of OTLP.
- ``shared`` and ``debug`` are added to a span for which Zipkin has these flags.
- Not kept are the address of Zipkin's ``localEndpoint``, the trace state, flags and schemas of
  OTLP, the attributes of its links, and the flags of Jaeger.
- Times of OTLP are nanoseconds. As seconds, those since the epoch are exact to 0.2 microseconds,
  and durations to the nanosecond.
- A link of OTLP is read as ``follows_from``; to the parent, as ``child_of``. Its attribute
  ``opentracing.ref_type`` overrides that.
- In OTLP, tags keep their names: none is renamed to OpenTelemetry's. Zipkin's names of operations
  and services are in lower case.
- For Chrome, each service is a process. A span that does not fit inside of its parent, or beside
  its siblings, stands on a track of its own, and an arrow leads to it. Times begin with the first
  span.

## Limits

Files are read as a stream: a file may be larger than memory. A value, such as a span, a
``resourceSpans`` or a trace of Jaeger, has at most 67,108,864 characters. A file that gzip expands
to more than 64 MiB and 500 times its size is read up to there. For ``chrome``, `write_spans` holds
all spans.
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
                place = f"the rest from {place}" if found.is_rest else place
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
