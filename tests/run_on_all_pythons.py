"""Run the tests on every supported Python that this machine has; for ``make test-all``.

The supported versions are those in the classifiers of setup.py. Each is looked for among pyenv's
versions and on the path, and gets its own environment below ``env/``, by ``make test``. The newest
is fetched from Maven's repository if it is found nowhere. It runs the tests of contexts twice: also
with threads that inherit the context they are started in. Where there is Node, it runs as Pyodide
too, by ``make test-pyodide``; builds without the GIL run the tests that race threads, by
``make test-threads``. Of the long tests, the oldest and the newest Python run those to which the
interpreter matters: how a process ends. The other tests of faults are left to ``make test`` and
``make test-faults``: hostile values can take PyPy minutes each. So are the tests of a page in a
browser and of the benchmarks, which test no Python; and each property is tried with fewer examples
than ``make test`` tries. ``make test-all TESTED=python3``, which the gate runs, also leaves out the
tests that ``make test`` has run on that Python; on the versions between the oldest and the newest,
it runs the tests of contexts alone. Before a release, run it without ``TESTED``.

As many are installed, and then run, at once as the machine has cores. Each runs in one process: to
collect the tests in every process of each would take longer. Each prints its output when it is
done.
"""

from __future__ import annotations

import os
import platform
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

NOT_FOUND = "not found, or without its venv package"

# What the Makefile fetches.
FETCHED = "python3.14"
INTO = "env/cpython"

EXAMPLES = "20"
"""Of each property, on each Python; ``make test`` tries 100."""

# The tests that `make test` alone runs: a page in a browser, and programs that measure.
ONCE = [
    "tests/opentracing_recorder/test_timeline_page.py",
    "tests/test_benchmarks.py",
    "tests/test_browser.py",
]

# The tests to which it matters what a thread inherits.
OF_CONTEXTS = [
    "tests/opentracing",
    "tests/testbed",
    "tests/opentracing_recorder/test_batch.py",
    "tests/opentracing_recorder/test_captrace.py",
    "tests/opentracing_recorder/test_opentelemetry.py",
    "tests/opentracing_recorder/test_tracer.py",
    "tests/test_readme.py",
]

# The long tests that the oldest and the newest Python run: exits, signals and children.
OF_ENDS = [
    "tests/faults/test_exit.py",
    "tests/faults/test_multiprocessing.py",
    "tests/faults/test_signals.py",
]


def supported_versions() -> list[str]:
    """The versions that the classifiers name, such as ``3.9``."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)


def minors() -> list[int]:
    """The second numbers of the supported versions."""
    return [int(each.partition(".")[2]) for each in supported_versions()]


def wanted() -> dict[str, list[str]]:
    """The descriptions, one of which each interpreter must give of itself, by its name."""
    versions = supported_versions()
    pythons = {f"python{version}": [f"CPython {version}"] for version in versions}
    return {**pythons, "pypy3": [f"PyPy {version}" for version in versions]}


def wanted_without_gil() -> dict[str, list[str]]:
    """The same for builds that can run without the GIL, from the first version that has them."""
    versions = [f"3.{minor}t" for minor in minors() if minor >= 13]
    return {f"python{version}": [f"CPython {version}"] for version in versions}


def wanted_with_long_tests() -> dict[str, str]:
    """The oldest and the newest interpreter, each by the name of its run of long tests."""
    versions = supported_versions()
    return {f"python{each}": f"python{each}, ends" for each in (versions[0], versions[-1])}


def between() -> list[str]:
    """The interpreters between the oldest and the newest version."""
    return [f"python{each}" for each in supported_versions()[1:-1]]


def wanted_with_inherited_contexts() -> dict[str, str]:
    """The interpreters whose threads can inherit contexts, each by the name of its second run."""
    return {f"python3.{minor}": f"python3.{minor}, inheriting" for minor in minors() if minor >= 14}


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
    return next((each for each in candidates(name) if identifies(each, identities)), None)


def identifies(candidate: str, identities: list[str]) -> bool:
    """Return if this file runs and gives one of these descriptions."""
    try:
        run = subprocess.run([candidate, "-c", _PROBE], capture_output=True, text=True)
    except OSError:
        return False
    return run.returncode == 0 and run.stdout.strip() in identities


class LeftOut(Exception):
    """An interpreter cannot be had here; the message says why."""


def find_or_fetch(name: str, identities: list[str]) -> str:
    """The interpreter of this name, fetched if it is not found; raises LeftOut."""
    python = find(name, identities)
    if python is not None:
        return python
    if name != FETCHED:
        raise LeftOut(NOT_FOUND)
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise LeftOut(f"LEFT OUT: {NOT_FOUND}, and what can be fetched is for Linux on x86-64")
    if shutil.which("mvn") is None:
        raise LeftOut(f"LEFT OUT: {NOT_FOUND}, and Maven, which could fetch it, is missing")
    run = make(f"{INTO}/.installed")
    if run.returncode != 0:
        print(f"== {name}\n{run.stdout}", flush=True)
        raise LeftOut("FAILED: Maven could not fetch it")
    python = str(ROOT / INTO / "bin" / name)
    if not identifies(python, identities):
        raise LeftOut(f"LEFT OUT: {NOT_FOUND}, and the one that was fetched does not run here")
    return python


def find_node() -> str | None:
    """The first Node on the path, when it is new enough for Pyodide and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    run = subprocess.run([node, "--version"], capture_output=True, text=True)
    version = re.match(r"v(\d+)\.", run.stdout)
    return node if version and int(version[1]) >= OLDEST_NODE else None


def tested() -> str | None:
    """The name of the interpreter that `make test` has run the tests on; None if it is unknown."""
    python = os.environ.get("TESTED")
    if not python:
        return None
    for name, identities in wanted().items():
        if identifies(python, identities):
            return name
    return None


def make(target: str, *variables: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run a make target, with these options for pytest."""
    return subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", target, *variables],
        cwd=ROOT,
        env={
            **os.environ,
            "HYPOTHESIS_EXAMPLES": EXAMPLES,
            # Tests import few of the modules that an environment has.
            "PIP_COMPILE": "0",
            "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} {options}",
            "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def install(environment: tuple[str, ...]) -> None:
    """Install the project and what its tests need; `make test` tries again if that fails."""
    run = make("installed", *environment)
    if run.returncode != 0:
        print(f"== {environment}\n{run.stdout}", flush=True)


def run_tests(name: str, interpreter: str, target: str, *variables: str) -> str:
    """The result of a make target that runs the tests."""
    options = "-p no:cacheprovider"
    if target == "test":
        options += "".join(f" --ignore={each}" for each in ["tests/faults", *ONCE])
    run = make(target, *variables, options=options)
    print(f"== {name}: {interpreter}\n{run.stdout}", flush=True)
    return "passed" if run.returncode == 0 else "FAILED"


def main() -> int:
    """Run everything; 0 when there was an interpreter, and each one found passed."""
    results = {}
    jobs = {}
    second_runs: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, inheriting in wanted_with_inherited_contexts().items():
        variables = "PYTHON_THREAD_INHERIT_CONTEXT=1", f"TESTS={' '.join(OF_CONTEXTS)}"
        second_runs.setdefault(name, {})[inheriting] = "test", *variables
    for name, ends in wanted_with_long_tests().items():
        second_runs.setdefault(name, {})[ends] = "test-faults", f"TESTS={' '.join(OF_ENDS)}"
    left_out = tested()
    environments: dict[str, tuple[str, ...]] = {}
    # The slowest first: PyPy, which is the last of them.
    for name, identities in reversed(wanted().items()):
        others = second_runs.get(name, {})
        try:
            python = find_or_fetch(name, identities)
        except LeftOut as why:
            results.update(dict.fromkeys([name, *others], str(why)))
            continue
        environment = f"PYTHON={python}", f"VENV=env/pythons/{name}"
        if name == left_out:
            results[name] = "left out: `make test` has run them"
            if not others:
                continue
        elif left_out and name in between():
            jobs[name] = python, "test", *environment, f"TESTS={' '.join(OF_CONTEXTS)}"
        else:
            jobs[name] = python, "test", *environment
        for other, (target, *variables) in others.items():
            # make gives its variables to what it runs.
            jobs[other] = python, target, *environment, *variables
        environments[name] = environment
    # Before any test, so that none runs out of its time.
    make("wheel")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(install, environments.values()))
    for name, identities in wanted_without_gil().items():
        python = find(name, identities)
        if python is None:
            results[name] = NOT_FOUND
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
    others = [other for each in second_runs.values() for other in each]
    names = [*wanted(), *others, *wanted_without_gil(), "pyodide"]
    print("\n".join(f"{name:22} {results[name]}" for name in names))
    failed = any(each.startswith("FAILED") for each in results.values())
    return 0 if "passed" in results.values() and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
