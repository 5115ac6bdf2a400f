"""Lets a CapTrace record what OpenTelemetry's API traces, if that API is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .tracer import BasicTracer

_API = "opentelemetry.trace"


@contextmanager
def opentelemetry_captured(tracer: BasicTracer) -> Iterator[None]:
    """Make `tracer` the back end of OpenTelemetry's API for a block.

    If the API is not imported yet, this happens when the block imports it.
    """
    with ExitStack() as installed:

        def install(is_late: bool) -> None:
            from ._captrace_provider import installed_provider

            installed.enter_context(installed_provider(tracer, is_late))

        if _API in sys.modules:
            install(False)
            yield
            return
        watch = _ImportWatch(lambda: install(True))
        sys.meta_path.insert(0, watch)
        try:
            yield
        finally:
            watch.stop()


class _ImportWatch:
    """A finder that finds nothing of its own, and calls back once the API is imported."""

    def __init__(self, imported: Callable[[], None]) -> None:
        self._imported: Callable[[], None] | None = imported

    def stop(self) -> None:
        self._imported = None
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        imported = self._imported
        if name != _API or imported is None:
            return None
        self.stop()
        spec = find_spec(name)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                imported()

            loader.exec_module = exec_module
        return spec
