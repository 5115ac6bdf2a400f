"""The comparison of two sets of traces: which operations became slower, and not by chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .trace import Trace, TraceNode

__all__ = ["Comparison", "compare", "percentile"]

_FEWEST = 8  # traces on each side; with fewer, the normal approximation does not hold
_SIGNIFICANT = 0.05
_VERDICTS = ("slower", "faster", "within noise", "too few", "new", "gone")


class Comparison(NamedTuple):
    """One operation of one service, before and after. Durations are in seconds, None if absent."""

    service: str | None
    operation: str
    verdict: str
    """``slower``, ``faster``, ``within noise``, ``too few``, ``new`` or ``gone``."""
    change: float | None
    """The change of the median: 0.5 is half as long again. None if one side has none."""
    before_median: float | None
    """The median of the traces' medians."""
    after_median: float | None
    before_p95: float | None
    """That of all spans."""
    after_p95: float | None
    before_traces: int
    """The number of samples: traces in which the operation has a finished span."""
    after_traces: int
    before_spans: int
    after_spans: int
    before_errors: int
    after_errors: int
    p_value: float | None
    """Corrected for the number of operations; None if there are too few samples."""


def compare(
    before: Iterable[Trace],
    after: Iterable[Trace],
    where: Callable[[TraceNode], bool] | None = None,
    *,
    at_least: float = 0.1,
) -> list[Comparison]:
    """A row for each operation of each service: first what became slower, by the most seconds.

    An operation is ``slower`` or ``faster`` if its median changed by `at_least` (default: 0.1,
    which is 10 %), and chance does not explain it: the U test of Mann and Whitney, corrected by
    Holm for the number of operations, gives a probability below 5 %. Otherwise it is ``within
    noise``. That does not mean that nothing changed, only that these traces do not show it.

    The spans of one trace share its circumstances, so they are no independent samples. The test
    takes one duration from each trace: the median of the operation's spans in it. With fewer than 8
    traces on one side, the verdict is ``too few``. An operation is ``new`` if it was absent before,
    and ``gone`` if it is absent after.

    The test is for what is typical. If only the slowest spans became slower, p95 shows it, and the
    verdict does not.
    """
    if not at_least >= 0:
        raise ValueError(f"at_least must not be negative, not {at_least}")
    old, new = _sides(before, where), _sides(after, where)
    none = _Side()
    pairs = {key: (old.get(key, none), new.get(key, none)) for key in {**old, **new}}
    tested = [
        key for key, pair in pairs.items() if min(len(each.traces) for each in pair) >= _FEWEST
    ]
    chances = [_probability_of_chance(*(each.traces for each in pairs[key])) for key in tested]
    p_values = dict(zip(tested, _adjusted(chances)))
    rows = [_row(key, *pair, p_values.get(key), at_least) for key, pair in pairs.items()]
    return sorted(rows, key=_order)


class _Side:
    """One operation, before or after."""

    def __init__(self) -> None:
        self.count = self.errors = 0
        self.spans: list[float] = []  # durations
        self.traces: list[float] = []  # the median of each

    @property
    def median(self) -> float | None:
        return percentile(sorted(self.traces), 50)

    @property
    def p95(self) -> float | None:
        return percentile(sorted(self.spans), 95)


def _sides(
    traces: Iterable[Trace], where: Callable[[TraceNode], bool] | None
) -> dict[tuple[str, str], _Side]:
    sides: dict[tuple[str, str], _Side] = {}
    for trace in traces:
        durations: dict[tuple[str, str], list[float]] = {}
        for node, _ in trace.walk():
            if where is None or where(node):
                key = (node.operation_name, node.service or "")
                side = sides.setdefault(key, _Side())
                side.count += 1
                side.errors += node.error
                if node.duration is not None:
                    durations.setdefault(key, []).append(node.end_time - node.start_time)
        for key, each in durations.items():
            each.sort()
            sides[key].spans += each
            sides[key].traces += [each[(len(each) - 1) // 2]]
    return sides


def _row(
    key: tuple[str, str], old: _Side, new: _Side, p_value: float | None, at_least: float
) -> Comparison:
    before, after = old.median, new.median
    change = None
    if before is not None and after is not None:
        change = after / before - 1 if before else math.inf if after else 0.0
    if not old.count or not new.count:
        verdict = "gone" if old.count else "new"
    elif p_value is None or change is None:
        verdict = "too few"
    elif p_value < _SIGNIFICANT and change and abs(change) >= at_least:
        verdict = "slower" if change > 0 else "faster"
    else:
        verdict = "within noise"
    return Comparison(
        service=key[1] or None,
        operation=key[0],
        verdict=verdict,
        change=change,
        before_median=before,
        after_median=after,
        before_p95=old.p95,
        after_p95=new.p95,
        before_traces=len(old.traces),
        after_traces=len(new.traces),
        before_spans=old.count,
        after_spans=new.count,
        before_errors=old.errors,
        after_errors=new.errors,
        p_value=p_value,
    )


def _order(row: Comparison) -> tuple[int, float, str, str]:
    moved = abs((row.after_median or 0.0) - (row.before_median or 0.0))
    return _VERDICTS.index(row.verdict), -moved, row.operation, row.service or ""


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of sorted values; None if there are none."""
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1] if ordered else None


def _probability_of_chance(before: Sequence[float], after: Sequence[float]) -> float:
    """How probable so great a difference is if both are samples of the same durations.

    This is the two-sided U test of Mann and Whitney ("On a Test of Whether one of Two Random
    Variables is Stochastically Larger than the Other", Annals of Mathematical Statistics 18, 1947)
    by its normal approximation, with the corrections for ties and for continuity.
    """
    first, second = len(before), len(after)
    both = first + second
    pooled = sorted([(value, 1) for value in before] + [(value, 0) for value in after])
    ranks = 0.0  # the sum of those of `before`
    ties = index = 0
    while index < both:
        stop, ours = index, 0
        while stop < both and pooled[stop][0] == pooled[index][0]:
            ours += pooled[stop][1]
            stop += 1
        ranks += ours * (index + 1 + stop) / 2  # equal values share the mean of their ranks
        ties += (stop - index) ** 3 - (stop - index)
        index = stop
    variance = first * second / 12 * (both + 1 - ties / (both * (both - 1)))
    if variance <= 0:  # all values are equal
        return 1.0
    distance = abs(ranks - first * (both + 1) / 2) - 0.5
    return math.erfc(max(distance, 0.0) / math.sqrt(2 * variance))


def _adjusted(probabilities: Sequence[float]) -> list[float]:
    """The probabilities, corrected for their number: by chance, one of many is small.

    The correction is that of Holm ("A Simple Sequentially Rejective Multiple Test Procedure",
    Scandinavian Journal of Statistics 6, 1979). It holds for operations that depend on each other.
    """
    number, largest = len(probabilities), 0.0
    corrected = [1.0] * number
    for rank, index in enumerate(sorted(range(number), key=probabilities.__getitem__)):
        largest = max(largest, min((number - rank) * probabilities[index], 1.0))
        corrected[index] = largest
    return corrected
