"""The ``baggage`` header, after the examples of https://www.w3.org/TR/baggage/ and its tests."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import BasicSpanContext
from opentracing_recorder._baggage import format_w3c_baggage, parse_w3c_baggage


def written(baggage: dict[str, str]) -> str:
    return format_w3c_baggage(BasicSpanContext(1, 2, baggage))


texts = st.text(st.characters(blacklist_categories=("Cs",)))


@given(st.dictionaries(texts.filter(bool), texts, max_size=8))
def test_round_trip(baggage: dict[str, str]) -> None:
    """Everything comes back, the case of keys and blanks at the ends included."""
    assert parse_w3c_baggage(written(baggage)) == (baggage, 0)


@given(st.text())
def test_arbitrary_headers(header: str) -> None:
    """Nothing is raised, and whatever was read can be written and read again."""
    baggage, _ = parse_w3c_baggage(header)
    assert parse_w3c_baggage(written(baggage)) == (baggage, 0)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "key1=value1;property1;property2, key2 = value2, key3=value3; property=value",
            {"key1": "value1", "key2": "value2", "key3": "value3"},
        ),
        (
            "userId=alice,serverNode=DF%2028,isProduction=false",
            {"userId": "alice", "serverNode": "DF 28", "isProduction": "false"},
        ),
        ("userId =   alice", {"userId": "alice"}),
        (
            "serverNode = DF%2028, isProduction = false",
            {"serverNode": "DF 28", "isProduction": "false"},
        ),
        (
            "SomeKey \t = \t SomeValue \t ; \t SomeProp \t , \t b = c",
            {"SomeKey": "SomeValue", "b": "c"},
        ),
        ("SomeKey=SomeValue=equals", {"SomeKey": "SomeValue=equals"}),
        ("a=%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29", {"a": "\t \"';=asdf!@#$%^&*()"}),
        ("a=1,a=2", {"a": "2"}),
        ("k=1,other=x,k=,%6B=3;p", {"other": "x", "k": "3"}),
        ("phone=+15550100,lang=C++", {"phone": "+15550100", "lang": "C++"}),
        ("a+b=c+d,e=1+1%20f", {"a+b": "c+d", "e": "1+1 f"}),
        ("a=,b=1", {"a": "", "b": "1"}),
        ("a,=1,;p=1,,b=1", {"b": "1"}),
        ("a=%C3%A9,b=\u00e9", {"a": "\u00e9", "b": "\u00e9"}),
        ("a=%ff%zz", {"a": "\ufffd%zz"}),
        ("", {}),
    ],
)
def test_examples(header: str, expected: dict[str, str]) -> None:
    """Blanks around, properties, signs of equality, percent-encoding; what is no item is passed."""
    assert parse_w3c_baggage(header) == (expected, 0)


def test_the_last_of_two_items_with_one_key_counts_within_the_limits() -> None:
    """One that is over them is dropped and counted; the place of the earlier one is free again."""
    assert parse_w3c_baggage(f"a=1,a={'x' * 8192},b=1") == ({"b": "1"}, 1)
    assert parse_w3c_baggage(f"a={'x' * 8190},a=1,b={'y' * 8000}") == (
        {"a": "1", "b": "y" * 8000},
        0,
    )
    many = ",".join(f"key{each}=v" for each in range(64))
    baggage, dropped = parse_w3c_baggage(f"{many},key0=w,more=1")
    assert (len(baggage), baggage["key0"], dropped) == (64, "w", 1)


def test_what_is_written_can_be_read_by_everyone() -> None:
    """Keys keep what a token may hold; values are percent-encoded, a plus sign too."""
    token = "!#$&'*-.^_`|~" + string.digits + string.ascii_letters
    assert written({token: "a b+c,d;e=f"}) == f"{token}=a%20b%2Bc%2Cd%3Be%3Df"
    assert written({"a b%+,;=\u00e9\r\n": "\r\n"}) == ("a%20b%25%2B%2C%3B%3D%C3%A9%0D%0A=%0D%0A")


def test_what_the_format_has_no_place_for_is_left_out() -> None:
    """An empty key, and items that would make the header longer than readers take."""
    baggage = {"": "x", "a": "1", "b": "x" * 8186, "c": "x" * 8182, "d": "1"}
    assert written(baggage) == "a=1,c=" + "x" * 8182
