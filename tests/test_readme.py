"""README is true: its code runs, in the order of the page, and prints what the page shows.

The blocks of one ``##`` section share their names. A ``text`` block is what the ``python`` block
before it prints; a ``python`` block without one prints nothing.
"""

from __future__ import annotations

import inspect
import logging
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opentracing_recorder.captrace import CapTrace

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

_HEADING_OR_BLOCK = re.compile(
    r"^## (?P<heading>.+?)$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of code, the line of the page it starts at, and what it should print."""

    code: str
    line: int
    prints: str


def sections() -> dict[str, list[Block]]:
    """The Python blocks of each section that has any."""
    found: dict[str, list[Block]] = {}
    section = ""
    follows_code = False
    for match in _HEADING_OR_BLOCK.finditer(README):
        if match["heading"]:
            section = match["heading"]
        elif match["language"] == "python":
            line = README.count("\n", 0, match.start("code"))
            found.setdefault(section, []).append(Block(match["code"], line, ""))
        elif match["language"] == "text":
            assert follows_code, f"output without code in section {section!r}"
            found[section][-1] = found[section][-1]._replace(prints=match["code"])
        follows_code = match["language"] == "python"
    return found


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block, and then the tests that it defines, the classes of the harness included.

    Errors show the line of the page.
    """
    known = dict(names)
    source = "\n" * block.line + block.code
    exec(compile(source, str(ROOT / "README.md"), "exec", dont_inherit=True), names)
    for name, value in list(names.items()):
        if name.startswith("test_") and known.get(name) is not value:
            with CapTrace() as captrace:
                value(**dict.fromkeys(inspect.signature(value).parameters, captrace))
        elif name.startswith("Test") and known.get(name) is not value:
            left_out.extend(run_checks(value))


left_out: list[str] = []
"""What the checks of the harness on the page have skipped."""


def run_checks(checks: type) -> list[str]:
    """Run the checks that a class inherits; the reasons for which some are skipped."""
    reasons = []
    for name in dir(checks):
        if name.startswith("test_"):
            try:
                getattr(checks(), name)()
            except unittest.SkipTest as skipped:
                reasons.append(str(skipped))
    return reasons


def comparable(printed: str) -> str:
    """What is printed, less what differs from run to run: ids, durations, lengths of bars."""
    printed = re.sub(r"\b[0-9a-f]{10,32}\b", "ID", printed)
    printed = re.sub(r" *\d+(\.\d+)? ?(µs|ms|s)\b", " TIME", printed)
    printed = re.sub(r" *[━╸╺┿┄▸]+ *", " BAR ", printed)
    return "\n".join(line.rstrip() for line in printed.splitlines())


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """What a block adds to the root logger is taken away again."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def needs_os(section: str) -> bool:
    """Whether the code of a section starts threads, or needs packages that are about sockets."""
    code = "".join(block.code for block in sections()[section])
    marks = (
        "ThreadPoolExecutor(",
        "BatchRecorder)",
        "CheckMixin",
        "OpenTelemetryRecorder(",
        "opentracing_recorder.zipkin",
    )
    return any(mark in code for mark in marks)


@pytest.mark.usefixtures("_root_logger")
@pytest.mark.parametrize(
    "section",
    [
        pytest.param(each, marks=[pytest.mark.needs_os] if needs_os(each) else [])
        for each in sections()
    ],
)
def test_the_code_of_a_section_prints_what_the_page_shows(
    section: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every block runs, and its output is the one on the page, but for ids and times."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    for block in sections()[section]:
        run(block, names)
        printed, warned = capsys.readouterr()
        assert comparable(printed) == comparable(block.prints)
        assert warned == ""


@pytest.mark.needs_os
def test_the_report_on_the_page_is_what_pytest_prints(pytester: pytest.Pytester) -> None:
    """The test on the page, with the expired card, fails with that timeline."""
    code = sections()["Testing"][0].code.replace('checkout("good")', 'checkout("expired")')
    pytester.makepyfile(test_shop=code)
    plugins = ["-p", "opentracing_recorder.pytest_plugin", "-p", "no:asyncio"]
    printed = pytester.runpytest(*plugins).stdout.str()
    (shown,) = re.findall(r"^```console\n(-+ Captured traces.*?)^```$", README, re.M | re.S)
    assert comparable(shown) in comparable(printed)


@pytest.mark.needs_os
def test_the_recorder_on_the_page_passes_the_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its checks leave out is what the page shows."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    left_out.clear()
    for block in sections()["Writing a Recorder"]:
        run(block, names)
    assert sum("RecorderCheckMixin" in block.code for block in sections()["Writing a Recorder"])
    (shown,) = re.findall(r"^```console\n(backend_address.*?)^```$", README, re.M | re.S)
    assert sorted(set(left_out)) == shown.splitlines()


def test_no_python_block_is_overlooked() -> None:
    """As many blocks are run as the page has fences for Python, however they are indented."""
    fences = re.findall(r"^\s*[`~]{3,}\s*py", README, re.MULTILINE | re.IGNORECASE)
    assert len(fences) == sum(len(blocks) for blocks in sections().values())


def test_the_make_targets_on_the_page_are_those_of_the_makefile() -> None:
    """Every target in the text exists, and every target but ``help`` is in the text."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)) - {"help"}
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)) == targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\.?\w+/[\w./]+)`", README))))
def test_the_files_on_the_page_exist(path: str) -> None:
    """A path in the text leads somewhere; ``env/`` is made when it is needed."""
    assert path == "env/" or (ROOT / path).exists()
