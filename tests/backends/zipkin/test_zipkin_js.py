"""A Node service, traced with Zipkin's own library, and ours share traces, whoever calls whom."""

from __future__ import annotations

import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opentracing import Format, tags

from .conftest import MakeTracer
from .zipkin_server import ZipkinServer

pytestmark = pytest.mark.needs_os

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parents[2] / "env" / "zipkin-js"


@pytest.fixture
def node(zipkin: ZipkinServer) -> Iterator[str]:
    """The URL of the Node service."""
    executable = shutil.which("node")
    if executable is None:
        pytest.skip("Node is missing; on Debian: apt-get install nodejs npm")
    if not (PACKAGES / ".installed").exists():
        pytest.skip("Zipkin's library for Node is missing: make test-zipkin installs it")
    with subprocess.Popen(
        [executable, str(HERE / "zipkin_js.mjs"), str(PACKAGES), zipkin.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:  # it ends when its input is closed
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


class Handler(BaseHTTPRequestHandler):
    """Answers with the id of the trace, in a server span that continues the caller's."""

    tracer: Any

    def do_GET(self) -> None:
        with self.tracer.start_active_span(
            "answer",
            child_of=self.tracer.extract(Format.HTTP_HEADERS, self.headers),
            tags={tags.SPAN_KIND: tags.SPAN_KIND_RPC_SERVER},
            ignore_active_span=True,
        ) as scope:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(scope.span.context.to_trace_id().encode())

    def log_message(self, format: str, *args: object) -> None:
        """The spans tell more."""


@pytest.fixture(params=[False, True], ids=["two spans a call", "one span a call"])
def tracer(request: pytest.FixtureRequest, make_tracer: MakeTracer) -> Any:
    return make_tracer("python", one_span_per_rpc=request.param)


@pytest.fixture
def python(tracer: Any) -> Iterator[str]:
    """The URL of the Python service."""
    handler = type("TracedHandler", (Handler,), {"tracer": tracer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def url(node: str, python: str) -> str:
    """The address at which Node calls Python."""
    return f"{node}/?{urllib.parse.urlencode({'next': python})}"


def get(url: str, caller: Any = None) -> str:
    """Return a service's answer; the request continues the trace of the caller's span, if given."""
    headers: dict[str, str] = {}
    if caller is not None:
        caller.tracer.inject(caller.context, Format.HTTP_HEADERS, headers)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return str(answer.read().decode())


def by_side(trace: list[Any]) -> dict[tuple[str, str], Any]:
    """The spans of a trace by their service and kind."""
    return {(each["localEndpoint"]["serviceName"], each["kind"]): each for each in trace}


def test_python_calls_node_which_calls_python(zipkin: ZipkinServer, tracer: Any, url: str) -> None:
    """Both calls, there and back, are in one trace, each span below the one that caused it."""
    with tracer.start_active_span("ask", tags={tags.SPAN_KIND: "client"}) as scope:
        trace_id = get(url, scope.span)
    assert tracer.flush(timeout=30)
    spans = by_side(zipkin.trace(trace_id, spans=4))
    asked, node_served = spans["python", "CLIENT"], spans["node", "SERVER"]
    node_asked, served = spans["node", "CLIENT"], spans["python", "SERVER"]
    assert trace_id == scope.span.context.to_trace_id()
    assert asked["id"] == scope.span.context.to_span_id()
    # Zipkin's library always joins the caller's span.
    assert (node_served["id"], node_served["shared"]) == (asked["id"], True)
    assert node_asked["parentId"] == node_served["id"]
    if tracer.one_span_per_rpc:
        assert served["shared"] is True
        assert (served["id"], served["parentId"]) == (node_asked["id"], node_asked["parentId"])
    else:
        assert served["parentId"] == node_asked["id"]


def test_a_trace_that_node_starts_goes_on_in_python(
    zipkin: ZipkinServer, tracer: Any, url: str
) -> None:
    """If the request has no trace, Node starts one, and Python's span is in it."""
    trace_id = get(url)
    assert tracer.flush(timeout=30)
    spans = by_side(zipkin.trace(trace_id, spans=3))
    assert set(spans) == {("node", "SERVER"), ("node", "CLIENT"), ("python", "SERVER")}
    assert "parentId" not in spans["node", "SERVER"]
    assert spans["node", "CLIENT"]["parentId"] == spans["node", "SERVER"]["id"]


def test_node_obeys_that_a_trace_is_not_sampled(
    zipkin: ZipkinServer, tracer: Any, url: str
) -> None:
    """If Python does not sample a trace, neither Node nor the Python behind it reports it."""
    unsampled = get(url, tracer.start_span("ask", tags={tags.SAMPLING_PRIORITY: 0}))
    sampled = get(url)
    assert tracer.flush(timeout=30)
    zipkin.trace(sampled, spans=3)  # what was reported before has arrived too
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        zipkin.get(f"/api/v2/trace/{unsampled}")
    caught.value.close()
