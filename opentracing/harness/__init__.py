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

The methods to override in a test of a tracer, with their defaults:

| Method | Default | Meaning |
|---|---|---|
| `tracer()` | required | The tracer to test: a new one, or the same each time. |
| `is_parent(parent, span)` | False | Whether `parent` is the parent; if None, `span` a root. |
| `check_baggage_values()` | True | Whether the tracer keeps baggage. |
| `check_scope_manager()` | True | Whether spans have parents, and one is active. |
| `check_references()` | False | Whether `references` may be one, or begin with one to None. |
| `check_foreign_contexts()` | False | Whether another tracer's span as a parent starts a trace. |
| `check_errors()` | False | Whether a span reports an `Exception`, and nothing else. |
| `check_propagation()` | False | Whether an extracted context is a parent; see below. |

`is_parent` is required unless `check_scope_manager` returns False. `check_propagation` also checks
that a carrier without a trace gives None or a `SpanContextCorruptedException`. In a test of a scope
manager:

| Method | Default | Meaning |
|---|---|---|
| `scope_manager()` | required | The scope manager to test: a new one, or the same each time. |
| `run_test(test_fn)` | calls it | Runs a check in the manager's runtime, such as a greenlet. |
| `run_elsewhere(test_fn)` | on a thread | Runs a part of a check in another context, to its end. |
| `check_errors()` | False | Whether a cancellation or another non-`Exception` sets no tag. |
| `check_repeated_close()` | False | Whether closing a scope again does nothing. |
| `check_deferred_close()` | False | Whether a scope closed too early ends after the inner ones. |
| `check_close_elsewhere()` | False | Whether a scope may be closed in another context. |

The thread of `run_elsewhere` runs in a copy of the current `contextvars` context. The methods that
return False by default turn on checks beyond the contract. To skip a test, override the method of
that name. A failure is an AssertionError that says what
was expected and what was found.
"""
