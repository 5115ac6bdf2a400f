"""The options of an OTLPRecorder that OpenTelemetry's environment variables stand for.

Source: OpenTelemetry's specification, OpenTelemetry Protocol Exporter.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._environment_variables import otlp_value_of, otlp_variable, pairs, value_of, warn

_logger = logging.getLogger(__name__)

_ENDPOINT_OF_TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_SHORT = 100  # milliseconds; a smaller timeout was probably meant in seconds


def report_options() -> list[tuple[str, dict[str, Any]]]:
    """The arguments of `HTTPReports` that are set, each with the names of its variables."""
    certificate = {
        "client_cert": otlp_value_of("CLIENT_CERTIFICATE"),
        "client_key": otlp_value_of("CLIENT_KEY"),
    }
    found = [
        (otlp_variable("ENDPOINT"), _endpoint()),
        (otlp_variable("HEADERS"), {"headers": pairs(otlp_variable("HEADERS"))}),
        (otlp_variable("COMPRESSION"), {"compress_from": _compress_from()}),
        (otlp_variable("CERTIFICATE"), {"ca_file": otlp_value_of("CERTIFICATE")}),
        # Together: neither serves alone.
        (
            " and ".join([otlp_variable("CLIENT_CERTIFICATE"), otlp_variable("CLIENT_KEY")]),
            {option: path for option, path in certificate.items() if path},
        ),
    ]
    return [
        (variables, options)
        for variables, options in found
        if any(value or value == 0 for value in options.values())
    ]


def timeout_of_environment(default: float) -> float:
    """Seconds for one report."""
    variable = otlp_variable("TIMEOUT")
    text = value_of(variable)
    if not text:
        return default
    try:
        milliseconds = int(text)
    except ValueError:
        reraise_interrupt()
        milliseconds = 0
    if not 0 < milliseconds < 10**9:
        warn(variable, "a whole number of milliseconds from 1 to 999999999", round(default * 1000))
        return default
    if milliseconds < _SHORT:
        _logger.warning("%s is in milliseconds: %d is short for a report", variable, milliseconds)
    return milliseconds / 1000


def _endpoint() -> dict[str, Any]:
    own = value_of(_ENDPOINT_OF_TRACES)
    if own:  # used as it is
        return {"url": own, "default_path": "/"}
    base, mark, query = value_of("OTEL_EXPORTER_OTLP_ENDPOINT").partition("?")
    return {"url": base and f"{base.rstrip('/')}/v1/traces{mark}{query}"}


def _compress_from() -> int | None:
    variable = otlp_variable("COMPRESSION")
    name = value_of(variable).lower()
    if name not in ("", "gzip", "none"):
        warn(variable, "gzip or none", "that of OTLPRecorder")
    return {"gzip": 0, "none": sys.maxsize}.get(name)
