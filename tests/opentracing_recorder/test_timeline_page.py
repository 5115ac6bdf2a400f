"""The timeline as a page, in a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from opentracing_recorder import Trace
from opentracing_recorder.timeline import render_html

from ..browser import Page
from .span_dicts import span
from .test_timeline import CHECKOUT, queries

pytestmark = pytest.mark.needs_os

RESERVE = {"tags": {"sku": "A-7", "gift": True}, "baggage": {"tenant": "t-9"}}
SHOP = [{**each, **RESERVE} if each["operation_name"] == "reserve" else each for each in CHECKOUT]

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"

Show = Callable[..., Page]


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Opens the page of some spans, and waits until it is ready."""

    def show(*spans: dict[str, Any], **options: Any) -> Page:
        file = tmp_path / "timeline.html"
        file.write_text(render_html(Trace.from_spans(spans), **options), encoding="utf-8")
        page.open(file)
        page.wait_for("document.body.classList.contains('ready')")
        return page

    return show


def names(page: Page) -> list[str]:
    """The names of the spans in the list."""
    found: list[str] = page.run(
        "[...document.querySelectorAll('.row.span em')].map((each) => each.textContent)"
    )
    return found


def selected(page: Page) -> str:
    """The label of the selected row, for a screen reader."""
    found: str = page.run(
        "document.getElementById(document.getElementById('list')"
        ".getAttribute('aria-activedescendant')).getAttribute('aria-label')"
    )
    return found


def details(page: Page) -> str:
    """The text of the details, with a tab between key and value; empty while they are hidden."""
    shown = "document.querySelector('#details:not([hidden])')?.innerText ?? ''"
    return re.sub(r"\t\n", "\t", page.run(shown))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.press(key)


def search(page: Page, text: str) -> None:
    page.press("/")
    page.call("Input.insertText", text=text)


def ticks(page: Page) -> list[str]:
    """The texts of the time axis."""
    found: list[str] = page.run(
        "[...document.querySelectorAll('#ticks span')].map((each) => each.textContent)"
    )
    return found


def view(page: Page) -> str:
    """The part of a trace that the axis shows, if it is not the whole."""
    found: str = page.run("document.querySelector('#ruler code')?.textContent ?? ''")
    return found


def row(name: str) -> str:
    """The selector of a span's row, by the start of its label."""
    return f".row[aria-label^='{name}']"


def test_the_page_shows_the_tree(show: Show) -> None:
    """Each span is a row in its place, and the page sends no request."""
    page = show(*SHOP)
    assert names(page) == ["checkout", "reserve", "✗ charge", "notify"]
    levels = page.run(
        "[...document.querySelectorAll('.row')].map((each) => each.getAttribute('aria-level'))"
    )
    assert levels == ["1", "2", "3", "3", "4"]
    assert "1 error" in page.run("document.body.innerText")
    assert page.errors == []
    assert len(page.requested) == 1


@pytest.mark.parametrize(
    ("name", "place"), [("checkout", (0, 1)), ("reserve", (0, 0.25)), ("charge", (0.25, 0.75))]
)
def test_bars_are_in_their_places(name: str, place: tuple[float, float], show: Show) -> None:
    """A bar covers the span's part of the trace."""
    measured = show(*SHOP).run(f"""(() => {{
        const axis = document.querySelector("{row(name)} .axis").getBoundingClientRect();
        const bar = document.querySelector("{row(name)} i").getBoundingClientRect();
        return [(bar.left - axis.left) / axis.width, (bar.right - axis.left) / axis.width];
    }})()""")
    assert measured == pytest.approx(place, abs=0.005)


def test_selecting_a_span_shows_its_tags_and_logs(show: Show) -> None:
    """A click opens the details; a click on another span changes them; Escape closes them."""
    page = show(*SHOP)
    page.click(row("reserve"))
    for shown in ("reserve", "stock", "250 ms", "sku\tA-7", "gift\ttrue", "tenant\tt-9"):
        assert shown in details(page)
    page.click(row("charge"))
    for shown in ("Declined: no\ncard", "error\ttrue", "+250 ms", "error.kind\tDeclined"):
        assert shown in details(page)
    page.press("Escape")
    assert details(page) == ""


def test_a_row_that_is_drawn_anew_while_it_is_pressed_is_selected(show: Show) -> None:
    """The list may scroll, or get another width, between press and release."""
    page = show(*SHOP)
    x, y = page.place(row("reserve"))
    at = {"x": x, "y": y, "button": "left", "clickCount": 1}
    page.call("Input.dispatchMouseEvent", type="mousePressed", **at)
    page.run("dispatchEvent(new Event('resize'))")
    page.call("Input.dispatchMouseEvent", type="mouseReleased", **at)
    assert "sku\tA-7" in details(page)


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        ("RESERVE", ["checkout", "reserve"], 1),
        ("sku=A-7", ["checkout", "reserve"], 1),
        ("stock gift=true", ["checkout", "reserve"], 1),
        ("declined", ["checkout", "✗ charge"], 1),
        ('"no\ncard"', [], 0),
        ("notify", ["checkout", "✗ charge", "notify"], 1),
        ("nothing like it", [], 0),
        ("t1", ["checkout", "reserve", "✗ charge", "notify"], 4),
    ],
)
def test_search_leaves_what_matches_and_what_it_is_in(
    text: str, shown: list[str], count: int, show: Show
) -> None:
    """Names, services, tags, logs and ids are searched; every word must match."""
    page = show(*SHOP)
    search(page, text)
    assert names(page) == shown
    found = page.run("document.getElementById('found').textContent")
    assert found == f"{count} of 4 spans"


def test_leaving_the_search_brings_all_back(show: Show) -> None:
    """Enter moves from the field to the first match; Escape shows all spans again."""
    page = show(*SHOP)
    search(page, "notify")
    page.press("Enter")
    assert selected(page) == "notify, running"
    press(page, "Escape")
    assert len(names(page)) == 4
    assert selected(page) == "notify, running"


def test_the_keyboard_does_it_all(show: Show) -> None:
    """Arrows move, fold and unfold; Enter opens and closes; e goes to the next error."""
    page = show(*SHOP)
    press(page, "ArrowDown", "ArrowDown")
    assert selected(page).startswith("reserve")
    press(page, "Enter")
    assert "A-7" in details(page)
    press(page, "Enter", "ArrowLeft", "ArrowLeft")
    assert names(page) == ["checkout"]
    assert "+3" in page.run("document.querySelector('.row.span').innerText")
    press(page, "ArrowRight", "End")
    assert selected(page).startswith("notify")
    press(page, "Home", "e")
    assert selected(page) == "charge, bank, 500 ms, failed Declined: no card"
    assert page.run("document.activeElement.id") == "list"


def test_a_click_on_its_triangle_folds_a_span(show: Show) -> None:
    """The span's children disappear, and appear again."""
    page = show(*SHOP)
    page.click(f"{row('charge')} .fold")
    assert names(page) == ["checkout", "reserve", "✗ charge"]
    assert page.run(f'document.querySelector("{row("charge")}").ariaExpanded') == "false"
    page.click(f"{row('charge')} .fold")
    assert len(names(page)) == 4


def test_a_span_can_fill_the_axis(show: Show) -> None:
    """The key z makes the selected span as wide as the axis, and shows the whole trace again."""
    page = show(*SHOP)
    press(page, "e", "z")
    assert view(page) == "250 ms to 750 ms"
    assert ticks(page)[0] == "400 ms"
    press(page, "z")
    assert view(page) == ""
    assert ticks(page)[0] == "0"


def test_many_traces_are_a_list_to_open(show: Show) -> None:
    """More than ten traces start folded; the arrow unfolds one."""
    page = show(*(span(str(each), trace_id=f"t{each}") for each in range(11)))
    assert names(page) == []
    press(page, "ArrowDown", "ArrowRight")
    assert names(page) == ["op 1"]


# Three requests, the second of which is the slowest, and the third failed twice.
REQUESTS = [
    span("a", trace_id="t1", operation_name="first", start_time=100.0, duration=0.2),
    span("b", trace_id="t2", operation_name="second", start_time=200.0, duration=2.0),
    span("c", trace_id="t3", operation_name="third", start_time=300.0, tags={"error": True}),
    span("d", "c", trace_id="t3", start_time=300.5, duration=0.25, tags={"error": True}),
]
# With them, there are so many that the page is an overview.
MORE = [
    span(f"m{each}", trace_id=f"m{each}", start_time=400.0 + each, duration=0.125)
    for each in range(9)
]


def heads(page: Page) -> list[str]:
    """The names of the traces in the list."""
    found: list[str] = page.run(
        "[...document.querySelectorAll('.row.top h2 > span:first-child')].map((e) => e.textContent)"
    )
    return found


def sort_by(page: Page, choice: str) -> None:
    page.run(f"""void (document.getElementById("sort").value = "{choice}",
        document.getElementById("sort").dispatchEvent(new Event("change")))""")


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ("time", ["first", "second", "third"]),
        ("duration", ["second", "third", "first"]),
        ("errors", ["third", "second", "first"]),
    ],
)
def test_traces_are_sorted(choice: str, first: list[str], show: Show) -> None:
    """By start, or the longest or those with the most errors first; keys follow that order."""
    page = show(*REQUESTS, *MORE)
    sort_by(page, choice)
    assert heads(page)[:3] == first
    press(page, "Home", "ArrowDown")
    assert selected(page).startswith(f"trace {first[1]}")


def test_an_overview_has_a_bar_for_each_trace(show: Show) -> None:
    """The bars have one scale, which is the axis: the longest trace is as wide as it."""
    page = show(*REQUESTS, *MORE)
    widths = page.run("""[...document.querySelectorAll(".row.top .whole")].map((bar) =>
        bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width)""")
    assert widths[:3] == pytest.approx([0.1, 1.0, 0.5], abs=0.005)
    assert (ticks(page)[0], ticks(page)[-1]) == ("0", "2.0 s")


def test_a_narrow_screen_has_the_errors_first(show: Show, page: Page) -> None:
    """A phone shows few rows, so those of traces that failed come first."""
    page.resize(390, 844, phone=True)
    show(*REQUESTS, *MORE)
    assert heads(page)[0] == "third"


def test_a_dot_of_the_overview_can_be_clicked(show: Show) -> None:
    """Each trace is a dot, with its duration over its start; hovering says which it is."""
    page = show(*REQUESTS, *MORE)
    press(page, "ArrowDown")
    at = page.run("[ring.style.left, ring.style.top].map(parseFloat)")
    press(page, "Home")
    box = page.run("(({left, top}) => [left, top])(chart.getBoundingClientRect())")
    where = {"x": box[0] + at[0], "y": box[1] + at[1]}
    page.call("Input.dispatchMouseEvent", type="mouseMoved", **where)
    assert tip(page).startswith("second\n2.00 s\n1970-01-01 00:03:20 UTC")
    for event in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=event, button="left", clickCount=1, **where)
    assert selected(page).startswith("trace second")


def tip(page: Page) -> str:
    """What the page says about what the pointer is over."""
    found: str = page.run("document.querySelector('#tip:not([hidden])')?.textContent ?? ''")
    return found


CALLS = [
    span("1", operation_name="order", service="shop", duration=0.5, tags={"http.status_code": 200}),
    span("2", "1", operation_name="load", service="cart", duration=0.05, tags={"status": 503}),
    span("3", "1", operation_name="load all", service="cart-db", duration=0.2, tags={"a b": "x y"}),
    span(
        "4",
        "1",
        operation_name="pay",
        service="bank",
        start_time=0.25,
        duration=0.2,
        tags={"http.status_code": "500", "error": True},
        logs=[{"timestamp": 0.3, "fields": {"event": "retry", "after": "120ms"}}],
    ),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("duration>100ms", ["order", "load all", "pay"]),
        ("duration>=0.5s", ["order"]),
        ("status>=500", ["load", "pay"]),
        ("http.status_code=500", ["pay"]),
        ("status!=200", ["load", "pay"]),
        ("service=cart", ["load"]),
        ("service~cart", ["load", "load all"]),
        ("-load", ["order", "pay"]),
        ("-service=cart", ["order", "load all", "pay"]),
        ('"load all"', ["load all"]),
        ('"a b"="x y"', ["load all"]),
        ("duration>100ms -pay status<300", ["order"]),
        ("error=true", ["pay"]),
        ("event=retry after<1s", ["pay"]),
        ("self>150ms", ["load all", "pay"]),
        ("critical<1ms", ["load"]),
        ("trace=T1 span=3", ["load all"]),
        ("duration>", ["order", "load", "load all", "pay"]),
        ("-", ["order", "load", "load all", "pay"]),
        ("constructor>1", []),
        ("__proto__=1", []),
    ],
)
def test_filters_combine(text: str, found: list[str], show: Show) -> None:
    """Words, comparisons and `-` are taken together; one that is half written asks for nothing."""
    page = show(*CALLS)
    search(page, text)
    shown = page.run("""[...document.querySelectorAll(".row.span:not(.beside) em")]
        .map((each) => each.textContent.replace("✗ ", ""))""")
    assert shown == found


def test_a_filter_without_a_result_says_so(show: Show) -> None:
    """The empty list says that nothing fits, and has a button to leave the filter."""
    page = show(*CALLS)
    search(page, "nothing like it")
    assert "No span fits the filter" in page.run("document.querySelector('main').innerText")
    page.click("#show-all")
    assert len(names(page)) == 4
    assert page.run("document.getElementById('nothing').checkVisibility()") is False


def test_a_service_in_the_legend_filters(show: Show) -> None:
    """A click adds the service to the filter; another one takes it away."""
    page = show(*CALLS)
    search(page, "load")
    page.click(".chip:nth-child(3)")
    assert page.run("query.value") == "load service=cart"
    page.click(".chip:nth-child(3)")
    assert page.run("query.value") == "load"


def test_a_filter_leaves_an_overview_folded(show: Show) -> None:
    """Among many traces, those that have a match stay, with their number of matches."""
    page = show(*REQUESTS, *MORE)
    search(page, "error=true")
    assert (heads(page), names(page)) == (["third"], [])
    assert "2 matches" in page.run("document.querySelector('.row.top').innerText")
    found = page.run("document.getElementById('found').textContent")
    assert found == "2 of 13 spans in 1 trace"
    press(page, "Enter")
    assert names(page) == ["✗ third", "✗ op d"]
    press(page, "Escape")
    assert len(heads(page)) == 12


def test_a_range_is_dragged_on_the_map(show: Show) -> None:
    """A drag makes a range, a drag inside moves it, one at its end changes it; a double click
    shows the whole again.
    """
    page = show(*SHOP)
    page.drag("#chart", 0.25, 0.75)
    assert view(page) == "250 ms to 750 ms"
    page.drag("#chart", 0.5, 0.6)
    assert view(page) == "350 ms to 850 ms"
    page.drag("#chart", 0.85, 0.95)
    assert view(page) == "350 ms to 950 ms"
    page.drag("#chart", 0.5, 0.0)
    assert view(page) == "0 µs to 600 ms"
    page.click("#unzoom")
    assert view(page) == ""


def test_keys_zoom_and_move(show: Show) -> None:
    """As in Chrome: w and s zoom in and out, a and d go left and right."""
    page = show(*SHOP)
    press(page, "w")
    assert view(page) == "250 ms to 750 ms"
    press(page, "d")
    assert view(page) == "375 ms to 875 ms"
    press(page, "a", "a")
    assert view(page) == "125 ms to 625 ms"
    press(page, "s", "s")
    assert view(page) == ""


@pytest.mark.parametrize("zooms", [0, 1, 5, 12, 20, 40])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_texts_of_the_axis_differ(zooms: int, width: int, show: Show, page: Page) -> None:
    """At any zoom, no two marks of the axis have the same text, and at least two have one."""
    page.resize(width, 800)
    show(span("1", duration=7.3), span("2", "1", start_time=3.21, duration=1e-6))
    press(page, "End", *["w"] * zooms)
    found = ticks(page)
    assert len(found) == len(set(found))
    assert len(found) >= 2


def test_the_axis_is_that_of_the_selected_trace(show: Show) -> None:
    """It follows the selection from trace to trace, wherever the list is scrolled to."""
    page = show(span("1", duration=0.5), span("2", trace_id="t2", start_time=9.0, duration=40.0))
    assert ticks(page)[-1].endswith("ms")
    press(page, "End")
    assert ticks(page)[-1] == "40 s"


def test_the_critical_path_is_drawn(show: Show) -> None:
    """A line under each bar marks the time in which its span kept the trace waiting."""
    page = show(*SHOP)
    lines = page.run("""[...document.querySelectorAll(".row.span")].map((row) => {
        const axis = row.querySelector(".axis").getBoundingClientRect();
        return [...row.querySelectorAll(".axis s")].map((line) => {
            const {left, right} = line.getBoundingClientRect();
            return [left, right].map((each) => Math.round(100 * (each - axis.left) / axis.width));
        });
    })""")
    assert lines == [[[75, 100]], [[0, 25]], [[25, 75]], []]
    page.click(row("checkout"))
    for shown in ("self\t250 ms, 25 % of the trace", "critical path\t250 ms, 25 % of the trace"):
        assert shown in details(page)
    press(page, "Home", "c", "c")
    assert selected(page).startswith("reserve")


def test_a_trace_says_where_its_time_went(show: Show) -> None:
    """Its details have the self time and the critical path of each operation."""
    page = show(*SHOP)
    page.click("#about-trace")
    assert "bank: charge\t1 ✗ 1\t500 ms\t500 ms 50 %" in details(page)
    assert "bank 50 %" in page.run("document.getElementById('summary').textContent")


def test_hovering_tells_what_a_mark_of_a_log_is(show: Show) -> None:
    """The time and the fields of the logs at that place; over a bar, its span's times."""
    page = show(*SHOP)
    page.hover(f"{row('charge')} u")
    assert tip(page) == "+250 ms  error  error.kind=Declined  message=no card"
    page.hover(f"{row('reserve')} i")
    assert tip(page) == ("reserve\nstock · 250 ms\nself 250 ms · on the critical path 250 ms")
    page.hover("h1")
    assert tip(page) == ""


def test_a_failed_bar_keeps_the_colour_of_its_service(show: Show) -> None:
    """A red frame says that it failed."""
    page = show(span("1", service="bank"), span("2", "1", service="bank", tags={"error": True}))
    colors = page.run(
        "[...document.querySelectorAll('.row i')].map((each) =>"
        " getComputedStyle(each).backgroundColor)"
    )
    assert colors[0] == colors[1]
    frames = page.run(
        "[...document.querySelectorAll('.row i')].map((each) =>"
        " getComputedStyle(each).boxShadow !== 'none')"
    )
    assert frames == [False, True]


def test_an_orphan_and_a_corrected_clock_are_marked(show: Show) -> None:
    """Both have a sign in their row, and a sentence in their details."""
    client = span("1", "gone", service="shop", tags={"span.kind": "client"}, start_time=10.0)
    server = span("2", "1", service="bank", start_time=3.0, tags={"span.kind": "server"})
    page = show(client, server)
    signs = page.run("[...document.querySelectorAll('.row abbr')].map((each) => each.textContent)")
    assert signs == ["?", "◷"]
    page.click(row("op 1"))
    assert "The parent was not recorded" in details(page)
    page.click(row("op 2"))
    assert "Moved by +7.00 s: its clock differs from its caller's" in details(page)
    page.click("#about-trace")
    assert "◷ clock\tbank: +7.00 s" in details(page)


def test_each_span_has_an_address(show: Show) -> None:
    """What is opened is in the address, and in the steps to go back and forward."""
    page = show(*SHOP)
    page.click(row("reserve"))
    (reserve,) = {each["span_id"] for each in SHOP if each["operation_name"] == "reserve"}
    assert page.run("location.hash") == f"#t1/{reserve}"
    page.click(row("charge"))
    go(page, -1)
    assert selected(page).startswith("reserve")
    assert details(page).count("reserve") == 1
    go(page, 1)
    assert selected(page).startswith("charge")
    go(page, -2)
    assert details(page) == ""


def go(page: Page, steps: int) -> None:
    """Go back or forward, and wait until the page has heard of it."""
    page.run(f"""new Promise((arrived) => {{
        addEventListener("hashchange", () => setTimeout(arrived), {{ once: true }});
        history.go({steps});
    }})""")


def test_an_address_opens_its_span(show: Show, page: Page) -> None:
    """Also in a trace that is folded, and where two spans have the same id."""
    show(
        *(span(str(each), trace_id=f"t/{each}") for each in range(30)),
        span("7", trace_id="t/7", service="other", operation_name="twin", start_time=0.5),
    )
    url = page.run("location.href")
    page.open("about:blank")
    page.open(f"{url}#t%2F7/7/2")
    page.wait_for("document.body.classList.contains('ready')")
    assert selected(page).startswith("twin")
    assert "twin" in details(page)
    page.run("void (location.hash = '#%')")  # no address
    assert page.errors == []


def test_ids_can_be_copied(show: Show) -> None:
    """A button writes the whole id to the clipboard, and says so."""
    page = show(*SHOP)
    page._browser.call(
        "Browser.grantPermissions",
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        browserContextId=page.context,
    )
    page.click(row("reserve"))
    page.click(".copied button")
    page.wait_for("document.querySelector('.copied button').textContent === 'Copied'")
    assert page.run("navigator.clipboard.readText()") == "t1"


def test_the_help_lists_keys_signs_and_filters(show: Show) -> None:
    """The key ? and a button open it; while it is open, no other key does anything."""
    page = show(*SHOP)
    press(page, "?")
    assert page.run("help.open")
    text = page.run("help.innerText")
    for shown in ("critical path", "duration>100ms", "next error"):
        assert shown in text
    press(page, "e", "Escape")
    assert page.run("[help.open, document.activeElement.id]") == [False, "list"]
    assert selected(page).startswith("trace checkout")
    page.click("#show-help")
    page.click("#close-help")
    assert page.run("help.open") is False


def test_the_focus_is_seen_wherever_it_is(show: Show) -> None:
    """Each stop of the Tab key has an outline, or in the list a mark at the selected row."""
    page = show(*SHOP)
    page.click(row("charge"))
    stops = []
    for _ in range(20):
        page.press("Tab")
        stop, outline = page.run("""(({id, tagName, textContent}, {outlineStyle}) =>
            [id || tagName + textContent.slice(0, 20), outlineStyle])(
            document.activeElement, getComputedStyle(document.activeElement))""")
        stops.append(stop)
        assert outline != "none" or stop == "list" or stop.startswith("BODY"), stop
    assert {"query", "show-help", "list", "about-trace", "BUTTONCopy"} <= set(stops)


def test_a_page_without_spans_can_be_opened(show: Show) -> None:
    """It says that there are none, and no key does anything."""
    page = show()
    press(page, "ArrowDown", "Enter", "e", "/", "z", "Escape")
    assert page.run("document.body.innerText.trim()") == "Traces\n\nNo spans."
    assert page.errors == []


@pytest.mark.long
def test_huge_texts_stay_small_on_the_page(show: Show) -> None:
    """Of a name or value of a million characters, rows and details show the first part only."""
    huge = "<b>" * 400_000
    page = show(span("1", operation_name=huge, service=huge, tags={huge: huge, "error": huge}))
    page.click(".row.span")
    assert page.run("document.body.innerText.length") < 100_000
    assert "more characters" in details(page)
    page.hover(".row.span i")
    assert len(tip(page)) < 1000
    search(page, '"b><b"')
    assert page.run("document.getElementById('found').textContent") == "1 of 1 span"


# How long a machine takes for some work like the page's: sums, objects and a sort. With nothing
# else to do, today's machines take 30 to 50 ms.
UNIT = """(() => {
  const made = [];
  for (let number = 0, sum = 0; number < 2_000_000; number++) {
    sum = (sum * 31 + number) % 1_000_003;
    if (number % 20 === 0) made.push({ sum });
  }
  made.sort((a, b) => a.sum - b.sum);
})()"""

DOWN = "press('ArrowDown')"
ACTIONS = {
    "move": DOWN,
    "unfold": "press('ArrowRight')",
    "open details": "press('Enter')",
    "close details": "press('Escape')",
    "go to the end": "press('End')",
    "go to the start": "press('Home')",
    "next error": "press('e')",
    "next on the critical path": "press('c')",
    "zoom in": "press('w')",
    "zoom out": "press('s')",
    "filter by a word": "write('bank')",
    "filter by another": "write('bank -charge')",
    "filter by numbers": "write('status>=500 duration>10ms')",
    "filter by self time": "write('self>10ms')",
    "next match": "press('n')",
    "no filter": "write('')",
    "sort": "sort.value = 'duration', sort.dispatchEvent(new Event('change'))",
    "unfold all": "press('*')",
    "fold all": "press('o')",
}
ACT = """(() => {
  const list = document.getElementById("list");
  const press = (key) => list.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const write = (text) => { query.value = text; query.dispatchEvent(new Event("input")); };
  ACTION;
  document.body.offsetHeight; // lays out
})()"""


def shop_spans(traces: int, total: int) -> list[dict[str, Any]]:
    """Traces of calls among eight services, nested and with tags, logs and errors."""
    random = Random(1)
    services = ["shop", "cart", "stock", "bank", "mail", "search", "users", "db"]
    made: list[dict[str, Any]] = []
    for trace in range(traces):
        trace_id = f"{random.getrandbits(128):032x}"
        open_spans = [(None, trace * 4.0, random.lognormvariate(0, 1), "shop")]
        for number in range(total // traces):
            above, start, duration, service = random.choice(open_spans[-20:])
            if number:
                start += duration * random.random() * 0.7
                duration *= random.random()
                service = random.choice([service, random.choice(services)])
            span_id = f"{random.getrandbits(64):016x}"
            open_spans.append((span_id, start, duration, service))
            tags = {
                "http.url": f"http://{service}/item/{random.randrange(100_000)}",
                "http.status_code": random.choice([200] * 9 + [500]),
            }
            logs = []
            if random.random() < 0.03:
                tags["error"] = True
                logs = [{"timestamp": start, "fields": {"event": "error", "message": "no card"}}]
            name = random.choice(["GET /item", "SELECT", "charge", "reserve"])
            made.append(
                span(
                    span_id,
                    above,
                    trace_id=trace_id,
                    operation_name=name,
                    service=service,
                    start_time=start,
                    duration=duration,
                    tags=tags,
                    logs=logs,
                )
            )
    return made


class Stopwatch:
    """Measures a page by the clock, and by the time that its thread ran, in seconds."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.call("Performance.enable", timeDomain="threadTicks")

    def __call__(self, act: Callable[[], object]) -> tuple[float, float]:
        start, ran = time.monotonic(), self._ran()
        act()
        return time.monotonic() - start, self._ran() - ran

    def _ran(self) -> float:
        metrics = self._page.call("Performance.getMetrics")["metrics"]
        return sum(each["value"] for each in metrics if each["name"] == "TaskDuration")


@pytest.mark.long
@pytest.mark.parametrize(("traces", "total"), [(1, 50_000), (1700, 56_100)])
def test_fifty_thousand_spans_load_and_answer_at_once(
    traces: int, total: int, page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are drawn 1.5 s after the file was opened, and each action takes 0.1 s at most.

    The actions are measured without the time in which other work had the processor. Where the unit
    takes longer than 50 ms, the machine is slower than most, or busy, and has as much more time.
    """
    file = tmp_path / "timeline.html"
    file.write_text(render_html(Trace.from_spans(shop_spans(traces, total))), encoding="utf-8")
    page.resize(1440, 900)
    watch = Stopwatch(page)

    def load() -> None:
        page.open(file)
        page.run("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")

    loads, units = [], []
    for _ in range(5):
        page.open("about:blank")
        units.append(watch(lambda: page.run(UNIT)))
        loads.append(watch(load))
    actions: dict[str, list[tuple[float, float]]] = {name: [] for name in ACTIONS}
    for _ in range(5):
        for name, action in ACTIONS.items():
            script = ACT.replace("ACTION", action)
            actions[name].append(watch(lambda: page.run(script)))  # noqa: B023
        units.append(watch(lambda: page.run(UNIT)))
    (unit_took, unit_ran), *_ = shown = [
        tuple(map(min, zip(*measured))) for measured in (units, loads, *actions.values())
    ]
    with capsys.disabled():
        print(f"\n{total:,} spans in {traces:,} trace(s)          by the clock   running")
        for name, (took, ran) in zip(("unit", "load", *actions), shown):
            print(f"  {name:26}{took * 1000:16.0f} ms{ran * 1000:7.0f} ms")
    assert page.errors == []
    assert shown[1][0] / max(1.0, unit_took / 0.05) < 1.5
    slowness = max(1.0, unit_ran / 0.05)
    slow = {name: ran for name, (_, ran) in zip(actions, shown[2:]) if ran / slowness >= 0.1}
    assert slow == {}


@pytest.mark.long
def test_a_span_may_have_any_number_of_logs_and_tags(show: Show) -> None:
    """The page draws as many marks as fit, lists 500 logs and 500 tags, and counts the others; the
    search finds those too.
    """
    logs = [
        {"timestamp": 10.0 + number / 125_000, "fields": {"event": f"step {number}"}}
        for number in range(125_000)
    ]
    tags = {f"key {number}": number for number in range(125_000)}
    services = [
        span(f"{number}", service=f"service {number}", start_time=10.1) for number in range(1, 700)
    ]
    page = show(span("a", start_time=10.0, duration=1.0, logs=logs, tags=tags), *services)
    marks = page.run("document.querySelectorAll('.row.span u').length")
    assert 100 < marks <= 401
    page.click(row("op a"))
    shown = details(page)
    assert "step 499" in shown
    assert "step 500" not in shown
    assert shown.count("and 124,500 more") == 2
    assert "and 199 more" in page.run("document.getElementById('legend').innerText")
    search(page, '"step 124999"')
    assert page.run("document.getElementById('found').textContent").startswith("1 of")


def test_scrolling_reaches_the_last_span(show: Show) -> None:
    """Only the rows in sight are elements, and every row can be scrolled into sight."""
    page = show(span("0"), *queries(2000))
    page.press("End")
    assert page.run("document.querySelectorAll('.row').length < 100")
    assert page.run("document.querySelector('[aria-selected=true]').ariaPosInSet") == "2000"
    box = page.run(
        "(({top, bottom}) => [top, bottom])"
        "(document.querySelector('[aria-selected=true]').getBoundingClientRect())"
    )
    assert 0 < box[0] < box[1] <= page.run("innerHeight")


def test_a_hostile_span_runs_no_script(show: Show) -> None:
    """Scripts in any field are shown as text, in the list, in the details and in the title."""
    log = {"timestamp": 0.5, "fields": {"event": "error", "message": HOSTILE, HOSTILE: HOSTILE}}
    tags = {"error": HOSTILE, HOSTILE: HOSTILE}
    hostile = span(HOSTILE, trace_id=HOSTILE, operation_name=HOSTILE, service=HOSTILE, tags=tags)
    page = show({**hostile, "logs": [log], "baggage": {HOSTILE: HOSTILE}}, title=HOSTILE)
    page.click(".row.span")
    assert details(page).count(HOSTILE) >= 8
    assert page.run("document.title") == HOSTILE
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("window.hacked") is None
    assert len(page.requested) == 1


def test_a_script_that_got_into_the_page_would_not_run(show: Show) -> None:
    """The page's policy is a second defence: a script that is added does not run."""
    page = show(*SHOP)
    page.run("""document.body.insertAdjacentHTML("beforeend",
        "<img src=x onerror='window.hacked = 1'>"), document.body.append(Object.assign(
        document.createElement("script"), {textContent: "window.hacked = 1"}))""")
    assert page.run("new Promise((done) => setTimeout(() => done(window.hacked), 100))") is None


# The lowest contrast, by WCAG 2.1's formula, of any visible text and its background.
LEAST_CONTRAST = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
    throw new Error("nothing is behind");
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const texts = [...element.childNodes].filter((each) => each.nodeType === 3);
    if (!texts.some((each) => each.textContent.trim()) || !element.checkVisibility()) continue;
    const [a, b] = [getComputedStyle(element).color, behind(element)].map(light);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("word", ["", "charge"])
def test_all_text_is_readable_by_day_and_by_night(scheme: str, word: str, show: Show) -> None:
    """Every text has a contrast of 4.5 to 1 with its background, in both colour schemes."""
    page = show(*SHOP)
    page.prefer(prefers_color_scheme=scheme)
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert page.run(dark) is (scheme == "dark")
    page.click(row("charge"))
    search(page, word)
    contrast, where = page.run(LEAST_CONTRAST)
    assert contrast >= 4.5, where


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_bar_can_be_told_from_the_page(scheme: str, show: Show) -> None:
    """Every bar has a contrast of 3 to 1 with its background, as WCAG requires of graphics."""
    page = show(*(span(str(each), service=f"s{each}") for each in range(8)))
    page.prefer(prefers_color_scheme=scheme)
    page.run("""document.querySelectorAll('.axis i').forEach((bar) => {
        bar.style.color = getComputedStyle(bar).backgroundColor;
        bar.style.backgroundColor = 'transparent';
        bar.textContent = 'x';
    })""")
    contrast, where = page.run(LEAST_CONTRAST.replace('"body *"', '".axis i"'))
    assert contrast >= 3, where


def test_a_phone_shows_it_without_sideways_scrolling(show: Show) -> None:
    """On a narrow screen, names are above the bars, and the details open at the bottom."""
    long = span("5", "1", operation_name="GET /" + "very/" * 40, service="x" * 60)
    page = show(*SHOP, long)
    page.resize(360, 720, phone=True)
    page.click(row("charge"))
    assert "Declined" in details(page)
    wide = page.run("""[...document.querySelectorAll("body, body *")].filter(
        (each) => each.getBoundingClientRect().right > innerWidth + 1 && each.checkVisibility()
            && !each.closest(".name, .top, .legend, td, th")).map((each) => each.outerHTML)""")
    assert wide == []
    assert page.run("document.documentElement.scrollWidth") == 360
    name, bar = (
        page.run(f'document.querySelector("{row("reserve")} {part}").getBoundingClientRect().top')
        for part in ("em", "i")
    )
    assert name < bar
    above = page.run(f"""document.querySelector("{row("charge")}").getBoundingClientRect().bottom
        <= document.getElementById("details").getBoundingClientRect().top + 1""")
    assert above is True


def test_a_notebook_runs_the_page_in_its_frame(page: Page, tmp_path: Path) -> None:
    """The frame draws the trace, and cannot reach its notebook."""
    (trace,) = Trace.from_spans(SHOP)
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html>{trace._repr_html_()}", encoding="utf-8")
    page.open(file)
    targets = page.call("Target.getTargets")["targetInfos"]
    frame = next(each["targetId"] for each in targets if each["type"] == "iframe")
    session = page.call("Target.attachToTarget", targetId=frame, flatten=True)["sessionId"]
    inside = Page(page._browser, page.context, session)
    inside.wait_for("document.body.classList.contains('ready')")
    assert names(inside) == ["checkout", "reserve", "✗ charge", "notify"]
    assert inside.run("origin") == "null"
    assert page.run("document.querySelector('iframe').contentDocument") is None
