"""The reference tracer: `BasicTracer` builds spans and hands finished ones to a `Recorder`.

::

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="shop")
    with tracer.start_active_span("checkout"):
        with tracer.start_active_span("charge", tags={"card": "good"}):
            pass

    print(recorder.outline())

which prints::

    checkout
      charge

Every name below can be imported from this package. The guides are in the modules:

- Start and end spans: `opentracing`, which is the API; `opentracing_recorder.tracer`;
  `opentracing_recorder.span`; `opentracing_recorder.context`.
- Keep the active span in tasks, threads and greenlets: `opentracing.scope_managers`.
- Keep some traces and drop others: `opentracing_recorder.sampler`.
- Continue traces in other processes: `opentracing_recorder.propagator`. The formats are
  `opentracing_recorder.text_propagator`, `opentracing_recorder.trace_context_propagator` (W3C),
  `opentracing_recorder.b3_propagator`, `opentracing_recorder.jaeger_propagator` and
  `opentracing_recorder.binary_propagator`. `opentracing_recorder.edge_propagator` is for the edge
  of your network.
- Keep spans in this process: `opentracing_recorder.in_memory`, `opentracing_recorder.console`,
  `opentracing_recorder.logging`, `opentracing_recorder.json_lines`.
- Send spans over a network: `opentracing_recorder.otlp`, `opentracing_recorder.zipkin`,
  `opentracing_recorder.kafka`, `opentracing_recorder.opentelemetry`.
- Change, drop or redact spans on their way out: `opentracing_recorder.filter`.
- Keep the traces that failed or were slow, and few of the others: `opentracing_recorder.tail`.
- Count spans, requests, errors and durations for Prometheus: `opentracing_recorder.prometheus`.
- Record what is instrumented for OpenTelemetry: `opentracing_recorder.opentelemetry_api`.
- Set up a tracer by environment variables, or without code: `opentracing_recorder.environment`.
- Send the last spans of a process: `opentracing_recorder.shutdown`.
- Write a recorder: `opentracing_recorder.recorder`, or `opentracing_recorder.batch` if it does I/O.
- Prove a recorder, a propagator or a sampler: `opentracing_recorder.harness`.
- Test an application: `opentracing_recorder.captrace`, `opentracing_recorder.pytest_plugin`.
- Look at traces: `opentracing_recorder.trace`, `opentracing_recorder.timeline`, and the command
  ``python -m opentracing_recorder show``.
- Ask which operations are slow, fail, or became slower: `opentracing_recorder.statistics`, and the
  commands ``top``, ``slowest``, ``errors``, ``compare`` and ``critical-path``.
- Read files of spans, ours, Zipkin's, Jaeger's and OTLP's, and write them:
  `opentracing_recorder.span_files`, and the command ``python -m opentracing_recorder convert``.

PYTEST_DONT_REWRITE: pytest reads this, and then does not warn if this package was imported before
pytest started.
"""

from __future__ import annotations

# A name brings its own module, and what that needs, when it is first used: a program uses few of
# them, and pytest imports this package for its plugin at every start. Each name stands here twice,
# for type checkers and in the table; a test compares the two.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._carrier import KafkaHeaders as KafkaHeaders
    from .b3_propagator import B3Propagator as B3Propagator
    from .batch import BatchRecorder as BatchRecorder
    from .batch import BatchTooLarge as BatchTooLarge
    from .batch import Rejected as Rejected
    from .batch import SendError as SendError
    from .batch import SpanRejected as SpanRejected
    from .batch import Stats as Stats
    from .batch import Unavailable as Unavailable
    from .binary_propagator import BinaryPropagator as BinaryPropagator
    from .console import ConsoleRecorder as ConsoleRecorder
    from .context import BasicSpanContext as BasicSpanContext
    from .context import RemoteSpanContext as RemoteSpanContext
    from .edge_propagator import EdgePropagator as EdgePropagator
    from .environment import tracer_from_environment as tracer_from_environment
    from .filter import FilterCounts as FilterCounts
    from .filter import FilterRecorder as FilterRecorder
    from .filter import Redaction as Redaction
    from .in_memory import InMemoryRecorder as InMemoryRecorder
    from .jaeger_propagator import JaegerPropagator as JaegerPropagator
    from .json_lines import JSONLinesRecorder as JSONLinesRecorder
    from .logging import LoggingRecorder as LoggingRecorder
    from .logging import SpanContextFilter as SpanContextFilter
    from .propagator import CompositePropagator as CompositePropagator
    from .propagator import Propagator as Propagator
    from .recorder import CompositeRecorder as CompositeRecorder
    from .recorder import NoopRecorder as NoopRecorder
    from .recorder import Recorder as Recorder
    from .sampler import ConstSampler as ConstSampler
    from .sampler import PerOperationSampler as PerOperationSampler
    from .sampler import ProbabilisticSampler as ProbabilisticSampler
    from .sampler import RateLimitingSampler as RateLimitingSampler
    from .sampler import Sampler as Sampler
    from .shutdown import FlushAtShutdown as FlushAtShutdown
    from .shutdown import close_at_signals as close_at_signals
    from .span import BasicSpan as BasicSpan
    from .span import LogData as LogData
    from .span_files import NotASpan as NotASpan
    from .span_files import read_spans as read_spans
    from .span_files import write_spans as write_spans
    from .statistics import critical_path as critical_path
    from .tail import TailCounts as TailCounts
    from .tail import TailRecorder as TailRecorder
    from .text_propagator import TextPropagator as TextPropagator
    from .trace import Trace as Trace
    from .trace_context_propagator import TraceContextPropagator as TraceContextPropagator
    from .tracer import BasicTracer as BasicTracer
else:
    # Type checkers would take a module with a `__getattr__` for one that has every name.

    _MODULES = {
        "B3Propagator": "b3_propagator",
        "BasicSpan": "span",
        "BasicSpanContext": "context",
        "BasicTracer": "tracer",
        "BatchRecorder": "batch",
        "BatchTooLarge": "batch",
        "BinaryPropagator": "binary_propagator",
        "CompositePropagator": "propagator",
        "CompositeRecorder": "recorder",
        "ConsoleRecorder": "console",
        "ConstSampler": "sampler",
        "EdgePropagator": "edge_propagator",
        "FilterCounts": "filter",
        "FilterRecorder": "filter",
        "FlushAtShutdown": "shutdown",
        "InMemoryRecorder": "in_memory",
        "JSONLinesRecorder": "json_lines",
        "JaegerPropagator": "jaeger_propagator",
        "KafkaHeaders": "_carrier",
        "LogData": "span",
        "LoggingRecorder": "logging",
        "NoopRecorder": "recorder",
        "NotASpan": "span_files",
        "PerOperationSampler": "sampler",
        "ProbabilisticSampler": "sampler",
        "Propagator": "propagator",
        "RateLimitingSampler": "sampler",
        "Recorder": "recorder",
        "Redaction": "filter",
        "Rejected": "batch",
        "RemoteSpanContext": "context",
        "Sampler": "sampler",
        "SendError": "batch",
        "SpanContextFilter": "logging",
        "SpanRejected": "batch",
        "Stats": "batch",
        "TailCounts": "tail",
        "TailRecorder": "tail",
        "TextPropagator": "text_propagator",
        "Trace": "trace",
        "TraceContextPropagator": "trace_context_propagator",
        "Unavailable": "batch",
        "close_at_signals": "shutdown",
        "critical_path": "statistics",
        "read_spans": "span_files",
        "tracer_from_environment": "environment",
        "write_spans": "span_files",
    }

    __all__ = sorted(_MODULES)

    def __getattr__(name):
        if name in _MODULES:
            # One at a time: what somebody has patched stays.
            return globals().setdefault(name, getattr(_module(_MODULES[name]), name))
        if name in _MODULES.values():
            return _module(name)
        # The other submodules are asked for too: they are imported after this has refused.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def _module(name):
        return __import__(name, globals(), None, ("__name__",), 1)

    def __dir__():
        return sorted({*globals(), *__all__})
