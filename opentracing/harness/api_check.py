"""APICompatibilityCheckMixin: the contract of a tracer, as tests for its author.

A tracer that keeps nothing turns two checks off::

    from opentracing import Tracer
    from opentracing.harness.api_check import APICompatibilityCheckMixin

    class TestNoop(APICompatibilityCheckMixin):
        def tracer(self):
            return Tracer()

        def check_baggage_values(self):
            return False

        def check_scope_manager(self):
            return False

`opentracing.harness` lists the methods to override.
"""

from __future__ import annotations

from ._parent_check import ActiveSpanChecks, BaggageChecks, ParentChecks
from ._propagation_check import PropagationChecks
from ._span_check import SpanChecks


class APICompatibilityCheckMixin(
    SpanChecks, ActiveSpanChecks, ParentChecks, BaggageChecks, PropagationChecks
):
    """Checks that a tracer keeps the contract of the API::

        class MyTracerTest(unittest.TestCase, APICompatibilityCheckMixin):
            def tracer(self):
                return MyTracer()

            def is_parent(self, parent, span):
                return span.parent_id == (parent.context.span_id if parent else None)

    Without unittest, name the class ``Test...`` so that pytest finds it. Override a check that does
    not apply. To turn on checks beyond the contract, override ``check_*`` methods to return True.
    """
