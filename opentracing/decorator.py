"""traced: a decorator that gives each call of a function a span.

It decorates functions, coroutine functions, generators, async generators, methods, class methods
and static methods. Signature, name, docstring, kind and type stay those of the function::

    import opentracing
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()

    @opentracing.traced
    def rows(count):
        for number in range(count):
            with opentracing.tracer.start_active_span("read"):
                yield number

    @opentracing.traced("report", tags={"component": "shop"})
    def report():
        for number in rows(2):
            print(number, opentracing.tracer.active_span.operation_name)

    with opentracing.use_tracer(BasicTracer(recorder)):
        report()
    print(recorder.outline())

which prints::

    0 report
    1 report
    report
      rows
        read
        read

- Each call reads `opentracing.tracer`, or uses the given `tracer`. With the no-op tracer, it only
  calls the function; of a generator, it is a ``yield from``.
- A coroutine's span lasts from its first step to its end. If it is never awaited, it has no span.
- A generator's span lasts from its first item to its end: exhausted, failed, closed or collected as
  garbage. It is active only while the generator's own code runs, in the thread, task or context
  that asks for the item. So are the scopes which that code holds open at a ``yield``. The spans of
  the consumer, or of the block of a `contextlib.contextmanager`, are not its children.
- If a coroutine function or a generator is called with wrong arguments, the `TypeError` is raised
  at its first step.
- Only a function that has ``yield`` in it is a generator. If a function returns a generator or an
  awaitable of another function, the span ends when it returns: decorate the other function.
- If an `Exception` leaves the function, the span gets the tag `error` and a log, as it does from a
  ``with`` block.
- An exception of the tracer is logged, at most once a minute, under ``opentracing.decorator``. The
  function runs once, and its caller gets its result or its exception.
"""

from __future__ import annotations

import sys

import opentracing

from . import _typing as t
from ._failures import Failures
from ._functions import (
    ASYNC_GENERATOR,
    COROUTINE,
    GENERATOR,
    ITERABLE_COROUTINE,
    flags_of,
    unbound,
)
from .interrupts import reraise_interrupt
from .tracer import Tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload

    from .scope import Scope
    from .scope_managers.nesting import NestedScope
    from .span import Span

_failures = Failures(
    __name__,
    "the tracer raised at the %s of a decorated function's span; the span may be lost, and the"
    " function goes on",
)


if TYPE_CHECKING:

    @overload
    def traced(
        function: t.DecoratedT,
        /,
        *,
        tags: t.Mapping[str, t.Any] | None = None,
        tracer: t.Tracer | None = None,
    ) -> t.DecoratedT: ...

    @overload
    def traced(
        operation_name: str = "",
        /,
        *,
        tags: t.Mapping[str, t.Any] | None = None,
        tracer: t.Tracer | None = None,
    ) -> t.Callable[[t.DecoratedT], t.DecoratedT]: ...


def traced(
    function: t.Any = "",
    /,
    *,
    tags: t.Mapping[str, t.Any] | None = None,
    tracer: t.Tracer | None = None,
) -> t.Any:
    """Decorate a function, so that each call has a span, which is active while it runs::

        @traced
        def load(): ...

        @traced("charge a card", tags={"component": "payment"})
        async def charge(card): ...

    The operation name is the function's qualified name by default, such as ``Cart.add``. Each span
    gets a copy of `tags`, which are copied at decoration, too. With `tracer`, the spans are of that
    tracer, otherwise of the global one at the time of the call.

    Raises `TypeError` for anything that is not callable, for a class, and for tags that are not a
    mapping. `staticmethod` and `classmethod` may stand above or below it.
    """
    if tags is not None:
        from collections.abc import Mapping

        if not isinstance(tags, Mapping):
            raise TypeError(f"traced needs a mapping as tags, not {type(tags).__name__}")
        tags = dict(tags)
    if not isinstance(function, str):
        return _decorated(function, "", tags, tracer)
    return lambda decorated: _decorated(decorated, function, tags, tracer)


def _decorated(
    function: t.Any, name: str, tags: dict[str, t.Any] | None, tracer: t.Tracer | None
) -> t.Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_decorated(function.__func__, name, tags, tracer))
    if isinstance(function, type):
        raise TypeError(f"traced cannot decorate the class {function.__name__}; decorate methods")
    if not callable(function):
        raise TypeError(f"traced decorates functions, not {type(function).__name__}")

    from functools import update_wrapper  # here, because it takes longer than this package
    from types import coroutine

    plain = unbound(function)
    name = name or _name_of(plain)
    flags = flags_of(plain)
    if flags & COROUTINE:
        make = _coroutine_function
    elif flags & ASYNC_GENERATOR:
        make = _async_generator_function
    elif flags & GENERATOR:
        make = _generator_function
    else:
        make = _function
    wrapper = make(function, name, tags, _source(tracer))
    if flags & ITERABLE_COROUTINE:
        wrapper = coroutine(wrapper)
    return update_wrapper(wrapper, function)


def _name_of(function: t.Any) -> str:
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if not isinstance(name, str):
        name = type(function).__qualname__
    return name.rpartition("<locals>.")[2]


# One of these functions makes each kind of wrapper. With the no-op tracer, a wrapper only calls.


def _source(tracer: t.Tracer | None) -> t.Mapping[str, t.Any]:
    """The dict in which a wrapper looks its tracer up. Before 3.11, a module is slower to read."""
    return vars(opentracing) if tracer is None else {"tracer": tracer}


def _function(
    function: t.Any, name: str, tags: dict[str, t.Any] | None, source: t.Mapping[str, t.Any]
) -> t.Any:
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        tracer = source["tracer"]
        if type(tracer) is Tracer:
            return function(*args, **kwargs)
        scope = _open(tracer, name, tags)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _close(scope, error)
            raise
        _close(scope, None)
        return result

    return call


def _coroutine_function(
    function: t.Any, name: str, tags: dict[str, t.Any] | None, source: t.Mapping[str, t.Any]
) -> t.Any:
    async def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        tracer = source["tracer"]
        if type(tracer) is Tracer:
            return await function(*args, **kwargs)
        scope = _open(tracer, name, tags)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _close(scope, error)
            raise
        _close(scope, None)
        return result

    return call


def _generator_function(
    function: t.Any, name: str, tags: dict[str, t.Any] | None, source: t.Mapping[str, t.Any]
) -> t.Any:
    def generate(*args: t.Any, **kwargs: t.Any) -> t.Any:
        tracer = source["tracer"]
        if type(tracer) is Tracer:
            return (yield from function(*args, **kwargs))
        generator = function(*args, **kwargs)
        steps = _Steps(tracer, name, tags)
        advance, argument = generator.send, None
        item: list[t.Any] = []  # empty while the consumer works, so that it keeps nothing alive
        try:
            while True:
                runs = True
                try:
                    steps.begin()
                    item.append(advance(argument))
                    argument = None
                    steps.pause()
                    runs = False
                    argument = yield item.pop()
                    advance = generator.send
                except BaseException as error:
                    if not runs:  # the consumer throws it in, or closes the generator
                        advance, argument = generator.throw, error
                        continue
                    steps.end(error)
                    if isinstance(error, StopIteration):
                        return error.value
                    raise
        finally:
            argument = None  # it may be an exception, which refers to this frame
            steps.end(None)

    return generate


def _async_generator_function(
    function: t.Any, name: str, tags: dict[str, t.Any] | None, source: t.Mapping[str, t.Any]
) -> t.Any:
    async def generate(*args: t.Any, **kwargs: t.Any) -> t.Any:
        tracer = source["tracer"]
        generator = function(*args, **kwargs)
        steps = None if type(tracer) is Tracer else _Steps(tracer, name, tags)
        step = _first_step(generator)
        item: list[t.Any] = []
        try:
            while True:
                runs = True
                try:
                    if steps is not None:
                        steps.begin()
                    item.append(await step)
                    step = None
                    if steps is not None:
                        steps.pause()
                    runs = False
                    step = generator.asend((yield item.pop()))
                except BaseException as error:
                    if not runs:
                        step = generator.athrow(error)
                        continue
                    if steps is not None:
                        steps.end(error)
                    if isinstance(error, StopAsyncIteration):
                        return
                    raise
        finally:
            step = None
            if steps is not None:
                steps.end(None)

    return generate


def _first_step(generator: t.Any) -> t.Any:
    """The first step of an async generator, which hides the generator from the event loop.

    The loop closes the wrapper, when it ends or when the wrapper is garbage. The wrapper then
    closes the generator. If the loop closed both, at the same time, one would fail.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=_leave_to_wrapper)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave_to_wrapper(generator: object) -> None:
    """The finalizer of an async generator inside a wrapper."""


class _Steps:
    """The span of a generator, active during each of its steps. No tracer's exception leaves it."""

    __slots__ = ("_inner", "_manager", "_scope", "_span")

    def __init__(self, tracer: t.Any, name: str, tags: dict[str, t.Any] | None) -> None:
        self._inner: list[NestedScope] = []
        self._scope: Scope | None = None
        self._span: Span | None = None
        try:
            self._manager = tracer.scope_manager
            self._span = tracer.start_span(name, tags=None if tags is None else dict(tags))
        except RecursionError:
            pass  # the stack has no space to report it
        except Exception:
            reraise_interrupt()
            _failures.report("start")

    def begin(self) -> None:
        """Make the span active, and inside it the scopes that the generator holds open."""
        if self._span is None or self._scope is not None:
            return
        try:
            self._scope = self._manager.activate(self._span, False)
            if self._inner:
                from .scope_managers.nesting import resume

                resume(self._inner)
        except RecursionError:
            pass
        except Exception:
            reraise_interrupt()
            _failures.report("activation")

    def pause(self) -> None:
        """Make the consumer's span active again."""
        scope = self._scope
        if scope is None:
            return
        self._scope = None
        try:
            if self._manager.active is scope:
                scope.close()
                return
            # Here, because a program without such generators may need no scope manager.
            from .scope_managers.nesting import suspend

            inner = suspend(scope)
            if inner is None:
                self._scope = scope  # it stays open below one of an unknown kind
            else:
                self._inner = inner
        except RecursionError:
            pass
        except Exception:
            reraise_interrupt()
            _failures.report("deactivation")

    def end(self, error: BaseException | None) -> None:
        """Finish the span, once."""
        span, self._span = self._span, None
        if span is None:
            return
        scope, self._scope = self._scope, None
        if scope is not None:
            try:
                scope.close()
            except RecursionError:
                pass
            except Exception:
                reraise_interrupt()
                _failures.report("deactivation")
        is_end = isinstance(error, (StopIteration, StopAsyncIteration))
        _close(span, None if is_end else error)


def _open(tracer: t.Any, name: str, tags: dict[str, t.Any] | None) -> t.Any:
    """The scope of a new span; None if the tracer has made none."""
    scope: t.Any = None
    try:
        scope = tracer.start_active_span(name, tags=None if tags is None else dict(tags))
        scope.__enter__()
    except RecursionError:
        pass
    except Exception:
        reraise_interrupt()
        _failures.report("start")
    return scope


def _close(opened: t.Any, error: BaseException | None) -> None:
    """Leave a scope or span as a ``with`` block does."""
    if opened is None:
        return
    try:
        if isinstance(error, Exception):
            opened.__exit__(type(error), error, error.__traceback__)
        else:
            opened.__exit__(None, None, None)
    except RecursionError:
        pass
    except Exception:
        reraise_interrupt()
        _failures.report("end")
