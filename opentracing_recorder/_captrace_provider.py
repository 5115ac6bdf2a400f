"""The OpenTelemetry provider that hands what is traced to the CapTrace of the running test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as _context_api
from opentelemetry import trace as _trace_api
from opentelemetry.context import Context

from opentracing import Scope, ScopeManager, Span

from .opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager
from .tracer import BasicTracer

_globals: Any = _trace_api


class _Tracer(_trace_api.ProxyTracer):
    """Starts spans of the running test, or of the global provider, whichever is there now.

    A tracer of the API that is kept in a module keeps for good the first real one that it finds.
    """

    @property
    def _tracer(self) -> _trace_api.Tracer:
        if _provider.running is not None:
            _forget_others(_provider.running.tracer)
        return _provider.found().get_tracer(
            self._instrumenting_module_name,
            self._instrumenting_library_version,
            *self._more,
        )

    _more: tuple[Any, ...] = ()


class _Provider(_trace_api.TracerProvider):
    """One for the process, as tracers outlive a test."""

    running: BasicTracerProvider | None = None

    def found(self) -> _trace_api.TracerProvider:
        if self.running is not None:
            return self.running
        provider = _trace_api.get_tracer_provider()
        return _trace_api.NoOpTracerProvider() if provider is self else provider

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> _trace_api.Tracer:
        made = _Tracer(instrumenting_module_name, instrumenting_library_version)
        # Older versions have no attributes.
        made._more = (schema_url,) if attributes is None else (schema_url, attributes)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.found(), name)


_provider = _Provider()


class _ScopeManager(ScopeManager):
    """OpenTelemetry's current span, and outside it what was active before the API was imported."""

    def __init__(self, tracer: BasicTracer) -> None:
        super().__init__()
        self._tracer = tracer
        self._current = OpenTelemetryScopeManager()
        self._former = tracer.scope_manager
        self.baggage_set = self._current.baggage_set

    def activate(self, span: Span, finish_on_close: bool) -> Scope:
        _forget_others(self._tracer)
        return self._current.activate(span, finish_on_close)

    @property
    def active(self) -> Scope | None:
        _forget_others(self._tracer)
        return self._current.active or self._former.active


def _forget_others(tracer: BasicTracer) -> None:
    """Start afresh where another test left a span current, as in a context of its own."""
    span = getattr(_trace_api.get_current_span(), "basic_span", None)
    if span is not None and getattr(span, "_tracer", tracer) not in (None, tracer):
        _context_api.attach(Context())


@contextmanager
def installed_provider(tracer: BasicTracer, is_late: bool) -> Iterator[None]:
    """Have the global provider record in `tracer` for a block, with no span current.

    The API keeps its provider, and the mark that it was set, in private names, which its own test
    utilities replace in this way too.
    """
    context = Context() if is_late else _context_api.get_current()
    former = _globals._TRACER_PROVIDER, _globals._TRACER_PROVIDER_SET_ONCE, _provider.running
    manager = tracer._scope_manager
    once = type(_globals._TRACER_PROVIDER_SET_ONCE)()
    once.do_once(lambda: None)
    if not is_late:
        _context_api.attach(Context())
    tracer._scope_manager = _ScopeManager(tracer)
    _provider.running = BasicTracerProvider(tracer)
    _globals._TRACER_PROVIDER, _globals._TRACER_PROVIDER_SET_ONCE = _provider, once
    try:
        yield
    finally:
        _globals._TRACER_PROVIDER, _globals._TRACER_PROVIDER_SET_ONCE, _provider.running = former
        tracer._scope_manager = manager
        _context_api.attach(context)
