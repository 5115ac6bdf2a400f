"""Every public name of the package."""

from __future__ import annotations

from ._carrier import KafkaHeaders
from .b3_propagator import B3Propagator
from .batch import (
    BatchRecorder,
    BatchTooLarge,
    Rejected,
    SendError,
    SpanRejected,
    Stats,
    Unavailable,
)
from .binary_propagator import BinaryPropagator
from .context import BasicSpanContext, RemoteSpanContext
from .edge_propagator import EdgePropagator
from .environment import tracer_from_environment
from .in_memory import InMemoryRecorder
from .jaeger_propagator import JaegerPropagator
from .json_lines import JSONLinesRecorder
from .logging import LoggingRecorder, SpanContextFilter
from .propagator import CompositePropagator, Propagator
from .recorder import CompositeRecorder, NoopRecorder, Recorder
from .sampler import (
    ConstSampler,
    PerOperationSampler,
    ProbabilisticSampler,
    RateLimitingSampler,
    Sampler,
)
from .shutdown import FlushAtShutdown, close_at_signals
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
    "EdgePropagator",
    "FlushAtShutdown",
    "InMemoryRecorder",
    "JSONLinesRecorder",
    "JaegerPropagator",
    "KafkaHeaders",
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
    "SendError",
    "SpanContextFilter",
    "SpanRejected",
    "Stats",
    "TextPropagator",
    "Trace",
    "TraceContextPropagator",
    "Unavailable",
    "close_at_signals",
    "tracer_from_environment",
]
