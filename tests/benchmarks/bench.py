"""The cost of a span, beside that of other tracers, in ratios to the least work for its record.

``make bench`` measures everything; ``make bench-check`` measures the budgets that need no more than
basictracer and OpenTelemetry beside this project, and fails when one is missed by more than the
tolerance.

What counts is the fastest turn of each; the median beside it shows how noisy the machine was.
"""

from __future__ import annotations

import argparse
import sys

import tables
from budgets import BASICTRACER, BRIDGE, BUDGETS, EARLIER, OPENTELEMETRY, OURS, SHIM
from environments import FOLDER, python_for
from runner import Effort, find_peer, measure
from worker import BYTES, EXPORTS, LONG_TREES, TREE_BYTES, TREES

PEERS = (
    OURS,
    BRIDGE,
    BASICTRACER,
    "jaeger",
    OPENTELEMETRY,
    SHIM,
    "datadog",
    "sentry",
    "zipkin_py",
    EARLIER,
)

FORMATS = ("ot-tracer-*", "binary", "W3C", "b3", "X-B3-*", "uber-trace-id", "sentry-trace",
           "first of 4", "last of 5")  # fmt: skip
CASES = (
    "no-op active span",
    "no-op decorated call",
    "no-op decorated coroutine",
    "no-op decorated generator",
    "decorated call",
    "root span",
    "active span",
    "active span, OpenTracing",
    "request",
    "request, not sampled",
    "tracing of a Flask request, against OpenTelemetry's",
    "10 levels deep",
    "asyncio.gather of 100 spans",
    "8 threads",
    "record_span of a BatchRecorder",
    "record_span of a MetricsRecorder",
    "added by a FilterRecorder that passes a span through",
    "added by the redaction of ten tags",
    "added by a TailRecorder that holds and decides",
    "added by a TailRecorder that decides by a rate as well",
    "job of a TracedExecutor, against a copied context",
    "wrap and call without a tracer, against a call",
    *(f"{verb} {format}" for format in FORMATS for verb in ("extract", "inject")),
    BYTES,
    "import opentracing",
    "import the tracer",
    *TREES,
    *LONG_TREES,
    TREE_BYTES,
    *EXPORTS,
)
"""In the order of the rows."""

# Short turns: among many of them are some in which the machine did nothing else.
ALL = Effort(rounds=5, turns=12, seconds=0.005, spans=10_000)
CHECK = Effort(rounds=4, turns=20, seconds=0.004, spans=5_000)
TOLERANCE = 0.1
"""By which the same code may differ from run to run on a machine that others use, too."""
SECOND_LOOKS = 4
"""How often what fails the check is measured again: noise can make a turn slower, never faster."""


def _progress(line: str) -> None:
    """Show progress on one line that is overwritten, and only on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the tables, and write them."""
    parser = argparse.ArgumentParser(description="Measure the cost of a span.")
    parser.add_argument("--check", action="store_true", help="the budgets that are cheap to check")
    options = parser.parse_args()

    effort = CHECK if options.check else ALL
    names = (OURS, BRIDGE, BASICTRACER, OPENTELEMETRY, SHIM) if options.check else PEERS
    peers = [find_peer(name, python_for(name)) for name in names]
    budgets = [budget for budget in BUDGETS if budget.against in (None, *names)]
    cases = dict.fromkeys(case for budget in budgets for case in budget.cases)
    results = measure(peers, effort, cases if options.check else CASES, _progress)
    for _ in range(SECOND_LOOKS if options.check else 0):
        missed = [budget for budget in budgets if budget.fails(results, TOLERANCE)]
        if not missed:
            break
        cases = dict.fromkeys(case for budget in missed for case in budget.cases)
        measure(peers, effort, cases, _progress, results)
    _progress("")

    texts = [tables.budgets(results, TOLERANCE)]
    texts += [*tables.reasons(peers, results), tables.circumstances(peers, effort)]
    if not options.check:
        texts.insert(0, tables.costs(peers, results, CASES))
    text = "\n\n".join(texts)
    print(text)
    if not options.check:
        (FOLDER / "costs.md").write_text(text + "\n", encoding="utf-8")
    elif any(budget.fails(results, TOLERANCE) for budget in budgets):
        sys.exit("A budget is missed by more than the tolerance.")


if __name__ == "__main__":
    main()
