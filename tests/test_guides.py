"""Guides are true: the code in the docstrings of public modules runs, and prints what they show.

The guide of a module is its docstring. Its blocks run as one program, top to bottom, and import or
define every name they use. A block in the docstring of a class or a function is a fragment: it runs
by itself, among the names of its module and a few that every fragment has. A name that nothing
defines stands for the reader's own code.
"""

from __future__ import annotations

import ast
import builtins
import logging
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

import opentracing
import opentracing_recorder
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .guides import ROOT, Block, comparable, docstring_blocks, needs_os, run


class Docstring(NamedTuple):
    """The Python blocks of a docstring: a module's (without a name), a class's or a function's."""

    module: str
    name: str
    blocks: list[Block]

    @property
    def file(self) -> Path:
        path = ROOT / self.module.replace(".", "/")
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules() -> list[str]:
    """Every module of both packages."""
    names = []
    for package in ("opentracing", "opentracing_recorder"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            names.append(".".join(parts))
    return names


def is_public(module: str) -> bool:
    """Return if no part of a module's name is private."""
    return not re.search(r"\b_(?!_main__$)", module)


def docstrings(module: str) -> list[Docstring]:
    """The docstrings of a module that have Python blocks."""
    found = []
    file = Docstring(module, "", []).file
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text is not None:
                line = node.body[0].lineno - 1
                blocks = docstring_blocks(text, line)
                if blocks:
                    found.append(Docstring(module, getattr(node, "name", ""), blocks))
    return found


EVERY = [each for module in modules() for each in docstrings(module)]


def cases(of_modules: bool) -> list[Any]:
    return [
        pytest.param(
            each,
            id=f"{each.module}.{each.name}".rstrip("."),
            marks=[pytest.mark.needs_os] if needs_os(each.blocks) else [],
        )
        for each in EVERY
        if (each.name == "") == of_modules and (each.name or is_public(each.module))
    ]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder for files, and the root logger, the global tracer and the active span put back."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with opentracing.use_tracer(opentracing.Tracer()):
        yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("guide", cases(of_modules=True))
def test_a_guide_runs_and_prints_what_it_shows(
    guide: Docstring, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of a module's docstring are one program, and its output is the one shown."""
    pytest.importorskip(guide.module, exc_type=ImportError)
    names: dict[str, Any] = {"__name__": "guide"}
    for block in guide.blocks:
        run(block, names, guide.file)
        printed, warned = capsys.readouterr()
        assert comparable(printed) == comparable(block.prints)
        assert warned == ""


@pytest.mark.parametrize("fragment", cases(of_modules=False))
def test_a_fragment_runs(fragment: Docstring) -> None:
    """The block of a class or a function runs among the names of its module."""
    module = pytest.importorskip(fragment.module, exc_type=ImportError)
    tracer = BasicTracer(InMemoryRecorder())
    stage = {
        "opentracing": opentracing,
        "unittest": unittest,
        "tracer": tracer,
        "recorder": tracer.recorder,
        "span": tracer.start_span("span"),
        **{name: getattr(opentracing, name) for name in opentracing.__all__ if name != "tracer"},
        **{name: getattr(opentracing_recorder, name) for name in opentracing_recorder.__all__},
    }
    for block in fragment.blocks:
        names = {**vars(builtins), **vars(module), **stage, "__name__": "fragment"}
        for name in _read_names(block.code) - set(names):
            names[name] = mock.MagicMock(name=name)
        source = "\n" * block.line + block.code
        exec(compile(source, str(fragment.file), "exec", dont_inherit=True), names)


def _read_names(code: str) -> set[str]:
    return {
        node.id
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


WITHOUT_GUIDE = {
    "opentracing.ext",  # the paths of 1.x
    "opentracing.ext.tags",
    "opentracing.scope_managers.constants",  # one name
    *(  # the guide is the package's
        f"opentracing.mocktracer.{name}"
        for name in (
            "binary_propagator",
            "context",
            "propagator",
            "span",
            "text_propagator",
            "tracer",
        )
    ),
}


def test_every_public_module_opens_with_a_guide() -> None:
    """A module with a plain name has a guide with an example that runs."""
    guided = {each.module for each in EVERY if each.name == ""}
    public = {module for module in modules() if is_public(module)}
    assert public - guided - WITHOUT_GUIDE == set()


def test_output_follows_code() -> None:
    """Code has its output; a command, which Python cannot parse, is no code."""
    text = """\
Install it::

    pip install it

- Then::

      print("one")

  which prints::

      one

- and so on.
"""
    assert docstring_blocks(text) == [Block('print("one")\n', 6, "one\n")]


def test_no_docstring_has_a_fence() -> None:
    """Docstrings have ``::`` blocks, which read well in ``help()`` too."""
    for module in modules():
        assert not re.search(r"^\s*```", Docstring(module, "", []).file.read_text("utf-8"), re.M)
