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

    POST /order !
      look up stock
      charge !
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

- "Trace" means its local part here: the spans below a local root. A local root is a span whose
  parent does not run in this process, such as the span of a request. Requests of one trace that
  overlap are one part, and end with the last of them. Those that do not overlap are decided one by
  one. But if one was kept, those that follow in the same trace are kept as well.
- `keep` gets a list of the spans, in the order in which they ended; the local root that ended last
  is the last. It is called on the thread that ends the root, which waits for it. If it raises, the
  trace is kept; that is counted, and logged at most once a minute.
- `rate` decides by the trace id as `ProbabilisticSampler` does, so all services with the same rate
  keep the same traces. The local root of a trace that only the rate has kept gets the tags
  ``sampler.type`` (``probabilistic``) and ``sampler.param`` (the rate), as Jaeger's tracers set
  them: it stands for ``1 / sampler.param`` traces in a sum. Every other trace stands for itself.
- The tracer's sampler must keep all traces, as it does by default: a span that is not sampled does
  not get here.

## Limits

If a limit is exceeded, the oldest trace is decided early, by what is known: it is kept if one of
its ended spans has failed, if it already takes longer than `slower_than`, if `keep` returns
something true for the spans that have ended, or by the rate. What is held of it passes or is
dropped. What follows in the trace follows the decision, and is not held. `keep` is not called
without spans; in an early decision, no root need be among them.

The seconds are looked at when a trace begins, and when a span below a root ends. There is no timer.

Spans that end after their root follow the decision about their trace, as do spans that start below
them. A span that starts when its parent has ended is a local root itself. The last `max_traces`
traces that were kept are remembered; beyond these, the rate decides, which is the same each time.
A span whose start was not seen, because the recorder was set later or the span was sampled late,
belongs to its trace if a local root of that runs; otherwise it is decided alone.

100,000 spans in flight with two tags each, held or running, take 55 MB on CPython 3.11, of which at
most 70 bytes a span are this recorder's own.

## What to watch

`counts` is exact: ``recorded`` is the sum of ``passed``, ``dropped`` and ``held``. `stats` is the
other recorder's, which may drop or fail to send what was passed to it.

- ``early`` grows: traces are decided before their end, and some are kept or dropped wrongly. Raise
  the limit that is reached, or find the spans that are started and never finished.
- ``keep_raised`` grows: `keep` has an error, and every trace that it fails for is stored.

## What is lost

- A killed process loses the spans that it holds: by SIGKILL, by `os._exit`, or by a signal without
  `close_at_signals`. At the exit, everything that is held is decided early, and passed on before
  the other recorder closes.
- `flush` passes on the held spans of each running trace that would be kept by what is known now.
  The others stay held, as they may still fail: if the process dies after a flush, nothing is lost
  that an early decision would have kept. So it is right before a freeze, such as AWS Lambda's.
- `close` decides everything. From then on, nothing is held: each new span is decided alone.
- A forked child forgets what its parent holds, and starts with zero counts. The parent keeps it.
- Other services decide for themselves. A trace that is kept here because it failed here may be
  missing elsewhere, unless the rate keeps it. If it must be whole, decide in one place behind all
  of them: the OpenTelemetry Collector's ``tail_sampling`` is made for that.
- If a trace was dropped, and a later request of it fails, only that request is kept.

## With other recorders

What is behind this recorder works for kept traces only: redact there, as in
``TailRecorder(FilterRecorder(OTLPRecorder("shop"), function))``. A recorder that counts all
requests stands in front of it. In a `CompositeRecorder`, the recorders beside it get every span.
The other recorder's `span_started` is called for each span, also for those that are dropped later.

It may be used from any thread. The other recorder is called on the thread that decides, in the
order in which the spans ended, with no lock held. Raises TypeError or ValueError for an option that
cannot serve, and names it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, NamedTuple

from opentracing import tags
from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_range, check_seconds
from ._clock import system
from ._failure_log import FailureLog
from ._living import Living
from ._process import at_exit, cover_child, under_lock
from ._tail_part import MOST_RUNNING, Part, id_of, runs
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

_ERROR = tags.ERROR


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
        self._longest = inf if slower_than is None else slower_than
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
        at_exit(_end_all, _flush_all, _holds_lock, is_first=True)
        _living.add(self)

    def _forget(self) -> None:
        """Start with nothing, as a new recorder and a forked child do."""
        # Held for few steps, and never while code of others runs. See `under_lock`.
        self._lock: Any = threading.RLock()
        # The local roots that run, of traces that are undecided; the oldest comes first.
        self._roots: dict[int | None, BasicSpan] = {}
        # Their parts. A root that is alone needs none, which saves a third of the time.
        self._parts: dict[int | None, Part] = {}
        # The parts that are decided, of which spans still run.
        self._decided: OrderedDict[int | None, Part] = OrderedDict()
        # Traces that were kept, but not by the rate. A trace that was not kept needs no place: the
        # rate does not keep it.
        self._kept: OrderedDict[int | None, None] = OrderedDict()
        self._due = 0.0  # when the oldest part may have been held for too long
        self._held = self._passed = self._dropped = self._early = self._keep_raised = 0
        self._unkept_alone = 0  # traces of one span that were dropped
        self._reasons: dict[str, int] = dict.fromkeys(_REASONS, 0)
        self._is_covered = False

    # On the application's threads.

    def span_started(self, span: BasicSpan) -> None:
        """Remember the span, as those below it are held until its local root ends."""
        context = span._own_context  # `span.context` would make one
        if context is None:
            trace_id, span_id = span._trace_id, span._span_id
        else:
            trace_id, span_id = context.trace_id, context.span_id
        lock = self._lock
        try:  # `under_lock`, unrolled
            lock.acquire()
            if trace_id in self._roots or self._decided or self._is_closed:
                is_root = self._join(span, trace_id, span_id)
            else:
                self._roots[trace_id] = span
                is_root = True
            if is_root:
                since = None if span.duration >= 0 else span._started
                if since is None:  # its start was given
                    since = system.perf_counter()
                    self._parts[trace_id] = Part(span, span_id, since)
                is_due = since >= self._due or len(self._roots) > self._max_traces
            else:
                is_due = False
            lock.release()
        except BaseException:
            if lock._is_owned():
                lock.release()
            raise
        if is_due:
            self._decide_oldest()
        if self._hook is not None:
            self._hook(span)

    def _join(self, span: BasicSpan, trace_id: int | None, span_id: int | None) -> bool:
        """Add a span to a part that runs; whether it begins one instead. The lock is held."""
        part = self._decided.get(trace_id)
        if part is None or span.parent_id not in part.running:
            root = self._roots.get(trace_id)
            if root is None:
                if not self._is_closed:
                    self._roots[trace_id] = span
                return not self._is_closed
            part = self._part(root, trace_id)
        part.start(span_id, span.parent_id)
        return False

    def _part(self, root: BasicSpan, trace_id: int | None) -> Part:
        """The part of an undecided root. The lock is held."""
        part = self._parts.get(trace_id)
        if part is None:
            since = getattr(root, "_started", None) or system.perf_counter()
            part = self._parts[trace_id] = Part(root, id_of(root), since)
        return part

    def record_span(self, span: BasicSpan) -> None:
        context = span._own_context
        if context is None:
            trace_id, span_id = span._trace_id, span._span_id
        else:
            trace_id, span_id = context.trace_id, context.span_id
        if self._roots.get(trace_id) is not span or trace_id in self._parts:
            self._record(span, trace_id, span_id)
            return
        # A root that is alone. The decision is known before it goes: what starts then follows it.
        if (
            self._keep is not None
            or _ERROR in span.tags
            or span.duration > self._longest
            or trace_id in self._kept
        ):
            reason = self._reason([span], trace_id, span.duration)
        else:
            reason = self._reason_of_rate(trace_id) if self._rate else _UNKEPT
        lock = self._lock
        try:  # `under_lock`, unrolled
            lock.acquire()
            is_alone = trace_id not in self._parts and trace_id in self._roots
            if is_alone:
                del self._roots[trace_id]
                if reason is _UNKEPT:
                    self._unkept_alone += 1
                else:
                    self._reasons[reason] += 1
                    self._passed += 1
            lock.release()
        except BaseException:
            if lock._is_owned():
                lock.release()
            raise
        if not is_alone:  # it was decided early, or a span below it has just started
            self._record(span, trace_id, span_id)
        elif reason is not _UNKEPT:
            self._pass(span, reason, is_root=True)

    def _record(self, span: BasicSpan, trace_id: int | None, span_id: int | None) -> None:
        part, reason, is_due = self._hold(span, trace_id, span_id)
        if part is None:  # its start was not seen, or the recorder is closed
            reason = self._reason([span], trace_id, span.duration)
            self._count(1, reason, is_decision=True)
            self._pass(span, reason, is_root=True)
        elif reason is not None:
            self._pass(span, reason, span_id in part.roots)
        elif part.is_over:
            spans = part.spans.copy()
            roots = [each.duration for each in spans if id_of(each) in part.roots]
            self._decide(part, trace_id, self._reason(spans, trace_id, max(roots, default=0.0)))
        elif is_due:
            self._decide_oldest()
        if not self._is_covered:
            self._is_covered = True
            cover_child()

    @under_lock
    def _hold(
        self, span: BasicSpan, trace_id: int | None, span_id: int | None
    ) -> tuple[Part | None, str | None, bool]:
        """Hold a span that has ended, unless its part is decided: then returns the decision.

        The part is None if there is none. Returns also if a limit is exceeded.
        """
        root = self._roots.get(trace_id)
        part = self._decided.get(trace_id)
        if part is not None and (root is None or span_id in part.running):
            part.end(span_id)
            if not part.running:
                del self._decided[trace_id]
            assert part.reason is not None
            self._count(1, part.reason)
            return part, part.reason, False
        if root is None:
            return None, None, False
        part = self._part(root, trace_id)
        part.end(span_id)
        try:
            part.spans.append(span)
            self._held += 1
        except BaseException:  # of a signal's handler, between the two
            self._recount()
            raise
        is_due = self._held > self._max_spans or system.perf_counter() >= self._due
        return part, None, is_due

    def _decide(
        self, part: Part, trace_id: int | None, reason: str, is_early: bool = False
    ) -> None:
        """Pass or drop what is held of a part, unless another thread does it."""
        spans = iter(self._taken(part, trace_id, reason, is_early))
        try:
            self._pass_each(spans, part, reason)
        except BaseException:  # of a signal's handler: the others are passed all the same
            self._pass_each(spans, part, reason)
            raise

    def _pass_each(self, spans: Iterator[BasicSpan], part: Part, reason: str) -> None:
        for span in spans:
            self._pass(span, reason, id_of(span) in part.roots)

    @under_lock
    def _taken(
        self, part: Part, trace_id: int | None, reason: str, is_early: bool
    ) -> list[BasicSpan]:
        """Set the decision, and take out what is held. None of it is left for another thread."""
        if self._parts.get(trace_id) is not part or not (is_early or part.is_over):
            return []
        if part.root is not None and not runs(part.root):
            part.end(id_of(part.root))
        part.reason = reason
        if part.running:  # these spans follow the decision
            former = self._decided.pop(trace_id, None)
            if former is not None:
                part.running.update(former.running)
            self._decided[trace_id] = part
            if len(self._decided) > MOST_RUNNING:  # their spans may never end
                self._decided.popitem(last=False)
        spans, root = part.spans, self._roots[trace_id]
        counts = self._passed, self._dropped, self._early, self._reasons[reason]
        try:
            del self._parts[trace_id], self._roots[trace_id]
            part.spans, part.root = [], None
            self._held -= len(spans)
            if part.running or spans:  # otherwise the root was un-sampled, and never gets here
                self._count(len(spans), reason, is_decision=True)
                self._early += is_early
            return spans
        except BaseException:  # of a signal's handler: what is held stays, to be decided early
            part.spans, part.root = spans, root
            self._parts[trace_id], self._roots[trace_id] = part, root
            self._passed, self._dropped, self._early, self._reasons[reason] = counts
            self._recount()
            raise

    def _recount(self) -> None:
        """Count the held spans anew. The lock is held."""
        self._held = sum(len(part.spans) for part in self._parts.values())

    @under_lock
    def _count(self, number: int, reason: str, is_decision: bool = False) -> None:
        if reason is _UNKEPT:
            self._dropped += number
        else:
            self._passed += number
        if is_decision:
            self._reasons[reason] += 1

    @under_lock
    def _count_raised(self) -> None:
        self._keep_raised += 1

    def _reason(self, spans: list[BasicSpan], trace_id: int | None, seconds: float) -> str:
        """Why to keep a trace with these spans that has lasted so long, or `_UNKEPT`."""
        for span in spans:
            if _ERROR in span.tags and is_failed(span.tags):
                return self._remembered(_FAILED, trace_id)
        if seconds > self._longest:
            return self._remembered(_SLOW, trace_id)
        if trace_id in self._kept:
            return self._remembered(_FOLLOWED, trace_id)
        if self._keep is not None and spans:
            try:
                if self._keep(spans):
                    return self._remembered(_CHOSEN, trace_id)
            except Exception:
                reraise_interrupt()
                self._count_raised()
                self._keep_failures.report("keep")
                return self._remembered(_CHOSEN, trace_id)
        return self._reason_of_rate(trace_id) if self._rate else _UNKEPT

    def _reason_of_rate(self, trace_id: int | None) -> str:
        is_kept = self._rate >= 1 or self._sampler.sampled(trace_id or 0, "")
        return _SAMPLED if is_kept else _UNKEPT

    @under_lock
    def _remembered(self, reason: str, trace_id: int | None) -> str:
        """Note that a trace is kept, whatever the rate: what begins later in it is kept, too."""
        self._kept[trace_id] = None
        self._kept.move_to_end(trace_id)
        if len(self._kept) > self._max_traces:
            self._kept.popitem(last=False)
        return reason

    def _pass(self, span: BasicSpan, reason: str, is_root: bool) -> None:
        if reason is _UNKEPT:
            return
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
        while (oldest := self._oldest_over(now)) is not None:
            self._decide_early(*oldest)

    @under_lock
    def _oldest_over(self, now: float) -> tuple[Part, int | None] | None:
        """The oldest part, if a limit is exceeded."""
        if not self._roots:
            self._due = now + self._max_seconds
            return None
        trace_id, root = next(iter(self._roots.items()))
        part = self._parts.get(trace_id)
        since = getattr(root, "_started", now) if part is None else part.since
        is_over = len(self._roots) > self._max_traces or self._held > self._max_spans
        if not is_over and now - since < self._max_seconds:
            self._due = since + self._max_seconds
            return None
        return self._part(root, trace_id), trace_id

    def _decide_early(self, part: Part, trace_id: int | None) -> None:
        self._decide(part, trace_id, self._reason_now(part, trace_id), is_early=True)

    def _reason_now(self, part: Part, trace_id: int | None) -> str:
        is_running = len(part.roots) > 1 or runs(part.root)
        seconds = system.perf_counter() - part.since if is_running else 0.0
        return self._reason(part.spans.copy(), trace_id, seconds)

    @under_lock
    def _all_parts(self) -> list[tuple[Part, int | None]]:
        return [(part, trace_id) for trace_id, part in self._parts.items()]

    def _decide_kept(self) -> None:
        """Decide the parts early of which something would be passed on now."""
        for part, trace_id in self._all_parts():
            reason = self._reason_now(part, trace_id) if part.spans else _UNKEPT
            if reason is not _UNKEPT:
                self._decide(part, trace_id, reason, is_early=True)

    def _end(self) -> None:
        """Decide all parts, and hold nothing from now on."""
        self._is_closed = True
        self._forget_roots()  # first: from then on, no part begins below one
        for part, trace_id in self._all_parts():
            self._decide_early(part, trace_id)

    @under_lock
    def _forget_roots(self) -> None:
        """Forget the roots below which nothing has started: each is decided alone when it ends."""
        for trace_id in self._roots.keys() - self._parts.keys():
            del self._roots[trace_id]

    # For the application.

    @property
    def counts(self) -> TailCounts:
        """Numbers of spans and of decisions; exact while no span is recorded."""
        return self._counts()

    @under_lock
    def _counts(self) -> TailCounts:
        dropped = self._dropped + self._unkept_alone
        reasons = {**self._reasons, _UNKEPT: self._reasons[_UNKEPT] + self._unkept_alone}
        return TailCounts(
            self._passed + dropped + self._held,
            self._passed,
            dropped,
            self._held,
            **reasons,
            early=self._early,
            keep_raised=self._keep_raised,
        )

    def flush(self, timeout: float | None = None) -> bool:
        """Pass on the spans of running traces that would be kept now, and flush the recorder.

        The others stay held. Returns what the recorder returns.
        """
        self._decide_kept()
        return super().flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Decide all traces, pass on what is kept, and close the recorder. Nothing is held then."""
        self._end()
        return super().close(timeout)


# The spans that run and are held in a parent do so only there.
_living = Living(TailRecorder._forget)


def _each(act: Callable[[TailRecorder], object]) -> None:
    for recorder in _living:
        try:
            act(recorder)
        except Exception:  # of the application's objects; the others are decided all the same
            reraise_interrupt()
            recorder._failures.report("record_span")


def _end_all() -> None:
    _each(TailRecorder._end)


def _flush_all() -> None:
    _each(TailRecorder._decide_kept)


def _holds_lock() -> bool:
    return any(recorder._lock._is_owned() for recorder in _living)
