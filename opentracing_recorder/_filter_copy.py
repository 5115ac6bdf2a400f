"""Copies of finished spans: one for a filter's function, made when needed, and a bare one."""

from __future__ import annotations

from opentracing import Reference

from . import _typing as t
from ._json_safe import text_of
from .context import BasicSpanContext, RemoteSpanContext, basic_context
from .span import BasicSpan, StartedSpan, context_of

BARE_NAME = "filter failed"

_DETAILS = "opentelemetry"  # the attribute that `_opentelemetry_api_span.DETAILS` names
_DESCRIPTION = "otel.status_description"

# The slot of a finished span that is free.
_original_of = vars(BasicSpan)["_started"].__get__


class Untouched(StartedSpan):
    """A copy of a span, `_started`, of which nothing was read or changed so far.

    The first use of any attribute makes it a `StartedSpan` with all fields.
    """

    __slots__ = ()

    if not t.TYPE_CHECKING:

        def __getattribute__(self, name):
            return getattr(made(self), name)


def _first_write(name: str) -> property:
    return property(
        None,
        lambda self, value: setattr(made(self), name, value),
        lambda self: delattr(made(self), name),
    )


# Not by `__setattr__`, nor by `__delattr__`: the recorder itself sets `_started`, at once.
for _each in (
    *BasicSpan.__slots__, "context", "_context", "references", "dropped_tags", "dropped_logs",
    _DETAILS,
):  # fmt: skip
    if _each != "_started":
        setattr(Untouched, _each, _first_write(_each))


def made(copy: t.Any) -> t.Any:
    """The copy with its fields."""
    kind: t.Any = type(copy)
    if kind is Untouched:
        original = _original_of(copy)
        copy.__class__ = StartedSpan  # the layout is the same
        del copy._started
        own_copy(original, copy)
    return copy


def own_copy(span: t.Any, made: t.Any = None) -> t.Any:
    """A copy that shares nothing with the span that can be changed, but values of tags and logs."""
    made = span._detached(made)
    context = made._own_context
    if context is not None:
        made._own_context = _with_baggage(context, context._baggage)
    details = getattr(made, _DETAILS, None)
    if details is not None:
        from copy import copy

        made.opentelemetry = copy(details)
    return made


def _with_baggage(context: BasicSpanContext, baggage: t.Any) -> BasicSpanContext:
    """A copy of a context with a copy of this baggage."""
    if type(context) is BasicSpanContext:
        return BasicSpanContext(
            context.trace_id,
            context.span_id,
            baggage,
            context.sampled,
            context.parent_id,
            context.extra,
        )
    from copy import copy

    own = copy(context)
    own._baggage = dict(baggage or ())
    return own


def set_baggage(span: t.Any, baggage: dict[str, str]) -> None:
    """Replace the baggage of a copy."""
    context = span._own_context
    if context is None:
        span._baggage = baggage
    else:
        context._baggage = baggage


def settle(span: t.Any) -> None:
    """Bring what OpenTelemetry reads of a changed copy in line with its tags and logs.

    A `TypeError` is raised for a copy that is no span any more.
    """
    if type(span.tags) is not dict:
        raise TypeError(f"tags must be a dict, not {type(span.tags).__name__}")
    details = getattr(span, _DETAILS, None)
    if details is None:
        return
    if _DESCRIPTION in details.own:
        shown = span.tags.get(_DESCRIPTION)
        if shown != details.status.description:
            details.describe(None if shown is None else text_of(shown))
    for log in span._logs or ():
        if getattr(log, "name", None) is not None and not log.is_error:
            log.name = text_of(log.key_values.get("event", "log"))


def bare_copy(span: t.Any) -> t.Any:
    """A span with the ids, the times and the tracer of this one, and nothing else of it.

    Tags and logs are counted as dropped. OpenTelemetry's kind and status code stay.
    """
    context = basic_context(context_of(span))
    bare: t.Any = StartedSpan()
    bare._tracer = getattr(span, "_tracer", None)
    bare._own_context = own = BasicSpanContext(
        context.trace_id, context.span_id, None, context.sampled, span.parent_id
    )
    bare._trace_id, bare._span_id = own.trace_id, own.span_id
    bare._sampled, bare._baggage, bare._plain = own.sampled, own._baggage, False
    bare.operation_name = BARE_NAME
    bare.parent_id, bare.start_time = span.parent_id, span.start_time
    bare.duration = span.duration
    bare.tags, bare._logs = {}, None
    bare.dropped_tags = span.dropped_tags + len(span.tags)
    bare.dropped_logs = span.dropped_logs + len(span._logs or ())
    bare.references = bare_references(span)
    details = getattr(span, _DETAILS, None)
    if details is not None:
        bare.opentelemetry = details.replaced(lambda text: None, lambda attributes: {})
    return bare


def bare_references(span: t.Any) -> tuple[Reference, ...]:
    """The references of a span, to contexts with nothing but ids."""
    bare = []
    for kind, given in span.references:
        context = basic_context(given)
        remote = RemoteSpanContext if context.is_remote else BasicSpanContext
        own = remote(context.trace_id, context.span_id, None, context.sampled)
        bare.append(Reference(kind, own))
    return tuple(bare)
