"""Contract tests for authors of tracers and scope managers: subclass a mixin, and run it.

`api_check` tests a tracer, `scope_check` a scope manager. They need nothing but the standard
library, and run under pytest, or under unittest with `unittest.TestCase` as another base::

    from opentracing.harness.api_check import APICompatibilityCheckMixin
    from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
    from opentracing.scope_managers import ThreadLocalScopeManager
    from opentracing_recorder import BasicTracer

    class TestTracer(APICompatibilityCheckMixin):
        def tracer(self):
            return BasicTracer()

        def is_parent(self, parent, span):
            return span.parent_id == (parent.context.span_id if parent else None)

    class TestScopeManager(ScopeCompatibilityCheckMixin):
        def scope_manager(self):
            return ThreadLocalScopeManager()

        def check_deferred_close(self):
            return True

The methods to override, with their defaults:

- `tracer` and `is_parent`, or `scope_manager`: required.
- `check_baggage_values` and `check_scope_manager` (True): a tracer that keeps nothing turns them
  off.
- Every other ``check_*`` (False) turns on tests that go beyond the contract, such as
  `check_errors`.
- `run_test` and `run_elsewhere` run a test in the scope manager's runtime, such as in a greenlet.

A test that does not apply is overridden by its name. A failure is an AssertionError that says what
was expected and what was found.
"""
