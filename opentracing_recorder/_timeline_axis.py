"""The parts that both timelines share: the time axis, durations for people, safe text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .trace import Trace, TraceNode, seconds_or_none


class Axis:
    """The time from a trace's first start to its last end; its positions go from 0 to 1."""

    def __init__(self, trace: Trace) -> None:
        self.start, self.length = trace.start_time, trace.duration

    def place(self, time: float) -> float:
        """The position of a time; one outside, as services' clocks differ, is moved to an end."""
        return min(max((time - self.start) / self.length, 0.0), 1.0) if self.length > 0 else 0.0

    def places(self, node: TraceNode) -> tuple[float, float]:
        """The positions where a span's bar starts and ends; a running span's reaches the end."""
        last = 1.0 if node.duration is None else self.place(node.end_time)
        return self.place(node.start_time), last

    def log_places(self, node: TraceNode) -> list[float]:
        """The positions of a span's logs, all of them on its bar."""
        first, last = self.places(node)
        times = (seconds_or_none(log.get("timestamp")) for log in node.logs)
        places = (self.place(time) for time in times if time is not None)
        return [min(max(place, first), last) for place in places]


def summary(trace: Trace, micro: str = "µs", most: int | None = None) -> Iterator[str]:
    """The parts of a trace's title: duration, number of spans, services, number of errors.

    Of more than `most` services, it has the first ones and the number of the others.
    """
    yield format_duration(trace.duration, micro)
    yield counted(len(trace), "span")
    if services := trace.services:
        named = list(services[:most])
        others = len(services) - len(named)
        more = f"+{others}" if named else counted(others, "service")
        yield ", ".join([*named, *[more] * bool(others)])
    if trace.errors:
        yield counted(len(trace.errors), "error")


def parent_note(nodes: Sequence[TraceNode]) -> str:
    """A note on spans whose parent was not recorded; empty if it was."""
    if not nodes[0].is_orphan:
        return ""
    if len({node.parent_id for node in nodes}) > 1:
        return "parents not recorded"
    return f"parent {nodes[0].parent_id} (not recorded)"


def clock_note(trace: Trace, micro: str = "µs") -> str:
    """A note on the services whose clocks were corrected, and by how much; empty if none was."""
    shifts: dict[str, float] = {}
    for node, _ in trace.walk():
        if abs(node.clock_shift) > abs(shifts.get(node.service or "", 0.0)):
            shifts[node.service or ""] = node.clock_shift
    return "clocks corrected: " * bool(shifts) + ", ".join(
        f"{service} {'+' * (seconds > 0)}{format_duration(seconds, micro)}".lstrip()
        for service, seconds in shifts.items()
    )


def format_duration(seconds: float, micro: str = "µs") -> str:
    """A duration with three figures, such as ``850 µs``, ``12.3 ms`` and ``1.20 s``."""
    size = abs(seconds)
    if size < 0.0009995:
        return f"{seconds * 1e6:.0f} {micro}"
    if size < 0.9995:
        return f"{_three_figures(seconds * 1e3)} ms"
    return f"{_three_figures(seconds)} s"


def _three_figures(value: float) -> str:
    size = abs(value)
    if size >= 1e6:
        return f"{value:.3g}"
    return f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:.0f}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 span``, ``2 spans``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
