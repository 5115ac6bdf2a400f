"""The propagators that every tracer has: those of the formats that the specification requires."""

from __future__ import annotations

from opentracing import Format

from . import _typing as t
from .binary_propagator import BinaryPropagator
from .propagator import Propagator
from .text_propagator import TextPropagator

REQUIRED_PROPAGATORS: dict[t.Any, Propagator] = {
    Format.TEXT_MAP: TextPropagator(),
    Format.HTTP_HEADERS: TextPropagator(encode_values=True),
    Format.BINARY: BinaryPropagator(),
}
"""By format. All tracers share them, with the names that they have learned."""
