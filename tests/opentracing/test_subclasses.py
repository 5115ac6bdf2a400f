"""Code written for 2.4 uses the API's classes: subclasses, private names, attributes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import pytest

from opentracing import (
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    Tracer,
)


def test_base_classes_may_be_subclassed_without_their_constructors() -> None:
    """Subclasses work that skip the base constructor, or have its names as slots."""

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
    """Spans, contexts and scopes can be extended and patched, including the no-op's."""
    tracer = Tracer()
    for each in (tracer.start_span(), tracer.start_span().context, tracer.start_active_span("x")):
        each.extra = 1  # type: ignore[union-attr]
        assert each.extra == 1  # type: ignore[union-attr]


class Anything(NamedTuple):
    """A base class, a private name, and a property that needs only that name."""

    base: type
    name: str
    read: Callable[[Any], Any]


@pytest.mark.parametrize(
    "case",
    [
        Anything(Tracer, "_scope_manager", lambda tracer: tracer.scope_manager),
        Anything(ScopeManager, "_noop_scope", lambda manager: manager.active),
        Anything(ScopeManager, "_noop_scope", lambda manager: manager.activate(None, True)),
        Anything(Span, "_tracer", lambda span: span.tracer),
        Anything(Span, "_context", lambda span: span.context),
        Anything(Scope, "_manager", lambda scope: scope.manager),
        Anything(Scope, "_span", lambda scope: scope.span),
    ],
)
@pytest.mark.parametrize("slotted", [False, True])
def test_properties_need_no_more_than_their_private_name(case: Anything, slotted: bool) -> None:
    """A subclass that sets only that name, in a slot or not, has the property."""
    own = type("Own", (case.base,), {"__slots__": (case.name,)} if slotted else {})
    instance = own.__new__(own)
    value = object()
    setattr(instance, case.name, value)
    assert case.read(instance) is value


def test_active_span_needs_only_the_scope_manager() -> None:
    """It is the span of the manager's active scope, whatever the constructor did not set."""
    tracer = Tracer.__new__(Tracer)
    tracer._scope_manager = ScopeManager()
    assert tracer.active_span is tracer._scope_manager._noop_scope.span


def test_a_context_needs_no_constructor() -> None:
    """A subclass that skips it still has empty baggage and empty ids."""
    context = SpanContext.__new__(SpanContext)
    assert context.baggage is SpanContext.EMPTY_BAGGAGE
    assert (context.to_trace_id(), context.to_span_id()) == ("", "")


@pytest.mark.parametrize("base", [Tracer, Span, SpanContext, Scope, ScopeManager])
def test_base_classes_have_no_slots(base: type) -> None:
    """Any instance accepts any attribute, and a subclass may have slots of the same names."""
    assert "__slots__" not in vars(base)
    names = (
        *("_scope_manager", "_noop_span", "_noop_span_context", "_noop_scope"),
        *("_tracer", "_context", "_baggage", "_manager", "_span"),
    )
    slotted = type("Slotted", (base,), {"__slots__": names})
    instance = slotted.__new__(slotted)
    for name in names:
        setattr(instance, name, name)
    assert [getattr(instance, name) for name in names] == list(names)
    instance.other = 1
    assert vars(instance) == {"other": 1}


def test_private_names_hold_what_the_constructors_were_given() -> None:
    """Subclasses read these names instead of the properties."""
    manager, tracer, context = ScopeManager(), Tracer(), SpanContext()
    assert Tracer(manager)._scope_manager is manager
    span = Span(tracer, context)
    assert (span._tracer, span._context) == (tracer, context)
    scope = Scope(manager, span)
    assert (scope._manager, scope._span) == (manager, span)
    assert manager.activate(span, True) is manager._noop_scope


def test_methods_can_be_patched_on_no_op_instances() -> None:
    """A block calls the replacement of `finish` or `close`."""
    tracer = Tracer()
    scope, span = tracer.start_active_span("x"), tracer.start_span("x")
    with mock.patch.object(span, "finish") as finish, span:
        pass
    with mock.patch.object(scope, "close") as close, scope:
        pass
    finish.assert_called_once_with()
    close.assert_called_once_with()


def test_scope_manager_may_be_imported_from_the_managers() -> None:
    """Subclasses written for 2.4 import the base class from `scope_managers`."""
    module = importlib.import_module("opentracing.scope_managers")
    assert module.ScopeManager is ScopeManager
