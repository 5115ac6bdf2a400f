"""The files of a command line, for all commands that read spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ._command_report import report
from ._span_files_reports import Reports
from .span_files import read_spans
from .trace import Trace

FILES_HELP = "a file of spans, compressed with gzip or not; - is stdin"

FORMATS_HELP = (
    "Files are read in the formats of JSONLinesRecorder, Zipkin (JSON, version 2), OTLP (JSON, also"
    " one request a line, as the Collector's file exporter writes it) and Jaeger (JSON, as its page"
    " downloads it)."
)


class Files:
    """The spans of files, one by one. Whatever is none is reported on standard error, and skipped.

    `status` is the exit status: 1 if a file could not be read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.status = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name in self._names:
            reports = Reports(report)
            try:
                yield from read_spans(name if name == "-" else Path(name), reports)
            except OSError as error:
                report(f"{name}: {error.strerror or error}")
                self.status = 1
            reports.close()


def chosen_traces(files: Files, trace_id: str | None) -> list[Trace]:
    """The traces of the files whose id starts with `trace_id`; none is reported."""
    traces = Trace.from_spans(files)
    if trace_id is not None:
        wanted = trace_id.lower()
        traces = [trace for trace in traces if trace.trace_id.lower().startswith(wanted)]
    if not traces:
        report("no spans" if trace_id is None else f"no trace {trace_id}")
    return traces
