"""Tracer: the entry point of instrumentation, here a no-op; and the references between spans.

A tracer starts spans, and moves their contexts between processes. Use `Tracer` itself if nothing is
to be recorded, and as the base of a tracer of your own::

    from opentracing import Format, Tracer, child_of, follows_from

    tracer = Tracer()
    first, second = tracer.start_span("first"), tracer.start_span("second")
    references = [child_of(first), follows_from(second)]
    with tracer.start_active_span("merge", references=references) as scope:
        tracer.inject(scope.span, Format.HTTP_HEADERS, {})
    assert tracer.close(timeout=5)

- Only `inject` and `extract` raise, and only for a format that is no `Format`. A tracer that
  records may also raise `InvalidCarrierException` for a carrier that the format cannot use, and
  `SpanContextCorruptedException` for a malformed trace.
- Its methods may be called from any thread: they return the same no-op objects each time.
- `extract` of the no-op returns a context without a trace, and not None.

`opentracing` describes references and carriers; `opentracing_recorder.tracer` records.
"""

from __future__ import annotations

from . import _typing as t
from .propagation import Format, UnsupportedFormatException
from .scope import Scope
from .scope_manager import ScopeManager
from .span import Span, SpanContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class _ReferenceFields(NamedTuple):
        type: str
        referenced_context: SpanContext | Span | None
else:

    class _ReferenceFields(tuple):
        """A named tuple, written by hand: the budget for `import opentracing` pays for it.

        `collections` takes longer to import than this whole package.
        """

        __slots__ = ()
        __match_args__ = _fields = ("type", "referenced_context")
        _field_defaults = {}

        def __new__(_cls, type, referenced_context):
            return tuple.__new__(_cls, (type, referenced_context))

        @classmethod
        def _make(cls, iterable):
            return cls(*iterable)

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **changes):
            return self._make({**self._asdict(), **changes}.values())

        __replace__ = _replace

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}(type={self[0]!r}, referenced_context={self[1]!r})"

        type = property(lambda self: self[0])
        referenced_context = property(lambda self: self[1])


class Tracer:
    """Starts spans, and moves their contexts across process boundaries.

    This class is both the interface and the no-op that runs until an application installs a
    tracer: its methods return the same no-op objects each time.
    """

    _supported_formats = [Format.TEXT_MAP, Format.BINARY, Format.HTTP_HEADERS]

    def __init__(self, scope_manager: ScopeManager | None = None) -> None:
        self._scope_manager = ScopeManager() if scope_manager is None else scope_manager
        self._noop_span_context = SpanContext()
        self._noop_span = Span(tracer=self, context=self._noop_span_context)
        self._noop_scope = Scope(self._scope_manager, self._noop_span)

    @property
    def scope_manager(self) -> ScopeManager:
        """The scope manager, which knows the active scope."""
        return self._scope_manager

    @property
    def active_span(self) -> Span | None:
        """The active span, or None: short for ``scope_manager.active.span``."""
        scope = self._scope_manager.active
        return None if scope is None else scope.span

    def start_active_span(
        self,
        operation_name: str,
        child_of: Span | SpanContext | None = None,
        references: t.Sequence[Reference] | Reference | None = None,
        tags: t.Mapping[str, t.Any] | None = None,
        start_time: float | None = None,
        ignore_active_span: bool = False,
        finish_on_close: bool = True,
    ) -> Scope:
        """Start a span and make it active; returns its scope, for a ``with`` statement::

            with tracer.start_active_span("fetch") as scope:
                scope.span.set_tag("http.method", "GET")

        Closing the scope finishes the span unless `finish_on_close` is False. The other arguments
        are those of `start_span`.
        """
        return self._noop_scope

    def start_span(
        self,
        operation_name: str | None = None,
        child_of: Span | SpanContext | None = None,
        references: t.Sequence[Reference] | Reference | None = None,
        tags: t.Mapping[str, t.Any] | None = None,
        start_time: float | None = None,
        ignore_active_span: bool = False,
    ) -> Span:
        """Start a span, without making it active.

        The parent is `child_of`, or comes from `references`. Otherwise, it is the active span,
        unless `ignore_active_span` is True. References to None are ignored, so the result of
        `extract` needs no check. `start_time` is in seconds since the epoch (default: now).
        """
        return self._noop_span

    def inject(self, span_context: SpanContext | Span, format: t.Any, carrier: t.Any) -> None:
        """Write `span_context` (or a span's context) into `carrier`, in the given format.

        Raises `UnsupportedFormatException` for an unknown format, and `InvalidCarrierException`
        for a carrier that the format cannot use.
        """
        if format not in Tracer._supported_formats:
            raise UnsupportedFormatException(format)

    def extract(self, format: t.Any, carrier: t.Any) -> SpanContext | None:
        """Read a span context out of `carrier`; None if it holds no trace.

        Raises `UnsupportedFormatException` for an unknown format, `InvalidCarrierException` for a
        carrier that the format cannot use, and `SpanContextCorruptedException` for a malformed
        trace.
        """
        if format not in Tracer._supported_formats:
            raise UnsupportedFormatException(format)
        return self._noop_span_context

    def close(self, timeout: float | None = None) -> bool:
        """Flush what is buffered and release what is held, within `timeout` seconds.

        Returns whether everything was delivered in time. A second call does nothing.
        """
        return True


class ReferenceType:
    """The kinds of reference from a span to an earlier one."""

    CHILD_OF = "child_of"
    """The referenced span depends on this one: the usual parent."""

    FOLLOWS_FROM = "follows_from"
    """The referenced span caused this one, but does not wait for it."""


class Reference(_ReferenceFields):
    """A reference to an earlier span: its `ReferenceType`, and the context referred to.

    Tracers ignore a reference whose context is None. `child_of` and `follows_from` make them.
    """

    __slots__ = ()


def child_of(referenced_context: SpanContext | Span | None = None) -> Reference:
    """A CHILD_OF reference to the given context, for ``start_span(references=...)``."""
    return Reference(ReferenceType.CHILD_OF, referenced_context)


def follows_from(referenced_context: SpanContext | Span | None = None) -> Reference:
    """A FOLLOWS_FROM reference to the given context, for ``start_span(references=...)``."""
    return Reference(ReferenceType.FOLLOWS_FROM, referenced_context)


def start_child_span(
    parent_span: Span,
    operation_name: str,
    tags: t.Mapping[str, t.Any] | None = None,
    start_time: float | None = None,
) -> Span:
    """Start a child of `parent_span`, on that span's own tracer."""
    return parent_span.tracer.start_span(
        operation_name=operation_name, child_of=parent_span, tags=tags, start_time=start_time
    )
