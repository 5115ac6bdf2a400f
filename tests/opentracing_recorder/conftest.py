"""Backends for the tests of BatchRecorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
