"""pip finds a wheel for each of this project's extras."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .conftest import pip


@pytest.mark.parametrize("abi", ["cp313t", "cp314t"])
@pytest.mark.parametrize("extra", ["otlp", "zipkin"])
def test_wheels_for_builds_without_the_gil(
    extra: str, abi: str, wheel: str, tmp_path: Path
) -> None:
    """Nothing is compiled there: pip needs neither Rust nor C for what reports over HTTP."""
    resolved = pip(
        sys.executable,
        *("install", "--dry-run", "--quiet", "--report", "-"),
        *("--ignore-installed", "--target", str(tmp_path), "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", abi[2:5], "--abi", abi),
        *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
        f"opentracing[{extra}] @ {Path(wheel).as_uri()}",
    )
    assert resolved.returncode == 0, resolved.stderr
    names = [each["metadata"]["name"] for each in json.loads(resolved.stdout)["install"]]
    assert sorted(names) == ["opentracing", "six", "urllib3"]
