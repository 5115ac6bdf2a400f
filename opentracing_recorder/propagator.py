"""Propagator: a span context onto the wire and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from copy import copy
from itertools import chain
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

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


class Propagator(ABC):
    """Writes and reads span contexts in one format. Called from any thread."""

    @abstractmethod
    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        """Write `span_context` into `carrier`; a context without a trace writes nothing.

        What is written takes the place of all that the carrier holds of this format: of headers
        that were copied from a stranger's request, none is left.

        Raises `InvalidCarrierException` for a carrier it cannot write to, such as None.
        """

    @abstractmethod
    def extract(self, carrier: Any) -> BasicSpanContext | None:
        """Read a context out of `carrier`; None where it holds no trace of this format, or is None.

        Raises `InvalidCarrierException` for a carrier it cannot read, and
        `SpanContextCorruptedException`, with the field and its value, for a broken trace. Nothing
        else, whatever the carrier holds.
        """

    def remove_from(self, carrier: Any) -> None:  # noqa: B027 (what needs no more is complete)
        """Remove all that `carrier` holds of this format; by default nothing.

        A `CompositePropagator` asks for that where it reads a format and does not write it. Raises
        `InvalidCarrierException` for a carrier it cannot write to.
        """


class CarrierPropagator(Propagator):
    """The frame of our text formats, around a `CarrierFormat`.

    A format defines `inject`, `_read_usual` and `_from_any`.
    """

    def __init__(
        self, field_of: Callable[[str], str | None], usual: Iterable[tuple[str, ...]]
    ) -> None:
        self._format = CarrierFormat(field_of, usual)
        self._plans = self._format.plans

    def remove_from(self, carrier: Any) -> None:
        self._format.remove_from(carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        if type(carrier) is dict:
            try:
                names = self._plans[(*carrier,)]
                if names:
                    # The constructor unrolled.
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
    def _read_usual(self, carrier: Any, names: tuple[str, ...], context: RemoteSpanContext) -> None:
        """Set the ids, `sampled`, and what else is read, of a dict with one of the usual sets of
        fields, which it has under these names.

        The quick way for nearly all carriers. It may raise any exception: `_from_any` is next then.
        """

    @abstractmethod
    def _from_any(self, carrier: Any) -> BasicSpanContext | None:
        """Read any carrier, as `extract` promises."""


class CompositePropagator(Propagator):
    """Reads whichever of several formats is there, and writes several.

    ::

        CompositePropagator([TraceContextPropagator(), B3Propagator()], written=[B3Propagator()])

    The first trace, in the order given, that is there and whole is the one extracted; the formats
    after it are not looked at. A broken trace of one format does not hide what is good in another;
    it is raised only where there is nothing else. A decision without a trace counts only where no
    format has a trace; baggage without a trace, of a format before it, goes with the trace.

    `written` are the propagators that write (default: all of `propagators`, in their order). Where
    they do, what the carrier holds of the other formats is removed: this service's neighbours read
    them too, and would take what a stranger sent for ours. The limits of baggage hold for all that
    they write together; the first of them has the first turn.
    """

    def __init__(
        self, propagators: Iterable[Propagator], *, written: Iterable[Propagator] | None = None
    ) -> None:
        self.propagators = _checked("propagators", propagators)
        self.written = self.propagators if written is None else _checked("written", written)
        self._only_read = tuple(
            each for each in self.propagators if self.written and each not in self.written
        )

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        # Of an empty dict, nothing is to be removed.
        if self._only_read and not (type(carrier) is dict and not carrier):
            self._remove_only_read(span_context, carrier)
        if len(self.written) > 1:
            is_ours = type(span_context) is BasicSpanContext  # as it is nearly always: saves a call
            known: Any = span_context if is_ours else basic_context(span_context)
            baggage = known._baggage
            if (
                baggage is not NO_EXTRA
                and type(baggage)
                is not SharedBaggage  # a composite around this one shares for both
                and (baggage := copied_baggage(baggage))
            ):
                shared = SharedBaggage(baggage)
                context = _with_baggage(known, shared)
                for propagator in self.written:
                    propagator.inject(context, carrier)
                if shared.dropped:
                    report_dropped(known, shared.dropped)
                return
        for propagator in self.written:
            propagator.inject(span_context, carrier)

    def _remove_only_read(self, span_context: SpanContext, carrier: Any) -> None:
        if basic_context(span_context).has_trace:
            _remove(self._only_read, carrier)

    def remove_from(self, carrier: Any) -> None:
        _remove(dict.fromkeys((*self.propagators, *self.written)), carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
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
            context = basic_context(context)  # a propagator of somebody's own may have its own
            if without_trace is not None:
                context = _joined(context, without_trace)
            if context.has_trace:
                return context
            without_trace = context
        if broken is not None and without_trace is None:
            raise broken
        return without_trace


def _with_baggage(context: BasicSpanContext, baggage: SharedBaggage) -> BasicSpanContext:
    if type(context) is BasicSpanContext:  # as it is nearly always; `copy` costs five times as much
        shared = BasicSpanContext(
            context.trace_id, context.span_id, None, context.sampled, context.parent_id
        )
        shared.extra = context.extra
    else:
        try:
            shared = copy(context)
        except Exception:  # a class of somebody's own
            reraise_interrupt()
            return context
    shared._baggage = baggage
    return shared


def _remove(propagators: Iterable[Propagator], carrier: Any) -> None:
    for propagator in propagators:
        remove_from = getattr(propagator, "remove_from", None)
        if remove_from is not None:  # one that does not derive from Propagator need not have it
            remove_from(carrier)


def _checked(name: str, propagators: Iterable[Propagator]) -> tuple[Propagator, ...]:
    if not isinstance(propagators, Iterable):
        raise TypeError(f"{name} must be Propagators, not {type(propagators).__name__}")
    return tuple(
        as_propagator(each, f"{name} must be Propagators, not {type(each).__name__}")
        for each in propagators
    )


def as_propagator(value: Any, refusal: str) -> Propagator:
    """`value`, if it can inject, extract or both; a TypeError that says `refusal` otherwise.

    As 2.4 and basictracer took them, it need not derive from `Propagator`.
    """
    if isinstance(value, type):
        raise TypeError(refusal)
    halves = [callable(getattr(value, method, None)) for method in ("inject", "extract")]
    if not any(halves):
        raise TypeError(refusal)
    return value if all(halves) else _HalfPropagator(value)


class _HalfPropagator(Propagator):
    """Stands for an object that can only inject, or only extract: the other half does nothing."""

    def __init__(self, given: Any) -> None:
        self._inject = getattr(given, "inject", None)
        self._extract = getattr(given, "extract", None)

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if self._inject is not None:
            self._inject(span_context, carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        return None if self._extract is None else self._extract(carrier)


def _joined(context: BasicSpanContext, earlier: BasicSpanContext) -> BasicSpanContext:
    """`context` with what came without a trace before it: its baggage, and a first decision."""
    joined = copy(context)
    if not context.has_trace and earlier.sampled is not None:
        joined.sampled, joined.extra = earlier.sampled, earlier.extra
    if earlier.baggage:
        items = chain(context.baggage.items(), earlier.baggage.items())
        joined._baggage, dropped = bounded_baggage(items)
        joined.dropped_baggage = context.dropped_baggage + earlier.dropped_baggage + dropped
    return joined
