"""Backends for the tests of BatchRecorder, and a certificate."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .scripted import Scripted


@pytest.fixture
def backend() -> Iterator[Callable[..., Scripted]]:
    """Makes scripted backends, and lets their workers end."""
    made: list[Scripted] = []

    def make(*script: Any, **options: Any) -> Scripted:
        made.append(Scripted(*script, **options))
        return made[-1]

    yield make
    for each in made:
        each.gate.set()
        each.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 and zipkin.test that nobody vouches for, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: it makes the certificate")
    path = tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:zipkin.test"]
    command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "key.pem").read_bytes())
    return path
