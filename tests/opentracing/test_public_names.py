"""The names and signatures of 2.4.0 are all present."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import opentracing
from opentracing import logs, tags

from ..runtimes import HAS_GEVENT, HAS_TORNADO

# Every public name of 2.4.0, one on a line: a callable with its parameters, a text with its
# value.
NAMES = (Path(__file__).parent / "names_2_4.txt").read_text(encoding="utf-8").splitlines()
LIBRARIES = {"gevent": HAS_GEVENT, "tornado": HAS_TORNADO}


def resolve(path: str) -> object:
    parts = path.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for name in parts[split:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


@pytest.mark.parametrize("line", NAMES)
def test_name_is_that_of_2_4(line: str) -> None:
    """The name is present, with the same parameters and defaults, or the same value."""
    path, parenthesis, parameters = line.partition("(")
    path, equals, value = path.partition(" = ")
    if not LIBRARIES.get(path.split(".")[2 if path.count(".") > 1 else 0], True):
        pytest.skip("its library has no wheels for this interpreter")
    found = resolve(path)
    if equals:
        assert repr(found) == value
    if parenthesis:
        assert callable(found)
        signature = inspect.signature(found)
        own = [str(each.replace(annotation=each.empty)) for each in signature.parameters.values()]
        assert ", ".join(own) + ")" == parameters


def test_the_1_x_path_has_every_tag() -> None:
    """`opentracing.ext.tags` has what `opentracing.tags` has."""
    ext_tags = importlib.import_module("opentracing.ext.tags")
    own = {name: value for name, value in vars(tags).items() if name.isupper()}
    assert {name: value for name, value in vars(ext_tags).items() if name.isupper()} == own


def test_logs_formats_and_reference_types_keep_their_exact_strings() -> None:
    """The values that applications compare with are unchanged."""
    found = (logs.ERROR_KIND, logs.ERROR_OBJECT, logs.EVENT, logs.MESSAGE, logs.STACK)
    assert found == ("error.kind", "error.object", "event", "message", "stack")
    formats = (
        opentracing.Format.BINARY,
        opentracing.Format.TEXT_MAP,
        opentracing.Format.HTTP_HEADERS,
    )
    assert formats == ("binary", "text_map", "http_headers")
    kinds = opentracing.ReferenceType.CHILD_OF, opentracing.ReferenceType.FOLLOWS_FROM
    assert kinds == ("child_of", "follows_from")


def test_all_is_sorted_and_real() -> None:
    """`__all__` lists names that exist, in order."""
    assert opentracing.__all__ == sorted(opentracing.__all__)
    assert all(hasattr(opentracing, name) for name in opentracing.__all__)


@pytest.mark.needs_os
def test_import_loads_only_the_standard_library() -> None:
    """Importing the API imports neither the recorder nor `six`, nor what is slow to import."""
    code = (
        "import sys; before = set(sys.modules); import opentracing;"
        "print(*sorted({each.partition('.')[0] for each in set(sys.modules) - before}))"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    slow = {"concurrent", "contextvars", "logging", "typing"}
    assert not {"six", "opentracing_recorder", *slow} & set(loaded)


@pytest.mark.needs_os
@pytest.mark.parametrize("name", ["TracedExecutor", "wrap"])
def test_a_name_that_is_imported_late_is_like_any_other(name: str) -> None:
    """It is listed, imported by name and by a star, and a misspelled name is an AttributeError."""
    code = (
        f"import opentracing; assert {name!r} in dir(opentracing);"
        f"from opentracing import {name} as one; from opentracing import *;"
        f"assert one is {name} is opentracing.{name} is vars(opentracing)[{name!r}];"
        f"assert not hasattr(opentracing, {name!r} + 's')"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"]
    subprocess.run(command, check=True)
