"""Fixtures and settings of all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opentracing
from opentracing_recorder.harness import PropagatorCheckMixin, RecorderCheckMixin

from .browser import WHY_NOT_CHROMIUM, Browser, Page, find_chromium

# Machines are noisy: how long an example takes says nothing about the code.
# `make test-all` asks for fewer examples than `make test`, as it tries them on every Python.
EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", 100))
settings.register_profile("project", deadline=None, max_examples=EXAMPLES)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-zipkin",
        action="store_true",
        help="fail where a Zipkin cannot be started, instead of leaving its tests out",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """The checks of recorders and propagators start threads, whatever they check."""
    checks = getattr(item, "cls", None)
    if checks is not None and issubclass(checks, (RecorderCheckMixin, PropagatorCheckMixin)):
        item.add_marker(pytest.mark.needs_os)


@given(st.none())
def _first_property(nothing: None) -> None:
    """Have Hypothesis make its random numbers' source.

    On Python 3.14 it warns where the collector cannot find what holds this source, and looks at
    the first property alone. The collector does not find what is frozen.
    """


def pytest_collection_finish() -> None:
    """Keep what is there by now out of garbage collections: many tests need one."""
    if hasattr(gc, "freeze"):  # PyPy has no such function
        _first_property()
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _no_global_tracer() -> Iterator[None]:
    """Each test starts without a registered tracer, and without a provider of OpenTelemetry's."""
    opentracing._reset_global_tracer()
    yield
    opentracing._reset_global_tracer()
    api = sys.modules.get("opentelemetry.trace")
    if api is not None:  # as its own test utilities do it
        api._TRACER_PROVIDER = None
        api._TRACER_PROVIDER_SET_ONCE = type(api._TRACER_PROVIDER_SET_ONCE)()


@pytest.fixture
def threads_interrupt_each_other() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them.

    Without a GIL they need no turns, and this changes nothing.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds; it knows no less
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(autouse=True)
def _where_a_test_is_about_threads(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("threads") is not None:
        request.getfixturevalue("threads_interrupt_each_other")


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    executable = find_chromium()
    if executable is None:
        pytest.skip(WHY_NOT_CHROMIUM)
    browser = Browser(executable, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(_browser: Browser) -> Iterator[Page]:
    """An empty page in Chromium, which is started once for all tests."""
    page = _browser.open()
    yield page
    page.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, and why, in a line for each reason."""
    left_out = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(report.longrepr[2] for report in left_out).items():
        terminalreporter.write_line(f"left out {count}: {reason.replace('Skipped: ', '', 1)}")
