"""The tables, in Markdown that is also readable as it is printed."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from budgets import BUDGETS, Budget
from runner import Effort, Figures, Peer, Results
from worker import BYTES, EXPORTS, LONG_TREES, TREE_BYTES


def costs(peers: Sequence[Peer], results: Results, cases: Iterable[str]) -> str:
    """A row for each case, a column for each peer that can run."""
    running = [peer for peer in peers if peer.error is None]
    rows = [["", "least work", *(peer.title for peer in running)]]
    for case in cases:
        figures = [results.get((peer.name, case)) for peer in running]
        rows.append([_row_name(case), _least(figures), *(_cell(case, each) for each in figures)])
        if case in EXPORTS:
            rates = [f"{max(each.rate):,.0f}" if each and each.rate else "" for each in figures]
            rows.append([f"spans a second{case[case.index(',') :]}", "", *rates])
    return markdown(rows)


def _row_name(case: str) -> str:
    if case in EXPORTS:
        return f"{case}, µs"
    return f"{case}, ms" if case.startswith("import") or case in LONG_TREES else case


def _least(figures: Iterable[Figures | None]) -> str:
    """The least work itself, in microseconds."""
    times = [min(each.least) for each in figures if each and each.least and not each.without]
    return f"{min(times) * 1e6:.2f} µs" if times else ""


def _cell(case: str, figures: Figures | None) -> str:
    if figures is None:
        return ""
    if figures.error or not figures.case:
        return "failed"
    if case in (BYTES, TREE_BYTES):
        return f"{figures.fastest:.0f}"
    if not figures.least:
        scale = 1e6 if case in EXPORTS else 1e3
        return f"{figures.fastest * scale:.1f} ({figures.median * scale:.1f})"
    digits = 2 if figures.median < 10 else 1
    return f"{figures.fastest:.{digits}f} ({figures.median:.{digits}f})"


def budgets(results: Results, tolerance: float) -> str:
    """A row for each budget.

    A budget that is known to be missed may not be missed by more than that and the tolerance.
    """
    rows = [["budget", "at most", "reached", ""]]
    for budget in BUDGETS:
        reached = budget.reached(results)
        shown = "" if reached is None else f"{reached:.3g}"
        rows.append(
            [budget.title, f"{budget.at_most:g}", shown, _verdict(budget, reached, tolerance)]
        )
    return markdown(rows)


def _verdict(budget: Budget, reached: float | None, tolerance: float) -> str:
    if reached is None:
        return "not measured"
    if reached <= budget.at_most:
        return "holds"
    verdict = f"missed by {reached / budget.at_most - 1:.0%}"
    limit = budget.limit(tolerance)
    if reached > limit:
        return f"{verdict}: more than {limit:.3g} fails"
    return f"{verdict}, {limit:.3g} would fail"


def reasons(peers: Iterable[Peer], results: Results) -> list[str]:
    """Why a peer, or a case of it, could not run."""
    found = [f"{peer.title} can't run: {peer.error}" for peer in peers if peer.error]
    for (peer, case), figures in results.items():
        if figures.error:
            found.append(f"{case} of {peer} failed: {figures.error}")
    return found


def circumstances(peers: Iterable[Peer], effort: Effort) -> str:
    """When, where, how and of what the figures are."""
    versions = sorted({version for peer in peers for version in peer.versions})
    return (
        f"{date.today():%d %B %Y}, {platform.python_implementation()} {platform.python_version()},"
        f" {_processor()}, {os.cpu_count()} cores, {platform.system()};"
        f" {effort.rounds} rounds of {effort.turns} turns. {', '.join(versions)}."
    )


def _processor() -> str:
    """The processor's name, as the machine gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are also aligned for those who read it unrendered."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)
