"""BasicTracer: parents, references, recorders that fail, and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest

import opentracing
from opentracing import Format, Reference, Span, SpanContext, Tracer, child_of, follows_from
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
    Propagator,
    RemoteSpanContext,
)


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
    """An object that is not a reference to a context does not count."""
    assert BasicTracer().start_span("x", references=references).references == ()


def test_names_are_always_text() -> None:
    """A span without a name has an empty one."""
    assert BasicTracer().start_span().operation_name == ""
    assert BasicTracer().start_span(5).operation_name == "5"  # type: ignore[arg-type]


def test_subclass_overrides_record_and_start_span() -> None:
    """As in basictracer, `record` gets each span, and active spans start through start_span."""
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


@pytest.mark.parametrize("method", ["start_span", "start_active_span", "inject", "extract"])
def test_signature_is_that_of_the_api(method: str) -> None:
    """Names, order and defaults are the API's, so positional arguments mean the same."""
    own = inspect.signature(getattr(BasicTracer, method)).parameters.values()
    api = inspect.signature(getattr(Tracer, method)).parameters.values()
    assert [(each.name, each.default) for each in own] == [
        (each.name, each.default) for each in api
    ]


def test_constructor_takes_three_positional_arguments() -> None:
    """Recorder, sampler, scope manager, as in basictracer; the rest goes by name."""
    recorder, sampler, manager = InMemoryRecorder(), ConstSampler(False), ThreadLocalScopeManager()
    tracer = BasicTracer(recorder, sampler, manager)
    assert (tracer.recorder, tracer.sampler, tracer.scope_manager) == (recorder, sampler, manager)
    with pytest.raises(TypeError, match="positional"):
        BasicTracer(recorder, sampler, manager, {})  # type: ignore[misc]


def test_recorder_and_sampler_may_be_replaced() -> None:
    """A value that is assigned later is used and shown."""
    tracer = BasicTracer()
    recorder, sampler = InMemoryRecorder(), ConstSampler(False)
    tracer.recorder = recorder
    tracer.start_span("kept").finish()
    tracer.sampler = sampler
    tracer.start_span("dropped").finish()
    assert (tracer.recorder, tracer.sampler) == (recorder, sampler)
    assert [span.operation_name for span in recorder.spans] == ["kept"]


def test_active_span_is_started_with_every_argument() -> None:
    """`start_active_span` hands all that it is given to `start_span`."""
    tracer = BasicTracer()
    with tracer.start_active_span("outer"):
        scope = tracer.start_active_span(
            "x", context(1), [follows_from(context(2))], {"a": 1}, 5.0, True, False
        )
    span: Any = scope.span
    assert (span.parent_id, len(span.references), span.tags, span.start_time) == (7, 1, {"a": 1}, 5)
    scope.close()
    assert not span.finished
    with tracer.start_active_span("outer") as outer:
        own: Any = tracer.start_active_span("x", ignore_active_span=True).span
    assert own.parent_id is None
    assert own.context.trace_id != outer.span.context.trace_id  # type: ignore[attr-defined]


def test_references_to_spans_are_kept_as_contexts() -> None:
    """A reference may be to a span; what is kept is its context."""
    tracer = BasicTracer()
    span = tracer.start_span("x")
    (reference,) = tracer.start_span("y", references=follows_from(span)).references
    assert reference == ("follows_from", span.context)


class Fixed(Propagator):
    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        carrier.append(span_context)

    def extract(self, carrier: Any) -> BasicSpanContext | None:
        return context(5)


def test_propagators_are_registered_for_one_tracer() -> None:
    """The constructor or a later call registers them, for any format and this tracer only."""
    tracer = BasicTracer(propagators={"one": Fixed()})
    tracer.register_propagator("two", Fixed())
    for format in ("one", "two"):
        assert tracer.extract(format, {}).trace_id == 5  # type: ignore[union-attr]
        with pytest.raises(opentracing.UnsupportedFormatException):
            BasicTracer().extract(format, {})
    carrier: list[Any] = []
    span = tracer.start_span("x")
    tracer.inject(span, "one", carrier)
    tracer.inject(span.context, "two", carrier)
    assert carrier == [span.context, span.context]


@pytest.mark.parametrize(
    ("format", "entry"),
    [
        (Format.TEXT_MAP, ("ot-baggage-Key /", "é\r\n")),
        (Format.HTTP_HEADERS, ("ot-baggage-key%20%2f", "%C3%A9%0D%0A")),
    ],
)
def test_only_headers_are_percent_encoded(format: str, entry: tuple[str, str]) -> None:
    """TEXT_MAP keeps baggage as it is; HTTP_HEADERS makes it safe; both give the value back."""
    tracer = BasicTracer()
    carrier: dict[str, str] = {}
    tracer.inject(BasicSpanContext(1, 2, {"Key /": "é\r\n"}), format, carrier)
    assert carrier[entry[0]] == entry[1]
    assert list(tracer.extract(format, carrier).baggage.values()) == ["é\r\n"]  # type: ignore[union-attr]


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
def test_an_unsampled_trace_stays_so_across_the_wire(format: str) -> None:
    """The decision travels in every format, and the child elsewhere follows it."""
    tracer = BasicTracer(sampler=ConstSampler(False))
    carrier: Any = bytearray() if format == Format.BINARY else {}
    tracer.inject(tracer.start_span("x"), format, carrier)
    recorder = InMemoryRecorder()
    elsewhere = BasicTracer(recorder)
    elsewhere.start_span("y", child_of=elsewhere.extract(format, carrier)).finish()
    assert recorder.spans == []


def test_flush_and_close_pass_the_timeout_on() -> None:
    """The recorder gets both calls with the seconds given; closing reaches it once."""
    recorder = mock.Mock()
    recorder.flush.return_value = recorder.close.return_value = False
    tracer = BasicTracer(recorder)
    assert (tracer.flush(1.5), tracer.flush(), tracer.close(2.5)) == (False, False, False)
    assert tracer.close() is False
    assert recorder.flush.call_args_list == [mock.call(1.5), mock.call(None)]
    assert recorder.close.call_args_list == [mock.call(2.5)]


def test_a_block_closes_the_tracer() -> None:
    """`with` gives the tracer, and closes its recorder on the way out."""
    recorder = mock.Mock()
    tracer = BasicTracer(recorder)
    with tracer as entered:
        assert entered is tracer
        assert not recorder.close.called
    recorder.close.assert_called_once_with(None)


def test_a_start_span_of_a_subclass_is_called_by_keyword() -> None:
    """A subclass may take the arguments in any order, or collect them, as in basictracer."""

    class Own(BasicTracer):
        def start_span(self, operation_name: Any = None, **arguments: Any) -> BasicSpan:
            return super().start_span(f"own {operation_name}", **arguments)

    class OwnToo(Own):
        pass

    recorder = InMemoryRecorder()
    for tracer in (Own(recorder), OwnToo(recorder)):
        parent = tracer.start_span("parent")
        with tracer.start_active_span("child", parent, tags={"a": 1}):
            pass
    assert [span.operation_name for span in recorder.spans] == ["own child"] * 2
    assert [span.tags for span in recorder.spans] == [{"a": 1}] * 2
    assert recorder.spans[1].parent_id == parent.context.span_id


class _Placing(BasicTracer):
    """Gives every span of a trace ids that count up from its parent's."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: list[tuple[str, BasicSpanContext, Any]] = []

    def place_span(
        self, span: BasicSpan, parent: BasicSpanContext, tags: Mapping[str, Any] | None
    ) -> None:
        self.seen.append((span.operation_name, parent, tags))
        trace_id = parent.trace_id or 0xA
        span.parent_id = parent.span_id
        span.context = BasicSpanContext(
            trace_id, (parent.span_id or 0) + 1, parent.baggage, span.sampled, parent.span_id
        )


def _ids(span: Any) -> tuple[Any, Any, Any]:
    return span.context.trace_id, span.context.span_id, span.parent_id


def test_a_tracer_may_place_its_spans() -> None:
    """Roots, children of spans and children of remote contexts get the ids of `place_span`."""
    recorder = InMemoryRecorder()
    tracer = _Placing(recorder)
    with tracer.start_active_span("root"), tracer.start_active_span("child", tags={"a": 1}):
        tracer.start_span("grandchild").finish()
    tracer.start_span("remote", child_of=RemoteSpanContext(0xB, 5)).finish()
    assert {span.operation_name: _ids(span) for span in recorder.spans} == {
        "root": (0xA, 1, None),
        "child": (0xA, 2, 1),
        "grandchild": (0xA, 3, 2),
        "remote": (0xB, 6, 5),
    }
    assert [(name, parent.has_trace, tags) for name, parent, tags in tracer.seen] == [
        ("root", False, None),
        ("child", True, {"a": 1}),
        ("grandchild", True, None),
        ("remote", True, None),
    ]


def test_a_span_is_placed_before_span_started() -> None:
    """A recorder sees at the start the ids that will be recorded."""
    started: list[Any] = []

    class Watching(InMemoryRecorder):
        def span_started(self, span: BasicSpan) -> None:
            started.append(_ids(span))

    recorder = Watching()
    _Placing(recorder).start_span("x").finish()
    assert started == [_ids(span) for span in recorder.spans] == [(0xA, 1, None)]


def test_place_span_that_raises_harms_no_application(caplog: pytest.LogCaptureFixture) -> None:
    """The span keeps the ids that it had, and the log names the method."""

    class Failing(BasicTracer):
        def place_span(self, *args: Any) -> None:
            raise ValueError("no place")

    recorder = InMemoryRecorder()
    tracer = Failing(recorder)
    with tracer.start_active_span("root") as scope:
        tracer.start_span("child").finish()
    child, root = recorder.spans
    assert child.parent_id == root.context.span_id == _ids(scope.span)[1]
    assert "Failing.place_span raised" in caplog.text


def test_place_span_of_a_subclass_of_a_subclass() -> None:
    """It is called wherever in the tree of classes it is defined."""

    class Further(_Placing):
        pass

    class Mixin:
        def place_span(self, span: BasicSpan, *args: Any) -> None:
            span.parent_id = 77

    class Mixed(Mixin, BasicTracer):
        pass

    assert _ids(Further().start_span("x")) == (0xA, 1, None)
    assert Mixed().start_span("x").parent_id == 77


def test_a_tracer_shows_its_service_and_what_it_was_made_of() -> None:
    """Its repr is one line, with that of its recorder."""

    class Own(BasicTracer):
        pass

    tracer = Own(CompositeRecorder([InMemoryRecorder(), NoopRecorder()]), service_name="shop")
    recorder = "<CompositeRecorder of <InMemoryRecorder: 0 spans>, <NoopRecorder>>"
    assert repr(tracer) == f"<Own 'shop' recorder={recorder} sampler=ConstSampler>"
    assert repr(tracer.recorder) == recorder
