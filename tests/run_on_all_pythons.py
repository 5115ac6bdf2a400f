"""Run the tests on every supported Python that this machine has; for ``make test-all``.

The supported versions are those in the classifiers of setup.py. Each is looked for among pyenv's
versions and on the path, and gets its own environment below ``env/``, by ``make test``. Where there
is Node, the newest runs as Pyodide too, by ``make test-pyodide``. Real servers answer every Python
alike, and the tests of faults take long: both are left to ``make test``.
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

# Debian's interpreters lack ensurepip until their venv package is installed.
_PROBE = """
import ensurepip, platform, sys, venv
print(platform.python_implementation(), "%d.%d" % sys.version_info[:2])
"""

OLDEST_NODE = 20


def supported_versions() -> list[str]:
    """The versions that the classifiers name, such as ``3.9``."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)


def wanted() -> dict[str, list[str]]:
    """What each interpreter must say of itself, one of these, by the interpreter's name."""
    versions = supported_versions()
    pythons = {f"python{version}": [f"CPython {version}"] for version in versions}
    return {**pythons, "pypy3": [f"PyPy {version}" for version in versions]}


def candidates(name: str) -> Iterator[str]:
    """The files that may be the interpreter of this name."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(str(each) for each in pyenv.glob(f"versions/*/bin/{name}"))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found:
            yield found


def find(name: str, identities: list[str]) -> str | None:
    """The first candidate that runs and is what its name says; a pyenv shim may do neither."""
    for candidate in candidates(name):
        try:
            run = subprocess.run([candidate, "-c", _PROBE], capture_output=True, text=True)
        except OSError:
            continue
        if run.returncode == 0 and run.stdout.strip() in identities:
            return candidate
    return None


def find_node() -> str | None:
    """The first Node on the path, when it is new enough for Pyodide and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    run = subprocess.run([node, "--version"], capture_output=True, text=True)
    version = re.match(r"v(\d+)\.", run.stdout)
    return node if version and int(version[1]) >= OLDEST_NODE else None


def run_tests(target: str, *variables: str) -> str:
    """The result of a make target that runs the tests."""
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", target, *variables]
    options = (
        f"{os.environ.get('PYTEST_ADDOPTS', '')} --ignore=tests/backends --ignore=tests/faults"
    )
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTEST_ADDOPTS": options})
    return "passed" if run.returncode == 0 else "FAILED"


def main() -> int:
    """Run everything; 0 when there was an interpreter, and each one found passed."""
    results = {}
    for name, identities in wanted().items():
        python = find(name, identities)
        if python is None:
            results[name] = "not found, or without its venv package"
            continue
        print(f"== {name}: {python}", flush=True)
        results[name] = run_tests("test", f"PYTHON={python}", f"VENV=env/pythons/{name}")
    node = find_node()
    if node is None:
        results["pyodide"] = f"not found: it needs Node {OLDEST_NODE} or later, and npm"
    else:
        print(f"== pyodide: {node}", flush=True)
        results["pyodide"] = run_tests("test-pyodide")
    print("\n".join(f"{name:12} {result}" for name, result in results.items()))
    return 0 if "passed" in results.values() and "FAILED" not in results.values() else 1


if __name__ == "__main__":
    sys.exit(main())
