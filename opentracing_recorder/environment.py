"""tracer_from_environment: a tracer set up by OpenTelemetry's environment variables.

Three variables are enough for most services: a name, an exporter, and where it sends::

    OTEL_SERVICE_NAME=shop OTEL_TRACES_EXPORTER=otlp \\
        OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 \\
        python -m opentracing_recorder run app.py

The same in the application's code::

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

``python -m opentracing_recorder run`` takes the arguments that ``python`` takes::

    python -m opentracing_recorder run app.py --port 80
    python -m opentracing_recorder run -m gunicorn --workers 4 app:app

- Before the program's first line, the tracer is set up and becomes `opentracing.global_tracer`.
- If opentelemetry-api is installed, it serves OpenTelemetry's API too
  (`opentracing_recorder.opentelemetry_api`), and the packages
  ``opentelemetry-instrumentation-*`` that are installed instrument their libraries, so that an
  application which knows neither API is traced: install ``opentracing[opentelemetry-api]``, and,
  for Flask, ``opentelemetry-instrumentation-flask``. ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` has
  the names of those to leave out, or ``*``.
- Queued spans are sent at the exit, and at SIGTERM and SIGHUP (`close_at_signals`). With these
  signals' default actions, ``docker stop`` then loses no span. A handler of the application's own
  takes their place.
- A process that is the first of a container, which the system does not end at SIGTERM by itself,
  ends at it too. A program in a long call of C code ends after that.
- Forked children are traced, such as the workers of gunicorn and Celery, and so are the Python
  programs that it starts, such as those of Flask's reloader and of ``uvicorn --workers``: each
  process has its own queue, which it sends at its end.

`set_up_from_environment` does the same from code, where you cannot change the command.

From ``opentelemetry-instrument`` it differs in this:

- Its arguments are Python's, and it has no options of its own: set variables. For a script such as
  ``flask``, run its module: ``run -m flask``.
- No distro and no configurator runs. If one instrumentation fails, it is reported, and the others
  are loaded.
- It exports spans alone: ``OTEL_METRICS_EXPORTER`` and ``OTEL_LOGS_EXPORTER`` are ignored.
- ``OTEL_PROPAGATORS`` needs no packages for ``b3``, ``b3multi``, ``jaeger`` and ``ottrace``.

Python finds the set-up by ``PYTHONPATH``, in a module ``sitecustomize``, which then imports yours
if there is one. Options of Python that ignore it, ``-E``, ``-I`` and ``-S``, are refused.

## With opentelemetry-instrument

::

    OTEL_PYTHON_CONFIGURATOR=opentracing OTEL_TRACES_EXPORTER=console \\
        opentelemetry-instrument python app.py

- ``OTEL_PYTHON_CONFIGURATOR=opentracing`` always chooses this tracer.
- ``OTEL_PYTHON_TRACER_PROVIDER=opentracing`` chooses it unless another configurator runs first, as
  that of ``opentelemetry-distro`` may. It needs no ``opentelemetry-instrument``.
- If neither is set, this tracer is used only if OpenTelemetry's SDK is not installed. Otherwise the
  other configurator that is installed runs, if there is one.
- ``opentelemetry-instrument`` runs one configurator, and warns of each other one: "Configuration of
  X not loaded, Y already loaded". That is harmless.
- A name in ``OTEL_PROPAGATORS`` needs its package, such as ``opentelemetry-propagator-b3``.
  Otherwise OpenTelemetry raises before this tracer is asked.

The tracer becomes `opentracing.global_tracer` too, unless the application has set one.

## Variables

| variable | meaning | default |
|---|---|---|
| ``OTEL_SERVICE_NAME`` | the service's name | ``service.name`` of the next |
| ``OTEL_RESOURCE_ATTRIBUTES`` | ``key=value,...``, percent-encoded | none; ``unknown_service`` |
| ``OTEL_TRACES_EXPORTER`` | otlp, zipkin, kafka, file, console, none, or several | otlp |
| ``OTEL_EXPORTER_OTLP_*`` | ENDPOINT, PROTOCOL, HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE, \
``CLIENT_CERTIFICATE``, ``CLIENT_KEY``, also as TRACES_*; see `opentracing_recorder.otlp` | its \
own |
| ``OTEL_EXPORTER_ZIPKIN_ENDPOINT`` | a URL | ``http://localhost:9411/api/v2/spans`` |
| ``OTEL_EXPORTER_ZIPKIN_TIMEOUT`` | milliseconds for one report | 10000 |
| ``OPENTRACING_FILE`` | the file of the exporter file | ``spans.jsonl`` |
| ``OPENTRACING_KAFKA_BOOTSTRAP_SERVERS`` | ``host:port,...`` | ``localhost:9092`` |
| ``OPENTRACING_KAFKA_FORMAT`` | zipkin or otlp | zipkin |
| ``OPENTRACING_KAFKA_TOPIC`` | a topic | zipkin or ``otlp_spans``, by format |
| ``OPENTRACING_KAFKA_CONFIG`` | ``key=value,...``, percent-encoded, of librdkafka | none |
| ``OTEL_TRACES_SAMPLER`` | always_on, always_off, traceidratio, or parentbased_* | \
``parentbased_always_on`` |
| ``OTEL_TRACES_SAMPLER_ARG`` | the share of traces kept, 0.0 to 1.0 | 1.0 |
| ``OTEL_PROPAGATORS`` | tracecontext, baggage, b3, b3multi, jaeger, ottrace, none | \
``tracecontext,baggage`` |
| ``OTEL_BSP_SCHEDULE_DELAY`` | milliseconds between batches | 1000 |
| ``OTEL_BSP_EXPORT_TIMEOUT`` | milliseconds for one report | 10000 |
| ``OTEL_BSP_MAX_QUEUE_SIZE`` | spans | 16384 |
| ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE`` | spans, at most the queue's size | 512 |
| ``OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`` | tags of a span | that of ``OTEL_ATTRIBUTE_COUNT_LIMIT`` |
| ``OTEL_SPAN_EVENT_COUNT_LIMIT`` | logs of a span | 128 |
| ``OTEL_SPAN_LINK_COUNT_LIMIT`` | links of a span | 128 |
| ``OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`` | attributes of an event | the same |
| ``OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`` | attributes of a link | the same |
| ``OTEL_ATTRIBUTE_COUNT_LIMIT`` | the default of the three limits of attributes | 128 |
| ``OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`` | characters of a text in a span's tags | that of \
``OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`` |
| ``OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`` | characters of any other text | no limit |
| ``OTEL_SDK_DISABLED`` | true records nothing | false |
| ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` | instrumentations that run leaves out; * for all | \
none |
| ``OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH`` | ``patch_all``: run patches by \
gevent first | none |
| ``OTEL_PYTHON_CONFIGURATOR`` | opentracing, for opentelemetry-instrument | none |
| ``OTEL_PYTHON_TRACER_PROVIDER`` | opentracing, for OpenTelemetry's API | none |

An empty value counts as unset, as in OpenTelemetry's specification. OpenTelemetry's SDK for Python
takes an empty limit for no limit.

## Exporters

``otlp``, ``zipkin``, ``kafka``, ``file``, ``console`` and ``none``, or several, separated by
commas.

- ``otlp`` needs ``opentracing[otlp]``. With ``OTEL_EXPORTER_OTLP_PROTOCOL=grpc`` it needs
  ``opentracing[opentelemetry]`` and ``opentelemetry-exporter-otlp-proto-grpc``, whose exporter
  reads the other variables. The shorter one of ``OTEL_EXPORTER_OTLP_TIMEOUT`` and
  ``OTEL_BSP_EXPORT_TIMEOUT`` holds.
- ``zipkin`` needs ``opentracing[zipkin]``. The shorter one of ``OTEL_EXPORTER_ZIPKIN_TIMEOUT`` and
  ``OTEL_BSP_EXPORT_TIMEOUT`` holds.
- ``kafka`` needs ``opentracing[kafka]``. ``OPENTRACING_KAFKA_CONFIG`` has settings of librdkafka,
  such as ``security.protocol=SASL_SSL,sasl.username=shop``, with ``%2C`` for a comma in a value.
- ``file`` appends a line of JSON for each span to ``OPENTRACING_FILE``, which all processes share;
  a relative path starts at the folder in which the process starts.
- ``console`` draws each trace on standard error as soon as it ends (`ConsoleRecorder`), for
  developing.

## Samplers

``always_on``, ``always_off`` and ``traceidratio`` decide for each trace, and ignore the decision in
the caller's headers. With ``parentbased_`` before the name, that decision is kept, as is a debug
flag. ``traceidratio`` keeps the traces that `ProbabilisticSampler` keeps. OpenTelemetry's SDK keeps
others: use ``parentbased_traceidratio`` behind other services.

## Propagators

``tracecontext``, ``baggage``, ``b3`` (one header), ``b3multi``, ``jaeger`` and ``ottrace``, or
several; or ``none``. They serve HTTP_HEADERS and TEXT_MAP of OpenTracing's API, and OpenTelemetry's
`propagate`. All of them are written. If a request has several, the last one counts, as in
OpenTelemetry; baggage of ``baggage`` is read in addition.

- With ``ottrace``, trace ids have 64 bits, as its readers take no more. Of longer ones the low 64
  bits are written. Otherwise trace ids have 128 bits.
- A name of another package's, such as ``xray``, serves OpenTelemetry's API alone.
- OpenTelemetry's own propagators for ``b3`` and ``b3multi`` write no parent; that for ``jaeger``
  writes the debug flag for each sampled span, and these do not. Those for ``jaeger`` and
  ``ottrace`` take no baggage without a trace, nor do these.

## Limits

- A limit may be 0. What is over the limits of a span is left out, as
  `opentracing_recorder.tracer` and `opentracing_recorder.opentelemetry_api` describe it. Limits of
  an event's and a link's attributes hold for OpenTelemetry's API, whose newest are kept.
- Texts are cut when the span is recorded, in tags and in lists among them. The name and the kind of
  a span, and the name of an event, stay whole. ``OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`` is for
  tags alone; ``OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`` also for logs, stacks among them, and links.

## What to watch, and what is lost when

``opentracing.global_tracer().recorder.stats`` counts spans by outcome, if there is one exporter
over a network; `opentracing_recorder.batch` says what the counts mean, and what is lost if the
queue is full or the process is killed. If no backend answers, the end of a process takes up to 5
seconds more. The log of ``opentracing_recorder`` has the rest.

## Errors

Nothing raises. For a value that cannot serve, one warning in the log names the variable and the
default that is used. A value itself is never shown: it may be a secret. One warning lists the
variables for tracing that are set and that nobody reads, such as one with a slip in its name. If an
exporter's packages are missing, or it cannot be set up, one warning says so, and the other
exporters are used.
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
    is_disabled = _is_disabled()
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


def _is_disabled() -> bool:
    variable = "OTEL_SDK_DISABLED"
    value = value_of(variable).lower()
    if value not in ("", "true", "false"):
        warn(variable, "true or false", "false")
    return value == "true"


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
