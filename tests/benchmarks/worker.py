"""Runs in a peer's own Python: one request on standard input, one answer on standard output.

The request names a peer and, unless the answer is to say what the peer can do, a case. Both are
JSON. Nothing but the standard library is imported here before the peer is.

Time is the CPU time of this process, all its threads included: what others do on the machine at
that moment is no cost of a tracer. The garbage collector runs, as it does in a program.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import timeit
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from time import perf_counter, process_time, thread_time
from typing import Any

import least_work

BYTES = "bytes kept for a span with 2 tags"
ZIPKIN_CPU = "CPU from start to acknowledgement, Zipkin"
OTLP_CPU = "CPU from start to acknowledgement, OTLP"
KAFKA_CPU = "CPU from start to acknowledgement, Kafka"

EXPORTS = {ZIPKIN_CPU: "export_zipkin", OTLP_CPU: "export_otlp", KAFKA_CPU: "export_kafka"}
"""Of spans with 4 tags, by the function of a peer that sets it up."""

SPANS_A_TURN = 512
"""Of an export: a batch, for all of them."""

TREES = {f"trees from {count:,} spans": count for count in (10_000, 100_000, 1_000_000)}
"""What is measured beside each is a tenth of its spans: ten times the spans, in ratio to these."""

LONG_TREES = {"trees from 40,000 spans": 40_000}
"""As a time: an earlier build takes seconds."""

TREE_BYTES = "bytes kept for a span of a tree"
TREE_SPANS = 4_000

LONG = 0.1
"""Seconds: of calls that take longer, only a few are measured."""

Answer = dict[str, Any]


def describe(peer: Any) -> Answer:
    """Return the peer's description and its cases."""
    cases = [*peer.CASES, *peer.IMPORTS]
    if hasattr(peer, "kept_span"):
        cases.append(BYTES)
    if hasattr(peer, "tree"):
        cases.append(TREE_BYTES)
    cases += [case for case, function in EXPORTS.items() if hasattr(peer, function)]
    versions = [f"{each} {version(each)}" for each in peer.SHOWN]
    return {"title": peer.TITLE, "versions": versions, "cases": cases}


def take_turns(
    name: str,
    case: Callable[[], object],
    seconds: float,
    turns: int,
    peer: Any = None,
) -> Answer:
    """Seconds a call of the case and of the least work for it, which take turns.

    A peer may have another call in place of the least work, and a third one, which does the same
    without tracing.
    """
    least = least_work.CASES.get(name, least_work.CASES["active span"])
    calls = {"case": case, "least": getattr(peer, "LEAST", {}).get(name, least)()}
    if name in getattr(peer, "WITHOUT", {}):
        calls["without"] = peer.WITHOUT[name]()
    # The worker's time is not the application's.
    clock = thread_time if name.startswith("record_span") else process_time
    # timeit turns the garbage collector off; what it calls first turns it on again.
    timers = {key: timeit.Timer(each, gc.enable, timer=clock) for key, each in calls.items()}
    numbers = {key: _number(timer, seconds) for key, timer in timers.items()}
    if timers["case"].timeit(1) > LONG:
        turns = min(turns, 3)
    spent: dict[str, list[float]] = {key: [] for key in timers}
    for _ in range(turns):
        for key, timer in timers.items():
            spent[key].append(timer.timeit(numbers[key]) / numbers[key])
    return spent


def _number(timer: timeit.Timer, seconds: float) -> int:
    """How many calls take that long; making sure of it warms up, too."""
    timer.timeit(1)  # the first call may import
    number = 1
    while True:
        spent = timer.timeit(number)
        if spent >= seconds / 4:
            return max(1, round(number * seconds / spent))
        number *= 4


def kept_bytes(span: Callable[[], object], count: int) -> Answer:
    """The memory that each finished span keeps, of `count`."""
    import tracemalloc  # PyPy has none

    # Twice, for what is made once or grows in steps.
    for _ in range(count):
        span()
    gc.collect()
    tracemalloc.start()
    for _ in range(count):
        span()
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"case": [kept / count]}


def tree_bytes(tree: Callable[[int], Callable[[], object]]) -> Answer:
    """The memory that a trace keeps for each of its spans, beside the spans themselves."""
    import tracemalloc

    make = tree(TREE_SPANS)
    make()  # it may import
    gc.collect()
    tracemalloc.start()
    traces = make()
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del traces
    return {"case": [kept / TREE_SPANS]}


def long_call(call: Callable[[], object]) -> Answer:
    """Seconds of a call, after one that may import and fills caches."""
    call()
    start = process_time()
    call()
    return {"case": [process_time() - start]}


def import_time(statement: str, turns: int) -> Answer:
    """Seconds for an import in a new Python, on this one's paths.

    That one has imported what every Python imports at its start, but nothing that the environment
    adds to it: an editable installation imports much, which would be missing from the figure.
    """
    code = (
        "import os, site, time; t = time.process_time();"
        f" {statement}; print(time.process_time() - t)"
    )
    command = [sys.executable, "-S", "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*_packages(statement), *sys.path])}
    # Else our own sources would be compiled each time.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    runs = []
    for _ in range(turns):
        # Not in this folder, which may be that of another version, and would come first.
        run = subprocess.run(
            command, stdout=subprocess.PIPE, env=environment, cwd=os.sep, check=True
        )
        runs.append(float(run.stdout))
    return {"case": runs}


def _packages(statement: str) -> list[str]:
    """The folders of the packages that a statement imports; an editable one is on no path."""
    names = [each.split()[1].partition(".")[0] for each in statement.split("; ")]
    files = [str(import_module(name).__file__) for name in names]
    return [os.path.dirname(os.path.dirname(file)) for file in files]


def export(span: Callable[[], object], flush: Callable[[], object], turns: int) -> Answer:
    """CPU seconds of this process for a span, and spans a second."""
    spent, rates = [], []
    for _ in range(1 + turns):
        cpu, clock = process_time(), perf_counter()
        for _ in range(SPANS_A_TURN):
            span()
        flush()
        spent.append((process_time() - cpu) / SPANS_A_TURN)
        rates.append(SPANS_A_TURN / (perf_counter() - clock))
    # The first one imports, connects and fills caches.
    return {"case": spent[1:], "rate": rates[1:], "made": SPANS_A_TURN * len(spent)}


def answer(request: dict[str, Any]) -> Answer:
    """The answer to one request; an "error" where the peer can't run."""
    try:
        peer = import_module(f"peers.{request['peer']}")
        name = request.get("case")
        if name is None:
            return describe(peer)
        turns, seconds = request["turns"], request["seconds"]
        if name in peer.IMPORTS:
            return import_time(peer.IMPORTS[name], turns)
        if name == BYTES:
            return kept_bytes(peer.kept_span(), request["count"])
        if name == TREE_BYTES:
            return tree_bytes(peer.tree)
        if name in LONG_TREES:
            return long_call(peer.CASES[name]())
        if name in EXPORTS:
            span, flush = getattr(peer, EXPORTS[name])(request["url"], SPANS_A_TURN)
            return export(span, flush, max(1, request["count"] // SPANS_A_TURN))
        return take_turns(name, peer.CASES[name](), seconds, turns, peer)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer the request on standard input."""
    # What a tracer prints must not come between.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with channel:
        json.dump(answer(json.load(sys.stdin)), channel)
        channel.flush()
        # No exit handlers: a tracer may wait there for a backend that does not exist.
        os._exit(0)


if __name__ == "__main__":
    main()
