"""Sends spans to Zipkin: `ZipkinTracer` is a tracer made for it, `ZipkinRecorder` its recorder.

Install ``opentracing[zipkin,orjson]``, start a server (``docker run -p 9411:9411
openzipkin/zipkin``), and at the start of your application::

    import opentracing
    from opentracing_recorder.zipkin import ZipkinTracer

    opentracing.set_global_tracer(ZipkinTracer("shop", url="http://localhost:9411"))

`ZipkinTracer` is a `BasicTracer` that has what Zipkin's own tracers have: B3 headers for
``HTTP_HEADERS`` and ``TEXT_MAP``, trace ids of 128 bits, and a `ZipkinRecorder`, which sends spans
in batches from a thread of its own. The recorder has options of its own; give it to the tracer, or
to any `BasicTracer`::

    from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

    recorder = ZipkinRecorder(
        "shop",
        "https://zipkin.example:9411",
        headers={"Authorization": "Bearer ..."},
        queue_size=65536,
    )
    tracer = ZipkinTracer(recorder=recorder)

## Options of ZipkinRecorder

- ``service_name``: the name of this process in Zipkin, which shows it in lower case.
- ``url``: where spans are posted to (default: ``http://localhost:9411/api/v2/spans``). A URL
  without a path gets ``/api/v2/spans``.
- ``ip``, ``port``: the address under which this service is reached, for Zipkin to show (default:
  the address of this host that other hosts see, if it has one, and no port). Zipkin corrects the
  clocks of two services only if their addresses differ. ``ip=""`` sends none.
- ``headers``: sent with each report (default: none).
- ``compress_from``: the size in bytes from which a report is compressed with gzip (default: 16384
  bytes; for a server on this machine, never).
- ``max_report_size``: the most bytes of a report, before it is compressed (default: 10 MiB less
  64 KiB, as Zipkin's servers refuse more than 10 MiB).
- ``ca_file``: the certificates to trust instead of the system's, a PEM file (default: the
  system's, or those in ``SSL_CERT_FILE``).
- ``client_cert``, ``client_key``: the certificate, with its chain, that this process shows to the
  server, and its private key, PEM files (default: none). The key may be in the file of the
  certificate. It cannot be encrypted.
- ``queue_size`` (16384 spans), ``batch_size`` (512 spans), ``interval`` (1 second),
  ``send_timeout`` (10 seconds), ``attempts`` (40), ``exit_timeout`` (5 seconds): those of
  `BatchRecorder`.

## TLS and proxies

With an ``https`` URL, the server's certificate is verified. The files are read again for each
connection, so that renewed certificates are used. Reports go through the proxy in ``HTTPS_PROXY``
or ``HTTP_PROXY``, by the scheme of the URL, unless ``NO_PROXY`` names the host. The variables may
be in lower case, and are read when the recorder is created. A server on this machine, ``localhost``
or a loopback address, is reached without a proxy.

## Limits

The application never waits. If the queue is full, spans are dropped and counted;
``recorder.stats`` counts spans by outcome. At the interpreter's exit the rest is sent, within
``exit_timeout``. A report is one exchange, usually of at most ``send_timeout`` seconds; a slow
look-up of the name, or several addresses, may take longer. Redirects are not followed. 64 KiB of a
reply's body, and 128 KiB in all, are read.

## Errors

An argument that cannot serve raises TypeError or ValueError, which names it. A variable that holds
no proxy's URL is reported in the log, and ignored. Later faults are logged, at most once a minute,
without the values of ``headers``, the query of the URL or the proxy's password:

- The server answers 408, 429 or 5xx, breaks off, or cannot be reached: the batch is sent again, up
  to ``attempts`` times, and not before the time in ``Retry-After``.
- It answers 413, or the report would exceed ``max_report_size``: the batch is sent in halves.
- It answers 400: the batch is sent in halves, and these in halves, until each span that it refuses
  stands alone. That one counts as failed.
- It answers any other status outside 2xx: the spans count as failed.
- A span cannot be encoded: it counts as failed; the rest of its batch is sent.

## One span for both sides of a call

With ``ZipkinTracer(..., one_span_per_rpc=True)``, a span that is started with the tag ``span.kind``
= ``server``, for a caller in another process, has the id of its caller's span: both sides report
their half of one span, as Zipkin's own tracers do. Give the tag at the start, in ``tags=``. Without
the option, the server's span is a child of the caller's.

## Fields sent to Zipkin

- the operation and service names, in lower case, as ``name`` and ``localEndpoint``;
- its ids, as ``traceId``, ``id`` and ``parentId``; ``debug`` for the debug flag, ``shared`` for a
  span that has its caller's id;
- its times, as ``timestamp`` and ``duration`` in whole microseconds, at least 1;
- the tag ``span.kind``, as ``kind``, if it is client, server, producer or consumer;
- the tags ``peer.service``, ``peer.ipv4`` (text or number), ``peer.ipv6`` and ``peer.port``, as
  ``remoteEndpoint``; a value that is no address or port stays a tag;
- the tag ``error``, with its text; if that is only ``true``, with the message of the last log
  whose event is ``error``. A false one is left out, as Zipkin takes any ``error`` tag for a
  failure;
- other tags, as ``tags``: text as it is, numbers, booleans and collections as JSON, every other
  value as text;
- logs, as ``annotations``: the name of an event that has no other fields, otherwise the fields as
  JSON, cut at 4096 characters;
- references beyond the parent, as the tag ``references``, such as ``follows_from TRACEID:SPANID``,
  separated by commas;
- no baggage.

orjson encodes the spans; without it the standard library does, which takes twice as long. Install
``opentracing[zipkin]`` alone if orjson has no wheel: for builds without the GIL, and some
platforms. On PyPy it is left out by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from opentracing import Format, ScopeManager
from opentracing.interrupts import reraise_interrupt
from opentracing.tags import SPAN_KIND, SPAN_KIND_RPC_SERVER

from ._errors import shown
from ._http_post import Path
from ._http_report import HTTPReports
from ._zipkin_endpoint import local_endpoint
from ._zipkin_json import SharedSpanContext, not_version_1, span_encoder, to_json
from .b3_propagator import B3Propagator
from .batch import BatchRecorder, SpanRejected
from .context import BasicSpanContext
from .propagator import Propagator
from .recorder import Recorder
from .sampler import Sampler
from .span import BasicSpan
from .tracer import BasicTracer

_PATH = "/api/v2/spans"

DEFAULT_URL = f"http://localhost:9411{_PATH}"

MAX_REPORT_SIZE = 10 * 1024 * 1024 - 64 * 1024
"""The default limit of a report, in bytes: Zipkin's servers refuse more than 10 MiB."""

_HEADERS = {
    "content-type": "application/json",
    "b3": "0",  # a server that is traced itself does not trace the reports
}
_RETRIED = frozenset({408, 429, *range(500, 600)})


class ZipkinRecorder(BatchRecorder):
    """Sends spans to a Zipkin server as JSON (version 2), in batches, on a thread of its own.

    The guide of this module describes the options. Raises TypeError or ValueError for an argument
    that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str,
        url: str = DEFAULT_URL,
        *,
        ip: str | None = None,
        port: int | None = None,
        headers: Mapping[str, str] | None = None,
        compress_from: int | None = None,
        max_report_size: int = MAX_REPORT_SIZE,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        queue_size: int = 16384,
        batch_size: int = 512,
        interval: float = 1.0,
        send_timeout: float = 10.0,
        attempts: int = 40,
        exit_timeout: float = 5.0,
    ) -> None:
        self._encode_span = span_encoder(local_endpoint(service_name, ip, port))
        self._service_name = service_name
        self._reports = HTTPReports(
            "Zipkin",
            url,
            _PATH,
            own_headers=_HEADERS,
            max_report_size=max_report_size,
            retried=_RETRIED,
            headers=headers,
            compress_from=compress_from,
            ca_file=ca_file,
            client_cert=client_cert,
            client_key=client_key,
        )
        self._destination = f"{shown(service_name)} {self._reports.shown_url}"
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
        return self._service_name

    def send(self, spans: Sequence[BasicSpan]) -> None:
        encoded = self.encode_each(spans, self._encode_span)
        if not encoded:
            return
        body, time_limit, start = to_json(encoded), self.send_timeout, monotonic()
        try:
            self._reports.send(body, time_limit)
        except SpanRejected:
            reraise_interrupt()
            # Only now: such a text is rare, and the search is dear.
            escaped = not_version_1(body)
            left = time_limit - (monotonic() - start)
            if escaped == body or left <= 0:
                raise
            self._reports.send(escaped, left)

    def release(self) -> None:
        self._reports.close()

    def forked(self) -> None:
        self._reports.forget()


class ZipkinTracer(BasicTracer):
    """A tracer for Zipkin: B3 headers, trace ids of 128 bits, and a `ZipkinRecorder`.

    ::

        tracer = ZipkinTracer("shop", url="http://zipkin:9411")

    - `url` is that of the `ZipkinRecorder`, which has its defaults otherwise.
    - `recorder` is used instead: a `ZipkinRecorder` with other options, or any other. The tracer
      has its `service_name`, if it has one and none is given.
    - `propagators` are added to B3 for HTTP_HEADERS and TEXT_MAP.
    - `one_span_per_rpc` gives a server's span the id of its caller's span: see the guide of this
      module.
    - The other arguments are those of `BasicTracer`.

    Raises TypeError or ValueError for an argument that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str | None = None,
        url: str | None = None,
        sampler: Sampler | None = None,
        scope_manager: ScopeManager | None = None,
        *,
        recorder: Recorder | None = None,
        propagators: Mapping[Any, Propagator] | None = None,
        trace_id_bits: int = 128,
        max_tags: int = 128,
        max_logs: int = 128,
        one_span_per_rpc: bool = False,
    ) -> None:
        if recorder is None:
            if service_name is None:
                raise TypeError("service_name must be given, or a recorder that has one")
            recorder = ZipkinRecorder(service_name, DEFAULT_URL if url is None else url)
        elif url is not None:
            raise TypeError("url cannot be given beside recorder: give it to the recorder")
        b3 = B3Propagator()
        super().__init__(
            recorder,
            sampler,
            scope_manager,
            propagators={Format.HTTP_HEADERS: b3, Format.TEXT_MAP: b3, **(propagators or {})},
            trace_id_bits=trace_id_bits,
            max_tags=max_tags,
            max_logs=max_logs,
            service_name=service_name,
        )
        self.one_span_per_rpc = one_span_per_rpc
        if type(self).place_span is ZipkinTracer.place_span:
            self._places_spans = one_span_per_rpc  # False costs nothing

    def place_span(
        self, span: BasicSpan, parent: BasicSpanContext, tags: Mapping[str, Any] | None
    ) -> None:
        """With `one_span_per_rpc`, give a server's span the id of a parent in another process."""
        if not self.one_span_per_rpc or not parent.is_remote or span.parent_id is None:
            return
        if not _is_server(tags):
            return
        # A caller that left the decision to this service reports nothing of this span.
        kind = SharedSpanContext if parent.sampled else BasicSpanContext
        span.parent_id = parent.parent_id
        span.context = kind(
            parent.trace_id,
            parent.span_id,
            span._baggage,
            span.sampled,
            parent.parent_id,
            parent.extra,
        )


def _is_server(tags: Mapping[str, Any] | None) -> bool:
    try:
        return tags is not None and bool(tags.get(SPAN_KIND) == SPAN_KIND_RPC_SERVER)
    except Exception:  # of a value that cannot be compared
        reraise_interrupt()
        return False
