"""The recorders that ``OTEL_TRACES_EXPORTER`` names, each set up by its own variables."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._environment_variables import number_of, otlp_value_of, pairs, value_of, warn
from ._errors import loggable
from .recorder import CompositeRecorder, NoopRecorder, Recorder

_logger = logging.getLogger("opentracing_recorder.environment")

_VARIABLE = "OTEL_TRACES_EXPORTER"
_DEFAULT = "otlp"


def is_grpc() -> bool:
    """Whether OTLP is to be sent over gRPC."""
    return otlp_value_of("PROTOCOL").lower() == "grpc"


def recorder_of_environment(service_name: str) -> Recorder:
    """The recorder that the variables describe. Never raises."""
    names = [each.strip().lower() for each in (value_of(_VARIABLE) or _DEFAULT).split(",")]
    names = list(dict.fromkeys(filter(None, names))) or [_DEFAULT]
    if not set(names) <= set(_MAKERS):
        names = [each for each in names if each in _MAKERS] or [_DEFAULT]
        warn(_VARIABLE, f"of {', '.join(_MAKERS)}, or several by comma", ",".join(names))
    options = _batch_options()
    recorders: list[Recorder] = []
    for name in names:
        try:
            recorder = _MAKERS[name](service_name, options)
        except Exception as error:
            reraise_interrupt()
            _logger.warning(
                "%s: no span is sent by the exporter %s: %s", _VARIABLE, name, loggable(error)
            )
            continue
        if recorder is not None:
            recorders.append(recorder)
    if len(recorders) == 1:
        return recorders[0]
    return CompositeRecorder(recorders) if recorders else NoopRecorder()


def _batch_options() -> dict[str, Any]:
    """Those of BatchRecorder that are set."""
    options: dict[str, Any] = {}
    for variable, option, default, scale in (
        ("OTEL_BSP_SCHEDULE_DELAY", "interval", 1000, 1000),
        ("OTEL_BSP_EXPORT_TIMEOUT", "send_timeout", 10000, 1000),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "queue_size", 16384, 1),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "batch_size", 512, 1),
    ):
        number = number_of(variable, default)
        if number is not None:
            options[option] = number / scale if scale > 1 else number
    queue_size = options.get("queue_size", 16384)
    if options.get("batch_size", 512) > queue_size:
        if "batch_size" in options:
            warn("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "at most the queue's size", queue_size)
        options["batch_size"] = queue_size
    return options


def _with_timeout(options: dict[str, Any], seconds: float | None) -> dict[str, Any]:
    """The shorter one of two limits of a report holds."""
    if seconds is None:
        return options
    return {**options, "send_timeout": min(seconds, options.get("send_timeout", seconds))}


def _none(service_name: str, options: dict[str, Any]) -> None:
    return None


def _console(service_name: str, options: dict[str, Any]) -> Recorder:
    from .console import ConsoleRecorder

    return ConsoleRecorder()


def _file(service_name: str, options: dict[str, Any]) -> Recorder:
    from .json_lines import JSONLinesRecorder

    return JSONLinesRecorder(value_of("OPENTRACING_FILE") or "spans.jsonl")


def _kafka(service_name: str, options: dict[str, Any]) -> Recorder | None:
    try:
        from .kafka import DEFAULT_SERVERS, TOPICS, KafkaRecorder
    except ImportError:
        _missing("kafka", "opentracing[kafka]")
        return None
    variable, default = "OPENTRACING_KAFKA_FORMAT", "zipkin"
    format = value_of(variable).lower() or default
    if format not in TOPICS:
        warn(variable, " or ".join(TOPICS), default)
        format = default
    return KafkaRecorder(
        service_name,
        value_of("OPENTRACING_KAFKA_BOOTSTRAP_SERVERS") or DEFAULT_SERVERS,
        format=format,
        topic=value_of("OPENTRACING_KAFKA_TOPIC") or None,
        config=pairs("OPENTRACING_KAFKA_CONFIG"),
        **options,
    )


def _zipkin(service_name: str, options: dict[str, Any]) -> Recorder | None:
    try:
        from .zipkin import DEFAULT_URL, ZipkinRecorder
    except ImportError:
        _missing("zipkin", "opentracing[zipkin]")
        return None
    limit = number_of("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10000)
    options = _with_timeout(options, None if limit is None else limit / 1000)
    variable = "OTEL_EXPORTER_ZIPKIN_ENDPOINT"
    try:
        return ZipkinRecorder(service_name, value_of(variable) or DEFAULT_URL, **options)
    except ValueError:
        reraise_interrupt()
        warn(variable, "a URL with http or https", DEFAULT_URL)
        return ZipkinRecorder(service_name, DEFAULT_URL, **options)


def _otlp(service_name: str, options: dict[str, Any]) -> Recorder | None:
    if is_grpc():
        return _otlp_over_grpc(service_name, options)
    try:
        from ._otlp_environment import timeout_of_environment
        from .otlp import OTLPRecorder
    except ImportError:
        _missing("otlp", "opentracing[otlp]")
        return None
    limit = options.get("send_timeout")
    if limit is not None:
        options = _with_timeout(options, timeout_of_environment(limit))
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
        "%s: no span is sent by the exporter %s, because packages are missing."
        " Install them (pip install '%s'), or choose another exporter.",
        _VARIABLE,
        name,
        packages.replace(" ", "' '"),
    )


_MAKERS: dict[str, Any] = {
    "otlp": _otlp,
    "zipkin": _zipkin,
    "kafka": _kafka,
    "file": _file,
    "console": _console,
    "none": _none,
}
