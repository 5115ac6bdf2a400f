"""Every call by which an application passes a value to a tracer or a span."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opentracing import Format, Reference, ReferenceType, Span, Tracer, child_of, logs, tags
from opentracing_recorder import BasicSpanContext
from opentracing_recorder._json_safe import text_of

Place = Callable[[Tracer, Any], Span]
"""Starts a span, puts the value into it, and finishes it."""


def _in_span(put: Callable[[Any, Any], object]) -> Place:
    def place(tracer: Tracer, value: Any) -> Span:
        span = tracer.start_span("hostile")
        put(span, value)
        span.finish()
        return span

    return place


def _at_start(arguments: Callable[[Any], dict[str, Any]]) -> Place:
    def place(tracer: Tracer, value: Any) -> Span:
        span = tracer.start_span(**{"operation_name": "hostile", **arguments(value)})
        span.finish()
        return span

    return place


def _as_key(value: Any) -> dict[Any, Any]:
    """A dict with the value as a key, or without it if no dict accepts it."""
    if issubclass(type(value), tuple):  # its hash may take forever
        return {"other": 1}
    try:
        return {value: value, "other": 1}
    except Exception:
        return {"other": 1}


def _failed(span: Span, value: Any) -> None:
    span.set_tag(tags.ERROR, True)
    keys = (logs.MESSAGE, logs.ERROR_OBJECT, logs.ERROR_KIND, logs.STACK)
    span.log_kv({logs.EVENT: "error", **dict.fromkeys(keys, value)})
    for key in keys:
        span.log_kv({logs.EVENT: "error", key: value})


def _raised(tracer: Tracer, value: Any) -> Span:
    error = value if issubclass(type(value), Exception) else ValueError(value, value)
    if text_of(error).startswith("<"):  # its text would take forever
        error = ValueError("without it")
    with pytest.raises(type(error)) as caught, tracer.start_active_span("hostile") as scope:
        raise error
    assert caught.value is error
    return scope.span


def _recorded(span: Any, value: Any) -> None:
    """The value as an exception, in one, and as the cause of one."""
    errors = [value, ValueError(value, value), ValueError("outer")]
    if _is_error(value):
        errors[2].__cause__ = value
    for error in errors:
        # The text of some would take forever: `str` of the API is not bounded.
        if not text_of(error).startswith("<") or not _is_error(error):
            assert span.record_exception(error) is span


def _is_error(value: Any) -> bool:
    return issubclass(type(value), BaseException)


def _in_finish(tracer: Tracer, value: Any) -> Span:
    span = tracer.start_span("hostile")
    span.finish(value)
    return span


def _late(tracer: Tracer, value: Any) -> Span:
    span = tracer.start_span("hostile")
    span.finish()
    span.set_operation_name(value)
    _recorded(span, value)
    span.set_tag(value, value).set_tag("key", value).set_tags(value)
    assert not span.is_recording()
    span.log_kv(value).log_kv({"key": value}, value)
    span.set_baggage_item(value, value).get_baggage_item(value)
    span.finish(value)
    return span


def _injected(span: Any, value: Any) -> None:
    for format in (Format.TEXT_MAP, Format.HTTP_HEADERS):
        span.tracer.inject(value, format, {})
        span.tracer.inject(span.set_baggage_item("key", value), format, {})
    span.tracer.inject(span, Format.BINARY, bytearray())


PLACES: dict[str, Place] = {
    "operation name": _at_start(lambda value: {"operation_name": value}),
    "child_of": _at_start(lambda value: {"child_of": value}),
    "references": _at_start(lambda value: {"references": value}),
    "a reference among others": _at_start(
        lambda value: {"references": [value, child_of(BasicSpanContext(1, 2)), value]}
    ),
    "what a reference refers to": _at_start(
        lambda value: {"references": [Reference(ReferenceType.CHILD_OF, value)]}
    ),
    "a reference's type": _at_start(
        lambda value: {"references": [Reference(value, BasicSpanContext(1, 2))]}
    ),
    "tags": _at_start(lambda value: {"tags": value}),
    "a tag at start": _at_start(lambda value: {"tags": {"key": value}}),
    "a tag's key at start": _at_start(lambda value: {"tags": _as_key(value)}),
    "a span kind at start": _at_start(lambda value: {"tags": {tags.SPAN_KIND: value}}),
    "start_time": _at_start(lambda value: {"start_time": value}),
    "ignore_active_span": _at_start(lambda value: {"ignore_active_span": value is None}),
    "set_operation_name": _in_span(lambda span, value: span.set_operation_name(value)),
    "set_tag": _in_span(lambda span, value: span.set_tag("key", value)),
    "a tag's key": _in_span(lambda span, value: span.set_tag(value, value)),
    **{
        f"the tag {tag}": _in_span(lambda span, value, tag=tag: span.set_tag(tag, value))
        for tag in (
            *(tags.ERROR, tags.SPAN_KIND, tags.SAMPLING_PRIORITY, tags.PEER_PORT),
            *(tags.PEER_SERVICE, tags.PEER_HOST_IPV4, tags.HTTP_STATUS_CODE),
        )
    },
    "set_tags": _in_span(lambda span, value: span.set_tags(value)),
    "a tag among others": _in_span(lambda span, value: span.set_tags(_as_key(value))),
    "record_exception": _in_span(_recorded),
    "a log": _in_span(lambda span, value: span.log_kv(value)),
    "a log's field": _in_span(lambda span, value: span.log_kv({"key": value, "event": "e"})),
    "a log's key": _in_span(lambda span, value: span.log_kv(_as_key(value))),
    "a log's event": _in_span(lambda span, value: span.log_kv({"event": value})),
    "a log's event and field": _in_span(
        lambda span, value: span.set_tag("error", True).log_kv({"event": value, "message": value})
    ),
    "a log's timestamp": _in_span(lambda span, value: span.log_kv({"event": "e"}, value)),
    "log_event": _in_span(lambda span, value: span.log_event(value, value)),
    "the log of an error": _in_span(_failed),
    "an error that leaves the span": _raised,
    "baggage": _in_span(lambda span, value: span.set_baggage_item("key", value)),
    "the key of baggage": _in_span(lambda span, value: span.set_baggage_item(value, "value")),
    "get_baggage_item": _in_span(lambda span, value: span.get_baggage_item(value)),
    "inject": _in_span(_injected),
    "finish": _in_finish,
    "after finish": _late,
}

TAGS = {place: PLACES[place] for place in ("tags", "a tag at start", "a span kind at start")}
