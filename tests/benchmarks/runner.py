"""Runs cases of peers, each in a process of its own, in turns, and keeps what they took."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from environments import HERE
from kafka_sink import KafkaSink
from sink import Sink
from worker import EXPORTS, KAFKA_CPU


class Effort(NamedTuple):
    """How long to measure."""

    rounds: int
    """Processes for each case of each peer."""
    turns: int
    """Of case and least work, in each process."""
    seconds: float
    """A turn."""
    spans: int
    """Made for the memory that they keep, and on their way to a backend."""


class Peer(NamedTuple):
    """A tracer that can be measured, or why it can't be."""

    name: str
    python: Path
    title: str
    versions: Sequence[str]
    cases: Sequence[str]
    error: str | None


class Figures:
    """The times of a peer's case, in all rounds."""

    def __init__(self) -> None:
        self.case: list[float] = []
        self.least: list[float] = []
        self.without: list[float] = []
        self.rate: list[float] = []
        self.error: str | None = None

    @property
    def fastest(self) -> float:
        """The fastest turn: as a ratio to the least work where the case has that, else as it is."""
        return self._ratio(min)

    @property
    def median(self) -> float:
        """The same of the median of all turns."""
        return self._ratio(statistics.median)

    def _ratio(self, one_of: Callable[[list[float]], float]) -> float:
        if not self.without:
            return one_of(self.case) / (one_of(self.least) if self.least else 1)
        # The fastest turns may be of different moments, and their small differences mere noise.
        turns = zip(self.case, self.least, self.without)
        return statistics.median((case - bare) / (least - bare) for case, least, bare in turns)


Results = dict[tuple[str, str], Figures]
"""By peer and case."""


def ask(python: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a worker that this Python runs."""
    run = subprocess.run(
        [str(python), str(HERE / "worker.py")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(run.stdout)
    except ValueError:
        last = (run.stderr.strip().splitlines() or ["no answer"])[-1]
        return {"error": f"{last} (exit status {run.returncode})"}
    return answer


def find_peer(name: str, python: Path) -> Peer:
    """The peer of that name as it describes itself."""
    about = ask(python, {"peer": name})
    if "error" in about:
        return Peer(name, python, name, (), (), about["error"])
    return Peer(name, python, about["title"], about["versions"], about["cases"], None)


def measure(
    peers: Sequence[Peer],
    effort: Effort,
    cases: Iterable[str],
    progress: Callable[[str], None] = lambda line: None,
    results: Results | None = None,
) -> Results:
    """Measure all cases; for each of them, the peers take turns, and noise hits all alike.

    With `results`, those of an earlier run get more turns.
    """
    results = {} if results is None else results
    jobs = [(case, peer) for case in cases for peer in peers if case in peer.cases]
    with Sink() as sink:
        for number in range(effort.rounds):
            for case, peer in jobs:
                figures = results.setdefault((peer.name, case), Figures())
                if figures.error is None:
                    progress(f"round {number + 1}: {case}, {peer.title}")
                    if case == KAFKA_CPU:
                        with KafkaSink(peer.python) as kafka:
                            _add(figures, case, peer, effort, kafka)
                    else:
                        _add(figures, case, peer, effort, sink)
    return results


def _add(figures: Figures, case: str, peer: Peer, effort: Effort, sink: Sink | KafkaSink) -> None:
    request = {
        "peer": peer.name,
        "case": case,
        "turns": effort.turns,
        "seconds": effort.seconds,
        "count": effort.spans,
        "url": sink.url,
    }
    answer = ask(peer.python, request)
    figures.error = answer.get("error")
    if case in EXPORTS and figures.error is None:
        arrived = sink.take_count()
        if arrived != answer["made"]:
            figures.error = f"{arrived} of {answer['made']} spans arrived"
    if figures.error is None:
        figures.case += answer["case"]
        figures.least += answer.get("least", ())
        figures.without += answer.get("without", ())
        figures.rate += answer.get("rate", ())
