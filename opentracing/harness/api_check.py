"""APICompatibilityCheckMixin: the contract of a tracer, as tests for its author::

    from opentracing import Tracer
    from opentracing.harness.api_check import APICompatibilityCheckMixin

    class TestNoop(APICompatibilityCheckMixin):
        def tracer(self):
            return Tracer()

        def check_baggage_values(self):
            return False

        def check_scope_manager(self):
            return False

`opentracing.harness` says what there is to override.
"""

from __future__ import annotations

from ._parent_check import ActiveSpanChecks, BaggageChecks, ParentChecks
from ._propagation_check import PropagationChecks
from ._span_check import SpanChecks


class APICompatibilityCheckMixin(
    SpanChecks, ActiveSpanChecks, ParentChecks, BaggageChecks, PropagationChecks
):
    """Checks that a tracer does what the API says of every tracer::

        class MyTracerTest(unittest.TestCase, APICompatibilityCheckMixin):
            def tracer(self):
                return MyTracer()

            def is_parent(self, parent, span):
                return span.parent_id == (parent.context.span_id if parent else None)

    Without unittest, name the class ``Test...`` for pytest to find it. A check that does not apply
    is overridden by its name. The ``check_*`` methods that return False turn on, when they are
    overridden to return True, what goes beyond the contract.
    """
