"""ScopeManager: keeps the active span of each thread, task or greenlet for a tracer.

A tracer has one as its `scope_manager`. Use it to activate a span that exists already::

    from opentracing_recorder import BasicTracer

    tracer = BasicTracer()
    span = tracer.start_span("job")
    with tracer.scope_manager.activate(span, finish_on_close=True):
        print(tracer.scope_manager.active.span is span)
    print(tracer.scope_manager.active)

which prints::

    True
    None

- `ScopeManager` itself is a no-op: its `active` is the same no-op scope each time, and not None.
- `activate` and `active` may be called from any thread. Each thread, task or greenlet has an active
  scope of its own; `opentracing.scope_managers` describes which of them inherit it.
- To write a scope manager, override both, and test it with `opentracing.harness.scope_check`.
"""

from __future__ import annotations

from .scope import Scope
from .span import Span, SpanContext


class ScopeManager:
    """The interface between a tracer and the concurrency runtime; this base class does nothing.

    `opentracing.scope_managers` has the implementations.
    """

    def __init__(self) -> None:
        self._noop_span = Span(tracer=None, context=SpanContext())
        self._noop_scope = Scope(self, self._noop_span)

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one until the returned scope is closed.

        With `finish_on_close`, closing the scope finishes the span.
        """
        return self._noop_scope

    @property
    def active(self) -> Scope | None:
        """The active scope, or None. Its span is the implicit parent of new spans."""
        return self._noop_scope
