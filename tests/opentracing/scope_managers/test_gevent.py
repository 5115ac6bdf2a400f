"""Scopes in greenlets, also with monkey-patching."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opentracing import Scope, Span
from opentracing.scope_managers.constants import ACTIVE_ATTR
from opentracing_recorder import BasicTracer, InMemoryRecorder

from ...runtimes import HAS_GEVENT, WHY_NOT_GEVENT

if not HAS_GEVENT:
    pytest.skip(WHY_NOT_GEVENT, allow_module_level=True)

import gevent
from gevent.event import Event

from opentracing.scope_managers.gevent import GeventScopeManager, _GeventScope

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tracer(recorder: InMemoryRecorder, caplog: pytest.LogCaptureFixture) -> Iterator[BasicTracer]:
    """A tracer; nothing in this file is the application's mistake, so nothing is logged."""
    caplog.set_level(logging.DEBUG, "opentracing")
    yield BasicTracer(recorder, scope_manager=GeventScopeManager())
    assert caplog.records == []


def test_the_scope_is_kept_under_the_name_that_2_4_used(tracer: BasicTracer) -> None:
    """The greenlet has its scope in the known attribute, and none after it is closed."""

    def run() -> None:
        with tracer.start_active_span("span") as scope:
            assert getattr(gevent.getcurrent(), ACTIVE_ATTR) is scope
        assert getattr(gevent.getcurrent(), ACTIVE_ATTR) is None

    gevent.spawn(run).get(timeout=10)


def test_the_names_that_2_4_subclasses_call(tracer: BasicTracer) -> None:
    """The private names make, set and get scopes, with and without a given greenlet."""
    manager: Any = tracer.scope_manager
    other = gevent.spawn(lambda: manager.active)
    scope = _GeventScope(manager, tracer.start_span("span"), True)
    assert manager.active is None
    manager._set_greenlet_scope(scope)
    manager._set_greenlet_scope(scope, other)
    assert manager._get_greenlet_scope() is manager._get_greenlet_scope(other) is scope
    assert other.get(timeout=10) is scope
    scope.close()
    assert manager.active is None


def test_scopes_of_subclasses_written_for_2_4_nest(tracer: BasicTracer) -> None:
    """A manager's own kind of scope, stored by the private name, is shown and restored."""
    manager: Any = tracer.scope_manager

    def run() -> None:
        own = Scope(manager, tracer.start_span("own"))
        manager._set_greenlet_scope(own)
        with tracer.start_active_span("inner"):
            assert manager.active is not own
        assert manager.active is own

    gevent.spawn(run).get(timeout=10)


def test_a_scope_closed_in_another_greenlet(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The span finishes without a warning, and the outer scope is active in its own greenlet."""

    def run() -> None:
        with tracer.start_active_span("outer") as outer:
            inner = tracer.start_active_span("inner")
            gevent.spawn(inner.close).get()
            assert [span.operation_name for span in recorder.spans] == ["inner"]
            assert tracer.active_span is outer.span
        assert tracer.active_span is None

    gevent.spawn(run).get(timeout=10)


@pytest.mark.parametrize("exception", [gevent.GreenletExit, gevent.Timeout])
def test_a_killed_greenlet_finishes_its_spans(
    exception: type[BaseException], tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Killing or a timeout closes the scopes; the spans did not fail."""
    waiting = Event()

    def work() -> None:
        with tracer.start_active_span("outer"), tracer.start_active_span("inner"):
            waiting.set()
            Event().wait()

    def guarded() -> None:
        try:
            work()
        except exception:
            pass

    greenlet = gevent.spawn(guarded)
    assert waiting.wait(10)
    greenlet.kill(exception, timeout=10)
    assert [span.operation_name for span in recorder.spans] == ["inner", "outer"]
    assert recorder.find(error=True) == []


def test_a_greenlet_takes_a_forgotten_scope_with_it(tracer: BasicTracer) -> None:
    """A scope that was never closed is freed with its greenlet."""

    def forget() -> weakref.ref[Scope]:
        return weakref.ref(tracer.start_active_span("forgotten"))

    forgotten = gevent.spawn(forget).get(timeout=10)
    gevent.idle()  # the event loop still held the greenlet
    gc.collect()
    assert forgotten() is None


def test_callbacks_of_the_hub_have_scopes(tracer: BasicTracer) -> None:
    """A callback of the event loop itself starts without a scope, and leaves none to the next."""
    seen: list[Span | None] = []
    done = Event()

    def callback() -> None:
        seen.append(tracer.active_span)
        with tracer.start_active_span("callback") as scope:
            assert tracer.active_span is scope.span
        seen.append(tracer.active_span)
        if len(seen) == 4:
            done.set()

    with tracer.start_active_span("main"):
        for _ in range(2):
            gevent.get_hub().loop.run_callback(callback)
        assert done.wait(10)
    assert seen == [None] * 4


def test_native_threads_are_apart(tracer: BasicTracer) -> None:
    """The active span of a greenlet is not active on a thread of gevent's pool."""
    with tracer.start_active_span("main") as scope:
        assert gevent.get_hub().threadpool.apply(lambda: tracer.active_span) is None
        assert tracer.active_span is scope.span


@pytest.mark.needs_os
@pytest.mark.parametrize(
    "imported", ["", "opentracing_recorder, opentracing.scope_managers.gevent"]
)
@pytest.mark.long
def test_all_holds_when_monkey_patched(imported: str) -> None:
    """Scopes and the testbed pass in a patched process, in either order of imports."""
    script = f"""
import sys
{imported and "import " + imported}
from gevent import monkey
monkey.patch_all()
import threading, pytest
assert monkey.is_object_patched("threading", "local")
sys.exit(pytest.main(sys.argv[1:]))
"""
    tests = ["tests/testbed", "tests/opentracing/scope_managers/test_scope_managers.py"]
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "gevent or threads or thread-local",
        "--rootdir",
        str(ROOT),
    ]
    command = [sys.executable, "-c", script, *options, *tests]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
