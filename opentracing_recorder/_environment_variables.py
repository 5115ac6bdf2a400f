"""Reads OpenTelemetry's environment variables; a value that cannot serve is reported in the log.

Source: OpenTelemetry's specification, Environment Variable Specification.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from urllib.parse import unquote

from opentracing.interrupts import reraise_interrupt

_logger = logging.getLogger("opentracing_recorder.environment")

SERVICE_NAME = "service.name"
"""The resource attribute that has the service's name."""

UNKNOWN_SERVICE = "unknown_service"
"""The name of a service that has none."""


def value_of(variable: str) -> str:
    """The value without spaces around it; ``""`` if it is not set."""
    return os.environ.get(variable, "").strip()


def warn(variable: str, expected: str, default: object) -> None:
    """Report a value that cannot serve. It may be a secret, and is not shown."""
    _logger.warning("%s must be %s. The default is used: %s", variable, expected, default)


def pairs(variable: str) -> dict[str, str]:
    """A list such as ``key=value,key=value``, percent-encoded."""
    found = {}
    is_broken = False
    text = value_of(variable)
    for item in filter(str.strip, text.split(",")):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            found[unquote(key.strip())] = unquote(value.strip())
        else:
            is_broken = True
    if is_broken:
        _report_items(variable, text)
    return found


@lru_cache(maxsize=16)  # a tracer, its recorder and its provider read the same variable
def _report_items(variable: str, text: str) -> None:
    _logger.warning(
        "%s must be items such as key=value, separated by commas. Each other item is left out",
        variable,
    )


def resource_attributes() -> dict[str, str]:
    """The attributes of this process, and the service's name if it has one."""
    attributes = pairs("OTEL_RESOURCE_ATTRIBUTES")
    if value_of("OTEL_SERVICE_NAME"):
        attributes[SERVICE_NAME] = value_of("OTEL_SERVICE_NAME")
    return attributes


def named_service() -> str:
    """The service's name, or ``unknown_service``."""
    return resource_attributes().get(SERVICE_NAME) or UNKNOWN_SERVICE


def otlp_value_of(name: str) -> str:
    """The value of ``OTEL_EXPORTER_OTLP_TRACES_NAME``, otherwise of ``OTEL_EXPORTER_OTLP_NAME``."""
    return value_of(otlp_variable(name))


def otlp_variable(name: str) -> str:
    """The one of these variables that is set; the latter if neither is."""
    own, general = f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    return own if value_of(own) else general


def number_of(variable: str, default: object, least: int = 1) -> int | None:
    """A whole number from `least` to 999999999; None if it is not set, or reported."""
    text = value_of(variable)
    if not text:
        return None
    try:
        number = int(text) if len(text) < 20 else -1
    except ValueError:
        reraise_interrupt()
        number = -1
    if least <= number < 10**9:
        return number
    warn(variable, f"a whole number from {least} to 999999999", default)
    return None
