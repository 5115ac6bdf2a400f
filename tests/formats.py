"""Every text format under the name that tests show, and carriers of any content to extract from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from opentracing import InvalidCarrierException, SpanContextCorruptedException
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    CompositePropagator,
    JaegerPropagator,
    Propagator,
    TextPropagator,
    TraceContextPropagator,
)

FORMATS: dict[str, Propagator] = {
    "text": TextPropagator(),
    "headers": TextPropagator(encode_values=True),
    "w3c": TraceContextPropagator(),
    "b3": B3Propagator(),
    "b3 single": B3Propagator(single_header=True),
    "jaeger": JaegerPropagator(),
    "jaeger headers": JaegerPropagator(encode_values=True),
}
COMPOSITE = CompositePropagator([FORMATS["w3c"], FORMATS["b3"], FORMATS["headers"]])

any_text = st.text(st.characters(blacklist_categories=("Cs",)))
ids_of_64_bits = st.integers(1, 2**64 - 1)
ids_of_128_bits = st.integers(1, 2**128 - 1)


def words_of(*words: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """These words, and text, bytes, None and numbers."""
    return st.one_of(st.text(max_size=20), st.binary(max_size=20), st.none(), st.integers(), *words)


def carriers_of(words: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Carriers of any shape, made of these words."""
    return st.one_of(
        st.dictionaries(words, words, max_size=8),
        st.lists(st.tuples(words, words), max_size=8),
        st.lists(st.one_of(words, st.lists(words, max_size=3)), max_size=6),
        words,
    )


def damaged(carrier: dict[str, str], data: st.DataObject) -> dict[str, str]:
    """The carrier with one character of one value changed, added or lost."""
    name = data.draw(st.sampled_from(sorted(carrier)))
    value = carrier[name]
    cut = data.draw(st.integers(0, len(value)))
    return {**carrier, name: value[:cut] + data.draw(st.text(max_size=2)) + value[cut + 1 :]}


def injected(propagator: Propagator, context: BasicSpanContext) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagator.inject(context, carrier)
    return carrier


def extract_or_none(propagator: Propagator, carrier: Any, word: str = "") -> Any:
    """The context, or None for one of the two exceptions; that of corruption is short, and has the
    word in it.
    """
    try:
        return propagator.extract(carrier)
    except SpanContextCorruptedException as error:
        message = str(error)
    except InvalidCarrierException:
        return None
    assert word in message
    assert len(message) < 250
    return None


def lower_ascii(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)
