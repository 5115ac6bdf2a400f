"""The list of the environment variables that set up a tracer, for the guide, for ``--help`` and for
the report of those that are not read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import NamedTuple

_logger = logging.getLogger("opentracing_recorder.environment")


class Variable(NamedTuple):
    """A variable that is read."""

    name: str
    """With ``*`` for one of a group that the guide of its exporter lists."""
    meaning: str
    default: str


_OTLP = (
    *("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION"),
    *("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"),
)
_OVER_GRPC = ("INSECURE",)
"""Read by OpenTelemetry's exporter for gRPC."""

VARIABLES = [
    Variable(*row)
    for row in (
        ("OTEL_SERVICE_NAME", "the service's name", "service.name of the next"),
        ("OTEL_RESOURCE_ATTRIBUTES", "key=value,..., percent-encoded", "none; unknown_service"),
        ("OTEL_TRACES_EXPORTER", "otlp, zipkin, kafka, file, console, none, or several", "otlp"),
        (
            "OTEL_EXPORTER_OTLP_*",
            f"{', '.join(_OTLP)}, also as TRACES_*; see opentracing_recorder.otlp",
            "its own",
        ),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "a URL", "http://localhost:9411/api/v2/spans"),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "milliseconds for one report", "10000"),
        ("OPENTRACING_FILE", "the file of the exporter file", "spans.jsonl"),
        ("OPENTRACING_KAFKA_BOOTSTRAP_SERVERS", "host:port,...", "localhost:9092"),
        ("OPENTRACING_KAFKA_FORMAT", "zipkin or otlp", "zipkin"),
        ("OPENTRACING_KAFKA_TOPIC", "a topic", "zipkin or otlp_spans, by format"),
        ("OPENTRACING_KAFKA_CONFIG", "key=value,..., percent-encoded, of librdkafka", "none"),
        (
            "OTEL_TRACES_SAMPLER",
            "always_on, always_off, traceidratio, or parentbased_*",
            "parentbased_always_on",
        ),
        ("OTEL_TRACES_SAMPLER_ARG", "the share of traces kept, 0.0 to 1.0", "1.0"),
        (
            "OTEL_PROPAGATORS",
            "tracecontext, baggage, b3, b3multi, jaeger, ottrace, none",
            "tracecontext,baggage",
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "milliseconds between batches", "1000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "milliseconds for one report", "10000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "spans", "16384"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "spans, at most the queue's size", "512"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "tags of a span", "that of OTEL_ATTRIBUTE_COUNT_LIMIT"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "logs of a span", "128"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "links of a span", "128"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "attributes of an event", "the same"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "attributes of a link", "the same"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "the default of the three limits of attributes", "128"),
        (
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "characters of a text in a span's tags",
            "that of OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "characters of any other text", "no limit"),
        ("OTEL_SDK_DISABLED", "true records nothing", "false"),
        (
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
            "instrumentations that run leaves out; * for all",
            "none",
        ),
        (
            "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH",
            "patch_all: run patches by gevent first",
            "none",
        ),
        ("OTEL_PYTHON_CONFIGURATOR", "opentracing, for opentelemetry-instrument", "none"),
        ("OTEL_PYTHON_TRACER_PROVIDER", "opentracing, for OpenTelemetry's API", "none"),
    )
]

_OF_TRACING = (
    *("OTEL_SERVICE", "OTEL_RESOURCE", "OTEL_TRACE", "OTEL_SAMPLER", "OTEL_PROPAGATOR"),
    *("OTEL_BSP", "OTEL_SPAN", "OTEL_EVENT", "OTEL_LINK", "OTEL_ATTRIBUTE", "OTEL_SDK"),
    *("OTEL_EXPORT", "OTEL_OTLP", "OTEL_ZIPKIN", "OPENTRACING_"),
    *("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE", "OTEL_PYTHON_ID_GENERATOR"),
)
"""How the names of variables begin that set up tracing, also of those with a slip."""

_OF_OTHERS = (
    *("OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_LOGS_", "OTEL_EXPORTER_PROMETHEUS_"),
    "OTEL_RESOURCE_ATTRIBUTES_",  # parts of the value, which OpenTelemetry's operator sets
)


def report_unread(is_grpc: bool, environ: Mapping[str, str] | None = None) -> None:
    """Log one warning, which names the variables for tracing that are set and not read."""
    read = {each.name for each in VARIABLES}
    for name in (*_OTLP, *(_OVER_GRPC if is_grpc else ())):
        read |= {f"OTEL_EXPORTER_OTLP_{name}", f"OTEL_EXPORTER_OTLP_TRACES_{name}"}
    unread = sorted(
        name
        for name, value in (os.environ if environ is None else environ).items()
        if name.startswith(_OF_TRACING)
        and not name.startswith(_OF_OTHERS)
        and name not in read
        and value.strip()
    )
    if unread:
        _logger.warning(
            "These variables are set, and not read: %s. The command"
            " `python -m opentracing_recorder run --help` lists those that are",
            ", ".join(each[:100] for each in unread[:20]),
        )
