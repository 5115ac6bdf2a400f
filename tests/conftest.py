"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

import opentracing

# Machines are noisy: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_global_tracer() -> Iterator[None]:
    """Each test starts without a registered tracer."""
    opentracing._reset_global_tracer()
    yield
    opentracing._reset_global_tracer()
