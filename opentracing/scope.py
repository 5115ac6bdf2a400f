"""Scope: the time during which a span is the active one.

`start_active_span` of a tracer and `activate` of its scope manager return one. Leaving the ``with``
block closes it::

    from opentracing_recorder import BasicTracer

    tracer = BasicTracer()
    with tracer.start_active_span("request") as scope:
        print(tracer.active_span is scope.span)
    print(tracer.active_span)

which prints::

    True
    None

- An `Exception` that leaves the block is logged on the span, and then propagates.
- A scope stays in the thread or task that made it. You may pass its span to another.
- With the scope managers of `opentracing.scope_managers`, closing a scope again does nothing. Their
  guide describes scopes that are closed out of order.
"""

from __future__ import annotations

from . import _typing as t
from .span import Span


class Scope:
    """One activation of a span, ended by `close` or by leaving a ``with`` block.

    You may pass a span to another thread or task, but a scope stays in the one that made it. In
    this base class, `close` does nothing.
    """

    def __init__(self, manager: t.ScopeManager, span: Span) -> None:
        self._manager = manager
        self._span = span

    @property
    def span(self) -> Span:
        """The span that this scope makes active."""
        return self._span

    @property
    def manager(self) -> t.ScopeManager:
        """The scope manager that made this scope."""
        return self._manager

    def close(self) -> None:
        """End the activation; the scope that was active before becomes active again.

        Finishes the span too, if it was activated with ``finish_on_close``. If this scope is not
        the active one, the active one stays.
        """

    def __enter__(self: t.ScopeT) -> t.ScopeT:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: t.TracebackType | None,
    ) -> None:
        """Close the scope; an `Exception` that leaves the block is logged on the span first."""
        try:
            if exc_val is not None:
                Span._on_error(self.span, exc_type, exc_val, exc_tb)
        finally:
            self.close()

    async def __aenter__(self: t.ScopeT) -> t.ScopeT:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: t.TracebackType | None,
    ) -> None:
        # A tracer's own `__exit__` may return True.
        return self.__exit__(exc_type, exc_val, exc_tb)
