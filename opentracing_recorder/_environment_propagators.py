"""The propagators that ``OTEL_PROPAGATORS`` names, for OpenTracing's formats."""

from __future__ import annotations

from copy import copy
from typing import Any

from opentracing import Format, SpanContext

from ._baggage import format_w3c_baggage, parse_w3c_baggage
from ._environment_variables import value_of, warn
from .b3_propagator import B3Propagator
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .jaeger_propagator import JaegerPropagator
from .propagator import CarrierPropagator, CompositePropagator, Propagator
from .text_propagator import TextPropagator
from .trace_context_propagator import TraceContextPropagator

VARIABLE = "OTEL_PROPAGATORS"
W3C = ("tracecontext", "baggage")
NAMES = (*W3C, "b3", "b3multi", "jaeger", "ottrace")


def named_propagators() -> tuple[str, ...]:
    """The names that are set, each once, also those that are not known here; empty for none."""
    names = [each.strip().lower() for each in value_of(VARIABLE).split(",")]
    found = tuple(dict.fromkeys(filter(None, names))) or W3C
    return () if "none" in found else found


def known_propagators(names: tuple[str, ...], others: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names that are known here. Those that are neither known nor `others` are reported."""
    known = tuple(each for each in names if each in NAMES)
    if names and not known and not others:
        known = W3C
    if not set(names) <= {*NAMES, *others}:
        expected = f"of {', '.join(NAMES)} or none, separated by commas"
        warn(VARIABLE, expected, ",".join(known) or "the others")
    return known


def propagators_of(names: tuple[str, ...]) -> dict[Any, Propagator]:
    """A propagator for HTTP_HEADERS and one for TEXT_MAP.

    All of the named formats are written. As in OpenTelemetry, the last one counts if a carrier has
    several.
    """
    return {
        Format.HTTP_HEADERS: _joined(names, encode_values=True),
        Format.TEXT_MAP: _joined(names, encode_values=False),
    }


def single(name: str, encode_values: bool) -> CarrierPropagator:
    """The propagator for one name."""
    if name == "tracecontext":
        return _WithoutBaggage()
    if name == "baggage":
        return _BaggageAlone()
    if name == "b3":
        return B3Propagator(single_header=True)
    if name == "b3multi":
        return B3Propagator()
    return (JaegerPropagator if name == "jaeger" else ShortTextPropagator)(encode_values)


def _joined(names: tuple[str, ...], encode_values: bool) -> Propagator:
    if set(names) == set(W3C):
        return TraceContextPropagator()
    read: list[Propagator] = [single(name, encode_values) for name in names]
    if len(read) == 1:
        return read[0]
    written = list(read)
    if set(W3C) <= set(names):  # each of the two removes what the other one has written
        written = [each for each in written if not isinstance(each, _BaggageAlone)]
        written = [
            TraceContextPropagator() if isinstance(each, _WithoutBaggage) else each
            for each in written
        ]
    if {"b3", "b3multi"} <= set(names):
        written = [each for each in written if not isinstance(each, B3Propagator)]
        written.append(_BothB3())
    # Baggage goes with the trace of a format that is read after it.
    read.sort(key=lambda each: isinstance(each, _BaggageAlone))
    return CompositePropagator(read[::-1], written=written)


class _WithoutBaggage(TraceContextPropagator):
    """W3C Trace Context without W3C Baggage."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        context = basic_context(span_context)
        if context._baggage:
            context = copy(context)
            context._baggage = NO_EXTRA
        super().inject(context, carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        context = super().extract(carrier)
        if context is None or not context.has_trace:
            return None
        context._baggage = NO_EXTRA
        context.dropped_baggage = 0
        return context


class _BaggageAlone(CarrierPropagator):
    """W3C Baggage without a trace."""

    def __init__(self) -> None:
        super().__init__(lambda name: "baggage" if name.lower() == "baggage" else None, ())

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        context = basic_context(span_context)
        if context.has_trace:
            text = format_w3c_baggage(context) if context._baggage else ""
            self._format.write(carrier, {"baggage": text} if text else {})

    def _read_usual(self, carrier: Any, names: tuple[str, ...], context: RemoteSpanContext) -> None:
        raise ValueError  # `_from_any` reads it

    def _from_any(self, carrier: Any) -> BasicSpanContext | None:
        fields = self._format.read_text(carrier, (), ("baggage",))
        baggage, dropped = parse_w3c_baggage(fields.get("baggage", ""))
        if not baggage:
            return None
        context = RemoteSpanContext(baggage=baggage, sampled=None)
        context.dropped_baggage = dropped
        return context


class _BothB3(B3Propagator):
    """Writes B3's single header beside the several ones."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        entries: dict[str, str] = {}
        super().inject(span_context, entries)
        one: dict[str, str] = {}
        B3Propagator(single_header=True).inject(span_context, one)
        if one:
            self._format.write(carrier, {**entries, **one})


class ShortTextPropagator(TextPropagator):
    """Writes the low 64 bits of a trace id, as OpenTelemetry does: other readers take no more."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        context = basic_context(span_context)
        if context.has_trace and (context.trace_id or 0) >> 64:
            context = copy(context)
            context.trace_id = (context.trace_id or 0) & (1 << 64) - 1
        super().inject(context, carrier)
