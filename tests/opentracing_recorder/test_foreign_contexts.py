"""Contexts of another make, as parents and injected: as 2.4 and basictracer took them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from opentracing import Format, Span, SpanContext, child_of, follows_from
from opentracing.mocktracer import MockTracer
from opentracing.mocktracer.context import SpanContext as MockSpanContext
from opentracing.mocktracer.span import MockSpan
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    BinaryPropagator,
    CompositePropagator,
    ConstSampler,
    EdgePropagator,
    InMemoryRecorder,
    JaegerPropagator,
    Propagator,
    TextPropagator,
    TraceContextPropagator,
)

TRACE_ID, SPAN_ID = 0xAB, 0xC


class Fields(SpanContext):
    """As most are: fields, and no property."""

    def __init__(self, trace_id: Any = TRACE_ID, span_id: Any = SPAN_ID) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = True
        self._baggage = {"k": "v"}


class ClassAttributes(SpanContext):
    trace_id = TRACE_ID
    span_id = SPAN_ID
    sampled = True
    baggage = {"k": "v"}


class Properties(SpanContext):
    @property
    def trace_id(self) -> int:
        return TRACE_ID

    @property
    def span_id(self) -> int:
        return SPAN_ID

    @property
    def sampled(self) -> bool:
        return True

    @property
    def baggage(self) -> dict[str, str]:
        return {"k": "v"}


class Slotted(SpanContext):
    __slots__ = ("_baggage", "sampled", "span_id", "trace_id")

    def __init__(self) -> None:
        self.trace_id, self.span_id, self.sampled = TRACE_ID, SPAN_ID, True
        self._baggage = {"k": "v"}


class NoContext:
    """Not even derived from SpanContext: 2.4 asked for no more than the names."""

    trace_id, span_id, sampled, baggage, _baggage = TRACE_ID, SPAN_ID, True, {"k": "v"}, {"k": "v"}


class OldBasic(BasicSpanContext):
    """Sets the fields that basictracer's context had, and calls no constructor."""

    def __init__(self) -> None:
        self.trace_id, self.span_id, self.sampled = TRACE_ID, SPAN_ID, True
        self._baggage = {"k": "v"}


class OldBasicClassAttributes(BasicSpanContext):
    trace_id, span_id, sampled, _baggage = TRACE_ID, SPAN_ID, True, {"k": "v"}

    def __init__(self) -> None:
        pass


class OldMock(MockSpanContext):
    """Sets the fields that the mock's context had, and calls no constructor."""

    def __init__(self) -> None:
        self.trace_id = TRACE_ID
        self.span_id = SPAN_ID
        self._baggage = {"k": "v"}


class OwnSpan(Span):
    """A span of another make, with such a context."""

    def __init__(self) -> None:
        super().__init__(None, Fields())


class Proxy:
    """As lazy objects are: it says that it is a context, and passes on what it is asked."""

    def __init__(self, given: Any) -> None:
        self._given = given

    @property
    def __class__(self) -> Any:
        return type(self._given)

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise AttributeError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._given, name)


FOREIGN: dict[str, Callable[[], Any]] = {
    **{
        each.__name__: each
        for each in (
            *(Fields, ClassAttributes, Properties, Slotted, NoContext),
            *(OldBasic, OldBasicClassAttributes, OldMock, OwnSpan),
        )
    },
    "a proxy": lambda: Proxy(Fields()),
    "a proxy of a context of ours": lambda: Proxy(
        BasicSpanContext(TRACE_ID, SPAN_ID, {"k": "v"}, True)
    ),
}


def zipkin_tracer(**options: Any) -> Any:
    from opentracing_recorder.zipkin import ZipkinTracer  # here: Pyodide has no urllib3

    return ZipkinTracer("shop", recorder=InMemoryRecorder(), **options)


every_kind = pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
every_tracer = pytest.mark.parametrize(
    "make_tracer",
    [BasicTracer, MockTracer, pytest.param(zipkin_tracer, marks=pytest.mark.needs_os)],
    ids=["basic", "mock", "zipkin"],
)


@every_tracer
@every_kind
@pytest.mark.parametrize("how", ["child_of", "references", "a single reference", "active"])
def test_it_is_a_parent(make: Callable[[], Any], make_tracer: Callable[[], Any], how: str) -> None:
    """Its child is in its trace, with its baggage, whichever way it is given."""
    tracer, parent = make_tracer(), make()
    if how == "active":
        span = parent if isinstance(parent, Span) else BearingSpan(parent)
        with tracer.scope_manager.activate(span, False):
            child = tracer.start_span("x")
    elif how == "child_of":
        child = tracer.start_span("x", child_of=parent)
    else:
        reference = follows_from(parent)
        child = tracer.start_span("x", references=[reference] if how == "references" else reference)
    assert (child.context.trace_id, child.parent_id) == (TRACE_ID, SPAN_ID)
    assert child.context.baggage == {"k": "v"}
    assert child.sampled
    grandchild = tracer.start_span("y", child_of=child)
    assert (grandchild.context.trace_id, grandchild.get_baggage_item("k")) == (TRACE_ID, "v")


class BearingSpan(Span):
    def __init__(self, context: Any) -> None:
        super().__init__(None, context)


PROPAGATORS: dict[str, Callable[[], Propagator]] = {
    "text": TextPropagator,
    "headers": lambda: TextPropagator(encode_values=True),
    "B3": B3Propagator,
    "b3": lambda: B3Propagator(single_header=True),
    "W3C": TraceContextPropagator,
    "Jaeger": JaegerPropagator,
    "composite": lambda: CompositePropagator([TraceContextPropagator(), B3Propagator()]),
}


@every_kind
@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_it_is_injected(make: Callable[[], Any], propagator: str) -> None:
    """Every format writes it as it writes a BasicSpanContext with the same fields."""
    expected: dict[str, str] = {}
    made: dict[str, str] = {}
    given = make()
    tracer = BasicTracer(propagators={"own": PROPAGATORS[propagator]()})
    tracer.inject(BasicSpanContext(TRACE_ID, SPAN_ID, {"k": "v"}, True), "own", expected)
    tracer.inject(given, "own", made)
    assert made == expected
    assert expected
    directly: dict[str, str] = {}
    PROPAGATORS[propagator]().inject(getattr(given, "context", given), directly)
    assert directly == expected


@every_kind
@pytest.mark.parametrize("make_tracer", [BasicTracer, MockTracer])
@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
def test_a_tracers_own_formats_take_it(
    make: Callable[[], Any], make_tracer: Callable[[], Any], format: str
) -> None:
    """It comes out as it went in, by what every tracer has from the start."""
    tracer = make_tracer()
    carrier: Any = bytearray() if format == Format.BINARY else {}
    tracer.inject(make(), format, carrier)
    context = tracer.extract(format, carrier)
    assert (context.trace_id, context.span_id, context.baggage) == (TRACE_ID, SPAN_ID, {"k": "v"})


@every_tracer
def test_a_propagator_of_ones_own_gets_ones_own_context(make_tracer: Callable[[], Any]) -> None:
    """The very object, with whatever else it has."""

    class Own(Propagator):
        def inject(self, span_context: SpanContext, carrier: Any) -> None:
            carrier.append(span_context)

        def extract(self, carrier: Any) -> Any:
            return carrier[0]

    tracer, context = make_tracer(), Fields()
    carrier: list[Any] = []
    tracer.register_propagator("own", Own())
    tracer.inject(context, "own", carrier)
    assert carrier == [context]
    assert tracer.extract("own", carrier) is context
    assert tracer.start_span("x", child_of=tracer.extract("own", carrier)).parent_id == SPAN_ID


class Extracting(Propagator):
    """Somebody's own, with contexts of their own."""

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        pass

    def extract(self, carrier: Any) -> Any:
        return Fields()


@pytest.mark.parametrize(
    "propagator",
    [
        CompositePropagator([Extracting(), TextPropagator()]),
        CompositePropagator([TraceContextPropagator(), Extracting()]),
        EdgePropagator(Extracting()),
        EdgePropagator(CompositePropagator([TextPropagator(), Extracting()])),
    ],
    ids=["composite", "after baggage", "edge", "edge of composite"],
)
def test_a_propagator_around_ones_own_reads_ones_own_context(propagator: Propagator) -> None:
    """Ids and baggage arrive, also beside the baggage of another format."""
    found = propagator.extract({"baggage": "theirs=1"})
    assert found is not None
    assert (found.trace_id, found.span_id, found.baggage["k"]) == (TRACE_ID, SPAN_ID, "v")


@every_tracer
def test_one_without_ids_still_has_its_baggage(make_tracer: Callable[[], Any]) -> None:
    """The trace that starts has it."""

    class WithoutIds(SpanContext):
        baggage = {"k": "v"}

    assert make_tracer().start_span("x", child_of=WithoutIds()).get_baggage_item("k") == "v"


def test_its_decision_is_followed() -> None:
    """A sampled of False drops the child; without one the sampler is asked."""
    dropped, undecided = Fields(), Fields()
    dropped.sampled = False
    del undecided.sampled
    assert not BasicTracer().start_span("x", child_of=dropped).sampled
    assert BasicTracer().start_span("x", child_of=undecided).sampled
    none = BasicTracer(sampler=ConstSampler(False))
    assert not none.start_span("x", child_of=undecided).sampled
    assert none.start_span("x", child_of=Fields()).sampled


def test_a_reference_to_it_shows_its_ids() -> None:
    """Recorders see its ids in the reference."""
    span = BasicTracer().start_span(
        "x", child_of=BasicSpanContext(1, 2), references=[follows_from(Fields())]
    )
    assert span.to_dict()["references"] == [
        {"type": "follows_from", "trace_id": f"{TRACE_ID:016x}", "span_id": f"{SPAN_ID:016x}"}
    ]
    assert span.get_baggage_item("k") == "v"


def test_its_child_shares_no_baggage_with_it() -> None:
    """Baggage written into one context does not show on the other."""
    parent = Fields()
    child = BasicTracer().start_span("x", child_of=parent)
    child.context.baggage["child"] = "1"
    parent._baggage["parent"] = "2"
    assert (parent._baggage, child.context.baggage) == (
        {"k": "v", "parent": "2"},
        {"k": "v", "child": "1"},
    )


def test_a_mock_tracers_parent_may_have_ids_that_are_text() -> None:
    """Suites make them up; there is no form of them on the wire."""
    tracer, parent = MockTracer(), Fields("trace", "span")
    child: Any = tracer.start_span("x", child_of=parent)
    assert (child.context.trace_id, child.parent_id) == ("trace", "span")
    assert child.context.baggage == {"k": "v"}
    for each in (parent, child):
        headers: dict[str, str] = {}
        binary = bytearray()
        tracer.inject(each, Format.TEXT_MAP, headers)
        tracer.inject(each, Format.BINARY, binary)
        assert (headers, binary) == ({}, bytearray())


def _raising(self: object) -> Any:
    raise RuntimeError("not now")


class Raising(SpanContext):
    trace_id = span_id = sampled = baggage = _baggage = property(_raising)


class RaisingBasic(BasicSpanContext):
    trace_id = span_id = sampled = baggage = _baggage = property(_raising)

    def __init__(self) -> None:
        pass


class OddBaggage(Fields):
    def __init__(self) -> None:
        super().__init__()
        self._baggage = 5  # type: ignore[assignment]


class Bare(BasicSpanContext):
    """Passes over every constructor that could give it its fields."""

    def __new__(cls) -> Any:
        return object.__new__(cls)

    def __init__(self) -> None:
        pass


@every_tracer
@pytest.mark.parametrize(
    "make",
    [
        *(Raising, RaisingBasic, Bare, SpanContext, mock.Mock, mock.MagicMock),
        lambda: mock.Mock(spec=SpanContext),
        lambda: mock.MagicMock(spec=BasicSpanContext),
        *(lambda: Fields(0, 5), lambda: Fields(1.0, 2.0), lambda: Fields(-1, 1)),
        *(lambda: Fields(1, None), lambda: Fields(1 << 128, 1), lambda: Fields(1, 1 << 64)),
    ],
)
def test_one_without_ids_starts_a_new_trace(
    make: Callable[[], Any], make_tracer: Callable[[], Any]
) -> None:
    """Attributes that raise or lie are no ids; nothing raises, and nothing is written."""
    tracer, parent = make_tracer(), make()
    span = tracer.start_span("x", child_of=parent, references=[child_of(parent)])
    assert span.parent_id is None
    assert isinstance(span.context.trace_id, int)
    span.finish()
    span.to_dict()
    for format in (Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY):
        carrier: Any = bytearray() if format == Format.BINARY else {}
        tracer.inject(parent, format, carrier)
        assert not carrier
    for propagator in PROPAGATORS.values():
        headers: dict[str, str] = {}
        propagator().inject(parent, headers)
        assert headers == {}


@every_tracer
def test_baggage_of_another_make_that_is_none_is_left_out(make_tracer: Callable[[], Any]) -> None:
    """The trace goes on without."""
    tracer, parent = make_tracer(), OddBaggage()
    child = tracer.start_span("x", child_of=parent)
    assert (child.context.trace_id, child.parent_id) == (TRACE_ID, SPAN_ID)
    assert child.context.baggage == {}
    headers: dict[str, str] = {}
    tracer.inject(parent, Format.TEXT_MAP, headers)
    assert headers


@pytest.mark.parametrize("kind", [BasicSpan, MockSpan])
@every_kind
def test_a_span_may_be_made_with_it(make: Callable[[], Any], kind: Any) -> None:
    """The constructor takes it, and so does an assignment to `_context`."""
    given = make()
    given = getattr(given, "context", given)
    span = kind(mock.Mock(), "x", given)
    assigned = kind(mock.Mock(), "y")
    assigned._context = given
    for each in (span, assigned):
        assert (each.context.trace_id, each.context.span_id) == (TRACE_ID, SPAN_ID)
        assert each.get_baggage_item("k") == "v"
        each.set_baggage_item("more", "2").set_tag("a", 1).log_kv({"event": "e"}).finish()
        assert each.context.baggage == {"k": "v", "more": "2"}
        assert each.sampled
        assert each.to_dict()["trace_id"] == f"{TRACE_ID:016x}"


@pytest.mark.parametrize("kind", [OldBasic, OldBasicClassAttributes, OldMock])
def test_fields_that_a_constructor_leaves_out_have_their_defaults(kind: Any) -> None:
    """A subclass of ours from before they were added is as good as any, and is kept as it is."""
    context = kind()
    assert (context.parent_id, context.extra, context.sampled) == (None, {}, True)
    assert context.to_trace_id() == f"{TRACE_ID:016x}"
    assert "'k': 'v'" in repr(context)
    changed = context.with_baggage_item("a", "b")
    assert (type(changed), changed.baggage) == (kind, {"k": "v", "a": "b"})
    assert BasicSpan(mock.Mock(), "x", context).context is context


@pytest.mark.needs_os
def test_one_that_came_in_a_carrier_may_say_so() -> None:
    """A tracer that joins its callers' spans joins those alone."""
    here, remote = Fields(), Fields()
    remote.is_remote = True  # type: ignore[attr-defined]
    tracer = zipkin_tracer(one_span_per_rpc=True)
    tags = {"span.kind": "server"}
    assert tracer.start_span("x", child_of=here, tags=tags).context.span_id != SPAN_ID
    assert tracer.start_span("x", child_of=remote, tags=tags).context.span_id == SPAN_ID


def test_binary_takes_it_directly() -> None:
    """The binary propagator injects it without a tracer, like the other formats."""
    carrier = bytearray()
    BinaryPropagator().inject(Fields(), carrier)
    context = BinaryPropagator().extract(carrier)
    assert context is not None
    assert (context.trace_id, context.span_id, context.baggage) == (TRACE_ID, SPAN_ID, {"k": "v"})


@pytest.mark.parametrize("extra", [None, 5, [1], "tracestate"])
@pytest.mark.parametrize(
    "propagator",
    [TraceContextPropagator(), B3Propagator(), JaegerPropagator()],
    ids=["W3C", "B3", "Jaeger"],
)
def test_an_extra_that_is_no_mapping_is_none(propagator: Any, extra: Any) -> None:
    """The context is written as one without, and is a parent as one without."""
    context = BasicSpanContext(1, 2, extra=extra)
    carrier: dict[str, str] = {}
    propagator.inject(context, carrier)
    assert propagator.extract(carrier).span_id == 2
    assert BasicTracer().start_span("x", child_of=context).parent_id == 2
