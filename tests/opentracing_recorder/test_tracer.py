"""BasicTracer: parents, references, recorders that fail, and what it takes."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from typing import Any
from unittest import mock

import pytest

import opentracing
from opentracing import Format, Reference, Span, SpanContext, child_of, follows_from
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    CompositeRecorder,
    ConstSampler,
    InMemoryRecorder,
    NoopRecorder,
    PerOperationSampler,
    ProbabilisticSampler,
    RateLimitingSampler,
    Recorder,
    Sampler,
)
from opentracing_recorder.recorder import RareNews


def context(trace_id: int, span_id: int = 7, **baggage: str) -> BasicSpanContext:
    return BasicSpanContext(trace_id, span_id, baggage)


def test_defaults() -> None:
    """No recorder keeps nothing; scopes follow contextvars; every required format works."""
    tracer = BasicTracer()
    assert isinstance(tracer.recorder, NoopRecorder)
    assert isinstance(tracer.scope_manager, ContextVarsScopeManager)
    tracer.register_required_propagators()
    span = tracer.start_span("x").set_baggage_item("k", "v")
    carrier: Any
    for format, carrier in [
        (Format.TEXT_MAP, {}),
        (Format.HTTP_HEADERS, {}),
        (Format.BINARY, bytearray()),
    ]:
        tracer.inject(span, format, carrier)
        extracted = tracer.extract(format, carrier)
        assert isinstance(extracted, BasicSpanContext)
        assert extracted.trace_id == span.context.trace_id
        assert extracted.span_id == span.context.span_id
        assert extracted.baggage == {"k": "v"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"recorder": 5}, "recorder"),
        ({"sampler": object()}, "sampler"),
        ({"scope_manager": "threads"}, "scope_manager"),
        ({"propagators": [1]}, "propagators"),
        ({"propagators": {"x": 1}}, "propagator"),
        ({"trace_id_bits": 96}, "trace_id_bits"),
        ({"max_tags": 0}, "max_tags"),
        ({"max_logs": "many"}, "max_logs"),
        ({"service_name": 1}, "service_name"),
    ],
)
def test_wrong_argument_is_named(arguments: dict[str, Any], name: str) -> None:
    """The constructor refuses what cannot serve, and says which argument it was."""
    with pytest.raises((TypeError, ValueError), match=name):
        BasicTracer(**arguments)


def test_parent_rules() -> None:
    """child_of, else the first CHILD_OF, else the first FOLLOWS_FROM, else the active span."""
    tracer = BasicTracer()

    def parent_of(**arguments: Any) -> Any:
        return tracer.start_span("x", **arguments).context.trace_id

    one, two, three = context(1), context(2), context(3)
    assert parent_of(child_of=one, references=[child_of(two)]) == 1
    assert parent_of(references=[follows_from(one), child_of(two), child_of(three)]) == 2
    assert parent_of(references=[follows_from(one), follows_from(two)]) == 1
    assert parent_of(references=child_of(three)) == 3
    with tracer.start_active_span("active", child_of=context(9)):
        assert parent_of() == 9
        assert parent_of(child_of=None, references=[child_of(None)]) == 9
        assert parent_of(child_of=one) == 1
        assert parent_of(ignore_active_span=True) not in (1, 9)
    assert parent_of() != 9


def test_parent_may_be_a_span_with_or_without_its_context_made() -> None:
    """A child has its parent's trace, parent id, decision and baggage either way."""
    tracer = BasicTracer()
    plain, asked = tracer.start_span("plain"), tracer.start_span("asked")
    asked_id = asked.context.span_id
    children = [tracer.start_span("x", child_of=each) for each in (plain, asked, asked.context)]
    assert [each.parent_id for each in children] == [plain.context.span_id, asked_id, asked_id]
    assert children[0].context.trace_id == plain.context.trace_id


def test_references_are_kept_and_carry_baggage() -> None:
    """References to something are all kept; where baggage clashes the parent's wins."""
    tracer = BasicTracer()
    references = [
        follows_from(context(2, a="2", b="2")),
        child_of(None),
        child_of(context(3, c="3")),
    ]
    span = tracer.start_span("x", child_of=context(1, a="1"), references=references)
    assert [each.type for each in span.references] == ["follows_from", "child_of"]
    assert span.context.baggage == {"a": "1", "b": "2", "c": "3"}
    assert span.to_dict()["references"][0]["trace_id"] == "0000000000000002"


@pytest.mark.parametrize(
    "foreign", [SpanContext(), Span(None, SpanContext()), mock.MagicMock(spec=Span), object()]
)
def test_foreign_parent_starts_a_new_trace(foreign: Any) -> None:
    """Another tracer's span or context is no reason to raise."""
    tracer = BasicTracer()
    with tracer.start_active_span("active") as scope:
        for span in (
            tracer.start_span("x", child_of=foreign),
            tracer.start_span("x", child_of=foreign, references=[child_of(foreign)]),
        ):
            assert span.parent_id is None
            assert span.context.trace_id != scope.span.context.trace_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("references", [5, "text", [1, None], [Reference("odd", None)], {}])
def test_odd_references_are_ignored(references: Any) -> None:
    """What is no reference to anything does not count."""
    assert BasicTracer().start_span("x", references=references).references == ()


def test_names_are_always_text() -> None:
    """A span without a name has an empty one."""
    assert BasicTracer().start_span().operation_name == ""
    assert BasicTracer().start_span(5).operation_name == "5"  # type: ignore[arg-type]


def test_trace_id_bits() -> None:
    """128-bit trace ids are longer than 64 bits, and shown with 32 digits."""
    tracer = BasicTracer(trace_id_bits=128)
    wide = [tracer.start_span("x").context for _ in range(20)]
    assert max(each.trace_id or 0 for each in wide) >= 1 << 64
    assert all((each.span_id or 0) < 1 << 64 for each in wide)


def test_ids_ignore_the_seed_and_are_never_zero() -> None:
    """`random.seed` does not repeat them, and a generated 0 is drawn again."""
    tracer = BasicTracer()
    ids = []
    for _ in range(2):
        random.seed(1)
        ids.append(tracer.start_span("x").context.trace_id)
    assert ids[0] != ids[1]
    tracer._new_span_id = iter([0, 5]).__next__  # type: ignore[assignment]
    assert tracer.start_span("x").context.span_id == 5


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_make_no_repeated_id() -> None:
    """Eight children, forked after ids were made, make different ones."""
    script = (
        "import os\n"
        "from opentracing_recorder import BasicTracer\n"
        "tracer = BasicTracer()\n"
        "tracer.start_span('warm')\n"
        "children = []\n"
        "for _ in range(8):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        spans = [tracer.start_span('x').context for _ in range(50)]\n"
        "        text = ''.join(f'{s.trace_id} {s.span_id}\\n' for s in spans)\n"
        "        os.write(1, text.encode())\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "for pid in children:\n"
        "    os.waitpid(pid, 0)\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"]
    ids = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len(ids) == len(set(ids)) == 8 * 50 * 2


class Broken(Recorder):
    def record_span(self, span: BasicSpan) -> None:
        raise RuntimeError("record")

    def span_started(self, span: BasicSpan) -> None:
        raise RuntimeError("start")

    def flush(self, timeout: float | None = None) -> bool:
        raise RuntimeError("flush")

    close = flush


def test_recorder_that_raises_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application goes on; the log says how many times it happened."""
    now = [1000.0]
    monkeypatch.setattr("opentracing_recorder.recorder.time.monotonic", lambda: now[0])
    tracer = BasicTracer(Broken())
    for _ in range(5):
        tracer.start_span("x").finish()
    assert len(caplog.records) == 1
    now[0] += RareNews.interval
    tracer.start_span("x").finish()
    assert len(caplog.records) == 2
    assert "Broken" in caplog.text
    assert "(10 times" in caplog.records[1].getMessage()
    assert not tracer.flush()
    assert not tracer.close()
    assert not tracer.close()


def test_composite_recorder_keeps_failures_apart(caplog: pytest.LogCaptureFixture) -> None:
    """Every recorder gets every span, whichever raises; flush and close say if all succeeded."""
    first, last = InMemoryRecorder(), InMemoryRecorder()
    composite = CompositeRecorder([first, Broken(), last])
    tracer = BasicTracer(composite)
    with tracer, tracer.start_active_span("x"):
        pass
    assert len(first.spans) == len(last.spans) == 1
    assert not composite.flush(1)
    assert CompositeRecorder([first, last]).close(1)
    assert not hasattr(CompositeRecorder([first]), "span_started")
    with pytest.raises(TypeError, match="record_span"):
        CompositeRecorder([5])  # type: ignore[list-item]


def test_span_started_is_called_where_defined() -> None:
    """A recorder with the hook sees sampled spans at their start."""

    class Watching(InMemoryRecorder):
        def __init__(self) -> None:
            super().__init__()
            self.started: list[BasicSpan] = []

        def span_started(self, span: BasicSpan) -> None:
            self.started.append(span)

    recorder = Watching()
    tracer = BasicTracer(CompositeRecorder([recorder]))
    span = tracer.start_span("x")
    tracer.start_span("y", child_of=BasicSpanContext(1, 2, sampled=False))
    assert recorder.started == [span]


def test_recorder_may_use_the_tracer() -> None:
    """A recorder that traces its own work does not deadlock, nor recurse for ever."""

    class Tracing(InMemoryRecorder):
        def record_span(self, span: BasicSpan) -> None:
            super().record_span(span)
            if span.operation_name == "outer":
                with span.tracer.start_active_span("inner"):
                    pass

    recorder = Tracing()
    BasicTracer(recorder).start_span("outer").finish()
    assert [span.operation_name for span in recorder.spans] == ["outer", "inner"]


def test_subclass_overrides_record_and_start_span() -> None:
    """As with basictracer: `record` sees each span, and active spans start through start_span."""
    seen: list[Any] = []

    class Own(BasicTracer):
        def record(self, span: BasicSpan) -> None:
            seen.append(span.operation_name)
            super().record(span)

        def start_span(self, operation_name: str | None = None, **rest: Any) -> BasicSpan:  # type: ignore[override]
            return super().start_span(f"own {operation_name}", **rest)

    recorder = InMemoryRecorder()
    with Own(recorder, None, ThreadLocalScopeManager()).start_active_span("x"):
        pass
    assert seen == ["own x"]
    assert len(recorder.get_spans()) == 1


def test_in_memory_recorder_bounds_and_finds() -> None:
    """It keeps the last ones, gives copies, finds by name, tags and error, and forgets."""
    recorder = InMemoryRecorder(max_spans=2)
    tracer = BasicTracer(recorder)
    for name in "abc":
        tracer.start_span(name, tags={"n": name, "error": name == "c"}).finish()
    assert [span.operation_name for span in recorder.spans] == ["b", "c"]
    assert recorder.spans is not recorder.spans
    assert recorder.one(error=True).operation_name == "c"
    assert recorder.find(tags={"n": "b"}, error=False) == recorder.find("b")
    with pytest.raises(AssertionError, match="'b', 'c'"):
        recorder.one("a")
    recorder.clear()
    assert recorder.get_spans() == []
    for bad in (0, "2", True):
        with pytest.raises((TypeError, ValueError), match="max_spans"):
            InMemoryRecorder(bad)  # type: ignore[arg-type]


def test_samplers_decide() -> None:
    """Constant, by rate of ids, by rate of time, by operation."""
    assert ConstSampler(True).sampled(1, "x")
    assert not ConstSampler(False).sampled(1, "x")
    half = ProbabilisticSampler(0.5)
    assert half.sampled(2**63 - 1, "x")
    assert not half.sampled(2**63, "x")
    assert half.sampled(1 << 100, "x")
    assert not ProbabilisticSampler(0).sampled(0, "x")
    assert ProbabilisticSampler(1).sampled(2**64 - 1, "x")
    chosen = PerOperationSampler(ConstSampler(False), {"pay": ConstSampler(True)})
    assert chosen.sampled(1, "pay")
    assert not chosen.sampled(1, "other")


def test_rate_limiting_sampler_refills(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one second's worth at once, then as time goes by."""
    now = [50.0]
    monkeypatch.setattr("opentracing_recorder.sampler.time.monotonic", lambda: now[0])
    sampler = RateLimitingSampler(2)
    assert [sampler.sampled(1, "x") for _ in range(3)] == [True, True, False]
    now[0] += 0.5
    assert [sampler.sampled(1, "x") for _ in range(2)] == [True, False]
    assert not RateLimitingSampler(0).sampled(1, "x")
    slow = RateLimitingSampler(0.5)
    assert [slow.sampled(1, "x") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ConstSampler(1), "decision"),  # type: ignore[arg-type]
        (lambda: ProbabilisticSampler(1.1), "rate"),
        (lambda: ProbabilisticSampler("1"), "rate"),  # type: ignore[arg-type]
        (lambda: RateLimitingSampler(-1), "per_second"),
        (lambda: PerOperationSampler(ConstSampler(True), {"x": 1}), "'x'"),  # type: ignore[dict-item]
    ],
)
def test_sampler_arguments_are_checked(make: Any, name: str) -> None:
    """A wrong argument is named."""
    with pytest.raises((TypeError, ValueError), match=name):
        make()


def test_sampler_is_asked_once_per_local_root() -> None:
    """Children and continued traces follow; a context without a decision leaves it to us."""
    asked: list[str] = []

    class Asking(Sampler):
        def sampled(self, trace_id: int, operation_name: str) -> bool:
            asked.append(operation_name)
            return False

    tracer = BasicTracer(sampler=Asking())
    root = tracer.start_span("root")
    tracer.start_span("child", child_of=root)
    tracer.start_span("continued", child_of=BasicSpanContext(1, 2))
    undecided = tracer.start_span("undecided", child_of=BasicSpanContext(1, 2, sampled=None))
    assert asked == ["root", "undecided"]
    assert (undecided.context.trace_id, undecided.context.sampled) == (1, False)
    decided = tracer.start_span("x", child_of=BasicSpanContext(None, None, sampled=True))
    assert decided.context.sampled
    assert decided.parent_id is None


def test_broken_sampler_keeps_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """A sampler that raises is logged, and the trace is kept."""
    sampler = mock.Mock()
    sampler.sampled.side_effect = RuntimeError
    recorder = InMemoryRecorder()
    BasicTracer(recorder, sampler).start_span("x").finish()
    assert len(recorder.spans) == 1
    assert caplog.records[0].levelno == logging.ERROR


def test_inject_without_a_trace_writes_nothing() -> None:
    """No span, a no-op context, a foreign one: the carrier stays empty, and nothing raises."""
    tracer = BasicTracer()
    carrier: dict[str, str] = {}
    for each in (None, SpanContext(), Span(None, SpanContext()), object()):
        tracer.inject(each, Format.TEXT_MAP, carrier)  # type: ignore[arg-type]
    assert carrier == {}
    for format in ("unknown", []):
        with pytest.raises(opentracing.UnsupportedFormatException, match="text_map"):
            tracer.extract(format, {})
