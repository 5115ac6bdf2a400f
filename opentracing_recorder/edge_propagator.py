"""EdgePropagator: reads contexts that strangers send, and leaves the decision to this service.

::

    from opentracing import Format
    from opentracing_recorder import BasicTracer, EdgePropagator, RateLimitingSampler
    from opentracing_recorder import TraceContextPropagator

    edge = EdgePropagator(TraceContextPropagator(), baggage=False)
    tracer = BasicTracer(
        sampler=RateLimitingSampler(10), propagators={Format.HTTP_HEADERS: edge}
    )
    request = {
        "traceparent": "00-0000000000000000463ac35c9f6413ad-a2fb4a1d1a96d312-01",
        "baggage": "user=amy",
    }
    context = tracer.extract(Format.HTTP_HEADERS, request)
    assert context.sampled is None  # the sampler decides, and not the caller
    assert context.baggage == {}

Use it at the edge of your network. Behind it, services follow each other's decisions. Without it, a
stranger's flags, debug included, could have every request recorded. Limits and errors: see
`opentracing_recorder.propagator`.
"""

from __future__ import annotations

from typing import Any

from opentracing import SpanContext

from ._arguments import check_type
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import Propagator

_TRACESTATE = "tracestate"
_CARRIED_ON = ("random", "randomness", _TRACESTATE)


class EdgePropagator(Propagator):
    """Reads and writes the format of `propagator`, but leaves the decision to the sampler here.

    The trace and the link to the caller stay: spans have the caller's trace id, and its span as
    their parent. The caller's flags, sampled and debug, are ignored: the tracer's sampler is asked,
    and its decision goes on to the services behind. If `baggage` is False (default: True), the
    caller's baggage is left out, too.

    Raises TypeError for an argument of another type.
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
