"""CarrierFormat: how a format finds its entries in carriers, and replaces them."""

from __future__ import annotations

import email.message
import subprocess
import sys
import threading
import wsgiref.headers
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Format, InvalidCarrierException, SpanContextCorruptedException
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    BinaryPropagator,
    CompositePropagator,
    Propagator,
    TextPropagator,
)
from opentracing_recorder._carrier import CarrierFormat
from opentracing_recorder._hex_ids_read import parse_hex_id


def fields_x(name: str) -> str | None:
    field = name.lower()
    return field if field.startswith("x-") else None


NAMES = st.one_of(
    st.sampled_from(["x-a", "X-A", "HTTP_X_A", b"x-a", b"X-A", "x-b", "other", "", b"\xff"]),
    st.text(max_size=5),
    st.binary(max_size=5),
)


@given(st.lists(st.lists(st.tuples(NAMES, st.text(max_size=3)), max_size=6), max_size=5))
def test_what_is_remembered_of_names_changes_nothing(carriers: Any) -> None:
    """A format that has seen many names reads each carrier as a new one does."""
    seasoned = CarrierFormat(fields_x)
    for carrier in carriers:
        expected = CarrierFormat(fields_x).read_text(iter(carrier))
        assert seasoned.read_text(carrier) == expected
        assert seasoned.read_text(tuple(carrier)) == expected
        in_dict = CarrierFormat(fields_x).read_text(dict(carrier).items())
        assert seasoned.read_text(dict(carrier)) == in_dict


@given(
    st.lists(
        st.dictionaries(NAMES, st.one_of(st.text(max_size=3), st.binary(max_size=3)), max_size=6),
        max_size=5,
    )
)
def test_what_is_remembered_of_sets_of_names_changes_nothing(carriers: Any) -> None:
    """Read as text, a dict gives what its pairs give, seen before or not."""
    seasoned = CarrierFormat(fields_x)
    for carrier in [*carriers, *carriers]:
        expected = CarrierFormat(fields_x).read_text(iter(carrier.items()))
        assert seasoned.read_text(carrier) == expected
        assert seasoned.read_text(dict(reversed(carrier.items()))).keys() == expected.keys()


@pytest.mark.parametrize("form", [dict, lambda pairs: pairs], ids=["dict", "pairs"])
def test_the_first_value_of_a_field_counts(form: Any) -> None:
    """Unless the field is unique: then two different ones are an error."""
    format = CarrierFormat(fields_x)
    carrier = form([("x-a", "1"), ("X-A", b"2"), ("x-b", "3"), (b"x-b", "3"), ("x-c", None)])
    for _ in range(2):
        assert format.read_text(carrier) == {"x-a": "1", "x-b": "3"}
        assert format.read_text(carrier, ("x-b",)) == {"x-a": "1", "x-b": "3"}
        with pytest.raises(
            SpanContextCorruptedException, match=r"^x-a got two values, '1' and '2'$"
        ):
            format.read_text(carrier, ("x-a", "x-b"))


def test_names_that_are_known_may_come_with_other_values() -> None:
    """A format remembers the place of a field, not its value."""
    format = CarrierFormat(fields_x)
    values: list[Any] = ["1", b"2", None, LoudText("4"), "5"]
    read = [format.read_text({"host": "h", "X-A": value}) for value in values]
    assert read == [{"x-a": "1"}, {"x-a": "2"}, {}, {"x-a": "4"}, {"x-a": "5"}]


@pytest.mark.parametrize("count", [1, 300])
@pytest.mark.parametrize("length", [20, 2000])
def test_sets_of_names_from_outside_fill_no_memory(length: int, count: int) -> None:
    """Few sets are remembered, however many arrive and however long they are."""
    format = CarrierFormat(fields_x)
    for number in range(250):  # more than are remembered
        names = [f"x-{number}-{index}".ljust(length, "y") for index in range(count)]
        assert len(format.read_text(dict.fromkeys(names, "value"))) == count
    assert sum(len(name) for names in format._known_sets for name in names) <= 200 * 2000


def test_all_fields_of_a_format_are_replaced() -> None:
    """Entries that the new ones make stale go too; those that are not the format's stay."""
    format = CarrierFormat(fields_x)
    mapping = {"X-A": "1", "X-B": "2", "x-c": "3", "host": "h"}
    pairs = list(mapping.items())
    format.write(mapping, {"x-a": "4"})
    format.write(pairs, {"x-a": "4"})
    assert mapping == {"host": "h", "x-a": "4"}
    assert pairs == [("host", "h"), ("x-a", "4")]


HEX = "0123456789abcdefABCDEF"


@given(st.text(st.sampled_from(HEX + "xX_+- \tg\u0661"), max_size=20), st.sampled_from([16, 32]))
def test_ids_are_hexadecimal_digits_and_nothing_else(value: str, max_digits: int) -> None:
    """An id has 1 to max_digits digits, perhaps with blanks around, and is not 0."""
    digits = value.strip(" \t")
    good = 0 < len(digits) <= max_digits and set(digits) <= set(HEX) and set(digits) != {"0"}
    number = None
    try:
        number = parse_hex_id("field", value, max_digits)
    except SpanContextCorruptedException:
        pass
    assert number == (int(digits, 16) if good else None)


@pytest.mark.parametrize("length", [20, 2000])
def test_names_from_outside_fill_no_memory(length: int) -> None:
    """Few names are remembered, however many arrive and however long they are."""
    format = CarrierFormat(fields_x)
    for number in range(3000):
        format.read_text([(f"x-{number}".ljust(length, "y"), "value")])
    assert sum(len(name) for name in format._known) < 200_000


@pytest.mark.needs_os
@pytest.mark.threads
def test_a_format_serves_many_threads() -> None:
    """Each thread finds all of its entries while the others make the format forget names."""
    format = CarrierFormat(fields_x)
    start = threading.Barrier(4)
    wrong: list[Any] = []

    def read(thread: int) -> None:
        start.wait()
        for number in range(1500):
            name = f"x-{thread}-{number}"
            if format.read_text({"other": "1", name: "2"}) != {name: "2"}:
                wrong.append(name)

    threads = [threading.Thread(target=read, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("stale", ["x-a", "X-A", b"X-a"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_old_entry_does_not_stay_beside_the_new(stale: Any, times: int) -> None:
    """A field is replaced in any spelling of its name, seen before or not."""
    format = CarrierFormat(fields_x)
    for _ in range(times):
        carrier = {stale: "old", "other": "1"}
        format.write(carrier, {"x-a": "new"})
        assert carrier == {"other": "1", "x-a": "new"}


def test_headers_that_allow_repeats_hold_one_entry() -> None:
    """A message of the standard library adds where a dict replaces."""
    message = email.message.Message()
    message["X-A"] = "old"
    message["X-A"] = "older"
    CarrierFormat(fields_x).write(message, {"x-a": "new"})
    assert message.items() == [("x-a", "new")]


@pytest.mark.needs_os
def test_names_of_both_types_are_never_compared() -> None:
    """Under ``python -bb`` a comparison of str with bytes is an error."""
    code = """
from opentracing_recorder import BasicTracer
tracer = BasicTracer()
for names in (["ot-tracer-traceid", b"ot-tracer-traceid"], [b"other", "other"]):
    for name in names:
        carrier = {name: "1"}
        try:
            tracer.extract("http_headers", carrier)
        except tracer_errors:
            pass
        tracer.inject(tracer.start_span("x"), "http_headers", carrier)
"""
    code = "from opentracing import SpanContextCorruptedException as tracer_errors" + code
    subprocess.run([sys.executable, "-bb", "-c", code], check=True)


@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        ([("h", "v")], ("x-a", "1")),
        ([("h", b"v")], ("x-a", b"1")),
        ([(b"h", b"v")], (b"x-a", b"1")),
        ([], ("x-a", "1")),
    ],
)
def test_new_pairs_are_of_the_types_of_the_old(carrier: Any, expected: Any) -> None:
    """Names and values each: Kafka's headers have str names and bytes values."""
    CarrierFormat(fields_x).write(carrier, {"x-a": "1"})
    assert carrier[-1] == expected


def test_headers_that_do_not_tell_their_names_are_written_to() -> None:
    """WSGI's own header class, and whatever just has `__setitem__`."""
    headers = wsgiref.headers.Headers([("X-A", "old"), ("Other", "1")])
    CarrierFormat(fields_x).write(headers, {"x-a": "new"})
    assert sorted(headers.items()) == [("Other", "1"), ("x-a", "new")]

    class Sink:
        def __setitem__(self, name: str, value: str) -> None:
            setattr(self, name, value)

    sink = Sink()
    CarrierFormat(fields_x).write(sink, {"x-a": "new"})
    assert vars(sink) == {"x-a": "new"}


class RefusingList(list[Any]):
    def __setitem__(self, index: Any, value: Any) -> None:
        raise ValueError("read-only")


class Lying:
    """While `lies` is set, its class, and whatever else one asks it for, is an error."""

    lies = False

    @property
    def __class__(self) -> Any:
        if Lying.lies:
            raise RuntimeError("no class")
        return Lying

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lying]:
    with monkeypatch.context() as patch:
        patch.setattr(Lying, "lies", True)
        yield Lying()


def test_a_carrier_that_cannot_be_looked_at_is_invalid_for_writing(lying: Lying) -> None:
    """The application gets the documented exception, whatever the carrier raises."""
    with pytest.raises(InvalidCarrierException, match="wanted: to write to"):
        CarrierFormat(fields_x).write(lying, {"x-a": "1"})


@pytest.mark.parametrize("carrier", [RefusingList(), (), "text"])
def test_what_cannot_be_written_is_an_invalid_carrier(carrier: Any) -> None:
    """The application gets the documented exception, whatever the carrier raises."""
    with pytest.raises(InvalidCarrierException, match="wanted: to write to"):
        CarrierFormat(fields_x).write(carrier, {"x-a": "1"})


@pytest.mark.parametrize("propagator", [TextPropagator(), CompositePropagator([TextPropagator()])])
def test_what_cannot_be_read_is_an_invalid_carrier(propagator: Propagator, lying: Lying) -> None:
    """The application gets the documented exception, whatever the carrier raises."""
    with pytest.raises(InvalidCarrierException, match="wanted: a mapping"):
        propagator.extract(lying)


def test_a_value_that_is_no_text_is_passed_over(lying: Lying) -> None:
    """It is skipped, even if it lies about its class."""
    assert TextPropagator().extract({"ot-tracer-traceid": lying}) is None


class LoudText(str):
    def strip(self, chars: str | None = None, /) -> str:
        raise RuntimeError("strip")


def test_values_of_a_subclass_of_str_are_read_as_plain_text() -> None:
    """None of the subclass's own methods is called."""
    carrier = {f"ot-tracer-{each}": LoudText("1") for each in ("traceid", "spanid", "sampled")}
    context = TextPropagator().extract(carrier)
    assert context is not None
    assert (context.trace_id, context.span_id, context.sampled) == (1, 1, True)


def test_bytes_that_are_fixed_or_released_raise_nothing_else() -> None:
    """A bytearray fixed by a memoryview, which CPython cannot extend, and a released memoryview."""
    carrier = bytearray()
    with memoryview(carrier) as view:
        try:
            BinaryPropagator().inject(BasicSpanContext(1, 2), carrier)
        except InvalidCarrierException:
            assert not carrier
    with pytest.raises(InvalidCarrierException, match="released"):
        BinaryPropagator().extract(view)


@pytest.mark.parametrize(
    "ids", [(None, None), (1, None), ("a", "b"), (-1, -2), (0, 1), (1, 0), (2**128, 1), (1, 2**64)]
)
def test_ids_that_no_trace_can_have_are_kept_off_the_wire(ids: Any) -> None:
    """Nothing is written, and as a parent such a context starts a new trace."""
    tracer = BasicTracer()
    context = BasicSpanContext(*ids)
    headers: dict[str, str] = {}
    data = bytearray()
    tracer.inject(context, Format.TEXT_MAP, headers)
    tracer.inject(context, Format.BINARY, data)
    assert (headers, data) == ({}, b"")
    span = tracer.start_span("x", child_of=context)
    assert span.parent_id is None
    assert "BasicSpanContext" in repr(context)
    assert span.to_dict()["trace_id"] == span.context.to_trace_id()
    assert span.context.has_trace
