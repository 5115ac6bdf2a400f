"""Calls of which nothing is traced: else each report of spans would cause spans to report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from opentracing.interrupts import reraise_interrupt

from .context import BasicSpanContext
from .span import BasicSpan

ResultT = TypeVar("ResultT")

_NOT_SAMPLED = BasicSpanContext(sampled=False)


def send_untraced(
    send: Callable[[Sequence[BasicSpan]], ResultT], spans: Sequence[BasicSpan]
) -> ResultT:
    """`send(spans)`, with an un-sampled span active in each of the tracers that made `spans`.

    What an instrumented client starts meanwhile is its child, and so not sampled either; what was
    started before, and finishes on this thread because its garbage is collected here, is kept.
    """
    scopes = []
    try:
        try:
            # Past the property, which costs more than all else here.
            for tracer in {span._tracer for span in spans}:
                scopes.append(tracer.start_active_span("report", _NOT_SAMPLED))
        except Exception:  # the scope manager may be the application's; spans are sent all the same
            reraise_interrupt()
        return send(spans)
    finally:
        for scope in reversed(scopes):
            try:
                scope.close()
            except Exception:  # it would pass for a failure of `send`
                reraise_interrupt()
