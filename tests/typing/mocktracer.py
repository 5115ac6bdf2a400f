"""How suites use the mock tracer and the harness, for type checkers alone: never imported."""

from __future__ import annotations

import unittest

from opentracing import ScopeManager, Tracer
from opentracing.harness.api_check import APICompatibilityCheckMixin
from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
from opentracing.mocktracer import MockTracer, Propagator
from opentracing.mocktracer.span import LogData, MockSpan
from opentracing.scope_managers import ThreadLocalScopeManager


def a_suite() -> None:
    tracer = MockTracer(ThreadLocalScopeManager())
    tracer.register_propagator("mine", Propagator())
    span: MockSpan = tracer.start_span("x").set_tag("a", 1)
    active: MockSpan | None = tracer.active_span
    owner: MockTracer = span.tracer
    span.finished, span.finish_time, span.logs = True, 1.0, [LogData({})]
    found: list[MockSpan] = tracer.finished_spans() + owner.unfinished_spans()
    print(active, [each.context.trace_id for each in found], found[0].logs[0].key_values)


class TracerSuite(unittest.TestCase, APICompatibilityCheckMixin):
    def tracer(self) -> Tracer:
        return MockTracer()

    def is_parent(self, parent: MockSpan | None, span: MockSpan) -> bool:
        return span.parent_id == (None if parent is None else parent.context.span_id)


class ScopeManagerSuite(unittest.TestCase, ScopeCompatibilityCheckMixin):
    def scope_manager(self) -> ScopeManager:
        return ThreadLocalScopeManager()
