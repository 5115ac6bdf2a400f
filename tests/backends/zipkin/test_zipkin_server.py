"""Where a Zipkin server cannot be had, one is told what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .zipkin_server import Missing, ZipkinServer, find_jar

pytestmark = pytest.mark.needs_os


def test_without_java_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message has the package's name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="apt-get install default-jre-headless"):
        ZipkinServer(tmp_path / "log.txt")


def test_without_maven_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message has the package's name, if the server is not in Maven's cache yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="apt-get install maven"):
        find_jar()


def test_a_maven_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message has what Maven said."""
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no route to the repository\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="no route to the repository"):
        find_jar()


def test_the_demo_says_what_is_missing(tmp_path: Path) -> None:
    """Without Java, the program ends with the message alone."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("zipkin_server.py")), "nothing.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Java 17 is missing")
    assert done.stderr.count("\n") == 1
