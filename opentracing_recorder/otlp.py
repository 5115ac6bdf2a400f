"""Sends spans over OTLP: `OTLPTracer` is a tracer made for it, `OTLPRecorder` its recorder.

OTLP, OpenTelemetry's protocol, is what the OpenTelemetry Collector, Jaeger 2, Tempo and most
vendors take. Install ``opentracing[otlp]``, start a server (``docker run -p 4318:4318 -p
16686:16686 jaegertracing/jaeger``), and at the start of your application::

    import opentracing
    from opentracing_recorder.otlp import OTLPTracer

    opentracing.set_global_tracer(OTLPTracer("shop", endpoint="http://localhost:4318"))

`OTLPTracer` is a `BasicTracer` that reads W3C's headers and B3, writes W3C's, has trace ids of 128
bits, and an `OTLPRecorder`, which sends spans in batches from a thread of its own. The recorder has
options of its own; give it to the tracer, or to any `BasicTracer`::

    from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer

    recorder = OTLPRecorder(
        "shop",
        "https://otlp.example:4318",
        headers={"Authorization": "Bearer ..."},
        resource_attributes={"deployment.environment.name": "production"},
        queue_size=65536,
    )
    tracer = OTLPTracer(recorder=recorder)

OpenTelemetry's packages are not needed. Spans that OpenTelemetry's API started
(`opentracing_recorder.opentelemetry_api`) arrive as its SDK would send them.

## Options of OTLPRecorder

An option that is not given is read from the environment variable beside it, which begins with
``OTEL_EXPORTER_OTLP_TRACES_`` or ``OTEL_EXPORTER_OTLP_``. The former wins.

| Option | Default | Variable | Meaning |
|---|---|---|---|
| ``service_name`` | ``unknown_service`` | ``OTEL_SERVICE_NAME`` | The name of this process. |
| ``endpoint`` | ``http://localhost:4318`` | ``..ENDPOINT`` | A URL. One without a path gets \
``/v1/traces``. |
| ``resource_attributes`` | none | ``OTEL_RESOURCE_ATTRIBUTES`` | Describe this process. Both are \
sent; the option wins. |
| ``protocol`` | ``http/protobuf`` | ``..PROTOCOL`` | Or ``http/json``. |
| ``headers`` | none | ``..HEADERS`` | Sent with each report. |
| ``compress_from`` | 16384 bytes; for a server on this machine, never | ``..COMPRESSION`` \
| The size from which a report is compressed. ``gzip`` compresses each, ``none`` never. |
| ``ca_file`` | the system's | ``..CERTIFICATE`` | The certificates to trust, a PEM file. |
| ``client_cert``, ``client_key`` | none | ``..CLIENT_CERTIFICATE``, ``..CLIENT_KEY`` \
| What this process shows to the server, PEM files. |
| ``send_timeout`` | 10 seconds | ``..TIMEOUT``, in milliseconds | The longest report. |
| ``max_report_size`` | 4128768 bytes | | The largest report before it is compressed: 64 KiB less \
than the 4 MiB that collectors take over gRPC. |
| ``semantic_names`` | True | | Gives the standard tags OpenTelemetry's names. |

``queue_size`` (16384 spans), ``batch_size`` (512 spans), ``interval`` (1 second), ``attempts`` (40)
and ``exit_timeout`` (5 seconds) are those of `BatchRecorder`. TLS and proxies are as
`opentracing_recorder.zipkin` describes them.

- ``..ENDPOINT`` gets ``/v1/traces`` added to its path; ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` is
  used as it is.
- ``..TIMEOUT`` is in milliseconds, as OpenTelemetry's specification says. Its SDK for Python takes
  seconds.
- A variable that cannot serve is reported in the log, and ignored. So is ``grpc``:
  `opentracing_recorder.opentelemetry` sends over gRPC.

## Limits

The application never waits. If the queue is full, spans are dropped and counted;
``recorder.stats`` counts spans by outcome. At the interpreter's exit the rest is sent, within
``exit_timeout``. Redirects are not followed. 64 KiB of a reply's body are read.

## Errors

An argument that cannot serve raises TypeError or ValueError, which names it. Later faults are
logged, at most once a minute, without the values of ``headers``:

- The server answers 429, 502, 503 or 504, breaks off, or cannot be reached: the batch is sent
  again, up to ``attempts`` times, and not before the time in ``Retry-After``.
- It answers 413, or the report is larger than ``max_report_size``: the batch is sent in halves.
- It answers 400: the batch is sent in halves, until the span that it refuses stands alone.
- It answers any other status outside 2xx: the spans count as failed.
- It speaks gRPC, as servers do at port 4317: its answer cannot be read, or it breaks off, and the
  batch is sent again. Use the port for HTTP, 4318.
- It accepts the report but rejects spans (``partial_success``): these count as failed, and its
  message is logged.
- A span cannot be encoded: it counts as failed; the rest of its batch is sent.

## Fields

The table in `opentracing_recorder.opentelemetry` lists how tags, logs and references are sent.
Also sent are the flags of the trace, whether the parent is in another process, and the numbers of
tags and logs that a span left out. A character that UTF-8 cannot encode is sent as ``?``, an
integer of more than 64 bits as text, and a time before 1970 as 1970. Baggage is not sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentracing import Format, ScopeManager
from opentracing.interrupts import reraise_interrupt

from . import _otlp_json, _otlp_protobuf
from ._arguments import check_type
from ._environment_variables import (
    SERVICE_NAME,
    named_service,
    otlp_value_of,
    otlp_variable,
    warn,
)
from ._errors import shown
from ._failure_log import RateLimit, since_last
from ._http_post import Path
from ._http_report import HTTPReports
from ._json_safe import text_of
from ._otlp_environment import report_options, timeout_of_environment
from ._otlp_reply import rejected_spans
from ._otlp_resource import resource_of
from .b3_propagator import B3Propagator
from .batch import BatchRecorder
from .propagator import CompositePropagator, Propagator
from .recorder import Recorder, named
from .sampler import Sampler
from .span import BasicSpan
from .trace_context_propagator import TraceContextPropagator
from .tracer import BasicTracer

_logger = logging.getLogger(__name__)

_PATH = "/v1/traces"

DEFAULT_ENDPOINT = "http://localhost:4318"

MAX_REPORT_SIZE = (4096 - 64) * 1024
"""The default limit of a report, in bytes: collectors take 4 MiB over gRPC."""

_ENCODINGS: dict[str, Any] = {"http/protobuf": _otlp_protobuf, "http/json": _otlp_json}
_DEFAULT_PROTOCOL = "http/protobuf"

_RETRIED = frozenset({429, 502, 503, 504})


class OTLPRecorder(BatchRecorder):
    """Sends spans over OTLP/HTTP, in batches, on a thread of its own.

    The guide of this module describes the options. Raises TypeError or ValueError for an argument
    that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str | None = None,
        endpoint: str | None = None,
        *,
        resource_attributes: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        semantic_names: bool = True,
        headers: Mapping[str, str] | None = None,
        compress_from: int | None = None,
        max_report_size: int = MAX_REPORT_SIZE,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        queue_size: int = 16384,
        batch_size: int = 512,
        interval: float = 1.0,
        send_timeout: float | None = None,
        attempts: int = 40,
        exit_timeout: float = 5.0,
    ) -> None:
        self._resource = resource_of(service_name, resource_attributes)
        encoding = _encoding(protocol)
        self._encode_span = encoding.span_encoder(semantic_names)
        self._to_request = encoding.to_request
        self._reports = _reports(
            {
                "url": endpoint,
                "headers": headers,
                "compress_from": compress_from,
                "ca_file": ca_file,
                "client_cert": client_cert,
                "client_key": client_key,
            },
            max_report_size=max_report_size,
            own_headers={"content-type": encoding.CONTENT_TYPE},
        )
        self._destination = f"{shown(self._resource[SERVICE_NAME])} {self._reports.shown_url}"
        self._rejections = RateLimit()
        super().__init__(  # last: from here on a fork calls `forked`
            queue_size=queue_size,
            batch_size=batch_size,
            interval=interval,
            send_timeout=timeout_of_environment(10.0) if send_timeout is None else send_timeout,
            attempts=attempts,
            exit_timeout=exit_timeout,
        )

    @property
    def service_name(self) -> str:
        """The name that spans are sent under, and that of a tracer to which none is given."""
        return text_of(self._resource[SERVICE_NAME])

    def send(self, spans: Sequence[BasicSpan]) -> int:
        encoded = self.encode_each(spans, self._encode_span)
        if not encoded:
            return 0
        reply = self._reports.send(self._to_request(self._resource, encoded), self.send_timeout)
        if not reply.body:  # as it nearly always is
            return 0
        rejected, message = rejected_spans(reply.body)
        rejected = min(rejected, len(encoded))
        if (rejected or message) and (times := self._rejections.count()):
            of_its = f", but rejected {rejected} of its {len(encoded)} spans" if rejected else ""
            _logger.warning(
                "%s: the server accepted a report%s%s: %s",
                type(self).__name__,
                of_its,
                since_last(times),
                self._reports.shown(message) or "it gives no reason",
            )
        return rejected

    def release(self) -> None:
        self._reports.close()

    def forked(self) -> None:
        self._reports.forget()


class OTLPTracer(BasicTracer):
    """A tracer for OTLP: W3C's headers and B3, trace ids of 128 bits, and an `OTLPRecorder`.

    ::

        tracer = OTLPTracer("shop", endpoint="http://collector:4318")

    - `service_name` and `endpoint` are those of the `OTLPRecorder`, which has its defaults
      otherwise.
    - `recorder` is used instead: an `OTLPRecorder` with other options, or any other. The tracer
      has its `service_name`, if it has one and none is given.
    - `propagators` are added to W3C and B3 for HTTP_HEADERS and TEXT_MAP. B3 is read, and not
      written.
    - The other arguments are those of `BasicTracer`.

    Raises TypeError or ValueError for an argument that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str | None = None,
        endpoint: str | None = None,
        sampler: Sampler | None = None,
        scope_manager: ScopeManager | None = None,
        *,
        recorder: Recorder | None = None,
        propagators: Mapping[Any, Propagator] | None = None,
        trace_id_bits: int = 128,
        max_tags: int = 128,
        max_logs: int = 128,
    ) -> None:
        if recorder is None:
            recorder = OTLPRecorder(service_name, endpoint)
        elif endpoint is not None:
            raise TypeError("endpoint cannot be given beside recorder: give it to the recorder")
        w3c = TraceContextPropagator()
        headers = CompositePropagator([w3c, B3Propagator()], written=[w3c])
        super().__init__(
            recorder,
            sampler,
            scope_manager,
            propagators={
                Format.HTTP_HEADERS: headers,
                Format.TEXT_MAP: headers,
                **(propagators or {}),
            },
            trace_id_bits=trace_id_bits,
            max_tags=max_tags,
            max_logs=max_logs,
            service_name=named(recorder) or named_service()
            if service_name is None
            else service_name,
        )


def _encoding(protocol: str | None) -> Any:
    if protocol is None:
        protocol = otlp_value_of("PROTOCOL").lower() or _DEFAULT_PROTOCOL
        if protocol not in _ENCODINGS:
            warn(otlp_variable("PROTOCOL"), " or ".join(_ENCODINGS), _DEFAULT_PROTOCOL)
            protocol = _DEFAULT_PROTOCOL
    check_type("protocol", protocol, str)
    if protocol not in _ENCODINGS:
        raise ValueError(f"protocol must be {' or '.join(_ENCODINGS)}, not {protocol!r}")
    return _ENCODINGS[protocol]


def _reports(given: Mapping[str, Any], **fixed: Any) -> HTTPReports:
    """Reports with the options that are given, and the usable ones of the environment."""

    def made(**options: Any) -> HTTPReports:
        return HTTPReports(
            "the OTLP server",
            retried=_RETRIED,
            url_option="endpoint",
            **{"url": DEFAULT_ENDPOINT, "default_path": _PATH, **fixed, **options},
        )

    options = {name: value for name, value in given.items() if value is not None}
    reports = made(**options)  # raises for what is given
    for variables, found in report_options():
        if not options.keys().isdisjoint(found):
            continue
        try:
            reports = made(**options, **found)
        except (TypeError, ValueError) as error:
            reraise_interrupt()
            warn(variables, f"usable ({error})", "that of OTLPRecorder")
        else:
            options.update(found)
    return reports
