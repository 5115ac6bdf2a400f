"""OpenTelemetryRecorder, which sends spans through any OpenTelemetry exporter.

Use it for OTLP over gRPC, and for vendors with a format of their own. For OTLP over HTTP,
`opentracing_recorder.otlp` needs none of OpenTelemetry's packages, and a fraction of the time.

It needs ``opentracing[opentelemetry]``, which is OpenTelemetry's SDK, and an exporter. For gRPC
that is ``opentelemetry-exporter-otlp-proto-grpc``, whose `OTLPSpanExporter` reads the
``OTEL_EXPORTER_OTLP_*`` variables. Here the exporter keeps the spans in memory::

    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from opentracing_recorder import BasicTracer
    from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

    exporter = InMemorySpanExporter()
    with BasicTracer(OpenTelemetryRecorder(lambda: exporter, "shop")) as tracer:
        tags = {"span.kind": "client", "http.method": "GET", "http.status_code": 200}
        tracer.start_span("look up", tags=tags).finish()

    for span in exporter.get_finished_spans():
        print(span.name, span.kind.name, dict(span.attributes))

which prints::

    look up CLIENT {'http.request.method': 'GET', 'http.response.status_code': 200}

- Pass a function that creates the exporter, not the exporter, if the process forks: connections do
  not outlive a fork.
- The process is described when the recorder is created, and again in a child that sends spans: by
  ``OTEL_RESOURCE_ATTRIBUTES``, and by the detectors that ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS``
  names, some of which ask a server.
- `stats.sent` counts what the exporter reports; some exporters count a redirect as success.
- Spans that an exporter could not deliver are handed to it again, and in halves after three
  failures, because it does not report whether the backend is away or refuses a span. With
  ``attempts=1``, only the exporter itself retries, and no span arrives twice.
- If a connection goes silent without being closed, the exporter over HTTP opens another after its
  timeout. The one over gRPC was seen to keep the silent one for more than a minute.

By default, the standard tags get OpenTelemetry's names; ``semantic_names=False`` keeps their own:

| OpenTracing | OpenTelemetry |
|---|---|
| ``span.kind`` | the span's kind |
| ``error`` | the span's status, with the message of the last error logged; ``error.type`` |
| a log | an event, named by the field ``event`` |
| a log of an error | an event ``exception`` with the type, message and stacktrace |
| a reference | a link with ``opentracing.ref_type``, except to the parent of a child |
| ``http.method`` | ``http.request.method`` |
| ``http.status_code`` | ``http.response.status_code`` |
| ``http.url`` | ``url.full`` |
| ``db.instance`` | ``db.namespace`` |
| ``db.statement`` | ``db.query.text`` |
| ``db.type`` | ``db.system.name``; ``sql`` is ``other_sql`` |
| ``message_bus.destination`` | ``messaging.destination.name`` |
| ``peer.hostname``, ``peer.port`` | ``server.address``, ``server.port`` |
| the same on a server's span | ``client.address``, ``client.port`` |
| ``peer.ipv4``, ``peer.ipv6`` | ``network.peer.address`` |
| any other tag | an attribute of the same name |
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_type
from ._batch_retry import Undelivered
from ._errors import error_text, loggable, shown
from ._json_safe import json_safe, text_of
from ._opentelemetry_fields import TELEMETRY_SDK, to_attributes
from ._opentelemetry_span import to_readable_span
from .batch import BatchRecorder, Rejected
from .span import BasicSpan

_logger = logging.getLogger(__name__)

# Those of the SDK's detectors whose answer differs in a forked child. Older SDKs lack the second.
_OF_THE_PROCESS = ("ProcessResourceDetector", "ServiceInstanceIdResourceDetector")


class OpenTelemetryRecorder(BatchRecorder):
    """Hands finished spans, in batches, to an exporter of OpenTelemetry's.

    ::

        OpenTelemetryRecorder(OTLPSpanExporter, "shop")
        OpenTelemetryRecorder(lambda: OTLPSpanExporter(endpoint=url), "shop")

    - `exporter` makes a `SpanExporter` when called: its class, or a function without arguments. It
      is called when the first spans are sent, and again in each child process that sends some, as
      connections do not outlive a fork. A ready exporter serves as well where nothing forks: a
      child sends nothing through one that its parent has used.
    - `service_name` and `resource_attributes` describe the process. ``OTEL_RESOURCE_ATTRIBUTES``
      and the detectors named in ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`` add what they leave open:
      they are asked here, and again in a child that sends spans.
    - `semantic_names` puts the standard tags under the names of OpenTelemetry's semantic
      conventions, as the module's table lists them.
    - The other options are `BatchRecorder`'s, with its defaults. `send_timeout` does not reach the
      exporter, which has a timeout of its own.

    What the exporter could not deliver is handed to it again, up to `attempts` times in all. It
    does not say why it failed, nor whether a part arrived: such a part arrives twice, with the same
    ids. After three failures in a row, a batch is handed over in halves, so that a span which the
    backend refuses counts as failed alone. With ``attempts=1``, as in OpenTelemetry's SDK, only the
    exporter itself tries again.
    """

    def __init__(
        self,
        exporter: SpanExporter | Callable[[], SpanExporter],
        service_name: str,
        resource_attributes: Mapping[str, Any] | None = None,
        *,
        semantic_names: bool = True,
        queue_size: int = 16384,
        batch_size: int = 512,
        interval: float = 1.0,
        send_timeout: float = 10.0,
        attempts: int = 40,
        exit_timeout: float = 5.0,
    ) -> None:
        is_ready = not isinstance(exporter, type) and callable(getattr(exporter, "export", None))
        if not is_ready and not callable(exporter):
            raise TypeError(
                "exporter must be a SpanExporter, or make one when called;"
                f" {type(exporter).__name__} is neither"
            )
        check_type("service_name", service_name, str)
        if resource_attributes is not None:
            check_type("resource_attributes", resource_attributes, Mapping)
        self._make_exporter: Any = None if is_ready else exporter
        self._exporter: Any = exporter if is_ready else None
        self._exporter_is_used = False
        self._inherited: Any = None
        self._semantic_names = semantic_names
        self._resource_attributes = {
            **TELEMETRY_SDK,
            **to_attributes(json_safe(resource_attributes or {})),
            "service.name": text_of(service_name),
        }
        # Here, as the SDK asks in threads, and the first spans may be sent while the interpreter
        # exits, which starts none. A detector that fails is asked again then.
        self._resource: Resource | None = None
        self._inherited_resource = Resource({})
        try:
            self._resource = Resource.create(self._resource_attributes)
        except Exception as error:
            reraise_interrupt()
            _logger.debug("The resource cannot be described yet", exc_info=loggable(error))
        exporter_name = getattr(exporter, "__name__", type(exporter).__name__)
        self._destination = f"{shown(service_name)} {exporter_name}"
        super().__init__(  # last: from here on a fork calls `forked`
            queue_size=queue_size,
            batch_size=batch_size,
            interval=interval,
            send_timeout=send_timeout,
            attempts=attempts,
            exit_timeout=exit_timeout,
        )

    @property
    def service_name(self) -> str:
        """The name that spans are sent under, and that of a tracer to which none is given."""
        return str(self._resource_attributes["service.name"])

    # Called by BatchRecorder.

    def send(self, spans: Sequence[BasicSpan]) -> None:
        resource = self._describe_process() if self._resource is None else self._resource
        self._resource = resource
        readable = self.encode_each(
            spans, lambda span: to_readable_span(span, resource, self._semantic_names)
        )
        if not readable:
            return
        exporter = self._ready_exporter()
        name = type(exporter).__name__
        try:
            result = exporter.export(readable)
        except Exception as error:
            reraise_interrupt()
            raise Undelivered(f"{name} raised {error_text(error)}") from error
        if result is SpanExportResult.FAILURE:  # some exporters return nothing
            raise Undelivered(f"{name} could not deliver the batch")

    def flush(self, timeout: float | None = None) -> bool:
        """Sends as `BatchRecorder.flush` does, then flushes the exporter, which may hold spans too.

        The exporter gets the rest of `timeout` seconds (None: 30). Its exceptions are raised.
        """
        start = time.monotonic()
        if not super().flush(timeout):
            return False
        force_flush = getattr(self._exporter, "force_flush", None)
        if force_flush is None:
            return True
        left = 30.0 if timeout is None else max(0.0, timeout - (time.monotonic() - start))
        return force_flush(int(left * 1000)) is not False  # not every exporter returns something

    def release(self) -> None:
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()

    def forked(self) -> None:
        # Kept, or its finalizer would close here what the parent goes on using.
        self._inherited = self._exporter
        if self._exporter_is_used or self._make_exporter is not None:
            self._exporter = None
        self._exporter_is_used = False
        if self._resource is not None:  # it may identify the process
            self._inherited_resource, self._resource = self._resource, None

    def _describe_process(self) -> Resource:
        try:
            return Resource.create(self._resource_attributes)
        except RuntimeError:  # the interpreter is exiting, or the system has no thread to give
            reraise_interrupt()
            known = self._inherited_resource
        detected: dict[str, Any] = {}
        for name in _OF_THE_PROCESS:
            detector = getattr(resources, name, None)
            if detector is not None:
                detected.update(detector().detect().attributes)
        own = Resource({key: detected[key] for key in detected if key in known.attributes})
        given = OTELResourceDetector().detect().merge(Resource(self._resource_attributes))
        return known.merge(own).merge(given)

    def _ready_exporter(self) -> Any:
        if self._exporter is None:
            if self._make_exporter is None:
                raise Rejected(
                    "this process was forked from one that used the exporter; pass a function that"
                    " makes one, such as its class"
                )
            self._exporter = self._make_exporter()
        self._exporter_is_used = True
        return self._exporter
