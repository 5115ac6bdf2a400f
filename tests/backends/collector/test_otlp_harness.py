"""Both recorders for OTLP pass the harness, whose proxy is before a real Collector."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from opentracing_recorder import Recorder
from opentracing_recorder.harness import RecorderCheckMixin
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.otlp import OTLPRecorder

from .conftest import CollectorWith

pytestmark = pytest.mark.needs_os


class CollectorCheckMixin(RecorderCheckMixin):
    slack = 1.0

    @pytest.fixture(autouse=True)
    def _collector(self, shared_collector: CollectorWith) -> None:
        self.collector = shared_collector()

    def backend_address(self) -> tuple[str, int]:
        return "127.0.0.1", self.collector.http_port

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return [span.name for span in self.collector.sink.spans]

    @property
    def url(self) -> str:
        return f"http://{self.proxy.host}:{self.proxy.port}/v1/traces"


class TestOpenTelemetryRecorder(CollectorCheckMixin):
    send_timeout = 1.5  # the exporter's own, and what it adds

    def recorder(self) -> Recorder:
        return OpenTelemetryRecorder(
            lambda: OTLPSpanExporter(endpoint=self.url, timeout=1), "shop", interval=0.05
        )


class TestOTLPRecorder(CollectorCheckMixin):
    protocol = "http/protobuf"

    def recorder(self) -> Recorder:
        return OTLPRecorder(
            "shop", self.url, protocol=self.protocol, interval=0.05, send_timeout=1.0
        )


class TestOTLPRecorderWithJSON(TestOTLPRecorder):
    protocol = "http/json"
