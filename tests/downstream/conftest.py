"""Real libraries, written for opentracing 2.4 and earlier, each on both tracers.

They have their own environment and are run by ``make test-downstream``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import opentracing
from opentracing.mocktracer import MockTracer
from opentracing_recorder import BasicTracer, InMemoryRecorder


def pytest_configure(config: pytest.Config) -> None:
    # Flask-OpenTracing says so of itself when it is imported.
    config.addinivalue_line("filterwarnings", "ignore:This package is no longer supported")
    # So does importlib.resources, of how kafka-python reads its own files.
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated")


def http_tags(component: str, kind: str, method: str, url: str) -> dict[str, Any]:
    """The standard tags of a request that was answered with 200."""
    return {
        "component": component,
        "span.kind": kind,
        "http.method": method,
        "http.url": url,
        "http.status_code": 200,
    }


Spans = Callable[[], list[Any]]


@pytest.fixture(params=["MockTracer", "BasicTracer"])
def tracer(request: pytest.FixtureRequest) -> Any:
    return MockTracer() if request.param == "MockTracer" else BasicTracer(InMemoryRecorder())


@pytest.fixture
def spans(tracer: Any) -> Spans:
    """Returns the recorded spans, in the order of finishing."""
    if isinstance(tracer, MockTracer):
        return tracer.finished_spans
    return tracer.recorder.get_spans  # type: ignore[no-any-return]


@pytest.fixture
def as_global_tracer(tracer: Any) -> Iterator[None]:
    with opentracing.use_tracer(tracer):
        yield
