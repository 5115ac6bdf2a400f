"""Traces drawn in the terminal as soon as they end."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from opentracing_recorder import BasicSpanContext, BasicTracer, ConsoleRecorder, Trace
from opentracing_recorder.timeline import render_text


class Console(io.StringIO):
    """A stream of UTF-8."""

    encoding = "utf-8"


def made(**options: Any) -> tuple[BasicTracer, io.StringIO]:
    stream = Console()
    options = {"width": 80, **options}
    return BasicTracer(ConsoleRecorder(stream, **options), service_name="shop"), stream


def names(text: str) -> list[str]:
    """The names of the spans that were drawn, in order."""
    found = [line.rpartition("shop: ")[2] for line in text.split("\n") if "shop: " in line]
    return [name.split("  ")[0] for name in found]


def test_a_tree_is_drawn_when_its_root_ends_as_show_draws_it() -> None:
    """Nothing is drawn before; then the picture is the timeline, and an empty line."""
    tracer, stream = made()
    spans = [tracer.start_span("order", start_time=10)]
    spans.append(tracer.start_span("charge", child_of=spans[0], start_time=11))
    spans[1].finish(12)
    assert stream.getvalue() == ""
    spans[0].finish(13)
    drawn = render_text(Trace.from_spans(spans), width=80, unicode=True)
    assert stream.getvalue() == f"{drawn}\n\n"


def test_a_trace_of_one_span_is_one_line() -> None:
    """The line has the id, the duration and the name; a failure's mark and message too."""
    tracer, stream = made()
    tracer.start_span("health", start_time=1).finish(1.25)
    failed = tracer.start_span("pay", start_time=1, tags={"error": True})
    failed.log_kv({"event": "error", "error.kind": "ValueError", "message": "no\nmoney"})
    failed.finish(2)
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" · 250 ms · shop: health")
    trace_id = failed.context.to_trace_id()
    assert second == f"trace {trace_id} · 1.00 s · ✗ shop: pay · ValueError: no\\nmoney"


def test_the_part_of_a_trace_that_runs_here_is_a_tree() -> None:
    """A span whose parent is in another process is a root."""
    tracer, stream = made()
    caller = BasicSpanContext(trace_id=0xA, span_id=0xB)
    with tracer.start_active_span("serve", child_of=caller):
        tracer.start_span("query").finish()
    assert names(stream.getvalue()) == ["serve", "query"]


def test_late_spans_are_drawn_with_what_is_below_them() -> None:
    """A job that outlives its request is a tree of its own, drawn at its end."""
    tracer, stream = made()
    request = tracer.start_span("request")
    job = tracer.start_span("job", child_of=request)
    step = tracer.start_span("step", child_of=job)
    request.finish()
    step.finish()
    assert names(stream.getvalue()) == ["request"]
    job.finish()
    assert names(stream.getvalue()) == ["request", "job", "step"]


def test_two_trees_of_one_trace_are_drawn_each_at_its_end() -> None:
    """Two requests of one caller wait for nothing but their own spans."""
    tracer, stream = made()
    caller = BasicSpanContext(trace_id=0xA, span_id=0xB)
    first, second = (tracer.start_span(name, child_of=caller) for name in ("first", "second"))
    tracer.start_span("below first", child_of=first).finish()
    tracer.start_span("below second", child_of=second).finish()
    second.finish()
    assert names(stream.getvalue()) == ["second", "below second"]
    first.finish()
    assert names(stream.getvalue()) == ["second", "below second", "first", "below first"]


def test_it_writes_to_standard_error_as_it_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    """A replaced `sys.stderr`, such as that of a test, gets the trees; a missing one none."""
    tracer = BasicTracer(ConsoleRecorder(), service_name="shop")
    tracer.start_span("order").finish()
    captured = capsys.readouterr()
    assert (names(captured.err), captured.out) == (["order"], "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        tracer.start_span("unseen").finish()
    assert capsys.readouterr().err == ""


class Terminal(Console):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "color", "is_colored"),
    [
        ({}, None, True),
        ({"NO_COLOR": "1"}, None, False),
        ({"TERM": "dumb"}, None, False),
        ({"NO_COLOR": "1"}, True, True),
        ({}, False, False),
    ],
)
def test_colors_are_the_terminals(
    variables: dict[str, str], color: bool | None, is_colored: bool, monkeypatch: Any
) -> None:
    """A terminal has colors, unless a variable or the argument forbids them."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    tracer = BasicTracer(ConsoleRecorder(stream, color=color))
    tracer.start_span("pay", tags={"error": True}).finish()
    assert ("\x1b[31m" in stream.getvalue()) is is_colored


def test_a_stream_of_ascii_gets_ascii() -> None:
    """Marks that the stream cannot encode are drawn otherwise."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    tracer = BasicTracer(ConsoleRecorder(stream, width=60))
    with tracer.start_active_span("café", tags={"error": "☠"}):
        tracer.start_span("below").finish()
    tracer.start_span("naïve", tags={"error": "☠"}).finish()
    assert raw.getvalue().isascii()
    assert b"caf\\xe9" in raw.getvalue()


def test_spans_above_the_limit_are_drawn_when_they_end() -> None:
    """No more than `max_spans` wait, and none is lost."""
    tracer, stream = made(max_spans=2)
    root = tracer.start_span("root")
    for number in range(4):
        tracer.start_span(f"child {number}", child_of=root).finish()
    assert names(stream.getvalue()) == ["child 2", "child 3"]
    root.finish()
    assert sorted(names(stream.getvalue())) == [*(f"child {each}" for each in range(4)), "root"]


def test_roots_that_never_end_are_forgotten() -> None:
    """Of spans that are never finished, `max_spans` are remembered; what is below is drawn."""
    tracer, stream = made(max_spans=3)
    oldest = tracer.start_span("oldest")
    tracer.start_span("below", child_of=oldest).finish()
    for number in range(3):
        tracer.start_span(f"never {number}", ignore_active_span=True)
    assert names(stream.getvalue()) == ["below"]


def test_spans_below_an_unsampled_root_are_drawn_at_close() -> None:
    """A root that is never recorded keeps nothing back for good."""
    tracer, stream = made()
    root = tracer.start_span("root")
    tracer.start_span("below", child_of=root).finish()
    root.set_tag("sampling.priority", 0)
    root.finish()
    assert stream.getvalue() == ""
    assert tracer.close()
    assert names(stream.getvalue()) == ["below"]
    assert tracer.close()
    assert names(stream.getvalue()) == ["below"]


def test_a_closed_stream_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The application goes on, and the log says so once."""
    tracer, stream = made()
    stream.close()
    tracer.start_span("a").finish()
    tracer.start_span("b").finish()
    assert len(caplog.records) == 1


@pytest.mark.needs_os
def test_trees_of_threads_stay_whole() -> None:
    """Each tree is written at once, whatever other threads write."""

    class Written(Console):
        blocks: list[str]

        def write(self, text: str) -> int:
            self.blocks.append(text)
            return len(text)

    stream = Written()
    stream.blocks = []
    tracer = BasicTracer(ConsoleRecorder(stream, width=80), service_name="shop")

    def work(name: str) -> None:
        for _ in range(20):
            with tracer.start_active_span(name):
                tracer.start_span(f"below {name}").finish()

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [names(block) for block in stream.blocks]
    assert sorted(found) == sorted([[f"t{n}", f"below t{n}"] for n in range(8)] * 20)


@pytest.mark.needs_os
def test_what_waits_is_drawn_when_the_process_exits() -> None:
    """Spans whose root is still running at the exit are drawn."""
    program = """
        from opentracing_recorder import BasicTracer, ConsoleRecorder

        tracer = BasicTracer(ConsoleRecorder(), service_name="shop")
        root = tracer.start_span("root")
        tracer.start_span("below", child_of=root).finish()
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert names(ran.stderr) == ["below"]


@pytest.mark.needs_os
def test_a_stream_that_blocks_lets_spans_start() -> None:
    """While one thread writes, others start spans, and finish those below a running span."""
    started = threading.Event()

    class Slow(Console):
        def write(self, text: str) -> int:
            thread.start()
            assert started.wait(10)
            return super().write(text)

    def start() -> None:
        root = tracer.start_span("root")
        tracer.start_span("below", child_of=root).finish()
        started.set()

    stream = Slow()
    tracer = BasicTracer(ConsoleRecorder(stream, width=80), service_name="shop")
    thread = threading.Thread(target=start)
    tracer.start_span("slow").finish()
    thread.join()
    assert names(stream.getvalue()) == ["slow"]


FORKING = """
import os
from multiprocessing import get_context

from opentracing_recorder import BasicTracer, ConsoleRecorder

def work():
    tracer.start_span("in the child", child_of=root).finish()
    tracer.start_span("below it", child_of=tracer.start_span("unfinished")).finish()

tracer = BasicTracer(ConsoleRecorder(), service_name="shop")
root = tracer.start_span("root")
tracer.start_span("below", child_of=root).finish()
FORK
root.finish()
"""
FORKS = {
    "multiprocessing": """
child = get_context("fork").Process(target=work)
child.start()
child.join()
""",
    "os": """
if not (pid := os.fork()):
    work()
    raise SystemExit
os.waitpid(pid, 0)
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.needs_os
@pytest.mark.parametrize("fork", FORKS)
def test_a_forked_child_draws_its_own_spans_only(fork: str) -> None:
    """Each span is drawn once: the spans of the parent in the parent, the others in the child."""
    script = FORKING.replace("FORK", FORKS[fork])
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=60)
    assert names(ran.stderr) == ["in the child", "below it", "root", "below"]


def test_names_cannot_drive_the_terminal() -> None:
    """Control characters of names, services and messages are drawn as escapes."""
    stream = Console()
    tracer = BasicTracer(ConsoleRecorder(stream, width=200), service_name="sh\x1bop")
    with tracer.start_active_span("a\rb", tags={"error": "\x07"}):
        tracer.start_span("c\nd", tags={"error": "\x9b31m"}).finish()
    tracer.start_span("e\x1b]0;f", tags={"error": "\u202e"}).finish()
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("options", "name"),
    [({"width": 0}, "width"), ({"max_spans": 0}, "max_spans"), ({"max_spans": "9"}, "max_spans")],
)
def test_arguments_are_checked(options: dict[str, Any], name: str) -> None:
    """A wrong argument is named in the error."""
    with pytest.raises((TypeError, ValueError), match=name):
        ConsoleRecorder(**options)
    with pytest.raises(TypeError, match="stream"):
        ConsoleRecorder(stream=logging)  # type: ignore[arg-type]
