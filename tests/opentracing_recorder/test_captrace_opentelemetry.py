"""CapTrace catches what is traced through OpenTelemetry's API."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

import opentracing
from opentracing_recorder import BasicSpan, BasicTracer, BatchRecorder
from opentracing_recorder.captrace import CapTrace

trace = pytest.importorskip("opentelemetry.trace")
context = pytest.importorskip("opentelemetry.context")

TRACER = trace.get_tracer(__name__)  # as in a module under test


@TRACER.start_as_current_span("decorated")
def decorated() -> None:
    pass


def test_a_tracer_of_a_module_records_in_each_test() -> None:
    """A tracer that a module keeps records in the CapTrace that is entered now."""
    for name in ("first", "second"):
        with CapTrace() as captrace, TRACER.start_as_current_span(name):
            scope = opentracing.global_tracer().start_active_span("inner")
            decorated()
            scope.close()
        assert captrace.outline() == f"{name}\n  inner\n    decorated"
    TRACER.start_span("outside").end()
    assert not TRACER.start_span("outside").is_recording()
    assert len(captrace.spans) == 3


def test_the_provider_and_the_context_are_put_back() -> None:
    """They are restored if the block raises, attaches, and sets a provider of its own."""
    before = trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE, context.get_current()
    captrace = CapTrace()
    with suppress(KeyError), captrace:
        context.attach(context.set_value("left", 1))
        trace.set_tracer_provider(trace.NoOpTracerProvider())
        kept = trace.get_tracer("late").start_as_current_span("left open")
        kept.__enter__()
        assert trace.get_tracer_provider().tracer is captrace.tracer
        trace._TRACER_PROVIDER = trace.NoOpTracerProvider()
        raise KeyError
    after = trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE, context.get_current()
    assert after == before
    assert [span.operation_name for span in captrace.unfinished] == ["left open"]


def test_what_a_test_leaves_in_a_context_is_forgotten_by_the_next() -> None:
    """In a context that outlives a test, as a worker's, both APIs start new traces afterwards."""
    worker = contextvars.copy_context()

    def work(captrace: CapTrace) -> None:
        with TRACER.start_as_current_span("theirs"), captrace.tracer.start_active_span("ours"):
            pass
        captrace.tracer.start_active_span("left open")

    for _ in range(2):
        with CapTrace() as captrace:
            worker.run(work, captrace)
        assert captrace.outline() == "theirs\n  ours"
        roots = [captrace.one("theirs"), *captrace.unfinished]
        assert [span.parent_id for span in roots] == [None, None]


def test_threads_find_the_running_test() -> None:
    """The provider is one for the process, so spans of a thread are caught."""
    with CapTrace() as captrace:
        thread = threading.Thread(target=decorated)
        thread.start()
        thread.join()
    assert captrace.outline() == "decorated"


@pytest.mark.needs_os
@pytest.mark.parametrize("imports", [True, False])
def test_the_api_is_imported_by_the_code_under_test_alone(imports: bool) -> None:
    """Spans are caught if the block imports the API; otherwise nothing imports it."""
    script = f"""if True:
        import sys
        sys.path[:0] = {sys.path!r}
        import opentracing
        from opentracing_recorder.captrace import CapTrace
        with CapTrace() as captrace, captrace.tracer.start_active_span("a"):
            if {imports}:
                from opentelemetry import trace
                with trace.get_tracer("x").start_as_current_span("b"):
                    captrace.tracer.start_active_span("c").close()
        print(repr(captrace.outline()), "opentelemetry" in sys.modules)
        print([each for each in sys.meta_path if "captrace" in repr(each)])
    """
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    outline = "a\n  b\n    c" if imports else "a"
    assert run.stdout.splitlines() == [f"{outline!r} {imports}", "[]"]


class _Client(BatchRecorder):
    """Sends through a client that looks for OpenTelemetry's keys, as instrumented ones do."""

    seen: Any = None

    def send(self, spans: Sequence[BasicSpan]) -> None:
        keys = (
            context._SUPPRESS_INSTRUMENTATION_KEY,
            context._SUPPRESS_HTTP_INSTRUMENTATION_KEY,
            "suppress_instrumentation",
        )
        self.seen = [context.get_value(key) for key in keys]


def test_a_recorder_sends_with_instrumentation_suppressed() -> None:
    """Each of OpenTelemetry's keys is set while `send` runs."""
    recorder = _Client()
    with BasicTracer(recorder) as tracer:
        tracer.start_span("a").finish()
        assert tracer.flush(30)
    assert recorder.seen == [True, True, True]
