"""Run the tests on every supported Python that this machine has; for ``make test-all``.

The supported versions are those in the classifiers of setup.py. Each is looked for among pyenv's
versions and on the path, and gets its own environment below ``env/``, by ``make test``. Where there
is Node, the newest runs as Pyodide too, by ``make test-pyodide``; builds without the GIL run the
tests that race threads, by ``make test-threads``. Real servers answer every Python alike, and the
tests of faults take long: both are left to ``make test``.

As many run at once as the machine has cores, since much of a run is waiting; each prints its output
when it is done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Debian's interpreters lack ensurepip until their venv package is installed.
_PROBE = """
import ensurepip, platform, sys, venv
gil = "t" if "t" in getattr(sys, "abiflags", "") else ""
print(platform.python_implementation(), "%d.%d" % sys.version_info[:2] + gil)
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


def wanted_without_gil() -> dict[str, list[str]]:
    """The same for builds that can run without the GIL, from the first version that has them."""
    versions = [each for each in supported_versions() if int(each.partition(".")[2]) >= 13]
    return {f"python{version}t": [f"CPython {version}t"] for version in versions}


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


def make(target: str, *variables: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run a make target, with these options for pytest."""
    return subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", target, *variables],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} {options}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def run_tests(name: str, interpreter: str, target: str, *variables: str) -> str:
    """The result of a make target that runs the tests."""
    options = "-p no:cacheprovider"
    if target == "test":
        options += " --ignore=tests/backends --ignore=tests/faults"
    run = make(target, *variables, options=options)
    print(f"== {name}: {interpreter}\n{run.stdout}", flush=True)
    return "passed" if run.returncode == 0 else "FAILED"


def main() -> int:
    """Run everything; 0 when there was an interpreter, and each one found passed."""
    results = {}
    jobs = {}
    # The slowest first: PyPy, which is the last of them.
    for name, identities in reversed(wanted().items()):
        python = find(name, identities)
        if python is None:
            results[name] = "not found, or without its venv package"
            continue
        jobs[name] = python, "test", f"PYTHON={python}", f"VENV=env/pythons/{name}"
        # Before any test, and one after the other: each writes the project's metadata here.
        make("installed", *jobs[name][2:])
    for name, identities in wanted_without_gil().items():
        python = find(name, identities)
        if python is None:
            results[name] = "not found, or without its venv package"
            continue
        variables = f"PYTHON={python}", f"VENV=env/pythons/{name}", "PYTHON_GIL=0"
        jobs[name] = python, "test-threads", *variables
        make("installed-threads", *variables)
    node = find_node()
    if node is None:
        results["pyodide"] = f"not found: it needs Node {OLDEST_NODE} or later, and npm"
    else:
        jobs["pyodide"] = node, "test-pyodide"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {name: pool.submit(run_tests, name, *job) for name, job in jobs.items()}
    results.update({name: run.result() for name, run in running.items()})
    names = [*wanted(), *wanted_without_gil(), "pyodide"]
    print("\n".join(f"{name:12} {results[name]}" for name in names))
    return 0 if "passed" in results.values() and "FAILED" not in results.values() else 1


if __name__ == "__main__":
    sys.exit(main())
