"""The metadata agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_changelog_is_about_this_version() -> None:
    """The newest entry is the version that setup.py builds."""
    version = re.search(r'version="(\S+?)(?:\.dev0)?"', (ROOT / "setup.py").read_text("utf-8"))
    newest = re.search(r"^(\d\S*) \(", (ROOT / "CHANGELOG.rst").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert newest is not None
    assert newest.group(1) == version.group(1)


def test_both_packages_are_typed() -> None:
    """Each carries the marker that type checkers look for."""
    assert (ROOT / "opentracing" / "py.typed").is_file()
    assert (ROOT / "opentracing_recorder" / "py.typed").is_file()
