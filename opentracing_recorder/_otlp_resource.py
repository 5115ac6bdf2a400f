"""The resource that describes a process over OTLP; for recorders that send OTLP messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._arguments import check_type
from ._environment_variables import SERVICE_NAME, UNKNOWN_SERVICE, resource_attributes
from ._json_safe import json_safe, text_of
from ._opentelemetry_fields import TELEMETRY_SDK, to_attributes


def resource_of(service_name: str | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes of this process: those that are given win over ``OTEL_RESOURCE_ATTRIBUTES``.

    Raises TypeError for an argument that cannot serve, and names it.
    """
    if service_name is not None:
        check_type("service_name", service_name, str)
    if given is not None:
        check_type("resource_attributes", given, Mapping)
    attributes = {
        **TELEMETRY_SDK,
        SERVICE_NAME: UNKNOWN_SERVICE,
        **resource_attributes(),
        **to_attributes(json_safe(given or {})),
    }
    if service_name is not None:
        attributes[SERVICE_NAME] = text_of(service_name)
    return attributes
