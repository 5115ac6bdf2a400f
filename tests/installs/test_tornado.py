"""TornadoScopeManager on the Tornados that have stack contexts, in environments of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT

HERE = Path("tests", "installs", "stack_contexts")
# Tornado's own: it is older than what they warn of.
NO_WARNINGS = ["-W", "ignore::DeprecationWarning"]

pytestmark = pytest.mark.parametrize("version", ["4.5.3", "5.1.1"])


def run(python: Path, *arguments: str) -> str:
    """Return the output of this Python, run in the folder of the project."""
    environment = {name: os.environ[name] for name in os.environ if name != "PYTEST_ADDOPTS"}
    ran = subprocess.run(
        [str(python), *NO_WARNINGS, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


@pytest.fixture
def python(version: str, environment: Callable[..., Path]) -> Path:
    requirements = ["--editable", str(ROOT), "pytest>=8.4", "hypothesis>=6"]
    return environment(f"tornado-{version}", f"tornado=={version}", *requirements)


def test_the_testbed_runs_on_stack_contexts(python: Path) -> None:
    """The testbed, the checks of every scope manager, and those of stack contexts pass."""
    shared = "tests/opentracing/scope_managers/test_scope_managers.py"
    options = ["-q", "-p", "no:cacheprovider", "-k", "tornado or stack_contexts", *NO_WARNINGS]
    printed = run(python, "-m", "pytest", *options, str(HERE), "tests/testbed", shared)
    assert " skipped" not in printed


def test_spans_hang_together_as_with_2_4(
    version: str, python: Path, environment: Callable[..., Path]
) -> None:
    """The same coroutines and callbacks make the same trees on both, and leave nothing active."""
    old = environment(f"tornado-{version}-2.4", f"tornado=={version}", "opentracing==2.4.0")
    printed = run(python, str(HERE / "trees.py"))
    assert "parent" in printed
    assert printed == run(old, str(HERE / "trees.py"))
