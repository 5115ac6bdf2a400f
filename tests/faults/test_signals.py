"""Signal handlers that raise: their exceptions reach the application, wherever they interrupt."""

from __future__ import annotations

import _thread
import ast
import functools
import gc
import io
import json
import logging
import random
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import opentracing
import opentracing_recorder
from opentracing import Format, Reference, Span, SpanContextCorruptedException
from opentracing.mocktracer import MockTracer
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    CompositeRecorder,
    ConsoleRecorder,
    InMemoryRecorder,
    JaegerPropagator,
    JSONLinesRecorder,
    LoggingRecorder,
    Recorder,
    TailRecorder,
    TraceContextPropagator,
)
from opentracing_recorder.prometheus import MetricsRecorder

from .calling import Calling

needs_alarms = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there is no SIGALRM on this system"
)
pytestmark = [pytest.mark.needs_os, pytest.mark.long, needs_alarms]


class Limit(Exception):
    """A time limit."""


class KeyLimit(KeyError):
    """A time limit that derives from an exception of dicts."""


class ValueLimit(ValueError):
    """A time limit that derives from an exception of values."""


class CallLimit(RuntimeError, TypeError):
    """A time limit that derives from an exception of calls."""


def as_function(signum: int, frame: object) -> None:
    raise Limit


def without_arguments(signum: int, frame: object) -> None:
    del signum, frame
    raise Limit


def with_others(signum: Any, frame: Any) -> None:
    signum = frame = None
    raise Limit(signum, frame)


def any_number(*arguments: object) -> None:
    raise Limit


def number_and_rest(signum: int, *rest: object, why: str = "") -> None:
    raise Limit(why)


def calling_on(signum: int, frame: FrameType | None) -> None:
    as_function(signum, frame)


def third(first: str, second: str, signum: int, frame: object) -> None:
    raise Limit


def third_without_arguments(first: str, signum: int, frame: object) -> None:
    del signum, frame
    raise Limit


@functools.wraps(as_function)
def wrapped(*arguments: Any) -> None:
    return as_function(*arguments)


class Handler:
    def method(self, signum: int, frame: object) -> None:
        raise Limit

    def without_arguments(self, signum: int, frame: object) -> None:
        del self, signum, frame
        raise Limit

    @staticmethod
    def static(signum: int, frame: object) -> None:
        raise Limit

    @classmethod
    def of_class(cls, signum: int, frame: object) -> None:
        raise Limit


class Callable_:
    def __call__(self, signum: int, frame: object) -> None:
        raise Limit


class CallableWithoutArguments:
    def __call__(self, signum: int, frame: object) -> None:
        del signum, frame
        raise Limit


def once(signum: int, frame: object) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    raise Limit


def _limit(*arguments: object) -> None:
    raise Limit


HANDLERS: dict[str, Callable[..., Any]] = {
    "function": as_function,
    "lambda": lambda signum, frame: _limit(signum),
    "without arguments": without_arguments,
    "with others": with_others,
    "any number": any_number,
    "number and rest": number_and_rest,
    "calling on": calling_on,
    "partial": functools.partial(third, "first", "second"),
    "partial without arguments": functools.partial(third_without_arguments, "first"),
    "wrapped": wrapped,
    "method": Handler().method,
    "method without arguments": Handler().without_arguments,
    "static method": Handler.static,
    "class method": Handler.of_class,
    "callable": Callable_(),
    "callable without arguments": CallableWithoutArguments(),
    "once": once,
}


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)


def alarm(*arguments: Any) -> Any:
    signal.raise_signal(signal.SIGALRM)


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_of_every_form(name: str) -> None:
    """A handler is recognised by its frame, whether or not it keeps its arguments and its name."""
    signal.signal(signal.SIGALRM, HANDLERS[name])
    tracer = BasicTracer(Calling(alarm))
    with pytest.raises(Limit):
        tracer.start_span("job").finish()


class Value:
    """A value whose every method takes so long that the time limit is reached."""

    __str__ = __repr__ = __bool__ = __float__ = __iter__ = __len__ = __int__ = __eq__ = alarm
    __hash__ = object.__hash__


class Slow(dict):  # type: ignore[type-arg]
    items = keys = __iter__ = __getitem__ = __delitem__ = __setitem__ = alarm


class SlowRecorder(Recorder):
    record_span = flush = close = span_started = alarm


class SlowSampler(opentracing_recorder.Sampler):
    sampled = sampled_remote = alarm


class SlowSpan(Span):
    context = property(alarm)


class SlowReference(Reference):
    type = property(alarm)  # type: ignore[assignment]


class SlowError(Exception):
    __str__ = alarm


class SlowBatches(BatchRecorder):
    send = alarm


def traced(**options: Any) -> BasicTracer:
    return BasicTracer(InMemoryRecorder(), **options)


def span_of(tags: dict[str, Any] | None = None) -> BasicSpan:
    return traced().start_span("job", tags=tags)


def in_a_span() -> None:
    with traced().start_span("job"):
        raise SlowError


def in_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", alarm)
    span_of()


def with_clock_at_start() -> None:
    with pytest.MonkeyPatch.context() as patch:
        in_a_clock(patch)


def inject(carrier: Any, format: Any = Format.TEXT_MAP, **options: Any) -> None:
    tracer = traced(**options)
    tracer.inject(tracer.start_span("job"), format, carrier)


PLACES: dict[str, Callable[[], Any]] = {
    "record_span": lambda: BasicTracer(SlowRecorder()).record(span_of()),
    "span_started": lambda: BasicTracer(SlowRecorder()).start_span("job"),
    "flush": lambda: BasicTracer(SlowRecorder()).flush(),
    "close": lambda: BasicTracer(SlowRecorder()).close(),
    "record_span in a composite": lambda: CompositeRecorder([SlowRecorder()]).record_span(
        span_of()
    ),
    "span_started in a composite": lambda: BasicTracer(
        CompositeRecorder([SlowRecorder()])
    ).start_span("job"),
    "flush in a composite": lambda: CompositeRecorder([SlowRecorder()]).flush(),
    "sampler": lambda: traced(sampler=SlowSampler()).start_span("job"),
    "operation name": lambda: traced().start_span(Value()),  # type: ignore[arg-type]
    "parent": lambda: traced().start_span(
        "job", child_of=SlowSpan(None, opentracing.SpanContext())
    ),
    "references": lambda: traced().start_span("job", references=Value()),  # type: ignore[arg-type]
    "reference": lambda: traced().start_span(
        "job", references=[SlowReference("child_of", opentracing.SpanContext())]
    ),
    "first tags": lambda: span_of(Slow(a=1)),
    "start time": lambda: traced().start_span("job", start_time=Value()),  # type: ignore[arg-type]
    "clock": with_clock_at_start,
    "finish time": lambda: span_of().finish(Value()),  # type: ignore[arg-type]
    "priority": lambda: span_of().set_tag("sampling.priority", Value()),
    "logs": lambda: span_of().log_kv(Slow(a=1)),
    "error object": lambda: span_of().log_kv({"error.object": SlowError("")}),
    "error on its way": in_a_span,
    "value": lambda: span_of({"a": Value()}).to_dict(),
    "key": lambda: span_of().set_tag(Value(), 1),  # type: ignore[arg-type]
    "value in a list": lambda: span_of({"a": [[Value()]]}).to_dict(),
    "error tag": lambda: _error_tag(),
    "format": lambda: traced().inject(span_of(), _unhashable(), {}),
    "inject": lambda: inject(Slow()),
    "inject W3C": lambda: inject(Slow(), propagators={Format.TEXT_MAP: TraceContextPropagator()}),
    "extract": lambda: traced().extract(Format.TEXT_MAP, Slow()),
    "extract B3": lambda: B3Propagator().extract(Slow()),
    "extract Jaeger": lambda: JaegerPropagator().extract(Slow()),
    "batch on this thread": lambda: _send_here(SlowBatches()),
}


class _Unhashable:
    __hash__ = alarm


def _unhashable() -> Any:
    return _Unhashable()


def _send_here(recorder: BatchRecorder) -> None:
    worker = recorder._worker
    worker.queue.spans.append(span_of())
    worker._send_here(recorder)


def _error_tag() -> None:
    recorder = InMemoryRecorder()
    BasicTracer(recorder).start_span("job", tags={"error": Value()}).finish()
    recorder.find(error=True)


@pytest.mark.parametrize("limit", [Limit, TimeoutError, KeyLimit, ValueLimit, CallLimit])
@pytest.mark.parametrize("place", PLACES)
def test_limits_pass_from_every_place(place: str, limit: type[Exception]) -> None:
    """The limit passes from every place that calls the application's code, whatever its class."""

    def handle(signum: int, frame: object) -> None:
        raise limit

    signal.signal(signal.SIGALRM, handle)
    with pytest.raises(limit):
        PLACES[place]()


def test_failures_of_recorders_are_kept_back_as_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Exceptions that no handler raised are logged, also if a function has a frame and a number."""

    def fail(span: BasicSpan) -> None:
        note(1, sys._getframe().f_back, 2)
        look(sys._getframe(), 1)

    def note(first: int, frame: object, second: int) -> None:
        pass

    def look(frame: FrameType, context: int) -> None:
        raise ValueError

    signal.signal(signal.SIGALRM, as_function)
    BasicTracer(Calling(fail)).start_span("job").finish()
    assert "record_span raised" in caplog.text


def test_the_scopes_around_a_limit_are_closed() -> None:
    """Each span that a limit passes is recorded once, and none stays active."""
    signal.signal(signal.SIGALRM, as_function)
    recorder = InMemoryRecorder()
    names = []

    def interrupt(span: BasicSpan) -> None:
        names.append(span.operation_name)
        if span.operation_name == "inner":
            alarm()

    tracer = BasicTracer(CompositeRecorder([recorder, Calling(interrupt)]))
    outer, inner = tracer.start_active_span("outer"), tracer.start_active_span("inner")
    with pytest.raises(Limit), outer, inner:
        pass
    assert tracer.active_span is None
    assert [span.operation_name for span in recorder.spans] == names == ["inner", "outer"]


def test_a_limit_in_the_file_recorder_counts_the_span(tmp_path: Path) -> None:
    """A span that a limit kept out of the file counts as lost; the next one is written."""
    signal.signal(signal.SIGALRM, as_function)
    recorder = JSONLinesRecorder(tmp_path / "spans.jsonl")
    tracer = BasicTracer(recorder)
    with pytest.raises(Limit):
        tracer.start_span("job", tags={"a": Value()}).finish()
    assert not recorder.flush()
    tracer.start_span("next").finish()
    assert recorder.flush()
    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert [json.loads(line)["operation_name"] for line in lines] == ["next"]


# Alarms at any moment.

LONG = 5.0  # seconds that a test waits for an event before it fails

ALARMS = 300
SECONDS = 5.0


EVERY_LIMIT = (Limit, TimeoutError, KeyLimit, ValueLimit, CallLimit)
PLAIN_LIMITS = (Limit, TimeoutError)


def storm(
    work: Callable[[], object], limits: tuple[type[Exception], ...] = EVERY_LIMIT
) -> tuple[int, int]:
    """The number of alarms that a storm raised in `work`, and of those that came out of it."""
    raised: list[Exception] = []
    seen = 0

    def handle(signum: int, frame: object) -> None:
        raised.append(limits[len(raised) % len(limits)]("a limit"))
        raise raised[-1]

    # A function of its own: from 3.12 on, a loop's jump back is not part of a `try` around it.
    def work_until_alarm(number: int) -> None:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(20e-6, 2e-3))
        while len(raised) == number:
            work()

    signal.signal(signal.SIGALRM, handle)
    chance = random.Random(16)
    end = time.monotonic() + SECONDS
    gc.disable()  # exceptions in the collector's callbacks, such as Hypothesis's, are lost
    try:
        while len(raised) < ALARMS and time.monotonic() < end:
            try:
                work_until_alarm(len(raised))
            except limits as error:
                seen += error is raised[-1]
    finally:
        gc.enable()
    return len(raised), seen


class Kept(logging.Handler):
    """A handler that keeps its records, and unlike those of `logging` catches nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[dict[str, Any]] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.spans.append(record.__dict__["span"])
        return True


class InPython(Recorder):
    """A recorder that works for long, in Python."""

    def __init__(self) -> None:
        self.spans: list[BasicSpan] = []

    def record_span(self, span: BasicSpan) -> None:
        sum(each % 7 for each in range(200))
        self.spans.append(span)


def request(tracer: BasicTracer) -> None:
    with tracer.start_active_span("job", tags={"a": 1, "b": object()}) as scope:
        scope.span.set_tag("c", [1, {"d": 2.5}])
        scope.span.log_kv({"event": "step", "n": 1})


def assert_all_came(
    work: Callable[[], object], limits: tuple[type[Exception], ...] = EVERY_LIMIT
) -> None:
    raised, seen = storm(work, limits)
    assert raised > 20
    assert seen == raised


def assert_others_do_not_wait(work: Callable[[], object]) -> None:
    """No lock stays taken: another thread does this work to its end."""
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert len(done) == 1


@pytest.mark.parametrize("make", [InMemoryRecorder, InPython])
def test_alarms_at_recorders_in_memory(make: Callable[[], Any]) -> None:
    """Every alarm reaches the application, and no span is recorded twice."""
    recorder = make()
    tracer = BasicTracer(CompositeRecorder([recorder, InMemoryRecorder(max_spans=10)]))
    assert_all_came(lambda: request(tracer))
    assert len(recorder.spans) == len({id(span) for span in recorder.spans})


def test_alarms_at_the_file_recorder(tmp_path: Path) -> None:
    """Every alarm reaches the application; the file's lines are whole, each with its own span."""
    recorder = JSONLinesRecorder(tmp_path / "spans.jsonl")
    tracer = BasicTracer(recorder)
    assert_all_came(lambda: request(tracer))
    assert_all_came(recorder.flush)
    assert_others_do_not_wait(lambda: request(tracer))
    tracer.close()
    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    ids = [json.loads(line)["span_id"] for line in lines]
    assert len(ids) == len(set(ids)) > 0


def test_alarms_at_the_console_recorder() -> None:
    """Every alarm reaches the application, and other threads go on."""
    stream = io.StringIO()
    tracer = BasicTracer(ConsoleRecorder(stream, width=80))

    def requests() -> None:
        with tracer.start_active_span("root"):
            request(tracer)

    # `os.environ.get` catches any KeyError itself.
    assert_all_came(requests, PLAIN_LIMITS)
    stream.truncate(0)
    assert_others_do_not_wait(requests)
    assert stream.getvalue().count("root") == 1


def test_alarms_at_the_metrics_recorder() -> None:
    """Every alarm reaches the application; no span is counted twice, and each alarm loses one."""
    registry, memory = CollectorRegistry(), InMemoryRecorder()
    tracer = BasicTracer(MetricsRecorder(memory, registry=registry))
    raised, seen = storm(lambda: request(tracer))
    assert raised > 20
    assert seen == raised
    tracer.start_span("after").finish()
    labels = {"service_name": "", "span_kind": "SPAN_KIND_INTERNAL"}
    counted = 0.0
    for name, status in (("job", "UNSET"), ("job", "ERROR"), ("after", "UNSET")):
        labels.update(span_name=name, status_code=f"STATUS_CODE_{status}")
        counted += registry.get_sample_value("traces_span_metrics_calls_total", labels) or 0
    assert counted > 1
    assert -raised <= counted - len(memory.spans) <= raised


def test_alarms_at_the_logging_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every alarm reaches the application, except those that `logging` catches."""
    # For these, a LogRecord catches every exception while it looks for their names.
    for name in ("logMultiprocessing", "logAsyncioTasks"):
        monkeypatch.setattr(logging, name, False, raising=False)
    logger = logging.Logger("spans")
    kept = Kept()
    logger.addHandler(kept)
    tracer = BasicTracer(LoggingRecorder(logger))
    # A LogRecord catches other exceptions itself while it is made.
    assert_all_came(lambda: request(tracer), PLAIN_LIMITS)
    assert len(kept.spans) == len({span["span_id"] for span in kept.spans})


def test_alarms_at_a_batch_recorder() -> None:
    """Every alarm reaches the application; the worker goes on, and every span is counted once."""
    sent: list[int] = []

    class Batches(BatchRecorder):
        def send(self, spans: Any) -> None:
            sent.extend(map(id, spans))
            held.extend(spans)

    held: list[BasicSpan] = []
    recorder = Batches(batch_size=10, interval=0.001, queue_size=100_000)
    tracer = BasicTracer(recorder)
    try:
        assert_all_came(lambda: request(tracer))
        assert_all_came(lambda: (request(tracer), recorder.flush(1.0), recorder.stats))
        request(tracer)
        recorder.flush(10.0)
        stats = recorder.stats
        assert stats.recorded == stats.sent == len(sent) == len(set(sent)) > 0
    finally:
        recorder.close(1.0)


def test_alarms_at_a_tail_recorder() -> None:
    """Every alarm reaches the application, no span passes twice, and no lock stays taken."""
    memory = InMemoryRecorder()
    recorder = TailRecorder(memory, slower_than=30, rate=0.5)
    tracer = BasicTracer(recorder)

    def requests() -> None:
        request(tracer)
        with tracer.start_active_span("root"):
            request(tracer)

    assert_all_came(requests)
    assert len(memory.spans) == len({id(span) for span in memory.spans})
    assert_others_do_not_wait(requests)
    recorder.close()
    counts = recorder.counts
    assert counts.held == 0
    assert counts.passed >= len(memory.spans)


def test_an_alarm_while_the_worker_starts() -> None:
    """The alarm reaches the application, and the next span is sent, whether or not it started."""
    started = _thread.start_new_thread
    for start in (alarm, lambda *given: (started(*given), alarm())):
        sent = threading.Event()
        recorder = _Signalling(sent)
        tracer = BasicTracer(recorder)
        signal.signal(signal.SIGALRM, as_function)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_thread, "start_new_thread", start)
            with pytest.raises(Limit):
                tracer.start_span("job").finish()
        tracer.start_span("next").finish()
        assert sent.wait(LONG)
        assert recorder.close(LONG)


class _Signalling(BatchRecorder):
    def __init__(self, sent: threading.Event) -> None:
        self._sent = sent
        super().__init__(batch_size=1)

    def send(self, spans: Any) -> None:
        self._sent.set()


CALLS: dict[str, Callable[[BasicTracer, BasicSpan], object]] = {
    "set_tag": lambda tracer, span: span.set_tag("a", 1).set_tag("b", "text"),
    "log_kv": lambda tracer, span: span.log_kv({"event": "a", "stack": sys._getframe()}),
    "baggage": lambda tracer, span: span.set_baggage_item("a", "b"),
    "context": lambda tracer, span: tracer.start_span("b").context.baggage,
    "decision": lambda tracer, span: span.set_tag("sampling.priority", 1),
    "limits": lambda tracer, span: [span.set_tag(each, 1).log_kv({each: 1}) for each in "abcdefgh"],
    "to_dict": lambda tracer, span: span.to_dict(),
    "children": lambda tracer, span: tracer.start_span("child", child_of=span, tags={"a": 1}),
    "inject": lambda tracer, span: tracer.inject(span, Format.HTTP_HEADERS, {"host": "a"}),
    "close": lambda tracer, span: BasicTracer(InMemoryRecorder()).close(),
    "mocks": lambda tracer, span: MockTracer().start_span("a").finish(),
    "repr": lambda tracer, span: repr(span),
}


def test_alarms_at_first_logs_leave_no_lock() -> None:
    """The lock that all spans share is released after each: otherwise another thread would hang."""
    tracer = BasicTracer(InMemoryRecorder(max_spans=10))
    spans = [tracer.start_span("job") for _ in range(1000)]

    def log() -> None:
        for each in spans:
            each._logs = None
            assert each.logs == []

    assert_all_came(log)
    assert_others_do_not_wait(log)


@pytest.mark.parametrize("call", CALLS)
def test_alarms_at_spans(call: str) -> None:
    """Every alarm during the use of a span reaches the application, and other threads go on."""
    tracer = BasicTracer(InMemoryRecorder(max_spans=10), max_tags=4, max_logs=4)
    span = tracer.start_span("job", tags={"a": object(), "b": [Exception("c")]})
    assert_all_came(lambda: CALLS[call](tracer, span))
    assert_others_do_not_wait(lambda: [each(tracer, span) for each in CALLS.values()])


@pytest.mark.parametrize(
    "propagator", [None, TraceContextPropagator(), B3Propagator(), JaegerPropagator()]
)
def test_alarms_at_propagators(propagator: Any) -> None:
    """Every alarm during reading or writing headers reaches the application."""
    options = {} if propagator is None else {"propagators": {Format.HTTP_HEADERS: propagator}}
    tracer = BasicTracer(InMemoryRecorder(), **options)  # type: ignore[arg-type]
    span = tracer.start_span("job").set_baggage_item("a", "é")
    numbers = iter(range(10**9))

    def exchange() -> None:
        # Names that are new each time take the slow paths too.
        for carrier in ({}, {"host": "a", f"x-{next(numbers)}": "b"}, Headers()):
            tracer.inject(span, Format.HTTP_HEADERS, carrier)
            tracer.extract(Format.HTTP_HEADERS, carrier)
        try:
            carrier = {
                "ot-tracer-traceid": "x",
                "traceparent": "x",
                "b3": "x",
                "uber-trace-id": ":",
            }
            tracer.extract(Format.HTTP_HEADERS, carrier)
        except SpanContextCorruptedException:
            pass

    # `urllib.parse.unquote` catches any KeyError itself.
    assert_all_came(exchange, PLAIN_LIMITS)


class Headers(dict):  # type: ignore[type-arg]
    """Headers that are no dict."""


# The rule.

# Files whose code runs only in tests, on the command line, or at the import of the package.
ELSEWHERE = {
    "__main__.py", "_harness_proxy.py", "_harness_spans.py", "_harness_propagator.py",
    "_harness_recorder.py", "_harness_recorder_hooks.py", "_harness_sampler.py",
    "_harness_threads.py",
}  # fmt: skip

# Exceptions that no time limit derives from.
NEVER_A_LIMIT = {
    "BatchTooLarge", "BufferError", "Empty", "ImportError", "InvalidCarrierException",
    "JSONDecodeError", "LocationParseError", "NotSpans", "OverflowError", "RecursionError",
    "Rejected", "SpanContextCorruptedException", "StreamFault", "UnicodeDecodeError",
    "UnicodeEncodeError", "_Failure", "json.JSONDecodeError", "struct.error", "zlib.error",
}  # fmt: skip

# Not on the main thread, at the import, at the end of a process, or with the interrupt caught.
SEEN_TO = {
    ("shutdown.py", "work"), ("shutdown.py", "_end"), ("nesting.py", "_finish_each"),
    ("_process.py", "_make_mark"),
}  # fmt: skip


def excepts(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.ExceptHandler]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ExceptHandler):
            yield function, node
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from excepts(node, node.name if is_function else function)  # type: ignore[attr-defined]


def test_every_except_block_thinks_of_them() -> None:
    """Every `except` on the application's thread lets interrupts through, or raises again."""
    missing = []
    for package in (opentracing, opentracing_recorder):
        folder = Path(package.__file__).parent
        for file in folder.rglob("*.py"):
            is_command = file.name.startswith("_command_")
            if file.name in ELSEWHERE or is_command or "harness" in file.parent.name:
                continue
            for function, block in excepts(ast.parse(file.read_text(encoding="utf-8"))):
                caught = block.type.elts if isinstance(block.type, ast.Tuple) else [block.type]
                if {ast.unparse(each) for each in caught if each} <= NEVER_A_LIMIT and block.type:
                    continue
                if (file.name, function) in SEEN_TO:
                    continue
                text = "\n".join(map(ast.unparse, block.body))
                if "reraise_interrupt()" not in text and not text.endswith("raise"):
                    missing.append(f"{file.name}:{block.lineno}")
    assert missing == []


def test_no_with_statement_takes_a_lock() -> None:
    """A handler that raises as the block begins or ends would leave the lock taken for ever."""
    found = []
    for package in (opentracing, opentracing_recorder):
        folder = Path(package.__file__).parent
        for file in folder.rglob("*.py"):
            if file.name in ELSEWHERE or "harness" in file.parent.name:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.With, ast.AsyncWith)):
                    taken = " ".join(ast.unparse(each.context_expr) for each in node.items)
                    if re.search(r"lock|mutex|condition|semaphore|\.current\b", taken):
                        found.append(f"{file.name}:{node.lineno}: {taken}")
    assert found == []


@opentracing.traced
def _function() -> None: ...


@opentracing.traced
async def _coroutine() -> None: ...


@opentracing.traced
def _generator() -> Iterator[int]:
    yield 1
    yield 2


@opentracing.traced
async def _async_generator() -> AsyncIterator[int]:
    yield 1
    yield 2


async def _exhaust() -> None:
    async for _ in _async_generator():
        pass


def _run(function: Callable[[], Coroutine[Any, Any, object]]) -> None:
    coroutine = function()
    try:
        coroutine.send(None)
    except StopIteration:
        pass


DECORATED: dict[str, Callable[[], object]] = {
    "function": _function,
    "coroutine": lambda: _run(_coroutine),
    "generator": lambda: list(_generator()),
    "async generator": lambda: _run(_exhaust),
}


@pytest.mark.parametrize("kind", DECORATED)
def test_alarms_at_decorated_functions(kind: str) -> None:
    """Every alarm during a call of a decorated function reaches the application."""
    recorder = InMemoryRecorder(max_spans=10)
    with opentracing.use_tracer(BasicTracer(recorder)), warnings.catch_warnings():
        # If an alarm comes after a coroutine is made, and before its first step, it never runs.
        warnings.filterwarnings("ignore", ".* was never awaited", RuntimeWarning)
        assert_all_came(DECORATED[kind])
        recorder.clear()  # the spans have the alarms, with their frames and the coroutines
        gc.collect()
