"""JSONLinesRecorder: every span a line, whoever writes beside it and whatever goes wrong."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import BasicTracer, JSONLinesRecorder, NotASpan, read_spans


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.jsonl"


def recorded(path: Path) -> list[dict[str, Any]]:
    """The spans of a file, every line of which must hold one."""
    with open(path, "rb") as lines:
        return [json.loads(line) for line in lines]


def names(path: Path) -> list[str]:
    return [span["operation_name"] for span in recorded(path)]


def record(recorder: JSONLinesRecorder, *operations: str, **tags: Any) -> None:
    tracer = BasicTracer(recorder)
    for operation in operations:
        tracer.start_span(operation, tags=tags).finish()


def test_each_span_is_a_line_as_soon_as_it_is_finished(path: Path) -> None:
    """The line is the span's `to_dict` form, and is there without a flush."""
    recorder = JSONLinesRecorder(path)
    span = BasicTracer(recorder, service_name="shop").start_span("Café\u2028\n", tags={"a": 1})
    span.finish()
    assert recorded(path) == [span.to_dict()]
    assert recorder.close() is True


def test_a_file_that_is_there_is_continued(path: Path) -> None:
    """A second run of a program adds to what the first has written."""
    for operation in ("first", "second"):
        recorder = JSONLinesRecorder(str(path))
        record(recorder, operation)
        recorder.close()
    assert names(path) == ["first", "second"]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_values_that_json_cannot_hold_are_written(path: Path) -> None:
    """Values without a JSON form are in the file as `to_dict` shows them; none is lost."""
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    recorder = JSONLinesRecorder(path)
    record(recorder, "odd\ud800", a=Unprintable(), b=float("nan"), c=b"\xff", d=cyclic, e=2**99)
    assert recorder.flush() is True
    recorder.close()
    (span,) = recorded(path)
    assert (span["tags"]["b"], span["tags"]["e"]) == ("nan", hex(2**99))


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    """A wrong path is an error of the program's start, not of its first span."""
    with pytest.raises(FileNotFoundError):
        JSONLinesRecorder(tmp_path / "missing" / "spans.jsonl")


def test_closing_twice_does_nothing_more(path: Path) -> None:
    """A recorder may be closed by its tracer and by others."""
    recorder = JSONLinesRecorder(path)
    record(recorder, "a")
    assert [recorder.close(), recorder.close(1.0), recorder.flush()] == [True, True, True]


def test_a_span_that_finishes_after_the_close_is_written(path: Path) -> None:
    """The last spans of a program are as good as its first, and hold nothing open."""
    recorder = JSONLinesRecorder(path)
    recorder.close()
    record(recorder, "late")
    assert names(path) == ["late"]
    assert recorder._file is None


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no open file")
def test_a_rotated_file_is_made_anew(path: Path) -> None:
    """After a rename or a removal, spans go to a new file at the same path."""
    recorder = JSONLinesRecorder(path)
    record(recorder, "a")
    path.rename(path.with_suffix(".1"))
    record(recorder, "b")
    assert (names(path.with_suffix(".1")), names(path)) == (["a"], ["b"])
    path.unlink()
    record(recorder, "c")
    assert names(path) == ["c"]
    recorder.close()


def test_the_path_stays_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is meant from where the recorder was made."""
    monkeypatch.chdir(tmp_path)
    recorder = JSONLinesRecorder("spans.jsonl")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    record(recorder, "a")
    recorder.close()
    assert names(tmp_path / "spans.jsonl") == ["a"]


def test_a_descriptor_that_somebody_closed_is_left_to_its_new_owner(path: Path) -> None:
    """A program that closes all files, and opens its own, finds no spans in them."""
    recorder = JSONLinesRecorder(path)
    taken = recorder._file
    assert taken is not None
    os.close(taken)
    other = os.open(path.with_name("other"), os.O_CREAT | os.O_RDWR)
    assert other == taken
    record(recorder, "a")
    os.write(other, b"mine")
    os.close(other)
    recorder.close()
    assert path.with_name("other").read_bytes() == b"mine"
    assert names(path) == ["a"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_harms_no_application(caplog: pytest.LogCaptureFixture) -> None:
    """The span is lost, the log says why, and so do flush and close."""
    recorder = JSONLinesRecorder("/dev/full")
    with caplog.at_level(logging.ERROR):
        record(recorder, "a")
    assert "No space left on device" in caplog.text
    assert recorder.flush() is False
    assert recorder.flush() is True  # nothing was lost since
    record(recorder, "b")
    assert recorder.close() is False


@pytest.fixture
def _disk_that_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next write takes ten bytes, and the one after it is as always."""
    write = os.write

    def short(file: int, line: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        return write(file, line[:10])

    monkeypatch.setattr(os, "write", short)


@pytest.mark.usefixtures("_disk_that_fills")
def test_a_line_that_did_not_fit_hides_no_other(path: Path) -> None:
    """A reader finds the spans of others and later ones, and counts the line that is cut off."""
    recorder, beside = JSONLinesRecorder(path), JSONLinesRecorder(path)
    record(recorder, "lost")
    record(beside, "beside")
    record(recorder, "later")
    assert [recorder.close(), beside.close()] == [False, True]
    torn: list[NotASpan] = []
    spans = list(read_spans(path, torn.append))
    assert [each["operation_name"] for each in spans] == ["beside", "later"]
    assert [each.place for each in torn] == ["line 1"]


@pytest.mark.usefixtures("_disk_that_fills")
def test_the_next_span_starts_on_a_line_of_its_own(path: Path) -> None:
    """After a line that a full disk cut off."""
    recorder = JSONLinesRecorder(path)
    record(recorder, "lost", "later")
    recorder.close()
    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"trace_id'
    assert json.loads(line)["operation_name"] == "later"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of a file")
@pytest.mark.needs_os
def test_a_real_limit_cuts_off_one_line(path: Path) -> None:
    """With a limit on the size of files, the kernel cuts a line; a reader finds all others."""
    program = f"""
import resource, signal
from opentracing_recorder import BasicTracer, JSONLinesRecorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
tracer = BasicTracer(JSONLinesRecorder({str(path)!r}))
for number in range(100):
    tracer.start_span("a").finish()
assert tracer.flush() is False
"""
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)
    assert path.stat().st_size == 10_000
    torn: list[NotASpan] = []
    whole = list(read_spans(path, torn.append))
    assert len(whole) > 30
    assert all(each["operation_name"] == "a" for each in whole)
    assert [each.reason for each in torn] == ["it ends too early"]


@pytest.mark.needs_os
def test_a_pipe_takes_a_line_in_pieces(tmp_path: Path) -> None:
    """A span that is larger than what a pipe takes at once arrives whole."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = b""

    def read() -> None:
        nonlocal received
        received = pipe.read_bytes()

    reader = threading.Thread(target=read)
    reader.start()
    recorder = JSONLinesRecorder(pipe)
    record(recorder, "a", text="x" * 300_000)
    recorder.close()
    reader.join()
    assert json.loads(received)["tags"]["text"] == "x" * 300_000


def in_time(work: Callable[[], Any], limit: float = 5.0) -> Any:
    """Return the result of `work`, on a thread that is abandoned at the limit."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(limit)
    assert not thread.is_alive(), f"it still blocks after {limit} s"
    return results[0]


@pytest.mark.needs_os
def test_a_file_that_becomes_a_pipe_blocks_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a reader its spans are lost, which is logged once; later ones are written again."""
    recorder = JSONLinesRecorder(path)
    path.unlink()
    os.mkfifo(path)
    in_time(lambda: record(recorder, *"abc"))
    assert len(caplog.records) == 1
    assert "no process reads this pipe" in caplog.text
    assert in_time(recorder.flush) is False
    assert in_time(recorder.flush) is True
    path.unlink()
    record(recorder, "d")
    assert recorder.close() is True
    assert names(path) == ["d"]


@pytest.mark.needs_os
def test_a_pipe_that_nobody_reads_is_refused(path: Path) -> None:
    """The constructor refuses it, where the error is seen."""
    os.mkfifo(path)

    def make() -> str:
        with pytest.raises(OSError, match="no process reads this pipe") as caught:
            JSONLinesRecorder(path)
        return str(caught.value.filename)

    assert in_time(make) == str(path)


@pytest.fixture
def pipe(path: Path) -> Iterator[int]:
    """The reading end of a pipe at the path, which does not wait for what is not there."""
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield reading
    os.close(reading)


def read_what_is_there(pipe: int) -> bytes:
    received = b""
    while True:
        try:
            piece = os.read(pipe, 1 << 20)
        except BlockingIOError:
            return received
        if not piece:
            return received
        received += piece


@pytest.mark.needs_os
def test_a_reader_that_stands_still_blocks_nobody(
    path: Path, pipe: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans that it does not take wait, up to a bound; those over it are lost, and logged once."""
    recorder = JSONLinesRecorder(path)
    long = "x" * 10_000
    in_time(lambda: record(recorder, *(f"{number}" for number in range(1000)), long=long), 20)
    assert len(caplog.records) == 1
    assert "its reader lags too far behind" in caplog.text
    assert in_time(recorder.flush) is False
    received = b""
    while not recorder.flush(0):
        received += read_what_is_there(pipe)
    in_time(lambda: record(recorder, "later"))
    assert in_time(recorder.close) is True
    received += read_what_is_there(pipe)
    *waited, last = [json.loads(line)["operation_name"] for line in received.splitlines()]
    assert waited == [f"{number}" for number in range(len(waited))]
    assert 400 < len(waited) < 500
    assert last == "later"


@pytest.mark.needs_os
@pytest.mark.parametrize("end", ["goes away", "is replaced", "closes"])
def test_what_waited_for_a_reader_is_not_lost_silently(
    end: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says how many spans that were, beside the one that met the end, if it is lost too."""
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    recorder = JSONLinesRecorder(path)
    in_time(lambda: record(recorder, *map(str, range(50)), long="x" * 10_000))
    left = len(recorder._waiting)
    assert left > 30
    assert caplog.records == []
    if end == "goes away":
        os.close(reading)
        record(recorder, "lost", "lost too")
    elif end == "is replaced":
        path.unlink()
        record(recorder, "kept")
        assert names(path) == ["kept"]
    else:
        assert recorder.close(0) is False
    assert f"{left} spans are lost, which waited for a reader of the pipe {path}" in caplog.text
    assert caplog.text.count("waited for a reader") == 1
    if end == "closes":
        caplog.clear()
        record(recorder, "late", long="x" * 100_000)
        assert [each.levelname for each in caplog.records] == ["WARNING"]
        assert "1 spans are lost, which waited for a reader" in caplog.text
    assert recorder.flush(0) is False or end == "closes"
    recorder.close()
    if end != "goes away":
        os.close(reading)


@pytest.mark.needs_os
def test_a_reader_that_goes_away_leaves_no_torn_line_to_the_next(path: Path) -> None:
    """The pipe holds the first part of a line: the next span has a line of its own."""
    os.mkfifo(path)
    gone = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    recorder = JSONLinesRecorder(path)
    in_time(lambda: record(recorder, "a", "torn", long="x" * 60_000))
    assert in_time(lambda: recorder.flush(0)) is False
    os.close(gone)
    in_time(lambda: record(recorder, "lost"))
    assert recorder.flush(0) is False
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        received = read_what_is_there(reader.fileno())
        in_time(lambda: record(recorder, "b"))
        received += read_what_is_there(reader.fileno())
        assert recorder.close() is True
    first, torn, last = received.splitlines()
    assert json.loads(first)["operation_name"] == "a"
    assert b"torn" in torn
    assert json.loads(last)["operation_name"] == "b"


needs_stdout = pytest.mark.skipif(
    not os.path.exists("/dev/stdout"), reason="there is no /dev/stdout"
)


def spans_to_stdout(count: int) -> list[str]:
    """The command of a program that records so many spans to /dev/stdout."""
    program = f"""
import sys
from opentracing_recorder import BasicTracer, JSONLinesRecorder
tracer = BasicTracer(JSONLinesRecorder("/dev/stdout"))
for number in range({count}):
    tracer.start_span(str(number)).finish()
print("done", file=sys.stderr, flush=True)
"""
    return [sys.executable, "-c", program]


@needs_stdout
@pytest.mark.needs_os
def test_standard_output_takes_more_than_a_pipe_holds() -> None:
    """A burst of spans waits for the reader until the program exits; none is lost."""
    command = spans_to_stdout(3000)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            # Without a byte having been read.
            assert in_time(process.stderr.readline, 30) == b"done\n"
            received = process.stdout.read()
        except BaseException:
            process.kill()
            raise
        assert process.stderr.read() == b""
    found = [json.loads(line)["operation_name"] for line in received.splitlines()]
    assert found == [str(number) for number in range(3000)]


@needs_stdout
@pytest.mark.needs_os
def test_an_exit_does_not_wait_for_a_reader_that_stands_still() -> None:
    """It says how many spans were lost."""
    reading, writing = os.pipe()
    command = spans_to_stdout(1000)
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, check=True, timeout=30
    )
    assert "spans from the pipe /dev/stdout in time; they are lost" in done.stderr
    os.close(reading)
    os.close(writing)


@pytest.mark.needs_os
@pytest.mark.threads
def test_threads_lose_and_mix_nothing(path: Path) -> None:
    """Spans that finish on many threads at once are each a line, long ones too."""
    recorder = JSONLinesRecorder(path)
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait()
        record(recorder, *(f"{thread} {number}" for number in range(50)), long="x" * 9000)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    recorder.close()
    assert sorted(names(path)) == sorted(f"{a} {b}" for a in range(8) for b in range(50))


WRITER = """
import sys
from opentracing_recorder import BasicTracer, JSONLinesRecorder
tracer = BasicTracer(JSONLinesRecorder(sys.argv[1]), service_name=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    tracer.start_span(str(number), tags={"long": "x" * (number * 100)}).finish()
"""


@pytest.mark.needs_os
def test_processes_that_write_at_once_lose_and_mix_nothing(path: Path) -> None:
    """Four processes append to one file: each of their spans is a whole line of it."""
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in "abcd"
    ]
    for each in writers:
        assert each.stdout is not None
        each.stdout.readline()
    for each in writers:
        each.communicate(b"go\n")
    written = [(span["service"], span["operation_name"]) for span in recorded(path)]
    assert sorted(written) == sorted((name, str(each)) for name in "abcd" for each in range(200))


FORKING = """
import ctypes, os, sys, threading
from opentracing_recorder import BasicTracer, JSONLinesRecorder
recorder = JSONLinesRecorder(sys.argv[1])
tracer = BasicTracer(recorder)
held, done = threading.Event(), threading.Event()
def hold():
    with recorder._lock:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
children = []
spans = [tracer.start_span(f"inherited {child}") for child in range(4)]
for child in range(4):
    pid = FORK
    if not pid:
        spans[child].finish()
        for number in range(50):
            tracer.start_span(f"child {child} {number}").finish()
        os._exit(0 if tracer.close() else 1)
    children.append(pid)
done.set()
thread.join()
for number in range(50):
    tracer.start_span(f"parent {number}").finish()
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.needs_os
@pytest.mark.parametrize("fork", ["os.fork()", "ctypes.CDLL(None).fork()"], ids=["Python", "C"])
def test_children_of_a_fork_write_beside_their_parent(fork: str, path: Path) -> None:
    """A fork while another thread writes blocks no child, and no span is lost or doubled."""
    script = FORKING.replace("FORK", fork)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(path)]
    subprocess.run(command, check=True, timeout=60)
    expected = [f"child {child} {number}" for child in range(4) for number in range(50)]
    expected += [f"inherited {child}" for child in range(4)]
    assert sorted(names(path)) == sorted(expected + [f"parent {each}" for each in range(50)])


@pytest.mark.needs_os
def test_a_clock_that_goes_back_makes_no_wait_for_a_reader_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open a pipe that nobody reads fails in time, and a flush to one that is full ends."""
    clock = itertools.count(1e6, -1000.0)
    monkeypatch.setattr("opentracing_recorder.json_lines.time.monotonic", lambda: next(clock))
    path = tmp_path / "pipe"
    os.mkfifo(path)
    started = time.perf_counter()
    with pytest.raises(OSError, match="no process reads this pipe"):
        JSONLinesRecorder(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        recorder = JSONLinesRecorder(path)
        tracer = BasicTracer(recorder)
        for _ in range(40):
            tracer.start_span("x" * 10_000).finish()
        assert not recorder.flush(0.2)
        recorder.close(0)
    finally:
        os.close(reader)
    assert time.perf_counter() - started < 20
