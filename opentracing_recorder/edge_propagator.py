"""EdgePropagator: reads what strangers send, and leaves the sampling decision to this service."""

from __future__ import annotations

from typing import Any

from opentracing import SpanContext

from ._arguments import check_type
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import Propagator

_TRACESTATE = "tracestate"
_CARRIED_ON = ("random", "randomness", _TRACESTATE)


class EdgePropagator(Propagator):
    """Reads what `propagator` reads, but leaves the decision to this service's sampler.

    ::

        edge = EdgePropagator(TraceContextPropagator(), baggage=False)
        BasicTracer(recorder, RateLimitingSampler(10), propagators={Format.HTTP_HEADERS: edge})

    For a service that strangers call. The trace and the link to the caller stay: spans have the
    caller's trace id, and its span as their parent. The caller's flags count for nothing, neither
    sampled nor debug: the tracer's sampler is asked anew, and what it says goes on to the services
    behind. With `baggage` False, the caller's baggage is left out, too.

    It writes what `propagator` writes. Raises TypeError for an argument that cannot serve.
    """

    def __init__(self, propagator: Propagator, *, baggage: bool = True) -> None:
        check_type("propagator", propagator, Propagator)
        check_type("baggage", baggage, bool)
        self.propagator = propagator
        self.baggage = baggage

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        self.propagator.inject(span_context, carrier)

    def remove_from(self, carrier: Any) -> None:
        self.propagator.remove_from(carrier)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        found = self.propagator.extract(carrier)
        if found is None:
            return None
        caller = basic_context(found)  # a propagator of somebody's own may have its own
        baggage = caller._baggage if self.baggage else None
        if not caller.has_trace and not baggage:  # a decision without a trace, say
            return None
        extra = {key: caller.extra[key] for key in _CARRIED_ON if key in caller.extra}
        if _TRACESTATE in extra:
            extra[_TRACESTATE] = _without_threshold(extra[_TRACESTATE])
        context = RemoteSpanContext(
            caller.trace_id, caller.span_id, baggage, None, caller.parent_id, extra or NO_EXTRA
        )
        if caller.dropped_baggage:
            context.dropped_baggage = caller.dropped_baggage
        return context


def _without_threshold(tracestate: str) -> str:
    """`tracestate` without OpenTelemetry's ``th``: the threshold of another one's decision."""
    members = []
    for member in tracestate.split(","):
        if member.startswith("ot="):
            kept = [field for field in member[3:].split(";") if not field.startswith("th:")]
            if not kept:
                continue
            member = f"ot={';'.join(kept)}"
        members.append(member)
    return ",".join(members)
