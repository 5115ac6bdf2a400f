"""What code written for 2.4 makes of the API's classes: subclasses, private names, attributes."""

from __future__ import annotations

from opentracing import (
    Scope,
    ScopeManager,
    SpanContext,
    Tracer,
)


def test_base_classes_may_be_subclassed_without_their_constructors() -> None:
    """Subclasses that skip the base constructor, or repeat its names in slots, work."""

    class OwnTracer(Tracer):
        __slots__ = ("_scope_manager",)

        def __init__(self) -> None:
            self._scope_manager = ScopeManager()

    class OwnContext(SpanContext):
        __slots__ = ("_baggage",)

    class OwnManager(ScopeManager):
        def __init__(self) -> None:
            pass

        @property
        def active(self) -> Scope | None:
            return None

    assert OwnTracer().scope_manager.active is not None
    assert OwnContext().baggage == {}
    assert Tracer(OwnManager()).active_span is None


def test_instances_take_any_attribute() -> None:
    """Spans, contexts and scopes can be extended and patched, the no-op's too."""
    tracer = Tracer()
    for each in (tracer.start_span(), tracer.start_span().context, tracer.start_active_span("x")):
        each.extra = 1  # type: ignore[union-attr]
        assert each.extra == 1  # type: ignore[union-attr]
