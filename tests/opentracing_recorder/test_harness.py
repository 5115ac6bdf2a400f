"""Our propagators and recorders pass the harness; broken ones fail it, and the message says why."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from opentracing import InvalidCarrierException
from opentracing.mocktracer import binary_propagator as mock_binary
from opentracing.mocktracer import text_propagator as mock_text
from opentracing_recorder import (
    B3Propagator,
    BasicSpan,
    BasicSpanContext,
    BatchRecorder,
    BinaryPropagator,
    CompositePropagator,
    CompositeRecorder,
    ConsoleRecorder,
    ConstSampler,
    InMemoryRecorder,
    JaegerPropagator,
    JSONLinesRecorder,
    LoggingRecorder,
    NoopRecorder,
    PerOperationSampler,
    ProbabilisticSampler,
    Propagator,
    RateLimitingSampler,
    Recorder,
    Sampler,
    TextPropagator,
    TraceContextPropagator,
)
from opentracing_recorder.harness import (
    PropagatorCheckMixin,
    RecorderCheckMixin,
    SamplerCheckMixin,
)

from ..http_server import ACCEPTED, ScriptedServer, answer

# Threads, and a fork.
pytestmark = pytest.mark.needs_os

# What we ship. To add a recorder, a propagator or a sampler, add a class.


class InMemory(RecorderCheckMixin):
    """Recorders with their backend in this process, which cannot be broken."""

    test_failure_of_the_backend = None  # type: ignore[assignment]
    test_outage_of_the_backend = None  # type: ignore[assignment]
    test_connections_that_are_reset = None  # type: ignore[assignment]
    test_backend_that_does_not_answer = None  # type: ignore[assignment]
    test_backend_that_answers_again = None  # type: ignore[assignment]

    def check_fork(self) -> bool:
        return False


class TestInMemoryRecorder(InMemory):
    def recorder(self) -> Recorder:
        return InMemoryRecorder()

    def delivered(self, recorder: Any) -> Iterable[str]:
        return [span.operation_name for span in recorder.spans]


class TestCompositeRecorder(InMemory):
    def recorder(self) -> Recorder:
        return CompositeRecorder([NoopRecorder(), InMemoryRecorder(), LoggingRecorder()])

    def delivered(self, recorder: Any) -> Iterable[str]:
        return [span.operation_name for span in recorder.recorders[1].spans]


class TestLoggingRecorder(InMemory):
    @pytest.fixture(autouse=True)
    def _records(self) -> Any:
        self.records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = self.records.append  # type: ignore[method-assign]
        self.logger = logging.Logger("spans")
        self.logger.addHandler(handler)

    def recorder(self) -> Recorder:
        return LoggingRecorder(self.logger)

    def delivered(self, recorder: Any) -> Iterable[str]:
        return [record.__dict__["span"]["operation_name"] for record in self.records]


class TestConsoleRecorder(InMemory):
    def recorder(self) -> Recorder:
        self.stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
        return ConsoleRecorder(self.stream, width=1000)

    def delivered(self, recorder: Any) -> Iterable[str]:
        drawn = self.stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
        return re.findall(r"check \w+ \d+", drawn)


class TestNoopRecorder(InMemory):
    def recorder(self) -> Recorder:
        return NoopRecorder()

    def delivered(self, recorder: Any) -> None:
        return None


class TestJSONLinesRecorder(InMemory):
    """A file has no outage that a test could bring about; children of a fork share it."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "spans.jsonl"

    def recorder(self) -> Recorder:
        return JSONLinesRecorder(self.path)

    def delivered(self, recorder: Any) -> Iterable[str]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["operation_name"] for line in lines]

    def check_fork(self) -> bool:
        return True


class Peer:
    """Somebody who takes spans, refuses them, or does not answer."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.broken = False
        self.answers = threading.Event()
        self.answers.set()

    def take(self, names: Iterable[str]) -> None:
        if not self.answers.is_set():
            self.answers.wait()
            raise ConnectionError("reset")
        if self.broken:
            raise ConnectionError("refused")
        self.names += names


class WithPeer(RecorderCheckMixin):
    """Recorders that send to an object in this process."""

    slack = 1.0

    @pytest.fixture(autouse=True)
    def _peer(self) -> None:
        self.peer = Peer()

    def delivered(self, recorder: Any) -> Iterable[str]:
        return self.peer.names

    def break_backend(self) -> None:
        self.peer.broken = True

    def hang_backend(self) -> None:
        self.peer.answers.clear()

    def mend_backend(self) -> None:
        self.peer.broken = False
        self.peer.answers.set()

    def check_fork(self) -> bool:
        return False


class Least(BatchRecorder):
    """As little as a backend has to write."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(interval=0.05, send_timeout=0.5)
        self.peer = peer

    def send(self, spans: Sequence[BasicSpan]) -> None:
        self.peer.take([span.operation_name for span in spans])


class TestBatchRecorder(WithPeer):
    def recorder(self) -> Recorder:
        return Least(self.peer)


class TestOpenTelemetryRecorder(WithPeer):
    def recorder(self) -> Recorder:
        pytest.importorskip("opentelemetry.sdk", reason="it has no wheels for this interpreter")
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from opentracing_recorder.opentelemetry import OpenTelemetryRecorder

        peer = self.peer

        class Exporter(InMemorySpanExporter):
            def export(self, spans: Any) -> Any:
                peer.take([span.name for span in spans])
                return super().export(spans)

        return OpenTelemetryRecorder(Exporter, "shop", interval=0.05, send_timeout=0.5)


class TestZipkinRecorder(RecorderCheckMixin):
    slack = 1.0

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with ScriptedServer() as self.server:
            yield

    def backend_address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def recorder(self) -> Recorder:
        from opentracing_recorder.zipkin import ZipkinRecorder

        url = f"http://{self.proxy.host}:{self.proxy.port}/api/v2/spans"
        return ZipkinRecorder("shop", url, interval=0.05, send_timeout=0.5)

    def delivered(self, recorder: Any) -> Iterable[str]:
        taken = [each for each in self.server.requests if each.accepted]
        return [span.get("name", "") for each in taken for span in json.loads(each.body)]


class TestZipkinRecorderWhileItsServerIsBusy(TestZipkinRecorder):
    """The server answers with errors, where the proxy would refuse."""

    def break_backend(self) -> None:
        self.server.otherwise = answer("503 Service Unavailable")

    def mend_backend(self) -> None:
        self.server.otherwise = ACCEPTED
        super().mend_backend()


class TestOTLPRecorder(TestZipkinRecorder):
    protocol = "http/protobuf"

    def recorder(self) -> Recorder:
        from opentracing_recorder.otlp import OTLPRecorder

        return OTLPRecorder(
            "shop",
            f"http://{self.proxy.host}:{self.proxy.port}",
            protocol=self.protocol,
            interval=0.05,
            send_timeout=0.5,
        )

    def delivered(self, recorder: Any) -> Iterable[str]:
        pytest.importorskip("opentelemetry.proto", reason="it is not installed")
        from ..otlp_payload import names_in

        return names_in([each for each in self.server.requests if each.accepted])


class TestOTLPRecorderInJSON(TestOTLPRecorder):
    protocol = "http/json"


class TestTextPropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return TextPropagator()

    def check_headers(self) -> bool:
        return False


class TestHeadersPropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return TextPropagator(encode_values=True)


class TestBinaryPropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return BinaryPropagator()

    def carrier(self) -> Any:
        return bytearray()


class TestB3Propagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return B3Propagator()

    def check_baggage(self) -> bool:
        return False


class TestB3SingleHeader(TestB3Propagator):
    def propagator(self) -> Propagator:
        return B3Propagator(single_header=True)


class TestJaegerPropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return JaegerPropagator()

    def check_headers(self) -> bool:
        return False


class TestJaegerHeaders(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return JaegerPropagator(encode_values=True)


class TestTraceContextPropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return TraceContextPropagator()


class TestCompositePropagator(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        return CompositePropagator([TextPropagator(encode_values=True)])


class TestCompositeOfSeveral(PropagatorCheckMixin):
    def propagator(self) -> Propagator:
        encoded = [JaegerPropagator(encode_values=True), TextPropagator(encode_values=True)]
        return CompositePropagator([TraceContextPropagator(), B3Propagator(), *encoded])


class MockPropagator(PropagatorCheckMixin):
    """As in 2.4, all is sampled, no context is remote, and a carrier without one is an error."""

    test_extracted_contexts_are_remote = None  # type: ignore[assignment]
    test_nothing_to_extract = None  # type: ignore[assignment]

    def check_decision(self) -> bool:
        return False


class TestMockTextPropagator(MockPropagator):
    def propagator(self) -> Any:
        return mock_text.TextPropagator()

    def check_headers(self) -> bool:
        return False


class TestMockBinaryPropagator(MockPropagator):
    def propagator(self) -> Any:
        return mock_binary.BinaryPropagator()

    def carrier(self) -> Any:
        return bytearray()


class TestConstSampler(SamplerCheckMixin):
    def sampler(self) -> Sampler:
        return ConstSampler(False)

    def check_consistent(self) -> bool:
        return True

    def share(self) -> float:
        return 0.0


class TestProbabilisticSampler(SamplerCheckMixin):
    def sampler(self) -> Sampler:
        return ProbabilisticSampler(0.25)

    def check_consistent(self) -> bool:
        return True

    def share(self) -> float:
        return 0.25


class TestRateLimitingSampler(SamplerCheckMixin):
    def sampler(self) -> Sampler:
        return RateLimitingSampler(5)


class TestPerOperationSampler(SamplerCheckMixin):
    def sampler(self) -> Sampler:
        names = {"GET /cart": ProbabilisticSampler(0.5), "": ConstSampler(False)}
        return PerOperationSampler(ConstSampler(True), names)

    def check_consistent(self) -> bool:
        return True

    def share(self) -> float:
        return 0.5


# A recorder with a queue, a worker and a backend that can fail, as a vendor has it; right as it is.


class Backend:
    """A file that several processes append to, so that it is the same after a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.broken = False
        self.answers = threading.Event()
        self.answers.set()

    def send(self, names: list[str]) -> None:
        self.answers.wait()
        if self.broken:
            raise ConnectionError("refused")
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in names))

    @property
    def names(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


class Queued(Recorder):
    """Keeps what it could not send, and sends it when it is flushed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.start()
        os.register_at_fork(after_in_child=self.forked)

    def start(self) -> None:
        self.queue: SimpleQueue[str] = SimpleQueue()
        self.sending = threading.Lock()
        self.kept: list[str] = []

    def forked(self) -> None:
        self.start()

    def record_span(self, span: BasicSpan) -> None:
        self.queue.put(span.operation_name.encode("ascii", "backslashreplace").decode())

    def flush(self, timeout: float | None = None) -> bool:
        done: list[bool] = []
        thread = threading.Thread(target=lambda: done.append(self.send_all()), daemon=True)
        thread.start()
        thread.join(timeout)
        return done == [True]

    close = flush

    def send_all(self) -> bool:
        with self.sending:
            while True:
                try:
                    self.kept.append(self.queue.get_nowait())
                except Empty:
                    break
            return self.send_kept()

    def send_kept(self) -> bool:
        try:
            if self.kept:
                self.backend.send(self.kept)
        except ConnectionError:
            return False
        self.kept = []
        return True


class WithBackend(RecorderCheckMixin):
    """A vendor's checks, with each hook."""

    made: Callable[[Backend], Recorder] = Queued
    slack = 1.0
    patience = 3.0

    @pytest.fixture(autouse=True)
    def _backend(self, tmp_path: Path) -> None:
        self.backend = Backend(tmp_path / "names")

    def recorder(self) -> Recorder:
        return type(self).made(self.backend)

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return self.backend.names

    def break_backend(self) -> None:
        self.backend.broken = True

    def hang_backend(self) -> None:
        self.backend.answers.clear()

    def mend_backend(self) -> None:
        self.backend.broken = False
        self.backend.answers.set()


class TestQueued(WithBackend):
    """It passes every check; so whatever a check finds below, it does not find here."""


# Each of these is wrong in one way.


class DropsUnderThreads(Queued):
    def record_span(self, span: BasicSpan) -> None:
        kept = self.kept
        time.sleep(1e-5)  # another thread has its turn
        name = span.operation_name.encode("ascii", "backslashreplace").decode()
        self.kept = [*kept, name]


class Raises(Queued):
    def record_span(self, span: BasicSpan) -> None:
        json.dumps(span.tags)
        super().record_span(span)


class BlocksInRecord(Queued):
    def record_span(self, span: BasicSpan) -> None:
        time.sleep(3600)


class BlocksInClose(Queued):
    def close(self, timeout: float | None = None) -> bool:
        return self.send_all()


class DoublesOnRetry(Queued):
    def send_kept(self) -> bool:
        sent = super().send_kept()
        if not sent:
            self.kept = self.kept * 2
        return sent


class LosesOnFork(Queued):
    def start(self) -> None:
        super().start()
        self.process = os.getpid()

    def forked(self) -> None:
        pass

    def send_all(self) -> bool:
        return super().send_all() if os.getpid() == self.process else True


class SendsTwiceAfterFork(Queued):
    def forked(self) -> None:
        pass


class Claims(Queued):
    def flush(self, timeout: float | None = None) -> bool:
        super().flush(timeout)
        return True


class GivesUp(Queued):
    def send_kept(self) -> bool:
        sent = super().send_kept()
        self.kept = []
        return sent


class DoublesOnClose(Queued):
    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.all: list[str] = []

    def record_span(self, span: BasicSpan) -> None:
        super().record_span(span)
        self.all.append(span.operation_name)

    def close(self, timeout: float | None = None) -> bool:
        self.flush(timeout)
        self.backend.send(self.all)
        return True


class RaisesWhenClosed(Queued):
    closed = False

    def record_span(self, span: BasicSpan) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        super().record_span(span)

    def close(self, timeout: float | None = None) -> bool:
        self.closed = True
        return super().close(timeout)


class ChangesSpans(Queued):
    def record_span(self, span: BasicSpan) -> None:
        span.tags.clear()
        super().record_span(span)


class SendsAtOnce(Queued):
    def record_span(self, span: BasicSpan) -> None:
        super().record_span(span)
        self.send_all()


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (
            DropsUnderThreads,
            "test_every_thread_may_record",
            r"^lost \d+ of 800 spans recorded on eight threads",
        ),
        (
            Raises,
            "test_values_of_every_type",
            "^record_span raised TypeError: Object of type bytes .* for tags {",
        ),
        (BlocksInRecord, "test_use_after_close", "^record_span still blocks after 4"),
        (
            BlocksInClose,
            "test_backend_that_does_not_answer",
            r"^close\(0.3\) while the backend does not answer still blocks after 1",
        ),
        (
            DoublesOnRetry,
            "test_outage_of_the_backend",
            "^delivered 20 of 20 spans more than once during an outage",
        ),
        (LosesOnFork, "test_fork", "^lost 10 of 10 spans in a forked child"),
        (
            SendsTwiceAfterFork,
            "test_fork",
            "^delivered 10 of 20 spans more than once by the parent of a fork",
        ),
        (
            Claims,
            "test_failure_of_the_backend",
            r"^flush\(0.3\) returned True while the backend fails",
        ),
        (GivesUp, "test_outage_of_the_backend", "^lost 20 of 20 spans during an outage"),
        (
            DoublesOnClose,
            "test_close_delivers_what_is_left",
            r"^delivered 20 of 20 spans more than once after close\(\)",
        ),
        (
            RaisesWhenClosed,
            "test_use_after_close",
            r"^record_span raised ValueError: I/O .* after close\(\)",
        ),
        (ChangesSpans, "test_spans_are_not_changed", "became"),
        (
            SendsAtOnce,
            "test_backend_that_does_not_answer",
            "^record_span while the backend .* still blocks",
        ),
    ],
)
@pytest.mark.long
def test_a_broken_recorder_is_found(
    broken: type[Queued], check: str, message: str, tmp_path: Path
) -> None:
    """The check that is about the fault fails, and says what is wrong."""
    checks = type("Checks", (WithBackend,), {"made": broken})()
    checks.backend = Backend(tmp_path / "names")
    with pytest.raises(AssertionError, match=message):
        getattr(checks, check)()


# The same over TCP, through the proxy.


class LineServer(socketserver.ThreadingTCPServer):
    """Takes operation names, one on each line, and answers each group with the line "ok"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.serve)  # type: ignore[arg-type]
        self.names: list[str] = []

    def serve(self, connection: socket.socket, *args: object) -> None:
        with connection.makefile("rb") as stream:
            for line in stream:
                self.names += json.loads(line)
                connection.sendall(b"ok\n")

    def handle_error(self, *args: object) -> None:
        """The client went away."""


class Lines(BatchRecorder):
    """Keeps one connection; right as it is."""

    limited = True

    def __init__(self, port: int) -> None:
        super().__init__(interval=0.05, send_timeout=0.5)
        self.port = port
        self.connection: socket.socket | None = None

    def send(self, spans: Sequence[BasicSpan]) -> None:
        limit = self.send_timeout if self.limited else None
        try:
            if self.connection is None:
                self.connection = socket.create_connection(("127.0.0.1", self.port), limit)
            self.connection.settimeout(limit)
            names = [span.operation_name for span in spans]
            self.connection.sendall(json.dumps(names).encode() + b"\n")
            if self.connection.recv(3) != b"ok\n":
                raise ConnectionError("no answer")
        except OSError:
            self.failed()
            raise

    def failed(self) -> None:
        self.release()

    def release(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    forked = release


class OverTCP(RecorderCheckMixin):
    """A vendor's checks, where the backend's address is enough."""

    made: Callable[[int], Recorder] = Lines
    slack = 1.0
    patience = 3.0

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with serving_lines() as self.server:
            yield

    def backend_address(self) -> tuple[str, int]:
        return self.server.server_address  # type: ignore[return-value]

    def recorder(self) -> Recorder:
        return type(self).made(self.proxy.port)

    def delivered(self, recorder: Recorder) -> Iterable[str]:
        return self.server.names


@contextmanager
def serving_lines() -> Iterator[LineServer]:
    with LineServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class TestLines(OverTCP):
    """It passes every check; so whatever a check finds below, it does not find here."""


class NeverReturns(Lines):
    limited = False


class NeverReturnsToFlush(NeverReturns):
    def flush(self, timeout: float | None = None) -> bool:
        return super().flush()


class KeepsADeadConnection(Lines):
    def failed(self) -> None:
        pass


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (
            NeverReturns,
            "test_backend_that_answers_again",
            r"^flush\(4\) returned False after the backend answers again; expected True: what w",
        ),
        (
            NeverReturnsToFlush,
            "test_backend_that_answers_again",
            r"^flush\(1\) while the backend does not answer still blocks after 2",
        ),
        (
            KeepsADeadConnection,
            "test_backend_that_answers_again",
            r"^flush\(4\) returned False after the backend answers again",
        ),
        (
            KeepsADeadConnection,
            "test_connections_that_are_reset",
            r"^flush\(3\) returned False",
        ),
    ],
)
@pytest.mark.long
def test_a_recorder_that_its_network_ends_is_found(
    broken: type[Lines], check: str, message: str
) -> None:
    """The check fails, in bounded time, also where a call of the recorder's never returns."""
    checks = type("Checks", (OverTCP,), {"made": broken})()
    start = time.monotonic()
    with serving_lines() as checks.server, pytest.raises(AssertionError, match=message):
        getattr(checks, check)()
    assert time.monotonic() - start < 15


def test_what_is_not_overridden_is_left_out_by_name() -> None:
    """The skip names the hook, and what is not checked without it."""
    checks = TestInMemoryRecorder()
    with pytest.raises(unittest.SkipTest, match=r"^break_backend\(\) .*; left out: what happens"):
        RecorderCheckMixin.test_failure_of_the_backend(checks)
    with pytest.raises(unittest.SkipTest, match=r"^hang_backend\(\) .*; left out: what happens"):
        RecorderCheckMixin.test_backend_that_does_not_answer(checks)
    with pytest.raises(unittest.SkipTest, match=r"^hang_backend\(\) .* not answer, and after$"):
        RecorderCheckMixin.test_backend_that_answers_again(checks)
    with pytest.raises(unittest.SkipTest, match=r"^backend_address\(\) .*; left out: what happens"):
        RecorderCheckMixin.test_connections_that_are_reset(checks)
    with pytest.raises(unittest.SkipTest, match=r"^delivered\(\) is None"):
        TestNoopRecorder().test_every_span_is_delivered_once()


@pytest.mark.parametrize(
    ("mixin", "hook"),
    [
        (RecorderCheckMixin, "recorder"),
        (PropagatorCheckMixin, "propagator"),
        (SamplerCheckMixin, "sampler"),
    ],
)
def test_the_factory_must_be_given(mixin: type, hook: str) -> None:
    """Without a factory, the error names the missing method."""
    with pytest.raises(NotImplementedError, match=rf"must override {hook}\(\)"):
        getattr(mixin(), hook)()


class UnderUnittest(unittest.TestCase, InMemory):
    """Named so that pytest leaves it to the test below."""

    __test__ = False

    recorder = TestInMemoryRecorder.recorder
    delivered = TestInMemoryRecorder.delivered


def test_unittest_runs_every_check() -> None:
    """unittest alone finds the checks, and runs them."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(UnderUnittest)
    result = suite.run(unittest.TestResult())
    assert (result.failures, result.errors, result.skipped) == ([], [], [])
    assert result.testsRun == len(checks_of(RecorderCheckMixin)) - 5


def checks_of(mixin: type) -> list[str]:
    return [name for name in dir(mixin) if name.startswith("test_")]


def test_it_needs_no_test_framework() -> None:
    """Nothing is imported but this project, six and the standard library."""
    code = (
        "import sys; from opentracing_recorder import harness;"
        "print(*{'pytest', '_pytest', 'hypothesis'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout == "\n"


# Propagators and samplers that are wrong in one way.


class Headers(TextPropagator):
    def __init__(self) -> None:
        super().__init__(encode_values=True)


class LeaksErrors(Headers):
    def extract(self, carrier: Any) -> Any:
        if isinstance(carrier, dict) and carrier.get("ot-tracer-traceid") == "x":
            raise KeyError("traceid")
        return super().extract(carrier)


class ForgetsTheDecision(Headers):
    def inject(self, span_context: Any, carrier: Any) -> None:
        super().inject(BasicSpanContext(span_context.trace_id, span_context.span_id), carrier)


class RaisesForForeignContexts(Headers):
    def inject(self, span_context: Any, carrier: Any) -> None:
        super().inject(span_context, carrier)
        span_context.trace_id  # noqa: B018


class TakesHalfATrace(Headers):
    def extract(self, carrier: Any) -> Any:
        context = super().extract(carrier)
        return BasicSpanContext(context.trace_id, 2**70) if context else context


class RefusesNone(Headers):
    def extract(self, carrier: Any) -> Any:
        if carrier is None:
            raise InvalidCarrierException("None")
        return super().extract(carrier)


class KeepsBaggage(Headers):
    def inject(self, span_context: Any, carrier: Any) -> None:
        entries: dict[str, str] = {}
        super().inject(span_context, entries)
        if isinstance(carrier, list):
            carrier += entries.items()
        else:
            carrier.update(entries)


class RemovesTooMuch(Headers):
    def remove_from(self, carrier: Any) -> None:
        carrier.clear()


class WantsText(Headers):
    def extract(self, carrier: Any) -> Any:
        if isinstance(carrier, dict) and any(type(each) is list for each in carrier.values()):
            return None
        return super().extract(carrier)


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (RefusesNone, "test_nothing_to_extract", "^extract raised InvalidCarrierException"),
        (KeepsBaggage, "test_text_leaves_nothing_of_a_stranger", "ot-baggage-guest.* became"),
        (RemovesTooMuch, "test_entries_are_removed", "^left {}"),
        (WantsText, "test_text_is_read_in_every_form", "^found no trace from a mapping to lists"),
        (LeaksErrors, "test_damaged_carriers", "^extract raised KeyError"),
        (ForgetsTheDecision, "test_round_trip", "^sampled: sent False, found True after"),
        (RaisesForForeignContexts, "test_nothing_to_inject", "^inject raised AttributeError"),
        (TakesHalfATrace, "test_damaged_carriers", "came of"),
        (TakesHalfATrace, "test_extracted_contexts_are_remote", "^is_remote is false"),
        (TextPropagator, "test_headers_are_safe", r"holds \["),
    ],
)
def test_a_broken_propagator_is_found(broken: type, check: str, message: str) -> None:
    """The check that is about the fault fails, and says what is wrong."""
    checks = PropagatorCheckMixin()
    checks.propagator = broken  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match=message):
        getattr(checks, check)()


class SaysMaybe(Sampler):
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return None  # type: ignore[return-value]


class NeedsATag(ConstSampler):
    def __init__(self) -> None:
        super().__init__(True)

    def sampled_start(self, trace_id: int, operation_name: str, tags: Any, parent: Any) -> bool:
        return bool(tags["http.target"])


class Overflows(Sampler):
    def sampled(self, trace_id: int, operation_name: str) -> bool:
        return bool(struct.pack("Q", trace_id))


class Alternates(Sampler):
    def __init__(self) -> None:
        self.turn = 0

    def sampled(self, trace_id: int, operation_name: str) -> bool:
        self.turn += 1
        return self.turn % 3 == 0


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (SaysMaybe, "test_every_trace_gets_a_decision", "returned None; expected True or False"),
        (NeedsATag, "test_every_trace_gets_a_decision", r"^sampled_start\(0x1, .* raised KeyError"),
        (Overflows, "test_every_trace_gets_a_decision", r"^sampled\(0x10+, .* raised error"),
        (Alternates, "test_services_decide_alike", "^two samplers differ about trace"),
        (Alternates, "test_share", "expected 0.5"),
    ],
)
def test_a_broken_sampler_is_found(broken: type, check: str, message: str) -> None:
    """The check that is about the fault fails, and says what is wrong."""
    checks: Any = SamplerCheckMixin()
    checks.sampler = broken
    checks.check_consistent, checks.share = lambda: True, lambda: 0.5
    with pytest.raises(AssertionError, match=message):
        getattr(checks, check)()
