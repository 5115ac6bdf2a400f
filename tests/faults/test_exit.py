"""However a program ends, it ends in limited time, without output, and its spans are delivered.

Each program runs in its own process, and every line of its standard error is compared.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..http_server import Answer, ScriptedServer
from ..programs import Ended, run_program

pytestmark = [pytest.mark.needs_os, pytest.mark.long]

PRELUDE = """
import atexit, contextvars, gc, os, signal, sys, threading, time

# As in the foreground: what a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

from opentracing_recorder import BasicTracer, JSONLinesRecorder
from opentracing_recorder.zipkin import ZipkinRecorder

def new_tracer(**options):
    kind, place = sys.argv[1:]
    if kind == "lines":
        return BasicTracer(JSONLinesRecorder(place))
    # Nothing but the exit sends these.
    return BasicTracer(ZipkinRecorder("shop", place, **{"interval": 60, **options}))

def span(name):
    tracer.start_span(name).finish()
"""


class Backend:
    """The backend for the spans of a program, and the command that runs the program."""

    command: list[str]
    argv: list[str]

    def spans(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def delivered(self) -> list[str]:
        """The names of the spans that arrived, sorted."""
        return sorted(span.get("operation_name") or span["name"] for span in self.spans())

    def failed(self) -> list[str]:
        return sorted(
            span.get("operation_name") or span["name"]
            for span in self.spans()
            if "error" in span.get("tags", {})
        )


class Zipkin(Backend):
    """Receives the spans sent at exit, unless it `answers` otherwise."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.argv = ["zipkin", server.url]

    def spans(self) -> list[dict[str, Any]]:
        accepted = [each for each in self.server.requests if each.accepted]
        return [span for each in accepted for span in json.loads(each.body)]


class Lines(Backend):
    """A file, which has each span as soon as it has finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.argv = ["lines", str(path)]

    def spans(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


# The interpreter as applications run it, and as developers do who want all warnings.
PLAIN = [sys.executable]
STRICT = [sys.executable, "-X", "dev", "-W", "error"]


@pytest.fixture(params=[PLAIN, STRICT], ids=["plain", "strict"])
def zipkin(server: ScriptedServer, request: pytest.FixtureRequest) -> Zipkin:
    backend = Zipkin(server)
    backend.command = request.param
    return backend


@pytest.fixture(params=["zipkin plain", "zipkin strict", "lines strict"])
def backend(server: ScriptedServer, request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    is_zipkin = request.param.startswith("zipkin")
    backend = Zipkin(server) if is_zipkin else Lines(tmp_path / "spans.jsonl")
    backend.command = STRICT if request.param.endswith("strict") else PLAIN
    return backend


def run(backend: Backend, program: str, kill: signal.Signals | None = None) -> Ended:
    """Run a program to its end; with `kill`, it gets that signal after its first line."""
    code = PRELUDE + textwrap.dedent(program)
    return run_program([*backend.command, "-c", code, *backend.argv], kill)


def is_one_traceback(stderr: str, last: str) -> bool:
    """Return if the text is a single traceback with this last line, and nothing else."""
    return bool(re.fullmatch(rf"Traceback \(most recent call last\):\n(?: .*\n)+{last}\n", stderr))


def test_a_normal_exit(backend: Backend) -> None:
    """The spans of main, of a thread that outlives it, and of a closed scope are delivered."""
    program = """
        tracer = new_tracer()
        def late():
            threading.main_thread().join()
            span("thread")
        threading.Thread(target=late).start()
        with tracer.start_active_span("main"):
            span("child")
        unfinished = tracer.start_active_span("unfinished")
    """
    ended = run(backend, program)
    assert (ended.code, ended.error) == (0, "")
    assert backend.delivered() == ["child", "main", "thread"]


def test_sys_exit_in_a_thread(backend: Backend) -> None:
    """It ends only that thread: its spans end without an error, and main goes on."""
    program = """
        tracer = new_tracer()
        def leave():
            with tracer.start_active_span("outer"), tracer.start_active_span("inner"):
                sys.exit(3)
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        span("main")
    """
    ended = run(backend, program)
    assert (ended.code, ended.error) == (0, "")
    assert backend.delivered() == ["inner", "main", "outer"]
    assert backend.failed() == []


def test_an_uncaught_exception(backend: Backend) -> None:
    """Its traceback is all that is printed; its span is delivered with the error."""
    program = """
        tracer = new_tracer()
        span("before")
        with tracer.start_active_span("main"):
            raise LookupError("sold out")
    """
    ended = run(backend, program)
    assert ended.code == 1
    assert is_one_traceback(ended.error, "LookupError: sold out"), ended.error
    assert backend.delivered() == ["before", "main"]
    assert backend.failed() == ["main"]


def test_an_uncaught_exception_in_a_thread(backend: Backend) -> None:
    """Its traceback is all that is printed, and the other threads' spans are delivered too."""
    program = """
        tracer = new_tracer()
        def fail():
            with tracer.start_active_span("thread"):
                raise LookupError("sold out")
        thread = threading.Thread(target=fail, name="seller")
        thread.start()
        thread.join()
        span("main")
    """
    ended = run(backend, program)
    first, _, rest = ended.error.partition("\n")
    assert ended.code == 0
    assert first.startswith("Exception in thread seller")
    assert is_one_traceback(rest, "LookupError: sold out"), ended.error
    assert backend.delivered() == ["main", "thread"]
    assert backend.failed() == ["thread"]


def test_sigterm_with_a_handler(backend: Backend) -> None:
    """A handler that calls `sys.exit` ends the active spans without an error."""
    program = """
        tracer = new_tracer()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        span("before")
        with tracer.start_active_span("serve"):
            print("ready", flush=True)
            while True:
                time.sleep(0.01)
    """
    ended = run(backend, program, signal.SIGTERM)
    assert (ended.code, ended.error) == (3, "")
    assert backend.delivered() == ["before", "serve"]
    assert backend.failed() == []


def test_sigterm_at_any_moment(backend: Backend) -> None:
    """Also during recording, finished spans are delivered, and none twice.

    The span that is just finishing may be lost.
    """
    program = """
        tracer = new_tracer(queue_size=1_000_000, interval=0.01, exit_timeout=30)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        # Not by a `finally`, which Python 3.14 may skip: the signal comes at the end of the loop.
        atexit.register(lambda: span(f"done {done}"))
        names = [str(number) for number in range(100_000)]
        done = 0
        for name in names:
            with tracer.start_active_span(name):
                pass
            done += 1
            if done == 500:
                print("ready", flush=True)
        time.sleep(30)
    """
    ended = run(backend, program, signal.SIGTERM)
    assert (ended.code, ended.error) == (3, "")
    delivered = backend.delivered()
    (last,) = [name for name in delivered if name.startswith("done")]
    done = int(last.split()[1])
    expected = {str(number) for number in range(done)} | {last}
    assert len(delivered) == len(set(delivered))
    assert expected <= set(delivered) <= expected | {str(done)}


def test_sigint(backend: Backend) -> None:
    """KeyboardInterrupt prints only its traceback; the span has no error."""
    program = """
        tracer = new_tracer()
        with tracer.start_active_span("main"):
            print("ready", flush=True)
            while True:
                time.sleep(0.01)
    """
    ended = run(backend, program, signal.SIGINT)
    assert ended.code == -signal.SIGINT
    assert is_one_traceback(ended.error, "KeyboardInterrupt"), ended.error
    assert backend.delivered() == ["main"]
    assert backend.failed() == []


def test_daemon_threads_that_go_on_tracing(backend: Backend) -> None:
    """They delay nothing and print nothing; spans finished before the exit arrive once."""
    program = """
        tracer = new_tracer()
        start = threading.Barrier(5)
        def trace(thread):
            for number in range(10_000_000):
                with tracer.start_active_span(f"{thread} {number}"), tracer.start_active_span("in"):
                    pass
                if number == 50:
                    start.wait()
                time.sleep(0.0005)
        for thread in range(4):
            threading.Thread(target=trace, args=(thread,), daemon=True).start()
        start.wait()
        span("main")
    """
    ended = run(backend, program)
    assert (ended.code, ended.error) == (0, "")
    delivered = [name for name in backend.delivered() if name != "in"]
    assert len(delivered) == len(set(delivered))
    assert {f"{thread} {each}" for thread in range(4) for each in range(51)} <= set(delivered)
    assert "main" in delivered


def hang(connection: Any) -> None:
    """Never answer, so that the client must time out."""
    connection.recv(1)


def drip(connection: Any) -> None:
    """Answer byte by byte, without an end."""
    connection.sendall(b"HTTP/1.1 202 ")
    while True:
        connection.sendall(b"A")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [hang, drip])
def test_a_backend_that_hangs(zipkin: Zipkin, answer: Answer) -> None:
    """The exit waits no longer than its limit, and logs the number of lost spans in one line."""
    zipkin.server.otherwise = answer
    program = """
        tracer = new_tracer(exit_timeout=0.5)
        for number in range(10):
            span("lost")
    """
    ended = run(zipkin, program)
    assert ended.code == 0
    last = ended.error.splitlines()[-1:]
    assert last == ["ZipkinRecorder was closed before 10 spans were sent"], ended.error
    assert ended.seconds < 20


@pytest.mark.parametrize("register", ["before", "after"])
def test_close_in_an_exit_handler(backend: Backend, register: str) -> None:
    """The application may close its tracer itself, before or after the recorder's own handler."""
    program = """
        def close():
            assert tracer.close(5)
            assert tracer.close(5)
        if {before}:
            atexit.register(close)
        tracer = new_tracer()
        if not {before}:
            atexit.register(close)
        span("main")
    """
    ended = run(backend, program.format(before=register == "before"))
    assert (ended.code, ended.error) == (0, "")
    assert backend.delivered() == ["main"]


def test_spans_of_exit_handlers(backend: Backend) -> None:
    """Spans before the recorder's handler are delivered; later ones may be, without output.

    Handlers run in the reverse order of their registration.
    """
    program = """
        atexit.register(span, "after")
        tracer = new_tracer()
        atexit.register(span, "before")
        span("main")
    """
    ended = run(backend, program)
    assert (ended.code, ended.error) == (0, "")
    late = ["after"] if isinstance(backend, Lines) else []
    assert backend.delivered() == [*late, "before", "main"]


# The references that keep a span until finalization: the program's own module, or others.
KEPT_BY_THE_PROGRAM = """
a_global = Finishing("global")
a_cycle = Finishing("cycle")
a_cycle.itself = a_cycle
Finishing.kept = Finishing("class")
tracer.kept = Finishing("tracer")
a_generator = generate("generator")
contextvars.Context().run(next, a_generator)
another = generate("generator in a cycle")
contextvars.Context().run(next, another)
span.kept = [another, span]
# Several that are still active, one inside the other.
outer, at_home, inner = generate("outer"), generate("at home"), generate("inner")
next(outer), next(at_home), next(inner)
"""
KEPT_BY_OTHERS = """
import builtins, types
sys.modules["a_module"] = types.ModuleType("a_module")
sys.modules["a_module"].kept = Finishing("module")
builtins.kept = Finishing("builtins")
threading.main_thread().kept = Finishing("thread")
builtins.outer, builtins.at_home = generate("outer"), generate("at home")
next(outer), next(at_home)
"""


@pytest.mark.parametrize("keep", [KEPT_BY_THE_PROGRAM, KEPT_BY_OTHERS], ids=["program", "others"])
def test_spans_that_finalizers_finish(backend: Backend, keep: str) -> None:
    """Nothing is printed if spans finish during the interpreter's finalization.

    It is too late for a queue. A file may still have them, each once.
    """
    program = """
        tracer = new_tracer()
        class Finishing:
            def __init__(self, name):
                self.scope = contextvars.Context().run(tracer.start_active_span, name)
            def __del__(self):
                self.scope.span.set_tag("late", True).log_kv({"event": "late"})
                self.scope.close()
        def generate(name):
            with tracer.start_active_span(name), tracer.start_active_span("in a " + name):
                yield
        span("main")
    """
    ended = run(backend, textwrap.dedent(program) + keep)
    delivered = backend.delivered()
    assert (ended.code, ended.error) == (0, "")
    assert "main" in delivered
    assert len(set(delivered)) == len(delivered)
    assert isinstance(backend, Lines) or delivered == ["main"]


@pytest.mark.parametrize("keep", [KEPT_BY_THE_PROGRAM, KEPT_BY_OTHERS], ids=["program", "others"])
def test_mistakes_that_finalizers_make(zipkin: Zipkin, keep: str) -> None:
    """A mistake that is otherwise logged, such as a recorder that raises, is not logged then:
    logging may be finalized itself, and would raise.
    """
    program = """
        from opentracing_recorder import Recorder
        class Broken(Recorder):
            def record_span(self, span):
                raise OSError("broken")
        tracer = BasicTracer(Broken())
        class Finishing:
            def __init__(self, name):
                self.span = tracer.start_span(name)
                self.scope = tracer.scope_manager.activate(self.span, True)
            def __del__(self):
                self.scope.close()
                self.span.finish()
                self.span.set_tag("late", True)
        def generate(name):
            kept = Finishing(name)
            yield
    """
    ended = run(zipkin, textwrap.dedent(program) + keep)
    assert (ended.code, ended.error) == (0, "")
