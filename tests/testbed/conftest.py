"""The fixtures of the testbed: `runtime`, each in turn, and a `tracer` for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import RUNTIMES, Runtime


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return request.param


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InMemoryRecorder()


@pytest.fixture
def tracer(runtime: Runtime, recorder: InMemoryRecorder) -> Iterator[BasicTracer]:
    """A tracer on the runtime's scope manager; a pattern must not leave an active span on it."""
    tracer = BasicTracer(recorder, scope_manager=runtime.make_scope_manager())
    yield tracer
    assert tracer.active_span is None
