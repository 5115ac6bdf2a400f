"""Timelines: text that fits the terminal, and a page that is safe to open."""

from __future__ import annotations

import io
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import Trace
from opentracing_recorder.timeline import format_duration, render_html, render_text


def span(span_id: str, parent_id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "trace_id": "t1",
        "span_id": span_id,
        "parent_id": parent_id,
        "operation_name": f"op {span_id}",
        "service": None,
        "start_time": 0.0,
        "duration": 1.0,
        "tags": {},
        "logs": [],
        **fields,
    }


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


def page(*spans: dict[str, Any]) -> str:
    return render_html(Trace.from_spans(spans))


def columns(line: str) -> int:
    """The columns that a terminal needs for a line, counted another way than the module does."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in line)
    return len(line) + wide - sum(unicodedata.combining(each) > 0 for each in line)


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
    """The ASCII form has the same lines and the same columns."""
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
    """A terminal that has no Unicode can print the whole picture."""
    drawn = text(span("1", operation_name="café 日", service="é"), unicode=False)
    assert drawn.isascii()
    assert r"caf\xe9 \u65e5" in drawn


@pytest.mark.parametrize(("encoding", "unicode"), [("utf-8", True), ("latin-1", False)])
def test_the_stream_decides_whether_unicode_is_used(encoding: str, unicode: bool) -> None:
    """Without being told, the text is what the stream can encode."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    drawn = render_text(Trace.from_spans(CHECKOUT), width=60, stream=stream)
    assert drawn == text(*CHECKOUT, unicode=unicode)


def test_a_stream_without_an_encoding_gets_ascii() -> None:
    """Where nobody knows what can be shown, what is shown everywhere is used."""
    assert render_text(Trace.from_spans(CHECKOUT), width=60, stream=io.StringIO()).isascii()


def test_colour_adds_nothing_but_escape_sequences() -> None:
    """With the escape sequences taken out, the coloured text is the plain text."""
    colored = text(*CHECKOUT, color=True)
    assert "\x1b[31m" in colored
    plain = re.sub(r"\x1b\[\d+m", "", colored)
    assert [line.rstrip() for line in plain.splitlines()] == text(*CHECKOUT).splitlines()


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Newlines, escape sequences, reversed text and broken surrogates are shown, not done."""
    hostile = "a\nb\x1b[2Jc\u202ed\ud800"
    drawn = text(span("1", operation_name=hostile, tags={"error": hostile}))
    assert r"a\nb\x1b[2Jc\u202ed\ud800" in drawn
    assert all(line.isprintable() for line in drawn.splitlines())


def test_a_narrow_terminal_gets_names_and_durations() -> None:
    """Where there is no room for bars, there are none."""
    assert text(span("1", operation_name="x" * 50), width=24).splitlines()[1:] == [
        f"{'x' * 15}…  1.00 s"
    ]


def test_short_names_leave_the_room_to_the_bars() -> None:
    """A wide terminal shows bars and durations however short the names are."""
    assert text(span("1", operation_name="op"), width=30).splitlines()[2] == (
        f"op  {'━' * 18}  1.00 s"
    )


def test_deep_spans_are_still_named() -> None:
    """Past a depth that the width allows, a number stands for the lines of the tree."""
    chain = [span(str(number), str(number - 1)) for number in range(50)]
    assert "…49 └─ op 49" in text(*chain)


def test_spans_outside_the_axis_and_without_length_are_drawn() -> None:
    """A span of no length has a bar, even where its whole trace has none."""
    assert "╺" in text(span("1"), span("2", "1", start_time=1.0, duration=0.0)).splitlines()[-1]
    assert "╸" in text(span("1", duration=0.0))


def test_no_traces_are_no_text() -> None:
    """Nothing in, nothing out."""
    assert text() == ""


def test_traces_are_apart() -> None:
    """An empty line is between two traces."""
    blocks = text(span("1"), span("2", trace_id="t2")).split("\n\n")
    assert [block.split()[1] for block in blocks] == ["t1", "t2"]


def test_a_width_of_nothing_is_refused() -> None:
    """The message says what was given."""
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
    """The unit is the one that people would choose."""
    assert format_duration(seconds) == expected


TIMES = st.none() | st.floats() | st.integers(-10, 10)


def lists_of_spans(longest: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Spans whose texts are all short, or not: one long name hides what short ones would show."""
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


@given(ANY_SPANS, st.integers(1, 130), st.booleans())
def test_no_line_is_wider_than_the_width(
    spans: list[dict[str, Any]], width: int, unicode: bool
) -> None:
    """Whatever the spans and the width are, no line wraps and no character needs more."""
    lines = text(*spans, width=width, unicode=unicode).split("\n")
    assert max(map(columns, lines)) <= width
    assert all(line.isprintable() and (unicode or line.isascii()) for line in lines)


class Reader(HTMLParser):
    """Collects what a browser would see; fails where a tag is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def styles_of(self, tag: str) -> list[str | None]:
        return [attributes.get("style") for name, attributes in self.tags if name == tag]


def test_the_page_shows_each_span_with_its_bar_and_details() -> None:
    """One closed <details> a span, with a bar at its place, tags, logs and the error message."""
    reader = Reader(page(*CHECKOUT))
    kinds = [attributes["class"] for tag, attributes in reader.tags if tag == "details"]
    assert kinds == ["span s0", "span s1", "span error s2", "span open"]
    assert reader.styles_of("i")[1:] == [
        "left:0.000%;width:100.000%",
        "left:0.000%;width:25.000%",
        "left:25.000%;width:50.000%",
        "left:50.000%;width:50.000%",
    ]
    assert reader.styles_of("u") == ["left:50.000%"]
    for shown in ("checkout", "Declined: no\\ncard", "no\ncard", "error.kind", "+ 250 ms"):
        assert any(shown in each for each in reader.texts), shown


HOSTILE = "</style></title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


def test_users_text_is_never_markup() -> None:
    """Hostile text in every field shows as text, and adds no element and no attribute."""
    log = {"timestamp": 0.0, "fields": {"event": "error", "message": HOSTILE, HOSTILE: HOSTILE}}

    def everywhere(value: str) -> str:
        fields = {"event": "error", "message": value, value: value}
        hostile = span(
            value,
            value,
            trace_id=value,
            operation_name=value,
            service=value,
            tags={"error": True, value: value, "list": [value]},
            logs=[{**log, "fields": fields}],
            dropped_tags=value,
        )
        return render_html(Trace.from_spans([hostile]), title=value)

    harmless, attacked = Reader(everywhere("x")), Reader(everywhere(HOSTILE))
    assert attacked.tags == harmless.tags
    assert sum(HOSTILE in each for each in attacked.texts) >= 10


def test_the_page_needs_no_network_and_allows_no_script() -> None:
    """The policy forbids everything but the page's own style, and nothing refers elsewhere."""
    source = page(*CHECKOUT)
    (policy,) = re.findall(r'Content-Security-Policy"\s+content="([^"]*)"', source)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert not re.search(r"<script|<link|<img|\bsrc=|\bhref=|url\(|@import|https?:", source)


def test_the_page_is_readable_in_the_dark() -> None:
    """Colours follow the reader's preference."""
    assert "@media (prefers-color-scheme: dark)" in page(*CHECKOUT)


def test_the_page_tells_what_was_dropped() -> None:
    """A span that lost tags or logs to its limits says how many."""
    reader = Reader(page(span("1", dropped_tags=3, dropped_logs=0)))
    assert "dropped tags" in reader.texts
    assert "dropped logs" not in reader.texts


def test_a_page_without_spans_says_so() -> None:
    """An empty page is not mistaken for a broken one."""
    assert "No spans." in page()


@given(ANY_SPANS)
def test_any_spans_make_a_page_that_can_be_written(spans: list[dict[str, Any]]) -> None:
    """Whatever the spans are, the page is well-formed and can be encoded."""
    source = page(*spans)
    source.encode("utf-8")
    shown = [tag for tag, _ in Reader(source).tags if tag == "details"]
    assert len(shown) == len(spans)
