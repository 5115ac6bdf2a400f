"""The rules of the house: who imports whom, what is public, and what annotations are."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import opentracing
import opentracing_recorder

_README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
_ROOT = Path(opentracing.__file__).parent.parent
_API, _RECORDER, _MOCKS = "opentracing", "opentracing_recorder", "opentracing.mocktracer"
_FILES = {
    re.sub(r"\.__init__$", "", ".".join(path.relative_to(_ROOT).with_suffix("").parts)): path
    for package in (_API, _RECORDER)
    for path in sorted((_ROOT / package).rglob("*.py"))
}
_PACKAGES = {name for name, path in _FILES.items() if path.name == "__init__.py"}


def _package_of(module: str) -> str:
    return module if module in _PACKAGES else module.rpartition(".")[0]


class _Import(typing.NamedTuple):
    importer: str
    imported: str
    """A module of ours."""
    is_late: bool
    """In a function: not loaded with the importer."""

    def __str__(self) -> str:
        return f"{self.importer} -> {self.imported}"


def _imports(module: str) -> Iterator[_Import]:
    """Those of modules of ours; what only type checkers see is left out."""

    def visit(node: ast.AST, is_late: bool) -> Iterator[_Import]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.orelse:
                yield from visit(each, is_late)
            return
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                start = _package_of(module).split(".")
                start = start[: len(start) - node.level + 1]
                base = ".".join([*start, base] if base else start)
            inner = [f"{base}.{alias.name}" for alias in node.names]
            names = [each if each in _FILES else base for each in inner]
        for name in dict.fromkeys(names):
            if name in _FILES:
                yield _Import(module, name, is_late)
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, is_late or is_function)

    return visit(ast.parse(_FILES[module].read_text(encoding="utf-8")), False)


_ALL = [each for module in _FILES for each in _imports(module)]


def _is_private(module: str) -> bool:
    return any(part.startswith("_") and part != "__main__" for part in module.split("."))


# Arrows.


def test_no_package_imports_a_private_module_of_another() -> None:
    """A module with `_` belongs to its own package."""
    assert [
        str(each)
        for each in _ALL
        if _is_private(each.imported) and _package_of(each.importer) != _package_of(each.imported)
    ] == []


def test_the_api_does_not_know_the_recorder() -> None:
    """`opentracing` imports `opentracing_recorder` in the mock tracer alone."""
    assert [
        str(each)
        for each in _ALL
        if each.imported.startswith(_RECORDER) and not each.importer.startswith((_RECORDER, _MOCKS))
    ] == []


def test_no_modules_import_each_other() -> None:
    """Imports of modules have no circle; nor has what spans, scopes and tracers of the API load."""
    arrows: dict[str, set[str]] = {}
    for each in _ALL:
        # The packages themselves import nothing of their own but what they show.
        if not each.is_late and each.imported not in (_API, _RECORDER, _MOCKS):
            arrows.setdefault(each.importer, set()).add(each.imported)
    circles = []
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            circles.append(" -> ".join((*path[path.index(module) :], module)))
        elif module not in done:
            for imported in sorted(arrows.get(module, ())):
                walk(imported, (*path, module))
            done.add(module)

    for module in _FILES:
        walk(module, ())
    assert circles == []


# A module imports those of its own layer and of layers below.
_LAYERS: list[set[str]] = [
    # What everything rests on. It knows no span, tracer or recorder.
    {"_arguments", "_clock", "_errors", "_failure_log", "_hex_ids", "_json_safe", "_process"}
    | {"_protobuf", "_rarely_needed", "_stack_text", "_typing"},
    # The tracer, and how contexts travel; of the formats, the two that every tracer must have.
    {"_baggage", "_carrier", "_hex_ids_read", "_required_propagators", "binary_propagator"}
    | {"context", "propagator", "recorder", "sampler", "span", "text_propagator", "tracer"},
    # All else: a backend or a format imports what is below, and what is named after it.
]
# Backends that need more than six, each with the modules that are named after it.
# Two of OpenTelemetry's are for OTLP as well.
_BACKENDS = (
    *("kafka", "opentelemetry(?!_api|_fields|_conventions)", "opentelemetry_api"),
    *("otlp", "prometheus", "zipkin"),
)
# It has no format of its own: it sends what the modules of other backends encode.
_CARRIES_FORMATS = f"{_RECORDER}.kafka"


def _layer(module: str) -> int:
    name = module.rpartition(".")[2]
    return next((n for n, layer in enumerate(_LAYERS) if name in layer), len(_LAYERS))


def test_arrows_point_down() -> None:
    """The tracer and what it rests on import no backend, no optional format, and no kit."""
    assert [
        str(each)
        for each in _ALL
        if each.importer.startswith(_RECORDER)
        and each.imported.startswith(f"{_RECORDER}.")
        and each.importer not in (_RECORDER, f"{_RECORDER}._typing")
        and _layer(each.imported) > _layer(each.importer)
    ] == []


@pytest.mark.parametrize("backend", _BACKENDS)
def test_nothing_else_imports_a_backend(backend: str) -> None:
    """Only its own modules, those of files, and two that load it late; of its format, Kafka's."""
    own = re.compile(rf"{_RECORDER}\._?{backend}(\b|_)")
    assert [
        str(each)
        for each in _ALL
        if own.match(each.imported)
        and not own.match(each.importer)
        and each.importer != f"{_RECORDER}._captrace_provider"
        and not re.match(rf"{_RECORDER}\._?environment(_(?!variables)|$)", each.importer)
        and not each.importer.startswith(f"{_RECORDER}._span_files_")
        and not (each.importer == _CARRIES_FORMATS and _is_private(each.imported))
    ] == []


def test_the_notebook_is_the_only_door_upwards() -> None:
    """An import in a function is of a module that is loaded later for speed, or it is the door."""
    late = {
        (each.importer, each.imported)
        for each in _ALL
        if each.is_late
        and each.importer.startswith(_RECORDER)
        and each.imported != _API
        # Its names are for annotations, and loaded when somebody evaluates one.
        and each.importer != f"{_RECORDER}._typing"
    }
    up = {(importer, imported) for importer, imported in late if importer in _loads(imported)}
    assert up <= {(f"{_RECORDER}.trace", f"{_RECORDER}._timeline_page")}


def _loads(module: str) -> set[str]:
    """The modules that are loaded with a module."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for each in _ALL:
            if each.importer == importer and not each.is_late and each.imported not in loaded:
                loaded.add(each.imported)
                waiting.append(each.imported)
    return loaded


@pytest.mark.needs_os
@pytest.mark.skipif(sys.version_info < (3, 10), reason="the names are not listed before")
def test_the_tracer_loads_no_optional_dependency() -> None:
    """The tracer and its modules import no package of others but six."""
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "before = set(sys.modules)\n"
        "import opentracing_recorder.tracer\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    command = [sys.executable, "-c", script]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    known = {"six", _API, _RECORDER, *sys.stdlib_module_names}
    assert [name for name in names if name not in known] == []


# What is public.

_PUBLIC = [
    module
    for module in _FILES
    if not _is_private(module)
    and module not in _PACKAGES
    and not module.endswith("__main__")
    and not module.startswith("opentracing.ext")
]


@pytest.mark.parametrize("module", sorted(_FILES))
def test_every_module_says_what_it_is_for(module: str) -> None:
    """In one line at least, which does not begin with "What"."""
    docstring = ast.get_docstring(ast.parse(_FILES[module].read_text(encoding="utf-8")))
    assert docstring
    assert not docstring.startswith("What")


# Annotations.


def _modules() -> Iterator[ModuleType]:
    for package in (opentracing, opentracing_recorder):
        yield package
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not _is_private(info.name) and not info.name.endswith("__main__"):
                try:
                    importlib.import_module(info.name)
                except ImportError:  # an extra that is not installed
                    continue
                yield sys.modules[info.name]  # `opentracing.tracer` is an instance by its name


def _annotated(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """All public classes, functions and methods of a module, with their names."""
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            yield name, value
            for kind in inspect.getmro(value):
                if not kind.__module__.startswith(_API):
                    continue
                for attribute, held in vars(kind).items():
                    is_special = attribute.startswith("__") and attribute.endswith("__")
                    if attribute.startswith("_") and not is_special:
                        continue
                    if isinstance(held, property):
                        functions: list[Any] = [held.fget, held.fset]
                    else:
                        functions = [getattr(held, "__func__", held)]
                    for function in functions:
                        # The `__new__` of a NamedTuple is generated, without builtins.
                        is_ours = getattr(function, "__module__", "").startswith(_API)
                        if inspect.isfunction(function) and is_ours:
                            yield f"{name}.{attribute}", function


@pytest.mark.skipif(sys.version_info < (3, 10), reason="`X | None` is an error before")
def test_every_annotation_can_be_evaluated() -> None:
    """`typing.get_type_hints` works on every public class, function and method."""
    failures = []
    seen = 0
    for module in _modules():
        for name, value in _annotated(module):
            seen += 1
            try:
                typing.get_type_hints(value)
            except Exception as error:
                failures.append(f"{module.__name__}.{name}: {error}")
    assert failures == []
    assert seen > 300


@pytest.mark.skipif(sys.version_info < (3, 10), reason="`X | None` is an error before")
def test_evaluated_annotations_are_the_real_types() -> None:
    """Those that the API loads late are no stand-ins."""
    hints = typing.get_type_hints(opentracing.Tracer.start_span)
    assert hints["return"] is opentracing.Span
    assert hints["tags"] == typing.Optional[Mapping[str, Any]]
