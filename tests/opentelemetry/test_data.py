"""Databases, queues, gRPC, logs and threads, instrumented for OpenTelemetry."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .kit import run

# Attributes that name a port or a process, which differ from run to run.
_OF_THE_RUN = {"celery.hostname", "celery.reply_to", "net.peer.port"}


def _sorted(spans: list[Any], *left_out: str) -> list[Any]:
    """The spans in one order, without the attributes that differ from run to run."""
    of_the_run = _OF_THE_RUN.union(left_out)
    for span in spans:
        span["attributes"] = {k: v for k, v in span["attributes"].items() if k not in of_the_run}
    return sorted(spans, key=lambda span: json.dumps(span, sort_keys=True))


def _run(program: str, *left_out: str) -> tuple[Any, list[Any]]:
    """Our result and spans, which are those of OpenTelemetry's SDK but for attributes left out."""
    result, spans = run(program, "ours")
    expected, of_sdk = run(program, "sdk")
    assert result == expected
    assert _sorted(spans, *left_out) == _sorted(of_sdk, *left_out)
    return result, spans


def _tree(spans: list[Any]) -> list[tuple[str, str, str | None, str]]:
    """Each span's kind, name, parent and status, sorted by name."""
    found = [(s["kind"], s["name"], s["parent"], s["status"][0]) for s in spans]
    return sorted(found, key=lambda each: (each[1], each[0], each[2] or ""))


@pytest.fixture
def redis_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """A Redis of its own, at the port in REDIS_PORT."""
    if shutil.which("redis-server") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert any("ready to accept" in line.lower() for line in server.stdout)
            monkeypatch.setenv("REDIS_PORT", str(port))
            yield
        finally:
            server.terminate()


@pytest.mark.parametrize("program", ["sqlalchemy", "sqlite3"])
def test_databases(program: str) -> None:
    """Statements are children of the current span, and a failing one has the error."""
    result, spans = _run(program)
    assert result == ["pear", "plum", "no such table: missing"]
    statements = [s for s in spans if s["name"] in ("CREATE", "INSERT", "SELECT")]
    assert [s["parent"] for s in statements] == ["order", "order", "order", None]
    assert {s["kind"] for s in statements} == {"CLIENT"}
    assert [s["status"][0] for s in statements] == ["UNSET", "UNSET", "UNSET", "ERROR"]
    assert statements[-1]["attributes"]["db.statement"] == "SELECT name FROM missing"


@pytest.mark.usefixtures("redis_server")
def test_redis() -> None:
    """Redis's commands, pipelines and errors are spans, with either client."""
    result, spans = _run("redis")
    assert result[:2] == ["pear", "plum"]
    assert _tree(spans) == [
        ("CLIENT", "GET", "order", "UNSET"),
        ("CLIENT", "GET", "order", "UNSET"),
        ("CLIENT", "LPUSH", None, "ERROR"),
        ("CLIENT", "SET", "order", "UNSET"),
        ("CLIENT", "SET GET", "order", "UNSET"),
        ("INTERNAL", "order", None, "UNSET"),
    ]


@pytest.mark.usefixtures("redis_server")
def test_celery() -> None:
    """A Celery worker's spans are children of its producer's, and a failed task has the error."""
    worked, sent = _run("celery")
    assert _tree(worked) == [
        ("CONSUMER", "run/add", "sender of add", "UNSET"),
        ("CONSUMER", "run/fail", "sender of fail", "ERROR"),
    ]
    assert [s["name"] for s in sent] == ["apply_async/add", "apply_async/fail", "order"]
    assert [s["kind"] for s in sent] == ["PRODUCER", "PRODUCER", "INTERNAL"]
    (failed,) = (s for s in worked if s["name"] == "run/fail")
    assert failed["events"][0][1]["exception.message"] == "no such item"


@pytest.mark.parametrize("program", ["grpc", "grpc_aio"])
def test_grpc(program: str) -> None:
    """gRPC's calls have a span on each side, and aborted and failed ones have the error."""
    result, spans = _run(program)
    assert "NOT_FOUND: no such item" in result
    calls = [s for s in spans if s["kind"] == "CLIENT"]
    served = [s for s in spans if s["kind"] == "SERVER"]
    assert {s["parent"] for s in calls} == {"order"}
    assert all(s["parent"] == s["name"] for s in served)
    assert sorted(s["name"] for s in calls) == sorted(s["name"] for s in served)
    failed = sorted(s["name"] for s in calls if s["status"][0] == "ERROR")
    assert failed == ["/Shop/Abort", "/Shop/Raise"]


def test_kafka() -> None:
    """A received message's span links to the sender's, and a refused message has the error."""
    result, spans = _run("kafka")
    assert result == ["pear", "traceparent", "MSG_SIZE_TOO_LARGE"]
    assert _tree(spans) == [
        ("CONSUMER", "items process", "recv", "UNSET"),
        ("PRODUCER", "items send", None, "ERROR"),
        ("PRODUCER", "items send", "order", "UNSET"),
        ("INTERNAL", "order", None, "UNSET"),
        ("CONSUMER", "recv", None, "UNSET"),
    ]
    (processed,) = (s for s in spans if s["name"] == "items process")
    assert processed["links"] == [["items send", [True, 3, ""], {}]]


def test_aiokafka() -> None:
    """A received message's span is a child of its sender's."""
    result, spans = _run("aiokafka", "server.address")  # with the port
    assert result == ["pear", "traceparent", "MessageSizeTooLargeError"]
    assert _tree(spans) == [
        ("CONSUMER", "items receive", "items send", "UNSET"),
        ("PRODUCER", "items send", None, "UNSET"),
        ("PRODUCER", "items send", "order", "UNSET"),
        ("INTERNAL", "order", None, "UNSET"),
    ]


def test_logging() -> None:
    """Log records have the current span's ids, and zeros where there is none."""
    result, spans = _run("logging")
    assert [record[0] for record in result] == ["before", "within", "failed", "after"]
    assert all(same_trace and same_span for _, same_trace, same_span, _ in result)
    assert [sampled for *_, sampled in result] == [False, True, True, False]
    assert [s["status"] for s in spans] == [["ERROR", "ValueError: no such item"]]


def test_asyncio() -> None:
    """Tasks and functions in threads are children of the span that was current at their start."""
    result, spans = _run("asyncio")
    assert result == ["pear", "plum", "order", "ValueError('no such item')"]
    assert _tree(spans) == [
        ("INTERNAL", "asyncio coro-fail", "order", "ERROR"),
        ("INTERNAL", "asyncio coro-fetch", "order", "UNSET"),
        ("INTERNAL", "asyncio coro-fetch", "order", "UNSET"),
        ("INTERNAL", "asyncio to_thread-compute", "order", "UNSET"),
        ("INTERNAL", "order", None, "UNSET"),
    ]


def test_threading() -> None:
    """Spans in threads, timers and pools are children of the span that was current before."""
    result, spans = _run("threading")
    assert result == ["no such item"]
    assert _tree(spans) == [
        ("INTERNAL", "after", None, "UNSET"),
        ("INTERNAL", "failed", "order", "ERROR"),
        ("INTERNAL", "order", None, "UNSET"),
        ("INTERNAL", "pool", "order", "UNSET"),
        ("INTERNAL", "thread", "order", "UNSET"),
        ("INTERNAL", "timer", "order", "UNSET"),
    ]
