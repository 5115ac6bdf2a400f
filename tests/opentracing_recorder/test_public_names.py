"""The package's names, which are imported when they are first asked for, act as any module's."""

from __future__ import annotations

import ast
import importlib
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import opentracing_recorder
from opentracing_recorder import in_memory, tracer

ROOT = Path(__file__).resolve().parents[2]

# The public modules that come with `BasicTracer` and `InMemoryRecorder`.
_FOR_A_FIRST_SPAN = {
    *("tracer", "span", "context", "sampler", "recorder", "in_memory"),
    *("propagator", "text_propagator", "binary_propagator"),
}


def run(code: str) -> str:
    """Return the output of code in a new process, where nothing was imported yet."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_names_are_sorted() -> None:
    """`__all__` lists the public names in order, each once."""
    assert opentracing_recorder.__all__ == sorted(set(opentracing_recorder.__all__))


def test_type_checkers_see_the_same_names() -> None:
    """The imports for type checkers and the table agree, name by name and module by module."""
    tree = ast.parse(Path(opentracing_recorder.__file__).read_text(encoding="utf-8"))
    (block,) = (each for each in tree.body if isinstance(each, ast.If))
    imports = [each for each in block.body if isinstance(each, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    assert all(each.level == 1 and each.names[0].asname == each.names[0].name for each in imports)
    assert {each.names[0].name: each.module for each in imports} == opentracing_recorder._MODULES


@pytest.mark.parametrize(("name", "module"), opentracing_recorder._MODULES.items())
def test_a_name_is_the_one_in_its_module(name: str, module: str) -> None:
    """The package has the very object, and lists it."""
    found = getattr(opentracing_recorder, name)
    assert found is getattr(importlib.import_module(f"opentracing_recorder.{module}"), name)
    assert name in dir(opentracing_recorder)


@pytest.mark.parametrize("name", ["Nonsense", "default_propagators", "_private", "__wrapped__"])
def test_what_is_not_public_is_not_there(name: str) -> None:
    """The error is that of any module."""
    with pytest.raises(AttributeError, match=f"'opentracing_recorder' has no attribute '{name}'"):
        getattr(opentracing_recorder, name)


def test_star_imports_the_public_names() -> None:
    """No more than those, and no less."""
    names: dict[str, object] = {}
    exec("from opentracing_recorder import *", names)
    assert sorted(names.keys() - {"__builtins__"}) == opentracing_recorder.__all__


def test_help_lists_the_names() -> None:
    """`help(opentracing_recorder)` shows the classes and what they say."""
    shown = pydoc.render_doc(opentracing_recorder, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert "class BasicTracer(opentracing.tracer.Tracer)" in shown


def test_classes_can_be_pickled() -> None:
    """They are found again where they were made."""
    tracer_class = opentracing_recorder.BasicTracer
    assert pickle.loads(pickle.dumps(tracer_class)) is tracer_class


def test_names_can_be_patched_in_any_order() -> None:
    """A name stays patched when the patch of another ends; after the last, all is as before."""
    vars(opentracing_recorder).pop("BasicTracer", None)  # as if nobody had asked for it
    first = mock.patch("opentracing_recorder.BasicTracer")
    second = mock.patch("opentracing_recorder.InMemoryRecorder")
    first.start()
    patched = second.start()
    first.stop()
    assert opentracing_recorder.InMemoryRecorder is patched
    second.stop()
    assert opentracing_recorder.BasicTracer is tracer.BasicTracer
    assert opentracing_recorder.InMemoryRecorder is in_memory.InMemoryRecorder


def test_reloading_changes_no_class() -> None:
    """Spans made before are instances of the class that is there afterwards."""
    before = opentracing_recorder.BasicTracer
    assert importlib.reload(opentracing_recorder).BasicTracer is before


@pytest.mark.needs_os
def test_importing_the_package_imports_no_tracer() -> None:
    """pytest imports it at every start, whoever uses it."""
    printed = run(
        "import opentracing_recorder;"
        "print([each for each in sys.modules if each.partition('.')[0].startswith('opentracing')])"
    )
    assert printed == "['opentracing_recorder']\n"


@pytest.mark.needs_os
def test_a_name_brings_no_more_than_its_module_needs() -> None:
    """The tracer and the recorder of tests load no other recorder, format or sampler."""
    printed = run(
        "from opentracing_recorder import BasicTracer, InMemoryRecorder;"
        "print(*sorted({each.partition('.')[2] for each in sys.modules"
        " if each.startswith('opentracing_recorder.')}))"
    )
    loaded = set(printed.split())
    assert {"tracer", "in_memory"} <= loaded
    public = {each for each in loaded if not each.startswith("_")}
    assert public <= _FOR_A_FIRST_SPAN


@pytest.mark.needs_os
def test_a_module_is_there_by_its_name() -> None:
    """A module that holds a public name can be reached from the package, imported or not."""
    printed = run(
        "import opentracing_recorder as package;"
        "print(package.sampler.ConstSampler is package.ConstSampler, package.batch.__name__)"
    )
    assert printed == "True opentracing_recorder.batch\n"


@pytest.mark.needs_os
@pytest.mark.threads
def test_threads_may_ask_at_once() -> None:
    """Each gets the class, whoever was first."""
    code = """
import threading
sys.setswitchinterval(1e-6)
import opentracing_recorder
barrier, found = threading.Barrier(8), []
def ask(number):
    barrier.wait()
    if number % 2:
        from opentracing_recorder import BasicTracer
    else:
        BasicTracer = opentracing_recorder.BasicTracer
    BasicTracer().start_span("x").finish()
    found.append(BasicTracer)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert run(code) == "8 1\n"
