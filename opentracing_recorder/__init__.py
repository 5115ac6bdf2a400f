"""The reference OpenTracing tracer: `BasicTracer` builds spans and hands them to a `Recorder`.

The names are those of `_public`, which is imported when one of them is first asked for: pytest
imports this package for its plugin at every start, whether or not anything is traced.

PYTEST_DONT_REWRITE: for pytest, which would warn where this was imported before pytest started.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._public import *  # noqa: F403
else:
    # Type checkers would take a module with a `__getattr__` for one that has every name.

    def __getattr__(name):
        # `import *` asks for `__all__`. Submodules are asked for too: they are imported after this
        # has refused.
        if name == "__all__" or name[:1] != "_":
            public = _names()
            if name == "__all__" or name in public.__all__:
                # One at a time: what somebody has patched stays.
                return globals().setdefault(name, getattr(public, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_names().__all__})

    def _names():
        from importlib import import_module

        return import_module(f"{__name__}._public")
