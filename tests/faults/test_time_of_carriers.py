"""Reading and replacing headers takes time linear in their number, not quadratic."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opentracing import InvalidCarrierException
from opentracing_recorder import (
    BasicSpanContext,
    KafkaHeaders,
    TraceContextPropagator,
)
from opentracing_recorder._carrier import MAX_ENTRIES

from .carriers import DOCUMENTED, wire_formats

pytestmark = pytest.mark.long

# Four times the size takes four times as long, and up to nine times where it leaves a cache that
# other work uses, too; if quadratic, sixteen times.
MOST = 12.0
ENTRIES = 1500

TRACE = {
    "ot-tracer-traceid": "1",
    "ot-tracer-spanid": "2",
    "ot-tracer-sampled": "1",
    "traceparent": f"00-{1:032x}-{2:016x}-01",
    "x-b3-traceid": f"{1:016x}",
    "x-b3-spanid": f"{2:016x}",
    "uber-trace-id": "1:2:0:1",
}
TEXT = {each.name: each.propagator for each in wire_formats() if "binary" not in each.name}
BINARY = {each.name: each.propagator for each in wire_formats() if "binary" in each.name}


class Repeating:
    """The shape of grpc.aio.Metadata: names with a list of values each."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.lists: dict[str, list[Any]] = {}
        for name, value in pairs:
            self.lists.setdefault(name, []).append(value)

    def keys(self) -> Any:
        return self.lists.keys()

    def items(self) -> Any:
        return self.lists.items()

    def __setitem__(self, name: str, value: Any) -> None:
        self.lists[name] = [value]

    def __delitem__(self, name: str) -> None:
        self.lists[name].pop(0)
        if not self.lists[name]:
            del self.lists[name]


class Listed(Repeating):
    """The shape of email.message.Message: deleting a name searches all headers."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs

    def keys(self) -> Any:
        return [name for name, _ in self.pairs]

    def items(self) -> Any:
        return list(self.pairs)

    def __setitem__(self, name: str, value: Any) -> None:
        self.pairs.append((name, value))

    def __delitem__(self, name: str) -> None:
        self.pairs = [pair for pair in self.pairs if pair[0] != name]


FORMS: dict[str, Callable[[list[tuple[str, str]]], Any]] = {
    "pairs": list,
    "bytes": lambda pairs: [(name.encode(), value.encode()) for name, value in pairs],
    "an iterator": iter,
    "dict": dict,
    "a dict of lists": lambda pairs: Repeating(pairs).lists,
    "names with lists": Repeating,
    "all pairs in a list": Listed,
    "kafka": KafkaHeaders,
    "an environ": lambda pairs: {
        "REQUEST_METHOD": "GET",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in pairs},
    },
}
CONTENTS: dict[str, Callable[[int], list[tuple[str, str]]]] = {
    "one name": lambda size: [
        pair
        for _ in range(size // 8)
        for pair in (
            *(("baggage", "a=1"), ("tracestate", "a=1"), ("b3", "0"), ("x-b3-flags", "1")),
            *(("ot-baggage-a", "1"), ("uberctx-a", "1"), ("jaeger-baggage", "a=1")),
            ("jaeger-debug-id", "1"),
        )
    ],
    "many names": lambda size: [
        (f"{prefix}{number}", "1")
        for number in range(size // 2)
        for prefix in ("ot-baggage-", "uberctx-")
    ],
    "lists of members": lambda size: [
        ("baggage", ",".join(f"k{number}=%41" for number in range(size))),
        ("tracestate", ",".join(f"k{number}=1" for number in range(size))),
        ("jaeger-baggage", ",".join(f"k{number}=1" for number in range(size))),
    ],
    "long values": lambda size: [
        (name, unit * size)
        for name in ("baggage", "tracestate", "b3", "uber-trace-id", "ot-baggage-a", "uberctx-a")
        for unit in ("%41", "a=", "1-", ":", ";,")
    ],
}


def seconds(prepare: Callable[[], Any], read: Callable[[Any], object]) -> float:
    """The shortest time to read: other work on the machine only adds."""
    least = float("inf")
    for _ in range(3):
        given = prepare()
        gc.disable()  # its cost grows with all objects of the process
        try:
            start = time.process_time()
            read(given)
            least = min(least, time.process_time() - start)
        finally:
            gc.enable()
    return least


def assert_linear(prepare: Callable[[int], Any], read: Callable[[Any], object], size: int) -> None:
    small = large = float("inf")
    for _ in range(12):  # the machine may be busy: the shortest times count
        small = min(small, seconds(lambda: prepare(size), read))
        large = min(large, seconds(lambda: prepare(4 * size), read))
        if large < MOST * max(small, 1e-4):
            return
    raise AssertionError(f"{small * 1e3:.2f} ms, and {large * 1e3:.2f} for four times as much")


def extracted(propagator: Any) -> Callable[[Any], Any]:
    def extract(carrier: Any) -> Any:
        try:
            return propagator.extract(carrier)
        except DOCUMENTED:
            return None

    return extract


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", TEXT)
def test_text_is_read_in_linear_time(name: str, content: str) -> None:
    """Text in every form of carrier is read in linear time."""
    for form in FORMS.values():

        def carrier(size: int, form: Any = form) -> Any:
            return form([*TRACE.items(), *CONTENTS[content](size)])

        assert_linear(carrier, extracted(TEXT[name]), ENTRIES)


@pytest.mark.parametrize("unit", ["2200", "22060a01611201ff", "22060a0161120162", "3000", "08ff01"])
@pytest.mark.parametrize("name", BINARY)
def test_binary_is_read_in_linear_time(name: str, unit: str) -> None:
    """It is, whichever fields are repeated."""

    def message(size: int) -> bytes:
        ids = bytes.fromhex("09 0100000000000000 11 0100000000000000")
        fields = bytes.fromhex(unit) * size + ids
        return len(fields).to_bytes(4, "big") + fields

    assert_linear(message, extracted(BINARY[name]), ENTRIES)


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("content", ["one name", "many names"])
@pytest.mark.parametrize("form", [each for each in FORMS if each != "an iterator"])
def test_text_is_replaced_in_linear_time(name: str, content: str, form: str) -> None:
    """In carriers without a fast look-up, each name costs one pass over all headers."""
    if form == "all pairs in a list" and content == "many names":
        content = "one name"
    context = BasicSpanContext(3, 4, {"a": "b"})
    assert_linear(
        lambda size: FORMS[form]([*TRACE.items(), *CONTENTS[content](size)]),
        lambda carrier: TEXT[name].inject(context, carrier),
        ENTRIES,
    )


@pytest.mark.parametrize("name", [*TEXT, *BINARY])
def test_baggage_is_written_in_linear_time(name: str) -> None:
    """It is, however much baggage an application has set."""
    propagator = {**TEXT, **BINARY}[name]
    assert_linear(
        lambda size: BasicSpanContext(3, 4, {f"k{number}": "é" for number in range(size)}),
        lambda context: propagator.inject(context, bytearray() if name in BINARY else {}),
        ENTRIES,
    )


@pytest.mark.parametrize("field", ["baggage", "tracestate"])
def test_a_hundred_thousand_headers_are_read_in_a_moment(field: str) -> None:
    """All are read; each dropped item of baggage is counted."""
    number = 100_000
    carrier = [("traceparent", TRACE["traceparent"])]
    carrier += [(field, f"k{each}=1") for each in range(number)]
    started = time.process_time()
    context = TraceContextPropagator().extract(carrier)
    assert time.process_time() - started < 3
    assert context is not None
    assert (context.trace_id, context.extra) == (1, {})
    if field == "baggage":
        assert (len(context.baggage), context.dropped_baggage) == (64, number - 64)


class Endless:
    """A mapping without an end."""

    def __init__(self, repeats: bool) -> None:
        self.repeats = repeats
        self.written: dict[str, Any] = {}

    def keys(self) -> Iterator[str]:
        return (name for name, _ in self.items())

    def items(self) -> Iterator[tuple[str, Any]]:
        yield from TRACE.items()
        for number in itertools.count():
            yield f"x-{number}", [1] * 100 if self.repeats else "1"

    def __setitem__(self, name: str, value: Any) -> None:
        self.written[name] = value

    def __delitem__(self, name: str) -> None:
        raise KeyError(name)


class EndlessDict(dict[str, str]):
    """A mapping without an end that claims to be a dict."""

    def items(self) -> Any:
        return Endless(False).items()


ENDLESS: dict[str, Callable[[], Any]] = {
    "a generator": lambda: Endless(False).items(),
    "a mapping": lambda: Endless(False),
    "a mapping to lists": lambda: Endless(True),
    "a dict": EndlessDict,
    "no pairs": lambda: itertools.chain(TRACE.items(), itertools.count()),
    "one header for ever": lambda: itertools.chain(
        TRACE.items(), itertools.repeat(("x-b3-flags", "0"))
    ),
}


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("name", TEXT)
def test_a_carrier_that_never_ends_is_read_as_far_as_ten_thousand_entries(
    name: str, make: Callable[[], Any]
) -> None:
    """The first entries count, and the others are not read."""
    context = TEXT[name].extract(make())
    assert (context.trace_id, context.span_id) == (1, 2)
    pairs = (("x", "1") for _ in range(MAX_ENTRIES))
    assert extracted(TEXT[name])(itertools.chain(pairs, TRACE.items())) is None


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("name", TEXT)
def test_nothing_is_written_into_a_carrier_that_never_ends(name: str, repeats: bool) -> None:
    """A former header in it could not be removed."""
    carrier = Endless(repeats)
    with pytest.raises(InvalidCarrierException, match="Endless; wanted: to write to"):
        TEXT[name].inject(BasicSpanContext(3, 4), carrier)
    assert carrier.written == {}
