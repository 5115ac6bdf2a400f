"""The commands ``top``, ``slowest``, ``errors``, ``compare`` and ``critical-path``."""

from __future__ import annotations

import io
import json
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing_recorder import _command_filters
from opentracing_recorder.__main__ import main
from opentracing_recorder._command_table import Cell, Column, table
from opentracing_recorder._terminal_text import Glyphs

from .span_dicts import span

QUESTIONS = ["top", "slowest", "errors", "critical-path"]
DECLINED = {"timestamp": 0.5, "fields": {"event": "error", "message": "no card"}}
START = 1700000000.0


def checkout(trace_id: str, start: float, factor: float = 1.0) -> Iterator[dict[str, Any]]:
    def made(*args: Any, at: float, took: float, **fields: Any) -> dict[str, Any]:
        fields.update(start_time=start + factor * at, duration=factor * took)
        return span(*args, trace_id=trace_id, **fields)

    failed = {"tags": {"error": True}, "logs": [DECLINED]}
    yield made("1", operation_name="checkout", service="shop", at=0, took=1.0)
    yield made("2", "1", operation_name="SELECT", service="shop", at=0.125, took=0.25)
    yield made("3", "1", operation_name="charge", service="bank", at=0.5, took=0.375, **failed)
    yield made(
        "4", "3", operation_name="notify", at=0.5, took=0.125, tags={"http.status_code": 500}
    )


def write(path: Path, *spans: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in spans), encoding="utf-8")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(tmp_path / "spans", *checkout("t1", START), *checkout("t2", START + 60, 2.0))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    if hasattr(time, "tzset"):
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    yield
    if hasattr(time, "tzset"):
        monkeypatch.undo()
        time.tzset()


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, with an encoding."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown_in_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The text that a command writes to a terminal."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        assert main([*arguments]) == 0
        return sys.stdout.getvalue()  # type: ignore[attr-defined, no-any-return]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> list[str]:
    """The lines that a command prints."""
    assert main([*arguments]) == status
    out, complaints = capsys.readouterr()
    assert complaints == ""
    return str(out).splitlines()


# The tables.


def test_top_lists_operations(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each operation of each service has a line, those with the most self time first."""
    assert asked(capsys, "top", file, "--width", "100") == [
        "OPERATION       SPANS  ERRORS     P50     P95     P99     MAX    SELF  PATH",
        "shop: checkout      2       0  1.00 s  2.00 s  2.00 s  2.00 s  1.12 s  38 %",
        "shop: SELECT        2       0  250 ms  500 ms  500 ms  500 ms  750 ms  25 %",
        "bank: charge        2       2  375 ms  750 ms  750 ms  750 ms  750 ms  25 %",
        "notify              2       0  125 ms  250 ms  250 ms  250 ms  375 ms  12 %",
    ]


@pytest.mark.parametrize(
    ("by", "first"),
    [
        *(("self", "checkout"), ("path", "checkout"), ("errors", "charge"), ("spans", "poll")),
        *(("p50", "checkout"), ("p95", "checkout"), ("p99", "checkout"), ("max", "checkout")),
    ],
)
def test_top_sorts_by_any_figure(
    by: str, first: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The greatest figure comes first, and an operation without one last."""
    with open(file, "a", encoding="utf-8") as more:
        for each in range(3):
            print(json.dumps(span(f"p{each}", operation_name="poll", duration=None)), file=more)
    lines = asked(capsys, "top", file, "--by", by)
    assert lines[1].split(": ")[-1].startswith(first)
    if by.startswith("p") and by != "path":
        assert lines[-1].startswith("poll")


def test_slowest_lists_traces(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has the operation of a root, its times, its start and its trace."""
    assert asked(capsys, "slowest", file) == [
        "OPERATION         TOOK    SELF              STARTED  TRACE",
        "shop: checkout  2.00 s  750 ms  2023-11-14 22:14:20     t2",
        "shop: checkout  1.00 s  375 ms  2023-11-14 22:13:20     t1",
    ]
    assert len(asked(capsys, "slowest", file, "-n", "1")) == 2


def test_slowest_lists_the_spans_that_match(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a filter, the lines are of spans, and a failed one is marked."""
    lines = asked(capsys, "slowest", file, "--service", "bank")
    assert [line.split("  ")[0] for line in lines[1:]] == ["✗ bank: charge"] * 2


def test_errors_are_listed_by_message(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has a message, how often it was, and the last trace with it."""
    assert asked(capsys, "errors", file) == [
        "OPERATION     ERRORS  BEGAN HERE                 LAST  TRACE  MESSAGE",
        "bank: charge       2           2  2023-11-14 22:14:21     t2  no card",
    ]


def test_compare_names_what_became_slower(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has the verdict, and the figures before and after."""
    before = write(
        tmp_path / "a", *(each for n in range(9) for each in checkout(f"t{n}", n, 1 + n / 99))
    )
    after = write(
        tmp_path / "b",
        *(each for n in range(9) for each in checkout(f"t{n}", n, 1.5 + n / 99)),
        span("1", operation_name="new"),
    )
    assert asked(capsys, "compare", before, after, "--width", "100") == [
        "OPERATION               CHANGE           MEDIAN              P95  TRACES  ERRORS",
        "shop: checkout  slower   +48 %  1.04 s → 1.54 s  1.08 s → 1.58 s   9 → 9   0 → 0",
        "bank: charge    slower   +48 %  390 ms → 578 ms  405 ms → 593 ms   9 → 9   9 → 9",
        "shop: SELECT    slower   +48 %  260 ms → 385 ms  270 ms → 395 ms   9 → 9   0 → 0",
        "notify          slower   +48 %  130 ms → 193 ms  135 ms → 198 ms   9 → 9   0 → 0",
        "new                new       -       - → 1.00 s       - → 1.00 s   0 → 1   0 → 0",
    ]
    lines = asked(capsys, "compare", before, after, "--at-least", "50%", "--service", "bank")
    assert [line.split()[2:4] for line in lines[1:]] == [["within", "noise"]]


def test_critical_path_lists_pieces_of_the_slowest_trace(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has a piece's start and length; those of deeper spans are indented."""
    assert asked(capsys, "critical-path", file) == [
        "trace t2 · 2.00 s · 4 spans · shop, bank · 1 error",
        "    AT     FOR  SHARE  OPERATION",
        "  0 µs  250 ms   12 %  shop: checkout",
        "250 ms  500 ms   25 %    shop: SELECT",
        "750 ms  250 ms   12 %  shop: checkout",
        "1.00 s  250 ms   12 %      notify",
        "1.25 s  500 ms   25 %    ✗ bank: charge",
        "1.75 s  250 ms   12 %  shop: checkout",
    ]


def test_the_longest_pieces_of_a_path_are_kept(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """If a path has more pieces than lines, the longest are listed, in the order of time."""
    lines = asked(capsys, "critical-path", file, "--trace", "T", "-n", "2")
    assert lines[1:6] == [
        "    AT     FOR  SHARE  OPERATION",
        "125 ms  250 ms   25 %    shop: SELECT",
        "625 ms  250 ms   25 %    ✗ bank: charge",
        "and 4 shorter pieces, 500 ms",
        "",
    ]
    assert lines[6].startswith("trace t2")


def test_a_path_without_time_has_its_title(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trace that took no time has no pieces."""
    lines = asked(capsys, "critical-path", write(tmp_path / "a", span("1", duration=0.0)))
    assert lines == ["trace t1 · 0 µs · 1 span", "AT  FOR  SHARE  OPERATION"]


def test_rows_that_are_left_out_are_counted(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says how many there are, and how to see them."""
    assert asked(capsys, "top", file, "-n", "3")[4:] == ["and 1 operation more; -n 4 shows all"]


# Filters.


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["--operation", "SELECT"], ["SELECT"]),
        (["--service", "shop", "--slower-than", "600ms"], ["checkout"]),
        (["--slower-than", "1.5s"], ["checkout"]),
        (["--tag", "error=true"], ["charge"]),
        (["--tag", "http.status_code=500", "--operation", "notify"], ["notify"]),
        (["--since", "2023-11-14T22:14:21Z", "--operation", "charge"], ["charge"]),
        (["--since", "2023-11-14T23:14:21+01:00", "--service", "bank"], ["charge"]),
        (["--since", "2023-11-14 22:14"], ["checkout", "SELECT", "charge", "notify"]),
    ],
)
def test_filters_combine(
    filters: list[str], names: list[str], file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spans that match all filters are listed."""
    lines = asked(capsys, "top", file, *filters)
    assert [line.split("  ")[0].split(": ")[-1] for line in lines[1:]] == names


@pytest.mark.parametrize(("since", "status"), [("15m", 0), ("1m30s", 1)])
def test_since_takes_a_duration_before_now(
    since: str, status: int, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``15m`` is a quarter of an hour before now, whenever the spans were."""
    monkeypatch.setattr(time, "time", lambda: START + 60 + 120)
    assert main(["top", file, "--since", since]) == status


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("200ms", 0.2), ("1.5s", 1.5), ("3m", 180), ("3min", 180), ("2h", 7200), ("1d", 86400)),
        *(
            (".5s", 0.5),
            ("1m30s", 90),
            ("5us", 5e-6),
            ("5µs", 5e-6),
            ("5 ms", 0.005),
            ("7ns", 7e-9),
        ),
    ],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    """A duration is a number with its unit, or several."""
    assert _command_filters._duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--slower-than", "200"],
        ["--slower-than", "ms"],
        ["--slower-than", "-1s"],
        ["--slower-than", "5 parsecs"],
        ["--slower-than", "9" * 400 + "s"],
        ["--since", "yesterday"],
        ["--since", "2023-13-01"],
        ["--tag", "error"],
        ["--tag", "=x"],
        ["--by", "p42"],
        ["-n", "0"],
        ["-n", "many"],
        ["--width", "0"],
    ],
)
def test_wrong_values_are_refused(
    arguments: list[str], file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage is printed on standard error, and the status is 2, as with other commands."""
    with pytest.raises(SystemExit) as ended:
        main(["top", file, *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("percent", ["-1", "nan", "inf", "x"])
def test_a_wrong_percentage_is_refused(
    percent: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The least change is at least 0 percent."""
    with pytest.raises(SystemExit):
        main(["compare", file, file, f"--at-least={percent}"])
    assert f"--at-least: at least 0 percent, not '{percent}'" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
@pytest.mark.parametrize(("option", "unit"), [("-n", "row"), ("--width", "column")])
def test_a_wrong_number_is_refused(
    option: str, unit: str, number: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what a number of rows or columns is, whatever was given for it."""
    with pytest.raises(SystemExit):
        main(["top", file, option, number])
    expected = f"argument {option}: at least 1 {unit}, not '{number}'"
    assert expected in capsys.readouterr().err


# Nothing to answer.


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_empty_file_is_reported(
    question: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and standard error has one line."""
    assert main([question, write(tmp_path / "empty")]) == 1
    assert capsys.readouterr() == ("", "no spans\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["top", "--operation", "none"], "no spans match"),
        (["slowest", "--slower-than", "1h"], "no spans match"),
        (["errors", "--service", "shop"], "no errors"),
        (["critical-path", "--trace", "zz"], "no trace zz"),
    ],
)
def test_a_question_without_an_answer_is_reported(
    arguments: list[str], complaint: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1, and standard error has one line with the reason."""
    assert main([*arguments, file]) == 1
    assert capsys.readouterr() == ("", f"{complaint}\n")


@pytest.mark.parametrize("order", [1, -1])
def test_compare_names_the_empty_file(
    order: int, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 1 if one of the files has no spans, and the message names it."""
    empty = write(tmp_path / "empty")
    assert main(["compare", *[file, empty][::order]]) == 1
    assert capsys.readouterr() == ("", f"{empty}: no spans\n")


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_can_be_read_is_answered(
    question: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """If one of the files is missing, the others are answered, and the status is 1."""
    assert main([question, "missing", file]) == 1
    out, complaints = capsys.readouterr()
    assert "charge" in out or "checkout" in out
    assert complaints == "missing: No such file or directory\n"


# The terminal.


@pytest.mark.parametrize("question", QUESTIONS)
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
def test_colours_are_those_of_show(
    question: str,
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
    assert ("\x1b[1m" in shown_in_terminal(monkeypatch, question, file, *arguments)) is colored


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("start", [0.0, 1e14, -1e14, float("nan")])
def test_hostile_spans_move_no_cursor(
    question: str, encoding: str, start: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file has in names, ids and messages, lines are short and printable."""
    evil = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\u2066名" + "x" * 100_000
    log = {"timestamp": 0.0, "fields": {"event": "error", "message": evil}}
    made = {"trace_id": evil, "operation_name": evil, "service": evil, "logs": [log]}
    failed = span(evil, tags={"error": True}, start_time=start, duration=9e14, **made)
    file = write(tmp_path / "evil", failed)
    monkeypatch.setattr(Terminal, "encoding", encoding)
    shown = shown_in_terminal(monkeypatch, question, file, "--no-color", "--width", "70")
    lines = shown.splitlines()
    assert 2 <= len(lines) <= 3
    assert all(line.isprintable() for line in lines)
    assert all(map(columns_fit(70), lines))
    assert "\\x1b[2J" in shown
    assert encoding != "ascii" or shown.isascii()


def columns_fit(width: int) -> Any:
    def fit(line: str) -> bool:
        wide = sum(unicodedata.east_asian_width(each) in "WF" for each in line)
        return len(line) + wide <= width

    return fit


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("width", [1, 2, 10, 25, 40, 60, 79, 200])
def test_no_line_is_wider_than_the_width(
    question: str, width: int, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The least important figures are left out, then names are cut."""
    lines = asked(capsys, question, file, "--width", str(width))
    assert all(map(columns_fit(width), lines))


_CELLS = st.text(st.sampled_from("ab名 \x1b…"), max_size=12)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=6),
    st.data(),
    st.integers(1, 60),
    st.booleans(),
)
def test_any_table_fits(
    kinds: list[tuple[bool, int]], data: st.DataObject, width: int, unicode: bool
) -> None:
    """No line is wider than the width, and colours do not change the text."""
    columns = [Column("T", is_text, importance) for is_text, importance in kinds]
    texts = data.draw(st.lists(st.tuples(*[_CELLS] * len(columns)), max_size=4))
    rows = [[Cell(text, "\x1b[31m") for text in row] for row in texts]
    glyphs = Glyphs(unicode)
    plain = table(columns, rows, width=width, glyphs=glyphs, color=False)
    assert len(plain) == len(rows) + 1
    assert all(map(columns_fit(width), plain))
    colored = table(columns, rows, width=width, glyphs=glyphs, color=True)
    bare = [line.replace("\x1b[31m", "").replace("\x1b[1m", "") for line in colored]
    assert [line.replace("\x1b[0m", "").rstrip() for line in bare] == plain


@pytest.mark.parametrize(
    ("texts", "width", "line"),
    [
        (("short", "m" * 60), 50, "short  1  " + "m" * 39 + "…"),
        (("n" * 60, "short"), 50, "n" * 39 + "…  1  short"),
        (("n" * 60, "m" * 60), 50, "n" * 21 + "…  1  " + "m" * 22 + "…"),
    ],
)
def test_a_text_is_cut_only_where_no_column_leaves_it_space(
    texts: tuple[str, str], width: int, line: str
) -> None:
    """A long text gets all that a short one does not need; two long ones have equal parts."""
    columns = [Column("A", is_text=True), Column("B"), Column("C", is_text=True)]
    row = [Cell(texts[0]), Cell("1"), Cell(texts[1])]
    drawn = table(columns, [row], width=width, glyphs=Glyphs(True), color=False)
    assert drawn[1] == line
