"""The spans that a TailRecorder holds when its process ends, in any way, reach the backend.

A root still runs then, and nothing has been sent before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from ..endings import Ending, run
from ..programs import FORKING, run_program

pytestmark = pytest.mark.needs_os

RECORDER = """
from opentracing_recorder import BatchRecorder, TailRecorder
class Appending(BatchRecorder):
    def send(self, spans):
        file = os.open(PLACE, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, "".join(f"{span.operation_name} " for span in spans).encode())
        os.close(file)
# Another one before: its act at the exit must come later than that of the TailRecorder.
Appending(**NEVER)
return TailRecorder(Appending(**NEVER), rate=1)
"""

# Of a child, which may have imported the program under another name.
_HOLD = """
import sys
program = sys.modules.get("__mp_main__") or sys.modules["__main__"]
program.root = program.tracer.start_active_span("root", ignore_active_span=True)
program.record("child")
"""

HELD = 'global root; root = tracer.start_active_span("root"); record("main")'


def _child(method: str) -> Ending:
    program = f"""
        global root
        root = tracer.start_active_span("root")
        record("before")
        context = multiprocessing.get_context("{method}")
        child = context.Process(target=exec, args=({_HOLD!r},))
        child.start()
        child.join()
        record("main")
        sys.exit(child.exitcode)
    """
    return Ending(program, ["before", "child", "main"])


ENDINGS = {
    "the end of the script": Ending(HELD, ["main"]),
    "sys.exit": Ending(f"{HELD}; sys.exit(3)", ["main"], 3),
    "an uncaught exception": Ending(
        f'{HELD}; raise LookupError("sold out")', ["main"], 1, "LookupError: sold out"
    ),
    "sys.exit in a thread": Ending(
        """
        import threading
        def leave():
            global root
            root = tracer.start_active_span("root")
            record("thread")
            sys.exit(3)
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        record("main")
        """,
        ["main", "thread"],
    ),
    **{f"a {each}ed child": _child(each) for each in multiprocessing.get_all_start_methods()},
}
if hasattr(os, "fork"):
    ENDINGS["a child of os.fork"] = Ending(
        """
        global root, other
        root = tracer.start_active_span("root")
        record("before")
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            record("main")
        else:
            other = tracer.start_active_span("other", ignore_active_span=True)
            record("child")
        """,
        ["before", "child", "main"],
    )


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_is_held_at_the_end_is_sent_once(ending: Ending, tmp_path: Path) -> None:
    """By the process that holds it; a child does not send what its parent holds."""
    place = tmp_path / "spans"
    run(tmp_path, RECORDER, ending, str(place))
    assert sorted(place.read_text().split()) == ending.names


PROGRAM = """
import os, signal, sys, threading, time
from opentracing_recorder import BasicTracer, BatchRecorder, TailRecorder, close_at_signals
from opentracing_recorder._process import run_flushes

class Appending(BatchRecorder):
    def send(self, spans):
        with open(sys.argv[1], "a") as file:
            file.write("".join(f"{span.operation_name} " for span in spans))

recorder = TailRecorder(Appending(interval=600), slower_than=30)
tracer = BasicTracer(recorder)
close_at_signals()
root, other = tracer.start_span("root"), tracer.start_span("other")
for number in range(5):
    tracer.start_span(f"failed{number}", root, tags={"error": True}).finish()
tracer.start_span("dropped", other).finish()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends a process of Windows at once")
def test_sigterm_with_close_at_signals(tmp_path: Path) -> None:
    """What would be kept is sent; a thread that traces at any moment does not hold it up."""
    place = tmp_path / "spans"
    program = (
        PROGRAM
        + """
print("ready", flush=True)
while True:
    with tracer.start_active_span("busy"), tracer.start_active_span("busy below"):
        pass
"""
    )
    ended = run_program([*FORKING, "-c", program, place], signal.SIGTERM)
    assert (ended.code, ended.error) == (-signal.SIGTERM, "")
    assert place.read_text().split() == [f"failed{number}" for number in range(5)]
    assert ended.seconds < 20


def test_the_flush_at_a_shutdown_passes_on_what_would_be_kept(tmp_path: Path) -> None:
    """Before the recorder behind it is flushed; the process may be killed then."""
    place = tmp_path / "spans"
    program = (
        PROGRAM
        + """
run_flushes()
assert recorder.counts.held == 1, recorder.counts
os._exit(0)
"""
    )
    ended = run_program([*FORKING, "-c", program, place])
    assert (ended.code, ended.error) == (0, "")
    assert place.read_text().split() == [f"failed{number}" for number in range(5)]
