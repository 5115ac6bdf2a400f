"""Scopes in OpenTelemetry's current context, and the manager that opens them for OpenTracing."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage as _baggage_api
from opentelemetry import context as _context_api
from opentelemetry.context import Context
from opentelemetry.trace import propagation as _propagation

from opentracing import Scope, ScopeManager, Span
from opentracing.interrupts import reraise_interrupt
from opentracing.scope_managers.nesting import CLOSED, ELSEWHERE, OPEN, NestedScope

from ._json_safe import text_of
from ._opentelemetry_api_span import OURS, BridgedSpan, UnsampledSpan, bridged
from ._opentelemetry_api_values import to_basic_context, valid_context_of
from .context import BasicSpanContext, copied_baggage
from .span import BasicSpan

# OpenTelemetry's API has no public names for the keys of its context.
SPAN_KEY: str = _propagation._SPAN_KEY
BAGGAGE_KEY: str = _baggage_api._BAGGAGE_KEY
_SUPPRESSED = (
    getattr(_context_api, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
    "suppress_instrumentation",
)

_context_api.get_current()  # earlier versions make the next one now
_runtime: Any = _context_api._RUNTIME_CONTEXT
_variable = getattr(_runtime, "_current_context", None)
# The context variable itself saves three calls a span; a runtime context of another make has none.
if isinstance(_variable, ContextVar):
    current: Callable[[], Context] = _variable.get
    hold, release = _variable.set, _variable.reset
else:
    current, hold, release = _runtime.get_current, _runtime.attach, _runtime.detach

_set_item = dict.__setitem__  # a Context refuses to change: the ones changed here are new
_set_first = dict.setdefault  # half the price
get_raw = dict.get


class ScopeContext(Context):
    """The context within a scope, which shows its span unless that was closed elsewhere."""

    __slots__ = ()

    def get(self, key: str, default: Any = None) -> Any:
        value: Any = get_raw(self, key, default)
        if type(value) in OURS and key == SPAN_KEY:
            scope = value._scope  # each once: another thread may close the scope meanwhile
            if scope is not None and scope._state is ELSEWHERE:
                outside = scope._outside
                if outside is not None:
                    return outside.get(key, default)
        return value


class CurrentScope(NestedScope):
    """A scope that makes a span current for both APIs."""

    __slots__ = ("_outside", "_shown", "_token")

    _shown: BridgedSpan | UnsampledSpan
    _outside: Context | None
    """The context that it was opened in."""
    _token: Any

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # `opened` sets the fields

    def close(self) -> None:
        outer = self._to_restore
        if (
            get_raw(current(), SPAN_KEY) is self._shown
            and self._state is OPEN
            and (outer is None or outer._state <= CLOSED)
        ):
            # The base's `close` unrolled, for the active scope with no deferred one outside it.
            try:
                release(self._token)
            except ValueError:  # closed in a copy of its context
                reraise_interrupt()
            else:
                self._state = CLOSED
                self._token = self._to_restore = self._outside = self._shown._scope = None
                self._finish()
                return
        super().close()

    def _restore(self, scope: NestedScope | None) -> None:
        if scope is self:  # it was hidden
            inside = ScopeContext(current())
            _set_item(inside, SPAN_KEY, self._shown)
            hold(inside)
            return
        ended: CurrentScope = self
        while ended._to_restore is not scope and isinstance(ended._to_restore, CurrentScope):
            ended = ended._to_restore
        if ended._outside is not None:
            hold(ended._outside)

    def _resume(self) -> None:
        state = self._state
        opened(self, self._manager, self._shown, current(), self._finish_on_close)
        self._state = state

    def _is_at_home(self) -> bool:
        # Only a reset shows it, so this resets the variable and sets it again.
        held = current()
        try:
            release(self._token)
        except (ValueError, RuntimeError):
            reraise_interrupt()
            return False
        self._token = hold(held)
        return True

    def _settle(self, state: int) -> None:
        self._state = state
        self._token = None  # it refers to the context, which refers to this scope
        if state is CLOSED:
            self._to_restore = self._outside = self._shown._scope = None


def opened(
    scope: CurrentScope,
    manager: ScopeManager,
    shown: BridgedSpan | UnsampledSpan,
    outside: Context,
    finish: bool,
) -> None:
    """Make a span current until `scope` closes; `outside` is the current context."""
    outer: Any = get_raw(outside, SPAN_KEY)
    scope._manager = manager
    scope._span = shown.basic_span
    scope._finish_on_close = finish
    scope._state = OPEN
    scope._to_restore = outer._scope if type(outer) in OURS else None
    scope._shown = shown
    scope._outside = outside
    shown._scope = scope
    if len(outside) == (outer is not None):  # no other item, which a new dict need not copy
        inside = ScopeContext()
        _set_first(inside, SPAN_KEY, shown)
    else:
        inside = ScopeContext(outside)
        _set_item(inside, SPAN_KEY, shown)
    scope._token = hold(inside)


def pruned(held: Context) -> Context:
    """The current context, `held`, without the scopes that were closed in another one.

    A context that an application has made of such a scope's shows the span still, to both APIs.
    """
    while type(held) is ScopeContext:
        shown: Any = get_raw(held, SPAN_KEY)
        scope = shown._scope
        outside = None if scope is None or scope._state is not ELSEWHERE else scope._outside
        if outside is None:
            break
        held = outside
        hold(held)
    return held


class _Borrowed(Scope):
    """The scope of a span that OpenTelemetry's API made current; that API ends it."""

    def close(self) -> None:
        """Does nothing: the code that made the span current restores the one before it."""


class _Placeholder(BasicSpan):
    """A span that is not recorded here: it has a context, for children and carriers, and keeps
    nothing but baggage, which goes to the context that it came from.
    """

    __slots__ = ("_held",)

    def __init__(self, context: BasicSpanContext, held: Context) -> None:
        super().__init__(None, "", context)  # type: ignore[arg-type]
        self.duration = 0.0
        self._held = held

    def _called_late(self, method: str, each: bool = False) -> Any:
        return self

    def finish(self, finish_time: float | None = None) -> None:
        pass

    def set_baggage_item(self, key: str, value: str) -> Any:
        self._own_context = made = self.context.with_baggage_item(text_of(key), text_of(value))
        if current() is self._held:
            self._held = _context_api.set_value(BAGGAGE_KEY, dict(made.baggage), self._held)
            hold(self._held)
        return self


class OpenTelemetryScopeManager(ScopeManager):
    """Keeps the active span of OpenTracing where OpenTelemetry keeps its current span.

    What either API makes active is active for both, in threads, tasks and copied contexts alike::

        tracer = BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager())

    - A span that another process or another tracer of OpenTelemetry's has made current is the
      parent of what starts next. It is `active_span` too, and keeps nothing.
    - Baggage set by either API is read by both.
    - While OpenTelemetry's instrumentation is suppressed, spans start un-sampled.
    - All managers of this class share the one current span of OpenTelemetry.
    """

    decides_anew = False
    """Whether the tracer's sampler decides for traces of other processes, and not the caller."""

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        """Make `span` the current one for both APIs until the returned scope is closed."""
        outside = current()
        outer: Any = get_raw(outside, SPAN_KEY)
        if type(outer) in OURS and outer._scope is not None:
            outside = pruned(outside)
        scope = CurrentScope()
        opened(scope, self, bridged(span), outside, finish_on_close)
        if isinstance(span, BasicSpan):
            context = span._own_context
            items = span._baggage if context is None else context._baggage
            if items or BAGGAGE_KEY in outside:
                _set_item(current(), BAGGAGE_KEY, dict(copied_baggage(items)))
        return scope

    @property
    def active(self) -> Scope | None:
        """The scope of the current span, or None."""
        held = current()
        if not held:
            return None
        for key in _SUPPRESSED:
            if get_raw(held, key):
                return _Borrowed(self, _Placeholder(_unsampled(held), held))
        shown: Any = get_raw(held, SPAN_KEY)
        if type(shown) in OURS:
            scope = shown._scope
            if scope is not None and scope._state is ELSEWHERE:
                if pruned(held) is not held:
                    return self.active
                scope = None
            items = get_raw(held, BAGGAGE_KEY)
            if items is not None:
                take_baggage(shown.basic_span, items)
            return _Borrowed(self, shown.basic_span) if scope is None else scope
        context = valid_context_of(shown)
        if context is not None:
            made = to_basic_context(context, text_baggage(held.get(BAGGAGE_KEY)))
            if self.decides_anew and context.is_remote:
                made.sampled = None
            return _Borrowed(self, _Placeholder(made, held))
        items = held.get(BAGGAGE_KEY)
        if items:  # of a trace that is still to start
            made = BasicSpanContext(None, None, text_baggage(items), None)
            return _Borrowed(self, _Placeholder(made, held))
        return None

    def baggage_set(self, span: BasicSpan) -> None:
        """Show OpenTelemetry the new baggage of its current span; called by `set_baggage_item`."""
        held = current()
        shown: Any = held.get(SPAN_KEY)
        if type(shown) in OURS and shown.basic_span is span:
            hold(_context_api.set_value(BAGGAGE_KEY, dict(span.context.baggage), held))


def _unsampled(held: Context) -> BasicSpanContext:
    """The current trace, if there is one, as if it were not sampled."""
    context = valid_context_of(held.get(SPAN_KEY))
    items = text_baggage(held.get(BAGGAGE_KEY))
    if context is not None:
        made = to_basic_context(context, items)
    else:
        made = BasicSpanContext(None, None, items)
    made.sampled = False
    return made


def text_baggage(items: Any) -> dict[str, str]:
    """OpenTelemetry's baggage, whose values may be any objects, as text. Never raises."""
    return {text_of(key): text_of(value) for key, value in copied_baggage(items).items()}


def take_baggage(span: Any, items: Any) -> None:
    """Give a span the baggage of its context, if it is another one."""
    if not isinstance(span, BasicSpan) or span.duration >= 0.0:
        return
    context = span._own_context
    own = span._baggage if context is None else context._baggage
    try:
        is_same = own == items
    except Exception:  # of a value that is no text
        reraise_interrupt()
        is_same = False
    if not is_same:
        made = text_baggage(items)
        if context is None:
            span._baggage = made
        else:
            context._baggage = made
