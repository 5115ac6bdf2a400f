"""Backends for the tests of BatchRecorder, and a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..certificates import make_certificate
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
    return make_certificate(tmp_path, "zipkin.test")
