"""BinaryPropagator, a mock tracer's BINARY: the reference tracer's format, which runs no code.

What 2.4 had here was a pickle, which runs whatever its sender wishes.
"""

from __future__ import annotations

from opentracing import SpanContextCorruptedException
from opentracing_recorder import BinaryPropagator as BasicBinaryPropagator

from .context import SpanContext
from .propagator import Propagator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BinaryPropagator(BasicBinaryPropagator, Propagator):
    """The reference tracer's, but an empty carrier is a `SpanContextCorruptedException`."""

    def extract(self, carrier: Any) -> SpanContext:
        context = super().extract(carrier)
        if context is None:
            raise SpanContextCorruptedException("the carrier is empty")
        return context
