"""BasicSpanContext: ids as text, baggage that is copied on write, any attribute."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from opentracing import Format, SpanContext, follows_from
from opentracing.mocktracer import MockTracer
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    ConstSampler,
    RemoteSpanContext,
    TraceContextPropagator,
)


@pytest.mark.parametrize(
    ("trace_id", "span_id", "texts"),
    [
        (0xAB, 0xC, ("00000000000000ab", "000000000000000c")),
        (1 << 64, (1 << 64) - 1, ("00000000000000010000000000000000", "f" * 16)),
        ((1 << 64) - 1, 1, ("f" * 16, "0000000000000001")),
        (None, None, ("", "")),
    ],
)
def test_ids_as_text(trace_id: int | None, span_id: int | None, texts: tuple[str, str]) -> None:
    """16 digits, 32 for a wide trace id, none for no id."""
    context = BasicSpanContext(trace_id, span_id)
    assert (context.to_trace_id(), context.to_span_id()) == texts


def test_baggage_is_copied_on_write() -> None:
    """`with_baggage_item` gives a context of the same class, and leaves this one alone."""

    class Own(BasicSpanContext):
        pass

    first = Own(1, 2, {"a": "1"}, False)
    second = first.with_baggage_item("b", "2").with_baggage_item("a", "3")
    assert type(second) is Own
    assert (second.trace_id, second.span_id, second.sampled) == (1, 2, False)
    assert (first.baggage, second.baggage) == ({"a": "1"}, {"a": "3", "b": "2"})


def test_baggage_is_like_a_dict() -> None:
    """It has `copy`, and is kept under the name that 2.4 used."""
    context = BasicSpanContext(1, 2, {"a": "1"})
    copied = context.baggage.copy()
    copied["b"] = "2"
    assert context._baggage == context.baggage == {"a": "1"}
    assert BasicSpanContext(1, 2).baggage == {}


TRACERS: dict[str, Callable[[], Any]] = {
    "basic": BasicTracer,
    "mock": MockTracer,
    "dropping": lambda: BasicTracer(sampler=ConstSampler(False)),
}

every_tracer = pytest.mark.parametrize("make", TRACERS.values(), ids=TRACERS)


@every_tracer
@pytest.mark.parametrize("items", [{}, {"a": "1"}], ids=["empty", "not empty"])
@pytest.mark.parametrize("asked", [False, True], ids=["fresh", "asked before"])
def test_each_contexts_baggage_is_its_own(
    make: Callable[[], Any], items: dict[str, str], asked: bool
) -> None:
    """Baggage written into one context shows on none of its parents, children and siblings."""
    tracer = make()
    parent = tracer.start_span("parent", child_of=BasicSpanContext(1, 2, items))
    if asked:
        assert parent.context.baggage == items
    child = tracer.start_span("child", child_of=parent)
    sibling = tracer.start_span("sibling", child_of=parent)
    grandchild = tracer.start_span("grandchild", child_of=child)
    spans = [child, parent, grandchild, sibling]
    for number, span in enumerate(spans):
        span.context.baggage[f"own {number}"] = "x"
    for number, span in enumerate(spans):
        assert span.context.baggage == {**items, f"own {number}": "x"}
        assert span.get_baggage_item(f"own {number}") == "x"
    assert SpanContext.EMPTY_BAGGAGE == {}


@every_tracer
def test_what_is_written_into_baggage_travels(make: Callable[[], Any]) -> None:
    """To children started later, into carriers, and along with items set as they should be."""
    tracer = make()
    span = tracer.start_span("x")
    early = tracer.start_span("early", child_of=span)
    span.context.baggage["z"] = "1"
    late = tracer.start_span("late", child_of=span.context)
    carrier: dict[str, str] = {}
    tracer.inject(span.context, Format.TEXT_MAP, carrier)
    assert (early.get_baggage_item("z"), late.get_baggage_item("z")) == (None, "1")
    assert carrier["ot-baggage-z"] == "1"
    assert span.set_baggage_item("y", "2").context.baggage == {"z": "1", "y": "2"}
    assert tracer.extract(Format.TEXT_MAP, carrier).baggage == {"z": "1"}


def test_baggage_asked_for_twice_is_one_dict() -> None:
    """A line may write what the next one reads, with items and without."""
    for context in (BasicSpanContext(1, 2), BasicSpanContext(1, 2, {"a": "1"})):
        assert context.baggage is context.baggage


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
@pytest.mark.parametrize("items", [{}, {"a": "1"}])
def test_an_extracted_contexts_baggage_can_be_written(format: str, items: dict[str, str]) -> None:
    """Its children have the written baggage, and it has nothing of theirs."""
    tracer = BasicTracer()
    carrier: Any = bytearray() if format == Format.BINARY else {}
    tracer.inject(BasicSpanContext(1, 2, items), format, carrier)
    context: Any = tracer.extract(format, carrier)
    context.baggage["b"] = "2"
    child = tracer.start_span("x", child_of=context)
    child.context.baggage["c"] = "3"
    assert context.baggage == {**items, "b": "2"}
    assert child.context.baggage == {**items, "b": "2", "c": "3"}


def test_baggage_that_is_given_or_joined_is_copied() -> None:
    """The giver's dict, and those of referenced contexts, stay as they are."""
    items, other = {"a": "1"}, BasicSpanContext(3, 4, {"b": "2"})
    context = BasicSpanContext(1, 2, items)
    span = BasicTracer().start_span("x", child_of=context, references=[follows_from(other)])
    context.baggage["c"] = "3"
    span.context.baggage["d"] = "4"
    assert (items, context.baggage, other.baggage) == (
        {"a": "1"},
        {"a": "1", "c": "3"},
        {"b": "2"},
    )
    assert span.context.baggage == {"a": "1", "b": "2", "d": "4"}


def test_baggage_with_extra_is_its_own_too() -> None:
    """A context with extra fields, such as a `tracestate`, has its own baggage."""
    remote = RemoteSpanContext(1, 2, {"a": "1"}, True, None, {"tracestate": "a=1"})
    span = BasicTracer().start_span("x", child_of=remote)
    child = BasicTracer().start_span("y", child_of=span)
    span.context.baggage["b"] = "2"
    child.context.baggage["c"] = "3"
    assert (remote.baggage, span.context.baggage, child.context.baggage) == (
        {"a": "1"},
        {"a": "1", "b": "2"},
        {"a": "1", "c": "3"},
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda context: pickle.loads(pickle.dumps(context))]
)
@pytest.mark.parametrize("items", [{}, {"a": "1"}])
def test_a_copied_contexts_baggage_can_be_written(
    copied: Callable[[Any], Any], items: dict[str, str]
) -> None:
    """Baggage written into a copy is the copy's own."""
    context = BasicSpanContext(1, 2, items)
    other = copied(context)
    other.baggage["b"] = "2"
    assert (context.baggage, other.baggage) == (items, {**items, "b": "2"})


@pytest.mark.parametrize("baggage", [5, [1], "text", object()])
def test_baggage_that_is_none_is_left_out(baggage: Any) -> None:
    """It makes neither the constructor raise nor whoever reads it."""
    context = BasicSpanContext(1, 2, baggage)
    assert BasicTracer().start_span("x", child_of=context).set_baggage_item("a", "b").context
    assert context.baggage == {}


def test_reading_makes_no_dict() -> None:
    """A span's items, its dict form and a carrier take nothing that was not there."""
    tracer = BasicTracer()
    span = tracer.start_span("x")
    context = span.context
    span.get_baggage_item("a")
    span.to_dict()
    tracer.inject(span, Format.TEXT_MAP, {})
    tracer.inject(span, Format.BINARY, bytearray())
    tracer.start_span("y", references=[follows_from(context)])
    assert context._baggage is SpanContext.EMPTY_BAGGAGE


@pytest.mark.needs_os
@pytest.mark.threads
def test_threads_that_write_at_once_write_into_one_dict() -> None:
    """The first to ask for empty baggage makes the dict; no item of another is lost."""
    for _ in range(200):
        context, barrier = BasicSpanContext(1, 2), threading.Barrier(4)

        def write(name: str, context: Any = context, barrier: Any = barrier) -> None:
            barrier.wait()
            context.baggage[name] = "x"

        threads = [threading.Thread(target=write, args=(each,)) for each in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(context.baggage) == ["a", "b", "c", "d"]


@pytest.mark.needs_os
@pytest.mark.threads
def test_baggage_may_be_written_while_others_read_it() -> None:
    """Children are started and carriers filled from a dict that another thread changes."""
    tracer = BasicTracer(propagators={"W3C": TraceContextPropagator()})
    context = BasicSpanContext(1, 2, {str(number): "x" for number in range(50)})
    other = BasicSpanContext(1, 3)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            context.baggage[f"{number % 100}"] = "x"
            context.baggage.pop(f"{(number + 50) % 100}", None)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(300):
            for format in (Format.TEXT_MAP, Format.HTTP_HEADERS, "W3C"):
                tracer.inject(context, format, {})
            tracer.inject(context, Format.BINARY, bytearray())
            span = tracer.start_span("x", child_of=other, references=[follows_from(context)])
            tracer.start_span("x", child_of=context).set_baggage_item("a", "b").to_dict()
            span.to_dict()
            context.with_baggage_item("a", "b")
            repr(context)
    finally:
        stop.set()
        thread.join()


def test_contexts_take_any_attribute() -> None:
    """`sampled` may be assigned, and so may what the class does not know."""
    context = BasicSpanContext(1, 2)
    context.sampled = False
    context.extra = 1  # type: ignore[attr-defined]
    assert (context.sampled, context.extra) == (False, 1)  # type: ignore[attr-defined]
    assert context.with_baggage_item("a", "b").extra == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("sampled", "is_sampled"), [(True, True), (False, False), (None, True), (1, True), (0, False)]
)
def test_undecided_counts_as_sampled(sampled: Any, is_sampled: bool) -> None:
    """`is_sampled` is false only for a decision to drop the trace."""
    assert BasicSpanContext(1, 2, None, sampled).is_sampled is is_sampled


@pytest.mark.parametrize(
    ("sampled", "extra", "is_debug"),
    [
        (True, {"debug": "1"}, True),
        (None, {"debug": "1"}, True),
        (False, {"debug": "1"}, False),
        (True, {"debug": "0"}, False),
        (True, {}, False),
    ],
)
def test_a_debugged_trace_says_so(
    sampled: bool | None, extra: dict[str, str], is_debug: bool
) -> None:
    """`is_debug` is the flag of `extra`, unless the trace's own service has dropped it since."""
    assert BasicSpanContext(1, 2, None, sampled, None, extra).is_debug is is_debug


def test_extra_reaches_every_descendant() -> None:
    """Fields of a format beside ids and baggage are in the contexts of all descendants."""
    extra = {"tracestate": "a=1"}
    remote = RemoteSpanContext(0xAB, 0xC, {"user": "1"}, True, None, extra)
    tracer = BasicTracer()
    with tracer.start_active_span("child", child_of=remote) as child:
        grandchild = tracer.start_span("grandchild")
    assert child.span.context.extra == extra
    assert grandchild.context.extra == extra
    assert grandchild.context.baggage == {"user": "1"}
    assert grandchild.set_baggage_item("more", "2").context.extra == extra


def test_extra_without_a_trace_goes_to_the_new_one() -> None:
    """A carrier may hold a request to debug, say, and no trace yet."""
    span = BasicTracer().start_span("root", child_of=RemoteSpanContext(extra={"debug": "1"}))
    assert span.parent_id is None
    assert span.context.extra == {"debug": "1"}


def test_context_of_a_span_knows_the_parent() -> None:
    """Some formats write the id of the parent beside that of the span."""
    remote = RemoteSpanContext(0xAB, 0xC)
    span = BasicTracer().start_span("child", child_of=remote)
    with_extra = BasicTracer().start_span("c", child_of=RemoteSpanContext(1, 2, extra={"k": "v"}))
    assert span.context.parent_id == 0xC
    assert with_extra.context.parent_id == 2
    assert remote.parent_id is None


def test_remote_contexts_are_those_from_carriers() -> None:
    """`is_remote` tells the context of another process from that of a span of this one."""
    tracer = BasicTracer()
    span = tracer.start_span("here")
    carriers: list[tuple[str, Any]] = [
        (Format.TEXT_MAP, {}),
        (Format.HTTP_HEADERS, {}),
        (Format.BINARY, bytearray()),
    ]
    for format, carrier in carriers:
        tracer.inject(span, format, carrier)
        extracted = tracer.extract(format, carrier)
        assert isinstance(extracted, BasicSpanContext)
        assert extracted.is_remote
    assert not span.context.is_remote
