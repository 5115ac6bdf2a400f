"""GeventScopeManager: the active span of each greenlet, not inherited by the greenlets it spawns.

It serves programs on gevent, monkey-patched or not. Needs ``opentracing[gevent]``::

    import gevent

    from opentracing.scope_managers.gevent import GeventScopeManager
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    tracer = BasicTracer(InMemoryRecorder(), scope_manager=GeventScopeManager())

    def fetch(parent):
        with tracer.scope_manager.activate(parent, finish_on_close=False):
            tracer.start_span("fetch").finish()  # a child of `parent`

    with tracer.start_active_span("handle") as scope:
        gevent.spawn(fetch, scope.span).join()
"""

from __future__ import annotations

from ..scope import Scope
from ..scope_manager import ScopeManager
from ..span import Span
from .constants import ACTIVE_ATTR as ACTIVE_ATTR  # 2.4 has it here
from .nesting import NestedScope, scope_on, set_scope_on

try:
    import gevent  # type: ignore[import, unused-ignore]
except ImportError as _error:
    raise ImportError(
        f"GeventScopeManager needs gevent ({_error}); install opentracing[gevent]", name="gevent"
    ) from _error


class GeventScopeManager(ScopeManager):
    """Keeps the active scope in the current greenlet; each thread's main code is a greenlet too.

    A greenlet starts with none: activate the parent's span in it, with ``finish_on_close=False``::

        def fetch(span):
            with tracer.scope_manager.activate(span, finish_on_close=False):
                ...  # spans started here are children of `span`

        with tracer.start_active_span("handle") as scope:
            gevent.spawn(fetch, scope.span).join()
    """

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the active one of this greenlet until the returned scope is closed."""
        scope = _GeventScope(self, span, finish_on_close)
        self._set_greenlet_scope(scope)
        return scope

    @property
    def active(self) -> Scope | None:
        """The active scope of this greenlet, or None."""
        return self._get_greenlet_scope()

    def _set_greenlet_scope(self, scope: NestedScope | None, greenlet: object = None) -> None:
        set_scope_on(gevent.getcurrent() if greenlet is None else greenlet, self, scope)

    def _get_greenlet_scope(self, greenlet: object = None) -> NestedScope | None:
        return scope_on(gevent.getcurrent() if greenlet is None else greenlet, self)


class _GeventScope(NestedScope):
    __slots__ = ()

    _manager: GeventScopeManager  # pyright: ignore[reportIncompatibleVariableOverride]

    def _restore(self, scope: NestedScope | None) -> None:
        self._manager._set_greenlet_scope(scope)
