"""Names in the annotations of the tracer and what it rests on, which import this as ``t``.

They are loaded if somebody evaluates an annotation, as `typing.get_type_hints` does. Otherwise they
are not needed, and `typing` would take a third of the time that the tracer takes to import.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any as Any
    from typing import SupportsIndex as SupportsIndex
    from typing import TypeVar

    from .context import BasicSpanContext
    from .propagator import Propagator as Propagator
    from .sampler import Sampler as Sampler
    from .span import BasicSpan
    from .tracer import BasicTracer

    ContextT = TypeVar("ContextT", bound=BasicSpanContext)
    FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
    SpanT = TypeVar("SpanT", bound=BasicSpan)
    TracerT = TypeVar("TracerT", bound=BasicTracer)
else:

    def __getattr__(name):
        if name.startswith("__"):
            raise AttributeError(name)
        import typing

        from .context import BasicSpanContext
        from .propagator import Propagator
        from .sampler import Sampler
        from .span import BasicSpan
        from .tracer import BasicTracer

        globals().update(
            Any=typing.Any,
            ContextT=typing.TypeVar("ContextT", bound=BasicSpanContext),
            FunctionT=typing.TypeVar("FunctionT", bound=typing.Callable[..., typing.Any]),
            Propagator=Propagator,
            Sampler=Sampler,
            SpanT=typing.TypeVar("SpanT", bound=BasicSpan),
            SupportsIndex=typing.SupportsIndex,
            TracerT=typing.TypeVar("TracerT", bound=BasicTracer),
        )
        return globals()[name]
