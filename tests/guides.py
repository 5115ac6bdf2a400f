"""Blocks of code on pages and in docstrings, and how the tests run them.

On a page, a ``python`` block runs, and a ``text`` block is the output of the block before it. In a
docstring, a ``::`` block runs if Python can parse it. If the paragraph before a block ends with
"prints::", the block is the output of the block before it. A block without output prints nothing.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from opentracing_recorder.captrace import CapTrace

ROOT = Path(__file__).resolve().parent.parent

_HEADING_OR_BLOCK = re.compile(
    r"^## (?P<heading>.+?)$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NEEDS_OS = (
    "ThreadPoolExecutor(",
    "Thread(",
    "BatchRecorder)",
    "RecorderCheckMixin",
    "KafkaRecorder(",
    "OpenTelemetryRecorder(",
    "ZipkinRecorder",
    "ZipkinTracer",
    "asyncio.run(",
    "FaultyProxy(",
    "close_at_signals(",
    "from opentelemetry",
)


class Block(NamedTuple):
    """A block of code, the line of the file before its first, and its output."""

    code: str
    line: int
    prints: str = ""


def needs_os(blocks: list[Block]) -> bool:
    """Return if the code starts threads, or needs packages that Pyodide does not have."""
    return any(mark in block.code for block in blocks for mark in _NEEDS_OS)


def sections(page: str) -> dict[str, list[Block]]:
    """The Python blocks of each ``##`` section of a Markdown page that has any."""
    found: dict[str, list[Block]] = {}
    section = ""
    follows_code = False
    for match in _HEADING_OR_BLOCK.finditer(page):
        if match["heading"]:
            section = match["heading"]
        elif match["language"] == "python":
            line = page.count("\n", 0, match.start("code"))
            found.setdefault(section, []).append(Block(match["code"], line))
        elif match["language"] == "text":
            assert follows_code, f"output without code in section {section!r}"
            found[section][-1] = found[section][-1]._replace(prints=match["code"])
        follows_code = match["language"] == "python"
    return found


def literal_blocks(text: str, line: int = 0) -> Iterator[tuple[str, str, int]]:
    """Each ``::`` block: the line that introduces it, the block, and the line before its first."""
    lines = text.splitlines()
    start = 0
    while start < len(lines):
        introduction = lines[start]
        start += 1
        if not introduction.rstrip().endswith("::"):
            continue
        first = start
        while first < len(lines) and not lines[first].strip():
            first += 1
        margin = _margin(lines[first]) if first < len(lines) else 0
        end = first
        if margin > _margin(introduction):
            while end < len(lines) and (not lines[end].strip() or _margin(lines[end]) >= margin):
                end += 1
        code = textwrap.dedent("\n".join(lines[first:end])).strip("\n") + "\n"
        yield introduction.strip(), code, line + first
        start = max(start, end)


def docstring_blocks(text: str, line: int = 0) -> list[Block]:
    """The Python blocks of a docstring, each with its output."""
    found: list[Block] = []
    for introduction, code, before in literal_blocks(text, line):
        if introduction.endswith("prints::"):
            assert found, f"output without code: {code}"
            found[-1] = found[-1]._replace(prints=code)
        elif _is_python(code):
            found.append(Block(code, before))
    return found


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def run(block: Block, names: dict[str, Any], file: Path) -> list[str]:
    """Run a block, and then the tests that it defines; returns why checks were skipped.

    Errors show the line of the file.
    """
    known = dict(names)
    source = "\n" * block.line + block.code
    exec(compile(source, str(file), "exec", dont_inherit=True), names)
    skipped = []
    for name, value in list(names.items()):
        if name.startswith("test_") and known.get(name) is not value:
            with CapTrace() as captrace:
                value(**dict.fromkeys(inspect.signature(value).parameters, captrace))
        elif name.startswith("Test") and known.get(name) is not value:
            skipped += _run_checks(value)
    return skipped


def _run_checks(checks: type) -> list[str]:
    """Run the checks that a class of a contract kit inherits; returns why some were skipped."""
    reasons = []
    for name in dir(checks):
        if name.startswith("test_"):
            try:
                getattr(checks(), name)()
            except unittest.SkipTest as skipped:
                reasons.append(str(skipped))
    return reasons


def comparable(printed: str) -> str:
    """Output without the parts that differ from run to run: ids, durations, bars, last blanks."""
    printed = re.sub(r"\b[0-9a-f]{10,32}\b", "ID", printed)
    printed = re.sub(r" *\d+(\.\d+)? ?(µs|ms|s)\b", " TIME", printed)
    printed = re.sub(r" *[━╸╺┿┄▸]+ *", " BAR ", printed)
    return "\n".join(line.rstrip() for line in printed.splitlines()).rstrip()
