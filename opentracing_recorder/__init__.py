"""The reference OpenTracing tracer: `BasicTracer` builds spans and hands them to a `Recorder`.

PYTEST_DONT_REWRITE: for pytest, which would warn where this was imported before pytest started.
"""

from __future__ import annotations

from opentracing import Format

from .b3_propagator import B3Propagator
from .batch import BatchRecorder, BatchTooLarge, Rejected, Stats, Unavailable
from .binary_propagator import BinaryPropagator
from .context import BasicSpanContext, RemoteSpanContext
from .in_memory import InMemoryRecorder
from .jaeger_propagator import JaegerPropagator
from .json_lines import JSONLinesRecorder
from .logging import LoggingRecorder, SpanContextFilter
from .propagator import CompositePropagator, Propagator, default_propagators
from .recorder import CompositeRecorder, NoopRecorder, Recorder
from .sampler import (
    ConstSampler,
    PerOperationSampler,
    ProbabilisticSampler,
    RateLimitingSampler,
    Sampler,
)
from .span import BasicSpan, LogData
from .text_propagator import TextPropagator
from .trace import Trace
from .trace_context_propagator import TraceContextPropagator
from .tracer import BasicTracer

__all__ = [
    "B3Propagator",
    "BasicSpan",
    "BasicSpanContext",
    "BasicTracer",
    "BatchRecorder",
    "BatchTooLarge",
    "BinaryPropagator",
    "CompositePropagator",
    "CompositeRecorder",
    "ConstSampler",
    "InMemoryRecorder",
    "JSONLinesRecorder",
    "JaegerPropagator",
    "LogData",
    "LoggingRecorder",
    "NoopRecorder",
    "PerOperationSampler",
    "ProbabilisticSampler",
    "Propagator",
    "RateLimitingSampler",
    "Recorder",
    "Rejected",
    "RemoteSpanContext",
    "Sampler",
    "SpanContextFilter",
    "Stats",
    "TextPropagator",
    "Trace",
    "TraceContextPropagator",
    "Unavailable",
]

# The tracer knows no format; this is where it gets those that every tracer must support.
default_propagators.update(
    {
        Format.TEXT_MAP: TextPropagator(),
        Format.HTTP_HEADERS: TextPropagator(encode_values=True),
        Format.BINARY: BinaryPropagator(),
    }
)
