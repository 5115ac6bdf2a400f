"""pytests that are too old for the fixture `captrace`, and the first that is not."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import pip

STRICT = ["-W", "error", "--strict-markers", "--strict-config"]

PASSING = """
import pytest

@pytest.fixture
def number():
    return 1

def test_number(number):
    assert number == 1

def test_no_captrace(captrace):
    pass
"""

FAILING = """
import opentracing
import pytest

@pytest.mark.captrace(fail_on_unfinished=True)
def test_unfinished(captrace):
    opentracing.global_tracer().start_span("forgotten")

def test_failing(captrace):
    with opentracing.global_tracer().start_active_span("checkout"):
        pass
    assert captrace.one("checkout").tags == {"items": 1}

def test_passing(captrace):
    assert captrace.spans == []
"""


@pytest.fixture
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(
    version: str, environment: Callable[..., Path], wheel: str, tmp_path: Path
) -> Callable[..., str]:
    """A function that runs this pytest, with this project installed, and gives what it printed."""
    python = environment(f"pytest-{version}", f"pytest=={version}", "six")
    installed = pip(python, "install", "--force-reinstall", "--no-deps", wheel)
    assert installed.returncode == 0, installed.stderr

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return re.sub(r"\d+\.\d+ ?s(econds)?", "0.00s", ran.stdout)

    return run


@pytest.mark.parametrize("version", ["3.0.0", "6.2.5"], indirect=True)
def test_an_old_pytest_runs_as_if_nothing_were_installed(
    version: str, run: Callable[..., str], tmp_path: Path
) -> None:
    """Tests, fixtures, markers and options are those without the plugin, at its strictest.

    3.0.0 is the oldest that runs on Python 3.9.
    """
    (tmp_path / "test_it.py").write_text(PASSING, encoding="utf-8")
    strict = ["--strict"] if version == "3.0.0" else STRICT  # it has no more than that
    for arguments in [[*strict, "-q"], ["--fixtures", "-q"], ["--markers"], ["--help"]]:
        with_plugin = run(*arguments)
        assert with_plugin == run(*arguments, "-p", "no:opentracing_recorder.pytest_plugin")
        assert "INTERNAL" not in with_plugin
        assert "Traceback" not in with_plugin
    assert "1 passed, 1 error" in run(*strict, "-q")


@pytest.mark.parametrize("version", ["7.0.0"], indirect=True)
def test_the_first_pytest_that_has_what_the_fixture_needs(
    run: Callable[..., str], tmp_path: Path
) -> None:
    """The fixture, its marker and its option work there."""
    (tmp_path / "test_it.py").write_text(FAILING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ncaptrace_fail_on_unfinished = false\n", encoding="utf-8"
    )
    printed = run(*STRICT, "-q")
    assert "2 failed, 1 passed" in printed
    assert "Spans started and never finished:" in printed
    assert "checkout" in printed.partition("- Captured traces -")[2]
