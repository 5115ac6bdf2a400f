"""OpenTelemetryRecorder with OTLP's exporter passes the harness, through the proxy."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from opentracing_recorder import Recorder
from opentracing_recorder.harness import RecorderCheckMixin
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

from .conftest import Sink

pytestmark = pytest.mark.needs_os


class TestOTLPOverHTTP(RecorderCheckMixin):
    slack = 1.0
    send_timeout = 1.5  # the exporter's own, and what it adds

    @pytest.fixture(autouse=True)
    def _sink(self, sink: Sink) -> None:
        self.sink = sink

    def backend_address(self) -> tuple[str, int]:
        return "127.0.0.1", self.sink.port

    def recorder(self) -> Recorder:
        url = f"http://{self.proxy.host}:{self.proxy.port}/v1/traces"
        return OpenTelemetryRecorder(
            lambda: OTLPSpanExporter(endpoint=url, timeout=1), "shop", interval=0.05
        )

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return [span.name for span in self.sink.spans]
