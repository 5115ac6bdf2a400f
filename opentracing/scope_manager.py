"""ScopeManager: keeps the active span of each thread, task or greenlet for a tracer."""

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
