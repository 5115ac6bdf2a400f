"""OpenTelemetryRecorder: spans go wherever OpenTelemetry's exporters send them.

Needs ``opentracing[opentelemetry]``, which is OpenTelemetry's SDK, and an exporter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry import context as current_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from opentracing import ReferenceType, logs, tags

from .batch import BatchRecorder, Rejected, Unavailable
from .context import BasicSpanContext
from .json_safe import json_safe, text_of
from .semantic_conventions import with_opentelemetry_names
from .span import BasicSpan, LogData, is_failed

# OpenTelemetry's instrumentation looks for this key; its API has no public name for it.
_SUPPRESSED = getattr(current_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")

_KINDS = {
    tags.SPAN_KIND_RPC_CLIENT: SpanKind.CLIENT,
    tags.SPAN_KIND_RPC_SERVER: SpanKind.SERVER,
    tags.SPAN_KIND_PRODUCER: SpanKind.PRODUCER,
    tags.SPAN_KIND_CONSUMER: SpanKind.CONSUMER,
}

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

_LATEST = 9e9  # seconds since the epoch, in the year 2255: 64 bits hold it in nanoseconds


class OpenTelemetryRecorder(BatchRecorder):
    """Hands finished spans, in batches, to an exporter of OpenTelemetry's.

    ::

        OpenTelemetryRecorder(OTLPSpanExporter, "shop")
        OpenTelemetryRecorder(lambda: OTLPSpanExporter(endpoint=url), "shop")

    - `exporter` makes a `SpanExporter` when called: its class, or a function without arguments. It
      is called when the first spans are sent, and again in each child process that sends some, as
      connections do not outlive a fork. A ready exporter serves as well where nothing forks: a child
      sends nothing through one that its parent has used.
    - `service_name` and `resource_attributes` describe the process. ``OTEL_RESOURCE_ATTRIBUTES``
      adds what they leave open.
    - `semantic_names` puts the standard tags under the names of OpenTelemetry's semantic
      conventions; `with_opentelemetry_names` lists them.
    - The other options are `BatchRecorder`'s. `send_timeout` does not reach the exporter, which has
      a timeout of its own.

    What the exporter could not deliver is handed to it again, up to `attempts` times in all. It
    does not say why it failed, nor whether a part arrived: such a part arrives twice, with the same
    ids. With ``attempts=1``, as in OpenTelemetry's SDK, only the exporter itself tries again.
    """

    def __init__(
        self,
        exporter: SpanExporter | Callable[[], SpanExporter],
        service_name: str,
        resource_attributes: Mapping[str, Any] | None = None,
        *,
        semantic_names: bool = True,
        **batch_options: Any,
    ) -> None:
        is_ready = not isinstance(exporter, type) and callable(getattr(exporter, "export", None))
        if not is_ready and not callable(exporter):
            raise TypeError(
                "exporter must be a SpanExporter, or make one when called;"
                f" {type(exporter).__name__} is neither"
            )
        if not isinstance(service_name, str):
            raise TypeError(f"service_name must be a str, not {type(service_name).__name__}")
        if resource_attributes is not None and not isinstance(resource_attributes, Mapping):
            raise TypeError(
                f"resource_attributes must be a Mapping, not {type(resource_attributes).__name__}"
            )
        super().__init__(**batch_options)
        self._make_exporter: Any = None if is_ready else exporter
        self._exporter: Any = exporter if is_ready else None
        self._exporter_is_used = False
        self._inherited: Any = None
        self._semantic_names = semantic_names
        self._scope = InstrumentationScope("opentracing", version("opentracing"))
        self._resource_attributes = {
            # "opentelemetry" is reserved for its own SDKs.
            "telemetry.sdk.name": "opentracing_recorder",
            "telemetry.sdk.version": version("opentracing"),
            **_attributes(resource_attributes or {}),
            "service.name": text_of(service_name),
        }
        self._resource: Resource | None = None

    # What BatchRecorder calls.

    def send(self, spans: Sequence[BasicSpan]) -> int:
        readable = []
        for span in spans:
            try:
                readable.append(self.readable_span(span))
            except Exception:  # whatever an application has put there, the others go out
                continue
        if readable:
            # Else an HTTP client that OpenTelemetry instruments would trace each report.
            token = current_context.attach(current_context.set_value(_SUPPRESSED, True))
            try:
                result = self._ready_exporter().export(readable)
            finally:
                current_context.detach(token)
            if result is SpanExportResult.FAILURE:  # some return nothing
                raise Unavailable(f"{type(self._exporter).__name__} could not deliver the batch")
        return len(spans) - len(readable)

    def flush(self, timeout: float | None = None) -> bool:
        """Hand over what was recorded before this call, and have the exporter deliver it.

        Within `timeout` seconds (None: no limit); returns whether all of it was delivered.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        delivered = super().flush(timeout)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return self._flush_exporter(left) and delivered

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
        self._resource = None  # it may identify the process

    def _flush_exporter(self, timeout: float | None) -> bool:
        force_flush = getattr(self._exporter, "force_flush", None)
        if force_flush is None:
            return True
        milliseconds = 30_000 if timeout is None else int(timeout * 1000)
        # Not every exporter returns something.
        return force_flush(milliseconds) is not False

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

    # The span in OpenTelemetry's terms.

    def readable_span(self, span: BasicSpan) -> ReadableSpan:
        """`span` as exporters want it. Raises ValueError for one whose ids no trace can have."""
        context = span.context
        if not context.has_trace:
            raise ValueError(f"a span of no trace: {context}")
        if self._resource is None:
            self._resource = Resource.create(self._resource_attributes)
        span_tags = span.tags.copy()  # in one atomic step: its owner may still change it
        kind = _KINDS.get(text_of(span_tags.get(tags.SPAN_KIND, "")).lower(), SpanKind.INTERNAL)
        events = [_event(log) for log in list(span.logs)]
        failure = _last_failure(events)
        start = _nanoseconds(span.start_time)
        return _FinishedSpan(
            span,
            name=text_of(span.operation_name),
            context=_span_context(context, context.is_remote),
            parent=_parent(span, kind),
            resource=self._resource,
            attributes=self._span_attributes(span_tags, kind, failure),
            events=events,
            links=_links(span),
            kind=kind,
            status=_status(span_tags, failure),
            start_time=start,
            end_time=start + _nanoseconds(span.duration),
            instrumentation_scope=self._scope,
        )

    def _span_attributes(
        self, span_tags: dict[str, Any], kind: SpanKind, failure: Mapping[str, Any]
    ) -> dict[str, Any]:
        attributes = with_opentelemetry_names(span_tags) if self._semantic_names else span_tags
        # The span's kind and status say these.
        if kind is not SpanKind.INTERNAL:
            attributes.pop(tags.SPAN_KIND, None)
        error = attributes.pop(tags.ERROR, None)
        if self._semantic_names and is_failed({tags.ERROR: error}) and _EXCEPTION_TYPE in failure:
            attributes.setdefault("error.type", failure[_EXCEPTION_TYPE])
        return _attributes(attributes)


class _FinishedSpan(ReadableSpan):
    """One that knows how much its BasicSpan has left out."""

    def __init__(self, span: BasicSpan, **fields: Any) -> None:
        super().__init__(**fields)
        self._dropped_tags = span.dropped_tags
        self._dropped_logs = span.dropped_logs

    @property
    def dropped_attributes(self) -> int:
        return self._dropped_tags

    @property
    def dropped_events(self) -> int:
        return self._dropped_logs


def _nanoseconds(seconds: float) -> int:
    """Seconds as nanoseconds; what OTLP has no number for becomes the nearest that it has."""
    return round(max(0.0, min(seconds, _LATEST)) * 1e9)


def _span_context(context: BasicSpanContext, is_remote: bool) -> SpanContext:
    assert context.trace_id is not None
    assert context.span_id is not None
    state = context.extra.get("tracestate")
    return SpanContext(
        context.trace_id,
        context.span_id,
        is_remote,
        _SAMPLED if context.sampled else TraceFlags(TraceFlags.DEFAULT),
        TraceState.from_header([state]) if state else None,
    )


def _parent(span: BasicSpan, kind: SpanKind) -> SpanContext | None:
    if span.parent_id is None:
        return None
    context = span.context
    # A span keeps no more of its parent than the id. A server and a consumer continue what another
    # process sent them.
    is_remote = kind in (SpanKind.SERVER, SpanKind.CONSUMER) or any(
        isinstance(each, BasicSpanContext) and each.span_id == span.parent_id and each.is_remote
        for _, each in span.references
    )
    parent = BasicSpanContext(
        context.trace_id, span.parent_id, sampled=context.sampled, extra=context.extra
    )
    return _span_context(parent, is_remote) if parent.has_trace else None


def _links(span: BasicSpan) -> list[Link]:
    """The references, but for what `parent` says: that the span is its child."""
    links = []
    said_by_parent = (ReferenceType.CHILD_OF, span.context.trace_id, span.parent_id)
    for kind, context in span.references:
        if not isinstance(context, BasicSpanContext) or not context.has_trace:
            continue
        if (kind, context.trace_id, context.span_id) != said_by_parent:
            attributes = {"opentracing.ref_type": text_of(kind)}
            links.append(Link(_span_context(context, context.is_remote), attributes))
    return links


# Tags and logs. OpenTelemetry's "OpenTracing Compatibility" specification says what becomes of errors.

_EXCEPTION_TYPE = "exception.type"
_EXCEPTION_MESSAGE = "exception.message"
_EXCEPTION_STACKTRACE = "exception.stacktrace"


def _status(span_tags: Mapping[str, Any], failure: Mapping[str, Any]) -> Status:
    if tags.ERROR not in span_tags:
        return Status(StatusCode.UNSET)
    if not is_failed(span_tags):
        return Status(StatusCode.OK)
    message = failure.get(_EXCEPTION_MESSAGE)
    if message is None:
        error = span_tags[tags.ERROR]  # some say here what went wrong
        message = None if text_of(error).lower() in ("true", "1") else text_of(error)
    return Status(StatusCode.ERROR, message)


def _event(log: LogData) -> Event:
    fields = dict(log.key_values)
    name = fields.pop(logs.EVENT, None)
    if name == "error" or (
        name is None and (logs.ERROR_OBJECT in fields or logs.ERROR_KIND in fields)
    ):
        name, fields = "exception", _exception(fields)
    return Event(
        name="log" if name is None else text_of(name),
        attributes=_attributes(fields),
        timestamp=_nanoseconds(log.timestamp),
    )


def _exception(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an error's log, under the names that exceptions have."""
    error = fields.get(logs.ERROR_OBJECT)
    kind = fields.pop(logs.ERROR_KIND, None)
    stack = fields.pop(logs.STACK, None)
    message = fields.pop(logs.MESSAGE, None)
    if isinstance(error, BaseException):
        del fields[logs.ERROR_OBJECT]
        kind = type(error) if kind is None else kind
        message = _message_of(error) if message is None else message
    found = {_EXCEPTION_TYPE: kind, _EXCEPTION_MESSAGE: message, _EXCEPTION_STACKTRACE: stack}
    exception = {key: text_of(value) for key, value in found.items() if value is not None}
    return {**exception, **fields}


def _message_of(error: BaseException) -> str | None:
    # What an exception's own __str__ does wrong, text_of has caught.
    return text_of(error).partition(": ")[2] or None


def _last_failure(events: Sequence[Event]) -> Mapping[str, Any]:
    """The attributes of the last exception among them."""
    for event in reversed(events):
        if event.name == "exception" and event.attributes:
            return event.attributes
    return {}


def _attributes(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Values under their names, without those that say nothing: None, and what has no name."""
    return {
        name: _attribute(value)
        for key, value in values.items()
        if value is not None and (name := text_of(key))
    }


def _attribute(value: Any) -> Any:
    """`value` as what every exporter takes: text, a number, a bool, or a list of one of these."""
    if type(value) is str:
        return text_of(value)
    safe = json_safe(value)
    if isinstance(safe, list):
        kinds = set(map(type, safe))
        is_plain = len(kinds) <= 1 and kinds <= {str, bool, int, float}
        return safe if is_plain and all(map(_fits, safe)) else json.dumps(safe, ensure_ascii=False)
    if isinstance(safe, dict):
        return json.dumps(safe, ensure_ascii=False)
    return safe if _fits(safe) else hex(safe)


def _fits(value: Any) -> bool:
    """Whether it is no number beyond the signed 64 bits of OTLP; JSON has 64 without a sign."""
    return type(value) is not int or value < 1 << 63
