"""``python -m opentracing_recorder``: files of spans, drawn as text or as a page, or converted."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import opentracing_recorder
from opentracing_recorder import BasicTracer, JSONLinesRecorder, read_spans
from opentracing_recorder.__main__ import main

from .test_timeline import CHECKOUT, queries, span


def write(path: Path, *spans: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in spans), encoding="utf-8")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path / "spans.jsonl", *CHECKOUT)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, with an encoding."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_recorded_file_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of a JSONLinesRecorder is drawn as a timeline."""
    path = tmp_path / "spans.jsonl"
    tracer = BasicTracer(JSONLinesRecorder(path), service_name="shop")
    with tracer, tracer.start_active_span("checkout"), tracer.start_active_span("charge"):
        pass
    assert main(["show", str(path)]) == 0
    shown, complaints = capsys.readouterr()
    assert "2 spans · shop" in shown
    assert "└─ shop: charge" in shown
    assert complaints == ""


def test_files_of_several_services_make_one_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of several services, in any order, make one trace."""
    files = [write(tmp_path / each["span_id"], each) for each in reversed(CHECKOUT)]
    assert main(["show", "--width", "60", *files]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "trace t1 · 1.00 s · 4 spans · shop, stock, bank · 1 error"
    )


@pytest.mark.parametrize(("wanted", "shown"), [("t1", ["t1"]), ("T", ["t1", "t2"])])
def test_one_trace_is_picked_by_the_start_of_its_id(
    wanted: str, shown: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first digits of an id select its trace."""
    path = write(tmp_path / "file", span("1"), span("2", trace_id="t2"), span("3", trace_id="x"))
    assert main(["show", path, "--trace", wanted]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("trace")] == shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--trace", "zz"], "no trace zz"), (["missing.jsonl"], "missing.jsonl: No such file")],
)
def test_what_is_not_there_is_told(
    arguments: list[str], complaint: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and standard error has one line with the reason."""
    assert main(["show", file, *arguments]) == 1
    complaints = capsys.readouterr().err
    assert complaints.startswith(complaint)
    assert complaints.count("\n") == 1


def test_an_empty_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file is reported, as an empty screen would be unclear."""
    assert main(["show", write(tmp_path / "empty")]) == 1
    assert capsys.readouterr() == ("", "no spans\n")


def test_broken_lines_are_told_and_left_out(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest of the file is drawn, and further broken lines are reported together."""
    with open(file, "ab") as lines:
        lines.write(b"\xff\n" * 7 + b'{"trace_id":"t1","span_i')
    assert main(["show", file]) == 0
    shown, complaints = capsys.readouterr()
    assert "4 spans" in shown
    assert complaints.splitlines()[0] == f"{file}: line 5 is no span: it is not UTF-8; skipped"
    assert complaints.splitlines()[5:] == [f"{file}: 3 more; skipped"]


def test_a_torn_last_line_is_told(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of a process that was killed while it wrote is reported."""
    content = Path(file).read_bytes()
    Path(file).write_bytes(content[:-20])
    assert main(["show", file]) == 0
    shown, complaints = capsys.readouterr()
    assert "3 spans" in shown
    assert complaints == f"{file}: line 4 is no span: it ends too early; skipped\n"


def test_a_page_is_written(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is UTF-8 and named after the file, and nothing is printed."""
    page = tmp_path / "page.html"
    assert main(["show", file, "--html", str(page)]) == 0
    assert capsys.readouterr() == ("", "")
    assert "<title>spans.jsonl</title>" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and the message has the path."""
    assert main(["show", file, "--html", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--no-color"], {}, False),
        (["--color"], {"NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_gets_colours_unless_told_otherwise(
    arguments: list[str],
    environment: dict[str, str],
    colored: bool,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An option overrides NO_COLOR, and both override the kind of the terminal."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["show", file, *arguments]) == 0
    assert ("\x1b[" in sys.stdout.getvalue()) is colored  # type: ignore[attr-defined]


@pytest.mark.parametrize(("option", "lines"), [([], 1), (["--no-fold"], 20)])
def test_repetition_is_folded_unless_told_otherwise(
    option: list[str], lines: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty similar queries are one line, or twenty with ``--no-fold``."""
    path = write(tmp_path / "file", span("0"), *queries(20))
    assert main(["show", path, *option]) == 0
    assert capsys.readouterr().out.count("SELECT") == lines


def show(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return run("show", *arguments, **options)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    packages = str(Path(opentracing_recorder.__file__).resolve().parent.parent)
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "opentracing_recorder", *arguments],
        capture_output=True,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [packages, os.getenv("PYTHONPATH")])),
            **options.pop("env", {}),
        },
        **options,
    )


@pytest.mark.needs_os
def test_it_reads_standard_input_and_writes_ascii_where_it_must(file: str) -> None:
    """In a pipe, on a system without Unicode, the picture is ASCII."""
    done = show("-", input=Path(file).read_bytes(), env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"`- ! bank: charge" in done.stdout


@pytest.mark.needs_os
def test_a_page_goes_to_standard_output(file: str) -> None:
    """``--html -`` writes the page to standard output."""
    done = show(file, "--html", "-", env={"PYTHONIOENCODING": "ascii"})
    assert done.stdout.decode("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.needs_os
@pytest.mark.skipif(os.name == "nt", reason="Windows has other pipes")
def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """``show FILE | head`` ends without a traceback."""
    path = write(tmp_path / "file", *(span(str(each)) for each in range(5000)))
    reading, writing = os.pipe()
    os.close(reading)
    packages = str(Path(opentracing_recorder.__file__).resolve().parent.parent)
    command = [sys.executable, "-m", "opentracing_recorder", "show", path]
    environment = {**os.environ, "PYTHONPATH": packages}
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, env=environment, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_output_is_reported(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``show FILE >&-`` fails without a traceback."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["show", file]) == 1
    assert capsys.readouterr().err == "output: standard output is closed\n"


def test_no_report_is_among_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If standard error is closed, reports go nowhere."""
    path = tmp_path / "file"
    path.write_text('hello\n{"trace_id":"1","span_id":"2"}\n')
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["show", str(path)]) == 0
    assert "hello" not in capsys.readouterr().out
    assert main(["show", str(tmp_path / "missing")]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [[], ["show"], ["show", "x", "--width", "0"]])
def test_wrong_arguments_are_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage is printed on standard error, and the status is 2, as with other commands."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m opentracing_recorder" in capsys.readouterr().err


def test_what_is_said_of_a_file_moves_no_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file's name and a given id are printed escaped and on one line."""
    name = write(tmp_path / "\x1b[2J\nspans\x9b", CHECKOUT[0])
    with open(name, "a", encoding="utf-8") as file:
        file.write("broken\n")
    assert main(["show", name, str(tmp_path / "\x1b]0;missing\x07")]) == 1
    assert main(["show", "--trace", "\x1b[31m\nx", name]) == 1
    complaints = capsys.readouterr().err
    assert len(complaints.splitlines()) == 4
    assert complaints.replace("\n", "").isprintable()
    assert "\\x1b[2J\\nspans\\x9b: line 2 is no span" in complaints


ZIPKIN = json.dumps([{"traceId": "1", "id": "2", "name": "get", "timestamp": 1, "duration": 2000}])


def convert(*arguments: str) -> int:
    return main(["convert", *arguments])


def test_files_of_other_formats_are_drawn(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of one command may have different formats, and be compressed."""
    zipkin = tmp_path / "zipkin.json.gz"
    zipkin.write_bytes(gzip.compress(ZIPKIN.encode()))
    assert main(["show", file, str(zipkin)]) == 0
    shown, complaints = capsys.readouterr()
    assert "trace 0000000000000001 · 2.00 ms · 1 span" in shown
    assert "4 spans" in shown
    assert complaints == ""


@pytest.mark.parametrize("content", [b"hello", b"", b"\xff\xfe\x00", b"[]", b"\x1f\x8b\x08"])
@pytest.mark.parametrize("command", [["show"], ["convert", "--to", "otlp"]])
def test_where_nothing_is_read_the_status_is_1(
    content: bytes, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error says why, and nothing is printed."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert main([*command, str(path)]) == 1
    shown, complaints = capsys.readouterr()
    assert shown == ""
    assert complaints.endswith("no spans\n")


@pytest.mark.parametrize("to", ["jsonl", "zipkin", "otlp"])
def test_a_converted_file_shows_the_same(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tree in the new file is that of the old ones."""
    path = tmp_path / "spans.jsonl"
    with BasicTracer(JSONLinesRecorder(path), service_name="shop") as tracer:
        checkout = tracer.start_span("checkout", start_time=1700000000)  # Zipkin has microseconds
        tracer.start_span("charge", child_of=checkout, start_time=1700000000.125).finish(
            1700000000.25
        )
        checkout.finish(1700000000.5)
    made = tmp_path / "made.gz"
    assert convert(str(path), "--to", to, "-o", str(made)) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["show", str(path), "--width", "60"]) == 0
    shown = capsys.readouterr().out
    assert main(["show", str(made), "--width", "60"]) == 0
    assert [each.split()[:3] for each in capsys.readouterr().out.splitlines()] == [
        each.split()[:3] for each in shown.splitlines()
    ]


@pytest.mark.needs_os
def test_the_converted_file_goes_to_standard_output(file: str) -> None:
    """Without ``-o``, and from standard input."""
    done = run("convert", "-", "--to", "chrome", input=Path(file).read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert len([each for each in json.loads(done.stdout)["traceEvents"] if each["ph"] == "X"]) == 4


def test_what_cannot_be_converted_is_told(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ids of these spans are no hexadecimal digits: all others are written."""
    (tmp_path / "zipkin").write_text(ZIPKIN, encoding="utf-8")
    made = str(tmp_path / "made")
    assert convert(file, str(tmp_path / "zipkin"), "--to", "otlp", "-o", made) == 0
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 4
    assert complaints[0].startswith("the span 'checkout' cannot be written: ")
    assert [each["operation_name"] for each in read_spans(Path(made))] == ["get"]
    assert convert(file, "--to", "otlp", "-o", made) == 1


def test_no_file_is_written_over_itself(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The output cannot be one of the files that are read."""
    content = Path(file).read_bytes()
    assert convert(file, "--to", "zipkin", "-o", file) == 1
    assert capsys.readouterr().err == f"{file}: is one of the files to read; nothing is written\n"
    assert Path(file).read_bytes() == content


def test_no_file_is_made_without_spans(tmp_path: Path) -> None:
    """A file that was there stays as it was."""
    made = tmp_path / "made"
    made.write_bytes(b"before")
    assert convert(write(tmp_path / "empty"), "--to", "otlp", "-o", str(made)) == 1
    assert made.read_bytes() == b"before"


@pytest.mark.parametrize("arguments", [["x"], ["x", "--to", "xml"], ["--to", "otlp"]])
def test_a_conversion_without_format_or_file_is_told(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage is printed, and the status is 2."""
    with pytest.raises(SystemExit) as ended:
        convert(*arguments)
    assert ended.value.code == 2
    assert "usage: python -m opentracing_recorder convert" in capsys.readouterr().err
