"""The reference OpenTracing tracer: `BasicTracer` builds spans and hands them to a `Recorder`.

The names are those of `public`, which is imported when one of them is first asked for: pytest
imports this package for its plugin at every start, whether or not anything is traced.

PYTEST_DONT_REWRITE: for pytest, which would warn where this was imported before pytest started.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .public import *  # noqa: F403


def __getattr__(name: str) -> object:
    # `import *` asks for `__all__`. Submodules are asked for too: they are imported after this
    # has refused.
    if name == "__all__" or name[:1] != "_":
        names = _public_names()
        if name in names:
            globals().update(names)
            return names[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_public_names()})


def _public_names() -> dict[str, object]:
    from importlib import import_module

    public = import_module(f"{__name__}.public")
    return {name: getattr(public, name) for name in ("__all__", *public.__all__)}
