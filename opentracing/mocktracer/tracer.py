"""MockTracer: a BasicTracer that keeps every span in memory, and numbers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import opentracing
from opentracing import Format, Reference, ScopeManager, Span
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing_recorder import BasicSpan, BasicTracer, InMemoryRecorder
from opentracing_recorder import Propagator as AbstractPropagator

from .binary_propagator import BinaryPropagator
from .context import SpanContext, known_context
from .propagator import Propagator
from .span import MockSpan
from .text_propagator import TextPropagator

TYPE_CHECKING = False


class MockTracer(BasicTracer):
    """Records spans for a test to look at::

        tracer = MockTracer()
        tracer.start_span("fetch", tags={"http.method": "GET"}).finish()
        (span,) = tracer.finished_spans()
        assert (span.operation_name, span.tags) == ("fetch", {"http.method": "GET"})

    Ids are consecutive from 1, one for each span and one for each trace. No span is left out,
    whatever the sampling decision it arrives with. The default scope manager is
    `ThreadLocalScopeManager`.

    Propagators for TEXT_MAP, HTTP_HEADERS and BINARY are there from the start; on a carrier without
    a trace they raise `SpanContextCorruptedException`.
    """

    def __init__(self, scope_manager: ScopeManager | None = None) -> None:
        self._finished = InMemoryRecorder()
        self._unfinished: dict[MockSpan, None] = {}  # in the order in which they started
        super().__init__(
            self._finished,
            scope_manager=ThreadLocalScopeManager() if scope_manager is None else scope_manager,
        )
        self.register_propagator(Format.TEXT_MAP, TextPropagator())
        self.register_propagator(Format.HTTP_HEADERS, TextPropagator())
        self.register_propagator(Format.BINARY, BinaryPropagator())
        numbers = count(1)
        self._new_id = lambda bits: next(numbers)

    if TYPE_CHECKING:

        @property
        def active_span(self) -> MockSpan | None: ...

        def register_propagator(
            self, format: Any, propagator: Propagator | AbstractPropagator
        ) -> None: ...

    _known_context = staticmethod(known_context)

    def finished_spans(self) -> list[MockSpan]:
        """The spans finished since the start or the last `reset`, in that order; a copy."""
        return self._finished.spans  # type: ignore[return-value]

    def unfinished_spans(self) -> list[MockSpan]:
        """The spans started and not finished, in the order of their start; `reset` keeps them.

        A suite that asserts that there are none catches instrumentation that forgets a span.
        """
        return list(self._unfinished.copy())  # the copy is one atomic step

    def reset(self) -> None:
        """Forget the finished spans. Spans that finish later are kept again."""
        self._finished.clear()

    def start_span(
        self,
        operation_name: str | None = None,
        child_of: Span | opentracing.SpanContext | None = None,
        references: Sequence[Reference] | Reference | None = None,
        tags: Mapping[str, Any] | None = None,
        start_time: float | None = None,
        ignore_active_span: bool = False,
    ) -> MockSpan:
        # BasicTracer finds the span's place in the trace; its sampling decision is dropped.
        placed = super().start_span(
            operation_name, child_of, references, None, start_time, ignore_active_span
        )
        context = SpanContext(
            placed.context.trace_id, placed.context.span_id, placed.context._baggage
        )
        # The clock is not read again: 2.4 read it once for a start, and tests count the readings.
        start_time = placed.start_time
        span = MockSpan(self, operation_name, context, placed.parent_id, tags, start_time)
        span.references = placed.references
        self._unfinished[span] = None
        return span

    def record(self, span: BasicSpan) -> None:
        self._unfinished.pop(span, None)  # type: ignore[call-overload]
        super().record(span)
