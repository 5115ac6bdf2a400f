"""TracedExecutor: an executor whose jobs have the active span of the code that submits them.

It hands jobs to an executor of threads, processes or interpreters::

    from concurrent.futures import ThreadPoolExecutor

    import opentracing
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()


    def resize(name):
        with opentracing.global_tracer().start_active_span("resize " + name):
            pass


    with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
        with opentracing.TracedExecutor(ThreadPoolExecutor(4)) as pool:
            with tracer.start_active_span("request"):
                pool.submit(resize, "image").result()
                list(pool.map(resize, ["icon", "photo"]))

    print(sorted(span.operation_name for span in recorder.spans))
    assert len({span.context.trace_id for span in recorder.spans}) == 1

which prints::

    ['request', 'resize icon', 'resize image', 'resize photo']

- Each job runs as a function that `opentracing.wrap` has wrapped when `submit` or `map` was called.
- In a pool of processes, the function must be one that can be pickled, as without tracing. Give
  each process a tracer, for example by the pool's ``initializer``: a pool that forks copies the
  global tracer; others start with none.
- ``loop.run_in_executor(pool, function)`` takes a `TracedExecutor`. `loop.set_default_executor`
  takes a `ThreadPoolExecutor` alone: use ``loop.run_in_executor(None, opentracing.wrap(function))``
  there.
- If no tracer is installed, jobs are handed on as they are.

``examples/fastapi_pools.py`` is a FastAPI application with a pool of threads and one of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from .handover import wrap
from .tracer import Tracer

_Result = TypeVar("_Result")


class TracedExecutor(Executor):
    """An executor that wraps each job with `opentracing.wrap`, and gives it to another executor.

    ::

        with TracedExecutor(ThreadPoolExecutor()) as pool:
            pool.submit(resize, image)

    `tracer` is the tracer whose active span is bound (default: the global tracer of each call).
    Raises TypeError if `executor` is a class or has no `submit`. Methods take the arguments of the
    executor's.
    """

    def __init__(self, executor: Executor, *, tracer: Tracer | None = None) -> None:
        if isinstance(executor, type):  # its call was forgotten
            raise TypeError(f"executor must be an Executor, not the class {executor.__name__}")
        if not callable(getattr(executor, "submit", None)):
            raise TypeError(f"executor must be an Executor, not {type(executor).__name__}")
        self._executor = executor
        self._tracer = tracer

    @property
    def executor(self) -> Executor:
        """The executor that runs the jobs."""
        return self._executor

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Run ``fn(*args, **kwargs)`` with the span that is active now."""
        return self._executor.submit(wrap(fn, tracer=self._tracer), *args, **kwargs)

    def map(
        self, fn: Callable[..., _Result], *iterables: Iterable[Any], **options: Any
    ) -> Iterator[_Result]:
        """Call `fn` for each item, as ``map`` does, each time with the span that is active now.

        `options` are those of the executor: `timeout`, `chunksize` and, from Python 3.14,
        `buffersize`.
        """
        return self._executor.map(wrap(fn, tracer=self._tracer), *iterables, **options)

    def shutdown(self, wait: bool = True, **options: Any) -> None:
        """Shut the executor down; `options` are its own, such as `cancel_futures`."""
        self._executor.shutdown(wait, **options)
