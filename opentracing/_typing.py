"""The names in this package's annotations, for modules that import it as ``t``.

They are loaded if somebody evaluates an annotation, as `typing.get_type_hints` does. Otherwise they
are not needed, and `typing` alone would double the time that this package takes to import.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable as Callable
    from collections.abc import Mapping as Mapping
    from collections.abc import Sequence as Sequence
    from types import TracebackType as TracebackType
    from typing import Any as Any
    from typing import NoReturn as NoReturn
    from typing import TypeVar, Union

    from .scope import Scope
    from .scope_manager import ScopeManager as ScopeManager
    from .span import Span
    from .tracer import Tracer as Tracer

    DecoratedT = TypeVar(
        "DecoratedT",
        bound=Union[Callable[..., Any], staticmethod[..., Any], classmethod[Any, ..., Any]],
    )
    FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
    SpanT = TypeVar("SpanT", bound=Span)
    ScopeT = TypeVar("ScopeT", bound=Scope)
else:

    def __getattr__(name):
        if name.startswith("__"):
            raise AttributeError(name)
        import types
        import typing
        from collections import abc

        from . import Scope, ScopeManager, Span, Tracer

        globals().update(
            Any=typing.Any,
            Callable=abc.Callable,
            DecoratedT=typing.TypeVar("DecoratedT", bound=abc.Callable[..., typing.Any]),
            FunctionT=typing.TypeVar("FunctionT", bound=abc.Callable[..., typing.Any]),
            Mapping=abc.Mapping,
            NoReturn=typing.NoReturn,
            ScopeManager=ScopeManager,
            ScopeT=typing.TypeVar("ScopeT", bound=Scope),
            Sequence=abc.Sequence,
            SpanT=typing.TypeVar("SpanT", bound=Span),
            TracebackType=types.TracebackType,
            Tracer=Tracer,
        )
        return globals()[name]
