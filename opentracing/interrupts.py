"""Exceptions of signal handlers: time limits, for one, that must reach the application.

Python runs a signal's handler between any two steps of the main thread. An exception of the handler
comes out of the code that was at work then, which may be a tracer's. A tracer, a recorder or a
propagator that keeps exceptions from the application lets these through::

    from opentracing.interrupts import reraise_interrupt

    def record(span, write):
        try:
            write(span)
        except Exception:
            reraise_interrupt()  # the first line of the block
            ...  # keep the exception from the application

    record("span", write=len)

It costs nothing until something is raised. It raises nothing but the handler's exception.

Limits: an exception that is set from another thread, as by ``PyThreadState_SetAsyncExc``, cannot be
distinguished from others, and a RecursionError is not looked at.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType
    from typing import Any

_MOST = 10_000  # entries of a traceback that are looked at
_VARARGS = 4  # of a code's flags: it has *args
_CALL = "__call__"


def reraise_interrupt() -> None:
    """In an ``except`` block: raise the exception again if a signal's handler raised it.

    Raises nothing else. A RecursionError is not looked at: there may be no room to do so.
    """
    error = sys.exc_info()[1]
    entry = None if error is None else error.__traceback__
    if entry is None or entry.tb_next is None:  # as it is nearly always
        return
    if isinstance(error, RecursionError):
        return
    try:
        is_interrupt = _is_from_handler(entry)
    except RecursionError:
        return
    if is_interrupt:
        raise


def _is_from_handler(entry: TracebackType | None) -> bool:
    """Whether one of the frames in a traceback is that of a signal's handler.

    Python calls a handler with the signal's number and the very frame that it interrupts. So where
    a frame further up in the traceback is an argument of one further down, behind a number, the
    latter is a handler's. The handlers that are installed are looked at for those that put other
    values into their arguments, or delete them.
    """
    passed: set[int] = set()
    candidates: list[CodeType] = []
    while entry is not None and len(passed) < _MOST:
        frame = entry.tb_frame
        code = frame.f_code
        if passed and (code.co_argcount > 1 or code.co_flags & _VARARGS):
            number: object = None
            for each in _arguments(frame, code):
                if type(number) is int and id(each) in passed:
                    return True
                number = each
            candidates.append(code)
        passed.add(id(frame))
        entry = entry.tb_next
    return bool(candidates) and any(
        handling is each for handling in _handlers() for each in candidates
    )


def _arguments(frame: FrameType, code: CodeType) -> list[Any]:
    """The values of a frame's positional parameters, those of ``*args`` included."""
    values = frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _VARARGS:
        rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        if type(rest) is tuple:
            arguments.extend(rest)
    return arguments


def _handlers() -> Iterator[CodeType]:
    """The code of every handler that is installed, where it is Python's."""
    # What `signal` is made of; `signal.getsignal` takes several times as long.
    signals = sys.modules.get("_signal")
    if signals is None or "signal" not in sys.modules:
        return
    from functools import partial  # here: `signal` and what uses it have loaded both
    from types import FunctionType, MethodType

    for number in range(1, signals.NSIG):
        handler: Any = signals.getsignal(number)
        if not callable(handler):
            continue
        while isinstance(handler, (MethodType, partial)):
            handler = handler.__func__ if isinstance(handler, MethodType) else handler.func
        if not isinstance(handler, FunctionType):
            kind: Any = type(handler)
            calls = (each.__dict__[_CALL] for each in kind.__mro__ if _CALL in each.__dict__)
            handler = next(calls, None)
        if isinstance(handler, FunctionType):
            yield handler.__code__
