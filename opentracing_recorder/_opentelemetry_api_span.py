"""BridgedSpan: a BasicSpan as OpenTelemetry's API has it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
)

from opentracing import Reference, ReferenceType, tags
from opentracing import Span as OpenTracingSpan
from opentracing.interrupts import reraise_interrupt

from ._clock import nanoseconds
from ._errors import loggable
from ._json_safe import text_of
from ._opentelemetry_api_values import (
    FIT,
    MAX_ATTRIBUTES,
    UNSET,
    Details,
    EventLog,
    InstrumentationScope,
    Resource,
    cleaned_attributes,
    cleaned_value,
    is_name,
    name_of,
    plain_text,
    time_or_none,
    to_basic_context,
    to_span_context,
    usable_link,
)
from ._process import RenewedLock
from .context import basic_context
from .span import BasicSpan, context_of, is_failed

_logger = logging.getLogger(__name__)

DETAILS = "opentelemetry"
"""The attribute of a BasicSpan that has its `Details`."""

_MAX_LINKS = 128  # of a span that OpenTracing's API started

KINDS = {
    SpanKind.SERVER: tags.SPAN_KIND_RPC_SERVER,
    SpanKind.CLIENT: tags.SPAN_KIND_RPC_CLIENT,
    SpanKind.PRODUCER: tags.SPAN_KIND_PRODUCER,
    SpanKind.CONSUMER: tags.SPAN_KIND_CONSUMER,
}
_KINDS = {text: kind for kind, text in KINDS.items()}

_STATUS_CODE = "otel.status_code"
_STATUS_DESCRIPTION = "otel.status_description"

_lock = RenewedLock()  # held where a span has more attributes than it keeps, which is rare


class BridgedSpan(Span):
    """A span in the form of OpenTelemetry's API, whichever API started it.

    `basic_span` is the span itself. Two of these are equal if they are of the same span.
    """

    __slots__ = ("_details", "_scope", "basic_span")

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # `bridged` and the tracer set the fields

    basic_span: Any
    _details: Details | None
    _context: SpanContext | None = None
    _scope: Any
    """The scope that made it current, if one of ours did."""
    _records: tuple[bool, bool] = (True, True)
    """Whether `with span:` records an exception, and whether it sets the status."""

    def __eq__(self, other: object) -> bool:
        return type(other) is BridgedSpan and other.basic_span is self.basic_span

    def __hash__(self) -> int:
        return hash(self.basic_span)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.basic_span!r}>"

    # What the API has.

    def get_span_context(self) -> SpanContext:
        made = self._context
        if made is None:
            span, details = self.basic_span, self._details
            context = basic_context(context_of(span))
            is_random = None if details is None else details.is_random
            made = self._context = to_span_context(context, False, is_random)
        return made

    def is_recording(self) -> bool:
        span = self.basic_span
        try:
            return isinstance(span, OpenTracingSpan) and bool(span.is_recording())
        except Exception:  # a tracer's own attribute of that name
            reraise_interrupt()
            return True

    def set_attribute(self, key: str, value: Any) -> None:
        details, span = self._details, self.basic_span
        if details is None:
            if not isinstance(span, BasicSpan) or span.duration < 0.0:
                span.set_tag(key, value)
            else:
                span._called_late("set_attribute", each=True)
            return
        if not span._plain and self._is_over("set_attribute"):
            return
        if type(value) not in FIT or details.length is not None:
            value = cleaned_value(value, details.length)
        if type(key) is not str or not key:
            if not is_name(key):
                _drop(span, None)
                return
            key = "".join((key,))  # PyPy calls its own methods for `str.__str__`
        own = details.own
        if key in own:
            details.own = own = own - {key}
        kept = span.tags
        kept[key] = value
        limit = span._tracer.max_tags
        if len(kept) > limit and len(kept) > limit + len(own.intersection(kept)):
            _drop(span, key)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        details, span = self._details, self.basic_span
        if (details is None or not span._plain) and self._is_over("set_attributes"):
            return
        try:
            for key, value in attributes.items():
                if type(key) is str or (key := name_of(key)):
                    self.set_attribute(key, value)
                elif details is not None:
                    _drop(span, None)
        except Exception:
            reraise_interrupt()
            _logger.warning("attributes of type %s were left out", text_of(type(attributes)))

    def add_event(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        span, details = self.basic_span, self._details
        if not isinstance(span, BasicSpan):
            span.log_kv({"event": name, **cleaned_attributes(attributes, MAX_ATTRIBUTES)[0]})
            return
        if not span._plain and self._is_over("add_event"):
            return
        length, most = None, MAX_ATTRIBUTES
        if details is not None:
            length, most = details.length, details.origin.provider.max_event_attributes
        cleaned, dropped = cleaned_attributes(attributes, most, length)
        if type(name) is not str:
            name = text_of(name)
        log = EventLog(name, cleaned, time_or_none(timestamp), dropped)
        kept = span._logs
        if kept is None:
            kept = span.logs
        kept.append(log)
        if len(kept) > span._tracer.max_logs:
            span._drop_logs(kept)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        details = self._details
        length, most = None, MAX_ATTRIBUTES
        if details is not None:
            length, most = details.length, details.origin.provider.max_link_attributes
        link = usable_link(context, attributes, length, most)
        if link is None or self._is_over("add_link"):
            return
        add_links(self.basic_span, details, (link,))

    def update_name(self, name: str) -> None:
        if not self._is_over("update_name"):
            self.basic_span.set_operation_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._is_over("set_status"):
            return
        if isinstance(status, StatusCode):
            if description is not None and not isinstance(description, str):
                _logger.warning("a description of type %s was left out", text_of(type(description)))
                description = None
            status = Status(status, description)
        elif not isinstance(status, Status):
            _logger.warning("a status of type %s was left out", text_of(type(status)))
            return
        elif description is not None:
            _logger.warning("description %.200r was left out: the Status has its own", description)
        if status.status_code is StatusCode.UNSET:
            return
        span, details = self.basic_span, self._details
        if details is None:
            # A span of OpenTracing's: its tag is true, or the description.
            failed = status.status_code is StatusCode.ERROR
            span.set_tag(tags.ERROR, (status.description or True) if failed else False)
            return
        if details.status is not None and details.status.status_code is StatusCode.OK:
            return
        details.status = status
        self._show_status(status, details)

    def _show_status(self, status: Status, details: Details) -> None:
        kept, own = self.basic_span.tags, details.own
        is_ok = status.status_code is StatusCode.OK
        shown = {
            tags.ERROR: None if is_ok else True,
            _STATUS_CODE: "OK" if is_ok else None,
            _STATUS_DESCRIPTION: status.description,
        }
        for key, value in shown.items():
            if value is not None and (key in own or key not in kept):
                kept[key] = value
                own |= {key}
            elif key in own:
                kept.pop(key, None)
        details.own = own

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        if self._is_over("record_exception"):
            return
        kind = type(exception)
        name = kind.__qualname__
        if kind.__module__ and kind.__module__ != "builtins":
            name = f"{kind.__module__}.{name}"
        try:
            lines = traceback.format_exception(kind, exception, exception.__traceback__)
            stack = "".join(lines)
        except Exception:  # of its own methods
            reraise_interrupt()
            stack = text_of(exception)
        recorded: dict[str, Any] = {
            "exception.type": name,
            "exception.message": plain_text(exception),
            "exception.stacktrace": stack,
            "exception.escaped": plain_text(escaped),
        }
        try:
            recorded.update(attributes or ())
        except Exception:  # no mapping
            reraise_interrupt()
            _logger.warning("attributes of type %s were left out", text_of(type(attributes)))
        self.add_event("exception", recorded, timestamp)

    def end(self, end_time: int | None = None) -> None:
        span, details = self.basic_span, self._details
        end_time = time_or_none(end_time)
        if details is None:
            if not isinstance(span, BasicSpan) or span.duration < 0.0:
                span.finish(None if end_time is None else end_time / 1e9)
            else:
                span._called_late("end", each=True)
            return
        if span.duration >= 0.0:
            span._called_late("end", each=True)
            return
        if end_time is None:
            span.finish()
        else:
            details.end_time = end_time
            span.finish(end_time / 1e9)
        for processor in details.origin.provider.processors:
            call(processor, "on_end", self)

    def _is_over(self, method: str) -> bool:
        """Whether the span keeps nothing more; of an ended one, each call is reported."""
        span = self.basic_span
        if not isinstance(span, BasicSpan):
            return not isinstance(span, OpenTracingSpan)
        if span.duration >= 0.0:
            span._called_late(method, each=True)
            return True
        return not span.sampled

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            if exc_val is not None:
                record_failure(self, exc_val, *self._records, escaped=True)
        finally:
            self.end()

    # What instrumentation and processors read beyond it.

    @property
    def name(self) -> str:
        return text_of(getattr(self.basic_span, "operation_name", ""))

    @property
    def kind(self) -> SpanKind:
        if self._details is not None:
            return self._details.kind
        shown = getattr(self.basic_span, "tags", {}).get(tags.SPAN_KIND)
        return _KINDS.get(text_of(shown).lower(), SpanKind.INTERNAL)

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        return parent_of(self.basic_span, self._details)

    @property
    def attributes(self) -> Mapping[str, Any]:
        kept = getattr(self.basic_span, "tags", {}).copy()
        return MappingProxyType(kept if self._details is None else self._details.attributes(kept))

    @property
    def events(self) -> tuple[Any, ...]:
        found = list(getattr(self.basic_span, "_logs", None) or ())
        return tuple(Event(log) for log in found)

    @property
    def links(self) -> tuple[Link, ...]:
        return () if self._details is None else self._details.links

    @property
    def status(self) -> Status:
        details, shown = self._details, getattr(self.basic_span, "tags", {})
        failed = is_failed(shown) if details is None else details.is_failed_by_tag(shown)
        if failed:
            return Status(StatusCode.ERROR)
        return UNSET if details is None or details.status is None else details.status

    @property
    def start_time(self) -> int:
        return start_of(self.basic_span, self._details)

    @property
    def end_time(self) -> int | None:
        return end_of(self.basic_span, self._details)

    @property
    def resource(self) -> Resource | None:
        return None if self._details is None else self._details.origin.provider.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope | None:
        return None if self._details is None else self._details.scope

    @property
    def dropped_attributes(self) -> int:
        return getattr(self.basic_span, "dropped_tags", 0)

    @property
    def dropped_events(self) -> int:
        return getattr(self.basic_span, "dropped_logs", 0)

    @property
    def dropped_links(self) -> int:
        return 0 if self._details is None else self._details.dropped_links

    def to_json(self, indent: int | None = 4) -> str:
        """The span as exporters to a console show it, which the SDK has: it must be installed."""
        from opentelemetry.sdk import resources
        from opentelemetry.sdk.trace import ReadableSpan

        own = self.resource
        attributes = {} if own is None else dict(own.attributes)
        shown: Any = ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self.parent,
            resource=resources.Resource(attributes),
            attributes=self.attributes,
            events=self.events,
            links=self.links,
            kind=self.kind,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
        )
        return shown.to_json(indent)  # type: ignore[no-any-return]


class UnsampledSpan(NonRecordingSpan):
    """A span that is not sampled, as OpenTelemetry's API has it."""

    _scope: Any = None
    _details = None

    def __init__(self, span: BasicSpan, is_random: bool) -> None:
        super().__init__(to_span_context(span.context, False, is_random))
        self.basic_span = span


OURS = {BridgedSpan, UnsampledSpan}


@_lock.held
def _drop(span: BasicSpan, key: str | None) -> None:
    """Count an attribute that is left out; `key` is in the span already."""
    span.dropped_tags += 1
    if key is not None:
        span.tags.pop(key, None)


class Event:
    """An event as a reader of OpenTelemetry's spans sees it."""

    __slots__ = ("attributes", "dropped_attributes", "name", "timestamp")

    def __init__(self, log: Any) -> None:
        self.dropped_attributes: int = getattr(log, "dropped_attributes", 0)
        if type(log) is EventLog:
            self.name, self.timestamp = log.name, log.time_ns
            self.attributes: Mapping[str, Any] = MappingProxyType(log.attributes)
        else:
            fields = dict(log.key_values)
            self.name = text_of(fields.pop("event", "log"))
            self.timestamp = nanoseconds(log.timestamp)
            self.attributes = MappingProxyType(fields)

    def __repr__(self) -> str:
        return f"Event({self.name!r}, {dict(self.attributes)!r}, {self.timestamp})"


def bridged(span: Any) -> BridgedSpan:
    """A span of any tracer of OpenTracing's, for OpenTelemetry's API."""
    made = BridgedSpan()
    made.basic_span = span
    made._details = getattr(span, DETAILS, None) if isinstance(span, BasicSpan) else None
    made._scope = None
    return made


def add_links(span: Any, details: Details | None, links: tuple[Link, ...]) -> None:
    """Keep links of a span: as links for OpenTelemetry, and as references for all others.

    The newest are kept.
    """
    limit = _MAX_LINKS
    if details is not None:
        limit = details.origin.provider.max_links
        links = details.links + links
        over = max(0, len(links) - limit)
        details.dropped_links += over
        details.links = links = links[over:]
    if isinstance(span, BasicSpan):
        own = tuple(
            Reference(ReferenceType.FOLLOWS_FROM, to_basic_context(link.context))
            for link in links
            if link.context.is_valid
        )
        span.references = own if details is not None else (*span.references, *own)[-limit:]


def record_failure(
    span: Span, error: BaseException, records: bool, sets_status: bool, escaped: bool = False
) -> None:
    """Record the exception by which a span's block is left, and set the span's status.

    As in OpenTelemetry's SDK, one that is no `Exception` counts if it has `escaped` the span's own
    block, but not if the block only made the span current.
    """
    if (escaped or isinstance(error, Exception)) and span.is_recording():
        if records:
            span.record_exception(error, escaped=escaped)
        if sets_status:
            text = f"{type(error).__name__}: {plain_text(error)}"
            span.set_status(Status(StatusCode.ERROR, text))


def call(processor: Any, method: str, *args: Any) -> None:
    """Call a span processor's method; an exception of its own is logged."""
    try:
        getattr(processor, method)(*args)
    except Exception as error:
        reraise_interrupt()
        report_failure(error)


def report_failure(error: Exception) -> None:
    """Log the exception of a span processor."""
    _logger.error("a span processor failed; the application goes on", exc_info=loggable(error))


def start_of(span: Any, details: Details | None) -> int:
    """The start in nanoseconds since the epoch, exact if it was given."""
    if details is not None and details.start_time is not None:
        return details.start_time
    return nanoseconds(span.start_time)


def end_of(span: Any, details: Details | None) -> int | None:
    """The end in nanoseconds since the epoch, exact if it was given; None for an open span."""
    if span.duration < 0.0:
        return None
    if details is not None and details.end_time is not None:
        return details.end_time
    return start_of(span, details) + nanoseconds(span.duration)


def parent_of(span: Any, details: Details | None) -> SpanContext | None:
    """The context of a span's parent, which has its trace, flags and trace state."""
    if span.parent_id is None:
        return None
    context = span.context
    parent = type(context)(
        context.trace_id, span.parent_id, None, context.sampled, None, context.extra
    )
    if details is None:
        return to_span_context(parent, False)
    return to_span_context(parent, details.is_parent_remote, details.is_random)
