"""The recorder of the tests of scope managers."""

from __future__ import annotations

import pytest

from opentracing_recorder import InMemoryRecorder


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()
