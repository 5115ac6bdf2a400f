"""TailRecorder against a model that keeps every span, and looks at all of them each time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    InMemoryRecorder,
    ProbabilisticSampler,
    TailRecorder,
)

RATE = 0.4
SLOWER_THAN = 5.0
REASONS = ("failed", "slow", "followed", "chosen", "sampled", "unkept")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["request", "child", "child", "finish", "finish", "flush"]),
        st.integers(0, 30),  # which trace, or which span
        st.booleans(),  # failed
        st.booleans(),  # slow
    ),
    max_size=60,
)


class Part:
    def __init__(self, trace_id: int) -> None:
        self.trace_id = trace_id
        self.spans: list[BasicSpan] = []
        self.roots: list[BasicSpan] = []
        self.held: list[BasicSpan] = []
        self.reason: str | None = None


class Model:
    """What is to be passed and counted, found by looking at all parts and spans."""

    def __init__(self, max_traces: int, max_spans: int) -> None:
        self.max_traces, self.max_spans = max_traces, max_spans
        self.parts: list[Part] = []
        self.kept: list[int] = []  # traces, the latest last
        self.passed: list[BasicSpan] = []
        self.dropped = self.early = 0
        self.sampler = ProbabilisticSampler(RATE)

    def undecided(self) -> list[Part]:
        return [part for part in self.parts if part.reason is None]

    def start(self, span: BasicSpan, parent: BasicSpan | None) -> None:
        trace_id: Any = span.context.trace_id
        for part in reversed(self.parts):  # of a span below one that runs
            if parent in part.spans and parent is not None and not parent.finished:
                part.spans.append(span)
                return
        for part in self.undecided():
            if part.trace_id == trace_id:
                part.spans.append(span)
                if parent not in part.roots:
                    part.roots.append(span)
                return
        part = Part(trace_id)
        part.spans.append(span)
        part.roots.append(span)
        self.parts.append(part)
        self.limit()

    def finish(self, span: BasicSpan) -> None:
        (part,) = (part for part in self.parts if span in part.spans)
        if part.reason is not None:
            # Of several parts of the trace that are decided and run, the last decides.
            last = [p for p in self.parts if p.reason and p.trace_id == part.trace_id][-1]
            self.deliver([span], last.reason or "")
            return
        part.held.append(span)
        if all(root.finished for root in part.roots):
            self.decide(part, max(root.duration for root in part.roots))
        else:
            self.limit()

    def limit(self) -> None:
        while (undecided := self.undecided()) and (
            len(undecided) > self.max_traces
            or sum(len(part.held) for part in undecided) > self.max_spans
        ):
            self.early += 1
            self.decide(undecided[0], 0.0)

    def flush(self) -> None:
        for part in self.undecided():
            if part.held and self.reason(part, 0.0) != "unkept":
                self.early += 1
                self.decide(part, 0.0)

    def reason(self, part: Part, seconds: float) -> str:
        if any(span.tags.get("error") for span in part.held):
            return "failed"
        if seconds > SLOWER_THAN:
            return "slow"
        if part.trace_id in self.kept:
            return "followed"
        return "sampled" if self.sampler.sampled(part.trace_id, "") else "unkept"

    def decide(self, part: Part, seconds: float) -> None:
        part.reason = self.reason(part, seconds)
        # It counts as the last one.
        self.parts.remove(part)
        self.parts.append(part)
        if part.reason not in ("sampled", "unkept"):
            self.kept = [each for each in self.kept if each != part.trace_id] + [part.trace_id]
            self.kept = self.kept[-self.max_traces :]
        self.deliver(part.held, part.reason)
        part.held = []

    def deliver(self, spans: list[BasicSpan], reason: str) -> None:
        if reason == "unkept":
            self.dropped += len(spans)
        else:
            self.passed += spans


@given(steps=STEPS, max_traces=st.integers(1, 4), max_spans=st.integers(1, 6))
def test_any_traces_are_decided_as_the_model_decides(
    steps: list[tuple[str, int, bool, bool]], max_traces: int, max_spans: int
) -> None:
    """Spans of a few traces start and end in any order, below spans that run or have ended."""
    memory = InMemoryRecorder()
    recorder = TailRecorder(
        memory, slower_than=SLOWER_THAN, rate=RATE, max_traces=max_traces, max_spans=max_spans
    )
    tracer = BasicTracer(recorder)
    model = Model(max_traces, max_spans)
    spans: list[BasicSpan] = []

    def check() -> None:
        counts = recorder.counts
        held = sum(len(part.held) for part in model.undecided())
        assert memory.spans == model.passed
        assert (counts.passed, counts.dropped, counts.held, counts.early) == (
            len(model.passed),
            model.dropped,
            held,
            model.early,
        )
        assert counts.recorded == sum(span.finished for span in spans)
        assert held <= max_spans
        assert len(recorder._roots) <= max_traces
        reasons = [part.reason for part in model.parts if part.reason is not None]
        assert counts[4:10] == tuple(map(reasons.count, REASONS))

    def finish(span: BasicSpan, failed: bool, slow: bool) -> None:
        span.set_tag("error", failed)
        span.finish(20.0 if slow else 11.0)
        model.finish(span)

    for step, number, failed, slow in steps:
        if step == "flush":
            recorder.flush()
            model.flush()
        elif step == "request":
            context = BasicSpanContext(trace_id=1 + number % 3, span_id=999, sampled=True)
            span = tracer.start_span("request", context, start_time=10.0)
            spans.append(span)
            model.start(span, None)
        elif spans:
            chosen = spans[number % len(spans)]
            if step == "child":
                span = tracer.start_span("child", chosen, start_time=10.0)
                spans.append(span)
                model.start(span, chosen)
            elif not chosen.finished:
                finish(chosen, failed, slow)
        check()
    recorder.close()
    for part in list(model.undecided()):
        model.early += 1
        model.decide(part, 0.0)
    check()
