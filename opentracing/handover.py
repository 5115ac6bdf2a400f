"""Work handed on: `wrap` binds the active span of now to a call made later.

A span belongs to the thread or task that activated it. A job for another thread, a callback or a
process has the active span of the code that hands it over if you wrap it::

    import threading

    import opentracing
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()


    def resize(name):
        with opentracing.global_tracer().start_active_span("resize " + name):
            pass


    with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
        with tracer.start_active_span("request"):
            thread = threading.Thread(target=opentracing.wrap(resize), args=("image",))
        thread.start()  # the request may have ended
        thread.join()

    print(recorder.outline())

which prints::

    request
      resize image

- A wrapped function may be called once, several times, at once on several threads, or never. Each
  call runs in its own copy of the context in which the function was wrapped, with all its context
  variables, and leaves nothing active.
- The bound span is the parent of what the call starts, also if it has finished. The call does not
  finish it. An exception of the function propagates, and is not recorded on the bound span.
- If nothing is active when the function is wrapped, its spans have no parent.
- A coroutine function stays one. The span is active while the coroutine runs, in the task that
  awaits it; the other context variables are that task's. The code of a generator runs when the
  generator is iterated, so wrap the function that iterates it.
- A wrapped function can be pickled if the function can: `multiprocessing.Pool` and other pools of
  processes take it. The span's context travels with it, as a carrier in the format TEXT_MAP. In the
  other process, the spans of the call continue the trace, on the global tracer there. `active_span`
  has the context and the baggage, and records nothing. Coroutine functions cannot be pickled.
- If no tracer is installed, `wrap` returns the function itself.
- An error of the tracer is logged, at most once a minute, and the function runs all the same.

`opentracing.executor` does this for all jobs of an executor.
"""

from __future__ import annotations

from contextvars import copy_context

import opentracing

from . import _typing as t
from ._failures import Failures
from ._functions import COROUTINE, flags_of, unbound
from .interrupts import reraise_interrupt
from .propagation import Format
from .span import Span, SpanContext
from .tracer import Tracer

_failures = Failures(
    __name__,
    "the tracer raised where work was handed over; the work runs, but its spans may have no parent",
)


def wrap(function: t.FunctionT, *, tracer: Tracer | None = None) -> t.FunctionT:
    """Bind the active span of now to the calls of `function`, on any thread or in any process::

        pool.apply_async(opentracing.wrap(resize), (image,))

    `tracer` is the tracer whose active span is bound (default: the global tracer). Raises TypeError
    if `function` is not callable.
    """
    if not callable(function):
        raise TypeError(f"function must be callable, not {type(function).__name__}")
    if tracer is None:
        tracer = opentracing.tracer
    if type(tracer) is Tracer:
        return function
    wrapped = _bound_coroutine if flags_of(unbound(function)) & COROUTINE else _Bound
    return wrapped(function, tracer)  # type: ignore[return-value]


def _bound_coroutine(function: t.Any, tracer: Tracer) -> t.Any:
    from functools import wraps

    span = _active_span(tracer)

    @wraps(function)
    async def run(*args: t.Any, **kwargs: t.Any) -> t.Any:
        end = _activate(tracer, span)
        try:
            return await function(*args, **kwargs)
        finally:
            _end(end)

    return run


class _Wrapped:
    """A function that is called with a span active, and has the attributes of the original."""

    def __init__(self, function: t.Any) -> None:
        self.__wrapped__ = function
        self.__doc__ = getattr(function, "__doc__", None)
        self.__module__ = getattr(function, "__module__", None)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> t.Any:
        if name in ("__self__", "__func__"):  # by these, a weak reference takes a method apart
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return f"<wrapped {self.__wrapped__!r}>"


class _Bound(_Wrapped):
    def __init__(self, function: t.Any, tracer: Tracer) -> None:
        super().__init__(function)
        self._tracer = tracer
        self._span = _active_span(tracer)
        self._context = copy_context()

    def __call__(self, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        # Only one call at a time can run in a context.
        context = self._context.copy()
        return context.run(_call, self._tracer, self._span, self.__wrapped__, args, kwargs)

    def __reduce__(self) -> t.Any:
        return _Travelled, (self.__wrapped__, _carrier(self._tracer, self._span))


class _Travelled(_Wrapped):
    """A wrapped function in the process, or the interpreter, that has unpickled it."""

    def __init__(self, function: t.Any, carrier: dict[str, str] | None) -> None:
        super().__init__(function)
        self._carrier = carrier

    def __call__(self, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        tracer = opentracing.global_tracer()
        if type(tracer) is Tracer:
            return self.__wrapped__(*args, **kwargs)
        span = _remote_span(tracer, self._carrier)
        return copy_context().run(_call, tracer, span, self.__wrapped__, args, kwargs)

    def __reduce__(self) -> t.Any:
        return _Travelled, (self.__wrapped__, self._carrier)


class _RemoteSpan(Span):
    """A span of another process: it has a context, for children and carriers, and keeps nothing."""

    def get_baggage_item(self, key: str) -> str | None:
        return self._context.baggage.get(key)

    def is_recording(self) -> bool:
        return False


def _carrier(tracer: Tracer, span: Span | None) -> dict[str, str] | None:
    """The context of a span, for another process; None if there is none."""
    if span is None:
        return None
    carrier: dict[str, str] = {}
    try:
        tracer.inject(span.context, Format.TEXT_MAP, carrier)
    except Exception:
        reraise_interrupt()
        _failures.report()
        return None
    return carrier


def _remote_span(tracer: Tracer, carrier: dict[str, str] | None) -> Span | None:
    if carrier is None:
        return None
    try:
        context: SpanContext | None = tracer.extract(Format.TEXT_MAP, carrier)
    except Exception:
        reraise_interrupt()
        _failures.report()
        return None
    return None if context is None else _RemoteSpan(tracer, context)


def _active_span(tracer: Tracer) -> Span | None:
    try:
        return tracer.active_span
    except Exception:
        reraise_interrupt()
        _failures.report()
        return None


def _call(tracer: Tracer, span: Span | None, function: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
    end = _activate(tracer, span)
    try:
        return function(*args, **kwargs)
    finally:
        _end(end)


def _activate(tracer: Tracer, span: Span | None) -> t.Callable[[], None] | None:
    """Make `span` the active one here, or none for None. Returns the function that ends this.

    Returns None if there is nothing to do: a copy of the context brings what contextvars keep.
    """
    try:
        if tracer.active_span is span:
            return None
        manager = tracer.scope_manager
        if span is not None:
            return manager.activate(span, False).close
        from .scope_managers.nesting import NestedScope

        scope = manager.active
        if isinstance(scope, NestedScope):  # one of another make has no way to hide it
            scope._restore(None)
            return lambda: scope._restore(scope)
    except Exception:
        reraise_interrupt()
        _failures.report()
    return None


def _end(end: t.Callable[[], None] | None) -> None:
    if end is not None:
        try:
            end()
        except Exception:
            reraise_interrupt()
            _failures.report()
