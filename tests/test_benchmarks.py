"""The benchmark programs run, and the check of the budgets can fail."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.needs_os

BENCHMARKS = Path(__file__).resolve().parent / "benchmarks"

# One of each kind: each starts a process, which is slow on PyPy.
CASES = [
    "request",
    "no-op decorated call",
    "no-op decorated coroutine",
    "no-op decorated generator",
    "decorated call",
    "asyncio.gather of 100 spans",
    "8 threads",
    "record_span of a MetricsRecorder",
    "added by the redaction of ten tags",
    "added by a TailRecorder that decides by a rate as well",
    "extract last of 5",
    "inject binary",
    "import the tracer",
    "trees from 10,000 spans",
    "trees from 40,000 spans",
    "CPU from start to acknowledgement, Zipkin",
    "CPU from start to acknowledgement, OTLP",
    pytest.param(
        "CPU from start to acknowledgement, Kafka",
        marks=pytest.mark.skipif(
            platform.python_implementation() == "PyPy", reason="confluent-kafka is not for PyPy"
        ),
    ),
    *(
        pytest.param(
            f"bytes kept for a span {of_what}",
            marks=pytest.mark.skipif(
                platform.python_implementation() == "PyPy", reason="PyPy cannot trace memory"
            ),
        )
        for of_what in ("with 2 tags", "of a tree")
    ),
]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, from the folder of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import runner

    return runner


@pytest.fixture
def tables(runner: ModuleType) -> ModuleType:
    """The module, from the folder of the benchmarks."""
    import tables

    return tables


@pytest.mark.parametrize("case", CASES)
@pytest.mark.long
def test_a_case_can_be_measured(case: str, runner: ModuleType, tables: ModuleType) -> None:
    """A short run of this project's program for the case gives a figure, and a row of the table."""
    peer = runner.find_peer("opentracing_2_5", Path(sys.executable))
    assert peer.error is None

    results = runner.measure([peer], runner.Effort(1, 1, 0.0001, 50), [case])

    assert tables.reasons([peer], results) == []
    assert results["opentracing_2_5", case].fastest > 0
    assert case in tables.costs([peer], results, [case])


def test_a_peer_that_cannot_run_says_why(runner: ModuleType, tables: ModuleType) -> None:
    """A program whose tracer is not installed is skipped, with the reason."""
    peer = runner.find_peer("no_such_peer", Path(sys.executable))

    (reason,) = tables.reasons([peer], {})

    assert "no_such_peer can't run: ModuleNotFoundError" in reason


def test_the_same_without_tracing_is_subtracted(runner: ModuleType) -> None:
    """Three calls take turns, and the median is that of the differences in each turn."""
    import worker

    peer = SimpleNamespace(
        LEAST={"x": lambda: lambda: sum(range(9000))}, WITHOUT={"x": lambda: int}
    )
    figures = runner.Figures()
    figures.case, figures.least, figures.without = [3, 9, 4], [5, 4, 3], [1, 1, 2]

    measured = worker.take_turns("x", int, 0.001, 3, peer)

    assert {name: len(times) for name, times in measured.items()} == dict.fromkeys(
        ["case", "least", "without"], 3
    )
    assert min(measured["least"]) > min(measured["without"])
    assert figures.fastest == figures.median == 2  # of 0.5, 2.67 and 2


@pytest.mark.parametrize(
    ("case", "ratio", "verdict", "holds"),
    [
        pytest.param("record_span of a BatchRecorder", 0.4, "holds", True, id="within"),
        pytest.param(
            "record_span of a BatchRecorder",
            0.54,
            "missed by 8%, 0.55 would fail",
            True,
            id="tolerated",
        ),
        pytest.param(
            "record_span of a BatchRecorder",
            0.6,
            "missed by 20%: more than 0.55 fails",
            False,
            id="missed",
        ),
        pytest.param("request", 99.0, "fails", False, id="worse than known"),
    ],
)
def test_the_check_fails_for_a_budget_missed_by_more_than_the_tolerance(
    case: str, ratio: float, verdict: str, holds: bool, runner: ModuleType, tables: ModuleType
) -> None:
    """Every row has its result; only exceeding both budget and tolerance fails."""
    from budgets import BUDGETS

    figures: Any = runner.Figures()
    figures.case, figures.least = [ratio], [1.0]

    results = {("opentracing_2_5", case): figures}

    table = tables.budgets(results, 0.1)

    rows = [line for line in table.splitlines() if line.startswith(f"| {case} ")]
    assert verdict in rows[0]  # of ours alone; that through OpenTelemetry was not measured
    failing = [budget.case for budget in BUDGETS if budget.fails(results, 0.1)]
    assert failing == ([] if holds else [case])


def test_a_budget_that_was_not_measured_is_shown(tables: ModuleType) -> None:
    """Without measurements, every row says so, and none is missing."""
    from budgets import BUDGETS

    table = tables.budgets({}, 0.1)

    assert table.count("not measured") == len(BUDGETS)
