"""BasicSpanContext: ids as text, baggage that is copied on write, any attribute."""

from __future__ import annotations

import pytest

from opentracing import SpanContext
from opentracing_recorder import BasicSpanContext


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
