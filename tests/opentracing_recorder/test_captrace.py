"""CapTrace without pytest's plugin: what it finds, shows and waits for."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

import opentracing
from opentracing import child_of
from opentracing_recorder import BasicSpanContext, BasicTracer
from opentracing_recorder.captrace import CapTrace


def checkout() -> None:
    tracer = opentracing.global_tracer()
    with tracer.start_active_span("checkout", tags={"items": 2}) as scope:
        scope.span.log_kv({"event": "packed"})
        with tracer.start_active_span("look up stock"):
            pass
        try:
            with tracer.start_active_span("charge", tags={"card": "expired"}):
                raise ValueError("the card has expired")
        except ValueError:
            pass


def test_it_installs_its_tracer_and_puts_back_what_was_there() -> None:
    """The global tracer and the active span are restored, even if the test changed them."""
    own = BasicTracer()
    with opentracing.use_tracer(own), own.start_active_span("outer"):
        captrace = CapTrace()
        captrace.__enter__()
        assert opentracing.global_tracer() is captrace.tracer
        assert captrace.tracer.active_span is None
        opentracing.set_global_tracer(BasicTracer())
        captrace.tracer.start_active_span("left open")
        captrace.__exit__(None, None, None)
        assert opentracing.global_tracer() is own
        assert own.active_span is not None


def test_outline_shows_names_failures_and_the_tags_asked_for() -> None:
    """The outline is a tree with one line for each span, siblings by start time."""
    with CapTrace() as captrace:
        checkout()
    assert captrace.outline() == "checkout\n  look up stock\n  charge !"
    assert captrace.outline(tags=["card", "items"]) == (
        "checkout items=2\n  look up stock\n  charge ! card='expired'"
    )
    assert captrace.outline("items").startswith("checkout items=2\n")


def test_several_traces_are_outlined_by_start() -> None:
    """Traces stand in order of start; a span with an unfinished parent stands at the left."""
    captrace = CapTrace()
    late = captrace.tracer.start_span("late", start_time=2.0)
    captrace.tracer.start_span("child", child_of=late, start_time=3.0).finish(4.0)
    captrace.tracer.start_span("early", start_time=1.0).finish(5.0)
    assert captrace.outline() == "early\nchild"
    late.finish(4.0)
    assert captrace.outline() == "early\nlate\n  child"


def test_it_finds_as_its_recorder_does() -> None:
    """Spans by name, tags and failure."""
    with CapTrace() as captrace:
        checkout()
    assert captrace.find() == captrace.spans == captrace.recorder.spans
    assert captrace.one("charge", tags={"card": "expired"}, error=True) in captrace.find(error=True)


def test_what_does_not_fit_is_an_error_that_shows_the_trees() -> None:
    """The trees have the requested tags, and the unfinished spans."""
    with CapTrace() as captrace:
        checkout()
        captrace.tracer.start_span("refund")
    with pytest.raises(AssertionError) as raised:
        captrace.one("charge", tags={"card": "good"})
    message, _, unfinished = str(raised.value).rpartition("\nNever finished:\n")
    assert message == (
        "0 spans fit operation_name='charge' tags={'card': 'good'}; expected one. Recorded:\n"
        "checkout\n  look up stock\n  charge ! card='expired'"
    )
    assert unfinished.startswith("  'refund', started at ")


@pytest.mark.needs_os
def test_wait_for_returns_when_another_thread_has_finished_the_spans() -> None:
    """It is woken by the span, long before the time limit."""
    captrace = CapTrace()
    waits = threading.Event()

    class Watched(list[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            waits.set()

    captrace.recorder._waiting = Watched()

    def work() -> None:
        waits.wait()
        for _ in range(3):
            captrace.tracer.start_span("job").finish()

    thread = threading.Thread(target=work)
    thread.start()
    found = captrace.wait_for("job", count=3, timeout=60.0)
    thread.join()
    assert found == captrace.spans
    assert captrace.recorder._waiting == []


def test_wait_for_gives_up_after_its_time() -> None:
    """The error shows the spans that are present; the time may be 0."""
    captrace = CapTrace()
    captrace.tracer.start_span("job").finish()
    assert captrace.wait_for("job", timeout=0) == captrace.spans
    with pytest.raises(
        AssertionError, match=r"1 spans fit.* after 0 s; expected 2\. Recorded:\njob"
    ):
        captrace.wait_for("job", count=2, timeout=0)


def test_unfinished_spans_are_known_by_the_line_that_started_them() -> None:
    """They are listed by start, until they are finished."""
    with CapTrace() as captrace:
        first = captrace.tracer.start_span("first")
        second = opentracing.start_child_span(first, "second")
        assert captrace.unfinished == [first, second]
        assert repr(captrace) == "<CapTrace: 0 spans, 2 unfinished>"
        first.finish()
    line = test_unfinished_spans_are_known_by_the_line_that_started_them.__code__.co_firstlineno
    here = os.path.relpath(__file__)
    assert captrace.describe_unfinished() == f"  'second', started at {here}:{line + 4}"
    assert captrace.timeline().endswith(
        f"Never finished:\n  'second', started at {here}:{line + 4}"
    )


def test_the_timeline_has_unfinished_spans_and_an_end() -> None:
    """A span in the middle of a tree keeps the tree together; very many lines are cut."""
    captrace = CapTrace()
    parent = captrace.tracer.start_span("parent")
    captrace.tracer.start_span("child", child_of=parent).finish()
    (title, *_) = captrace.timeline(80).splitlines()
    assert "2 spans" in title
    for _ in range(300):
        captrace.tracer.start_span("root").finish()
    lines = captrace.timeline(80).partition("\n\nNever finished")[0].splitlines()
    assert len(lines) == 201
    assert lines[-1].startswith("... and ")


def test_as_dicts_is_the_same_each_time() -> None:
    """Ids count, times are steps through the tree, and a traceback names no file."""
    found = []
    for _ in range(2):
        with CapTrace() as captrace:
            checkout()
        found.append(captrace.as_dicts())
    assert found[0] == found[1]
    root, stock, charge = found[0]
    assert [each["operation_name"] for each in found[0]] == ["checkout", "look up stock", "charge"]
    assert {each["trace_id"] for each in found[0]} == {"0000000000000001"}
    assert [each["span_id"][-1] for each in found[0]] == ["1", "2", "3"]
    assert (root["parent_id"], stock["parent_id"]) == (None, root["span_id"])
    assert [(each["start_time"], each["duration"]) for each in found[0]] == [(0, 7), (2, 1), (4, 2)]
    assert root["logs"] == [{"timestamp": 1.0, "fields": {"event": "packed"}}]
    assert charge["logs"][0]["fields"]["stack"] == "..."
    assert set(root) == set(captrace.spans[0].to_dict())
    json.dumps(found)


def test_as_dicts_numbers_ids_from_elsewhere_too() -> None:
    """The same id has the same number wherever it stands."""
    captrace = CapTrace()
    caller = BasicSpanContext(0xABC, 0xDEF)
    captrace.tracer.start_span("serve", references=[child_of(caller)]).finish()
    (serve,) = captrace.as_dicts()
    assert serve["parent_id"] == serve["references"][0]["span_id"] == "0000000000000002"
    assert serve["trace_id"] == serve["references"][0]["trace_id"] == "0000000000000001"


def test_as_dicts_takes_a_chain_longer_than_the_stack() -> None:
    """Each span the child of the one before."""
    captrace = CapTrace()
    parent = None
    for _ in range(3000):
        parent = captrace.tracer.start_span("link", child_of=parent)
        parent.finish()
    assert captrace.as_dicts()[-1]["start_time"] == 2999


def test_spans_of_one_tick_stand_in_the_order_of_their_start() -> None:
    """If the clock is coarse, the order of start counts, not that of end."""
    with CapTrace() as captrace:
        first = captrace.tracer.start_span("first", start_time=1.0)
        captrace.tracer.start_span("second", start_time=1.0).finish()
        first.finish()
    assert captrace.outline() == "first\nsecond"
    assert [span["operation_name"] for span in captrace.as_dicts()] == ["first", "second"]


@pytest.mark.long
def test_messages_are_of_a_length_to_read() -> None:
    """Of twenty thousand spans a message shows two hundred lines, none of them endless, and says
    how many more there are.
    """
    with CapTrace() as captrace:
        for number in range(20_000):
            with captrace.tracer.start_active_span(f"step {number}"):
                pass
        for number in range(60):
            captrace.tracer.start_span(f"open {number}" + "x" * 100_000)
    with pytest.raises(AssertionError) as raised:
        captrace.one("x" * 100_000, tags={"key": "y" * 100_000})
    for text in (str(raised.value), captrace.timeline(width=80)):
        assert len(text.splitlines()) < 260
        assert max(map(len, text.splitlines())) < 1500
    assert "... and 19800 more lines" in str(raised.value)
    assert "... and 10 more lines" in str(raised.value)
    assert captrace.outline().count("\n") == 19_999


def test_messages_move_no_cursor() -> None:
    """Names and tags come out escaped, in the trees and in the list of unfinished spans."""
    captrace = CapTrace()
    with captrace.tracer.start_active_span("\x1b[2J\r", tags={"key": "\x9b"}):
        captrace.tracer.start_span("\x1b]0;title\x07")
    with pytest.raises(AssertionError) as raised:
        captrace.one("\x1b[31m", tags={"key": "\x1b"})
    for text in (str(raised.value), captrace.timeline(width=80)):
        assert text.replace("\n", "").isprintable()
    assert "\\x1b[2J\\r" in str(raised.value)
