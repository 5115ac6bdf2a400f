"""tracer_from_environment: a tracer set up by OpenTelemetry's environment variables.

::

    import os
    from unittest.mock import patch

    from opentracing_recorder import tracer_from_environment

    variables = {"OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_EXPORTER": "none"}
    with patch.dict(os.environ, variables):  # in the place of your shell
        tracer = tracer_from_environment()
    print(tracer.service_name)

which prints::

    shop

## Without a line of code

Install ``opentracing[opentelemetry-api]``, ``opentelemetry-instrumentation`` and the packages for
what the application uses, such as ``opentelemetry-instrumentation-flask``. Then::

    OTEL_PYTHON_CONFIGURATOR=opentracing OTEL_TRACES_EXPORTER=console \\
        opentelemetry-instrument python app.py

- ``OTEL_PYTHON_CONFIGURATOR=opentracing`` always chooses this tracer.
- ``OTEL_PYTHON_TRACER_PROVIDER=opentracing`` chooses it unless another configurator runs first, as
  that of ``opentelemetry-distro`` may. It needs no ``opentelemetry-instrument``.
- If neither is set, this tracer is used only if OpenTelemetry's SDK is not installed. Otherwise the
  other configurator that is installed runs, if there is one.
- ``opentelemetry-instrument`` runs one configurator, and warns of each other one: "Configuration of
  X not loaded, Y already loaded". That is harmless.

The tracer becomes `opentracing.global_tracer` too, unless the application has set one.

## Variables

| variable | meaning | default |
|---|---|---|
| ``OTEL_SERVICE_NAME`` | the service's name | ``service.name`` of the next |
| ``OTEL_RESOURCE_ATTRIBUTES`` | ``key=value,...``, percent-encoded | none; ``unknown_service`` |
| ``OTEL_TRACES_EXPORTER`` | exporters, see below | ``otlp`` |
| ``OTEL_EXPORTER_OTLP_*`` | see `opentracing_recorder.otlp` | its own |
| ``OTEL_EXPORTER_ZIPKIN_ENDPOINT`` | a URL | ``http://localhost:9411/api/v2/spans`` |
| ``OTEL_TRACES_SAMPLER`` | a sampler, see below | ``parentbased_always_on`` |
| ``OTEL_TRACES_SAMPLER_ARG`` | the share of traces kept, 0.0 to 1.0 | 1.0 |
| ``OTEL_BSP_SCHEDULE_DELAY`` | milliseconds between batches | 1000 |
| ``OTEL_BSP_EXPORT_TIMEOUT`` | milliseconds for one report, see below | 10000 |
| ``OTEL_BSP_MAX_QUEUE_SIZE`` | spans | 16384 |
| ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE`` | spans, at most the queue's size | 512 |
| ``OTEL_SDK_DISABLED`` | ``true`` records nothing | ``false`` |
| ``OTEL_PROPAGATORS`` | headers for OpenTelemetry's API alone | ``tracecontext,baggage`` |

- Exporters are ``otlp``, ``console``, ``zipkin`` and ``none``, or several, separated by commas.
- ``otlp`` needs ``opentracing[otlp]``, and ``zipkin`` needs ``opentracing[zipkin]``. With
  ``OTEL_EXPORTER_OTLP_PROTOCOL=grpc``, ``otlp`` needs ``opentracing[opentelemetry]`` and
  ``opentelemetry-exporter-otlp-proto-grpc``, whose exporter reads the other variables.
- Over OTLP, ``OTEL_EXPORTER_OTLP_TIMEOUT`` replaces ``OTEL_BSP_EXPORT_TIMEOUT`` if it is shorter.
- ``console`` writes a line for each span to standard error.
- Samplers are ``always_on``, ``always_off`` and ``traceidratio``, each with or without
  ``parentbased_`` before it: a parent's decision is always kept.

## Errors

Nothing raises. For a value that cannot serve, one warning in the log names the variable and the
default that is used. If the packages for an exporter are missing, one warning names them, and the
other exporters are used.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import opentracing
from opentracing.interrupts import reraise_interrupt

from ._environment_exporters import is_grpc, recorder_of_environment
from ._environment_instrumentations import instrument, patch_by_gevent
from ._environment_limits import Limits, limits_of_environment
from ._environment_names import report_unread
from ._environment_propagators import (
    W3C,
    known_propagators,
    named_propagators,
    propagators_of,
    single,
)
from ._environment_variables import named_service, resource_attributes, value_of, warn
from ._errors import loggable
from .edge_propagator import EdgePropagator
from .recorder import NoopRecorder
from .sampler import ConstSampler, ProbabilisticSampler, Sampler
from .shutdown import close_at_signals
from .tracer import BasicTracer

__all__ = [
    "Configurator",
    "provider_from_environment",
    "set_up_from_environment",
    "tracer_from_environment",
]

_logger = logging.getLogger(__name__)

_NAME = "opentracing"
"""The name of this package's entry points."""


def tracer_from_environment() -> BasicTracer:
    """A new tracer, as the ``OTEL_*`` variables describe it. Nothing raises.

    If opentelemetry-api is installed, its active span is OpenTelemetry's current span.
    """
    names = named_propagators()
    return _tracer(limits_of_environment(), known_propagators(names))


def provider_from_environment() -> Any:
    """A `BasicTracerProvider` on a `tracer_from_environment`.

    The entry point of ``OTEL_PYTHON_TRACER_PROVIDER=opentracing``. The tracer becomes the global
    tracer of `opentracing`, unless one is set. OpenTelemetry's `propagate` gets the propagators
    that ``OTEL_PROPAGATORS`` names, if it names others than W3C's.
    """
    from ._opentelemetry_api_propagator import is_installed, set_propagators
    from .opentelemetry_api import BasicTracerProvider

    limits, names = limits_of_environment(), named_propagators()
    # Those of other packages serve OpenTelemetry's API alone.
    others = tuple(each for each in names if is_installed(each))
    known = known_propagators(names, others)
    tracer = _tracer(limits, known)
    if set(names) != set(W3C):
        chosen = [each for each in names if each in known or each in others] or known
        set_propagators(chosen, lambda name: single(name, encode_values=True))
    if not opentracing.is_global_tracer_registered():
        opentracing.set_global_tracer(tracer)
    provider = BasicTracerProvider(tracer, resource_attributes=resource_attributes())
    limits.set_on_provider(provider)
    return provider


def set_up_from_environment() -> None:
    """Trace this process as the command ``run`` does. Call it before the application's imports.

    The tracer becomes the global tracer of both APIs, if OpenTelemetry's is installed; then
    OpenTelemetry's instrumentations are loaded; and `close_at_signals` is called. Nothing raises.
    """
    try:
        patch_by_gevent()
        _set_tracer()
        close_at_signals()
    except Exception as error:
        reraise_interrupt()
        _logger.warning("This process is not traced", exc_info=loggable(error))


def _set_tracer() -> None:
    try:
        from opentelemetry import trace
    except ImportError:
        opentracing.set_global_tracer(tracer_from_environment())
        return
    trace.set_tracer_provider(provider_from_environment())
    instrument()


def _tracer(limits: Limits, formats: tuple[str, ...]) -> BasicTracer:
    report_unread(is_grpc())
    scope_manager: Any = None
    try:
        from .opentelemetry_api import OpenTelemetryScopeManager

        scope_manager = OpenTelemetryScopeManager()
    except ImportError:
        pass
    name = named_service()
    is_disabled = value_of("OTEL_SDK_DISABLED").lower() == "true"
    sampler, follows_parent = (ConstSampler(False), True) if is_disabled else _sampler()
    propagators: dict[Any, Any] = propagators_of(formats)
    if not follows_parent:
        propagators = {
            format: EdgePropagator(propagator) for format, propagator in propagators.items()
        }
        if scope_manager is not None:
            scope_manager.decides_anew = True
    tracer = BasicTracer(
        NoopRecorder() if is_disabled else limits.cut(recorder_of_environment(name)),
        sampler,
        scope_manager,
        propagators=propagators,
        # Longer ones lose their half on the wire.
        trace_id_bits=64 if "ottrace" in formats else 128,
        service_name=name,
    )
    limits.set_on_tracer(tracer)
    return tracer


class Configurator:
    """Makes the tracer OpenTelemetry's provider if it was chosen.

    The entry point that ``opentelemetry-instrument`` calls.

    If it was not chosen, the first of the other configurators runs in its place.
    """

    def configure(self, **options: Any) -> None:
        """Set the provider. `options` are handed to the other configurator, if that runs."""
        asked = value_of("OTEL_PYTHON_CONFIGURATOR") == _NAME
        provider = value_of("OTEL_PYTHON_TRACER_PROVIDER")
        if not asked and provider != _NAME:
            other = _other_configurator()
            if other is not None:
                other.load()().configure(**options)
                return
            if provider or _is_installed("opentelemetry.sdk"):
                return
        from opentelemetry import trace

        trace.set_tracer_provider(provider_from_environment())


def _other_configurator() -> Any:
    from opentelemetry.util._importlib_metadata import entry_points

    found = entry_points(group="opentelemetry_configurator")
    return next((each for each in found if each.name != _NAME), None)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        reraise_interrupt()
        return False


def _sampler() -> tuple[Sampler, bool]:
    """The sampler, and whether a caller's decision comes before its own."""
    variable, default = "OTEL_TRACES_SAMPLER", "parentbased_always_on"
    name = value_of(variable).lower() or default
    follows_parent = name.startswith("parentbased_")
    kind = name[len("parentbased_") :] if follows_parent else name
    if kind == "always_off":
        return ConstSampler(False), follows_parent
    if kind == "traceidratio":
        return ProbabilisticSampler(_rate()), follows_parent
    if kind != "always_on":
        warn(variable, "always_on, always_off, traceidratio or parentbased_ and these", default)
        return ConstSampler(True), True
    return ConstSampler(True), follows_parent


def _rate() -> float:
    variable = "OTEL_TRACES_SAMPLER_ARG"
    try:
        rate = float(value_of(variable) or 1.0)
    except ValueError:
        reraise_interrupt()
        rate = -1.0
    if 0 <= rate <= 1:
        return rate
    warn(variable, "a number between 0.0 and 1.0", 1.0)
    return 1.0
