"""The local part of one trace, as a TailRecorder holds it."""

from __future__ import annotations

from .span import BasicSpan

# Running spans of one part, and decided parts of which spans run.
MOST_RUNNING = 100_000


class Part:
    """The local part of a trace that has several spans: those that are held, or the decision."""

    __slots__ = ("reason", "root", "roots", "running", "running_roots", "since", "spans")

    def __init__(self, root: BasicSpan, root_id: int | None, since: float) -> None:
        self.root: BasicSpan | None = root  # None once decided: it may be freed then
        # The ids of the local roots: others may start before it ends, then they are a set.
        self.roots: tuple[int | None, ...] | set[int | None] = (root_id,)
        self.running_roots = 1
        # How many spans of an id run: two, if Zipkin's client and server share it.
        self.running = {root_id: 1}
        self.since = since  # when the root started, on the clock `perf_counter`
        self.spans: list[BasicSpan] = []  # that are held, in the order in which they ended
        self.reason: str | None = None  # why it is kept or not, once decided

    def start(self, span_id: int | None, parent_id: int | None) -> None:
        roots, running = self.roots, self.running
        is_root = span_id in roots
        is_new = not (is_root or parent_id in running or parent_id in roots)
        if is_new:
            if isinstance(roots, tuple):
                roots = self.roots = set(roots)
            roots.add(span_id)
        if len(running) >= MOST_RUNNING:  # they may never end
            running.clear()
            self.running_roots = 0
        number = running.get(span_id, 0)
        running[span_id] = number + 1
        self.running_roots += is_new or (is_root and not number)

    def end(self, span_id: int | None) -> None:
        number = self.running.pop(span_id, 0)
        if number > 1:
            self.running[span_id] = number - 1
        elif number and span_id in self.roots:
            self.running_roots -= 1

    @property
    def is_over(self) -> bool:
        """Whether no local root runs."""
        return not self.running_roots


def id_of(span: BasicSpan) -> int | None:
    context = span._own_context
    return span._span_id if context is None else context.span_id


def runs(root: BasicSpan | None) -> bool:
    """Whether a root will get here; ``sampling.priority`` may have un-sampled it."""
    return root is not None and root.sampled and not root.finished
