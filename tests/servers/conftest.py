"""The backend of the servers' tests, and the ends of the servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..http_server import ScriptedServer


@pytest.fixture
def backend() -> Iterator[ScriptedServer]:
    with ScriptedServer() as backend:
        yield backend


@pytest.fixture
def start(
    request: pytest.FixtureRequest, tmp_path: Path, backend: ScriptedServer
) -> Iterator[Callable[..., Any]]:
    """Starts the `LAUNCHED` of the test's module, with the arguments given; all are killed."""
    launched = []

    def start(*arguments: Any, **environ: str) -> Any:
        launched.append(request.module.LAUNCHED(tmp_path, backend.url, *arguments, **environ))
        return launched[-1]

    yield start
    for each in launched:
        each.kill()
