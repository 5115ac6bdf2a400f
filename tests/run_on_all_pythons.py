"""Run the tests on every supported Python that this machine has; for ``make test-all``.

The supported versions are those in the classifiers of setup.py. Each is looked for on the path and
among pyenv's versions, and gets its own environment below ``env/``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_VERSION = (
    "import platform as p, sys;print(p.python_implementation(), '%d.%d' % sys.version_info[:2])"
)


def supported_versions() -> list[str]:
    """The versions that the classifiers name, such as ``3.9``."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)


def candidates(name: str) -> Iterator[str]:
    """The files that may be the interpreter of this name, best first."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(str(each) for each in pyenv.glob(f"versions/*/bin/{name}"))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found:
            yield found


def find(name: str, implementation: str, version: str | None) -> str | None:
    """An interpreter that really runs and is what its name says; shims may do neither."""
    for candidate in candidates(name):
        run = subprocess.run([candidate, "-c", _VERSION], capture_output=True, text=True)
        words = run.stdout.split()
        if run.returncode == 0 and words[0] == implementation and version in (None, words[1]):
            return candidate
    return None


def run_tests(name: str, python: str) -> bool:
    """Install into an environment of its own, and run the tests there."""
    environment = ROOT / "env" / "pythons" / name
    inside = str(environment / "bin" / "python")
    pip = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps = [
        [python, "-m", "venv", str(environment)],
        [*pip, "--editable", ".[tests]"],
        [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
    ]
    return all(subprocess.run(step, cwd=ROOT).returncode == 0 for step in steps)


def main() -> int:
    """Run everything; 0 when each interpreter found passed."""
    wanted = [(f"python{version}", "CPython", version) for version in supported_versions()]
    results = {}
    for name, implementation, version in [*wanted, ("pypy3", "PyPy", None)]:
        python = find(name, implementation, version)
        if python is None:
            results[name] = "not found on this machine"
            continue
        print(f"== {name}: {python}", flush=True)
        results[name] = "passed" if run_tests(name, python) else "FAILED"
    print("\n".join(f"{name:12} {result}" for name, result in results.items()))
    return 1 if "FAILED" in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
