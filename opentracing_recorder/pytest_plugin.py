"""The pytest plugin: the fixture `captrace`, and the traces in the report of a failing test.

pytest 7.0 or later finds the plugin once `opentracing` is installed.
`opentracing_recorder.captrace` describes the fixture::

    import opentracing


    def test_checkout(captrace):
        opentracing.global_tracer().start_span("checkout").finish()
        assert captrace.outline() == "checkout"

- A span that is never finished is never recorded. The ini option ``captrace_fail_on_unfinished =
  true`` fails every test with such a span that uses the fixture. The marker
  ``@pytest.mark.captrace`` fails one test;
  ``@pytest.mark.captrace(fail_on_unfinished=False)`` exempts it.
- ``@pytest.mark.usefixtures("captrace")`` turns the fixture on without an argument.
- ``-p no:opentracing_recorder.pytest_plugin`` turns the plugin off. If pytest does not look for
  plugins, ``-p opentracing_recorder.pytest_plugin`` loads it.
- Under pytest-xdist, the report comes from the worker.

pytest imports every installed plugin at each start, so this one imports the tracer only when a test
uses the fixture. Before pytest 7.0 it does nothing.
"""

from __future__ import annotations

import functools
import inspect
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .captrace import CapTrace

_FAIL = "captrace_fail_on_unfinished"


class _State:
    """The state of a test that uses the fixture, shared by the hooks."""

    def __init__(self, captrace: CapTrace, fails: bool) -> None:
        self.captrace = captrace
        self.fails = fails
        self.started_before = 0  # by fixtures, which may finish them later
        self.failed = False
        self.drawn = ""


_STATE: pytest.StashKey[_State]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _FAIL, "fail a test with captrace that leaves a span unfinished", type="bool", default=False
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "captrace(fail_on_unfinished=True): whether the test fails if it leaves a span"
        f" unfinished; overrides the ini option {_FAIL}",
    )


@pytest.fixture
def captrace(request: pytest.FixtureRequest) -> Iterator[CapTrace]:
    """The spans of this test, recorded by a global tracer that is installed for this test only.

    `captrace.spans`, `find`, `one` and `wait_for` return spans; `outline` and `as_dicts` return
    values to compare. The report of a failing test ends with a timeline.
    """
    from .captrace import CapTrace

    with CapTrace() as captrace:
        state = _State(captrace, _fails(request))
        request.node.stash[_STATE] = state
        yield captrace
        _check(state)


def _fails(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("captrace")
    if marker is None:
        return bool(request.config.getini(_FAIL))
    if marker.args or set(marker.kwargs) - {"fail_on_unfinished"}:
        raise TypeError("the marker captrace takes fail_on_unfinished=True or False, nothing else")
    return bool(marker.kwargs.get("fail_on_unfinished", True))


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    state = item.stash.get(_STATE, None)
    if state is not None:
        state.started_before = state.captrace.started


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    # This runs only if the test has passed, so it fails in its call phase, not in teardown.
    state = item.stash.get(_STATE, None)
    if state is not None:
        _check(state, state.started_before)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    # A runner such as anyio's has one task for many tests, which the fixture cannot reach.
    state, test = pyfuncitem.stash.get(_STATE, None), pyfuncitem.obj
    if state is None or not inspect.iscoroutinefunction(test):
        yield
        return
    tracer = state.captrace.tracer

    @functools.wraps(test)
    async def test_afresh(*args: Any, **kwargs: Any) -> Any:
        _ = tracer.active_span  # which makes OpenTelemetry forget the spans of other tests
        return await test(*args, **kwargs)

    pyfuncitem.obj = test_afresh
    yield
    pyfuncitem.obj = test


def _check(state: _State, since: int = 0) -> None:
    if state.fails and not state.failed:
        unfinished = state.captrace.describe_unfinished(since)
        if unfinished:
            pytest.fail(f"Spans started and never finished:\n{unfinished}", pytrace=False)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    state = item.stash.get(_STATE, None)
    if state is not None:
        report = outcome.get_result()
        if report.failed:
            state.failed = True
            # pytest's own width, and the terminal's encoding, not that of pytest's capture.
            width = shutil.get_terminal_size((80, 24)).columns or 80  # 0 if unknown
            drawn = state.captrace.timeline(width, stream=sys.__stdout__)
            if drawn != state.drawn:  # not yet in the report of an earlier phase
                state.drawn = drawn
                report.sections.append(("Captured traces", drawn))
        if report.when == "teardown":
            del item.stash[_STATE]  # spans keep the values of their tags alive


if hasattr(pytest, "StashKey"):
    _STATE = pytest.StashKey[_State]()
else:  # before 7.0
    del captrace, pytest_addoption, pytest_configure
    del pytest_runtest_setup, pytest_runtest_call, pytest_runtest_makereport, pytest_pyfunc_call
