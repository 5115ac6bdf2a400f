"""Scope: a context manager that needs neither a manager nor a span."""

from __future__ import annotations

import pytest

from opentracing import (
    Scope,
    Span,
    SpanContext,
    Tracer,
)


def test_scope_without_a_manager_or_span_is_a_context_manager() -> None:
    """`Scope(None, None)` lets exceptions through, and does nothing."""
    with pytest.raises(ValueError, match="x"), Scope(None, None):  # type: ignore[arg-type]
        raise ValueError("x")
    span = Span(Tracer(), SpanContext())
    with Scope(None, span) as scope:  # type: ignore[arg-type]
        assert scope.span is span
