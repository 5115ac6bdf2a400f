"""OpenTelemetryRecorder, through the exporters that OpenTelemetry's SDK brings along."""

from __future__ import annotations

import inspect
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Reference, child_of, follows_from
from opentracing_recorder import (
    BasicSpan,
    BasicSpanContext,
    BasicTracer,
    BatchRecorder,
    RemoteSpanContext,
)

pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")

from opentelemetry import context as current_context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

from .numbers_of_others import PLAIN, Bool, Int64

pytestmark = pytest.mark.needs_os

ROOT = Path(__file__).resolve().parents[2]
ERROR = SpanExportResult.FAILURE

EXCEPTION = {"exception.type": "KeyError", "exception.message": "'teapot'"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Iterator[BasicTracer]:
    with BasicTracer(OpenTelemetryRecorder(lambda: exporter, "shop")) as tracer:
        yield tracer


def converted(span: BasicSpan, **options: Any) -> ReadableSpan:
    """A span in OpenTelemetry's terms."""
    exporter = InMemorySpanExporter()
    recorder = OpenTelemetryRecorder(exporter, "shop", **options)
    recorder.send([span])
    (exported,) = exporter.get_finished_spans()
    return exported


def finished(**start: Any) -> BasicSpan:
    span = BasicTracer().start_span("x", **start)
    span.finish()
    return span


def test_the_options_and_defaults_are_those_of_every_batch_recorder() -> None:
    """Each has a name of its own in the constructor, which editors know."""
    own = inspect.signature(OpenTelemetryRecorder).parameters
    for name, option in inspect.signature(BatchRecorder).parameters.items():
        assert own[name] == option
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in own.values())


# What a span becomes.


def test_a_span_comes_out_whole(tracer: BasicTracer, exporter: InMemorySpanExporter) -> None:
    """Name, ids, parent, times, attributes and events are those of the span that was finished."""
    parent = BasicSpanContext((0xA << 64) + 1, 2)
    span = tracer.start_span("order", child_of=parent, start_time=100.5, tags={"item": "teapot"})
    span.log_kv({"event": "packed", "boxes": 2}, timestamp=100.75)
    span.finish(101)

    assert tracer.flush(10)
    (exported,) = exporter.get_finished_spans()
    assert exported.name == "order"
    assert exported.context.trace_id == (0xA << 64) + 1
    assert exported.context.span_id == span.context.span_id
    assert exported.context.trace_flags.sampled
    assert exported.parent is not None
    assert (exported.parent.trace_id, exported.parent.span_id) == ((0xA << 64) + 1, 2)
    assert (exported.start_time, exported.end_time) == (100_500_000_000, 101_000_000_000)
    assert exported.attributes == {"item": "teapot"}
    (event,) = exported.events
    assert (event.name, event.timestamp, event.attributes) == (
        "packed",
        100_750_000_000,
        {"boxes": 2},
    )
    assert exported.instrumentation_scope is not None
    assert exported.instrumentation_scope.name == "opentracing"


def test_a_root_has_no_parent() -> None:
    """Nor has it links."""
    root = converted(finished())
    assert root.parent is None
    assert root.links == ()


def test_a_64_bit_trace_id_is_padded_with_zeros() -> None:
    """Its number stays the same; the console shows 32 digits."""
    shown = json.loads(converted(finished(child_of=BasicSpanContext(0xABC, 1))).to_json())
    assert shown["context"]["trace_id"] == f"0x{0xABC:032x}"


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("client", SpanKind.CLIENT),
        ("server", SpanKind.SERVER),
        ("Producer", SpanKind.PRODUCER),
        ("consumer", SpanKind.CONSUMER),
    ],
)
def test_the_kind_is_a_field(tag: str, kind: SpanKind) -> None:
    """It leaves the attributes."""
    exported = converted(finished(tags={"span.kind": tag}))
    assert exported.kind is kind
    assert exported.attributes == {}


def test_a_kind_that_opentelemetry_has_not_stays_an_attribute() -> None:
    """Nothing is lost."""
    exported = converted(finished(tags={"span.kind": "local"}))
    assert exported.kind is SpanKind.INTERNAL
    assert exported.attributes == {"span.kind": "local"}


@pytest.mark.parametrize(
    ("tags", "status", "message"),
    [
        ({}, StatusCode.UNSET, None),
        ({"error": True}, StatusCode.ERROR, None),
        ({"error": "true"}, StatusCode.ERROR, None),
        ({"error": "timed out"}, StatusCode.ERROR, "timed out"),
        ({"error": False}, StatusCode.OK, None),
        ({"error": "False"}, StatusCode.OK, None),
        ({"error": None}, StatusCode.UNSET, None),
    ],
)
def test_the_error_tag_is_the_status(
    tags: dict[str, Any], status: StatusCode, message: str | None
) -> None:
    """The status follows OpenTelemetry's specification; a text other than true is its message."""
    exported = converted(finished(tags=tags))
    assert (exported.status.status_code, exported.status.description) == (status, message)
    assert exported.attributes == {}


def test_an_exception_that_leaves_the_span_is_its_status_and_an_event() -> None:
    """The exception is there in full, and its type is an attribute of the span."""
    span = BasicTracer().start_span("x")
    with pytest.raises(KeyError), span:
        raise KeyError("teapot")
    exported = converted(span)
    assert exported.status.status_code is StatusCode.ERROR
    assert exported.status.description == "'teapot'"
    assert exported.attributes == {"error.type": "KeyError"}
    (event,) = exported.events
    assert event.name == "exception"
    attributes = dict(event.attributes or {})
    assert 'raise KeyError("teapot")' in str(attributes.pop("exception.stacktrace"))
    assert attributes == EXCEPTION


@pytest.mark.parametrize(
    ("fields", "name", "attributes"),
    [
        ({"event": "packed", "boxes": 2}, "packed", {"boxes": 2}),
        ({"message": "packed"}, "log", {"message": "packed"}),
        ({"event": 5}, "5", {}),
        ({"event": "error", "error.object": KeyError("teapot")}, "exception", EXCEPTION),
        ({"error.object": KeyError("teapot"), "try": 2}, "exception", {**EXCEPTION, "try": 2}),
        ({"error.kind": "Timeout"}, "exception", {"exception.type": "Timeout"}),
        (
            {"event": "error", "error.kind": ValueError, "message": "no", "stack": "x.py:1"},
            "exception",
            {
                "exception.type": "ValueError",
                "exception.message": "no",
                "exception.stacktrace": "x.py:1",
            },
        ),
        ({"event": "retry", "message": "again"}, "retry", {"message": "again"}),
    ],
)
def test_a_log_is_an_event(fields: dict[str, Any], name: str, attributes: dict[str, Any]) -> None:
    """Named by its field ``event``; an error's fields get the names that exceptions have."""
    span = BasicTracer().start_span("x")
    span.log_kv(fields).finish()
    (event,) = converted(span).events
    assert (event.name, event.attributes) == (name, attributes)


@pytest.mark.parametrize(
    ("references", "links"),
    [
        ([child_of(BasicSpanContext(1, 2))], []),
        ([follows_from(BasicSpanContext(1, 2))], [(1, 2, "follows_from")]),
        (
            [follows_from(BasicSpanContext(3, 4)), child_of(BasicSpanContext(1, 2))],
            [(3, 4, "follows_from")],
        ),
        (
            [child_of(BasicSpanContext(1, 2)), child_of(BasicSpanContext(1, 5))],
            [(1, 5, "child_of")],
        ),
        ([child_of(BasicSpanContext(1, 2)), child_of(BasicSpanContext())], []),
    ],
)
def test_references_are_links(
    references: list[Reference], links: list[tuple[int, int, str]]
) -> None:
    """All but what the parent says already, that the span is its child; each with its type."""
    exported = converted(finished(references=references))
    assert exported.parent is not None
    assert exported.parent.span_id == 2
    assert [
        (
            link.context.trace_id,
            link.context.span_id,
            (link.attributes or {})["opentracing.ref_type"],
        )
        for link in exported.links
    ] == links


@pytest.mark.parametrize(
    ("start", "is_remote"),
    [
        ({"child_of": BasicSpanContext(1, 2)}, False),
        ({"child_of": RemoteSpanContext(1, 2), "tags": {"span.kind": "server"}}, True),
        ({"references": [child_of(RemoteSpanContext(1, 2))]}, True),
    ],
)
def test_a_parent_in_another_process_is_remote(start: dict[str, Any], is_remote: bool) -> None:
    """A server's is; so is one that a reference shows to be."""
    parent = converted(finished(**start)).parent
    assert parent is not None
    assert parent.is_remote is is_remote


def test_the_tracestate_of_the_caller_is_kept() -> None:
    """It is on the span and on its parent."""
    caller = RemoteSpanContext(1, 2, extra={"tracestate": "a=1,b=2"})
    exported = converted(finished(child_of=caller))
    assert exported.parent is not None
    assert exported.context.trace_state.to_header() == "a=1,b=2"
    assert exported.parent.trace_state.to_header() == "a=1,b=2"


def test_what_the_span_left_out_is_counted() -> None:
    """Tags as attributes, logs as events."""
    span = BasicTracer(max_tags=2, max_logs=3).start_span("x", tags={str(n): n for n in range(6)})
    for n in range(10):
        span.log_kv({"event": n})
    span.finish()
    exported = converted(span)
    assert (exported.dropped_attributes, exported.dropped_events) == (4, 7)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é", "é"),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (2**63, hex(2**63)),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (["a", "b"], ["a", "b"]),
        ((1, 2), [1, 2]),
        ([1, "a"], '[1, "a"]'),
        ([None], "[null]"),
        ([[1]], "[[1]]"),
        ({"a": [1]}, '{"a": [1]}'),
        (b"abc", "abc"),
        (KeyError, "KeyError"),
        ("\ud800", "?"),
    ],
)
def test_a_value_that_exporters_may_not_know_is_text(value: Any, expected: Any) -> None:
    """Texts, numbers, truth values and lists of one kind stay; other structures become JSON."""
    assert converted(finished(tags={"key": value})).attributes == {"key": expected}


@pytest.mark.parametrize(("value", "expected"), PLAIN.values(), ids=PLAIN)
def test_a_number_of_another_make_is_a_number(value: Any, expected: Any) -> None:
    """It is a number as an attribute, in a list, and in the form of a convention."""
    given = {"key": value, "list": [value, value]}
    attributes = dict(converted(finished(tags=given)).attributes or {})
    assert attributes == {"key": expected, "list": [expected, expected]}
    assert type(attributes["key"]) is type(expected)


def test_the_numbers_of_conventions_may_be_of_another_make() -> None:
    """A status code and a port stay numbers, and a number for an address is one."""
    given = {"http.status_code": Int64(404), "peer.port": Int64(80), "peer.ipv4": Int64(0x7F000001)}
    assert converted(finished(tags=given)).attributes == {
        "http.response.status_code": 404,
        "server.port": 80,
        "network.peer.address": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("value", "status"), [(Bool(True), StatusCode.ERROR), (Bool(False), StatusCode.OK)]
)
def test_an_error_of_another_make_is_the_status(value: Any, status: StatusCode) -> None:
    """The status is that of True or False, without a message."""
    exported = converted(finished(tags={"error": value}))
    assert (exported.status.status_code, exported.status.description) == (status, None)


def test_an_attribute_without_a_value_or_a_name_is_left_out() -> None:
    """OpenTelemetry allows neither."""
    assert converted(finished(tags={"key": None, "": 1, "other": 2})).attributes == {"other": 2}


@pytest.mark.parametrize(
    ("start", "finish"), [(-1e300, 1e300), (1e300, -1e300), (-5, 5), (1e10, 1e10)]
)
def test_every_time_can_be_written(start: float, finish: float) -> None:
    """A time that OTLP has no number for becomes the nearest that it has."""
    span = BasicTracer().start_span("x", start_time=start)
    span.log_kv({}, timestamp=finish).finish(finish)
    exported = converted(span)
    assert exported.start_time is not None
    assert exported.end_time is not None
    assert 0 <= exported.start_time <= exported.end_time < 2**64
    assert 0 <= exported.events[0].timestamp < 2**64
    json.loads(exported.to_json())


class Incomparable:
    """Like an array, whose comparison is no truth value."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "incomparable"


@pytest.mark.parametrize("key", ["span.kind", "db.type", "http.status_code", "item"])
def test_no_value_is_compared(key: str) -> None:
    """Values run code of the application's; only its text is asked for."""
    span = BasicTracer().start_span("x", tags={key: Incomparable()})
    span.log_kv({"event": Incomparable()}).finish()
    exported = converted(span)
    assert list((exported.attributes or {}).values()) == ["incomparable"]
    assert exported.events[0].name == "incomparable"


def test_names_stay_when_that_is_wanted() -> None:
    """Tags keep their names and values; kind, status and exceptions are what they always are."""
    span = BasicTracer().start_span("x", tags={"http.status_code": "500", "span.kind": "client"})
    with pytest.raises(KeyError), span:
        raise KeyError("teapot")
    exported = converted(span, semantic_names=False)
    assert exported.attributes == {"http.status_code": "500"}
    assert exported.kind is SpanKind.CLIENT
    assert exported.events[0].name == "exception"


def is_allowed(value: Any) -> bool:
    """Return if it is one of the simple values of OpenTelemetry's specification."""
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return type(value) in (str, bool, float)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_values = st.recursive(
    _scalars, lambda each: st.lists(each) | st.dictionaries(_scalars, each), max_leaves=8
)


@given(
    name=st.text(),
    tags=st.dictionaries(st.text(), _values),
    fields=st.dictionaries(st.text() | st.sampled_from(["event", "stack", "message"]), _values),
)
def test_whatever_a_span_holds_can_be_exported(
    name: str, tags: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Names, tags and logs of any value come out as what the strictest exporter takes."""
    span = BasicTracer().start_span(name, tags=tags)
    span.log_kv(fields).finish()
    exported = converted(span)
    for attributes in (exported.attributes, exported.events[0].attributes):
        for key, value in (attributes or {}).items():
            assert key
            assert is_allowed(value) or (type(value) is list and all(map(is_allowed, value)))
    exported.to_json().encode()


# The process.


def test_the_resource_describes_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments win over OTEL_RESOURCE_ATTRIBUTES, and the SDK is not called OpenTelemetry's."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=h1,deployment.environment.name=test")
    attributes = {"deployment.environment.name": "live", "service.version": 3, "odd": {"a": 1}}
    resource = converted(finished(), resource_attributes=attributes).resource.attributes
    expected = {
        "service.name": "shop",
        "service.version": 3,
        "deployment.environment.name": "live",
        "host.name": "h1",
        "odd": '{"a": 1}',
        "telemetry.sdk.name": "opentracing_recorder",
        "telemetry.sdk.language": "python",
    }
    assert {key: resource[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((5, "shop"), "exporter"),
        ((InMemorySpanExporter, None), "service_name"),
        ((InMemorySpanExporter, "shop", ["a"]), "resource_attributes"),
    ],
)
def test_arguments_are_checked(arguments: tuple[Any, ...], name: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(TypeError, match=name):
        OpenTelemetryRecorder(*arguments)


# Exporters.


def test_the_console_shows_the_span() -> None:
    """A ready exporter serves as well as a function that makes one."""
    console = io.StringIO()
    recorder = OpenTelemetryRecorder(ConsoleSpanExporter(out=console), "shop")
    with BasicTracer(recorder) as tracer:
        tracer.start_span("order", tags={"span.kind": "server", "http.method": "GET"}).finish()
    shown = json.loads(console.getvalue())
    assert shown["name"] == "order"
    assert shown["kind"] == "SpanKind.SERVER"
    assert shown["attributes"] == {"http.request.method": "GET"}
    assert shown["resource"]["attributes"]["service.name"] == "shop"


class ScriptedExporter(SpanExporter):
    """Returns or raises the next of `results`, and success when there are no more."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.batches: list[list[str]] = []
        self.suppressed: list[object] = []
        self.calls: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append([span.name for span in spans])
        key = current_context._SUPPRESS_INSTRUMENTATION_KEY
        self.suppressed.append(current_context.get_value(key))
        result = self.results.pop(0) if self.results else SpanExportResult.SUCCESS
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.calls.append("force_flush")
        return timeout_millis > 0

    def shutdown(self) -> None:
        self.calls.append("shutdown")


@pytest.mark.parametrize("failure", [ERROR, OSError("connection refused")])
def test_what_was_not_delivered_is_handed_over_again(failure: Any) -> None:
    """A failure that the exporter reports and one that it raises are the same."""
    exporter = ScriptedExporter(failure, failure)
    recorder = OpenTelemetryRecorder(exporter, "shop", interval=0.01)
    with BasicTracer(recorder) as tracer:
        tracer.start_span("a").finish()
        assert tracer.flush(30)
    assert exporter.batches == [["a"]] * 3
    assert recorder.stats.sent == 1


@pytest.mark.parametrize("failure", [ERROR, ValueError("no such attribute")])
def test_a_span_that_the_backend_refuses_costs_no_other(
    failure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that fails again and again is exported in halves, and the log names the span."""

    class Refusing(ScriptedExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if any(span.name == "bad" for span in spans):
                self.results.append(failure)
                return super().export(spans)
            arrived.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    arrived: list[str] = []
    exporter = Refusing()
    recorder = OpenTelemetryRecorder(exporter, "shop", interval=0.01, batch_size=64)
    names = [str(number) for number in range(100)]
    with BasicTracer(recorder) as tracer:
        for name in (*names[:40], "bad", *names[40:]):
            tracer.start_span(name).finish()
        while recorder.stats.queued:
            tracer.flush(30)
    assert arrived == names
    assert recorder.stats[:5] == (101, 100, 0, 1, 0)
    assert len(exporter.batches) < 30
    assert [each for each in caplog.messages if "the span 'bad' (" in each]
    assert len(caplog.messages) == 2


def test_an_exporters_error_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Clients write the URL, and a header that they refuse, into their errors."""
    errors = [
        OSError("Max retries exceeded with url: /v1/traces?key=sesame (Caused by ...)"),
        ValueError("header value: 'Bearer sesame\\n'"),
    ]
    caplog.set_level(logging.DEBUG)
    recorder = OpenTelemetryRecorder(ScriptedExporter(*errors), "shop", interval=0.01)
    with BasicTracer(recorder) as tracer:
        tracer.start_span("a").finish()
        assert tracer.flush(30)
    assert "url: /v1/traces?*** (Caused by" in caplog.text
    assert "header value ***" in caplog.text
    assert "sesame" not in caplog.text


def test_an_exporter_that_returns_nothing_has_delivered() -> None:
    """OpenTelemetry's SDK takes it so, and some exporters rely on that."""
    exporter = ScriptedExporter(None)
    with BasicTracer(OpenTelemetryRecorder(exporter, "shop")) as tracer:
        tracer.start_span("a").finish()
    assert exporter.batches == [["a"]]


def test_one_attempt_leaves_retries_to_the_exporter() -> None:
    """Its failure counts at once, and no span arrives twice."""
    exporter = ScriptedExporter(ERROR)
    recorder = OpenTelemetryRecorder(exporter, "shop", attempts=1)
    with BasicTracer(recorder) as tracer:
        tracer.start_span("a").finish()
        assert not tracer.flush(30)
    assert exporter.batches == [["a"]]
    assert recorder.stats.failed == 1


def test_a_span_that_cannot_be_exported_does_not_hold_up_the_others(
    exporter: InMemorySpanExporter,
) -> None:
    """It counts as failed; what was finished with it arrives."""
    recorder = OpenTelemetryRecorder(exporter, "shop")
    with BasicTracer(recorder) as tracer:
        recorder.record_span(BasicSpan(tracer, "no trace", BasicSpanContext()))
        tracer.start_span("a").finish()
    assert [span.name for span in exporter.get_finished_spans()] == ["a"]
    assert (recorder.stats.sent, recorder.stats.failed) == (1, 1)


def test_opentelemetry_does_not_trace_the_export() -> None:
    """Its instrumentation is told so while a batch is exported, and only then."""
    exporter = ScriptedExporter()
    with BasicTracer(OpenTelemetryRecorder(exporter, "shop")) as tracer:
        tracer.start_span("a").finish()
    assert exporter.suppressed == [True]
    assert current_context.get_value(current_context._SUPPRESS_INSTRUMENTATION_KEY) is None


def test_the_exporter_is_made_once_when_there_is_something_to_export() -> None:
    """A process that only forks makes none."""
    made: list[ScriptedExporter] = []

    def make() -> ScriptedExporter:
        made.append(ScriptedExporter())
        return made[-1]

    with BasicTracer(OpenTelemetryRecorder(make, "shop")) as tracer:
        assert tracer.flush(10)
        assert made == []
        for name in "ab":
            tracer.start_span(name).finish()
            assert tracer.flush(10)
    (exporter,) = made
    assert exporter.batches == [["a"], ["b"]]


def test_flush_and_close_reach_the_exporter() -> None:
    """One that keeps spans of its own is told to deliver them; it is shut down once."""
    exporter = ScriptedExporter()
    tracer = BasicTracer(OpenTelemetryRecorder(exporter, "shop"))
    tracer.start_span("a").finish()
    assert tracer.flush(10)
    assert exporter.calls == ["force_flush"]
    assert tracer.close(10)
    assert tracer.close(10)
    assert exporter.calls.count("shutdown") == 1


# Processes.

FORKING = """
import os, sys
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentracing_recorder import BasicTracer
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

def say(*words):  # in one step: parent and child write at the same time
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Printing(SpanExporter):
    def __init__(self):
        self.made_in = os.getpid()
    def export(self, spans):
        for span in spans:
            instance = span.resource.attributes.get("service.instance.id")
            say(span.name, self.made_in == os.getpid(), instance)
        return SpanExportResult.SUCCESS
    def shutdown(self):
        pass

is_ready, is_used = sys.argv[1:]
tracer = BasicTracer(OpenTelemetryRecorder(Printing() if is_ready == "ready" else Printing, "shop"))
if is_used == "used":
    tracer.start_span("before").finish()
    tracer.flush(10)
child = os.fork()
tracer.start_span("in the child" if not child else "in the parent").finish()
delivered = tracer.flush(10)
if not child:
    say("child delivered", delivered, tracer.recorder.stats.failed)
    os._exit(0)
os.waitpid(child, 0)
tracer.close(10)
"""


def forked(*arguments: str) -> list[str]:
    """The lines that a process and its child print."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    return run.stdout.splitlines()


def test_a_child_makes_its_own_exporter() -> None:
    """A child has its own exporter, and its own identity if OpenTelemetry's SDK gives one."""
    printed = forked("class", "used")
    lines = {name: said for name, *said in (line.rsplit(" ", 2) for line in printed)}
    assert lines["in the child"][0] == lines["in the parent"][0] == "True"
    assert lines["child delivered"] == ["True", "0"]
    instances = (lines["in the child"][1], lines["in the parent"][1])
    assert instances[0] != instances[1] or instances == ("None", "None")


def test_a_child_that_sends_first_at_its_exit_has_its_own_identity() -> None:
    """The SDK's detectors need threads, which an exit has not; the rest is as the parent has it."""
    program = """
import os
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentracing_recorder import BasicTracer
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

class Printing(SpanExporter):
    def export(self, spans):
        found = dict(spans[0].resource.attributes)
        own = found.pop("process.pid") == os.getpid()
        line = f"{own} {found.pop('service.instance.id', os.getpid())} {sorted(found.items())}\\n"
        os.write(1, line.replace(str(found["process.parent_pid"]), "PARENT").encode())
        return SpanExportResult.SUCCESS
    def shutdown(self):
        pass

recorder = OpenTelemetryRecorder(Printing, "shop", {"service.version": "3"}, interval=60)
child = os.fork()
BasicTracer(recorder).start_span("last").finish()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
            "OTEL_RESOURCE_ATTRIBUTES": "process.owner=me,service.version=2,host.name=h1",
        },
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""
    lines = [line.split(" ", 2) for line in ended.stdout.splitlines()]
    assert [own for own, _, _ in lines] == ["True", "True"]
    assert lines[0][1] != lines[1][1]
    assert lines[0][2] == lines[1][2]
    for each in ("('process.owner', 'me')", "('service.version', '3')", "('host.name', 'h1')"):
        assert each in lines[0][2]


def test_a_child_uses_no_exporter_that_its_parent_has_used() -> None:
    """Both would write into one connection: the child's spans count as failed."""
    printed = forked("ready", "used")
    assert not any(line.startswith("in the child") for line in printed)
    assert "child delivered False 1" in printed
    assert any(line.startswith("in the parent True") for line in printed)


def test_a_child_may_use_an_exporter_that_nobody_has_used() -> None:
    """Such as one that was made before a server forks its workers."""
    printed = forked("ready", "unused")
    assert any(line.startswith("in the child False") for line in printed)
    assert "child delivered True 0" in printed


def test_a_recorder_shows_its_service_exporter_and_counts() -> None:
    """The exporter is shown by its class, whether it is made already or later."""
    for exporter in (InMemorySpanExporter, InMemorySpanExporter()):
        assert repr(OpenTelemetryRecorder(exporter, "shop")) == (
            "<OpenTelemetryRecorder 'shop' InMemorySpanExporter"
            " recorded=0 sent=0 dropped=0 failed=0 queued=0 slow=0>"
        )
