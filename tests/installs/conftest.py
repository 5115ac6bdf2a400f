"""Environments that pip makes, with packages from the index; for ``make test-installs``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..run_on_all_pythons import find

ROOT = Path(__file__).resolve().parents[2]


def pip(python: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pip, which may fail, with the environment that `python` belongs to."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """This project as a wheel, of a copy: a build leaves files behind that the next one ships."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("env", ".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "project", ignore=ignored)
    built = pip(sys.executable, "wheel", "--no-deps", "-w", str(folder), str(folder / "project"))
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return str(found)


@pytest.fixture(scope="session")
def environment() -> Callable[..., Path]:
    """A function that gives the Python 3.9 of an environment with these requirements.

    It is kept in ``env/``, and made anew when the requirements change.
    """
    python39 = find("python3.9", ["CPython 3.9"])

    def make(name: str, *requirements: str) -> Path:
        if python39 is None:
            pytest.skip("no Python 3.9 was found")
        folder = ROOT / "env" / "installs" / name
        installed = folder / ".installed"
        wanted = "\n".join((*requirements, (ROOT / "setup.py").read_text(encoding="utf-8")))
        if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
            subprocess.run([python39, "-m", "venv", "--clear", str(folder)], check=True)
            upgraded = pip(folder / "bin" / "python", "install", "pip>=21.3")
            assert upgraded.returncode == 0, upgraded.stderr
            done = pip(folder / "bin" / "python", "install", *requirements)
            assert done.returncode == 0, done.stderr
            installed.write_text(wanted, encoding="utf-8")
        return folder / "bin" / "python"

    return make
