"""ZipkinRecorder delivers whatever the server does, and ZipkinTracer continues Zipkin's traces."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import opentracing
from opentracing import Format, child_of, follows_from
from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
    ConstSampler,
    InMemoryRecorder,
    RemoteSpanContext,
    TextPropagator,
)

from ..faults.hostile_classes import EndlessMapping
from ..runtimes import HAS_GEVENT, WHY_NOT_GEVENT
from ..threads import on_threads

if sys.platform == "emscripten":
    pytest.skip("urllib3 needs sockets, which Pyodide has none of", allow_module_level=True)

from urllib3.connection import HTTPConnection

import opentracing_recorder._zipkin_endpoint
from opentracing_recorder._http_post import HTTPPost, Reply
from opentracing_recorder._zipkin_json import endpoint
from opentracing_recorder.zipkin import DEFAULT_URL, ZipkinRecorder, ZipkinTracer

from ..http_server import ACCEPTED, Answer, Request, ScriptedServer, answer, hang_up
from ..zipkin_payload import payload_of, spans_in

pytestmark = pytest.mark.needs_os

ROOT = Path(__file__).resolve().parents[2]
SERVER = {"span.kind": "server"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def make_tracer() -> Iterator[Callable[..., ZipkinTracer]]:
    """Makes tracers that retry soon, and closes them."""
    made = []

    def make(server: ScriptedServer, **options: Any) -> ZipkinTracer:
        recorder = ZipkinRecorder("Shop", server.url, **{"interval": 0.02, **options})
        tracer = ZipkinTracer("Shop", recorder=recorder)
        made.append(tracer)
        return tracer

    yield make
    for tracer in made:
        tracer.close(1)


def sent(requests: list[Request]) -> list[str]:
    """The names of the spans in reports that all keep the rules of Zipkin's API."""
    return [span["name"] for request in requests for span in spans_in(request.body)]


def finish(tracer: ZipkinTracer, *names: str) -> None:
    for name in names:
        tracer.start_span(name).finish()


# What is sent.


def test_a_report_is_a_post_of_json_that_is_not_traced(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """It carries `b3: 0`, says who it is from, and the headers that the application asks for."""
    tracer = make_tracer(server, headers={"Authorization": "Bearer x"}, ip="10.0.0.7", port=80)
    finish(tracer, "GET")
    assert tracer.flush(10)
    (request,) = server.requests
    assert request.line == "POST /api/v2/spans HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["b3"] == "0"
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["user-agent"] == "opentracing-python"
    assert "content-encoding" not in request.headers
    (span,) = spans_in(request.body)
    assert span["localEndpoint"] == {"serviceName": "shop", "ipv4": "10.0.0.7", "port": 80}


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has this host use these addresses, by family; an exception is raised."""

    def use(**addresses: str | Exception) -> None:
        class Socket:
            def __init__(self, family: int, kind: int) -> None:
                assert kind == socket.SOCK_DGRAM
                self.address = addresses["ipv6" if family == socket.AF_INET6 else "ipv4"]

            def connect(self, address: tuple[str, int]) -> None:
                if isinstance(self.address, Exception):
                    raise self.address

            def getsockname(self) -> tuple[Any, ...]:
                return self.address, 50000

            def close(self) -> None:
                pass

        monkeypatch.setattr(opentracing_recorder._zipkin_endpoint, "socket", Socket)

    return use


UNREACHABLE = OSError("Network is unreachable")


@pytest.mark.parametrize(
    ("addresses", "sent_as"),
    [
        ({"ipv4": "10.0.0.7", "ipv6": "2001:db8::7"}, {"ipv4": "10.0.0.7"}),
        ({"ipv4": UNREACHABLE, "ipv6": "2001:db8::7"}, {"ipv6": "2001:db8::7"}),
        ({"ipv4": "127.0.0.1", "ipv6": "2001:db8::7"}, {"ipv6": "2001:db8::7"}),
        ({"ipv4": "0.0.0.0", "ipv6": "fe80::1%eth0"}, {}),
        ({"ipv4": UNREACHABLE, "ipv6": PermissionError()}, {}),
        ({"ipv4": "", "ipv6": "::"}, {}),
    ],
    ids=str,
)
def test_the_address_of_this_host_is_sent(
    addresses: dict[str, Any],
    sent_as: dict[str, str],
    sockets: Callable[..., None],
    server: ScriptedServer,
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """Zipkin needs it to correct clocks; what no other host could use is left out."""
    sockets(**addresses)
    tracer = make_tracer(server)
    finish(tracer, "GET")
    assert tracer.flush(10)
    (span,) = spans_in(server.requests[0].body)
    assert span["localEndpoint"] == {"serviceName": "shop", **sent_as}


def test_the_address_is_found_without_a_look_up_or_a_packet(
    monkeypatch: pytest.MonkeyPatch,
    server: ScriptedServer,
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """The system's answer is the address that others see, whatever gevent makes of sockets."""
    for name in ("getaddrinfo", "gethostbyname", "gethostname", "getfqdn"):
        monkeypatch.setattr(socket, name, None)
    tracer = make_tracer(server)
    monkeypatch.undo()
    finish(tracer, "GET")
    assert tracer.flush(10)
    (span,) = spans_in(server.requests[0].body)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        try:
            plain.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        assert span["localEndpoint"].get("ipv4") == plain.getsockname()[0]


def test_no_address_is_sent_if_it_is_empty(
    sockets: Callable[..., None],
    server: ScriptedServer,
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """The service's name is all then."""
    sockets(ipv4="10.0.0.7")
    tracer = make_tracer(server, ip="")
    finish(tracer, "GET")
    assert tracer.flush(10)
    (span,) = spans_in(server.requests[0].body)
    assert span["localEndpoint"] == {"serviceName": "shop"}


def test_the_connection_is_kept(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """Reports follow each other on one connection."""
    tracer = make_tracer(server)
    for name in ("a", "b", "c"):
        finish(tracer, name)
        assert tracer.flush(10)
    assert [request.connection for request in server.requests] == [1, 1, 1]


def test_a_connection_that_the_server_closed_is_replaced(
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """An idle connection that is gone costs no failed attempt."""
    closing = answer("202 Accepted", b"", "Connection: close")
    closed = threading.Event()

    def close(connection: socket.socket) -> None:
        connection.sendall(answer("202 Accepted"))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        closed.set()

    with ScriptedServer(closing, close) as server:
        tracer = make_tracer(server, attempts=1)
        for name in ("a", "b"):
            finish(tracer, name)
            assert tracer.flush(10)
        assert closed.wait(10)
        finish(tracer, "c")
        assert tracer.flush(10)
        assert [request.connection for request in server.requests] == [1, 2, 3]


def test_long_reports_are_compressed(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """Reports of at least the given size are sent with gzip."""
    tracer = make_tracer(server, compress_from=1000)
    finish(tracer, "short")
    assert tracer.flush(10)
    finish(tracer, "long" * 1000)
    assert tracer.flush(10)
    encodings = [each.headers.get("content-encoding") for each in server.requests]
    assert encodings == [None, "gzip"]
    assert sent(server.requests) == ["short", "long" * 1000]


@pytest.mark.parametrize(
    ("url", "compresses"),
    [
        (DEFAULT_URL, False),
        ("http://127.1.2.3:9411/", False),
        ("http://[::1]:9411/", False),
        ("http://zipkin:9411/", True),
        ("https://10.0.0.7/", True),
    ],
)
def test_nothing_is_compressed_for_this_machine(
    url: str, compresses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressing saves network, and on the loopback there is none."""
    recorder = ZipkinRecorder("shop", url)
    encodings: list[str | None] = []

    def post(self: Any, body: bytes, headers: Mapping[str, str], time_limit: float) -> Reply:
        encodings.append(headers.get("content-encoding"))
        return Reply(202, "Accepted", {}, b"")

    monkeypatch.setattr(HTTPPost, "post", post)
    span = ZipkinTracer("shop", recorder=InMemoryRecorder()).start_span("x" * 20_000)
    span.finish()
    recorder.send([span])
    assert encodings == ["gzip" if compresses else None]


def test_a_span_that_cannot_be_encoded_costs_no_other(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """It counts as failed, and the rest of its batch is sent."""
    tracer = make_tracer(server, interval=10)
    finish(tracer, "a")
    bad = tracer.start_span("bad")
    bad.start_time = float("nan")
    bad.finish()
    finish(tracer, "b")
    assert not tracer.flush(10)
    assert sent(server.requests) == ["a", "b"]
    assert tracer.recorder.stats[:5] == (3, 2, 0, 1, 0)  # type: ignore[attr-defined]


def test_a_batch_without_a_usable_span_is_not_sent(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """The server is not asked to accept nothing."""
    tracer = make_tracer(server)
    bad = tracer.start_span("bad")
    bad.start_time = float("nan")
    bad.finish()
    assert not tracer.flush(10)
    assert server.requests == []


# Faults.


def _hang(connection: socket.socket) -> None:
    connection.recv(1)  # until the client goes away


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(hang_up, id="reset"),
        pytest.param(_hang, id="hang"),
        pytest.param(_drip, id="a byte now and then"),
        pytest.param(_flood, id="an endless reply"),
        pytest.param(b"SSH-2.0-OpenSSH_9.7\r\n\r\n", id="garbage"),
        pytest.param(b"HTTP/1.1 202", id="half a reply"),
        pytest.param(answer("429 Too Many Requests"), id="429"),
        pytest.param(answer("408 Request Timeout"), id="408"),
        pytest.param(answer("500 Internal Server Error"), id="500"),
        pytest.param(answer("503 Service Unavailable", b"", "Retry-After: soon"), id="503"),
    ],
)
def test_a_passing_fault_loses_nothing(
    fault: Answer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """The batch is sent again, the same one, and is acknowledged once."""
    with ScriptedServer(fault, fault) as server:
        tracer = make_tracer(server, send_timeout=0.3)
        finish(tracer, "a", "b")
        assert tracer.flush(20)
        assert len(server.requests) == 3
        assert sent(server.requests[-1:]) == ["a", "b"]
        assert server.requests[0].body == server.requests[-1].body
        assert tracer.recorder.stats[:5] == (2, 2, 0, 0, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", [_hang, _drip], ids=["hang", "a byte now and then"])
def test_a_send_ends_at_its_time_limit(fault: Answer) -> None:
    """The whole exchange is bounded, however the server spreads its answer."""
    with ScriptedServer(fault) as server:
        recorder = ZipkinRecorder("shop", server.url, send_timeout=0.3)
        tracer = ZipkinTracer("shop", recorder=InMemoryRecorder())
        span = tracer.start_span("x")
        span.finish()
        start = time.monotonic()
        with pytest.raises(OSError, match="time"):
            recorder.send([span])
        assert 0.25 < time.monotonic() - start < 5
        recorder.close()


@pytest.mark.parametrize("retry_after", ["1", "date"])
def test_the_server_says_when_to_come_back(
    retry_after: str, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """Retry-After is honoured, as seconds and as a date."""
    if retry_after == "date":
        retry_after = formatdate(time.time() + 2, usegmt=True)
    busy = answer("429 Too Many Requests", b"", f"Retry-After: {retry_after}")
    with ScriptedServer(busy) as server:
        tracer = make_tracer(server)
        start = time.monotonic()
        finish(tracer, "a")
        server.wait_for_requests(2)
        assert time.monotonic() - start > 0.9
        assert tracer.flush(10)


@pytest.mark.parametrize(
    "refusal",
    [
        answer("400 Bad Request", b"Expected a JSON_STRING\x1b[31m" + b"!" * 100_000),
        answer("404 Not Found", b"Expected a JSON_STRING" + b"!" * 1000),
        answer("302 Found", b"Expected a JSON_STRING", "Location: http://127.0.0.1:1/"),
        answer("307 Temporary Redirect", b"Expected a JSON_STRING", "Location: /elsewhere"),
    ],
    ids=["400", "404", "302", "307"],
)
def test_a_refusal_is_final(
    refusal: bytes, make_tracer: Callable[..., ZipkinTracer], caplog: pytest.LogCaptureFixture
) -> None:
    """It is not retried nor is a redirect followed; the log has the start of the answer, once."""
    with ScriptedServer(refusal, refusal) as server:
        tracer = make_tracer(server)
        for name in ("a", "b"):
            finish(tracer, name)
            assert not tracer.flush(10)
        finish(tracer, "c")
        assert tracer.flush(10)
        assert sent(server.requests) == ["a", "b", "c"]
        assert {each.line for each in server.requests} == {"POST /api/v2/spans HTTP/1.1"}
    assert tracer.recorder.stats[:5] == (3, 1, 0, 2, 0)  # type: ignore[attr-defined]
    (record,) = caplog.records
    assert "Expected a JSON_STRING" in record.getMessage()
    assert refusal[9:12].decode() in record.getMessage()
    assert len(record.getMessage()) < 600
    assert "\x1b" not in record.getMessage()


@pytest.mark.parametrize(
    "reply",
    [
        answer("400 Bad\rERROR forged\x1b[2J\x85"),
        answer("401 Unauthorized", b"\nERROR forged\r\n\x1b[2J"),
        answer("413 Too \x1b[2J Large", b"\nERROR forged"),
        answer("400 Bad", b"POST /spans?key=open%20sesame\nx-key: Bearer s3sam3"),
        answer("400 Bad s3sam3", b"x" * 190 + b"s3sam3"),
        b"\rERROR forged\x1b[2J open%20sesame s3sam3\r\n\r\n",
        b"HTTP/1.1 \x1b[2J\rERROR forged\r\n\r\n",
        b"HTTP/s3sam3 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\x1b\rERROR forged\r\n",
    ],
)
def test_a_backend_writes_no_line_of_the_log(
    reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has one escaped line of its answer, without secrets."""
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(reply) as server:
        recorder = ZipkinRecorder(
            "shop",
            server.url + "?key=open%20sesame",
            headers={"X-Key": "Bearer s3sam3"},
            attempts=1,
        )
        tracer = BasicTracer(recorder)
        tracer.start_span("a").finish()
        assert not tracer.flush(10)
        tracer.close()
    assert {each.levelno for each in caplog.records} == {logging.DEBUG, logging.ERROR}
    for record in caplog.records:
        assert record.getMessage().isprintable()
        shown = logging.Formatter().format(record)
        lines = shown.splitlines()
        assert "\x1b" not in shown
        assert not any(line.startswith("ERROR") for line in lines)
        assert "sesame" not in shown
        assert "s3sam3" not in shown
    for each in (recorder, tracer, recorder.stats):
        assert "s3sam3" not in repr(each)


def test_a_batch_that_is_too_large_is_sent_in_parts(
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """Halves, and halves of these, until the server takes them; one that never fits is failed."""

    too_large = answer("413 Payload Too Large", b"too large")
    with ScriptedServer(too_large, answer("202 Accepted"), too_large, too_large) as server:
        tracer = make_tracer(server, interval=10)
        finish(tracer, "a", "b", "c", "d")
        assert not tracer.flush(10)
        assert [sent([each]) for each in server.requests] == [
            ["a", "b", "c", "d"],
            ["a", "b"],
            ["c", "d"],
            ["c"],
            ["d"],
        ]
        assert tracer.recorder.stats[:5] == (4, 3, 0, 1, 0)  # type: ignore[attr-defined]


def test_a_refused_span_costs_no_other(
    make_tracer: Callable[..., ZipkinTracer], caplog: pytest.LogCaptureFixture
) -> None:
    """A report that is answered with 400 is sent in halves; the log has the span and the reason."""

    def check(connection: socket.socket) -> None:
        is_bad = b'"bad"' in server.requests[-1].body
        connection.sendall(answer("400 Bad Request", b"no such tag") if is_bad else ACCEPTED)

    with ScriptedServer() as server:
        server.otherwise = check
        tracer = make_tracer(server, interval=10)
        names = [f"span {number}" for number in range(511)]
        finish(tracer, *names[:200], "bad", *names[200:])
        assert not tracer.flush(10)
    accepted = [each for each in server.requests if b'"bad"' not in each.body]
    assert sent(accepted) == names
    assert len(server.requests) < 25
    assert tracer.recorder.stats[:5] == (512, 511, 0, 1, 0)  # type: ignore[attr-defined]
    (text,) = caplog.messages
    assert text.startswith("ZipkinRecorder: the span 'bad' (")
    assert "was rejected, and is lost: " in text
    assert text.endswith("Zipkin answered 400 Bad Request: 'no such tag'")


def test_a_text_that_the_server_misreads_arrives(
    make_tracer: Callable[..., ZipkinTracer], caplog: pytest.LogCaptureFixture
) -> None:
    """A text that ends as a field of version 1 does is written in another way, once refused."""

    def check(connection: socket.socket) -> None:
        is_bad = b'yAnnotations"' in server.requests[-1].body
        connection.sendall(answer("400 Bad Request", b"version 1") if is_bad else ACCEPTED)

    with ScriptedServer() as server:
        server.otherwise = check
        tracer = make_tracer(server, interval=10)
        tags = {"my yAnnotations": "a", "b": 'binaryAnnotations"', "c": '"yAnnotations'}
        tracer.start_span("yAnnotations", tags=tags).finish()
        finish(tracer, "other")
        assert tracer.flush(10)
    assert len(server.requests) == 2
    found, _ = spans_in(server.requests[1].body)
    assert found["tags"] == tags
    assert found["name"] == "yannotations"
    assert caplog.messages == []


def test_no_report_exceeds_its_size(
    server: ScriptedServer,
    make_tracer: Callable[..., ZipkinTracer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is sent in halves before the server has to refuse it; a span too large alone is lost."""
    tracer = make_tracer(server, interval=10, max_report_size=10_000, compress_from=1)
    names = [f"span {number}" for number in range(100)]
    finish(tracer, *names[:70], "long" * 5000, *names[70:])
    assert not tracer.flush(10)
    assert sent(server.requests) == names
    assert max(len(each.body) for each in server.requests) <= 10_000
    assert tracer.recorder.stats[:5] == (101, 100, 0, 1, 0)  # type: ignore[attr-defined]
    (text,) = caplog.messages
    assert "the span 'longlong" in text
    assert re.search(r"was too large, and is lost: .* max_report_size is 10000$", text)


def test_a_server_that_is_away_is_waited_for(make_tracer: Callable[..., ZipkinTracer]) -> None:
    """Refused connections lose nothing that the queue holds, and double nothing."""
    with ScriptedServer() as gone:
        pass
    tracer = make_tracer(gone, attempts=1000, interval=0.05, queue_size=2000)
    names = [f"span {number}" for number in range(2000)]
    finish(tracer, *names)
    assert not tracer.flush(0.2)
    assert tracer.recorder.stats.queued == 2000  # type: ignore[attr-defined]
    with ScriptedServer(port=gone.port) as back:
        assert tracer.flush(20)
        assert sorted(sent(back.requests)) == sorted(names)


def test_the_application_does_not_wait_for_a_server_that_hangs(
    make_tracer: Callable[..., ZipkinTracer],
) -> None:
    """Spans finish at once, whatever the worker's thread does; flush and close are bounded."""
    with ScriptedServer(_hang) as server:
        tracer = make_tracer(server, send_timeout=60, batch_size=1)
        finish(tracer, "first")
        server.wait_for_requests(1)
        start = time.monotonic()
        finish(tracer, *map(str, range(1000)))
        assert not tracer.flush(0.1)
        assert not tracer.close(0.2)
        assert time.monotonic() - start < 5


@pytest.mark.long
@pytest.mark.threads
def test_nothing_is_lost_or_doubled_among_threads(
    server: ScriptedServer, make_tracer: Callable[..., ZipkinTracer]
) -> None:
    """100,000 spans of 8 threads arrive, each once."""
    tracer = make_tracer(server, queue_size=100_000)

    def work() -> None:
        for _ in range(12_500):
            tracer.start_span("x").finish()

    on_threads(work)
    assert tracer.flush(60)
    assert tracer.recorder.stats[:5] == (100_000, 100_000, 0, 0, 0)  # type: ignore[attr-defined]
    assert spans_in(server.requests[0].body)  # to validate them all would take a minute
    ids = Counter(span["id"] for each in server.requests for span in json.loads(each.body))
    assert len(ids) == 100_000
    assert set(ids.values()) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_a_connection_of_its_own(server: ScriptedServer) -> None:
    """Parent and child go on reporting; neither disturbs the other's connection."""
    program = """
        import os, sys
        from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

        recorder = ZipkinRecorder("shop", sys.argv[1], interval=0.02)
        tracer = ZipkinTracer("shop", recorder=recorder)

        def report(name):
            tracer.start_span(name).finish()
            return tracer.flush(10)

        assert report("before")
        child = os.fork()
        if not child:
            os._exit(0 if report("child") else 1)
        status = os.waitpid(child, 0)[1]
        assert report("parent")
        sys.exit(status)
    """
    run(program, server)
    assert [(sent([each]), each.connection) for each in server.requests] == [
        (["before"], 1),
        (["child"], 2),
        (["parent"], 1),
    ]


@pytest.mark.skipif(not HAS_GEVENT, reason=WHY_NOT_GEVENT)
def test_it_works_under_gevents_monkey_patching(server: ScriptedServer) -> None:
    """Greenlets trace, and the reports leave while they run."""
    program = """
        from gevent import monkey
        monkey.patch_all()
        import sys
        import gevent
        from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

        recorder = ZipkinRecorder("shop", sys.argv[1], interval=0.02, batch_size=10)
        tracer = ZipkinTracer("shop", recorder=recorder)

        def work():
            for _ in range(20):
                with tracer.start_active_span("greenlet"):
                    gevent.sleep(0.001)

        gevent.joinall([gevent.spawn(work) for _ in range(10)])
        assert tracer.flush(10)
        assert tracer.recorder.stats[:5] == (200, 200, 0, 0, 0)
        assert tracer.close(10)
    """
    run(program, server)
    assert sent(server.requests) == ["greenlet"] * 200


def test_what_is_queued_at_the_interpreters_exit_is_sent(server: ScriptedServer) -> None:
    """The exit sends queued spans without a call of `close`."""
    program = """
        import sys
        from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

        def make():
            recorder = ZipkinRecorder("shop", sys.argv[1], interval=60)
            return ZipkinTracer("shop", recorder=recorder)

        make().start_span("last words").finish()
        tracer = make()
        tracer.start_span("last words").finish()
    """
    run(program, server)
    assert sent(server.requests) == ["last words"] * 2


def run(program: str, server: ScriptedServer) -> None:
    """Run a program in a process of its own; an AssertionError with its output if it fails."""
    # From Python 3.12 a fork beside a thread is warned of; that is what one of these is about.
    filters = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *filters, "-c", textwrap.dedent(program), server.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr


def test_reports_are_not_traced_by_an_instrumented_client(
    server: ScriptedServer,
    make_tracer: Callable[..., ZipkinTracer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spans that the HTTP client's instrumentation makes of a report are not reported in turn."""
    tracer = make_tracer(server)
    plain = HTTPConnection.request
    traced = []

    def request(self: Any, *args: Any, **options: Any) -> None:
        with opentracing.global_tracer().start_active_span("POST") as scope:
            traced.append(scope.span)
            plain(self, *args, **options)

    monkeypatch.setattr(HTTPConnection, "request", request)
    with opentracing.use_tracer(tracer):
        finish(tracer, "GET")
        assert tracer.flush(10)
        assert tracer.flush(10)
    assert len(traced) == 1
    assert sent(server.requests) == ["get"]


# Arguments.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"service_name": None}, TypeError, "service_name must be a str"),
        ({"url": None}, TypeError, "url must be a str"),
        ({"url": "localhost:9411"}, ValueError, "http:// or https://"),
        ({"url": "ftp://zipkin/"}, ValueError, "http:// or https://"),
        ({"url": "http:zipkin"}, ValueError, "http:// or https://"),
        ({"url": "http://[zipkin/"}, ValueError, "url"),
        ({"url": "http://user:secret@zipkin/"}, ValueError, "put them into headers"),
        ({"ip": "localhost"}, ValueError, "ip must be an IPv4 or IPv6 address"),
        ({"port": 0}, ValueError, "port must be from 1 to 65535"),
        ({"port": "80"}, TypeError, "port must be an int"),
        ({"headers": ["a"]}, TypeError, "headers must be a mapping"),
        ({"headers": {"a": 1}}, TypeError, "headers must map str to str"),
        ({"headers": {"a b": "1"}}, ValueError, "the name 'a '"),
        ({"headers": {"a": "secret\r\nb: c"}}, ValueError, "the header 'a'"),
        ({"headers": {"Key: secret": ""}}, ValueError, "the name 'Key:'"),
        ({"headers": {("key", "secret"): ""}}, TypeError, "not tuple to str"),
        ({"url": "ftp://user:secret@zipkin/?secret"}, ValueError, "http:// or https://"),
        ({"url": "http://user:secret@zipkin:x/"}, ValueError, "url cannot be read"),
        ({"ca_file": "none.pem"}, ValueError, "ca_file must be the path of a file"),
        ({"client_cert": 5}, ValueError, "client_cert must be the path of a file"),
        ({"client_key": "-----BEGIN PRIVATE KEY-----\nsecret"}, ValueError, "not a PEM text"),
        ({"ca_file": f"{'n' * 200}secret"}, ValueError, "ca_file must be the path of a file"),
        ({"client_cert": __file__}, ValueError, "client_cert or client_key cannot be used"),
        ({"client_key": __file__}, ValueError, "client_key cannot be used: the certificate"),
        ({"ca_file": __file__}, ValueError, "ca_file cannot be used"),
        ({"compress_from": "1 KB"}, TypeError, "compress_from must be an int"),
        ({"max_report_size": 0}, ValueError, "max_report_size must be at least 1"),
        ({"max_report_size": 1e6}, TypeError, "max_report_size must be an int"),
        ({"queue_size": 0}, ValueError, "queue_size"),
        ({"no_such_option": 1}, TypeError, "no_such_option"),
    ],
)
def test_an_argument_that_cannot_serve_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The constructor refuses it by name, without showing a secret."""
    with pytest.raises(error, match=message) as caught:
        ZipkinRecorder(**{"service_name": "shop", **options})
    assert "secret" not in str(caught.value)


def test_a_recorder_of_ones_own_takes_the_place_of_zipkins() -> None:
    """A URL for the recorder that is not made is a mistake."""
    recorder = InMemoryRecorder()
    assert ZipkinTracer("shop", recorder=recorder).recorder is recorder
    with pytest.raises(TypeError, match="recorder"):
        ZipkinTracer("shop", DEFAULT_URL, recorder=recorder)


def test_the_options_of_a_batch_recorder_are_its_own() -> None:
    """ZipkinRecorder names each of them, with the same default, and none by ``**``."""
    own = inspect.signature(ZipkinRecorder).parameters
    base = inspect.signature(BatchRecorder).parameters
    assert {name: own[name] for name in base} == dict(base)
    assert {each.kind for each in own.values()} == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }


@pytest.mark.parametrize(
    ("path", "posted_to"),
    [
        ("", "/api/v2/spans"),
        ("/", "/api/v2/spans"),
        ("?key=1", "/api/v2/spans?key=1"),
        ("/own/", "/own/"),
    ],
)
def test_a_url_without_a_path_gets_zipkins(
    path: str,
    posted_to: str,
    server: ScriptedServer,
) -> None:
    """The address of a server is enough."""
    tracer = ZipkinTracer("shop", f"http://127.0.0.1:{server.port}{path}")
    finish(tracer, "GET")
    assert tracer.close(10)
    assert server.requests[0].line == f"POST {posted_to} HTTP/1.1"


# The tracer.


@pytest.fixture
def tracer() -> ZipkinTracer:
    return ZipkinTracer("Shop", recorder=InMemoryRecorder())


@pytest.fixture
def joining() -> ZipkinTracer:
    """A tracer that joins its caller's spans."""
    return ZipkinTracer("Shop", recorder=InMemoryRecorder(), one_span_per_rpc=True)


def as_sent(tracer: ZipkinTracer) -> dict[str, Any]:
    """The one span that a tracer has recorded, as Zipkin gets it."""
    recorder = tracer.recorder
    assert isinstance(recorder, InMemoryRecorder)
    (span,) = spans_in(payload_of(recorder.spans, endpoint("shop")))
    return span


@pytest.mark.parametrize("format", [Format.HTTP_HEADERS, Format.TEXT_MAP])
def test_zipkins_headers_are_written_and_read(tracer: ZipkinTracer, format: str) -> None:
    """B3, with trace ids of 128 bits."""
    span = tracer.start_span("x")
    headers: dict[str, str] = {}
    tracer.inject(span, format, headers)
    assert headers["x-b3-traceid"] == f"{span.context.trace_id:032x}"
    context = tracer.extract(format, headers)
    assert isinstance(context, RemoteSpanContext)
    assert (context.trace_id, context.span_id) == (span.context.trace_id, span.context.span_id)
    assert context.sampled


def test_it_takes_the_options_of_a_tracer() -> None:
    """Sampler, scope manager, limits, id width, and propagators beside or in place of B3."""
    text = TextPropagator()
    tracer = ZipkinTracer(
        "Shop",
        recorder=InMemoryRecorder(),
        sampler=ConstSampler(False),
        propagators={Format.TEXT_MAP: text, "own": text},
        trace_id_bits=64,
        max_tags=1,
    )
    span = tracer.start_span("x", tags={"sampling.priority": 1, "a": 2})
    assert span.context.trace_id is not None
    assert span.context.trace_id < 1 << 64
    assert len(span.tags) == 1
    carrier: dict[str, str] = {}
    tracer.inject(span, Format.TEXT_MAP, carrier)
    assert "ot-tracer-traceid" in carrier
    assert not tracer.start_span("x").sampled
    assert tracer.service_name == "Shop"


CALLER = RemoteSpanContext(0xA, 0xB, None, True, 0xC)


@pytest.mark.parametrize("how", ["child_of", "references"])
def test_a_server_joins_its_callers_span(joining: ZipkinTracer, how: str) -> None:
    """It has the caller's id and parent, and says that it shares the span."""
    parent: dict[str, Any] = {how: CALLER if how == "child_of" else [child_of(CALLER)]}
    with joining.start_active_span("GET", tags=SERVER, **parent) as scope:
        assert scope.span.context.span_id == 0xB
        assert scope.span.context.parent_id == 0xC
        child = joining.start_span("child")
    fields = as_sent(joining)
    assert (fields["traceId"], fields["id"], fields["parentId"]) == (
        "000000000000000a",
        "000000000000000b",
        "000000000000000c",
    )
    assert fields["shared"] is True
    assert "tags" not in fields or "references" not in fields["tags"]
    assert child.parent_id == 0xB
    assert child.context.span_id != 0xB


class Starting(InMemoryRecorder):
    """Keeps the ids of each span as its start shows them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[Any, ...]] = []

    def span_started(self, span: BasicSpan) -> None:
        self.started.append(ids_of(span))


def ids_of(span: BasicSpan) -> tuple[Any, ...]:
    fields = span.to_dict()
    return span, fields["trace_id"], fields["span_id"], fields["parent_id"], fields["tags"]


@pytest.mark.parametrize("how", ["child_of", "references", "active", "baggage", "debug"])
def test_the_ids_that_a_recorder_sees_at_the_start_are_those_that_it_gets(how: str) -> None:
    """`span_started` sees the span that is joined, not one that is about to be."""
    recorder = Starting()
    joining = ZipkinTracer("Shop", recorder=recorder, one_span_per_rpc=True)
    extra = {"debug": "1"} if how == "debug" else {}
    caller = RemoteSpanContext(0xA, 0xB, {"k": "v"} if how == "baggage" else None, True, 0xC, extra)
    given: dict[str, Any] = {"child_of": caller}
    if how == "references":
        given = {"references": [follows_from(CALLER), child_of(caller)]}
    if how == "active":
        with joining.start_active_span("GET", tags=SERVER, **given):
            pass
    else:
        joining.start_span("GET", tags=SERVER, **given).finish()
    (span,) = recorder.spans
    assert recorder.started == [ids_of(span)]
    assert span.context.span_id == 0xB


def test_a_subclass_that_starts_spans_its_own_way_joins_too() -> None:
    """Its `start_span` is the one that is called, and what it passes on is what is looked at."""

    class Own(ZipkinTracer):
        def start_span(self, operation_name: Any = None, **arguments: Any) -> BasicSpan:
            arguments["tags"] = {**(arguments.get("tags") or {}), **SERVER, "own": "1"}
            return super().start_span(f"own {operation_name}", **arguments)

    tracer = Own("Shop", recorder=InMemoryRecorder(), one_span_per_rpc=True)
    with tracer.start_active_span("x", child_of=CALLER) as scope:
        pass
    span: Any = scope.span
    assert (span.operation_name, span.context.span_id, span.tags["own"]) == ("own x", 0xB, "1")


def test_the_kind_is_found_in_whatever_tags_a_span_takes(joining: ZipkinTracer) -> None:
    """Pairs that can be read once, and a mapping without end, too."""
    pairs: Any = iter(SERVER.items())
    once = joining.start_span("x", child_of=CALLER, tags=pairs)
    endless = joining.start_span("x", child_of=CALLER, tags=EndlessMapping())
    assert (once.context.span_id, once.tags) == (0xB, SERVER)
    assert endless.context.span_id != 0xB


def test_a_joined_span_keeps_its_own_decision(joining: ZipkinTracer) -> None:
    """The tags that it starts with may keep or drop it."""
    dropped = joining.start_span("x", CALLER, tags={**SERVER, "sampling.priority": 0})
    caller = RemoteSpanContext(10, 11, None, False)
    kept = joining.start_span("x", caller, tags={**SERVER, "sampling.priority": 1})
    assert (dropped.sampled, dropped.context.span_id) == (False, 0xB)
    assert (kept.sampled, kept.context.span_id) == (True, 11)
    assert kept.tags["span.kind"] == "server"


def test_a_joined_span_without_a_parent_is_a_root(joining: ZipkinTracer) -> None:
    """A caller that is a root, or does not tell its parent, makes no parent up."""
    joining.start_span("GET", child_of=RemoteSpanContext(0xA, 0xB), tags=SERVER).finish()
    fields = as_sent(joining)
    assert fields["id"] == "000000000000000b"
    assert fields["shared"] is True
    assert "parentId" not in fields


def test_a_span_stays_shared_with_baggage(joining: ZipkinTracer) -> None:
    """Setting baggage replaces the context, but not whose span it is."""
    span = joining.start_span("GET", child_of=CALLER, tags=SERVER)
    span.set_baggage_item("a", "b").finish()
    fields = as_sent(joining)
    assert (fields["id"], fields["shared"]) == ("000000000000000b", True)


def test_a_joined_span_passes_on_what_came_with_the_caller(joining: ZipkinTracer) -> None:
    """The debug flag and the baggage go on to its children."""
    caller = RemoteSpanContext(0xA, 0xB, {"k": "v"}, True, extra={"debug": "1"})
    span = joining.start_span("GET", child_of=caller, tags=SERVER)
    child = joining.start_span("child", child_of=span)
    child.finish()
    assert as_sent(joining)["debug"] is True
    assert child.get_baggage_item("k") == "v"


def test_a_caller_that_left_the_decision_open_shares_nothing(joining: ZipkinTracer) -> None:
    """The id is the caller's, but who does not sample does not report: the span is not shared."""
    caller = RemoteSpanContext(0xA, 0xB, None, None)
    joining.start_span("GET", child_of=caller, tags=SERVER).finish()
    fields = as_sent(joining)
    assert fields["id"] == "000000000000000b"
    assert "shared" not in fields


def test_a_joined_span_that_is_not_sampled_keeps_the_callers_id(joining: ZipkinTracer) -> None:
    """The trace's ids go on as they would if it were sampled."""
    span = joining.start_span("GET", child_of=RemoteSpanContext(10, 11, None, False), tags=SERVER)
    span.finish()
    assert span.context.span_id == 11
    assert not span.sampled


@pytest.mark.parametrize(
    "arguments",
    [
        {"child_of": CALLER},
        {"child_of": CALLER, "tags": {"span.kind": "consumer"}},
        {"child_of": RemoteSpanContext(sampled=True), "tags": SERVER},
        {"tags": SERVER},
        {"child_of": CALLER, "tags": 5},
    ],
    ids=["no kind", "consumer", "no ids", "no caller", "no tags"],
)
def test_what_is_no_remote_call_is_not_joined(
    joining: ZipkinTracer, arguments: dict[str, Any]
) -> None:
    """Only a server's span whose caller is in another process shares its id."""
    joining.start_span("x", **arguments).finish()
    fields = as_sent(joining)
    assert fields["id"] != "000000000000000b"
    assert "shared" not in fields


def test_a_local_parent_is_not_joined(joining: ZipkinTracer) -> None:
    """A server's span within a span of this process is a span of its own."""
    parent = joining.start_span("parent")
    span = joining.start_span("GET", child_of=parent, tags=SERVER)
    assert span.context.span_id != parent.context.span_id
    assert span.parent_id == parent.context.span_id


def test_a_server_is_a_child_of_its_caller_unless_told_to_join(tracer: ZipkinTracer) -> None:
    """The server's span is a child of the client's by default, as in OpenTracing."""
    tracer.start_span("GET", child_of=CALLER, tags=SERVER).finish()
    fields = as_sent(tracer)
    assert fields["parentId"] == "000000000000000b"
    assert "shared" not in fields


def test_a_recorder_shows_its_service_address_and_counts() -> None:
    """Its repr has no query of the URL, which may hold a key."""
    recorder = ZipkinRecorder("shop", "http://127.0.0.1:1/spans?key=s3cret", attempts=1)
    recorder.close(1)
    recorder.record_span(BasicTracer().start_span("late"))
    assert repr(recorder) == (
        "<ZipkinRecorder 'shop' http://127.0.0.1:1/spans"
        " recorded=1 sent=0 dropped=1 failed=0 queued=0 slow=0>"
    )
