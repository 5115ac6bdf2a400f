"""Propagators, which write contexts into carriers and read them back.

`inject` writes a span's context into the headers of a request. `extract` reads it in the service
that is called::

    from opentracing import Format
    from opentracing_recorder import B3Propagator, BasicTracer, CompositePropagator
    from opentracing_recorder import TraceContextPropagator

    w3c, b3 = TraceContextPropagator(), B3Propagator()
    formats = {Format.HTTP_HEADERS: CompositePropagator([w3c, b3], written=[w3c])}
    tracer = BasicTracer(propagators=formats)

    request = {"X-B3-TraceId": "463ac35c9f6413ad", "X-B3-SpanId": "a2fb4a1d1a96d312"}
    span = tracer.start_span("work", child_of=tracer.extract(Format.HTTP_HEADERS, request))
    headers = {}
    tracer.inject(span, Format.HTTP_HEADERS, headers)
    assert list(headers) == ["traceparent"]

Without `propagators`, a tracer writes and reads the text format for HTTP_HEADERS and TEXT_MAP, and
the binary format for BINARY.

## Formats

- `opentracing_recorder.text_propagator`: ``ot-tracer-traceid``, ``ot-tracer-spanid``,
  ``ot-tracer-sampled``, ``ot-baggage-*``. Source: basictracer for Go, Python and JavaScript.
- `opentracing_recorder.binary_propagator`: a length and a message of protocol buffers. Source:
  basictracer-go's ``wire.proto``.
- `opentracing_recorder.trace_context_propagator`: ``traceparent``, ``tracestate``, ``baggage``.
  Source: W3C Trace Context and W3C Baggage; OpenTelemetry and many others use it.
- `opentracing_recorder.b3_propagator`: ``b3``, ``x-b3-*``. Source: openzipkin/b3-propagation.
- `opentracing_recorder.jaeger_propagator`: ``uber-trace-id``, ``uberctx-*``, ``jaeger-debug-id``,
  ``jaeger-baggage``. Source: the Jaeger client libraries.
- `CompositePropagator` reads the first of several formats that is present, and writes several.
- `opentracing_recorder.edge_propagator` reads any of them at the edge of your network, where
  strangers call: your sampler decides anew, and the caller's baggage can be left out.

`encode_values=True` of the text format and Jaeger is for HTTP_HEADERS; W3C and B3 need no such
choice. The remaining fields (``tracestate``, the random flag, the debug flag) are sent on to every
descendant.

## Carriers

Text formats take any mapping or iterable of pairs: dicts, lists of tuples, ASGI's headers, gRPC's
metadata, Kafka's headers. Names and values are str or bytes; header names are read in any case; of
a list of values the first counts. A mapping with the name ``REQUEST_METHOD`` is a WSGI environ:
there, and only there, a header has the form ``HTTP_X_NAME``. To be written to, a carrier is a
mutable mapping or a list. None means "no headers" to `extract`.

An injected context takes the place of all of its format's headers, in any case and however often
they are present. If a service copies a stranger's headers and injects its own span over them,
nothing of the stranger's trace and baggage is sent on. Headers of other formats stay, except those
that a `CompositePropagator` reads and does not write.

Kafka's clients want header values in bytes. `inject` writes text into an empty list; wrap the list
in `opentracing_recorder.KafkaHeaders` to write bytes. To extract, pass the list itself.

## Limits

- Baggage read from a carrier: 64 items and 8192 bytes of keys and values, in UTF-8.
- Baggage written into a carrier: the same, in the encoding of the format, for all formats of a
  `CompositePropagator` together; the first format writes first.
- Items over a limit are dropped and counted in the context's `dropped_baggage`; the trace goes on.
  What is dropped when writing is also logged, at most once a minute.
- Entries read from a carrier that is no dict, list or tuple: 10,000. A carrier with 10,000 entries
  or more is refused for writing.
- In HTTP_HEADERS, baggage is percent-encoded: no line break, and nothing but ASCII, reaches a
  header; keys come back in lower case. TEXT_MAP keeps both as they are, and is not meant for HTTP.

## Errors

`extract` raises `opentracing.InvalidCarrierException` for a carrier of the wrong type, and
`opentracing.SpanContextCorruptedException` with the field and its value for a malformed trace. The
tracer raises `opentracing.UnsupportedFormatException` for a format without a propagator. Nothing
else is raised, whatever a carrier holds, and nothing is ever unpickled. `inject` raises
`InvalidCarrierException` for a carrier that it cannot write to.

## Your own format

Derive from `Propagator`, and register the instance for a format of any name::

    from opentracing_recorder import BasicSpanContext, BasicTracer, Propagator, RemoteSpanContext

    class QueuePropagator(Propagator):
        def inject(self, span_context, carrier):
            carrier["trace"] = f"{span_context.to_trace_id()}/{span_context.to_span_id()}"

        def extract(self, carrier):
            if not carrier or "trace" not in carrier:
                return None
            trace_id, span_id = carrier["trace"].split("/")
            return RemoteSpanContext(int(trace_id, 16), int(span_id, 16))

    tracer = BasicTracer(propagators={"queue": QueuePropagator()})
    message = {}
    tracer.inject(BasicSpanContext(1, 2), "queue", message)
    assert tracer.extract("queue", message).span_id == 2

This one still has to refuse malformed text. `opentracing_recorder.harness.PropagatorCheckMixin`
holds the whole contract as tests: derive a test class from it, and define `propagator`.

A propagator that only injects, or only extracts, need not derive from `Propagator`. It gets the
object that the caller passed; `opentracing_recorder.context.basic_context` reads it if it is
another tracer's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from copy import copy
from itertools import chain
from types import SimpleNamespace

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_type
from ._baggage import SharedBaggage, bounded_baggage, report_dropped
from ._carrier import CarrierFormat, pairs_of
from .context import (
    NO_EXTRA,
    BasicSpanContext,
    ExtractedSpanContext,
    RemoteSpanContext,
    basic_context,
    copied_baggage,
)

__all__ = ["CompositePropagator", "Propagator"]


class Propagator(ABC):
    """Writes and reads span contexts in one format. Methods are called from any thread."""

    @abstractmethod
    def inject(self, span_context: SpanContext, carrier: t.Any) -> None:
        """Write `span_context` into `carrier`; a context without a trace writes nothing.

        The new entries replace all of this format that the carrier holds, such as headers that
        were copied from a stranger's request.

        Raises `InvalidCarrierException` for a carrier it cannot write to, such as None.
        """

    @abstractmethod
    def extract(self, carrier: t.Any) -> BasicSpanContext | None:
        """Read a context out of `carrier`; None if it holds no trace of this format, or is None.

        Raises `InvalidCarrierException` for a carrier it cannot read, and
        `SpanContextCorruptedException`, with the field and its value, for a malformed trace, and
        nothing else, whatever the carrier holds.
        """

    def remove_from(self, carrier: t.Any) -> None:  # noqa: B027
        """Remove all that `carrier` holds of this format. By default, it does nothing.

        A `CompositePropagator` calls it if it reads a format and does not write it. Raises
        `InvalidCarrierException` for a carrier it cannot write to.
        """


class CarrierPropagator(Propagator):
    """The base of the text formats here: extracts with a `CarrierFormat`.

    A format defines `inject`, `_read_usual` and `_from_any`.
    """

    def __init__(
        self, field_of: Callable[[str], str | None], usual: Iterable[tuple[str, ...]]
    ) -> None:
        self._format = CarrierFormat(field_of, usual)
        self._plans = self._format.plans

    def remove_from(self, carrier: t.Any) -> None:
        self._format.remove_from(carrier)

    def extract(self, carrier: t.Any) -> BasicSpanContext | None:
        if type(carrier) is dict:
            try:
                names = self._plans[(*carrier,)]
                if names:
                    # The constructor of a context, unrolled.
                    context = ExtractedSpanContext()
                    context._baggage = context.extra = NO_EXTRA
                    context.parent_id = None
                    self._read_usual(carrier, names, context)
                    return context
                if names is not None:
                    return None
            except Exception:  # `_from_any` finds what is wrong, and names it
                reraise_interrupt()
        return self._from_any(carrier)

    @abstractmethod
    def _read_usual(
        self, carrier: t.Any, names: tuple[str, ...], context: RemoteSpanContext
    ) -> None:
        """Set the ids, `sampled`, and what else is read, of a dict with one of the usual sets of
        fields, which it has under these names.

        Serves nearly all carriers. If it raises any exception, `_from_any` is called.
        """

    @abstractmethod
    def _from_any(self, carrier: t.Any) -> BasicSpanContext | None:
        """Read any carrier, as `extract` promises."""


class CompositePropagator(Propagator):
    """Reads the first of several formats that is present, and writes several.

    `propagators` are those that read, in this order. The first whole trace is extracted, and the
    formats after it are not read. If one format's headers are malformed, the others are still
    tried, and the error is raised only if none of them has anything. A decision without a trace
    counts only if no format has a trace. Baggage without a trace, such as that of a ``baggage``
    header, goes with the trace of a format after it.

    `written` are those that write (default: all of `propagators`, in their order). Headers of the
    other formats are then removed from the carrier: this service's neighbours read them too, and
    would take a stranger's for ours. The limits of baggage hold for all written formats together;
    the first format writes first.
    """

    def __init__(
        self, propagators: Iterable[Propagator], *, written: Iterable[Propagator] | None = None
    ) -> None:
        self.propagators = _checked("propagators", propagators)
        self.written = self.propagators if written is None else _checked("written", written)
        self._only_read = tuple(
            each for each in self.propagators if self.written and each not in self.written
        )

    def inject(self, span_context: SpanContext, carrier: t.Any) -> None:
        # An empty dict holds nothing to remove.
        is_empty = type(carrier) is dict and not carrier
        if self._only_read and not is_empty and basic_context(span_context).has_trace:
            _remove(self._only_read, carrier)
        if len(self.written) > 1:
            known: t.Any = basic_context(span_context)
            baggage = known._baggage
            # A composite around this one shares for both.
            if baggage is not NO_EXTRA and type(baggage) is not SharedBaggage:
                shared = SharedBaggage(copied_baggage(baggage))
                context = _with_baggage(known, shared)
                for propagator in self.written:
                    propagator.inject(context, carrier)
                if shared.dropped:
                    report_dropped(known, shared.dropped)
                return
        for propagator in self.written:
            propagator.inject(span_context, carrier)

    def remove_from(self, carrier: t.Any) -> None:
        _remove(dict.fromkeys((*self.propagators, *self.written)), carrier)

    def extract(self, carrier: t.Any) -> BasicSpanContext | None:
        if carrier is None:
            return None
        if not hasattr(type(carrier), "__len__"):  # an iterator, which can be read only once
            carrier = pairs_of(carrier)
        without_trace: BasicSpanContext | None = None
        broken: SpanContextCorruptedException | None = None
        for propagator in self.propagators:
            try:
                context = propagator.extract(carrier)
            except SpanContextCorruptedException as error:
                broken = broken or error
                continue
            if context is None:
                continue
            context = basic_context(context)  # of an application's propagator, it may be another
            if without_trace is not None:
                context = _joined(context, without_trace)
            if context.has_trace:
                return context
            without_trace = context
        if broken is not None and without_trace is None:
            raise broken
        return without_trace


def _with_baggage(context: BasicSpanContext, baggage: SharedBaggage) -> BasicSpanContext:
    try:
        shared = copy(context)
    except Exception:  # a class of the application
        reraise_interrupt()
        return context
    shared._baggage = baggage
    return shared


def _remove(propagators: Iterable[Propagator], carrier: t.Any) -> None:
    for propagator in propagators:
        remove_from = getattr(propagator, "remove_from", None)
        if remove_from is not None:  # it is missing if the class does not derive from Propagator
            remove_from(carrier)


def _checked(name: str, propagators: Iterable[Propagator]) -> tuple[Propagator, ...]:
    check_type(name, propagators, Iterable, "Propagators")
    return tuple(
        as_propagator(each, f"{name} must be Propagators, not {type(each).__name__}")
        for each in propagators
    )


def as_propagator(value: t.Any, refusal: str) -> Propagator:
    """`value`, if it can inject, extract or both; a TypeError that says `refusal` otherwise.

    As 2.4 and basictracer took them, it need not derive from `Propagator`.
    """
    halves = {name: getattr(value, name, None) for name in ("inject", "extract")}
    usable = [callable(half) for half in halves.values()]
    if isinstance(value, type) or not any(usable):
        raise TypeError(refusal)
    if all(usable):
        return value  # type: ignore[no-any-return]
    # The other half does nothing.
    return SimpleNamespace(
        **{  # type: ignore[return-value]
            name: half or (lambda *arguments: None) for name, half in halves.items()
        }
    )


def _joined(context: BasicSpanContext, earlier: BasicSpanContext) -> BasicSpanContext:
    """`context` with the baggage and the decision that came before it without a trace."""
    joined = copy(context)
    if not context.has_trace and earlier.sampled is not None:
        joined.sampled, joined.extra = earlier.sampled, earlier.extra
    if earlier.baggage:
        items = chain(context.baggage.items(), earlier.baggage.items())
        joined._baggage, dropped = bounded_baggage(items)
        joined.dropped_baggage = context.dropped_baggage + earlier.dropped_baggage + dropped
    return joined
