"""``python -m opentracing_recorder run``: as Python itself, with tracing, in children too."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import six

from opentracing_recorder import _environment_variables, environment
from opentracing_recorder.__main__ import main
from opentracing_recorder._environment_instrumentations import instrument, patch_by_gevent
from opentracing_recorder._environment_names import VARIABLES

from ..http_server import ScriptedServer

pytestmark = pytest.mark.needs_os

ROOT = Path(__file__).resolve().parents[2]
RUN = ["-m", "opentracing_recorder", "run"]

_SHOW = """
import os, sys
print(sys.argv, sys.orig_argv[-1:] if hasattr(sys, "orig_argv") else "", sys.path)
print(__name__, sorted(globals()), globals().get("__file__"), sys.flags, sys.warnoptions)
"""
_TRACED = """
import opentracing
def trace(name):
    with opentracing.global_tracer().start_active_span(name):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(_SHOW + "exec(sys.argv[1])\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def backend() -> Iterator[ScriptedServer]:
    with ScriptedServer() as backend:
        yield backend


def _environ(**variables: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "OTEL_TRACES_EXPORTER": "none",
        "PYTHONUNBUFFERED": "",
        **variables,
    }


def _python(
    *arguments: str, folder: Path, input: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environ(**variables),
        input=input,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["app.py", "0", "--help", "-m", "--", "x"],
        ["-m", "app", "0", "x"],
        ["-c", _SHOW, "x"],
        ["-", "x"],
        ["-W", "error", "-O", "app.py", "0"],
        ["app.py", "sys.exit(7)"],
        ["app.py", "sys.exit('no')"],
        ["app.py", "1 / 0"],
        ["app.py", "os._exit(3)"],
        ["app.py", "os.kill(os.getpid(), 9)"],
        ["-m", "app", "raise KeyboardInterrupt"],
        ["missing.py"],
        ["-m", "missing"],
    ],
)
def test_the_program_runs_as_with_python(arguments: list[str], folder: Path) -> None:
    """Arguments, path, ``__main__``, output, traceback and status are those of Python itself."""
    expected = _python(*arguments, folder=folder, input=_SHOW)
    ran = _python(*RUN, *arguments, folder=folder, input=_SHOW)
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        expected.returncode,
        expected.stdout,
        expected.stderr,
    )


def test_options_of_python_before_the_command_hold(folder: Path) -> None:
    """Python gets the options that it was started with."""
    options = ["-W", "error", "-X", "dev", "-O", "-u"]
    expected = _python(*options, "app.py", "0", folder=folder)
    assert expected.returncode == 0, expected.stderr
    assert _python(*options, *RUN, "app.py", "0", folder=folder).stdout == expected.stdout


def test_output_is_unbuffered_if_python_was_asked_for_that(folder: Path) -> None:
    """Nothing of it is lost if the program is killed."""
    program = "import os; print(1); os._exit(0)"
    assert _python("-u", *RUN, "-c", program, folder=folder).stdout == "1\n"
    assert _python(*RUN, "-c", program, folder=folder).stdout == ""


def test_the_other_commands_are_not_imported(folder: Path) -> None:
    """The start of a program waits for what `run` needs, not for the readers of files."""
    program = """
import sys
from opentracing_recorder.__main__ import main
main(["run", "--help"])
print(*sys.modules)
"""
    ran = _python("-c", program, folder=folder)
    start = "opentracing_recorder._command_"
    imported = {each for each in ran.stdout.split() if each.startswith(start)}
    assert imported == {f"{start}run", f"{start}report"}, ran.stderr


def test_spans_are_drawn(folder: Path) -> None:
    """The exporter console draws each trace on standard error; the tracer is the global one."""
    (folder / "traced.py").write_text(_TRACED + "trace('order')\n", encoding="utf-8")
    ran = _python(
        *RUN, "traced.py", folder=folder, OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="shop"
    )
    assert re.search(r"^trace \w{32} · .* · shop: order$", ran.stderr, re.M), ran.stderr
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_next_sitecustomize_runs(folder: Path) -> None:
    """The application's own module of that name is imported, before its code; if it fails, Python
    reports that, and the program is traced nevertheless.
    """
    site = folder / "site"
    site.mkdir()
    path = {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    own = site / "sitecustomize.py"
    program = "import sitecustomize, opentracing; print(sitecustomize.own, opentracing.tracer)"
    own.write_text("own = 5", encoding="utf-8")
    ran = _python(*RUN, "-c", program, folder=folder, **path)
    assert ran.stdout.startswith("5 <BasicTracer"), ran.stderr
    own.write_text("raise ValueError('own fault')", encoding="utf-8")
    program = "import opentracing; print(opentracing.tracer)"
    ran = _python(*RUN, "-c", program, folder=folder, **path)
    assert ran.stdout.startswith("<BasicTracer")
    assert "own fault" in ran.stderr


def _names(backend: ScriptedServer) -> list[str]:
    return sorted(span["name"] for each in backend.requests for span in json.loads(each.body))


def _to(backend: ScriptedServer) -> dict[str, str]:
    """Variables that have spans sent at the end of a process alone."""
    return {
        "OTEL_TRACES_EXPORTER": "zipkin",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": backend.url,
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }


# After an interrupt, PyPy calls nothing at its exit.
_SIGNALS = ["SIGTERM", "SIGHUP", *(["SIGINT"] if sys.implementation.name != "pypy" else [])]


@pytest.mark.parametrize("number", _SIGNALS)
def test_a_signal_loses_no_span(folder: Path, backend: ScriptedServer, number: str) -> None:
    """The spans of a process that a signal ends are sent, and it ends by that signal."""
    # Not one long sleep: CPython 3.11 may not notice a signal that comes just before it.
    waiting = "import time\ntrace('order')\nprint(1, flush=True)\nwhile 1:\n    time.sleep(0.01)\n"
    waiting = _TRACED + waiting
    (folder / "traced.py").write_text(waiting, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, *RUN, "traced.py"],
        cwd=folder,
        env=_environ(**_to(backend)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(getattr(signal, number))
        process.wait(60)
    assert -process.returncode == getattr(signal, number)
    assert _names(backend) == ["order"]


_CHILDREN = {
    "fork": "if not os.fork():\n        trace('child'); sys.exit()\n    os.wait()",
    "a forked process": "start('fork')",
    "a spawned process": "start('spawn')",
    "a process of a server": "start('forkserver')",
    "another program": "subprocess.run([sys.executable, __file__, 'child'], check=True)",
    "exec": "os.execv(sys.executable, [sys.executable, __file__, 'child'])",
}


@pytest.mark.parametrize("kind", _CHILDREN)
def test_children_are_traced(folder: Path, backend: ScriptedServer, kind: str) -> None:
    """The Python programs that it starts are traced in each way to start them."""
    program = f"""{_TRACED}
import multiprocessing, os, subprocess, sys
def start(method):
    process = multiprocessing.get_context(method).Process(target=trace, args=['child'])
    process.start()
    process.join()
if __name__ == "__main__":
  if sys.argv[1:]:
    trace('child')
  else:
    {_CHILDREN[kind]}
    trace('parent')
"""
    (folder / "traced.py").write_text(program, encoding="utf-8")
    ran = _python("-W", "ignore", *RUN, "traced.py", folder=folder, **_to(backend))
    assert ran.returncode == 0, ran.stderr
    assert _names(backend) == (["child"] if kind == "exec" else ["child", "parent"]), ran.stderr


@pytest.mark.parametrize("names", ["b3", "ottrace,jaeger", "pigeon", "none", "b3, none"])
def test_propagators_of_both_apis_need_no_packages(folder: Path, names: str) -> None:
    """OpenTelemetry, which would raise, gets those that OTEL_PROPAGATORS names; it keeps its value
    for others to read.
    """
    program = """
import os
from opentelemetry import propagate, trace
from opentracing import Format, global_tracer
with trace.get_tracer("x").start_as_current_span("y"):
    by_both = {}, {}
    propagate.inject(by_both[0])
    global_tracer().inject(global_tracer().active_span, Format.HTTP_HEADERS, by_both[1])
assert by_both[0].keys() == by_both[1].keys(), by_both
print(*sorted(by_both[0]), os.environ["OTEL_PROPAGATORS"], sep=";")
"""
    expected = {
        "b3": ["b3"],
        "ottrace,jaeger": [
            *("ot-tracer-sampled", "ot-tracer-spanid", "ot-tracer-traceid"),
            "uber-trace-id",
        ],
        "pigeon": ["traceparent"],
    }
    ran = _python(*RUN, "-c", program, folder=folder, OTEL_PROPAGATORS=names)
    assert ran.stdout == ";".join([*expected.get(names, []), f"{names}\n"]), ran.stderr
    assert ("OTEL_PROPAGATORS must be of" in ran.stderr) == (names == "pigeon")


@pytest.mark.parametrize("value", ["patch_all", "all"])
def test_gevent_patches_first(folder: Path, value: str) -> None:
    """If the variable says so, the standard library is patched before anything else is loaded."""
    program = "import socket; print(socket.socket.__module__.startswith('gevent'))"
    variable = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
    ran = _python(*RUN, "-c", program, folder=folder, **{variable: value})
    is_patched = value == "patch_all" and find_spec("gevent") is not None
    assert ran.stdout == f"{is_patched}\n"
    assert (variable in ran.stderr) != is_patched


class _Instrumentation:
    """An entry point, of a package whose library is another version than it needs, or none."""

    def __init__(self, name: str, loaded: list[str], **conflict: Any) -> None:
        self.name = name
        self.dist = conflict
        self._loaded = loaded

    def load(self) -> Any:
        if self.name == "broken":
            raise ValueError("broken instrumentation")
        if self.name == "missing":
            raise ModuleNotFoundError("no such library")
        return lambda: self

    def instrument(self, **options: Any) -> None:
        self._loaded.append(self.name)


def test_a_broken_instrumentation_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, as is one for another version; one without its library is not."""
    loaded: list[str] = []
    found = [
        _Instrumentation("broken", loaded),
        _Instrumentation("missing", loaded),
        _Instrumentation("absent", loaded, found=None),
        _Instrumentation("old", loaded, found="lib 1"),
        _Instrumentation("off", loaded),
        _Instrumentation("good", loaded),
    ]
    from opentelemetry.util import _importlib_metadata

    monkeypatch.setattr(
        _importlib_metadata,
        "entry_points",
        lambda group: found if group == "opentelemetry_instrumentor" else [],
    )
    dependencies: Any = ModuleType("dependencies")
    dependencies.get_dist_dependency_conflicts = lambda dist: dist and SimpleNamespace(**dist)
    name = "opentelemetry.instrumentation"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, f"{name}.dependencies", dependencies)
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "x, off")
    instrument()
    assert loaded == ["good"]
    reported = [each.getMessage().split()[0] for each in caplog.records]
    assert reported == ["broken", "old"]


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs a virtual environment")
def test_a_python_without_this_package_runs(folder: Path) -> None:
    """A child process with another Python is not traced, and says nothing."""
    other = sys._base_executable  # type: ignore[attr-defined]
    program = f"import subprocess; subprocess.run([{other!r}, '-c', 'print(1)'], check=True)"
    ran = _python(*RUN, "-c", program, folder=folder, PYTHONPATH="")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")


@pytest.mark.parametrize(
    ("code_of_six", "out", "err"),
    [
        (Path(six.__file__).read_text(encoding="utf-8"), "BasicTracer\n", ""),
        ("raise ImportError('no six')", "Tracer\n", "This process is not traced: no six\n"),
    ],
    ids=["with six", "without six"],
)
def test_a_clone_that_is_not_installed_traces_a_program(
    code_of_six: str, out: str, err: str, tmp_path: Path
) -> None:
    """The program finds the packages, though its own folder does not have them."""
    (tmp_path / "six.py").write_text(code_of_six, encoding="utf-8")
    show = "import opentracing; print(type(opentracing.tracer).__name__)"
    ran = subprocess.run(
        [sys._base_executable, *RUN, "-c", show],  # type: ignore[attr-defined]
        cwd=ROOT,
        env=_environ(PYTHONPATH=str(tmp_path), OTEL_TRACES_EXPORTER="none"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, out, err)


def test_a_fault_of_the_set_up_leaves_the_program_alone(folder: Path) -> None:
    """It is logged, and the program runs untraced."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "from opentracing_recorder import environment\nenvironment.limits_of_environment = None",
        encoding="utf-8",
    )
    ran = _python(*RUN, "app.py", "0", folder=folder, PYTHONPATH=f"{site}{os.pathsep}{ROOT}")
    assert ran.returncode == 0
    assert "This process is not traced" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-E", *RUN, "app.py"], "without -E, -I and -S"),
        (["-I", *RUN, "app.py"], "without -E, -I and -S"),
        (RUN, "a FILE, or -m and a MODULE, must be given"),
    ],
)
def test_what_cannot_run_is_refused(arguments: list[str], expected: str, folder: Path) -> None:
    """The status is 2, and a line says why."""
    ran = _python(*arguments, folder=folder)
    if "No module named" in ran.stderr:  # without PYTHONPATH, if it is not installed
        return
    assert ran.returncode == 2
    assert expected in ran.stderr


# The list of variables.


def _guide() -> list[tuple[str, ...]]:
    lines = (environment.__doc__ or "").splitlines()
    rows = [tuple(part.strip() for part in line.strip("|").split("|")) for line in lines]
    return [
        (row[0].strip("`"), row[1].replace("`", ""), row[2].replace("`", ""))
        for row in rows
        if len(row) == 3 and row[0].startswith(("``OTEL_", "``OPENTRACING_"))
    ]


def test_the_guide_and_the_help_have_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each variable stands in both, with its meaning and its default."""
    assert _guide() == [tuple(each) for each in VARIABLES]
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    for each in VARIABLES:
        assert f"  {each.name}\n      {each.meaning} (default: {each.default})\n" in shown


class _Recorded(dict[str, str]):
    """An environment that notes each name asked for."""

    asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def test_the_list_is_what_the_code_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable is read that is not listed, and none is listed that is not read."""
    asked: set[str] = set()
    monkeypatch.setattr(_Recorded, "asked", asked)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "_other_configurator", mock.Mock())
    for variables in (
        {"OTEL_TRACES_EXPORTER": "otlp,zipkin,file,kafka,console"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "traceidratio"},
    ):
        environ = _Recorded({**os.environ, **variables})
        monkeypatch.setattr(_environment_variables, "os", SimpleNamespace(environ=environ))
        environment.tracer_from_environment().close()
        environment.Configurator().configure()
        patch_by_gevent()
        instrument()
    read = {name for name in asked if name.startswith(("OTEL_", "OPENTRACING_"))}
    otlp = {name for name in read if name.startswith("OTEL_EXPORTER_OTLP_")}
    listed = {each.name for each in VARIABLES} - {"OTEL_EXPORTER_OTLP_*"}
    if find_spec("confluent_kafka") is None:  # there are no wheels for PyPy
        listed = {name for name in listed if "KAFKA" not in name}
    assert read - otlp == listed
    (of_otlp,) = (each.meaning for each in VARIABLES if each.name == "OTEL_EXPORTER_OTLP_*")
    names = of_otlp.partition(", also")[0].split(", ")
    start = "OTEL_EXPORTER_OTLP_"
    assert otlp == {f"{start}{kind}{name}" for kind in ("", "TRACES_") for name in names}
