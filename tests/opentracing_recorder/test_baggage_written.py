"""Baggage on its way out: the limits of reading hold for writing, and what is over is counted."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from opentracing import Format
from opentracing.mocktracer.binary_propagator import BinaryPropagator as MockBinaryPropagator
from opentracing.mocktracer.text_propagator import TextPropagator as MockTextPropagator
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    BinaryPropagator,
    CompositePropagator,
    _baggage,
)
from opentracing_recorder._failure_log import RateLimit

from .. import formats

W3C = formats.FORMATS["w3c"]
OTHERS = [formats.FORMATS[name] for name in ("jaeger headers", "headers", "b3")]
FORMATS: dict[str, Any] = {
    **{
        name: formats.FORMATS[name]
        for name in ("text", "headers", "w3c", "jaeger", "jaeger headers")
    },
    "binary": BinaryPropagator(),
    "mock": MockTextPropagator(),
    "mock binary": MockBinaryPropagator(),
    "composite": CompositePropagator([W3C, *OTHERS]),
    "composite, W3C last": CompositePropagator([*OTHERS, W3C]),
    "composites": CompositePropagator([CompositePropagator(OTHERS), W3C, CompositePropagator([])]),
}
every_format = pytest.mark.parametrize("propagator", FORMATS.values(), ids=FORMATS)

BAGGAGE: dict[str, dict[str, str]] = {
    "many items": {f"k{number}": "v" for number in range(1000)},
    "64 items": {f"k{number}": "v" for number in range(64)},
    "a long value": {"a": "v" * 9000, "b": "w"},
    "much in sum": {f"k{number}": "v" * 1000 for number in range(20)},
    "text beyond ASCII": {"a": "é" * 4000, "b": "w"},
    "a key beyond ASCII": {"é" * 4000: "a", "b": "w"},
    "a line of breaks": {"a": "\r\n" * 2000, "b": "w"},
}


def carrier_for(propagator: Any) -> Any:
    return bytearray() if "Binary" in type(propagator).__name__ else {}


def injected(propagator: Any, context: BasicSpanContext) -> Any:
    carrier = carrier_for(propagator)
    propagator.inject(context, carrier)
    return carrier


@every_format
@pytest.mark.parametrize("baggage", BAGGAGE.values(), ids=BAGGAGE)
def test_baggage_that_is_written_is_bounded(propagator: Any, baggage: dict[str, str]) -> None:
    """64 items and 8192 bytes as encoded, for all formats of a carrier together."""
    empty = injected(propagator, BasicSpanContext(1, 2))
    carrier = injected(propagator, BasicSpanContext(1, 2, baggage))
    if isinstance(carrier, bytearray):
        framing = 64 * 8  # a key for the item, its key and its value, each with a length
        assert len(carrier) - len(empty) <= 8192 + framing
        return
    added = {name: value for name, value in carrier.items() if name not in empty}
    items = len(added) - 1 + added["baggage"].count(",") + 1 if "baggage" in added else len(added)
    names = 64 * len("ot-baggage-")
    size = sum(len((name + value).encode()) for name, value in added.items())
    assert 0 < items <= 64
    assert size <= 8192 + names
    assert len(carrier) < 80  # many servers take a hundred headers


@every_format
@pytest.mark.parametrize("baggage", BAGGAGE.values(), ids=BAGGAGE)
def test_baggage_that_was_written_is_taken_as_it_is(
    propagator: Any, baggage: dict[str, str]
) -> None:
    """A reader with the same limits drops nothing of it."""
    found = propagator.extract(injected(propagator, BasicSpanContext(1, 2, baggage)))
    assert found.baggage
    assert found.baggage.items() <= baggage.items()
    assert found.dropped_baggage == 0


@every_format
def test_baggage_within_the_limits_is_written_whole(propagator: Any) -> None:
    """Each item is written once for each format, while there is room."""
    baggage = {f"k{number}": "v" * 20 for number in range(20)}
    context = BasicSpanContext(1, 2, baggage)
    assert propagator.extract(injected(propagator, context)).baggage == baggage
    assert context.dropped_baggage == 0
    for each in OTHERS[:2]:
        assert each.extract(injected(FORMATS["composite"], context)).baggage == baggage  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["text", "headers", "jaeger", "binary", "mock"])
def test_what_may_be_read_may_be_written(name: str) -> None:
    """A service in the middle hands on all that it took, if it needs no encoding."""
    context = BasicSpanContext(1, 2, {"a": "v" * 4000, "b": "w" * 4190})
    assert FORMATS[name].extract(injected(FORMATS[name], context)).baggage == context.baggage
    assert context.dropped_baggage == 0


def test_a_w3c_header_has_at_most_8192_bytes_and_64_items() -> None:
    """These are the limits that the specification asks of every platform."""
    header = injected(W3C, BasicSpanContext(1, 2, {"a": "v" * 4000, "b": "w" * 4180}))["baggage"]
    assert header == f"a={'v' * 4000},b={'w' * 4180}"
    header = injected(W3C, BasicSpanContext(1, 2, BAGGAGE["many items"]))["baggage"]
    assert header.count("=") == 64


def test_a_strangers_baggage_leaves_in_no_more_headers_than_it_came() -> None:
    """446 bytes of it left as 138 headers."""
    tracer = BasicTracer(propagators={Format.HTTP_HEADERS: FORMATS["composite"]})
    header = ",".join(f"k{number:02}=1" for number in range(64))
    assert len(header) < 450
    parent = tracer.extract(Format.HTTP_HEADERS, {"baggage": header})
    headers: dict[str, str] = {}
    tracer.inject(tracer.start_span("x", child_of=parent), Format.HTTP_HEADERS, headers)
    assert headers["baggage"] == header
    assert len(headers) < 12


def test_the_first_format_has_the_first_turn() -> None:
    """The next ones write what there is room for."""
    composite = CompositePropagator([OTHERS[1], W3C])
    context = BasicSpanContext(1, 2, {f"k{number}": "v" for number in range(40)})
    carrier = injected(composite, context)
    assert sum(name.startswith("ot-baggage-") for name in carrier) == 40
    assert carrier["baggage"].count("=") == 24
    assert context.dropped_baggage == 16


@pytest.mark.parametrize(
    ("name", "dropped"),
    [("text", 936), ("w3c", 936), ("binary", 936), ("mock", 936), ("composite", 2936)],
)
def test_what_is_left_out_is_counted_and_logged_once(
    name: str, dropped: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The context has the count, of the latest injection that left out any, format by format."""
    monkeypatch.setattr(_baggage, "_dropped_reports", RateLimit())
    context = BasicSpanContext(1, 2, BAGGAGE["many items"])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            injected(FORMATS[name], context)
            assert context.dropped_baggage == dropped
    assert len(caplog.records) == 1
    assert f"{dropped} items of baggage were dropped" in caplog.text
    assert "k999" not in caplog.text


def test_an_application_sees_the_count_on_its_span() -> None:
    """Its context is the one that is injected."""
    span = BasicTracer().start_span("x")
    for key, value in BAGGAGE["many items"].items():
        span.set_baggage_item(key, value)
    BasicTracer().inject(span, Format.TEXT_MAP, {})
    assert getattr(span.context, "dropped_baggage") == 936  # noqa: B009
    assert len(span.context.baggage) == 1000


def test_a_format_of_somebodys_own_gets_the_baggage_as_it_is() -> None:
    """A composite that bounds its own formats hands it a context like any other."""
    seen = []

    class Own(B3Propagator):
        def inject(self, span_context: Any, carrier: Any) -> None:
            seen.append(dict(span_context.baggage))
            super().inject(span_context, carrier)

    injected(CompositePropagator([Own(), W3C]), BasicSpanContext(1, 2, {"a": "b"}))
    assert seen == [{"a": "b"}]


@pytest.mark.parametrize("tracestate", ["a=1 ", " a=1", "a=1\t", " \ta=1\t "])
def test_a_tracestate_is_written_without_blanks_around(tracestate: str) -> None:
    """Clients refuse a header that has them."""
    context = BasicSpanContext(1, 2, None, True, None, {"tracestate": tracestate})
    assert injected(W3C, context)["tracestate"] == "a=1"


@pytest.mark.parametrize("tracestate", ["", " ", "\t "])
def test_a_tracestate_of_blanks_is_none(tracestate: str) -> None:
    """A blank tracestate is not written, like an empty one."""
    context = BasicSpanContext(1, 2, None, True, None, {"tracestate": tracestate})
    assert "tracestate" not in injected(W3C, context)
