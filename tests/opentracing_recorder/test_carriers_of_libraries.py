"""Carriers as libraries hand them out: repeated names, lists of values, no headers, a stranger's.

The stand-ins have the shape of the libraries' own classes, which tests/downstream runs.
"""

from __future__ import annotations

import email.message
import wsgiref.headers
from collections.abc import Callable, ItemsView, Iterator, KeysView, MutableMapping
from typing import Any

import pytest

from opentracing import Format, InvalidCarrierException, SpanContextCorruptedException
from opentracing.mocktracer import MockTracer
from opentracing_recorder import (
    B3Propagator,
    BasicSpanContext,
    BasicTracer,
    BinaryPropagator,
    CompositePropagator,
    KafkaHeaders,
    Propagator,
    TraceContextPropagator,
)

from .. import formats

CONTEXT = BasicSpanContext(0xA1, 0xB2, {"user": "amy"})
WITHOUT_BAGGAGE = BasicSpanContext(0xC3, 0xD4)

FORMATS = {**formats.FORMATS, "composite": formats.COMPOSITE}
every_format = pytest.mark.parametrize("propagator", FORMATS.values(), ids=FORMATS)


class Metadata:
    """The shape of `grpc.aio.Metadata`: it iterates over pairs, and has lists in `items`."""

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self._lists: dict[str, list[Any]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)

    def __len__(self) -> int:
        return sum(map(len, self._lists.values()))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name, values in self._lists.items() for value in values)

    def keys(self) -> KeysView[str]:
        return self._lists.keys()

    def items(self) -> ItemsView[str, list[Any]]:
        return self._lists.items()

    def __contains__(self, name: object) -> bool:
        return name in self._lists

    def __setitem__(self, name: str, value: Any) -> None:
        self._lists[name] = [value, *self._lists.get(name, [])[1:]]

    def __delitem__(self, name: str) -> None:
        del self._lists[name][0]
        if not self._lists[name]:
            del self._lists[name]

    def pairs(self) -> list[tuple[str, Any]]:
        return list(self)


class MultiDict(MutableMapping[str, Any]):
    """The shape of multidict's, which aiohttp has: names of any case, each as often as it came."""

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self._pairs = list(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs)

    def __getitem__(self, name: str) -> Any:
        return next(value for each, value in self._pairs if each.lower() == name.lower())

    def items(self) -> Any:
        return list(self._pairs)

    def __setitem__(self, name: str, value: Any) -> None:
        self._pairs = [*self._others(name), (name, value)]

    def __delitem__(self, name: str) -> None:
        others = self._others(name)
        if others == self._pairs:
            raise KeyError(name)
        self._pairs = others

    def _others(self, name: str) -> list[tuple[str, Any]]:
        return [pair for pair in self._pairs if pair[0].lower() != name.lower()]

    def pairs(self) -> list[tuple[str, Any]]:
        return self._pairs


class Response:
    """The shape of Django's responses: headers by `items`, and the body to iterate over."""

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self._headers = dict(pairs)
        self.body = iter([b"first", b"second"])

    def __iter__(self) -> Iterator[bytes]:
        return self.body

    def items(self) -> ItemsView[str, Any]:
        return self._headers.items()

    def __setitem__(self, name: str, value: Any) -> None:
        self._headers[name] = value

    def __delitem__(self, name: str) -> None:
        self._headers.pop(name, None)

    def pairs(self) -> list[tuple[str, Any]]:
        return list(self._headers.items())


def message(*pairs: tuple[str, Any]) -> Any:
    result = email.message.Message()
    for name, value in pairs:
        result[name] = value
    return result


def wsgi_headers(*pairs: tuple[str, Any]) -> Any:
    return wsgiref.headers.Headers(list(pairs))


def pairs_in(carrier: Any) -> list[tuple[Any, Any]]:
    if isinstance(carrier, list):
        return list(carrier)
    return list(carrier.pairs() if hasattr(carrier, "pairs") else carrier.items())


REPEATING: dict[str, Callable[..., Any]] = {
    "grpc.aio": Metadata,
    "multidict": MultiDict,
    "email": message,
    "wsgiref": wsgi_headers,
    "pairs": lambda *pairs: list(pairs),
}


def injected(propagator: Propagator, context: BasicSpanContext = CONTEXT) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagator.inject(context, carrier)
    return carrier


def ids(context: BasicSpanContext | None) -> tuple[int | None, int | None]:
    assert context is not None
    return context.trace_id, context.span_id


@every_format
@pytest.mark.parametrize("make", REPEATING.values(), ids=REPEATING)
def test_carriers_with_repeated_names_are_read(
    propagator: Propagator, make: Callable[..., Any]
) -> None:
    """Such carriers are read, also if `items` has a list for each name."""
    carrier = make(("host", "h"), *injected(propagator).items())
    assert ids(propagator.extract(carrier)) == (0xA1, 0xB2)


@pytest.mark.parametrize("make", REPEATING.values(), ids=REPEATING)
def test_repeated_names_are_repeated_headers_in_every_carrier(make: Callable[..., Any]) -> None:
    """Two traces are none, and two lines of `tracestate` or `baggage` are one list."""
    w3c = TraceContextPropagator()
    traceparent = injected(w3c)["traceparent"]
    context = w3c.extract(
        make(
            ("traceparent", traceparent),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
            ("baggage", "c=3"),
            ("baggage", "d=4"),
        )
    )
    assert context is not None
    assert context.extra["tracestate"] == "a=1,b=2"
    assert context.baggage == {"c": "3", "d": "4"}
    other = injected(w3c, WITHOUT_BAGGAGE)["traceparent"]
    with pytest.raises(SpanContextCorruptedException, match="two values"):
        w3c.extract(make(("traceparent", traceparent), ("traceparent", other)))


@every_format
@pytest.mark.parametrize("make_values", [lambda first: [first], lambda first: (first, "second")])
def test_of_a_list_of_values_the_first_counts(propagator: Propagator, make_values: Any) -> None:
    """The first value is read, as in API Gateway's multiValueHeaders, from known and new names."""
    carrier = {
        "host": ["h"],
        **{
            name: [value] if name == "baggage" else make_values(value)
            for name, value in injected(propagator).items()
        },
    }
    for _ in range(2):
        context = propagator.extract(carrier)
        assert ids(context) == (0xA1, 0xB2)
        assert context is not None
        assert dict(context.baggage) in ({"user": "amy"}, {})
        assert ids(propagator.extract(list(carrier.items()))) == (0xA1, 0xB2)


def test_a_list_of_values_of_a_header_that_is_a_list_counts_whole() -> None:
    """Its lines belong together; what is no text in it is passed over."""
    w3c = TraceContextPropagator()
    carrier: dict[str, Any] = {
        "traceparent": [injected(w3c)["traceparent"].encode()],
        "tracestate": ("a=1", b"b=2", None),
        "baggage": [5, "c=3", "d=4"],
    }
    context = w3c.extract(carrier)
    assert context is not None
    assert context.extra["tracestate"] == "a=1,b=2"
    assert context.baggage == {"c": "3", "d": "4"}
    assert w3c.extract({"traceparent": [], "baggage": [None]}) is None


def test_a_mock_tracer_reads_lists_of_values() -> None:
    """Its text format is read as the reference tracer's is."""
    tracer = MockTracer()
    span = tracer.start_span("x")
    carrier: dict[str, str] = {}
    tracer.inject(span, Format.TEXT_MAP, carrier)
    for form in (
        {name: [value, "ff"] for name, value in carrier.items()},
        Metadata(*carrier.items()),
    ):
        context: Any = tracer.extract(Format.TEXT_MAP, form)
        assert (context.trace_id, context.span_id) == (span.context.trace_id, span.context.span_id)


@every_format
@pytest.mark.parametrize("make", REPEATING.values(), ids=REPEATING)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_old_values_do_not_stay_beside_the_new(
    propagator: Propagator, make: Callable[..., Any], times: int
) -> None:
    """One value of a header is left, however often and in whatever spellings it was present."""
    old = injected(propagator, BasicSpanContext(1, 2, {"user": "old"}, True, 3))
    names = [name for name in old for _ in range(times)]
    names += [] if make is Metadata else [name.title() for name in old]
    carrier = make(("host", "h"), *((name, "old") for name in names), ("accept", "a"))
    propagator.inject(CONTEXT, carrier)
    expected = {"host": "h", "accept": "a", **injected(propagator)}
    assert sorted(pairs_in(carrier)) == sorted(expected.items())


def test_a_responses_headers_are_replaced_and_its_body_is_not_read() -> None:
    """Iterating over a carrier that has `items` may be reading what is to be sent."""
    response = Response(("X-B3-TraceId", "old"), ("Accept", "a"))
    B3Propagator(single_header=True).inject(WITHOUT_BAGGAGE, response)
    assert response.pairs() == [
        ("Accept", "a"),
        *injected(FORMATS["b3 single"], WITHOUT_BAGGAGE).items(),
    ]
    assert list(response.body) == [b"first", b"second"]


@every_format
def test_no_headers_are_no_trace(propagator: Propagator) -> None:
    """None is how confluent-kafka, pika, Celery, NATS and API Gateway say it."""
    assert propagator.extract(None) is None


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
def test_no_headers_are_no_trace_in_any_format(format: str) -> None:
    """The formats that every tracer has."""
    assert BasicTracer().extract(format, None) is None


@pytest.mark.parametrize("empty", [None, {}])
def test_to_a_mock_tracer_no_headers_are_an_empty_carrier(empty: Any) -> None:
    """A suite sees at once that nothing was injected."""
    with pytest.raises(SpanContextCorruptedException, match="the carrier has no"):
        MockTracer().extract(Format.TEXT_MAP, empty)


def test_a_composite_has_no_headers_in_none_whatever_its_formats() -> None:
    """A propagator of somebody's own is not asked."""

    class Own(BinaryPropagator):
        def extract(self, carrier: Any) -> Any:
            raise AssertionError(carrier)

    assert CompositePropagator([Own(), BinaryPropagator()]).extract(None) is None


@pytest.mark.parametrize("propagator", [*FORMATS.values(), BinaryPropagator()])
def test_nothing_can_be_written_into_no_headers(propagator: Propagator) -> None:
    """The caller would lose them."""
    with pytest.raises(InvalidCarrierException, match="NoneType"):
        propagator.inject(CONTEXT, None)


# The headers that a service at the edge has copied from a stranger's request, by format.
OF_A_STRANGER: dict[str, dict[str, str]] = {
    "text": {
        "ot-tracer-traceid": "1",
        "ot-tracer-spanid": "2",
        "ot-tracer-sampled": "true",
        "ot-baggage-role": "admin",
    },
    "w3c": {
        "traceparent": f"00-{1:032x}-{2:016x}-01",
        "tracestate": "a=1",
        "baggage": "role=admin",
    },
    "b3": {
        "b3": f"{1:016x}-{2:016x}-d",
        "x-b3-traceid": f"{1:016x}",
        "x-b3-spanid": f"{2:016x}",
        "x-b3-parentspanid": f"{3:016x}",
        "x-b3-sampled": "1",
        "x-b3-flags": "1",
    },
    "jaeger": {
        "uber-trace-id": "1:2:0:1",
        "uberctx-role": "admin",
        "jaeger-debug-id": "find-me",
        "jaeger-baggage": "role=admin",
    },
}
OF_A_STRANGER["headers"] = OF_A_STRANGER["text"]
OF_A_STRANGER["b3 single"] = OF_A_STRANGER["b3"]
OF_A_STRANGER["jaeger headers"] = OF_A_STRANGER["jaeger"]
OF_A_STRANGER["composite"] = {
    **OF_A_STRANGER["w3c"],
    **OF_A_STRANGER["b3"],
    **OF_A_STRANGER["text"],
}

SPELLINGS: dict[str, Callable[[str], Any]] = {
    "lower case": str,
    "title case": str.title,
    "upper case": str.upper,
    "bytes": str.encode,
    "upper case in bytes": lambda name: name.upper().encode(),
}
COPIES: dict[str, Callable[[list[tuple[Any, Any]]], Any]] = {
    "dict": dict,
    "mapping": lambda pairs: MultiDict(*pairs),
    "pairs": list,
    "lists": lambda pairs: [list(pair) for pair in pairs],
    "dict of lists": lambda pairs: {name: [value, value] for name, value in pairs},
}
FORMS_AND_SPELLINGS = [
    (form, spelling)
    for form in COPIES
    for spelling in SPELLINGS
    if form != "mapping" or "bytes" not in spelling  # this mapping takes text alone
]


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("form", "spelling"), FORMS_AND_SPELLINGS)
@pytest.mark.parametrize("context", [CONTEXT, WITHOUT_BAGGAGE], ids=["baggage", "no baggage"])
def test_nothing_of_a_stranger_stays(
    name: str, form: str, spelling: str, context: BasicSpanContext
) -> None:
    """Each header of the format is replaced or removed, in any spelling; the others stay."""
    spell = SPELLINGS[spelling]
    others = [(spell("host"), "h"), (spell("x-request-id"), "7")]
    for _ in range(2):
        pairs = [(spell(each), value) for each, value in OF_A_STRANGER[name].items()]
        carrier = COPIES[form]([others[0], *pairs, others[1]])
        kept = pairs_in(COPIES[form](others))
        FORMATS[name].inject(context, carrier)
        left = pairs_in(carrier)
        written = [(text(each[0]), each[1]) for each in left[len(kept) :]]
        assert [tuple(each) for each in left[: len(kept)]] == [tuple(each) for each in kept]
        assert dict(written) == injected(FORMATS[name], context)
        assert len(written) == len(dict(written))


@pytest.mark.parametrize("form", COPIES)
def test_nothing_of_a_stranger_stays_in_a_format_that_is_only_read(form: str) -> None:
    """Neighbours read the same formats, and a stranger's may come before those that are written."""
    composite = CompositePropagator(
        [FORMATS["jaeger headers"], FORMATS["text"], FORMATS["b3"], FORMATS["w3c"]],
        written=[FORMATS["w3c"]],
    )
    everything = {name: value for each in OF_A_STRANGER.values() for name, value in each.items()}
    carrier = COPIES[form]([("host", "h"), *everything.items()])
    composite.inject(WITHOUT_BAGGAGE, carrier)
    assert len(pairs_in(carrier)) == 2
    context = composite.extract(carrier)
    assert ids(context) == (0xC3, 0xD4)
    assert context is not None
    assert context.baggage == {}


def test_a_composite_removes_nothing_where_it_writes_nothing() -> None:
    """If it has no format or no trace to write, the carrier does not change."""
    nothing = CompositePropagator([FORMATS["w3c"], FORMATS["b3"]], written=[])
    one = CompositePropagator([FORMATS["w3c"], FORMATS["b3"]], written=[FORMATS["w3c"]])
    for propagator, context in ((nothing, CONTEXT), (one, BasicSpanContext())):
        carrier = {**OF_A_STRANGER["w3c"], **OF_A_STRANGER["b3"]}
        propagator.inject(context, carrier)
        assert carrier == {**OF_A_STRANGER["w3c"], **OF_A_STRANGER["b3"]}


def test_a_composite_removes_what_composites_in_it_read() -> None:
    """They may read formats of their own."""
    inner = CompositePropagator([FORMATS["b3"], FORMATS["jaeger"]], written=[FORMATS["b3"]])
    outer = CompositePropagator([FORMATS["w3c"], inner], written=[FORMATS["w3c"]])
    carrier = {**OF_A_STRANGER["b3"], **OF_A_STRANGER["jaeger"]}
    outer.inject(WITHOUT_BAGGAGE, carrier)
    assert carrier == injected(FORMATS["w3c"], WITHOUT_BAGGAGE)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_removes_its_entries(name: str) -> None:
    """Of a propagator of somebody's own nothing is removed, unless it says how."""
    carrier = {"host": "h", **OF_A_STRANGER[name]}
    FORMATS[name].remove_from(carrier)
    assert carrier == {"host": "h"}

    class Own(BinaryPropagator):
        pass

    carrier = dict(OF_A_STRANGER[name])
    Own().remove_from(carrier)
    assert carrier == OF_A_STRANGER[name]


def test_a_root_at_the_edge_hands_on_nothing_of_a_stranger() -> None:
    """The next service sees the edge's trace, and no baggage."""
    for tracer in (BasicTracer(), MockTracer()):
        headers = {"Host": "h", "OT-Baggage-Role": "admin", "Ot-Tracer-TraceId": "1"}
        tracer.inject(tracer.start_span("edge"), Format.HTTP_HEADERS, headers)
        context = tracer.extract(Format.HTTP_HEADERS, headers)
        assert context is not None
        assert context.baggage == {}


@every_format
@pytest.mark.parametrize("composite", [False, True])
def test_kafka_headers_get_values_in_bytes(propagator: Propagator, composite: bool) -> None:
    """Names as text and values as bytes, in tuples in a list, is what Kafka's clients take."""
    headers: list[Any] = []
    wanted = [(name, value.encode()) for name, value in injected(propagator).items()]
    if composite:
        propagator = CompositePropagator([propagator])
    propagator.inject(CONTEXT, KafkaHeaders(headers))
    assert headers == wanted
    assert ids(propagator.extract(headers)) == (0xA1, 0xB2)
    assert ids(propagator.extract(KafkaHeaders(headers))) == (0xA1, 0xB2)


@every_format
def test_kafka_headers_that_are_there_are_replaced_or_kept(propagator: Propagator) -> None:
    """Those without a value, which aiokafka and confluent-kafka take, are kept as well."""
    old = [(name, b"old") for name in injected(propagator)]
    headers: list[Any] = [("key", None), *old, ("other", b"1"), *old, (b"odd", b"2")]
    propagator.inject(CONTEXT, KafkaHeaders(headers))
    new = [(name, value.encode()) for name, value in injected(propagator).items()]
    assert headers == [("key", None), ("other", b"1"), (b"odd", b"2"), *new]


def test_a_mock_tracer_writes_kafka_headers() -> None:
    """A MockTracer writes them as BasicTracer does."""
    headers: list[Any] = []
    tracer = MockTracer()
    tracer.inject(tracer.start_span("send"), Format.TEXT_MAP, KafkaHeaders(headers))
    assert {(type(name), type(value)) for name, value in headers} == {(str, bytes)}


@pytest.mark.parametrize("wrong", [None, (), {}])
def test_kafka_headers_are_a_list(wrong: Any) -> None:
    """Another type is refused, because the message would not get the headers."""
    with pytest.raises(TypeError, match=f"headers must be a list, not {type(wrong).__name__}"):
        KafkaHeaders(wrong)
