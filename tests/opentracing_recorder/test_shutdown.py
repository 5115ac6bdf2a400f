"""Queued spans are delivered at the end of an ASGI lifespan, and when a signal ends the process.

Servers that speak ASGI are tried in tests/servers; here is what they can hardly show.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    FlushAtShutdown,
    JSONLinesRecorder,
    batch,
    close_at_signals,
)
from opentracing_recorder._living import Living

from .. import programs
from ..tables import table

pytestmark = pytest.mark.needs_os

PATIENCE = 60.0

STARTUP = {"type": "lifespan.startup"}
STARTED = {"type": "lifespan.startup.complete"}
SHUTDOWN = {"type": "lifespan.shutdown"}
ENDED = {"type": "lifespan.shutdown.complete"}


class Noting(BatchRecorder):
    """Notes the name of each span that it sends; nothing but a flush or the exit makes it send."""

    def __init__(self, notes: list[str], exit_timeout: float = 30.0) -> None:
        super().__init__(interval=60, exit_timeout=exit_timeout)
        self.notes = notes
        self.before_send: Callable[[], object] = lambda: None

    def send(self, spans: Sequence[BasicSpan]) -> None:
        self.before_send()
        self.notes += [span.operation_name for span in spans]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the recorders that other tests have made."""
    monkeypatch.setattr(batch, "_living", Living(BatchRecorder._renew))


@pytest.fixture
def events() -> list[str]:
    """The messages to the backend and to the server, in order."""
    return []


@pytest.fixture
def tracer(events: list[str]) -> Iterator[BasicTracer]:
    with BasicTracer(Noting(events)) as tracer:
        yield tracer


def live(app: Callable[[Any, Any, Any], Awaitable[Any]], events: list[str]) -> None:
    """Have a server start and shut down the application, which is added to `events`."""

    async def serve() -> None:
        messages = [SHUTDOWN, STARTUP]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None:
            events.append(message["type"])

        await FlushAtShutdown(app)({"type": "lifespan"}, receive, send)

    asyncio.run(serve())


def test_an_application_finishes_before_the_flush(tracer: BasicTracer, events: list[str]) -> None:
    """Spans of the shutdown are sent before the server gets the end of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == STARTUP
        tracer.start_span("startup").finish()
        await send(STARTED)
        assert await receive() == SHUTDOWN
        tracer.start_span("shutdown").finish()
        await send(ENDED)

    live(app, events)
    assert events == [STARTED["type"], "startup", "shutdown", ENDED["type"]]


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(f"can only handle HTTP, not {scope['type']}")


async def return_at_once(scope: Any, receive: Any, send: Any) -> None:
    pass


async def answer_a_request(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def start_and_return(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(STARTED)


async def start_unasked(scope: Any, receive: Any, send: Any) -> None:
    await send(STARTED)


async def return_at_shutdown(scope: Any, receive: Any, send: Any) -> None:
    await start_and_return(scope, receive, send)
    await receive()


@pytest.mark.parametrize(
    "app",
    [refuse, return_at_once, answer_a_request, start_and_return, start_unasked, return_at_shutdown],
)
def test_an_application_that_does_not_speak_the_protocol(
    app: Callable[..., Any], tracer: BasicTracer
) -> None:
    """Messages that it leaves out of the protocol are added, and the spans are sent at the end."""
    told: list[str] = []
    tracer.start_span("request").finish()

    async def serve() -> None:
        messages = [SHUTDOWN, STARTUP]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None:
            if not message["type"].startswith("lifespan."):
                raise AssertionError("as uvicorn has it")
            told.append(message["type"])

        await FlushAtShutdown(app)({"type": "lifespan"}, receive, send)
        assert messages == []

    asyncio.run(serve())
    assert told == [STARTED["type"], ENDED["type"]]
    assert tracer.recorder.notes == ["request"]


def test_an_application_that_fails_to_start(tracer: BasicTracer, events: list[str]) -> None:
    """The server gets its exception, and decides."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise LookupError("no database")

    with pytest.raises(LookupError, match="no database"):
        live(app, events)
    assert events == []


def test_an_application_that_says_that_it_failed(tracer: BasicTracer, events: list[str]) -> None:
    """The server hears just that, with its exception; of a failed shutdown, after the flush."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        tracer.start_span("startup").finish()
        await send({"type": f"lifespan.{failing}.failed", "message": "no database"})
        raise LookupError("no database")

    failing = "startup"
    with pytest.raises(LookupError, match="no database"):
        live(app, events)
    failing = "shutdown"
    with pytest.raises(LookupError, match="no database"):
        live(app, events)
    assert events == [
        "lifespan.startup.failed",
        "startup",
        "startup",
        "lifespan.shutdown.failed",
    ]


@pytest.mark.parametrize(
    "error", [LookupError("no database"), asyncio.CancelledError()], ids=["raises", "is cancelled"]
)
def test_an_application_that_fails_when_it_is_shut_down(
    tracer: BasicTracer, events: list[str], error: BaseException
) -> None:
    """The recorded spans are sent, and then the server gets the exception."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(STARTED)
        tracer.start_span("request").finish()
        await receive()
        tracer.start_span("shutdown").finish()
        raise error

    with pytest.raises(type(error)):
        live(app, events)
    assert events == [STARTED["type"], "request", "shutdown"]


def test_requests_pass_through() -> None:
    """The application gets the very scope and callables that the server gave."""
    got: list[object] = []

    async def app(*arguments: object) -> None:
        got.extend(arguments)

    given = [{"type": "http"}, object(), object()]
    asyncio.run(FlushAtShutdown(app)(*given))
    assert all(a is b for a, b in zip(got, given))
    assert len(got) == 3


def test_the_loop_goes_on_meanwhile(tracer: BasicTracer, events: list[str]) -> None:
    """The backend answers here only once the loop has run something else."""
    ran = threading.Event()
    tracer.recorder.before_send = lambda: ran.wait(PATIENCE)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start_and_return(scope, receive, send)
        await receive()
        tracer.start_span("request").finish()
        asyncio.get_running_loop().call_later(0.01, ran.set)
        await send(ENDED)

    live(app, events)
    assert events == [STARTED["type"], "request", ENDED["type"]]


def test_a_backend_that_hangs_at_the_shutdown(
    events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The server waits for `exit_timeout`, of several recorders the longest; the log says it."""
    answer = threading.Event()
    recorders = [Noting(events, exit_timeout=0.2 + number / 10) for number in range(3)]
    for recorder in recorders:
        recorder.before_send = lambda: answer.wait(PATIENCE)
        BasicTracer(recorder).start_span("request").finish()
    start = time.monotonic()
    live(return_at_once, events)
    assert 0.4 <= time.monotonic() - start < 10
    answer.set()
    assert [each.close(PATIENCE) for each in recorders] == [True] * 3
    lost = [record.getMessage() for record in caplog.records]
    assert len(lost) == 3
    assert "Noting: 1 spans were not sent within 0.2 seconds of the shutdown" in lost[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_spans_that_wait_for_the_reader_of_a_pipe(tmp_path: Path, events: list[str]) -> None:
    """They are written at the shutdown too: no exit of the interpreter may follow."""
    path = tmp_path / "spans"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    tracer = BasicTracer(JSONLinesRecorder(path))
    for _ in range(1000):  # more than a pipe holds
        tracer.start_span("request").finish()
    os.set_blocking(reading, True)
    with ThreadPoolExecutor(1) as pool, open(reading, "rb") as file:
        lines = pool.submit(lambda: [file.readline() for _ in range(1000)])
        live(return_at_once, events)
        try:
            assert all(line.endswith(b"\n") for line in lines.result(10))
        finally:
            tracer.close()


def test_spans_after_a_shutdown(tracer: BasicTracer, events: list[str]) -> None:
    """They are not lost: the next shutdown of the same process sends them, or its exit."""
    for name in ("first", "second"):
        tracer.start_span(name).finish()
        live(return_at_once, events)
    tracer.start_span("third").finish()
    tracer.close()
    told = [STARTED["type"], ENDED["type"]]
    assert [each for each in events if each not in told] == ["first", "second", "third"]


def test_other_loops_than_those_of_asyncio(tracer: BasicTracer, events: list[str]) -> None:
    """On another loop, such as trio's, the flush runs in place."""

    async def end(scope: Any, receive: Any, send: Any) -> None:
        await send(ENDED)

    async def send(message: Any) -> None:
        events.append(message["type"])

    tracer.start_span("request").finish()
    lifespan = FlushAtShutdown(end)({"type": "lifespan"}, None, send)
    with pytest.raises(StopIteration):
        lifespan.send(None)
    assert events == ["request", ENDED["type"]]


# Signals. Each program runs in a process of its own.

PRELUDE = """
import logging, multiprocessing, os, signal, sys, threading, time

# As in the foreground: what a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

from opentracing_recorder import BasicTracer, BatchRecorder, close_at_signals

PLACE = sys.argv[1]

class Appending(BatchRecorder):
    def send(self, spans):
        file = os.open(PLACE, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, "".join(span.operation_name + "\\n" for span in spans).encode())
        os.close(file)

# Nothing but the end of the process sends these.
tracer = BasicTracer(Appending(interval=60, queue_size=1_000_000))

def span(name):
    tracer.start_span(str(name)).finish()

def sleep():
    # In short steps: a signal that comes just before a system call is seen when that returns.
    for _ in range(600):
        time.sleep(0.1)

def wait():
    print("ready", flush=True)
    sleep()
"""


class Ended:
    """How a program ended, what it delivered and printed, and how long after its signal."""

    def __init__(self, ended: programs.Ended, place: Path) -> None:
        self.code, self.output, self.error, self.seconds = ended
        self.delivered = place.read_text().splitlines() if place.exists() else []


def run(
    tmp_path: Path, program: str, kill: signal.Signals | None = None, prelude: str = ""
) -> Ended:
    """Run a program to its end; with `kill`, it gets that signal once it has printed a line."""
    script, place = tmp_path / "program.py", tmp_path / "spans"
    script.write_text(prelude + PRELUDE + textwrap.dedent(program))
    return Ended(programs.run_program([*programs.FORKING, script, place], kill, PATIENCE), place)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_process(tmp_path: Path, kill: signal.Signals) -> None:
    """It ends by that signal, quietly, after what every tracer recorded is delivered."""
    program = """
        close_at_signals()
        other = BasicTracer(Appending(interval=60))
        other.start_span("other").finish()
        span("main")
        wait()
    """
    ended = run(tmp_path, program, kill)
    assert (ended.code, ended.error) == (-kill, "")
    assert sorted(ended.delivered) == ["main", "other"]


def test_an_interrupt(tmp_path: Path) -> None:
    """SIGINT still raises KeyboardInterrupt; with the default action it ends as SIGTERM does."""
    program = """
        # As in the foreground: what a shell starts in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        close_at_signals()
        try:
            wait()
        except KeyboardInterrupt:
            span("interrupted")
    """
    ended = run(tmp_path, program, signal.SIGINT)
    assert (ended.code, ended.error) == (0, "")
    assert ended.delivered == ["interrupted"]
    program = """
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        close_at_signals()
        span("main")
        wait()
    """
    ended = run(tmp_path, program, signal.SIGINT)
    assert (ended.code, ended.error) == (-signal.SIGINT, "")
    assert ended.delivered == ["interrupted", "main"]


def test_other_signals_are_named(tmp_path: Path) -> None:
    """Those that are given are watched, and no others."""
    program = """
        close_at_signals(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        span("main")
        wait()
    """
    ended = run(tmp_path, program, signal.SIGUSR1)
    assert (ended.code, ended.error) == (-signal.SIGUSR1, "")
    assert ended.delivered == ["main"]


def test_a_signal_that_does_not_exist(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so; nothing is raised."""
    close_at_signals(4096)
    assert len(caplog.records) == 1
    assert "does nothing at signal" in caplog.text


def test_what_is_no_application_is_refused() -> None:
    """The constructor refuses it, before the first request."""
    with pytest.raises(TypeError, match="app must be an ASGI application, not NoneType"):
        FlushAtShutdown(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("signals", ["SIGTERM", [signal.SIGTERM]])
def test_what_is_no_signal_is_refused(signals: Any) -> None:
    """The error says what is wanted: numbers, and no list of them."""
    message = r"^signals must be numbers, such as signal\.SIGTERM, .*; not (str|list)$"
    with pytest.raises(TypeError, match=message):
        close_at_signals(signals)


def test_what_the_application_has_decided_stays(tmp_path: Path) -> None:
    """A signal that is ignored stays so, and one that has a handler keeps it."""
    program = """
        seen = []
        def handle(signum, frame):
            seen.append(signum)
        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        close_at_signals()
        assert signal.getsignal(signal.SIGTERM) is handle
        span("before")
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert seen == [signal.SIGTERM]
        span("after")
    """
    ended = run(tmp_path, program)
    assert (ended.code, ended.error) == (0, "")
    assert ended.delivered == ["before", "after"]


def test_a_handler_that_puts_back_what_was_there(tmp_path: Path) -> None:
    """The process ends if a handler restores the former one and raises the signal again."""
    program = """
        close_at_signals()
        close_at_signals()
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        close_at_signals()
        span("main")
        signal.raise_signal(signal.SIGTERM)
        print("still here")
    """
    ended = run(tmp_path, program)
    assert (ended.code, ended.output, ended.error) == (-signal.SIGTERM, "", "")
    assert ended.delivered == ["main"]


def test_another_thread_than_the_main_one(caplog: pytest.LogCaptureFixture) -> None:
    """Python lets none but the main thread handle signals; the log says so."""
    thread = threading.Thread(target=close_at_signals, args=(signal.SIGUSR1,))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "main thread" in record.getMessage()


def test_children(tmp_path: Path) -> None:
    """A forked child ends in the same way, and sends its own spans; so does a pool's worker."""
    program = """
        close_at_signals()
        span("parent")
        read, write = os.pipe()
        child = os.fork()
        if not child:
            span("child")
            os.write(write, b"x")
            sleep()
        os.read(read, 1)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(span, ["a", "b"])
        print("ready", flush=True)
        sleep()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert (ended.code, ended.error) == (-signal.SIGTERM, "")
    assert ended.delivered == ["child", "a", "b", "parent"]


@pytest.mark.parametrize("attempt", table(["1", "2", "3", "4", "5"], ["1"]))
def test_a_signal_at_any_moment(tmp_path: Path, attempt: str) -> None:
    """Also during recording, finished spans are delivered, and none twice.

    The one span that was just finishing may be lost, or not.
    """
    program = """
        close_at_signals()
        done = os.open(PLACE + "-done", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        for number in range(1_000_000):
            with tracer.start_active_span(str(number)):
                pass
            os.pwrite(done, b"%d" % (number + 1), 0)
            if number == 500:
                print("ready", flush=True)
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert (ended.code, ended.error) == (-signal.SIGTERM, "")
    done = int((tmp_path / "spans-done").read_text())
    assert len(ended.delivered) == len(set(ended.delivered))
    assert set(map(str, range(done))) <= set(ended.delivered) <= set(map(str, range(done + 1)))


def test_a_lock_that_the_interrupted_thread_holds(tmp_path: Path) -> None:
    """The end waits for what the backend needs no longer than it may take to close."""
    program = """
        lock = threading.Lock()
        class Locking(Appending):
            def send(self, spans):
                with lock:
                    super().send(spans)
        tracer = BasicTracer(Locking(interval=60, exit_timeout=0.3))
        close_at_signals()
        span("lost")
        with lock:
            wait()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert ended.code == -signal.SIGTERM
    assert ended.delivered == []
    assert ended.seconds < 20
    assert ended.error == "Locking was closed before 1 spans were sent\n"


def test_a_signal_while_spans_are_counted(tmp_path: Path) -> None:
    """The count has a lock that sending takes too, so the interrupted code first goes on."""
    program = """
        close_at_signals()
        for number in range(1000):
            span(number)
        with tracer.recorder._worker._lock:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(100_000):
                pass
        sleep()
    """
    ended = run(tmp_path, program)
    assert (ended.code, ended.error) == (-signal.SIGTERM, "")
    assert len(ended.delivered) == 1000


def test_signals_that_come_twice(tmp_path: Path) -> None:
    """Process managers send one to the process and one to its group: the second is ignored."""
    program = """
        class Slow(Appending):
            def send(self, spans):
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGHUP)
                time.sleep(0.1)
                super().send(spans)
        tracer = BasicTracer(Slow(interval=60))
        close_at_signals()
        span("main")
        wait()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert (ended.code, ended.error, ended.delivered) == (-signal.SIGTERM, "", ["main"])


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_signal_just_before_a_child_blocks(tmp_path: Path, method: str) -> None:
    """A child of multiprocessing that blocks in C is woken again, and ends by the signal."""
    program = f"""
        def miss():
            time.sleep(0.2)  # until the main thread blocks, which this signal does not interrupt
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        def work(forever):
            if "{method}" != "fork":
                close_at_signals()
            span("child")
            threading.Thread(target=miss, daemon=True).start()
            forever.acquire()

        if __name__ == "__main__":
            start = multiprocessing.get_context("{method}")
            if "{method}" == "fork":  # the child inherits it
                close_at_signals()
            forever = start.Semaphore(0)
            child = start.Process(target=work, args=(forever,))
            child.start()
            child.join(30)
            print(child.exitcode)
            child.kill()
    """
    ended = run(tmp_path, program)
    assert (ended.code, ended.error) == (0, "")
    assert (ended.output, ended.delivered) == (f"{-signal.SIGTERM}\n", ["child"])


def test_the_first_process_of_a_container(tmp_path: Path) -> None:
    """The kernel has no default action there: the process ends with the status of a shell."""
    program = """
        signal.raise_signal = lambda signum: None
        close_at_signals()
        span("main")
        wait()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert (ended.code, ended.error, ended.delivered) == (128 + signal.SIGTERM, "", ["main"])


@pytest.mark.parametrize("waiting", ["while True: gevent.sleep(0.1)", "while True: pass"])
def test_a_signal_under_gevent(tmp_path: Path, waiting: str) -> None:
    """Spans are delivered if it interrupts a greenlet or gevent's loop."""
    pytest.importorskip("gevent")
    program = f"""
        import gevent
        close_at_signals()
        span("main")
        print("ready", flush=True)
        {waiting}
    """
    patch = "from gevent import monkey\nmonkey.patch_all()\n"
    ended = run(tmp_path, program, signal.SIGTERM, patch)
    assert (ended.code, ended.error, ended.delivered) == (-signal.SIGTERM, "", ["main"])


@pytest.mark.parametrize("stand_in", ["types.ModuleType('gevent')", "unittest.mock.MagicMock()"])
def test_a_signal_while_gevent_is_being_imported(tmp_path: Path, stand_in: str) -> None:
    """The process ends without an error, also if another object is in gevent's place."""
    program = f"""
        import types, unittest.mock
        sys.modules["gevent"] = {stand_in}
        close_at_signals()
        span("main")
        wait()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert (ended.code, ended.error, ended.delivered) == (-signal.SIGTERM, "", ["main"])


def test_a_recorder_that_does_not_close_holds_up_no_other(
    tracer: BasicTracer, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of `close` is logged, and the others are closed."""

    class Broken(Noting):
        def close(self, timeout: float | None = None) -> bool:
            raise OSError("broken")

    broken = Broken([])
    monkeypatch.setattr(batch, "_living", [broken, tracer.recorder])
    tracer.start_span("last").finish()
    batch._close_all()
    assert events == ["last"]
    assert tracer.recorder.close()


def test_a_pipe_that_nobody_reads_when_a_signal_comes(tmp_path: Path) -> None:
    """The log says how many spans are lost; several such pipes take no longer than one."""
    program = """
        from opentracing_recorder import JSONLinesRecorder
        reading = []
        for name in "abc":
            os.mkfifo(PLACE + name)
            reading.append(os.open(PLACE + name, os.O_RDONLY | os.O_NONBLOCK))
            tracer = BasicTracer(JSONLinesRecorder(PLACE + name))
            for number in range(50):
                tracer.start_span("x" * 10_000).finish()
        import gc
        gc.collect()  # of the prelude's recorder, which would be given more time
        close_at_signals()
        wait()
    """
    ended = run(tmp_path, program, signal.SIGTERM)
    assert ended.code == -signal.SIGTERM
    assert ended.error.count("in time; they are lost if the process ends now") == 3
