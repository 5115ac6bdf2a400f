"""CarrierFormat: how a format finds its entries in carriers, and replaces them."""

from __future__ import annotations

import email.message
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder.propagator import CarrierFormat, header_name


def fields_x(name: str) -> str | None:
    field = header_name(name)
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
        expected = CarrierFormat(fields_x).read(iter(carrier))
        assert seasoned.read(carrier) == expected
        assert seasoned.read(tuple(carrier)) == expected
        assert seasoned.read(dict(carrier)) == CarrierFormat(fields_x).read(dict(carrier).items())


@pytest.mark.parametrize("length", [20, 2000])
def test_names_from_outside_fill_no_memory(length: int) -> None:
    """However many names arrive, and however long they are, few are remembered."""
    format = CarrierFormat(fields_x)
    for number in range(3000):
        format.read({f"x-{number}".ljust(length, "y"): "value"})
    assert sum(sys.getsizeof(name) for name in format._known) < 200_000


def test_a_format_serves_many_threads() -> None:
    """Each thread finds all of its entries while the others make the format forget names."""
    format = CarrierFormat(fields_x)
    start = threading.Barrier(4)
    wrong: list[Any] = []

    def read(thread: int) -> None:
        start.wait()
        for number in range(1500):
            name = f"x-{thread}-{number}"
            if format.read({"other": "1", name: "2"}) != [(name, "2")]:
                wrong.append(name)

    threads = [threading.Thread(target=read, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("stale", ["x-a", "X-A", "HTTP_X_A", b"X-a"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_old_entry_does_not_stay_beside_the_new(stale: Any, times: int) -> None:
    """Whatever the spelling of its name, and whether or not that was seen before."""
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
