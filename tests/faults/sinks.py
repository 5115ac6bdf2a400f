"""Every recorder of this project, each with a destination for its spans."""

from __future__ import annotations

import io
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from opentracing_recorder import (
    BasicSpan,
    BatchRecorder,
    CompositeRecorder,
    FilterRecorder,
    InMemoryRecorder,
    JSONLinesRecorder,
    LoggingRecorder,
    NoopRecorder,
    NotASpan,
    Recorder,
    Redaction,
    TailRecorder,
    Trace,
    _zipkin_json,
    read_spans,
)
from opentracing_recorder._environment_limits import Limits
from opentracing_recorder._json_bytes import dumps_without_orjson
from opentracing_recorder.captrace import CapTrace, snapshot
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.otlp import OTLPRecorder
from opentracing_recorder.prometheus import MetricsRecorder
from opentracing_recorder.timeline import render_html, render_text
from opentracing_recorder.zipkin import ZipkinRecorder

from .. import otlp_payload
from ..http_server import ScriptedServer
from ..zipkin_payload import spans_in


class Sink(ABC):
    """A recorder, and the spans that have arrived at its destination."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @abstractmethod
    def arrived(self) -> list[str]:
        """The ids of the spans that have arrived; an id is repeated if its span is."""


class InMemory(Sink):
    def __init__(self) -> None:
        self.memory = InMemoryRecorder()
        super().__init__(CompositeRecorder([NoopRecorder(), self.memory]))

    def arrived(self) -> list[str]:
        spans = self.memory.spans
        self.look_at(spans)
        return [span.context.to_span_id() for span in spans]

    def look_at(self, spans: Sequence[Any]) -> None:
        """Use a span in every way that a test or a developer may."""
        assert repr(spans)
        assert self.memory.outline(["key", "error"])
        self.memory.find(tags={"key": 1}, error=True)


class Counted(Sink):
    """Prometheus scrapes as many spans as are kept in memory."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.memory = InMemoryRecorder()
        super().__init__(MetricsRecorder(self.memory, registry=self.registry))

    def arrived(self) -> list[str]:
        text = generate_latest(self.registry).decode()
        counted = sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "traces_span_metrics_calls_total"
        )
        spans = self.memory.spans
        assert counted == len(spans)
        return [span.context.to_span_id() for span in spans]


class Ids(Recorder):
    """Keeps of each span its id alone: a redacted copy of a mapping without end is large."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def record_span(self, span: BasicSpan) -> None:
        self.ids.append(span.context.to_span_id())


class Filtered(Sink):
    """A redaction, in front of which another filter changes each span."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.redacting = FilterRecorder(self.ids, Redaction())
        self.tagging = FilterRecorder(self.redacting, self._tag)
        super().__init__(self.tagging)

    @staticmethod
    def _tag(span: BasicSpan) -> BasicSpan:
        span.tags["seen"] = True
        return span

    def arrived(self) -> list[str]:
        assert self.tagging.counts.failed == self.redacting.counts.failed == 0
        return self.ids.ids


class CutShort(Sink):
    """What environment variables put in front of a recorder to cut texts."""

    def __init__(self) -> None:
        self.ids = Ids()
        limits = Limits(*[128] * 5, tag_length=3, length=3)
        super().__init__(limits.cut(self.ids))

    def arrived(self) -> list[str]:
        return self.ids.ids


class Timelines(InMemory):
    def look_at(self, spans: Sequence[Any]) -> None:
        traces = Trace.from_spans(spans)
        for text in (render_text(traces, width=80), render_text(traces, width=80, unicode=False)):
            assert max(map(len, text.split("\n"))) <= 400
        assert render_html(traces).encode()


class Captured(Sink):
    def __init__(self) -> None:
        self.captrace = CapTrace()
        super().__init__(self.captrace.recorder)

    def arrived(self) -> list[str]:
        assert self.captrace.timeline(width=80)
        assert self.captrace.unfinished == []
        assert json.dumps(snapshot(self.captrace.spans), allow_nan=False)
        return [span.context.to_span_id() for span in self.captrace.spans]


class Tail(Sink):
    """Holds each span below a root that runs, and passes it on as failed or as a share."""

    def __init__(self) -> None:
        self.memory = InMemoryRecorder()
        super().__init__(TailRecorder(self.memory, keep=lambda spans: bool(spans)))

    def arrived(self) -> list[str]:
        return [span.context.to_span_id() for span in self.memory.spans]


class Logged(Sink):
    def __init__(self) -> None:
        logger = logging.Logger("spans")
        self.records: list[logging.LogRecord] = []
        handler = logging.StreamHandler(io.TextIOWrapper(io.BytesIO(), "utf-8", "strict"))
        handler.addFilter(lambda record: self.records.append(record) or True)  # type: ignore[func-returns-value]
        logger.addHandler(handler)
        super().__init__(LoggingRecorder(logger))

    def arrived(self) -> list[str]:
        assert all("\n" not in record.getMessage() for record in self.records)
        return [record.span["span_id"] for record in self.records]  # type: ignore[attr-defined]


class JSONLines(Sink):
    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(JSONLinesRecorder(path))

    def arrived(self) -> list[str]:
        skipped: list[NotASpan] = []
        spans = list(read_spans(self.path, skipped.append))
        assert not skipped
        return [each["span_id"] for each in spans]


class Posted(Sink):
    """A recorder that posts to a path of its own of a server that several sinks share."""

    def __init__(self, recorder: Recorder, server: ScriptedServer, path: str) -> None:
        self.server, self.seen = server, len(server.requests)
        self.line = f"POST {path} HTTP/1.1"
        super().__init__(recorder)

    def bodies(self) -> list[bytes]:
        requests = self.server.requests[self.seen :]
        return [each.body for each in requests if each.line == self.line]


class Zipkin(Posted):
    def __init__(self, server: ScriptedServer) -> None:
        recorder = ZipkinRecorder("shop", server.url, interval=5, compress_from=1000)
        super().__init__(recorder, server, "/api/v2/spans")

    def arrived(self) -> list[str]:
        return [span["id"] for body in self.bodies() for span in spans_in(body)]


class OTLP(Posted):
    def __init__(self, server: ScriptedServer, path: str, **options: Any) -> None:
        url = f"http://127.0.0.1:{server.port}{path}"
        # Some values are longer than the reports that servers take.
        recorder = OTLPRecorder("shop", url, interval=5, max_report_size=1 << 30, **options)
        super().__init__(recorder, server, path)

    def arrived(self) -> list[str]:
        spans = [span for body in self.bodies() for span in otlp_payload.spans_in(body)]
        return [span.span_id.hex() for span in spans]


class ZipkinWithoutOrjson(Sink):
    """ZipkinRecorder's JSON without orjson."""

    class _Recorder(BatchRecorder):
        def __init__(self) -> None:
            self.bodies: list[bytes] = []
            super().__init__(interval=5)

        def send(self, spans: Sequence[BasicSpan]) -> None:
            encode = _zipkin_json.span_encoder({"serviceName": "shop"})
            encoded = self.encode_each(spans, encode)
            with mock.patch.object(_zipkin_json, "dumps", dumps_without_orjson):
                self.bodies.append(_zipkin_json.to_json(encoded))

    def __init__(self) -> None:
        self._own = self._Recorder()
        super().__init__(self._own)

    def arrived(self) -> list[str]:
        return [span["id"] for body in self._own.bodies for span in json.loads(body)]


class _Strict(SpanExporter):
    """Accepts the fields of OTLP, and nothing else."""

    def __init__(self) -> None:
        self.spans: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            assert span.context is not None
            assert type(span.name) is str
            span.name.encode()
            assert 0 <= (span.start_time or 0) <= (span.end_time or 0) < 1 << 64
            (span.status.description or "").encode()
            for holder in (span, *span.events, *span.links):
                for key, value in (holder.attributes or {}).items():
                    assert type(key) is str
                    key.encode()
                    for each in value if isinstance(value, (list, tuple)) else [value]:
                        _check_attribute(each)
            self.spans.append(f"{span.context.span_id:016x}")
        return SpanExportResult.SUCCESS


def _check_attribute(value: Any) -> None:
    assert type(value) in (str, bool, int, float)
    if type(value) is str:
        value.encode()
    elif type(value) is int:
        assert -(1 << 63) <= value < 1 << 63


class OpenTelemetry(Sink):
    def __init__(self, semantic_names: bool) -> None:
        self.exporter = _Strict()
        super().__init__(
            OpenTelemetryRecorder(
                self.exporter, "shop", semantic_names=semantic_names, attempts=1, interval=5
            )
        )

    def arrived(self) -> list[str]:
        return self.exporter.spans


class Console(Sink):
    """OpenTelemetry's own JSON, as UTF-8 text."""

    def __init__(self) -> None:
        self.out = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict")
        exporter = ConsoleSpanExporter(
            out=self.out, formatter=lambda each: each.to_json(None) + "\n"
        )
        super().__init__(OpenTelemetryRecorder(exporter, "shop", attempts=1, interval=5))

    def arrived(self) -> list[str]:
        self.out.seek(0)
        return [json.loads(line)["context"]["span_id"][2:] for line in self.out]


def all_sinks(server: ScriptedServer, path: Path) -> dict[str, Sink]:
    """One sink for each recorder, by name."""
    return {
        "InMemoryRecorder": InMemory(),
        "MetricsRecorder": Counted(),
        "FilterRecorder": Filtered(),
        "texts cut short": CutShort(),
        "the timelines": Timelines(),
        "captrace": Captured(),
        "TailRecorder": Tail(),
        "LoggingRecorder": Logged(),
        "JSONLinesRecorder": JSONLines(path),
        "ZipkinRecorder": Zipkin(server),
        "ZipkinRecorder without orjson": ZipkinWithoutOrjson(),
        "OTLPRecorder": OTLP(server, "/protobuf"),
        "OTLPRecorder without OpenTelemetry's names": OTLP(server, "/own", semantic_names=False),
        "OTLPRecorder in JSON": OTLP(server, "/json", protocol="http/json"),
        "OpenTelemetryRecorder": OpenTelemetry(True),
        "OpenTelemetryRecorder without its names": OpenTelemetry(False),
        "OpenTelemetry's console": Console(),
    }
