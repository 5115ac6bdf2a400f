"""One trace through services of both kinds: BasicTracer's, and OpenTelemetry's SDK between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from opentracing import Format
from opentracing_recorder import BasicTracer
from opentracing_recorder.trace_context_propagator import TraceContextPropagator

pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

pytestmark = pytest.mark.needs_os

Headers = dict[str, str]


class Service:
    """A service traced with this library, which takes and writes W3C headers."""

    def __init__(self, name: str, exporter: InMemorySpanExporter, trace_id_bits: int) -> None:
        self.tracer = BasicTracer(
            OpenTelemetryRecorder(exporter, name),
            propagators={Format.HTTP_HEADERS: TraceContextPropagator()},
            trace_id_bits=trace_id_bits,
        )

    def request(self, operation: str, headers: Headers) -> Headers:
        """Serve a request, and return the headers of the call made meanwhile."""
        caller = self.tracer.extract(Format.HTTP_HEADERS, headers)
        with (
            self.tracer.start_active_span(operation, child_of=caller, tags={"span.kind": "server"}),
            self.tracer.start_active_span(
                f"{operation} calls", tags={"span.kind": "client"}
            ) as call,
        ):
            outgoing: Headers = {}
            self.tracer.inject(call.span, Format.HTTP_HEADERS, outgoing)
        return outgoing


class OpenTelemetryService:
    """The same, traced with OpenTelemetry's SDK."""

    def __init__(self, name: str, exporter: InMemorySpanExporter) -> None:
        provider = TracerProvider(resource=Resource({"service.name": name}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        self.tracer = provider.get_tracer("test")
        self.propagator = TraceContextTextMapPropagator()

    def request(self, operation: str, headers: Headers) -> Headers:
        caller = self.propagator.extract(headers)
        outgoing: Headers = {}
        with (
            self.tracer.start_as_current_span(operation, context=caller, kind=SpanKind.SERVER),
            self.tracer.start_as_current_span(f"{operation} calls", kind=SpanKind.CLIENT),
        ):
            self.propagator.inject(outgoing)
        return outgoing


class Services(NamedTuple):
    """Three services, one after the other, and the exporter of all."""

    shop: Service
    middle: OpenTelemetryService
    stock: Service
    exporter: InMemorySpanExporter

    def spans_of_a_request(self, headers: Headers) -> tuple[ReadableSpan, ...]:
        """Return the exported spans of a request that goes through all three."""
        headers = self.shop.request("order", headers)
        headers = self.middle.request("route", headers)
        self.stock.request("reserve", headers)
        assert self.shop.tracer.flush(10)
        assert self.stock.tracer.flush(10)
        return self.exporter.get_finished_spans()


def parents(spans: tuple[ReadableSpan, ...]) -> dict[str, str | None]:
    """Each span's name with its parent's."""
    names = {span.context.span_id: span.name for span in spans}
    return {span.name: names[span.parent.span_id] if span.parent else None for span in spans}


@pytest.fixture(params=[64, 128])
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """Two services traced with this library, each trace id of 64 or of 128 bits."""
    exporter = InMemorySpanExporter()
    shop, stock = (Service(each, exporter, request.param) for each in ("shop", "stock"))
    yield Services(shop, OpenTelemetryService("middle", exporter), stock, exporter)
    shop.tracer.close(10)
    stock.tracer.close(10)


def test_a_trace_through_an_opentelemetry_service_is_whole(services: Services) -> None:
    """Six spans of three services are one trace in one exporter, and each has its parent."""
    spans = services.spans_of_a_request({})
    assert parents(spans) == {
        "order": None,
        "order calls": "order",
        "route": "order calls",
        "route calls": "route",
        "reserve": "route calls",
        "reserve calls": "reserve",
    }
    assert len({span.context.trace_id for span in spans}) == 1
    assert {span.name: span.resource.attributes["service.name"] for span in spans} == {
        "order": "shop",
        "order calls": "shop",
        "route": "middle",
        "route calls": "middle",
        "reserve": "stock",
        "reserve calls": "stock",
    }
    remote = {span.name for span in spans if span.parent and span.parent.is_remote}
    assert remote == {"route", "reserve"}


def test_the_callers_tracestate_goes_through_all_services(services: Services) -> None:
    """The entry that a vendor wrote before the first service is on the spans of all."""
    incoming = {"traceparent": f"00-{0xA:032x}-{0xB:016x}-01", "tracestate": "vendor=1"}
    spans = services.spans_of_a_request(incoming)
    assert [span.context.trace_state.get("vendor") for span in spans] == ["1"] * 6
    assert {span.context.trace_id for span in spans} == {0xA}
