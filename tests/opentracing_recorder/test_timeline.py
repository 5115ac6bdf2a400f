"""The timeline as text: a picture that fits the terminal, for any spans."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import Trace
from opentracing_recorder.timeline import format_duration, render_text

from .span_dicts import span

DECLINED = {
    "timestamp": 0.5,
    "fields": {"event": "error", "error.kind": "Declined", "message": "no\ncard"},
}

CHECKOUT = [
    span("1", operation_name="checkout", service="shop"),
    span("2", "1", operation_name="reserve", service="stock", duration=0.25),
    span(
        "3",
        "1",
        operation_name="charge",
        service="bank",
        start_time=0.25,
        duration=0.5,
        tags={"error": True},
        logs=[DECLINED],
    ),
    span("4", "3", operation_name="notify", start_time=0.5, duration=None),
]


def text(*spans: dict[str, Any], width: int = 60, unicode: bool = True, **options: Any) -> str:
    return render_text(Trace.from_spans(spans), width=width, unicode=unicode, **options)


def columns(line: str) -> int:
    """The columns that a terminal needs for a line, counted in another way than the module does."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in line)
    # Some marks over a character have no combining class.
    marks = re.sub("\ufe0f", "", line)
    return len(line) + wide - sum(unicodedata.category(each) in ("Mn", "Me") for each in marks)


def queries(number: int, **fields: Any) -> list[dict[str, Any]]:
    """`number` children of the span "0", one after the other."""
    return [
        span(
            f"q{index}",
            "0",
            operation_name="SELECT",
            start_time=index / number,
            duration=0.25 / number,
            **fields,
        )
        for index in range(number)
    ]


def test_a_trace_is_a_tree_with_bars_on_one_axis() -> None:
    """The picture, as it is in the documentation: names, bars, log marks, durations, the error."""
    assert text(*CHECKOUT).splitlines() == [
        "trace t1 · 1.00 s · 4 spans · shop, stock, bank · 1 error",
        "                   0                         1.00 s",
        "shop: checkout     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   1.00 s",
        "├─ stock: reserve  ━━━━━━━━                           250 ms",
        "└─ ✗ bank: charge          ━━━━━━━━┿━━━━━━━           500 ms",
        "   │  Declined: no\\ncard",
        "   └─ notify                       ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄▸  running",
    ]


def test_the_same_without_unicode() -> None:
    """Without Unicode, the picture has the same lines and the same columns."""
    assert text(*CHECKOUT, unicode=False).splitlines() == [
        "trace t1 - 1.00 s - 4 spans - shop, stock, bank - 1 error",
        "                   0                         1.00 s",
        "shop: checkout     ================================   1.00 s",
        "|- stock: reserve  ========                           250 ms",
        "`- ! bank: charge          ========+=======           500 ms",
        "   |  Declined: no\\ncard",
        "   `- notify                       ~~~~~~~~~~~~~~~>  running",
    ]


def test_without_unicode_users_text_is_ascii_too() -> None:
    """Without Unicode, all text is ASCII, including that of spans."""
    drawn = text(span("1", operation_name="café 日", service="é"), unicode=False)
    assert drawn.isascii()
    assert r"caf\xe9 \u65e5" in drawn


@pytest.mark.parametrize(("encoding", "unicode"), [("utf-8", True), ("latin-1", False)])
def test_the_stream_decides_whether_unicode_is_used(encoding: str, unicode: bool) -> None:
    """By default, the text is Unicode if the stream can encode it."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    drawn = render_text(Trace.from_spans(CHECKOUT), width=60, stream=stream)
    assert drawn == text(*CHECKOUT, unicode=unicode)


def test_a_stream_without_an_encoding_gets_ascii() -> None:
    """If the stream's encoding is unknown, the text is ASCII."""
    assert render_text(Trace.from_spans(CHECKOUT), width=60, stream=io.StringIO()).isascii()


def test_colour_adds_nothing_but_escape_sequences() -> None:
    """Without its escape sequences, the coloured text is the plain text."""
    colored = text(*CHECKOUT, color=True)
    assert "\x1b[31m" in colored
    plain = re.sub(r"\x1b\[\d+m", "", colored)
    assert [line.rstrip() for line in plain.splitlines()] == text(*CHECKOUT).splitlines()


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Newlines, escape sequences, reversed text and broken surrogates are shown as escapes."""
    hostile = "a\nb\x1b[2Jc\u202ed\ud800"
    drawn = text(span("1", operation_name=hostile, tags={"error": hostile}))
    assert r"a\nb\x1b[2Jc\u202ed\ud800" in drawn
    assert all(line.isprintable() for line in drawn.splitlines())


def test_a_narrow_terminal_gets_names_and_durations() -> None:
    """If the width is too small for bars, they are left out."""
    assert text(span("1", operation_name="x" * 50), width=24).splitlines()[1:] == [
        f"{'x' * 15}…  1.00 s"
    ]


def test_short_names_leave_the_room_to_the_bars() -> None:
    """A wide terminal shows bars and durations, however short the names are."""
    assert text(span("1", operation_name="op"), width=30).splitlines()[2] == (
        f"op  {'━' * 18}  1.00 s"
    )


def test_many_children_alike_are_one_line() -> None:
    """A fold shows the number of its spans, all their bars, and the range of their durations."""
    assert text(span("0"), *queries(10), span("1", "0")).splitlines()[2:] == [
        "op 0            ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1.00 s",
        "├─ SELECT × 10  ━  ╺╸  ━  ╺╸  ━╸  ━  ╺╸  ━  ╺╸  ━╸    925 ms",
        "│     25.0 ms to 25.0 ms each, median 25.0 ms",
        "└─ op 1         ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1.00 s",
    ]


def test_the_number_of_a_fold_is_never_cut_off() -> None:
    """If the name is too long, it is cut, and the number of spans is kept."""
    long = [{**each, "operation_name": "S" * 99} for each in queries(10)]
    assert "SSSS… × 10  " in text(span("0"), *long)


def test_a_few_children_alike_are_drawn_one_by_one() -> None:
    """A few spans are not folded; with ``fold=None``, none are."""
    assert text(span("0"), *queries(9)).count("SELECT") == 9
    assert text(span("0"), *queries(12), fold=None).count("SELECT") == 12
    assert text(span("0"), *queries(3), fold=3).count("SELECT") == 1


def test_what_failed_stands_out_of_a_fold() -> None:
    """Failed spans are not folded with the others, also further down the tree."""
    failed = {"tags": {"error": "boom"}}
    below = [span(f"b{index}", f"q{index}", operation_name="below") for index in range(10)]
    below[4].update(failed)
    drawn = text(span("0"), *queries(10), *below, span("x", "0", operation_name="SELECT", **failed))
    for shown in ("├─ SELECT × 10", "│  ├─ below × 9", "│  └─ ✗ below", "└─ ✗ SELECT"):
        assert shown in drawn, drawn


def test_a_span_whose_parent_was_not_recorded_says_so() -> None:
    """The line below it has the parent's id, as the page does."""
    assert text(span("1", "gone\n"), span("2", "1")).splitlines()[2:] == [
        "op 1     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1.00 s",
        "│  parent gone\\n (not recorded)",
        "└─ op 2  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1.00 s",
    ]


def test_folded_spans_whose_parents_were_not_recorded_say_so() -> None:
    """They are folded with each other only."""
    lost = [span(str(each), f"gone {each}", operation_name="op") for each in range(1, 12)]
    roots = [span(str(each), operation_name="op") for each in range(21, 32)]
    lines = text(*lost, *roots).splitlines()
    assert [line.split()[2] for line in lines if line.startswith("op ")] == ["11", "11"]
    assert sum("parents not recorded" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("first", "width", "services"),
    [
        ("shop", 70, "shop, cart, stock, bank, mail"),
        ("shop", 69, "shop, cart, stock, +2"),
        ("shop", 61, "shop, cart, +3"),
        ("shop", 54, "shop, +4"),
        ("shop in Berlin", 54, "5 services"),
    ],
)
def test_where_space_is_short_the_title_names_fewer_services(
    first: str, width: int, services: str
) -> None:
    """The number of errors stays, as long as it fits beside the number of services."""
    names = [first, "cart", "stock", "bank", "mail"]
    spans = [
        span(str(number), "1" if number > 1 else None, service=name, tags={"error": True})
        for number, name in enumerate(names, 1)
    ]
    drawn = text(*spans, width=width).splitlines()[0]
    assert drawn == f"trace t1 · 1.00 s · 5 spans · {services} · 5 errors"


def test_corrected_clocks_are_noted() -> None:
    """One line says which services were corrected by how much at most; the bars are corrected."""
    server = span("2", "1", service="stock", start_time=-5.0, duration=0.5)
    below = span("3", "2", service="stock", start_time=-4.75, duration=0.25)
    early = span("4", "1", service="bank", start_time=-9.0, duration=1.0)
    drawn = text(span("1", service="shop"), server, below, early).splitlines()
    assert drawn[0] == "trace t1 · 1.00 s · 4 spans · shop, bank, stock"
    assert drawn[1] == "clocks corrected: bank +9.00 s, stock +5.25 s"
    assert drawn[2].split() == ["0", "1.00", "s"]
    assert "clocks corrected" not in text(span("1"), span("2", "1"))


def test_a_fold_of_less_than_two_is_refused() -> None:
    """The error has the value."""
    with pytest.raises(ValueError, match="fold must be at least 2 spans, or None, not 1"):
        text(span("1"), fold=1)


def test_marks_that_have_no_width_are_given_none() -> None:
    """Combining letters of any script take the columns that a terminal gives them."""
    lines = text(span("1", operation_name="\u0915\u0941 e\u0301"), width=40).splitlines()
    assert lines[2].startswith("\u0915\u0941 e\u0301  ━")


def test_deep_spans_are_still_named() -> None:
    """If the tree is too deep for the width, the depth as a number replaces its lines."""
    chain = [span(str(number), str(number - 1)) for number in range(50)]
    assert "…49 └─ op 49" in text(*chain)


def test_spans_outside_the_axis_and_without_length_are_drawn() -> None:
    """A span without a duration has a bar, even if its whole trace has none."""
    assert "╺" in text(span("1"), span("2", "1", start_time=1.0, duration=0.0)).splitlines()[-1]
    assert "╸" in text(span("1", duration=0.0))


def test_no_traces_are_no_text() -> None:
    """No traces give an empty text."""
    assert text() == ""


def test_traces_are_apart() -> None:
    """An empty line separates two traces."""
    blocks = text(span("1"), span("2", trace_id="t2")).split("\n\n")
    assert [block.split()[1] for block in blocks] == ["t1", "t2"]


def test_a_terminal_of_unknown_width_has_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some terminals, such as those of editors, builds and containers, report 0 columns."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((0, 0)))
    drawn = render_text(Trace.from_spans(CHECKOUT), unicode=True)
    assert drawn == text(*CHECKOUT, width=100)


def test_a_width_of_nothing_is_refused() -> None:
    """The error has the value."""
    with pytest.raises(ValueError, match="width must be at least 1 column, not 0"):
        text(span("1"), width=0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0 µs"),
        (0.00085, "850 µs"),
        (0.0009996, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.9996, "1.00 s"),
        (1.2, "1.20 s"),
        (3600.0, "3600 s"),
        (1e14, "1e+14 s"),
        (-0.25, "-250 ms"),
    ],
)
def test_durations_have_three_figures(seconds: float, expected: str) -> None:
    """A duration has three figures, and the unit that people use for its size."""
    assert format_duration(seconds) == expected


TIMES = st.none() | st.floats() | st.integers(-10, 10)


def lists_of_spans(longest: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists of spans with texts up to `longest`: one long name would hide faults of short ones."""
    names = st.text(max_size=longest) | st.text("日é\u0301x", max_size=longest)
    logs = st.fixed_dictionaries({"timestamp": TIMES, "fields": st.just({"a": 1})})
    spans = st.builds(
        span,
        st.sampled_from("abcd"),
        st.sampled_from([None, "a", "b", "c", "d"]),
        operation_name=names,
        service=st.none() | names,
        start_time=TIMES,
        duration=TIMES,
        tags=st.fixed_dictionaries({}, optional={"error": st.booleans() | names}),
        logs=st.lists(logs, max_size=3),
    )
    return st.lists(spans, min_size=1, max_size=6)


ANY_SPANS = st.sampled_from([0, 3, 40]).flatmap(lists_of_spans)


@given(ANY_SPANS, st.integers(1, 130), st.booleans(), st.none() | st.integers(2, 3))
def test_no_line_is_wider_than_the_width(
    spans: list[dict[str, Any]], width: int, unicode: bool, fold: int | None
) -> None:
    """For any spans and any width, no line is wider than the width."""
    lines = text(*spans, width=width, unicode=unicode, fold=fold).split("\n")
    assert max(map(columns, lines)) <= width
    assert all(line.isprintable() and (unicode or line.isascii()) for line in lines)
