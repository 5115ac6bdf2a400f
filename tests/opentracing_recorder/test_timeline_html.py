"""The source of the timeline page, for any spans."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder._critical_path import critical_path
from opentracing_recorder.timeline import render_html

from .span_dicts import span
from .test_timeline import ANY_SPANS, CHECKOUT

HOSTILE = "</style></title><script>alert(1)</script><!--\"'&<img src=x onerror=alert(1)>\u202e"


def page(*spans: dict[str, Any], **options: Any) -> str:
    return render_html(Trace.from_spans(spans), **options)


class Reader(HTMLParser):
    """Collects the elements that a browser would see; fails if a tag is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            tag = self.open[-1]
            self.texts[tag] = self.texts.get(tag, "") + data


def island(source: str) -> Any:
    """The traces as the page's script reads them."""
    (found,) = re.findall(r'<script id="traces" type="application/json">(.*?)</script>', source)
    return json.loads(found)


class Row:
    """One span of the island, with its texts instead of their numbers."""

    def __init__(self, values: list[Any], strings: list[str], services: list[str]) -> None:
        values = values + [None, *[0] * 10][len(values) - 4 :]
        depth, name, span_id, at, took, service, failed, message = values[:8]
        tags, logs, facts, baggage, orphan, shift, self_time = values[8:]

        def pairs(numbers: list[int]) -> list[tuple[str, str]]:
            texts = [strings[number] for number in numbers or []]
            return list(zip(texts[::2], texts[1::2]))

        self.name, self.id, self.depth, self.at, self.took = (
            strings[name], strings[span_id], depth, at, took
        )  # fmt: skip
        self.service = services[service - 1] if service else None
        self.failed, self.message = bool(failed), strings[message]
        self.tags, self.facts, self.baggage = pairs(tags), pairs(facts), pairs(baggage)
        self.logs = [(log[0], pairs(log[1:])) for log in logs or []]
        self.orphan, self.shift, self.self_time = bool(orphan), shift, self_time


def rows(source: str) -> list[Row]:
    """The spans of a page's only trace."""
    found = island(source)
    (trace,) = found["traces"]
    return [Row(each, found["strings"], found["services"]) for each in trace["spans"]]


def everywhere(value: str) -> str:
    """A page of a span that has `text` in every field."""
    fields = {"event": "error", "message": value, value: value}
    hostile = span(
        value,
        value,
        trace_id=value,
        operation_name=value,
        service=value,
        tags={"error": True, value: value, "list": [value, {value: value}]},
        logs=[{"timestamp": 0.0, "fields": fields}],
        references=[{"type": value, "trace_id": value, "span_id": f"{value}2"}],
        baggage={value: value},
        dropped_tags=value,
    )
    return page(hostile, title=value)


def test_the_page_has_each_span_in_the_order_of_the_tree() -> None:
    """The script gets the depths, times, service, error and logs of the spans."""
    shown = rows(page(*CHECKOUT))
    assert [(each.name, each.depth, each.at, each.took) for each in shown] == [
        ("checkout", 0, 0.0, 1.0),
        ("reserve", 1, 0.0, 0.25),
        ("charge", 1, 0.25, 0.5),
        ("notify", 2, 0.5, None),
    ]
    charge = shown[2]
    assert (charge.service, charge.failed, charge.message) == ("bank", True, "Declined: no\ncard")
    assert charge.logs[0][0] == 0.5
    assert ("error.kind", "Declined") in charge.logs[0][1]


def test_the_page_has_the_critical_path_and_self_times() -> None:
    """They are those of `critical_path` and of `SpanTimes`."""
    source = page(*CHECKOUT)
    (trace,) = Trace.from_spans(CHECKOUT)
    (first, *path) = island(source)["traces"][0]["path"]
    found = list(zip((first, *path[1::2]), path[1::2], (rows(source)[each] for each in path[::2])))
    assert [(start, end - start, row.id) for start, end, row in found] == [
        (pytest.approx(piece.start_time - trace.start_time), piece.duration, piece.span_id)
        for piece in critical_path(trace)
    ]
    assert rows(source)[0].self_time == 0.25


def test_a_text_is_in_the_page_once() -> None:
    """Names, keys and values that spans share are not repeated for each of them."""
    spans = [span(str(each), operation_name="SELECT", tags={"db": "orders"}) for each in range(50)]
    source = page(*spans)
    strings = island(source)["strings"]
    assert len(set(strings)) == len(strings)
    assert {"SELECT", "db", "orders"} <= set(strings)


def test_values_are_shown_as_json_has_them() -> None:
    """A text is shown unchanged, and any other value as JSON."""
    tags = {"text": "a", "flag": True, "none": None, "number": 7, "list": [1, "b"]}
    (row,) = rows(page(span("1", tags=tags)))
    assert dict(row.tags) == {
        "text": "a",
        "flag": "true",
        "none": "null",
        "number": "7",
        "list": '[1, "b"]',
    }


def test_a_parent_that_is_missing_is_told() -> None:
    """The page marks a parent that was not recorded."""
    (row,) = rows(page(span("1", "gone")))
    assert row.facts == [("parent", "gone (not recorded)")]
    assert row.orphan


def test_a_corrected_clock_is_told() -> None:
    """The page has the seconds by which a span was moved."""
    client = span("1", service="shop", tags={"span.kind": "client"}, start_time=10.0)
    server = span("2", "1", service="bank", start_time=3.0, tags={"span.kind": "server"})
    assert [each.shift for each in rows(page(client, server))] == [0, 7.0]


def test_what_a_span_dropped_is_told() -> None:
    """The page has the number of tags and logs that a span dropped."""
    (row,) = rows(page(span("1", dropped_tags=3, dropped_logs=0)))
    assert row.facts == [("dropped tags", "3")]


def test_users_text_is_never_markup() -> None:
    """Hostile text in any field is shown as text, and adds no element and no attribute."""
    harmless, attacked = Reader(everywhere("x")), Reader(everywhere(HOSTILE))
    assert attacked.tags == harmless.tags


def test_users_text_cannot_leave_the_script_it_is_in() -> None:
    """The JSON of the page has no character that HTML or JavaScript interprets."""
    source = everywhere(HOSTILE)
    (found,) = re.findall(r'type="application/json">(.*?)</script>', source, re.DOTALL)
    assert not set("<>&\n\u2028\u2029\u202e") & set(found)
    assert found.count("alert(1)") >= 12


@pytest.mark.parametrize(("kind", "element"), [("script-src", "script"), ("style-src", "style")])
def test_the_policy_allows_the_pages_own_script_and_style_alone(kind: str, element: str) -> None:
    """The policy names their hashes; nothing else may run, load or be sent."""
    source = page(*CHECKOUT)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)
    (own,) = re.findall(rf"<{element}>(.*?)</{element}>", source, re.DOTALL)
    digest = b64encode(sha256(own.encode()).digest()).decode()
    assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")


def test_the_page_needs_no_network() -> None:
    """The page has no link to another file or address."""
    assert not re.search(r"<link|<img|\bsrc=|\bhref=|url\(|@import|https?:", page(*CHECKOUT))


def test_without_scripts_the_page_shows_the_text() -> None:
    """Mail programs, and browsers without scripts, show the picture as text."""
    drawn = Reader(page(*CHECKOUT)).texts["pre"]
    assert "└─ ✗ bank: charge" in drawn


def test_a_page_of_very_many_spans_has_no_second_copy() -> None:
    """Without scripts, such a page shows one line for each trace."""
    drawn = Reader(page(*(span(str(each), "0") for each in range(2500)))).texts["pre"]
    assert drawn == "t1 · 1.00 s · 2500 spans"


def test_a_page_without_spans_says_so() -> None:
    """A page without spans has a text for it."""
    assert '<p class="empty" >No spans.</p>' in page()


def test_a_notebook_shows_the_page_in_a_frame_of_its_own() -> None:
    """The frame runs the page's script, and its script and style cannot reach the notebook."""
    (trace,) = Trace.from_spans([span("1", operation_name=HOSTILE)])
    reader = Reader(trace._repr_html_())
    ((tag, attributes),) = reader.tags
    assert (tag, attributes["sandbox"]) == ("iframe", "allow-scripts")
    assert attributes["srcdoc"] == render_html([trace], title="Trace")


def test_the_list_of_traces_and_a_recorder_show_themselves_too() -> None:
    """Both show the page of all their traces."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)
    for name in ("one", "two"):
        tracer.start_span(name).finish()
    traces = Trace.from_spans(recorder.spans)
    shown = render_html(traces, title="Traces")
    for each in (traces, recorder):
        ((_, attributes),) = Reader(each._repr_html_()).tags  # type: ignore[union-attr]
        assert attributes["srcdoc"] == shown


def test_a_notebook_is_not_filled_with_very_many_spans() -> None:
    """Of more than 5000 spans, the last traces are shown, and their number."""
    spans = [span(str(each), trace_id=str(each % 100), start_time=each) for each in range(6000)]
    shown = Trace.from_spans(spans)._repr_html_()  # type: ignore[attr-defined]
    ((_, attributes),) = Reader(shown).tags
    assert "<h1>Traces: the last 83 of 100</h1>" in (attributes["srcdoc"] or "")


@given(ANY_SPANS)
def test_any_spans_make_a_page_that_can_be_written(spans: list[dict[str, Any]]) -> None:
    """For any spans, the page is well-formed, can be encoded, and has every span."""
    source = page(*spans)
    source.encode("utf-8")
    Reader(source)
    shown = sum(len(each["spans"]) for each in island(source)["traces"])
    assert shown == sum(map(len, Trace.from_spans(spans)))


@given(st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_can_be_shown(value: Any) -> None:
    """For any value in any field of a file of spans, the page can be made."""
    fields = ("logs", "references", "baggage", "dropped_tags", "service", "start_time")
    odd = span("1", **dict.fromkeys(fields, value))
    assert "traces" in island(page({**odd, "tags": {"a": value}}))
