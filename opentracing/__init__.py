"""The OpenTracing platform API, which instrumentation calls whatever tracer is installed.

A library depends on this package alone, which imports only the standard library. Until an
application installs a tracer with `set_global_tracer`, every call is a no-op and costs next to
nothing. Read the tracer when you need it, not at import::

    import opentracing
    from opentracing import tags


    def fetch(url):
        with opentracing.global_tracer().start_active_span("fetch") as scope:
            scope.span.set_tag(tags.HTTP_URL, url)
            scope.span.log_kv({"event": "sent"})
            return 200


    fetch("http://stock/teapot")  # no tracer is installed: nothing is recorded

An application installs one, or `use_tracer` does it for a block. The examples below need a tracer
that records::

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)

    with opentracing.use_tracer(tracer):
        fetch("http://stock/teapot")

    print(recorder.outline(tags=["http.url"]))

which prints::

    fetch http.url='http://stock/teapot'

## Spans and scopes

A `Span` is one operation in a trace, from its start until `finish`. A `Scope` is the time during
which a span is active: a span that starts meanwhile becomes its child. `start_active_span` returns
a scope, and so does `activate` of the scope manager, for a span that exists already. Closing a
scope makes the one before it active again. A span may move between threads and tasks; a scope stays
where it was made. `opentracing.scope_managers` has more about tasks and threads.

::

    recorder.clear()

    with tracer.start_active_span("request") as scope:
        tracer.active_span.set_tag("user", "ada")  # the same as scope.span

        with tracer.start_active_span("audit", ignore_active_span=True):
            pass  # the root of another trace

        job = opentracing.start_child_span(scope.span, "job")  # a child, but not active
        with tracer.scope_manager.activate(job, finish_on_close=False):
            with tracer.start_active_span("step"):
                pass  # a child of job
        # job is no longer active; it continues until job.finish()

    job.finish()
    print([span.operation_name for span in recorder.spans])

which prints::

    ['audit', 'step', 'request', 'job']

- `active_span` is None if nothing is active.
- `start_active_span` also takes `finish_on_close` (default: True).
- `start_span` starts a span without activating it. A span is its own context manager, which
  finishes it: ``with tracer.start_span("fetch") as span:``.
- If an exception leaves the block of a span or scope, the span gets the tag `error` and a log of
  the exception. The exception then propagates. Only subclasses of `Exception` are errors: a
  cancelled task, a closed generator and an interpreter that exits are not.
- ``async with`` takes spans and scopes too.

An exception that your code catches is not recorded: call `Span.record_exception`. Compute a costly
tag only if `Span.is_recording` returns True::

    def pay(span, card):
        if span.is_recording():  # False if no tracer is installed, or the span is not sampled
            span.set_tags({"card.kind": card.split("-")[0], "card.length": len(card)})
        try:
            raise RuntimeError("payment failed") from KeyError(card)
        except RuntimeError as error:
            span.record_exception(error)  # the tag and the log, as when it leaves the block
            return False

    recorder.clear()
    with tracer.start_span("pay") as span:
        pay(span, "visa-1")

    print(recorder.outline(tags=["card.kind"]))
    print(recorder.spans[0].logs[0].key_values["stack"].splitlines()[0])  # begins with the cause

which prints::

    pay ! card.kind='visa'
    KeyError: 'visa-1'

## Functions

`traced` gives each call of a function a span, which is active while the function runs. It decorates
functions, coroutine functions, generators, async generators and methods, and looks the tracer up at
each call::

    from opentracing import traced

    recorder.clear()


    @traced
    def rows():
        yield "tea"
        yield "pot"


    @traced("report", tags={"component": "shop"})
    def report():
        for row in rows():
            print(row, opentracing.tracer.active_span.operation_name)


    with opentracing.use_tracer(tracer):
        report()

    print(recorder.outline())

which prints::

    tea report
    pot report
    report
      rows

The span of a generator is not active in its consumer's code. `opentracing.decorator` has the
details.

## Handing work on

A job for another thread or process has the active span of now if you wrap it, or if you submit it
to a traced executor::

    from concurrent.futures import ThreadPoolExecutor

    recorder.clear()

    with opentracing.use_tracer(tracer):
        with opentracing.TracedExecutor(ThreadPoolExecutor(4)) as pool:
            with tracer.start_active_span("request"):
                pool.submit(fetch, "http://stock/teapot").result()
                notify = opentracing.wrap(fetch)  # for any thread, callback or pool
            notify("http://mail/send")

    print(recorder.outline(tags=["http.url"]))

which prints::

    request
      fetch http.url='http://stock/teapot'
      fetch http.url='http://mail/send'

`opentracing.handover` and `opentracing.executor` have more. `opentracing.scope_managers` lists the
kinds of work that have the active span without it, on each Python.

## References

A span can start from something other than one parent. The first `child_of` among its references
is the parent, otherwise the first reference. All of them are kept on the span, and their baggage is
carried on. With this tracer, `parent_id` is the parent's id::

    first, second = tracer.start_span("first"), tracer.start_span("second")
    references = [opentracing.follows_from(first), opentracing.child_of(second)]
    merged = tracer.start_span("merge", references=references)
    assert merged.parent_id == second.context.span_id

## Between processes

`inject` writes a span's context into a carrier, such as the headers of a request. `extract` reads
it in the other process. `Format` lists the formats that every tracer supports::

    headers = {}
    tracer.inject(merged, opentracing.Format.HTTP_HEADERS, headers)
    try:
        caller = tracer.extract(opentracing.Format.HTTP_HEADERS, headers)
    except opentracing.SpanContextCorruptedException:
        caller = None  # a malformed header must not fail the request
    with tracer.start_active_span("serve", child_of=caller, ignore_active_span=True) as scope:
        scope.span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)
        assert scope.span.context.trace_id == merged.context.trace_id

`ignore_active_span` says that a request has no parent but its caller, whatever is active on the
thread that accepts it. If the carrier holds no trace, `extract` returns None and a new trace
starts.

Baggage is text that travels with the trace: to every later descendant, and over the wire to other
services. Every call carries it, so keep it short, and put no secrets into it::

    with tracer.start_active_span("request") as scope:
        scope.span.set_baggage_item("tenant", "Café 7")
        headers = {}
        tracer.inject(scope.span, opentracing.Format.HTTP_HEADERS, headers)

    print(headers["ot-baggage-tenant"])
    received = tracer.extract(opentracing.Format.HTTP_HEADERS, headers)
    print(tracer.start_span("serve", child_of=received).get_baggage_item("tenant"))

which prints::

    Caf%C3%A9%207
    Café 7

PYTEST_DONT_REWRITE: pytest reads this, and then does not warn if this package was imported before
pytest started.
"""

from __future__ import annotations

import sys

from . import logs, tags
from .ext import tags as _ext_tags  # noqa: F401  # `opentracing.ext.tags` is there unasked
from .propagation import (
    Format,
    InvalidCarrierException,
    SpanContextCorruptedException,
    UnsupportedFormatException,
)
from .scope import Scope
from .scope_manager import ScopeManager
from .span import Span, SpanContext
from .tracer import (
    Reference,
    ReferenceType,
    Tracer,
    child_of,
    follows_from,
    start_child_span,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decorator import traced as traced
    from .executor import TracedExecutor as TracedExecutor
    from .handover import wrap as wrap

__all__ = [
    "Format",
    "InvalidCarrierException",
    "Reference",
    "ReferenceType",
    "Scope",
    "ScopeManager",
    "Span",
    "SpanContext",
    "SpanContextCorruptedException",
    "TracedExecutor",
    "Tracer",
    "UnsupportedFormatException",
    "child_of",
    "follows_from",
    "global_tracer",
    "is_global_tracer_registered",
    "logs",
    "set_global_tracer",
    "start_child_span",
    "tags",
    "traced",
    "tracer",
    "use_tracer",
    "wrap",
]

# The instance hides the submodule of the same name, as it always has: libraries read, assign and
# patch `opentracing.tracer`, so this variable is the only place where the global tracer is kept.
tracer: Tracer = Tracer()
is_tracer_registered = False


def __getattr__(name: str) -> object:
    """The names that are imported when they are asked for.

    They take longer to import than all the others; `concurrent.futures` alone does.
    """
    if name == "TracedExecutor":
        from .executor import TracedExecutor as found
    elif name == "wrap":
        from .handover import wrap as found  # type: ignore[assignment]
    elif name == "traced":
        from .decorator import traced as found  # type: ignore[assignment]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), "TracedExecutor", "traced", "wrap"})


def global_tracer() -> Tracer:
    """The tracer that libraries use: `opentracing.tracer`, a no-op until one is set."""
    return tracer


def set_global_tracer(value: Tracer) -> None:
    """Install the tracer that libraries use. None is a `ValueError`."""
    if value is None:
        raise ValueError("The global tracer cannot be None")

    global tracer, is_tracer_registered
    tracer = value
    is_tracer_registered = True


def is_global_tracer_registered() -> bool:
    """Whether `set_global_tracer` has been called."""
    return is_tracer_registered


class use_tracer:
    """A context manager that installs a global tracer for one block, for tests and scripts::

        with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
            run_the_code_under_test()

    At its end, it puts back the earlier tracer, registered or not. It does not close the tracer.
    The process has one global tracer: other threads see it too.
    """

    def __init__(self, tracer: Tracer) -> None:
        if tracer is None:
            raise ValueError("The global tracer cannot be None")
        self._tracer = tracer
        self._replaced: list[tuple[Tracer, bool]] = []

    def __enter__(self) -> Tracer:
        self._replaced.append((tracer, is_tracer_registered))
        set_global_tracer(self._tracer)
        return self._tracer

    def __exit__(self, *exc_info: object) -> None:
        global tracer, is_tracer_registered
        tracer, is_tracer_registered = self._replaced.pop()


class _TracerModule(type(sys)):  # type: ignore[misc]
    """The submodule `opentracing.tracer`, which `mock.patch("opentracing.tracer.inject")` patches.

    It has the global tracer's names beside its own, as the global tracer hides the module.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(tracer, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in vars(self) or not hasattr(tracer, name):
            super().__setattr__(name, value)
        else:
            setattr(tracer, name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self):
            super().__delattr__(name)
        else:
            delattr(tracer, name)


sys.modules[__name__ + ".tracer"].__class__ = _TracerModule


def _reset_global_tracer() -> None:
    """Forget the registered tracer; test suites written for 2.4 call this."""
    global tracer, is_tracer_registered
    tracer = Tracer()
    is_tracer_registered = False
