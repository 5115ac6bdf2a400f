"""The installed packages are complete, and the project's files agree with each other."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import opentracing
from opentracing_recorder import pytest_plugin

ROOT = Path(__file__).resolve().parent.parent
PROBE = """
import sys, sysconfig
before = set(sys.modules)
import opentracing
library = tuple(sysconfig.get_path(each) for each in ("stdlib", "platstdlib"))
for name in sorted(set(sys.modules) - before):
    file = getattr(sys.modules[name], "__file__", None) or library[0]
    if "site-packages" in file or not file.startswith(library):
        print(name)
"""


def literals() -> dict[str, Any]:
    """The literal names and arguments in setup.py."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.keyword) and node.arg is not None:
            name = node.arg
        else:
            continue
        try:
            found[name] = ast.literal_eval(node.value)
        except ValueError:
            continue
    return found


def headings() -> list[str]:
    """The lines of the changelog that zest.releaser reads as headings of versions."""
    lines = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.search(r".\(.+\)\W*$| [-~] .", line)]


@pytest.fixture
def runner() -> ModuleType:
    """tests/run_on_all_pythons.py as a module."""
    path = ROOT / "tests" / "run_on_all_pythons.py"
    spec = importlib.util.spec_from_file_location("run_on_all_pythons", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_changelog_is_about_this_version() -> None:
    """The newest entry is for the version that setup.py builds."""
    version = re.sub(r"\.dev0$", "", literals()["version"])
    assert re.match(rf"{re.escape(version)} \((unreleased|\d{{4}}-\d\d-\d\d)\)$", headings()[0])


def test_the_changelog_has_no_false_heading() -> None:
    """No other line looks like the heading of a version: a release would end the entry there."""
    assert [each for each in headings() if not re.match(r"\d+\.\d+\.\d+ \(\S+\)$", each)] == []


def test_every_package_is_shipped() -> None:
    """Every folder with an ``__init__.py`` is named in setup.py."""
    there = {
        ".".join(each.relative_to(ROOT).parts[:-1])
        for top in ("opentracing", "opentracing_recorder")
        for each in (ROOT / top).glob("**/__init__.py")
    }
    assert there <= set(literals()["PACKAGES"])


def test_pytest_finds_the_plugin_under_its_own_name() -> None:
    """Under another name, `-p` with the module's name would load it a second time."""
    name = pytest_plugin.__name__
    assert literals()["entry_points"]["pytest11"] == [f"{name} = {name}"]


def test_opentelemetry_finds_its_entry_points() -> None:
    """What the entry points for OpenTelemetry name is there."""
    entries = literals()["entry_points"]
    for group in ("opentelemetry_configurator", "opentelemetry_tracer_provider"):
        (entry,) = entries[group]
        name, module, attribute = re.split(r" = |:", entry)
        assert name == "opentracing"
        assert callable(getattr(importlib.import_module(module), attribute))


def test_nothing_compiled_is_needed_to_report_over_http() -> None:
    """orjson, which has no wheels for builds without the GIL, is its own extra; the tests install
    both.
    """
    names = {
        extra: [re.split(r"[<>=;~! ]", each)[0] for each in literals()[extra]]
        for extra in ("HTTP", "ORJSON")
    }
    assert names == {"HTTP": ["urllib3"], "ORJSON": ["orjson"]}


@pytest.mark.needs_os
def test_zipkin_without_orjson() -> None:
    """Without orjson, the recorder encodes with the standard library."""
    script = """
import sys
sys.modules["orjson"] = None
from opentracing_recorder import _json_bytes, _zipkin_json, zipkin
assert _zipkin_json.dumps is _json_bytes.dumps_without_orjson
print(zipkin.ZipkinTracer.__name__)
"""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "ZipkinTracer\n"


@pytest.mark.parametrize("package", ["opentracing", "opentracing_recorder"])
def test_packages_are_typed(package: str) -> None:
    """The marker for type checkers is present, and is shipped."""
    assert (ROOT / package / "py.typed").read_bytes() == b""
    assert "py.typed" in literals()["package_data"][package]


def test_every_file_that_a_package_reads_is_shipped() -> None:
    """Files that are no modules of the package are named in setup.py."""
    for package, named in literals()["package_data"].items():
        folder = ROOT / package
        files = [each for each in folder.iterdir() if each.is_file()]
        found = {each.name for each in files if each.suffix not in (".py", ".pyc")}
        for each in folder.glob("*/*.py"):  # in a folder that is no package
            if not each.with_name("__init__.py").exists():
                found.add(each.relative_to(folder).as_posix())
        assert found == set(named)


@pytest.mark.needs_os
def test_import_loads_only_the_standard_library() -> None:
    """`import opentracing` loads only its own modules and the standard library's, even if more is
    installed.
    """
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {PROBE}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert [each for each in printed if each.partition(".")[0] != "opentracing"] == []
    assert opentracing.__name__ in printed


def test_all_supported_versions_are_tested(runner: ModuleType) -> None:
    """`make test-all` looks for each minor version from the oldest that pip accepts."""
    pythons = [name for name in runner.wanted() if name != "pypy3"]
    oldest = re.fullmatch(r">=3\.(\d+)", literals()["python_requires"])
    assert oldest is not None
    first = int(oldest.group(1))
    assert pythons == [f"python3.{first + index}" for index in range(len(pythons))]
    assert "Programming Language :: Python :: Implementation :: PyPy" in literals()["classifiers"]
    assert "pypy3" in runner.wanted()


def test_builds_without_the_gil_are_tested(runner: ModuleType) -> None:
    """Each version with such a build has it, and none is mistaken for the ordinary build."""
    expected = {f"python3.{minor}t": [f"CPython 3.{minor}t"] for minor in (13, 14)}
    assert runner.wanted_without_gil() == expected
    assert not set(expected) & set(runner.wanted())


@pytest.mark.needs_os
def test_an_interpreter_that_does_not_run_is_passed_over(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shim without its Python, or with another one, does not hide a working one."""
    scripts = {"broken": "exit 127", "other": "echo CPython 3.8", "right": "echo CPython 3.9"}
    for folder, line in scripts.items():
        script = tmp_path / folder / "python3.9"
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        script.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / folder) for folder in scripts))
    found = runner.find("python3.9", runner.wanted()["python3.9"])
    assert found == str(tmp_path / "right" / "python3.9")
    assert runner.find("python3.10", runner.wanted()["python3.10"]) is None


def test_the_python_that_is_fetched_is_the_newest(runner: ModuleType) -> None:
    """Its version in the Makefile is the newest that the classifiers name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pinned = re.search(r"^CPYTHON := (3\.\d+)\.", makefile, re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == runner.supported_versions()[-1]
    assert f"python{pinned[1]}" == runner.FETCHED


class Fetching:
    """A machine on which no interpreter is found; `made` are the targets that were made."""

    def __init__(self, runner: ModuleType, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.made: list[str] = []
        self.status = 0
        self.folder = folder
        for name in ("maven", "into"):
            (folder / name).mkdir()
        (folder / "maven" / "mvn").write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / "maven" / "mvn").chmod(0o755)
        patch.setenv("PATH", str(folder / "maven"))
        patch.setenv("PYENV_ROOT", str(folder / "none"))
        patch.setattr(runner, "INTO", str(folder / "into"))
        patch.setattr(runner, "make", self.make)
        patch.setattr(sys, "platform", "linux")
        patch.setattr(platform, "machine", lambda: "x86_64")

    def make(self, target: str, *_: str) -> Any:
        self.made.append(target)
        interpreter = self.folder / "into" / "bin" / "python3.14"
        interpreter.parent.mkdir()
        interpreter.write_text("#!/bin/sh\necho CPython 3.14\n", encoding="utf-8")
        interpreter.chmod(0o755)
        return subprocess.CompletedProcess([], self.status, "no such artifact")


@pytest.fixture
def fetching(runner: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fetching:
    return Fetching(runner, monkeypatch, tmp_path)


@pytest.mark.needs_os
def test_a_python_that_is_not_found_is_fetched(runner: ModuleType, fetching: Fetching) -> None:
    """Only the newest one is; the fetched one is run to see that it works."""
    found = runner.find_or_fetch("python3.14", ["CPython 3.14"])
    assert found == str(fetching.folder / "into" / "bin" / "python3.14")
    assert fetching.made == [f"{fetching.folder}/into/.installed"]
    with pytest.raises(runner.LeftOut, match="not found"):
        runner.find_or_fetch("python3.13", ["CPython 3.13"])
    assert len(fetching.made) == 1


@pytest.mark.needs_os
def test_a_python_that_is_found_is_not_fetched(
    runner: ModuleType, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own one is used."""
    own = fetching.folder / "maven" / "python3.14"
    own.write_text("#!/bin/sh\necho CPython 3.14\n", encoding="utf-8")
    own.chmod(0o755)
    assert runner.find_or_fetch("python3.14", ["CPython 3.14"]) == str(own)
    assert fetching.made == []


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ("linux", "LEFT OUT: .* Linux on x86-64"),
        ("x86_64", "LEFT OUT: .* Linux on x86-64"),
        ("maven", "LEFT OUT: .* Maven, .* is missing"),
        ("libraries", "LEFT OUT: .* does not run here"),
        ("network", "FAILED: Maven could not fetch it"),
    ],
)
def test_why_a_python_cannot_be_fetched_is_said(
    lacking: str,
    why: str,
    runner: ModuleType,
    fetching: Fetching,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that cannot have it skips it with a reason; only a broken download is a failure."""
    if lacking == "linux":
        monkeypatch.setattr(sys, "platform", "darwin")
    elif lacking == "x86_64":
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    elif lacking == "maven":
        (fetching.folder / "maven" / "mvn").unlink()
    elif lacking == "network":
        fetching.status = 2
    identity = "CPython 3.15" if lacking == "libraries" else "CPython 3.14"
    with pytest.raises(runner.LeftOut, match=why):
        runner.find_or_fetch("python3.14", [identity])


def test_the_tests_of_contexts_run_with_and_without_inheritance(runner: ModuleType) -> None:
    """They run on each version whose threads can inherit contexts; the named files exist."""
    assert list(runner.wanted_with_inherited_contexts()) == ["python3.14"]
    assert [each for each in runner.OF_CONTEXTS if not (ROOT / each).exists()] == []


def test_the_oldest_and_the_newest_python_run_the_long_tests_of_ends(runner: ModuleType) -> None:
    """The files that are named exist."""
    assert list(runner.wanted_with_long_tests()) == ["python3.9", "python3.14"]
    assert [each for each in runner.OF_ENDS if not (ROOT / each).exists()] == []


def test_what_only_make_test_runs_exists(runner: ModuleType) -> None:
    """The files that test-all leaves out are named as they are."""
    assert [each for each in runner.ONCE if not (ROOT / each).is_file()] == []


@pytest.mark.needs_os
def test_the_python_that_make_test_has_used_can_be_left_out(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found by what it says of itself; one that is not supported leaves out none."""
    monkeypatch.delenv("TESTED", raising=False)
    assert runner.tested() is None
    for identity, name in [("CPython 3.12", "python3.12"), ("CPython 3.8", None)]:
        script = tmp_path / "python3"
        script.write_text(f"#!/bin/sh\necho {identity}\n", encoding="utf-8")
        script.chmod(0o755)
        monkeypatch.setenv("TESTED", str(script))
        assert runner.tested() == name


def test_the_pythons_between_the_oldest_and_the_newest(runner: ModuleType) -> None:
    """The gate runs the tests of contexts alone on these; all tests run on the others."""
    assert runner.between() == [f"python3.{minor}" for minor in range(10, 14)]


def test_pyodide_is_of_a_supported_python(runner: ModuleType) -> None:
    """The first number of its version, such as 314, is a Python that the classifiers name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pinned = re.search(r"^PYODIDE := 3(\d+)\.", makefile, re.MULTILINE)
    assert pinned is not None
    assert f"3.{pinned[1]}" in runner.supported_versions()


@pytest.mark.needs_os
@pytest.mark.parametrize(
    ("version", "others", "found"),
    [("v20.0.0", ["npm"], True), ("v18.20.8", ["npm"], False), ("v20.0.0", [], False)],
)
def test_pyodide_needs_a_recent_node_and_npm(
    version: str,
    others: list[str],
    found: bool,
    runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An older Node, or one without npm, counts as missing."""
    for name in ["node", *others]:
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runner.find_node() == (str(tmp_path / "node") if found else None)
