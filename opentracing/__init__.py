"""The OpenTracing platform API: what instrumentation calls, whatever tracer is installed.

Everything here is a no-op until an application calls `set_global_tracer`.

PYTEST_DONT_REWRITE: for pytest, which would warn where this was imported before pytest started.
"""

from __future__ import annotations

import sys

from . import _typing, logs, tags
from .ext import tags as _ext_tags  # noqa: F401  # `opentracing.ext.tags` is there unasked
from .propagation import (
    Format,
    InvalidCarrierException,
    SpanContextCorruptedException,
    UnsupportedFormatException,
)
from .scope import Scope
from .scope_manager import ScopeManager
from .span import Span, SpanContext
from .tracer import (
    Reference,
    ReferenceType,
    Tracer,
    child_of,
    follows_from,
    start_child_span,
)

__all__ = [
    "Format",
    "InvalidCarrierException",
    "Reference",
    "ReferenceType",
    "Scope",
    "ScopeManager",
    "Span",
    "SpanContext",
    "SpanContextCorruptedException",
    "Tracer",
    "UnsupportedFormatException",
    "child_of",
    "follows_from",
    "global_tracer",
    "is_global_tracer_registered",
    "logs",
    "set_global_tracer",
    "start_child_span",
    "tags",
    "tracer",
    "use_tracer",
]

# The instance hides the submodule of the same name, as it always has: libraries read, assign and
# patch `opentracing.tracer`, so this variable is the only place where the global tracer is kept.
tracer: Tracer = Tracer()
is_tracer_registered = False


def global_tracer() -> Tracer:
    """The tracer that libraries use: `opentracing.tracer`, a no-op until one is set."""
    return tracer


def set_global_tracer(value: Tracer) -> None:
    """Install the tracer that libraries use. None is a `ValueError`."""
    if value is None:
        raise ValueError("The global tracer cannot be None")

    global tracer, is_tracer_registered
    tracer = value
    is_tracer_registered = True


def is_global_tracer_registered() -> bool:
    """Whether `set_global_tracer` has been called."""
    return is_tracer_registered


class use_tracer:
    """A context manager that installs a global tracer for one block, for tests and scripts::

        with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
            run_the_code_under_test()

    On the way out the tracer that was there before is put back, registered or not. The tracer is
    not closed. The global tracer is one for the whole process: other threads see it too.
    """

    def __init__(self, tracer: Tracer) -> None:
        if tracer is None:
            raise ValueError("The global tracer cannot be None")
        self._tracer = tracer
        self._replaced: list[tuple[Tracer, bool]] = []

    def __enter__(self) -> Tracer:
        self._replaced.append((tracer, is_tracer_registered))
        set_global_tracer(self._tracer)
        return self._tracer

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: _typing.TracebackType | None,
    ) -> None:
        global tracer, is_tracer_registered
        tracer, is_tracer_registered = self._replaced.pop()


class _TracerModule(type(sys)):  # type: ignore[misc]
    """The submodule `opentracing.tracer`: what `mock.patch("opentracing.tracer.inject")` patches.

    Names that are not the module's own are those of the global tracer, which hides the module.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(tracer, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self) or not hasattr(tracer, name):
            super().__setattr__(name, value)
        else:
            setattr(tracer, name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self):
            super().__delattr__(name)
        else:
            delattr(tracer, name)


sys.modules[__name__ + ".tracer"].__class__ = _TracerModule


def _reset_global_tracer() -> None:
    """Forget the registered tracer; test suites written for 2.4 call this."""
    global tracer, is_tracer_registered
    tracer = Tracer()
    is_tracer_registered = False
