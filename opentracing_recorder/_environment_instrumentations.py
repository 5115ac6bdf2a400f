"""Loads OpenTelemetry's instrumentations, as ``opentelemetry-instrument`` does."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._environment_variables import value_of
from ._errors import loggable

_logger = logging.getLogger("opentracing_recorder.environment")


def patch_by_gevent() -> None:
    """Have gevent patch the standard library, if a variable is set to that."""
    variable = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
    value = value_of(variable)
    if not value:
        return
    if value != "patch_all":
        _logger.warning("%s must be patch_all. Nothing is patched", variable)
        return
    try:
        monkey = import_module("gevent.monkey")
    except ImportError:
        _logger.warning("%s: nothing is patched, because gevent is not installed", variable)
    else:
        monkey.patch_all()


def instrument() -> None:
    """Load every instrumentation that is installed and not disabled. If one fails, it is reported,
    and the others are loaded.
    """
    disabled = [
        each.strip() for each in value_of("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS").split(",")
    ]
    try:
        from opentelemetry.util._importlib_metadata import entry_points

        dependencies = import_module("opentelemetry.instrumentation.dependencies")
    except ImportError:  # there is none
        return
    for each in entry_points(group="opentelemetry_pre_instrument"):
        _call(each)
    for each in () if "*" in disabled else entry_points(group="opentelemetry_instrumentor"):
        if each.name not in disabled:
            _call(each, dependencies.get_dist_dependency_conflicts)
    for each in entry_points(group="opentelemetry_post_instrument"):
        _call(each)


def _call(entry_point: Any, conflicts_of: Any = None) -> None:
    try:
        if conflicts_of is None:
            entry_point.load()()
            return
        package = getattr(entry_point, "dist", None)  # unknown on Python 3.9
        conflict = None if package is None else conflicts_of(package)
        if conflict:
            # A library that is not installed needs none; another version of it is worth a line.
            found = getattr(conflict, "found", None) or getattr(conflict, "found_any", None)
            level = logging.WARNING if found else logging.DEBUG
            _logger.log(level, "%s is not instrumented: %s", entry_point.name, conflict)
            return
        entry_point.load()().instrument(skip_dep_check=package is not None)
    except ModuleNotFoundError as error:
        reraise_interrupt()
        _logger.debug("%s is not instrumented: %s", entry_point.name, error)
    except Exception as error:
        reraise_interrupt()
        _logger.warning(
            "%s is not instrumented: %s",
            entry_point.name,
            loggable(error),
            exc_info=loggable(error),
        )
