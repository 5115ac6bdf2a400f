"""Propagators of ours for OpenTelemetry's API, whose `propagate` injects and extracts with them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from opentelemetry import baggage as _baggage_api
from opentelemetry import trace as _trace_api
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import (
    TextMapPropagator,
    default_getter,
    default_setter,
)

from opentracing import SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._errors import loggable
from ._json_safe import text_of
from ._opentelemetry_api_scope import text_baggage
from ._opentelemetry_api_span import OURS
from ._opentelemetry_api_values import to_basic_context, to_span_context, valid_context_of
from .context import BasicSpanContext, basic_context
from .propagator import CarrierPropagator
from .span import context_of

_logger = logging.getLogger(__name__)

_VARIABLE = "OTEL_PROPAGATORS"
_FIELDS = {
    "b3": ("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"),
    "jaeger": ("uber-trace-id", "jaeger-debug-id", "jaeger-baggage"),
    "ottrace": ("ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"),
}
_FIELDS["b3multi"] = _FIELDS["b3"]


class HeadersPropagator(TextMapPropagator):
    """One of our formats, by its name in ``OTEL_PROPAGATORS``."""

    def __init__(self, name: str, propagator: CarrierPropagator) -> None:
        self._read = _FIELDS[name]
        self._propagator = propagator

    def inject(
        self, carrier: Any, context: Context | None = None, setter: Any = default_setter
    ) -> None:
        held = get_current() if context is None else context
        span: Any = _trace_api.get_current_span(held)
        own: BasicSpanContext
        if type(span) in OURS:
            own = basic_context(context_of(span.basic_span))
        else:
            given = valid_context_of(span)
            if given is None:
                return
            own = to_basic_context(given)
        baggage = text_baggage(_baggage_api.get_all(held))
        made = BasicSpanContext(
            own.trace_id, own.span_id, baggage, own.sampled, own.parent_id, own.extra
        )
        entries: dict[str, str] = {}
        self._propagator.inject(made, entries)
        for key, value in entries.items():
            setter.set(carrier, key, value)

    def extract(
        self, carrier: Any, context: Context | None = None, getter: Any = default_getter
    ) -> Context:
        held = Context() if context is None else context
        headers: dict[str, str] = {}
        # Not every getter lists the names; baggage has names of its own.
        for key in dict.fromkeys((*self._read, *map(text_of, getter.keys(carrier) or ()))):
            if self._propagator._format._field_of(key) is not None:
                values = getter.get(carrier, key)
                first = values if isinstance(values, str) else next(iter(values or ()), None)
                if first is not None:
                    headers[key] = text_of(first)
        try:
            found = self._propagator.extract(headers)
        except SpanContextCorruptedException:  # as if there were none
            reraise_interrupt()
            return held
        if found is None or not found.has_trace:
            return held
        if found.sampled is None:  # OpenTelemetry's flags have no such state
            found.sampled = True
        span = _trace_api.NonRecordingSpan(to_span_context(found, is_remote=True))
        held = _trace_api.set_span_in_context(span, held)
        for name, value in found.baggage.items():
            held = _baggage_api.set_baggage(name, value, held)
        return held

    @property
    def fields(self) -> set[str]:
        return set(self._read)


def set_propagators(
    names: Iterable[str], propagator_of: Callable[[str], CarrierPropagator]
) -> None:
    """Have OpenTelemetry's `propagate` use `names`: ours, W3C's of the API, or installed ones.

    A name of none of these is left out.
    """
    made: list[Any] = []
    for name in names:
        if name in _FIELDS:
            made.append(HeadersPropagator(name, propagator_of(name)))
            continue
        try:
            made.extend(each.load()() for each in _installed(name)[:1])
        except Exception as error:
            reraise_interrupt()
            _logger.warning("%s: %s is left out: %s", _VARIABLE, name, loggable(error))
    from opentelemetry.propagators.composite import CompositePropagator

    _propagate().set_global_textmap(CompositePropagator(made))


def is_installed(name: str) -> bool:
    """Whether a package gives OpenTelemetry's API a propagator of this name."""
    return bool(_installed(name))


def _installed(name: str) -> list[Any]:
    from opentelemetry.util._importlib_metadata import entry_points

    return list(entry_points(group="opentelemetry_propagator", name=name))


def _propagate() -> Any:
    """OpenTelemetry's module, which would raise at its import for a name that is not installed."""
    if "opentelemetry.propagate" in sys.modules:
        return sys.modules["opentelemetry.propagate"]
    given = os.environ.pop(_VARIABLE, None)
    try:
        return import_module("opentelemetry.propagate")
    finally:
        if given is not None:
            os.environ[_VARIABLE] = given
