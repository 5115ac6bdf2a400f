"""JaegerPropagator: the headers of the Jaeger client libraries, for TEXT_MAP and HTTP_HEADERS.

::

    from opentracing_recorder import BasicTracer, JaegerPropagator

    jaeger = JaegerPropagator(encode_values=True)
    context = jaeger.extract({"uber-trace-id": "1c3b00da:deadbeef:0:1", "uberctx-user": "amy"})
    child = BasicTracer().start_span("work", child_of=context)
    headers = {}
    jaeger.inject(child.context, headers)
    assert headers["uber-trace-id"].startswith("000000001c3b00da:")
    assert headers["uberctx-user"] == "amy"

The wire is that of Jaeger's documentation, "Client Libraries", section "Propagation Format":
``uber-trace-id``, and one ``uberctx-KEY`` for each baggage item. People who start a trace by hand
write ``jaeger-debug-id`` and ``jaeger-baggage``. An undecided context is written as sampled. Limits
and errors: see `opentracing_recorder.propagator`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._baggage import (
    MAX_ENCODED_BAGGAGE,
    PrefixedBaggage,
    bounded_baggage,
    form_decoded,
    percent_decoded,
)
from ._errors import shown
from ._hex_ids import hex_ids
from ._hex_ids_read import parse_hex_id, parse_hex_ids
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import CarrierPropagator

_TRACE = "uber-trace-id"
_DEBUG_ID = "jaeger-debug-id"
_BAGGAGE_LIST = "jaeger-baggage"
_FIELDS = frozenset((_TRACE, _DEBUG_ID, _BAGGAGE_LIST))
_BAGGAGE = "uberctx-"

_SAMPLED_BIT = 1
_DEBUG_BIT = 2
_DECISIONS = {"1": True, "0": False, "01": True, "00": False}  # by flags, as they usually are

_MAX_DEBUG_ID = 256  # characters


class JaegerPropagator(CarrierPropagator):
    """Reads and writes ``uber-trace-id``, and baggage as ``uberctx-*``.

    `encode_values` (default: False) is for HTTP_HEADERS: baggage is percent-encoded, so that
    nothing but visible ASCII reaches the wire, and keys come back in lower case, as header names
    do. Otherwise, for TEXT_MAP, baggage is kept as it is.

    The debug flag is ``"debug": "1"`` in `extra`. A ``jaeger-debug-id`` without a trace gives a
    context that starts one, sampled and debugged, with that id under the header's name in `extra`;
    baggage without a trace, a context that starts one with this baggage. The two headers for
    traces that are started by hand are only read.
    """

    def __init__(self, encode_values: bool = False) -> None:
        self.encode_values = encode_values
        # Some clients write a space as "+"; all of them write "+" as "%2B".
        self._baggage = PrefixedBaggage(_BAGGAGE, _FIELDS, encode_values, form_decoded)
        super().__init__(self._baggage.field_of, [(_TRACE,)])

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        ids = hex_ids(span_context.trace_id, span_context.span_id, span_context.parent_id)
        if ids is None:
            return
        trace_id, span_id, parent = ids
        if span_context.extra and span_context.is_debug:
            flags = "3"
        else:  # `or` saves the call of a property
            flags = "1" if span_context.sampled or span_context.is_sampled else "0"
        # An empty dict takes the entries as they are, without a call.
        entries = carrier if type(carrier) is dict and not carrier else {}
        entries[_TRACE] = f"{trace_id}:{span_id}:{parent or '0'}:{flags}"
        if span_context._baggage:
            entries.update(self._baggage.entries(span_context))
        if entries is not carrier:
            self._format.write(carrier, entries)

    def _read_usual(self, carrier: Any, names: tuple[str, ...], context: RemoteSpanContext) -> None:
        trace_id, span_id, parent_id, flags = carrier[names[0]].split(":", 4)
        context.trace_id, context.span_id = parse_hex_ids(trace_id, span_id)
        context.sampled = _DECISIONS[flags]
        if parent_id != "0":
            context.parent_id = parse_hex_id(_TRACE, parent_id, 16)

    def _from_any(self, carrier: Any) -> BasicSpanContext | None:
        fields = self._format.read_text(carrier, (_TRACE,))
        if not fields:
            return None
        trace = fields.get(_TRACE)
        context = _parse_trace(trace) if trace else self._start_of_trace(fields)
        context._baggage, dropped = bounded_baggage(self._baggage_items(fields))
        if dropped:
            context.dropped_baggage = dropped
        return context if context.has_trace or context.sampled or context._baggage else None

    def _start_of_trace(self, fields: Mapping[str, str]) -> RemoteSpanContext:
        """The context of a new trace's first span."""
        debug_id = fields.get(_DEBUG_ID)
        if not debug_id:
            return RemoteSpanContext(sampled=None)
        if self.encode_values:
            debug_id = form_decoded(debug_id[: 12 * _MAX_DEBUG_ID])
        extra = {"debug": "1", _DEBUG_ID: debug_id[:_MAX_DEBUG_ID]}
        return RemoteSpanContext(sampled=True, extra=extra)

    def _baggage_items(self, fields: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        yield from self._baggage.items(fields)
        if _BAGGAGE_LIST in fields:
            yield from _parse_list(fields[_BAGGAGE_LIST], self.encode_values)


def _parse_trace(value: str) -> RemoteSpanContext:
    """From ``trace-id:span-id:parent-span-id:flags``, all hexadecimal, padded or not."""
    parts = percent_decoded(value).split(":", 4)
    if len(parts) != 4:
        raise SpanContextCorruptedException(
            f"{_TRACE} got an invalid value {shown(value)},"
            " should be trace-id:span-id:parent-span-id:flags"
        )
    trace_id, span_id, parent_id, flags = parts
    bits = _parse_flags(flags)
    # A parent of 0 means a root.
    is_root = parent_id == "0" or (parent_id and not parent_id.strip("0"))
    return RemoteSpanContext(
        parse_hex_id("the trace id of uber-trace-id", trace_id, 32),
        parse_hex_id("the span id of uber-trace-id", span_id, 16),
        None,
        bool(bits & (_SAMPLED_BIT | _DEBUG_BIT)),
        None if is_root else parse_hex_id(f"the parent id of {_TRACE}", parent_id, 16),
        {"debug": "1"} if bits & _DEBUG_BIT else NO_EXTRA,
    )


def _parse_flags(value: str) -> int:
    """One byte, whose other bits are of no interest here."""
    try:
        octets = bytes.fromhex(value.strip(" \t").zfill(2))
    except ValueError:
        reraise_interrupt()
        octets = b""
    if len(octets) != 1:
        raise SpanContextCorruptedException(
            f"the flags of {_TRACE} got an invalid hexadecimal value {shown(value)}"
        )
    return octets[0]


def _parse_list(value: str, encoded: bool) -> Iterable[tuple[str, str]]:
    """The items of ``key=value, key=value``; any other text is skipped."""
    if encoded and len(value) > MAX_ENCODED_BAGGAGE:  # one item that is over the limit, and counted
        yield value, ""
        return
    for item in (percent_decoded(value) if encoded else value).split(","):
        key, equals, item_value = item.partition("=")
        if equals and key.strip():
            yield key.strip(), item_value.strip()
