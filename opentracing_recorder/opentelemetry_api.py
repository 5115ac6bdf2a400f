"""BasicTracerProvider: what is instrumented for OpenTelemetry records in a BasicTracer.

It needs ``opentracing[opentelemetry-api]``, which is OpenTelemetry's API alone; its SDK is not
needed. One call makes the tracer the back end of both APIs::

    from opentelemetry import trace

    from opentracing_recorder import BasicTracer, InMemoryRecorder
    from opentracing_recorder.opentelemetry_api import (
        BasicTracerProvider,
        OpenTelemetryScopeManager,
    )

    recorder = InMemoryRecorder()
    tracer = BasicTracer(
        recorder, scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128, service_name="shop"
    )
    provider = BasicTracerProvider(tracer)
    # trace.set_tracer_provider(provider), once in a process: what calls
    # trace.get_tracer(__name__) finds it there

    checkout = provider.get_tracer("shop.checkout", "1.4")
    with checkout.start_as_current_span("checkout", kind=trace.SpanKind.SERVER) as span:
        span.set_attribute("cart.size", 3)
        with tracer.start_active_span("look up stock"):  # OpenTracing's API: a child
            with checkout.start_as_current_span("query"):  # and OpenTelemetry's again
                pass

    print(recorder.outline(tags=["span.kind", "cart.size"]))

which prints::

    checkout span.kind='server' cart.size=3
      look up stock
        query

A span is one `BasicSpan`, whichever API started it, so every recorder, sampler, timeline and test
fixture serves it:

| OpenTelemetry | `BasicSpan` |
|---|---|
| name | `operation_name` |
| an attribute | a tag of the same name |
| kind | the tag ``span.kind``; none for ``INTERNAL`` |
| status ``ERROR`` | the tag ``error``, and ``otel.status_description`` |
| status ``OK`` | the tag ``otel.status_code`` |
| an event | a log, its name in the field ``event`` |
| an event ``exception`` | a log of an error: ``error.kind``, ``message``, ``stack`` |
| a link | a reference, `ReferenceType.FOLLOWS_FROM` |
| the instrumentation scope | the tags ``otel.scope.name`` and ``otel.scope.version`` |
| resource | the tracer's `service_name` |

- `OpenTelemetryRecorder` sends what OpenTelemetry's own SDK would: attributes, events and links as
  they were given, and none of the tags that this table adds.
- An attribute's name has no meaning: ``error`` or ``sampling.priority`` is an attribute like any
  other. A tag of this table is left out if an attribute has its name.
- The tracer's sampler decides; `Sampler.sampled_start` sees kind and attributes. A span that is not
  sampled is a `NonRecordingSpan`.
- Limits are the tracer's `max_tags` and `max_logs`, and `max_links`. A span's attribute over the
  limit is left out; OpenTelemetry's SDK drops the oldest. An event and a link keep their newest
  attributes, as with the SDK: `max_event_attributes` and `max_link_attributes`.
- Each call of OpenTelemetry's API on an ended span is reported; of OpenTracing's, the first.
- A span that OpenTracing's API started, and OpenTelemetry's API changes, keeps OpenTracing's form:
  an error is the tag ``error``.
- A span that OpenTelemetry's API started keeps OpenTelemetry's form: if OpenTracing's API sets the
  tag ``error``, the status is ``ERROR``, unless the span has a status already.
- Baggage set by either API is read and sent by both. What OpenTelemetry's API puts into its context
  reaches the active span when OpenTracing's API next asks for it. If there is baggage and no span
  yet, `active_span` is one that has no trace and keeps nothing but baggage, for what starts next.
- Headers are the tracer's propagators' in `tracer.inject` and `tracer.extract`, and those of
  ``OTEL_PROPAGATORS`` in OpenTelemetry's `propagate`. Both are W3C's with an
  `opentracing_recorder.otlp.OTLPTracer`, or with a `TraceContextPropagator` for HTTP_HEADERS.
  `opentracing_recorder.environment` makes them the same.
- With another scope manager, an OpenTelemetry span without a parent of its own becomes a child of
  the tracer's active span, but the tracer does not see OpenTelemetry's.
- Nothing that an application passes raises: what cannot serve is left out, and reported in the log.

The environment variable ``OTEL_SDK_DISABLED=true`` turns the provider off: nothing is recorded.

## Tried

Each of these runs on OpenTelemetry's SDK and on a `BasicTracer`, and what is exported is compared
field by field, ids and times aside (``make test-opentelemetry``; instrumentation 0.66b1, API
1.45.1):

- services: aiohttp 3.14.5, Django 5.2.19 (WSGI and ASGI), FastAPI 0.165.0, Flask 3.1.3, Starlette;
- clients: aiohttp 3.14.5, httpx 0.28.1 (both kinds), requests 2.34.2, urllib3 2.8.0;
- data: redis 7.1.1, SQLAlchemy 2.0.51, sqlite3;
- queues and calls: aiokafka 0.14.0, Celery 5.7.0, confluent-kafka 2.16.0, gRPC 1.85.3 (both kinds);
- asyncio, logging, threading.

No field differs but the frames of a stack trace: OpenTelemetry's own context manager is in the
SDK's. With asgiref, as under Django, a span that is entered in one call and left in the next stays
current with the SDK; here it does not.

## Migrate

From OpenTracing to this: keep the code, give the tracer an `OpenTelemetryScopeManager`, set the
provider, and add the packages ``opentelemetry-instrumentation-*`` in place of old ones for
OpenTracing. A library's calls are moved one by one, as both APIs see each other's spans:

| OpenTracing | OpenTelemetry |
|---|---|
| ``opentracing.global_tracer()`` | ``trace.get_tracer(__name__)`` |
| ``start_active_span(name)`` | ``start_as_current_span(name)`` |
| ``tracer.active_span`` | ``trace.get_current_span()`` |
| ``span.set_tag(key, value)`` | ``span.set_attribute(key, value)`` |
| ``span.log_kv({"event": name, ...})`` | ``span.add_event(name, {...})`` |
| ``span.set_tag("error", True)`` | ``span.set_status(StatusCode.ERROR, text)`` |
| ``span.set_baggage_item(key, value)`` | ``context.attach(baggage.set_baggage(key, value))`` |
| ``tracer.inject(context, format, carrier)`` | ``propagate.inject(carrier)`` |
| ``tracer.extract(format, carrier)`` | ``propagate.extract(carrier)`` |

::

    def charge(card):  # still on OpenTracing's API
        with tracer.start_active_span("charge") as scope:
            scope.span.set_tag("card", card)
            audit(card)

    def audit(card):  # moved; an application writes trace.get_tracer(__name__) for checkout
        with checkout.start_as_current_span("audit") as span:
            span.set_attribute("card", card)

    recorder.clear()
    charge("good")
    print(recorder.outline(tags=["card"]))

which prints::

    charge card='good'
      audit card='good'

To OpenTelemetry's SDK at last: its ``TracerProvider`` takes the place of `BasicTracerProvider`, and
``opentelemetry-opentracing-shim`` serves what still calls OpenTracing's API. The shim (0.66b1)
drops baggage.

## Packages for OpenTracing

Packages that instrument for OpenTracing's API go on beside those for OpenTelemetry's, if no library
is instrumented by both. Most of them pin older versions of `opentracing` and of what they
instrument: install them with ``pip install --no-deps``. The first five run in
``make test-downstream``; each of the others has run in one small program, on Python 3.11:

| package | with | works |
|---|---|---|
| DBAPI-OpenTracing 0.0.5 | sqlite3 | yes |
| Flask-OpenTracing 2.0.0 | Flask 3.1.3 | yes |
| grpcio-opentracing 1.1.4 | grpcio 1.85.3 | yes |
| requests-opentracing 0.3.0 | requests 2.34.2 | yes |
| SQLAlchemy-OpenTracing 0.1.6 | SQLAlchemy 2.1.9 | yes |
| Bottle-OpenTracing 0.0.5 | Bottle 0.13.4 | yes; a failed handler's status is 200 |
| Celery-OpenTracing 0.0.1 | Celery 5.7.0 | yes |
| logging-opentracing 0.1.2 | logging | yes |
| opentracing-utils 0.23.0 | Flask 3.1.3 | with ``use_scope_manager=True`` |
| opentracing_instrumentation 3.3.1 | redis 8.1.0, requests 2.34.2 | yes |
| | SQLAlchemy 2.1.9, Tornado 6.6.1 (client), urllib | yes |
| | boto3 1.44.8 | no: it imports ``tornado.stack_context`` |
| pyramid_opentracing 1.0.0 | Pyramid 2.1 | yes |
| redis_opentracing 1.0.0 | redis 8.1.0 | yes |
| Sanic-OpenTracing 0.8 | Sanic 25.12.1 | yes |
| Starlette-OpenTracing 0.1.0 | FastAPI 0.165.0 | yes |
| tornado_opentracing 1.0.1 | Tornado 6.6.1 | a handler's spans are no children of its request's |
| django-opentracing 1.1.0 | Django 5.2.19 | no: all requests fail for want of ``async_mode`` |
| elasticsearch_opentracing 0.1.4 | elasticsearch 9.5.1 | no: it cannot be imported |

To use django-opentracing, name a subclass of its middleware in ``MIDDLEWARE``, whose ``__init__``
calls that of ``django.utils.deprecation.MiddlewareMixin`` as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace as _trace_api

from opentracing import Span
from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_type
from ._json_safe import text_of
from ._opentelemetry_api_scope import OpenTelemetryScopeManager
from ._opentelemetry_api_span import call, report_failure
from ._opentelemetry_api_tracer import BridgeTracer
from ._opentelemetry_api_values import (
    MAX_ATTRIBUTES,
    InstrumentationScope,
    Resource,
    cleaned_attributes,
)
from ._process import RenewedLock
from .tracer import BasicTracer

__all__ = ["BasicTracerProvider", "OpenTelemetryScopeManager"]

_MAX_TRACERS = 1000  # of different scopes; applications have a few dozen
_lock = RenewedLock()  # held where processors are added


class BasicTracerProvider(_trace_api.TracerProvider):
    """An OpenTelemetry `TracerProvider` whose spans are those of `tracer`.

    - `resource_attributes` describe the process beside the tracer's `service_name`.
    - `max_links` is the greatest number of links of a span: the newest are kept.
    - `max_event_attributes` and `max_link_attributes` are the greatest numbers of attributes of an
      event and of a link: the newest are kept.
    - `max_attribute_length` is the greatest length of a text among attributes, in characters; None
      is no limit.

    Every method may be called from any thread. Raises TypeError or ValueError for an argument that
    cannot serve, and names it.
    """

    def __init__(
        self,
        tracer: BasicTracer,
        *,
        resource_attributes: Mapping[str, Any] | None = None,
        max_links: int = 128,
        max_attribute_length: int | None = None,
        max_event_attributes: int = MAX_ATTRIBUTES,
        max_link_attributes: int = MAX_ATTRIBUTES,
    ) -> None:
        check_type("tracer", tracer, BasicTracer)
        self.tracer = tracer
        self.max_links = check_count("max_links", max_links)
        self.max_event_attributes = check_count("max_event_attributes", max_event_attributes)
        self.max_link_attributes = check_count("max_link_attributes", max_link_attributes)
        if max_attribute_length is not None:
            check_count("max_attribute_length", max_attribute_length)
        self.max_attribute_length = max_attribute_length
        name = tracer.service_name or "unknown_service"
        self.resource = Resource({"service.name": name, **(resource_attributes or {})})
        """Describes the process to logging and processors, which read `resource.attributes`."""
        self.processors: tuple[Any, ...] = ()
        self.scope_manager: Any = tracer.scope_manager
        self._is_one = isinstance(self.scope_manager, OpenTelemetryScopeManager)
        if not self._is_one:
            self.scope_manager = OpenTelemetryScopeManager()
        self._tracers: dict[Any, BridgeTracer] = {}
        self._is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> _trace_api.Tracer:
        """The tracer for one instrumentation scope: the same for equal arguments used lately."""
        if self._is_off:
            return _trace_api.NoOpTracer()
        cleaned = cleaned_attributes(attributes, MAX_ATTRIBUTES)[0]
        name, version, schema = (
            "" if each is None else text_of(each)
            for each in (instrumenting_module_name, instrumenting_library_version, schema_url)
        )
        key = (name, version, schema, repr(sorted(cleaned.items(), key=repr)))
        found = self._tracers.get(key)
        if found is None:
            if len(self._tracers) >= _MAX_TRACERS:  # a name or a version for each request
                self._tracers.clear()
            made = BridgeTracer(self, InstrumentationScope(name, version, schema, cleaned))
            found = self._tracers.setdefault(key, made)  # one atomic step
        return found

    def active_span(self) -> Span | None:
        """The active span of a tracer with a scope manager of its own."""
        return None if self._is_one else self.tracer.active_span

    @_lock.held
    def add_span_processor(self, span_processor: Any) -> None:
        """Call `on_start(span, parent_context)` and `on_end(span)` of a span processor.

        They are called for spans that OpenTelemetry's API starts from now on, and ends, on the
        thread that does it. `on_start` may set attributes. An exception is logged. The processors
        and exporters of OpenTelemetry's SDK serve, but spans that OpenTracing's API starts do not
        reach them: `OpenTelemetryRecorder` sends those too.
        """
        self.processors = (*self.processors, span_processor)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Have the processors and the tracer's recorder deliver what they hold.

        Returns whether all of it was delivered.
        """
        done = True
        for processor in self.processors:
            try:
                done &= processor.force_flush(timeout_millis) is not False
            except Exception as error:
                reraise_interrupt()
                report_failure(error)
                done = False
        return self.tracer.flush(timeout_millis / 1000) and done

    def shutdown(self) -> None:
        """Shut the processors down, and close the tracer. Its recorder is closed at exit anyway."""
        for processor in self.processors:
            call(processor, "shutdown")
        self.tracer.close()
