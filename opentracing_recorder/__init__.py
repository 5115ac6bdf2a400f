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
- Keep spans in this process: `opentracing_recorder.in_memory`, `opentracing_recorder.logging`,
  `opentracing_recorder.json_lines`.
- Send spans over a network: `opentracing_recorder.otlp`, `opentracing_recorder.zipkin`,
  `opentracing_recorder.opentelemetry`.
- Set up a tracer by environment variables, or without code: `opentracing_recorder.environment`.
- Send the last spans of a process: `opentracing_recorder.shutdown`.
- Write a recorder: `opentracing_recorder.recorder`, or `opentracing_recorder.batch` if it does I/O.
- Prove a recorder, a propagator or a sampler: `opentracing_recorder.harness`.
- Test an application: `opentracing_recorder.captrace`, `opentracing_recorder.pytest_plugin`.
- Look at traces: `opentracing_recorder.trace`, `opentracing_recorder.timeline`, and the command
  ``python -m opentracing_recorder show``.

PYTEST_DONT_REWRITE: pytest reads this, and then does not warn if this package was imported before
pytest started.
"""

from __future__ import annotations

# The names are those of `_public`, which is imported when one of them is first used: pytest imports
# this package for its plugin at every start, even if nothing is traced.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._public import *  # noqa: F403
else:
    # Type checkers would take a module with a `__getattr__` for one that has every name.

    def __getattr__(name):
        # `import *` asks for `__all__`. Submodules are asked for too: they are imported after this
        # has refused.
        if name == "__all__" or name[:1] != "_":
            public = _names()
            if name == "__all__" or name in public.__all__:
                # One at a time: what somebody has patched stays.
                return globals().setdefault(name, getattr(public, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_names().__all__})

    def _names():
        from importlib import import_module

        return import_module(f"{__name__}._public")
