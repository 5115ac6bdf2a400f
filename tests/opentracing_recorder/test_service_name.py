"""The service's name, which a recorder that knows it tells the tracer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from opentracing_recorder import BasicTracer, CompositeRecorder, InMemoryRecorder, NoopRecorder
from opentracing_recorder._wrapping import Wrapping
from opentracing_recorder.recorder import Recorder
from opentracing_recorder.span import BasicSpan


def _otlp() -> Recorder:
    from opentracing_recorder.otlp import OTLPRecorder

    return OTLPRecorder("shop")


def _zipkin() -> Recorder:
    from opentracing_recorder.zipkin import ZipkinRecorder

    return ZipkinRecorder("shop")


def _kafka() -> Recorder:
    kafka: Any = pytest.importorskip("opentracing_recorder.kafka")
    made: Recorder = kafka.KafkaRecorder("shop")
    return made


def _opentelemetry() -> Recorder:
    from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

    return OpenTelemetryRecorder(mock.Mock(), "shop")


class _Passed(Wrapping):
    def record_span(self, span: BasicSpan) -> None:
        self.recorder.record_span(span)


@pytest.mark.needs_os
@pytest.mark.parametrize("made", [_otlp, _zipkin, _kafka, _opentelemetry])
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda recorder: recorder,
        lambda recorder: CompositeRecorder([InMemoryRecorder(), recorder, NoopRecorder()]),
        lambda recorder: _Passed(CompositeRecorder([_Passed(recorder)])),
    ],
)
def test_the_tracer_has_the_name_of_its_recorder(
    made: Callable[[], Recorder], wrapped: Callable[[Recorder], Any]
) -> None:
    """A recorder with a name names the tracer, through what wraps it."""
    recorder = wrapped(made())
    with BasicTracer(recorder) as tracer:
        assert (tracer.service_name, recorder.service_name) == ("shop", "shop")
    with pytest.raises(AttributeError):
        recorder.service_name = "other"


@pytest.mark.needs_os
def test_a_given_name_is_the_tracers() -> None:
    """The recorder keeps its own, and a recorder that is set later changes nothing."""
    recorder = _zipkin()
    with BasicTracer(recorder, service_name="other") as tracer:
        assert tracer.service_name == "other"
        assert tracer.recorder.service_name == "shop"  # type: ignore[attr-defined]
    tracer = BasicTracer()
    tracer.recorder = recorder
    assert tracer.service_name is None


@pytest.mark.needs_os
def test_tracers_for_a_backend_take_the_name_of_a_given_recorder() -> None:
    """The name is given once, to the recorder; without any, ZipkinTracer asks for it."""
    from opentracing_recorder.otlp import OTLPTracer
    from opentracing_recorder.zipkin import ZipkinTracer

    for kind in (OTLPTracer, ZipkinTracer):
        with kind(recorder=_zipkin()) as tracer:
            assert tracer.service_name == "shop"
        with kind("other", recorder=_zipkin()) as tracer:
            assert tracer.service_name == "other"
    with pytest.raises(TypeError, match="service_name must be given"):
        ZipkinTracer()


@pytest.mark.needs_os
def test_the_environment_names_the_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OTLPRecorder without a name has that of OTEL_SERVICE_NAME, and so has the tracer."""
    from opentracing_recorder.otlp import OTLPRecorder

    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    with BasicTracer(OTLPRecorder()) as tracer:
        assert tracer.service_name == "shop"


@pytest.mark.parametrize("recorder", [InMemoryRecorder(), CompositeRecorder([]), mock.Mock()])
def test_a_recorder_without_a_name(recorder: Any) -> None:
    """Then the tracer has none; an attribute that is no text is none."""
    assert BasicTracer(recorder).service_name is None
