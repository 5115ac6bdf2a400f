"""MockTracer, for the test suites of instrumentation: it keeps every span, with ids 1, 2, 3.

The one place where `opentracing` uses `opentracing_recorder`; `import opentracing` alone does not
load it.
"""

from __future__ import annotations

from .propagator import Propagator
from .tracer import MockTracer

__all__ = ["MockTracer", "Propagator"]
