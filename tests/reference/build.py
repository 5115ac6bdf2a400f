"""Build the reference from the docstrings of both packages, as pages in env/docs.

    python tests/reference/build.py [FOLDER]

A warning of pdoc's, and a module that cannot be imported, fail the build.
"""

from __future__ import annotations

import re
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import jinja2
import pdoc
import pdoc.doc_pyi
import pdoc.render
from pdoc.render_helpers import to_markdown_with_context

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ("opentracing", "opentracing_recorder")

_LITERAL_BLOCK = re.compile(r"^(.*)::\n((?:\n+ {4,}.*)+)", re.MULTILINE)
_NAME = re.compile(r"(?<!`)`(\w+)`(?!`)")


def public_modules() -> list[str]:
    """The names of all modules that are not private."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    names = [name.removesuffix(".__init__") for name in names]
    return [name for name in names if "._" not in name.removesuffix(".__main__")]


@jinja2.pass_context
def to_markdown(context: jinja2.runtime.Context, docstring: str) -> str:
    """A docstring as Markdown.

    A ``::`` block becomes a fenced one, which pdoc colours. A public name of a package becomes a
    link on every page; pdoc itself links only the names that the page's module has.
    """
    module = context["module"]
    up = "../" * module.modulename.count(".")

    def linked(match: re.Match[str]) -> str:
        name = match[1]
        package = next((each for each in PACKAGES if name in import_module(each).__all__), None)
        if package is None or module.get(name) is not None:
            return match[0]
        return f"[`{name}`]({up}{package}.html#{name})"

    text = docstring.partition("\n\nPYTEST_DONT_REWRITE")[0]
    text = _LITERAL_BLOCK.sub(_fenced, _NAME.sub(linked, text))
    return to_markdown_with_context(context, text)


def _fenced(match: re.Match[str]) -> str:
    introduction, block = match.groups()
    code = re.sub(r"^ {4}", "", block.strip("\n"), flags=re.MULTILINE)
    colon = ":" if introduction else ""
    return f"{introduction}{colon}\n\n```python\n{code}\n```"


def main(folder: Path) -> int:
    stubs: Any = pdoc.doc_pyi
    stubs.find_stub_file = lambda module: None  # types-opentracing describes 2.4
    pdoc.render.configure(docformat="markdown", template_directory=HERE, search=True)
    pdoc.render.env.filters["to_markdown"] = to_markdown
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # A package with an `__all__` does not bring its modules, so each is named.
        warnings.filterwarnings("ignore", "The module specification .* adds a module named")
        pdoc.pdoc(*public_modules(), r"!.*\._(?!_main__)", output_directory=folder)
    for message in sorted({str(warning.message) for warning in caught}):
        print(f"warning: {message}", file=sys.stderr)
    return 1 if caught else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "env" / "docs"))
