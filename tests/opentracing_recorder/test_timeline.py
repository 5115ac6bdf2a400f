"""Trees from spans, and the pictures drawn of them."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.timeline import format_duration, render_html, render_text


def span(span_id: str, parent_id: str | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "trace_id": "1",
        "span_id": span_id,
        "parent_id": parent_id,
        "operation_name": f"op {span_id}",
        "service": None,
        "start_time": 1.0,
        "duration": 1.0,
        "tags": {},
        "logs": [],
        **changed,
    }


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in line
    )


def names(trace: Trace) -> list[tuple[str, int]]:
    return [(node.span_id, depth) for node, depth in trace.walk()]


def test_spans_become_trees_in_order_of_start() -> None:
    """Parents come before children, siblings by start, traces by their first start."""
    spans = [
        span("c", "a", start_time=3.0),
        span("b", "a", start_time=2.0),
        span("d", "b", start_time=2.5),
        span("a"),
        span("x", trace_id="0", start_time=0.5),
    ]
    first, second = Trace.from_spans(spans)
    assert names(first) == [("x", 0)]
    assert names(second) == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    assert (second.start_time, second.duration, len(second)) == (1.0, 3.0, 4)


def test_spans_of_a_tracer_are_accepted_as_they_are() -> None:
    """BasicSpan objects serve as well as their dicts; services and errors are collected."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="shop")
    with tracer.start_active_span("parent"):
        tracer.start_span("child", tags={"error": True}).finish()
    (trace,) = Trace.from_spans(recorder.spans)
    assert trace.services == ["shop"]
    assert [node.operation_name for node in trace.errors] == ["child"]


def test_a_missing_parent_makes_a_root() -> None:
    """Nothing is lost when a parent was not recorded."""
    (trace,) = Trace.from_spans([span("b", "gone"), span("c", "b")])
    assert names(trace) == [("b", 0), ("c", 1)]


def test_both_sides_of_a_shared_span_are_kept() -> None:
    """Two spans under one id, as Zipkin has it, hang one under the other."""
    (trace,) = Trace.from_spans([span("a"), span("b", "a", start_time=1.1), span("b", "a")])
    assert names(trace) == [("a", 0), ("b", 1), ("b", 2)]


def test_circles_are_opened() -> None:
    """Spans that name each other, or themselves, as parents stay in the picture."""
    (trace,) = Trace.from_spans([span("a", "b"), span("b", "a"), span("c", "c")])
    assert sorted(name for name, _ in names(trace)) == ["a", "b", "c"]


ids = st.sampled_from("abcdef")
times = st.floats(0, 10)
span_dicts = st.builds(
    lambda span_id, parent_id, start, duration, name, error: span(
        span_id,
        parent_id,
        start_time=start,
        duration=duration,
        operation_name=name,
        service=name,
        tags={"error": error},
        logs=[{"timestamp": start, "fields": {"event": "error", "message": name}}],
    ),
    ids,
    st.none() | ids,
    times,
    st.none() | times,
    st.text(max_size=60),
    st.booleans(),
)


@given(st.lists(span_dicts, max_size=12), st.integers(40, 120), st.booleans())
def test_any_spans_are_drawn_once_and_within_the_width(
    spans: list[dict[str, Any]], width: int, unicode: bool
) -> None:
    """Whatever the links, each span is in exactly one tree, and no line is too wide."""
    traces = Trace.from_spans(spans)
    assert sum(len(trace) for trace in traces) == len(spans)
    text = render_text(traces, width=width, unicode=unicode)
    assert all(columns(line) <= width for line in text.splitlines())
    render_html(traces)


def test_a_chain_of_ten_thousand_is_no_problem() -> None:
    """Depth is not limited by the interpreter's recursion."""
    spans = [span(str(index), str(index - 1), start_time=float(index)) for index in range(10_000)]
    (trace,) = Trace.from_spans(spans)
    assert len(trace) == 10_000
    assert len(render_text([trace], width=80).splitlines()) == 10_001
    assert "op 9999" in render_html([trace])


FAILED = [
    span("a", operation_name="checkout", service="shop", duration=0.1),
    span(
        "b",
        "a",
        operation_name="charge",
        service="payment",
        start_time=1.05,
        duration=0.05,
        tags={"error": True},
        logs=[{"timestamp": 1.06, "fields": {"event": "error", "message": "declined"}}],
    ),
]


def test_text_timeline() -> None:
    """A tree, bars on one axis, durations, services, and the error with its message."""
    assert render_text(Trace.from_spans(FAILED), width=60, unicode=True).splitlines() == [
        "trace 1 · 100 ms · 2 spans · shop, payment · 1 error",
        "shop: checkout        ███████████████████████████     100 ms",
        "└─ ✗ payment: charge               ██████████████    50.0 ms",
        "      declined",
    ]


def test_text_timeline_in_ascii() -> None:
    """Where the output cannot encode more, ASCII does, whatever the spans hold."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = render_text(Trace.from_spans(FAILED), width=60, stream=stream)
    assert text.isascii()
    assert "`- ! payment: charge" in text


def test_color_marks_the_failed_span() -> None:
    """Escape sequences appear only on request."""
    traces = Trace.from_spans(FAILED)
    assert "\x1b[31m" in render_text(traces, width=60, color=True)
    assert "\x1b" not in render_text(traces, width=60)


def test_control_characters_are_shown() -> None:
    """A name cannot move the cursor, nor start a line."""
    (trace,) = Trace.from_spans([span("a", operation_name="a\n\x1b[2Jb")])
    text = render_text([trace], width=80)
    assert "a\\n\\x1b[2Jb" in text
    assert len(text.splitlines()) == 2


def test_unfinished_span_is_drawn_open_ended() -> None:
    """A span without a duration reaches the end of the axis and says so."""
    text = render_text(Trace.from_spans([span("a"), span("b", "a", duration=None)]), width=60)
    assert text.splitlines()[2].endswith("running")


def test_html_escapes_and_allows_no_script() -> None:
    """Text from spans is text on the page, wherever it stands."""
    hostile = '<script>alert("x")</script>'
    fields = {"tags": {hostile: hostile}, "operation_name": hostile, "service": hostile}
    page = render_html(Trace.from_spans([span("a", **fields)]), title=hostile)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_durations_for_people() -> None:
    """Three figures, and the unit that suits."""
    shown = [format_duration(each) for each in (0, 2e-5, 0.0009996, 0.0123, 0.9996, 83.4, 1234)]
    assert shown == ["0 µs", "20 µs", "1.00 ms", "12.3 ms", "1.00 s", "83.4 s", "1234 s"]
