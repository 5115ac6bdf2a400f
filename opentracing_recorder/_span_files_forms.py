"""The spans in a value of JSON, whichever program wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opentracing.interrupts import reraise_interrupt

from . import _span_files_jaeger as jaeger
from . import _span_files_otlp as otlp
from . import _span_files_zipkin as zipkin
from ._span_files_values import dict_of

Span = dict[str, Any]

_NO_IDS = "it has no trace and span id"


class NotSpans(ValueError):
    """A value holds no span; its text is the reason."""


def spans_of(value: Any) -> Iterator[Span | tuple[int, str]]:
    """Each span in a value; for one of several that cannot be read, its number and the reason.

    Raises NotSpans for a value that is no span and holds none.
    """
    if isinstance(value, list):
        for number, each in enumerate(value, 1):
            try:
                yield from spans_of(each)
            except NotSpans as error:
                yield number, str(error)
        return
    if not isinstance(value, dict):
        raise NotSpans(_NO_IDS)
    # A part of a broken file may be a reference or a link, which has ids as well.
    if "trace_id" in value and "span_id" in value and "type" not in value:
        yield value  # our own
    elif zipkin.is_span(value):
        yield _one(zipkin.span_of, value)
    elif jaeger.is_trace(value):
        yield from _each(jaeger.spans_of(value), jaeger.span_of)
    elif jaeger.is_span(value):
        yield _one(jaeger.span_of, value, None)
    elif otlp.is_resource(value):
        yield from _each(otlp.spans_of_resource(value), otlp.span_of)
    elif otlp.is_request(value):
        yield from _each(otlp.spans_of_request(value), otlp.span_of)
    elif otlp.is_span(value):
        yield _one(otlp.span_of, value, {})
    elif "traceEvents" in value:
        raise NotSpans("it has Chrome's trace events, which are not read")
    else:
        # An answer whose first member is another, such as the number of traces.
        inner = value.get("data", value.get("trace"))
        yield from spans_of(inner if isinstance(inner, (list, dict)) else None)


def _one(span_of: Callable[..., Span], *arguments: Any) -> Span:
    try:
        return span_of(*arguments)
    except ValueError as error:
        reraise_interrupt()
        raise NotSpans(str(error)) from None


def _each(
    found: Iterator[tuple[Any, Any]], span_of: Callable[..., Span]
) -> Iterator[Span | tuple[int, str]]:
    for number, (span, shared) in enumerate(found, 1):
        try:
            yield _one(span_of, dict_of(span), shared)
        except NotSpans as error:
            yield number, str(error)
