"""BasicSpanContext: ids as text, baggage that is copied on write, any attribute."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing import Format, SpanContext
from opentracing_recorder import BasicSpanContext, BasicTracer, RemoteSpanContext


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
    """It has `copy`, and is kept under the name that 2.4 used; without items it is EMPTY."""
    context = BasicSpanContext(1, 2, {"a": "1"})
    copied = context.baggage.copy()  # type: ignore[attr-defined]
    copied["b"] = "2"
    assert context._baggage == context.baggage == {"a": "1"}
    assert BasicSpanContext(1, 2).baggage is SpanContext.EMPTY_BAGGAGE


def test_contexts_take_any_attribute() -> None:
    """`sampled` may be assigned, and so may what the class does not know."""
    context = BasicSpanContext(1, 2)
    context.sampled = False
    context.extra = 1  # type: ignore[attr-defined]
    assert (context.sampled, context.extra) == (False, 1)  # type: ignore[attr-defined]
    assert context.with_baggage_item("a", "b").extra == 1  # type: ignore[attr-defined]


def test_extra_reaches_every_descendant() -> None:
    """What a format carries beside ids and baggage is in the contexts of children and theirs."""
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
