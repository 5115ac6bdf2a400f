"""The pages are true: their code runs, in the order of the page, and prints what the page shows.

The blocks of one ``##`` section share their names. See `guides` for how blocks are found and run.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder.__main__ import main

from .guides import ROOT, comparable, needs_os, run, sections

pytest_plugins = ["pytester"]

PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "tests/benchmarks/README.md",
        "tests/faults/README.md",
    )
}
README = PAGES["README.md"]


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """Takes away what a block adds to the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_root_logger")
@pytest.mark.parametrize(
    ("page", "section"),
    [
        pytest.param(page, section, marks=[pytest.mark.needs_os] if needs_os(blocks) else [])
        for page, text in PAGES.items()
        for section, blocks in sections(text).items()
    ],
)
def test_the_code_of_a_section_prints_what_the_page_shows(
    page: str,
    section: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every block runs, and its output is the one on the page, but for ids and times."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    for block in sections(PAGES[page])[section]:
        run(block, names, ROOT / page)
        printed, warned = capsys.readouterr()
        assert comparable(printed) == comparable(block.prints)
        assert warned == ""


@pytest.mark.needs_os
def test_the_report_on_the_page_is_what_pytest_prints(pytester: pytest.Pytester) -> None:
    """The test on the page, with the expired card, fails with that timeline."""
    code = sections(README)["Testing"][0].code.replace('checkout("good")', 'checkout("expired")')
    pytester.makepyfile(test_shop=code)
    plugins = ["-p", "opentracing_recorder.pytest_plugin", "-p", "no:asyncio"]
    printed = pytester.runpytest(*plugins).stdout.str()
    (shown,) = re.findall(r"^```console\n(-+ Captured traces.*?)^```$", README, re.M | re.S)
    assert comparable(shown) in comparable(printed)


def test_the_answer_on_the_page_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command and its output stand in one block."""
    (block,) = re.findall(r"^```console\n\$ python -m (.*?)^```$", README, re.M | re.S)
    command, _, shown = block.partition("\n")
    monkeypatch.chdir(ROOT)
    assert main([*command.split()[1:], "--width", "88"]) == 0
    assert capsys.readouterr().out == shown


def test_the_readme_is_short() -> None:
    """The first page has at most 250 lines; chapters are in the guides of modules."""
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES)
def test_no_python_block_is_overlooked(page: str) -> None:
    """As many blocks are run as the page has fences for Python, however they are indented."""
    fences = re.findall(r"^\s*[`~]{3,}\s*py", PAGES[page], re.MULTILINE | re.IGNORECASE)
    assert len(fences) == sum(len(blocks) for blocks in sections(PAGES[page]).values())


def targets(page: str) -> set[str]:
    return set(re.findall(r"(?:^|`)make ([a-z-]+)", PAGES[page], re.MULTILINE))


def test_the_make_targets_on_the_pages_are_those_of_the_makefile() -> None:
    """Every target on a page exists, and CONTRIBUTING has every target but ``help``."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)) - {"help"}
    assert targets("CONTRIBUTING.md") == known
    assert set().union(*map(targets, PAGES)) == known


@pytest.mark.parametrize(
    ("page", "path"),
    [
        (page, path)
        for page, text in PAGES.items()
        for path in sorted(set(re.findall(r"`(\.?\w+/[\w./]+)`", text)))
    ],
)
def test_the_files_on_the_pages_exist(page: str, path: str) -> None:
    """A path in the text leads somewhere; ``env/`` is made when it is needed."""
    assert path.startswith("env/") or (ROOT / path).exists()


@pytest.mark.parametrize("page", PAGES)
def test_the_links_between_pages_lead_somewhere(page: str) -> None:
    """A link is an address, or a file beside the page."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        assert target.startswith("https://") or ((ROOT / page).parent / target).exists()


def test_the_map_has_every_module() -> None:
    """CONTRIBUTING names each module of both packages, or the family of a private one."""
    (listing,) = re.findall(r"^```\n(.*?)^```$", PAGES["CONTRIBUTING.md"], re.M | re.S)
    words = set(re.findall(r"\w+\*?", listing))
    for package in ("opentracing", "opentracing_recorder"):
        for path in (ROOT / package).glob("*.py"):
            family = re.sub(r"^(_[a-z]+_).*", r"\1*", path.stem)
            assert words & {path.stem, family}, f"{path.stem} is missing from the map"
