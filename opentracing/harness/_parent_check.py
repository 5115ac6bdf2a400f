"""Checks of several spans: their parents, the active span, and inherited baggage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from opentracing import Scope, Span, SpanContext, Tracer, child_of, follows_from, start_child_span

from ._hooks import NON_ERRORS, TracerHooks, beyond_the_contract, leave_by


class _Relations(TracerHooks):
    """The assertions about parents, which hold if `check_scope_manager` is true."""

    def _assert_parent(self, parent: Span, span: Span) -> None:
        if self.check_scope_manager():
            assert self.is_parent(parent, span), "the active or given span is not its parent"

    def _assert_no_parent(self, parent: Span, span: Span) -> None:
        if self.check_scope_manager():
            assert not self.is_parent(parent, span), "the active span was not ignored"

    def _assert_active(self, span: Span | None, tracer: Tracer) -> None:
        if self.check_scope_manager():
            assert tracer.active_span is span, f"active: {tracer.active_span!r}; expected {span!r}"


class ActiveSpanChecks(_Relations):
    """The checks of `APICompatibilityCheckMixin` about scopes and the active span."""

    def test_active_span(self) -> None:
        """No span is active at first; an activated one is, until its scope closes."""
        tracer = self.tracer()
        span = tracer.start_span("order")
        if self.check_scope_manager():
            assert tracer.scope_manager.active is None, "a scope is active"
            self._assert_active(None, tracer)
            with tracer.scope_manager.activate(span, True) as scope:
                self._assert_active(span, tracer)
                assert tracer.scope_manager.active is scope, "the scope is not active"
            self._assert_active(None, tracer)

    def test_start_active_span(self) -> None:
        """If no span is active, the span in the returned scope is a root."""
        with self.tracer().start_active_span("order") as scope:
            assert scope.span is not None
            if self.check_scope_manager():
                assert self.is_parent(None, scope.span), "it has a parent"

    def test_start_active_span_parent(self) -> None:
        """The active span is the parent of a span that is activated inside it."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as parent, tracer.start_active_span("cook") as child:
            self._assert_parent(parent.span, child.span)

    def test_start_active_span_ignore_active_span(self) -> None:
        """With ``ignore_active_span=True``, `start_active_span` ignores the active span."""
        tracer = self.tracer()
        with (
            tracer.start_active_span("order") as parent,
            tracer.start_active_span("cook", ignore_active_span=True) as child,
        ):
            self._assert_no_parent(parent.span, child.span)

    def test_start_active_span_not_finish_on_close(self) -> None:
        """With ``finish_on_close=False``, closing the scope leaves the span unfinished."""
        scope = self.tracer().start_active_span("order", finish_on_close=False)
        self._assert_finished_by_close(0, scope)

    def test_start_active_span_finish_on_close(self) -> None:
        """With ``finish_on_close=True``, closing the scope finishes the span."""
        scope = self.tracer().start_active_span("order", finish_on_close=True)
        self._assert_finished_by_close(1, scope)

    def test_start_active_span_default_finish_on_close(self) -> None:
        """By default, closing the scope finishes the span."""
        self._assert_finished_by_close(1, self.tracer().start_active_span("order"))

    def test_start_active_span_restores_the_outer_one(self) -> None:
        """When an inner scope closes, the outer span is active again."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as outer:
            with tracer.start_active_span("cook"):
                pass
            self._assert_active(outer.span, tracer)

    def test_active_span_left_by_exception(self) -> None:
        """An exception that leaves a scope's block propagates; scope and span end."""
        tracer = self.tracer()
        for kind in (ValueError, *NON_ERRORS):
            scope = tracer.start_active_span("order")
            with mock.patch.object(scope.span, "finish") as finish:
                leave_by(scope, kind())
            if self.check_scope_manager():
                assert finish.call_count == 1, f"{kind.__name__}: {finish.call_count} times"
                assert tracer.active_span is None, f"{kind.__name__} left the span active"

    def test_tracer_start_active_span_scope(self) -> None:
        """The returned scope is the active one of the scope manager."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as scope:
            if self.check_scope_manager():
                active = tracer.scope_manager.active
                assert active == scope, f"active: {active!r}"

    def test_tracer_start_span_scope(self) -> None:
        """`start_span` does not activate the span."""
        tracer = self.tracer()
        with tracer.start_span(operation_name="order"):
            if self.check_scope_manager():
                assert tracer.scope_manager.active is None, "the new span is active"

    def _assert_finished_by_close(self, times: int, scope: Scope) -> None:
        with mock.patch.object(scope.span, "finish") as finish:
            scope.close()
        if self.check_scope_manager() or not times:
            assert finish.call_count == times, f"finish was called {finish.call_count} times"


class ParentChecks(_Relations):
    """The checks of `APICompatibilityCheckMixin` about parents that are given explicitly."""

    def test_start_span_propagation(self) -> None:
        """The active span is the parent of a span from `start_span`."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as parent:
            self._assert_child(parent.span, tracer.start_span(operation_name="cook"))

    def test_start_span_propagation_ignore_active_span(self) -> None:
        """With ``ignore_active_span=True``, `start_span` ignores the active span."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as parent:
            child = tracer.start_span(operation_name="cook", ignore_active_span=True)
            self._assert_no_parent(parent.span, child)
            child.finish()

    def test_start_span_with_parent(self) -> None:
        """A parent may be given as a span, or in a list of references."""
        tracer = self.tracer()
        with tracer.start_span(operation_name="order") as parent:
            tracer.start_span(operation_name="cook", child_of=parent).finish()
            references = [follows_from(parent.context)]
            tracer.start_span("clean", references=references, tags={"late": True}).finish()

    def test_start_child_span(self) -> None:
        """`opentracing.start_child_span` starts a child on the parent's tracer."""
        with self.tracer().start_span(operation_name="order") as parent:
            self._assert_child(parent, start_child_span(parent, operation_name="cook"))

    def test_start_span_child_of_span(self) -> None:
        """`child_of` takes the parent span."""
        self._assert_child_by(lambda parent: {"child_of": parent})

    def test_start_span_child_of_context(self) -> None:
        """`child_of` takes the parent's context."""
        self._assert_child_by(lambda parent: {"child_of": parent.context})

    def test_start_span_child_of_reference(self) -> None:
        """A CHILD_OF reference in a list is the parent."""
        self._assert_child_by(lambda parent: {"references": [child_of(parent.context)]})

    def test_start_span_child_of_other_than_active_span(self) -> None:
        """An explicit parent overrides the active span."""
        tracer = self.tracer()
        with tracer.start_span("order") as parent, tracer.start_active_span("other"):
            self._assert_child(parent, tracer.start_span("cook", child_of=parent))

    def test_start_span_references_to_none(self) -> None:
        """If all references are to None, or none is given, the span is a root."""
        tracer = self.tracer()
        for references in ([child_of(None)], [follows_from(None)], [], None):
            span = tracer.start_span("order", references=references)
            self._assert_root(span, f"references={references!r}")

    def test_start_span_references_to_none_in_active_span(self) -> None:
        """With references to None alone, the active span is the parent."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as parent:
            self._assert_child(parent.span, tracer.start_span("cook", references=[child_of(None)]))

    def test_start_span_single_reference(self) -> None:
        """A single reference needs no list, nor does one to None."""
        beyond_the_contract(self, "check_references")
        self._assert_child_by(lambda parent: {"references": child_of(parent.context)})
        self._assert_root(self.tracer().start_span("cook", references=child_of(None)), "to None")

    def test_start_span_reference_after_one_to_none(self) -> None:
        """A reference to None does not hide the one that follows it."""
        beyond_the_contract(self, "check_references")
        to_none = [follows_from(None), child_of(None)]
        self._assert_child_by(lambda parent: {"references": [*to_none, child_of(parent.context)]})

    def test_start_span_foreign_parent(self) -> None:
        """A span or context that another tracer made starts a new trace."""
        beyond_the_contract(self, "check_foreign_contexts")
        tracer = self.tracer()
        for foreign in (_FOREIGN_SPAN, _FOREIGN_SPAN.context, Tracer().start_span()):
            self._assert_root(tracer.start_span("order", child_of=foreign), "child_of")
        for reference in (child_of(_FOREIGN_SPAN.context), follows_from(SpanContext())):
            self._assert_root(tracer.start_span("order", references=[reference]), "references")

    def _assert_child_by(self, options: Callable[[Span], dict[str, Any]]) -> None:
        tracer = self.tracer()
        with tracer.start_span("order") as parent:
            self._assert_child(parent, tracer.start_span("cook", **options(parent)))

    def _assert_child(self, parent: Span, span: Span) -> None:
        self._assert_parent(parent, span)
        span.finish()

    def _assert_root(self, span: Span, how: str) -> None:
        assert span is not None
        if self.check_scope_manager():
            assert self.is_parent(None, span), f"it has a parent ({how})"
        span.finish()


class BaggageChecks(TracerHooks):
    """The checks of `APICompatibilityCheckMixin` about baggage that is inherited."""

    def test_baggage_is_inherited(self) -> None:
        """Children have the parent's baggage, however the parent is given."""
        tracer = self.tracer()
        with tracer.start_span("order") as parent:
            parent.set_baggage_item("guest", "amy")
            children = {
                "child_of=span": tracer.start_span("cook", child_of=parent),
                "child_of=context": tracer.start_span("cook", child_of=parent.context),
                "references": tracer.start_span("cook", references=[child_of(parent.context)]),
            }
            for how, child in children.items():
                self._assert_guest("amy", child, how)
            grandchild = tracer.start_span("chop", child_of=children["child_of=span"])
            self._assert_guest("amy", grandchild, "of a grandchild")

    def test_baggage_is_inherited_from_active_span(self) -> None:
        """Children of the active span have its baggage."""
        tracer = self.tracer()
        with tracer.start_active_span("order") as scope:
            scope.span.set_baggage_item("guest", "amy")
            child = tracer.start_span("cook")
            if self.check_scope_manager():
                self._assert_guest("amy", child, "of the active span")

    def test_baggage_goes_to_later_children_only(self) -> None:
        """A child that was started before an item was set does not have it."""
        tracer = self.tracer()
        with tracer.start_span("order") as parent:
            child = tracer.start_span("cook", child_of=parent)
            parent.set_baggage_item("guest", "amy")
            self._assert_guest(None, child, "of a child started earlier")

    def test_baggage_does_not_go_up(self) -> None:
        """A child's baggage is not its parent's."""
        tracer = self.tracer()
        with tracer.start_span("order") as parent:
            with tracer.start_span("cook", child_of=parent) as child:
                child.set_baggage_item("guest", "amy")
            self._assert_guest(None, parent, "of the parent")

    def _assert_guest(self, expected: str | None, span: Span, whose: str) -> None:
        found: Any = span.get_baggage_item("guest")
        if self.check_baggage_values():
            assert found == expected, f"found {found!r} ({whose}); expected {expected!r}"


class _ForeignContext(SpanContext):
    pass


_FOREIGN_SPAN = Span(Tracer(), _ForeignContext())
