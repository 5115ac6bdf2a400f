"""Exceptions of signal handlers, such as time limits, which must reach the application.

Python runs a signal's handler between any two steps of the main thread. If the handler raises, the
exception comes out of the code that was running, which may be tracing. A tracer, recorder or
propagator that keeps exceptions from the application calls `reraise_interrupt` first::

    from opentracing.interrupts import reraise_interrupt
    from opentracing_recorder import Recorder


    class FileRecorder(Recorder):
        def __init__(self, file):
            self.file = file

        def record_span(self, span):
            try:
                self.file.write(span.operation_name)
            except Exception:
                reraise_interrupt()  # raises it again, if a signal's handler raised it
                self.lost = span

It costs nothing until something is raised. Exceptions that another thread sets, for example by
``PyThreadState_SetAsyncExc``, look like any other and are not raised again.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType
    from typing import Any

_MOST = 10_000  # entries of a traceback that are searched
_VARARGS = 4  # the flag of code that has *args


def reraise_interrupt() -> None:
    """In an ``except`` block: raise the exception again if a signal handler raised it.

    Otherwise, does nothing. A RecursionError is ignored: the stack may have no space to examine it.
    """
    error = sys.exc_info()[1]
    entry = None if error is None else error.__traceback__
    if entry is None or entry.tb_next is None:  # the usual case
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
    """Whether a frame in a traceback is that of a signal handler.

    Python calls a handler with the signal's number and the frame that it interrupts. So a frame is
    a handler's if its arguments have a number, and then a frame further up in the traceback. For
    handlers that change or delete their arguments, the code is compared with that of the installed
    handlers.
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
    """The values of a frame's positional parameters, including ``*args``."""
    values = frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _VARARGS:
        rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        if type(rest) is tuple:
            arguments.extend(rest)
    return arguments


def _handlers() -> Iterator[CodeType]:
    """The code of every installed handler that is written in Python."""
    # `signal.getsignal` takes several times as long as that of `_signal`, which it wraps.
    signals = sys.modules.get("_signal")
    if signals is None or "signal" not in sys.modules:
        return
    from functools import partial  # here, because `signal` has loaded both
    from types import FunctionType, MethodType

    for number in range(1, signals.NSIG):
        handler: Any = signals.getsignal(number)
        if not callable(handler):
            continue
        while isinstance(handler, (MethodType, partial)):
            handler = handler.__func__ if isinstance(handler, MethodType) else handler.func
        if not isinstance(handler, FunctionType):
            handler = type(handler).__call__
        if isinstance(handler, FunctionType):
            yield handler.__code__
