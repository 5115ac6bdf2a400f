"""A real OpenTelemetry Collector, and the sink that it forwards to.

``make test-collector`` builds the collector that is looked for here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from opentracing_recorder import BatchRecorder
from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
from opentracing_recorder.otlp import OTLPRecorder

MakeRecorder = Callable[..., BatchRecorder]
CollectorWith = Callable[..., "Collector"]

BINARY = Path(__file__).resolve().parents[3] / "env" / "collector" / "otelcol"

# Without a queue of its own the collector acknowledges what the sink has acknowledged.
CONFIGURATION = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {http}
{kafka}exporters:
  debug: {{}}
  file: {{path: "{folder}/spans.json", flush_interval: 50ms}}
  otlp_http:
    traces_endpoint: "http://127.0.0.1:{sink}/v1/traces"
    compression: none
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [{receivers}], exporters: [debug, file, otlp_http]}}
"""

# From the start of its topic, whenever it joins.
KAFKA_RECEIVER = """\
  kafka: {{brokers: ["{brokers}"], initial_offset: earliest}}
"""


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def spans_of(resource_spans: Iterable[ResourceSpans]) -> list[Span]:
    return [
        span
        for resource in resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


class Sink:
    """An OTLP/HTTP backend that keeps what it accepts, decoded."""

    def __init__(self) -> None:
        self.status_for: Callable[[ExportTraceServiceRequest], int] = lambda request: 200
        """The status of the answer to a request."""

        self.resource_spans: list[ResourceSpans] = []
        self.changed = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = ExportTraceServiceRequest.FromString(body)
                status = sink.status_for(request)
                if status == 200:
                    sink.add(request)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def add(self, request: ExportTraceServiceRequest) -> None:
        with self.changed:
            self.resource_spans.extend(request.resource_spans)
            self.changed.notify_all()

    @property
    def spans(self) -> list[Span]:
        return spans_of(self.resource_spans)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds, of what has arrived."""
        with self.changed:
            assert self.changed.wait_for(condition, 30), f"{len(self.spans)} spans have arrived"


class Collector:
    """A collector that can be killed, and started again on the same ports.

    It reads OTLP from a topic as well, if `kafka` has the address of a broker. `http_options` are
    those of its receiver over HTTP.
    """

    def __init__(
        self, folder: Path, sink: Sink, kafka: str | None = None, **http_options: Any
    ) -> None:
        self.grpc_port, self.http_port = free_ports(2)
        self.sink = sink
        self.url = f"http://127.0.0.1:{self.http_port}/v1/traces"
        self.folder = folder
        # JSON is YAML too.
        http = json.dumps({"endpoint": f"127.0.0.1:{self.http_port}", **http_options})
        (folder / "config.yaml").write_text(
            CONFIGURATION.format(
                grpc=self.grpc_port,
                http=http,
                sink=sink.port,
                folder=folder,
                kafka=KAFKA_RECEIVER.format(brokers=kafka) if kafka else "",
                receivers="otlp, kafka" if kafka else "otlp",
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """The output of the collector and its debug exporter."""
        return (self.folder / "log").read_text()

    @property
    def file(self) -> Path:
        """The file of its file exporter, which is made anew at each start."""
        return self.folder / "spans.json"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "--config", self.folder / "config.yaml"], stdout=log, stderr=log
            )
        for port in (self.grpc_port, self.http_port):
            self._wait_until_it_listens(port)

    def _wait_until_it_listens(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)  # nothing tells when another process listens
        pytest.fail(f"the collector does not listen on {port}:\n{self.log}")

    def pause(self) -> None:
        """Let it hang: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # The signal is only on its way. The wait ends when the last of the threads has stopped.
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.log

    def threads(self) -> list[Path]:
        """The folders of its threads in Linux's /proc."""
        assert self._process is not None
        return list(Path(f"/proc/{self._process.pid}/task").iterdir())

    def resume(self) -> None:
        """Let it answer what it was sent meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as the kernel does when memory runs out: without a chance to deliver."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink that takes requests."""
    sink = Sink()
    thread = threading.Thread(target=sink.server.serve_forever, args=(0.05,))
    thread.start()
    yield sink
    sink.server.shutdown()
    sink.server.server_close()
    thread.join()


@contextmanager
def running_collector(
    folder: Path, sink: Sink, kafka: str | None = None, **http_options: Any
) -> Iterator[Collector]:
    """A collector that takes spans; the test is skipped if it is not built."""
    if not BINARY.exists():
        pytest.skip("the collector is not built: run `make test-collector`, with Go on the path")
    collector = Collector(folder, sink, kafka, **http_options)
    try:
        collector.start()
        yield collector
    finally:
        collector.kill()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as sink:
        yield sink


@pytest.fixture
def collector(tmp_path: Path, sink: Sink) -> Iterator[Collector]:
    """A collector that the test may end."""
    with running_collector(tmp_path, sink) as collector:
        yield collector


@pytest.fixture(scope="module")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorWith]:
    """The collector with these options, which the tests of a module share: none may end it."""
    with ExitStack() as stack:
        started: dict[str, Collector] = {}

        def collector_with(**http_options: Any) -> Collector:
            key = json.dumps(http_options)
            if key not in started:
                folder, sink = tmp_path_factory.mktemp("collector"), running_sink()
                started[key] = stack.enter_context(
                    running_collector(folder, stack.enter_context(sink), **http_options)
                )
            started[key].sink.resource_spans.clear()
            return started[key]

        yield collector_with


# The ways of spans to a collector. Options are those that both recorders have.


def by_exporter_over_http(collector: Collector, **options: Any) -> BatchRecorder:
    return OpenTelemetryRecorder(lambda: HttpExporter(collector.url), "shop", **options)


def by_exporter_over_grpc(collector: Collector, **options: Any) -> BatchRecorder:
    address = f"127.0.0.1:{collector.grpc_port}"
    return OpenTelemetryRecorder(lambda: GrpcExporter(address, insecure=True), "shop", **options)


def in_protobuf(collector: Collector, **options: Any) -> BatchRecorder:
    return OTLPRecorder("shop", collector.url, **options)


def in_json(collector: Collector, **options: Any) -> BatchRecorder:
    return OTLPRecorder("shop", collector.url, protocol="http/json", **options)


@pytest.fixture(params=[by_exporter_over_http, by_exporter_over_grpc, in_protobuf, in_json])
def make_recorder(request: pytest.FixtureRequest, collector: Collector) -> MakeRecorder:
    """Makes a recorder that sends to the collector, by each of the ways."""
    return partial(request.param, collector)
