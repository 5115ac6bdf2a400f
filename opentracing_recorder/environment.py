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
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import opentracing
from opentracing import Format
from opentracing.interrupts import reraise_interrupt

from ._environment_variables import (
    named_service,
    otlp_value_of,
    resource_attributes,
    value_of,
    warn,
)
from ._errors import loggable
from .logging import LoggingRecorder
from .recorder import CompositeRecorder, NoopRecorder, Recorder
from .sampler import ConstSampler, ProbabilisticSampler, Sampler
from .trace_context_propagator import TraceContextPropagator
from .tracer import BasicTracer

__all__ = ["Configurator", "provider_from_environment", "tracer_from_environment"]

_logger = logging.getLogger(__name__)
_NAME = "opentracing"
"""The name of this package's entry points."""


def tracer_from_environment() -> BasicTracer:
    """A new tracer with trace ids of 128 bits, as the ``OTEL_*`` variables describe it.

    It reads and writes W3C's headers, in HTTP_HEADERS and TEXT_MAP.
    If opentelemetry-api is installed, its active span is OpenTelemetry's current span.
    """
    try:
        from .opentelemetry_api import OpenTelemetryScopeManager

        scope_manager: Any = OpenTelemetryScopeManager()
    except ImportError:
        scope_manager = None
    name = named_service()
    is_disabled = value_of("OTEL_SDK_DISABLED").lower() == "true"
    recorder = NoopRecorder() if is_disabled else _recorder(name)
    sampler = ConstSampler(False) if is_disabled else _sampler()
    w3c = TraceContextPropagator()
    return BasicTracer(
        recorder,
        sampler,
        scope_manager,
        propagators={Format.HTTP_HEADERS: w3c, Format.TEXT_MAP: w3c},
        trace_id_bits=128,
        service_name=name,
    )


def provider_from_environment() -> Any:
    """A `BasicTracerProvider` on a `tracer_from_environment`.

    The entry point of ``OTEL_PYTHON_TRACER_PROVIDER=opentracing``. The tracer becomes the global
    tracer of `opentracing`, unless one is set.
    """
    from .opentelemetry_api import BasicTracerProvider

    tracer = tracer_from_environment()
    if not opentracing.is_global_tracer_registered():
        opentracing.set_global_tracer(tracer)
    return BasicTracerProvider(tracer, resource_attributes=resource_attributes())


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


def _sampler() -> Sampler:
    variable, default = "OTEL_TRACES_SAMPLER", "parentbased_always_on"
    name = value_of(variable).lower() or default
    kind = name[len("parentbased_") :] if name.startswith("parentbased_") else name
    if kind == "always_off":
        return ConstSampler(False)
    if kind == "traceidratio":
        return ProbabilisticSampler(_rate())
    if kind != "always_on":
        warn(variable, "always_on, always_off, traceidratio or parentbased_ and these", default)
    return ConstSampler(True)


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


def _batch_options() -> dict[str, Any]:
    """Those of BatchRecorder that are set."""
    options: dict[str, Any] = {}
    for variable, option, default, scale in (
        ("OTEL_BSP_SCHEDULE_DELAY", "interval", 1000, 1000),
        ("OTEL_BSP_EXPORT_TIMEOUT", "send_timeout", 10000, 1000),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "queue_size", 16384, 1),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "batch_size", 512, 1),
    ):
        text = value_of(variable)
        if text:
            try:
                number = int(text)
            except ValueError:
                reraise_interrupt()
                number = 0
            if 0 < number < 10**9:
                options[option] = number / scale if scale > 1 else number
            else:
                warn(variable, "a whole number from 1 to 999999999", default)
    queue_size = options.get("queue_size", 16384)
    if options.get("batch_size", 512) > queue_size:
        if "batch_size" in options:
            warn("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "at most the queue's size", queue_size)
        options["batch_size"] = queue_size
    return options


def _recorder(service_name: str) -> Recorder:
    variable, default = "OTEL_TRACES_EXPORTER", "otlp"
    names = [each.strip().lower() for each in (value_of(variable) or default).split(",")]
    names = list(dict.fromkeys(filter(None, names))) or [default]
    makers = {"otlp": _otlp, "console": _console, "zipkin": _zipkin, "none": None}
    if not set(names) <= set(makers):
        names = [each for each in names if each in makers] or [default]
        warn(variable, "otlp, console, zipkin or none, or several by comma", ",".join(names))
    options = _batch_options()
    recorders = []
    for name in names:
        make = makers[name]
        if make is None:
            continue
        try:
            recorder = make(service_name, options)
        except Exception as error:
            reraise_interrupt()
            _logger.warning("The exporter %s is left out: %s", name, loggable(error))
            continue
        if recorder is not None:
            recorders.append(recorder)
    if len(recorders) == 1:
        return recorders[0]
    return CompositeRecorder(recorders) if recorders else NoopRecorder()


def _console(service_name: str, options: dict[str, Any]) -> Recorder:
    # Not among the application's loggers: its settings neither hide the lines nor repeat them.
    logger = logging.Logger("opentracing.spans", logging.INFO)
    logger.addHandler(logging.StreamHandler())
    return LoggingRecorder(logger)


def _zipkin(service_name: str, options: dict[str, Any]) -> Recorder | None:
    try:
        from .zipkin import DEFAULT_URL, ZipkinRecorder
    except ImportError:
        _missing("zipkin", "opentracing[zipkin]")
        return None
    variable = "OTEL_EXPORTER_ZIPKIN_ENDPOINT"
    try:
        return ZipkinRecorder(service_name, value_of(variable) or DEFAULT_URL, **options)
    except ValueError:
        reraise_interrupt()
        warn(variable, "a URL with http or https", DEFAULT_URL)
        return ZipkinRecorder(service_name, DEFAULT_URL, **options)


def _otlp(service_name: str, options: dict[str, Any]) -> Recorder | None:
    if otlp_value_of("PROTOCOL").lower() == "grpc":
        return _otlp_over_grpc(service_name, options)
    try:
        from ._otlp_environment import timeout_of_environment
        from .otlp import OTLPRecorder
    except ImportError:
        _missing("otlp", "opentracing[otlp]")
        return None
    limit = options.get("send_timeout")
    if limit is not None:
        options = {**options, "send_timeout": min(limit, timeout_of_environment(limit))}
    return OTLPRecorder(service_name, **options)


def _otlp_over_grpc(service_name: str, options: dict[str, Any]) -> Recorder | None:
    try:
        from .opentelemetry import OpenTelemetryRecorder

        module = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    except ImportError:
        _missing("otlp", "opentracing[opentelemetry] opentelemetry-exporter-otlp-proto-grpc")
        return None
    return OpenTelemetryRecorder(module.OTLPSpanExporter, service_name, **options)


def _missing(name: str, packages: str) -> None:
    _logger.warning(
        "OTEL_TRACES_EXPORTER: no span is sent by the exporter %s, because packages are missing."
        " Install them (pip install '%s'), or choose another exporter.",
        name,
        packages.replace(" ", "' '"),
    )
