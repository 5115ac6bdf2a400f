"""TailRecorder, which passes on the traces that failed or were slow, and a share of the others.

It holds the spans of a trace until its root has ended, and decides then. So a backend stores every
failed and every slow request whole, and few of the others::

    from contextlib import suppress

    from opentracing_recorder import BasicTracer, InMemoryRecorder, TailRecorder

    memory = InMemoryRecorder()  # stands for OTLPRecorder("shop")
    recorder = TailRecorder(memory, slower_than=0.5, rate=0.0)
    tracer = BasicTracer(recorder)
    with tracer.start_active_span("GET /cart"):
        pass
    with suppress(ConnectionError), tracer.start_active_span("POST /order"):
        with tracer.start_active_span("look up stock"):
            pass
        with tracer.start_active_span("charge"):
            raise ConnectionError

    print(memory.outline())
    counts = recorder.counts
    print(counts.passed, "spans passed,", counts.dropped, "dropped,", counts.held, "held")

which prints::

    POST /order
      look up stock
      charge
    3 spans passed, 1 dropped, 0 held

## Options

| Option | Default | Unit | Meaning |
|---|---|---|---|
| `slower_than` | None | seconds | Keep a trace whose root took longer. None: no trace is slow. |
| `keep` | None | | Keep a trace if this function of its spans returns something true. |
| `rate` | 0.0 | share | Keep this share of the other traces, from 0.0 to 1.0. |
| `max_traces` | 10,000 | traces | Most traces that are held. |
| `max_spans` | 100,000 | spans | Most spans that are held. |
| `max_seconds` | 60.0 | seconds | Longest that a trace is held; not less than `slower_than`. |

A trace with a failed span is always kept: one whose tag ``error`` is set. So by default, the failed
traces are kept, and no others.

- "Trace" means its local part here: the spans below one local root. A local root is a span whose
  parent does not run in this process, such as the span of a request. Each request of a trace is
  decided alone. But if one was kept, those that follow in the same trace are kept as well.
- `keep` gets a list of the trace's finished spans, of which the last is the local root. It is
  called on the thread that ends the root, which waits for it. If it raises, that is logged at most
  once a minute, and counted; the trace is kept.
- `rate` decides by the trace id as `ProbabilisticSampler` does, so all services with the same rate
  keep the same traces. The local root of a trace that only the rate has kept gets the tags
  ``sampler.type`` (``probabilistic``) and ``sampler.param`` (the rate), as Jaeger's tracers set
  them: it stands for ``1 / sampler.param`` traces in a sum. Every other trace stands for itself.
- The tracer's sampler must keep all traces, as it does by default: a span that is not sampled does
  not get here.

## Limits

If a limit is exceeded, the oldest trace is decided early, by what is known: it is kept if one of
its spans has failed, if it already takes longer than `slower_than`, if `keep` says so for the spans
that have ended, or by the rate. Its spans pass on, or go. What follows in the trace follows the
decision, and is not held. `keep` is not called for no spans; in an early decision, the last span of
its list is not the root.

The seconds are looked at when a trace begins, and when a span below a root ends. There is no timer.

Spans that end after their root follow the decision about their trace. A span that starts after the
root has ended, with a parent that no longer runs, is a local root itself. The last `max_traces`
traces that were kept are remembered; beyond these, the rate decides, which is the same each time.
A span whose start was not seen, because the recorder was set later or the span was sampled late,
belongs to the trace of its parent if that runs; otherwise it is decided alone.

## What to watch

`counts` is exact at any quiet moment: ``recorded`` is the sum of ``passed``, ``dropped`` and
``held``. `stats` is the other recorder's, which may drop or fail to send what was passed to it.

- ``early`` grows: traces are decided before their end, and some are kept or dropped wrongly. Raise
  the limit that is reached, or find the spans that are started and never finished.
- ``keep_raised`` grows: `keep` has an error, and everything that it fails for is stored.

## What is lost

- A killed process loses the spans that it holds: by SIGKILL, or by a signal without
  `close_at_signals`. At the exit, everything that is held is decided early, and passed on before
  the other recorder closes.
- `flush` passes on the held spans of each running trace that would be kept by what is known now.
  The others stay held, as they may still fail: if the process dies after a flush, nothing is lost
  that an early decision would have kept. So it is right before a freeze, such as AWS Lambda's.
- `close` decides everything. From then on, nothing is held: each new span is decided alone.
- A forked child forgets what its parent holds, and starts with zero counts. The parent keeps it.
- Other services decide for themselves. A trace that is kept here since it failed here may be
  missing elsewhere, unless the rate keeps it. If it must be whole, decide in one place behind all
  of them: the OpenTelemetry Collector's ``tail_sampling`` is made for that.
- If a trace was dropped, and a later request of it fails, only that request is kept.

## With other recorders

Everything behind this recorder is paid for kept traces only: put `FilterRecorder` there, as in
``TailRecorder(FilterRecorder(OTLPRecorder("shop"), function))``. Put a recorder that counts all
requests before it. In a `CompositeRecorder`, other recorders beside it get every span.

The other recorder's `span_started` is called for each span, also for those that are dropped later.

It may be used from any thread. The other recorder is called on the thread that decides, in the
order in which the spans ended, with no lock held. Raises TypeError or ValueError for an option that
cannot serve, and names it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count, islice
from typing import Any, NamedTuple
from weakref import WeakSet

from opentracing import tags
from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_range, check_seconds
from ._clock import system
from ._failure_log import FailureLog
from ._process import RenewedLock, at_exit, at_fork, cover_child
from ._wrapping import Wrapping
from .recorder import Recorder, started_hook
from .sampler import ProbabilisticSampler
from .span import BasicSpan, is_failed

__all__ = ["TailCounts", "TailRecorder"]


class TailCounts(NamedTuple):
    """Numbers of spans, and of decisions about local parts of traces, in this process.

    ``recorded`` is the sum of ``passed``, ``dropped`` and ``held``. Each decision counts once, as
    the first that applies of ``failed``, ``slow``, ``followed``, ``chosen``, ``sampled`` and
    ``unkept``.
    """

    recorded: int
    """Spans given to `record_span`."""

    passed: int
    """Spans passed on to the other recorder."""

    dropped: int
    """Spans of traces that were not kept."""

    held: int
    """Spans that wait for the end of their root."""

    failed: int
    """Traces kept as a span has failed."""

    slow: int
    """Traces kept as they took longer than `slower_than`."""

    followed: int
    """Traces kept as an earlier request of the same trace was."""

    chosen: int
    """Traces kept by the function `keep`, or as it raised."""

    sampled: int
    """Traces kept by the rate."""

    unkept: int
    """Traces that were not kept."""

    early: int
    """Traces decided before their root had ended. They are among the six numbers above."""

    keep_raised: int
    """Calls of `keep` that raised."""


_REASONS = ("failed", "slow", "followed", "chosen", "sampled", "unkept")
_FAILED, _SLOW, _FOLLOWED, _CHOSEN, _SAMPLED, _UNKEPT = _REASONS

_NO_OTHERS: frozenset[Any] = frozenset()
_ERROR = tags.ERROR
_ABSENT = object()

_lock = RenewedLock()  # for what is rare: a trace gets a second span, or the counts are read


class _Part:
    """The local part of a trace that has several spans: those that are held, or the decision.

    Threads need no lock for it. A span is appended, and then the decision is looked at; who decides
    sets the decision, and then takes the spans. So each span is taken by one of them.
    """

    __slots__ = ("others", "reason", "root", "root_id", "running", "since", "spans")

    def __init__(self, root: BasicSpan | None, root_id: int | None, since: float) -> None:
        self.root = root  # the first of them, if others start before it ends; None once decided
        self.root_id = root_id
        self.others: frozenset[int | None] = _NO_OTHERS  # the ids of the other local roots
        # The ids of the spans that run, without the root's while that is alone.
        self.running: dict[int | None, None] = {}
        self.since = since  # when the root started, on the clock `perf_counter`
        self.spans: list[BasicSpan] = []  # that are held, in the order in which they ended
        self.reason: str | None = None  # one of `_REASONS`, once decided

    def start(self, span_id: int | None, parent_id: int | None, most: int) -> None:
        """Add a span that starts in the trace, beside the root: one below it, or another root."""
        is_below = parent_id == self.root_id or parent_id in self.running
        if not is_below and span_id != self.root_id:
            if not self.others:
                self.run(self.root_id, most)
            self.others |= {span_id}
        self.run(span_id, most)

    def run(self, span_id: int | None, most: int) -> None:
        """Note that a span runs; if more than `most` do, the others may never end."""
        if len(self.running) >= most:
            self.running.clear()
        self.running[span_id] = None

    def is_ended_by(self, span_id: int | None) -> bool:
        """Whether this end of a span is that of the last local root."""
        was_running = self.running.pop(span_id, _ABSENT) is None
        if span_id == self.root_id and not was_running:
            return True
        if not (self.others and self.has_root(span_id)):
            return False  # also the server's half of the root, if Zipkin's halves have one id
        return self.root_id not in self.running and self.others.isdisjoint(self.running)

    def has_root(self, span_id: int | None) -> bool:
        return span_id == self.root_id or span_id in self.others


class TailRecorder(Wrapping):
    """Holds the spans of each trace until its local root ends, and passes on those of some traces.

    These are the traces with a failed span, those that took longer than `slower_than` seconds,
    those for which `keep(spans)` is true, and of the others a share, `rate`. Safe to use from any
    thread. The options are described in the guide above.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        slower_than: float | None = None,
        keep: Callable[[list[BasicSpan]], object] | None = None,
        rate: float = 0.0,
        max_traces: int = 10_000,
        max_spans: int = 100_000,
        max_seconds: float = 60.0,
    ) -> None:
        super().__init__(recorder)
        if slower_than is not None:
            check_seconds("slower_than", slower_than)
        if keep is not None and not callable(keep):
            raise TypeError(f"keep must be a function of spans, not {type(keep).__name__}")
        self._slower_than = slower_than
        self._keep = keep
        self._sampler = ProbabilisticSampler(rate)  # refuses a wrong rate
        self._rate = rate
        self._max_traces = check_count("max_traces", max_traces)
        self._max_spans = check_count("max_spans", max_spans)
        self._max_seconds = check_seconds("max_seconds", max_seconds)
        is_enough = slower_than is None or max_seconds >= slower_than
        check_range("max_seconds", max_seconds, is_enough, "at least slower_than")
        self._hook = started_hook(recorder)
        self._failures = FailureLog(recorder)
        self._keep_failures = FailureLog(self)
        self._is_closed = False
        self._forget()
        at_exit(_end_all, _flush_all, is_first=True)
        at_fork(_forget_all)
        _recorders.add(self)

    def _forget(self) -> None:
        """Start with nothing, as a new recorder and a forked child do."""
        # What is undecided, by trace, the oldest first. A local root alone stands for itself, which
        # takes a third of the time.
        self._parts: dict[int | None, _Part | BasicSpan] = {}
        # What is decided, but still runs.
        self._decided: dict[int | None, _Part] = {}
        # Traces that were kept, but not by the rate. A trace that was not kept needs no place: the
        # rate does not keep it.
        self._kept: dict[int | None, None] = {}
        self._due = 0.0  # when the oldest part may have been held for too long
        self._passed, self._dropped = _Count(), _Count()
        self._count_passed, self._count_dropped = self._passed.add_one, self._dropped.add_one
        self._early, self._keep_raised = _Count(), _Count()
        self._reasons = {reason: _Count() for reason in _REASONS}
        self._count_reason = {reason: each.add_one for reason, each in self._reasons.items()}
        self._count_unkept = self._count_reason[_UNKEPT]
        # The numbers of spans that were ever put into a part, and taken out.
        self._put_numbers, self._taken_numbers = count(1), count(1)
        self._put = self._taken = 0
        self._is_covered = False

    # On the application's threads.

    def span_started(self, span: BasicSpan) -> None:
        """Remember the span, as those below it are held until its local root ends."""
        context = span._own_context  # `span.context` would make one
        if context is None:
            trace_id, span_id = span._trace_id, span._span_id
        else:
            trace_id, span_id = context.trace_id, context.span_id
        part: Any = self._parts.get(trace_id)
        if self._decided:
            decided = self._decided.get(trace_id)
            if decided is not None and span.parent_id in decided.running:
                part = decided
        if part is None and not self._is_closed:
            since = span._started
            new: Any = span
            if since is None:  # its start was given
                since = system.perf_counter()
                new = _Part(span, span_id, since)
            part = self._parts.setdefault(trace_id, new)
            if part is new:
                part = None
                if since >= self._due or len(self._parts) > self._max_traces:
                    self._decide_oldest()
        if part is not None:
            if type(part) is not _Part:
                part = self._joined(trace_id)
            if part is not None:
                part.start(span_id, span.parent_id, self._max_spans)
        if self._hook is not None:
            self._hook(span)

    def record_span(self, span: BasicSpan) -> None:
        context = span._own_context
        if context is None:
            trace_id, span_id = span._trace_id, span._span_id
        else:
            trace_id, span_id = context.trace_id, context.span_id
        part: Any = self._parts.get(trace_id)
        if part is span:
            found = self._parts.pop(trace_id, None)
            if found is part:  # `_decide`, unrolled
                reason = self._reason([span], trace_id, span.duration)
                if reason is _UNKEPT:
                    self._count_unkept()
                    self._count_dropped()
                else:
                    self._count(reason, trace_id)
                    self._pass(span, reason, is_root=True)
                return
            part = found
            if found is not None:  # a span below it has just started
                self._parts[trace_id] = found
        decided = self._decided.get(trace_id) if self._decided else None
        if decided is not None and (part is None or span_id in decided.running):
            part = decided
            decided.running.pop(span_id, None)
            if not decided.running:
                self._decided.pop(trace_id, None)
        elif part is not None and type(part) is not _Part:
            part = self._joined(trace_id)
        if part is None:  # its start was not seen
            part = _Part(None, span_id, 0.0)
            self._decide(part, trace_id, self._reason([span], trace_id, span.duration), span)
            return
        if part.reason is None and part.is_ended_by(span_id) and self._takes(part, trace_id):
            spans = [*part.spans, span]
            roots = [each for each in spans if part.has_root(_id_of(each))]
            seconds = max([each.duration for each in roots])
            self._decide(part, trace_id, self._reason(spans, trace_id, seconds), span)
            return
        part.spans.append(span)
        self._put = next(self._put_numbers)
        if part.reason is not None:
            self._release(part)
        elif self._put - self._taken > self._max_spans or system.perf_counter() >= self._due:
            self._decide_oldest()
        if not self._is_covered:
            self._is_covered = True
            cover_child()

    def _joined(self, trace_id: int | None) -> _Part | None:
        """The undecided part of a trace, made of a root that was alone; None if it has ended."""
        with _lock.current:
            found: Any = self._parts.get(trace_id)
            if found is None or type(found) is _Part:
                return found
            since = getattr(found, "_started", None) or system.perf_counter()
            self._parts[trace_id] = part = _Part(found, _id_of(found), since)
        if not found.finished:
            return part
        # Perhaps another thread had taken the root before the part was put in its place.
        self._decide_early(part, trace_id)
        return None

    def _takes(self, part: _Part, trace_id: int | None) -> bool:
        """Whether this thread takes a part, to decide it; each is taken once."""
        if part.running:  # these spans follow the decision
            former = self._decided.get(trace_id)
            if former is not None and former is not part:
                part.running.update(former.running.copy())
            self._decided[trace_id] = part
            if len(self._decided) > self._max_traces:  # the spans may never end
                _drop_oldest(self._decided)
        found = self._parts.pop(trace_id, None)
        if found is not None and found is not part:  # a new one of the same trace
            self._parts[trace_id] = found
        return found is part

    def _reason(self, spans: list[BasicSpan], trace_id: int | None, seconds: float) -> str:
        """Why to keep a trace with these spans that has lasted so long, or `_UNKEPT`."""
        for span in spans:
            if _ERROR in span.tags and is_failed(span.tags):
                return _FAILED
        if self._slower_than is not None and seconds > self._slower_than:
            return _SLOW
        if trace_id in self._kept:
            return _FOLLOWED
        if self._keep is not None and spans:
            try:
                if self._keep(spans):
                    return _CHOSEN
            except Exception:
                reraise_interrupt()
                self._keep_raised.add_one()
                self._keep_failures.report("keep")
                return _CHOSEN
        rate = self._rate
        if rate and (rate >= 1 or self._sampler.sampled(trace_id or 0, "")):
            return _SAMPLED
        return _UNKEPT

    def _decide(
        self, part: _Part, trace_id: int | None, reason: str, root: BasicSpan | None = None
    ) -> None:
        """Set the decision, and pass or drop what is held, and the root if that has just ended."""
        part.reason = reason
        part.root = None
        self._count(reason, trace_id)
        if part.spans:
            self._release(part)
        if root is not None:
            self._pass(root, reason, is_root=True)

    def _count(self, reason: str, trace_id: int | None) -> None:
        self._count_reason[reason]()
        if reason is not _SAMPLED and reason is not _UNKEPT:
            self._kept.pop(trace_id, None)
            self._kept[trace_id] = None
            if len(self._kept) > self._max_traces:
                _drop_oldest(self._kept)

    def _release(self, part: _Part) -> None:
        """Pass or drop what a part holds that is decided."""
        spans: list[BasicSpan] = []
        while part.spans:
            try:
                spans.append(part.spans.pop())
            except IndexError:  # another thread has taken it
                reraise_interrupt()
        if not spans:
            return
        spans.reverse()
        self._taken = deque(islice(self._taken_numbers, len(spans)), maxlen=1)[0]
        assert part.reason is not None
        for span in spans:
            self._pass(span, part.reason, part.has_root(_id_of(span)))

    def _pass(self, span: BasicSpan, reason: str, is_root: bool) -> None:
        if reason is _UNKEPT:
            self._count_dropped()
            return
        self._count_passed()
        try:
            if reason is _SAMPLED and is_root and self._rate < 1:
                span.tags.setdefault("sampler.type", "probabilistic")
                span.tags.setdefault("sampler.param", self._rate)
            self.recorder.record_span(span)
        except Exception:
            reraise_interrupt()
            self._failures.report("record_span")

    # Before a part has ended.

    def _decide_oldest(self) -> None:
        """Decide parts early until no limit is exceeded, the oldest first."""
        now = system.perf_counter()
        self._due = now + self._max_seconds
        is_over = self._put - self._taken > self._max_spans
        held = self._held() if is_over else 0  # the numbers may be old for a moment
        while oldest := _oldest(self._parts, 1):
            trace_id = oldest[0]
            found: Any = self._parts.get(trace_id)
            if found is None:  # another thread has decided it
                continue
            since = found.since if type(found) is _Part else getattr(found, "_started", now)
            is_over = len(self._parts) > self._max_traces or held > self._max_spans
            if not is_over and now - since < self._max_seconds:
                self._due = since + self._max_seconds
                return
            part = self._joined(trace_id)
            if part is not None:
                held -= len(part.spans)
                self._decide_early(part, trace_id)

    def _held(self) -> int:
        parts = self._parts.copy().values()
        return sum(len(part.spans) for part in parts if isinstance(part, _Part))

    def _decide_each(self, is_last: bool) -> None:
        """Decide all parts early, or only those of which something would be passed on now."""
        for trace_id, found in self._parts.copy().items():
            part: Any = found
            if is_last and type(part) is not _Part:
                # Nothing is held. Without the lock, which a signal's handler may have interrupted.
                part = self._parts.pop(trace_id, None)
                if type(part) is _Part:
                    self._parts[trace_id] = part
            if type(part) is _Part and (
                is_last or (part.spans and self._reason_now(part, trace_id) is not _UNKEPT)
            ):
                self._decide_early(part, trace_id)

    def _decide_early(self, part: _Part, trace_id: int | None) -> None:
        if not part.others and _runs(part.root):
            part.run(part.root_id, self._max_spans)
        if not self._takes(part, trace_id):
            return
        if part.running or part.spans:
            self._early.add_one()
            self._decide(part, trace_id, self._reason_now(part, trace_id))
        else:  # its root was un-sampled, and never gets here
            part.reason = _UNKEPT
            self._release(part)

    def _reason_now(self, part: _Part, trace_id: int | None) -> str:
        is_running = part.others or _runs(part.root)
        seconds = system.perf_counter() - part.since if is_running else 0.0
        return self._reason(part.spans.copy(), trace_id, seconds)

    # For the application.

    @property
    def counts(self) -> TailCounts:
        """Numbers of spans and of decisions; exact while no span is recorded."""
        held = self._held()
        passed, dropped = self._passed.read(), self._dropped.read()
        reasons = {reason: number.read() for reason, number in self._reasons.items()}
        return TailCounts(
            passed + dropped + held,
            passed,
            dropped,
            held,
            early=self._early.read(),
            keep_raised=self._keep_raised.read(),
            **reasons,
        )

    def flush(self, timeout: float | None = None) -> bool:
        """Pass on the spans of running traces that would be kept now, and flush the recorder.

        The others stay held. Returns what the recorder returns.
        """
        self._decide_each(is_last=False)
        return super().flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Decide all traces, pass on what is kept, and close the recorder. Nothing is held then."""
        self._end()
        return super().close(timeout)

    def _end(self) -> None:
        self._is_closed = True
        self._decide_each(is_last=True)


class _Count:
    """A number to which any thread adds one in one atomic step, without a lock."""

    __slots__ = ("_numbers", "_readings", "add_one")

    def __init__(self) -> None:
        self._numbers = count()
        self._readings = 0
        self.add_one = self._numbers.__next__

    def read(self) -> int:
        # A reading takes a number too.
        with _lock.current:
            number = self.add_one() - self._readings
            self._readings += 1
            return number


def _id_of(span: BasicSpan) -> int | None:
    context = span._own_context
    return span._span_id if context is None else context.span_id


def _runs(root: BasicSpan | None) -> bool:
    """Whether a root will get here; ``sampling.priority`` may have un-sampled it."""
    return root is not None and root.sampled and not root.finished


def _oldest(mapping: dict[Any, Any], number: int) -> list[Any]:
    """The first keys."""
    while True:
        try:
            return list(islice(mapping, number))
        except RuntimeError:  # another thread has changed it meanwhile
            reraise_interrupt()


def _drop_oldest(mapping: dict[Any, Any]) -> None:
    # Several at once: the way to the first key of a dict leads past those removed before.
    for key in _oldest(mapping, 1 + len(mapping) // 100):
        mapping.pop(key, None)


_recorders: WeakSet[TailRecorder] = WeakSet()


def _each(act: Callable[[TailRecorder], object]) -> None:
    for recorder in list(_recorders):
        try:
            act(recorder)
        except Exception:  # of the application's objects; the others are decided all the same
            reraise_interrupt()
            recorder._failures.report("record_span")


def _forget_all() -> None:
    # The spans that run and are held in the parent do so only there.
    for recorder in list(_recorders):
        recorder._forget()


def _end_all() -> None:
    _each(TailRecorder._end)


def _flush_all() -> None:
    _each(lambda recorder: recorder._decide_each(is_last=False))
