"""The spans in a value of JSON, whichever program wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Union

from opentracing.interrupts import reraise_interrupt

from . import _span_files_jaeger as jaeger
from . import _span_files_otlp as otlp
from . import _span_files_zipkin as zipkin

Span = dict[str, Any]

NO_SPAN = "it has no trace and span id"


def spans_of(value: Any) -> Iterator[Union[Span, tuple[int, str]]]:
    """Each span in a value; for one that cannot be read, its number in the value and the reason.

    The number is 0 if the value itself is meant. Raises ValueError if no spans can be in it.
    """
    if not isinstance(value, dict):
        raise ValueError(NO_SPAN)
    if "trace_id" in value and "span_id" in value:
        yield value  # our own
        return
    if zipkin.is_span(value):
        yield zipkin.span_of(value)
    elif jaeger.is_trace(value):
        yield from _each(jaeger.spans_of(value), jaeger.span_of)
    elif jaeger.is_span(value):
        yield jaeger.span_of(value, None)
    elif otlp.is_resource(value):
        yield from _each(otlp.spans_of_resource(value), otlp.span_of)
    elif otlp.is_request(value):
        yield from _each(otlp.spans_of_request(value), otlp.span_of)
    elif otlp.is_span(value):
        yield otlp.span_of(value, {})
    else:
        # A list of spans that is not the first member, and so was not entered.
        inner = [value[name] for name in ("data", "trace") if isinstance(value.get(name), (list, dict))]
        if not inner:
            raise ValueError(NO_SPAN)
        for each in inner[0] if isinstance(inner[0], list) else inner[:1]:
            yield from spans_of(each)


def _each(found: Iterator[tuple[Any, Any]], span_of: Any) -> Iterator[Union[Span, tuple[int, str]]]:
    for number, (span, shared) in enumerate(found, 1):
        try:
            if not isinstance(span, dict):
                raise ValueError(NO_SPAN)
            yield span_of(span, shared)
        except ValueError as error:
            reraise_interrupt()
            yield number, str(error)
