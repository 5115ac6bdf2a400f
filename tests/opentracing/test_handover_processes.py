"""Work that is handed to other processes and interpreters continues the trace of its request.

Each program runs in its own process, from a file, which its children import if they are not forked.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pytest

from ..programs import FORKING, run_program

pytestmark = pytest.mark.needs_os

PROGRAM = '''
import json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor

import opentracing
from opentracing.mocktracer import MockTracer
from opentracing_recorder import BasicTracer, InMemoryRecorder, ConstSampler

MAKE = {
    "BasicTracer": lambda: BasicTracer(InMemoryRecorder(), trace_id_bits=128),
    "MockTracer": MockTracer,
}

def install(kind):
    opentracing.set_global_tracer(MAKE[kind]())

def job(number):
    tracer = opentracing.global_tracer()
    with tracer.start_active_span("job") as scope:
        context = scope.span.context
        return [
            number, os.getpid(), context.trace_id, scope.span.parent_id,
            scope.span.get_baggage_item("request"), bool(context.sampled),
        ]

def run_by(executor):
    """Two functions that run jobs in an executor."""
    yield "submit", lambda: [each.result() for each in [executor.submit(job, n) for n in range(10)]]
    yield "map", lambda: list(executor.map(job, range(10), chunksize=4))

def processes(method, kind):
    start = multiprocessing.get_context(method)
    pool = start.Pool(2, install, (kind,))
    apply = pool.apply_async
    wrap = opentracing.wrap
    yield "pool.map", lambda: pool.map(wrap(job), range(10))
    yield "pool.apply_async", lambda: [
        each.get() for each in [apply(wrap(job), (n,)) for n in range(10)]
    ]
    pool.close()
    pool.join()
    if sys.implementation.name == "cpython" or method == "fork":  # PyPy 3.9 has no others
        options = dict(mp_context=start, initializer=install, initargs=(kind,))
        with opentracing.TracedExecutor(ProcessPoolExecutor(2, **options)) as executor:
            yield from run_by(executor)

def interpreters(kind):
    from concurrent.futures import InterpreterPoolExecutor

    pool = InterpreterPoolExecutor(2, initializer=install, initargs=(kind,))
    with opentracing.TracedExecutor(pool) as executor:
        yield from run_by(executor)

def main(method, kind):
    install(kind)
    tracer = opentracing.global_tracer()
    found = []
    for name, run in interpreters(kind) if method == "interpreters" else processes(method, kind):
        for sampled in (True, False):
            with tracer.start_active_span("request") as scope:
                scope.span.set_tag("sampling.priority", int(sampled))
                scope.span.set_baggage_item("request", f"{name} {sampled}")
                context = scope.span.context
                if kind == "MockTracer":
                    sampled = True  # it records everything
                baggage = scope.span.get_baggage_item("request")
                found.append([[context.trace_id, context.span_id, baggage, sampled], run()])
        found.append([None, run()])
    print(json.dumps([os.getpid(), found]))

if __name__ == "__main__":
    main(*sys.argv[1:])
'''

METHODS = [
    *multiprocessing.get_all_start_methods(),
    pytest.param(
        "interpreters",
        marks=pytest.mark.skipif(
            sys.version_info < (3, 14) or sys.implementation.name != "cpython",
            reason="pools of interpreters come with Python 3.14",
        ),
    ),
]


@pytest.mark.parametrize("kind", ["BasicTracer", "MockTracer"])
@pytest.mark.parametrize("method", METHODS)
def test_jobs_continue_the_trace_with_their_own_tracer(
    tmp_path: Path, method: Any, kind: str
) -> None:
    """Each job is a child of its own request, with its baggage and decision, or a root.

    Some jobs are handed over where no span is active.
    """
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    ended = run_program([*FORKING, script, method, kind])
    assert (ended.code, ended.error) == (0, "")
    own, found = json.loads(ended.output)
    names = {baggage.split()[0] for request in found if request[0] for baggage in [request[0][2]]}
    of_executors, of_pools = {"submit", "map"}, {"pool.map", "pool.apply_async"}
    if method == "interpreters":
        assert names == of_executors
    elif sys.implementation.name == "cpython" or method == "fork":
        assert names == of_executors | of_pools
    else:
        assert names == of_pools
    for request, jobs in found:
        assert sorted(each[0] for each in jobs) == list(range(10))
        if method != "interpreters":
            assert own not in {each[1] for each in jobs}
        for _, _, trace, parent, baggage, sampled in jobs:
            if request is None:
                assert (parent, baggage, sampled) == (None, None, True)
            else:
                assert [trace, parent, baggage, sampled] == request
