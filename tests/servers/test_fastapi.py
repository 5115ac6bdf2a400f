"""The example on FastAPI: one trace for each request, across threads and processes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import Trace, read_spans

from ..threads import on_threads
from .launched import PATIENCE, wait_until
from .test_asgi import Server

pytestmark = pytest.mark.needs_os


class Example(Server):
    """The example, at a free port, and its file of spans."""

    def __init__(self, folder: Path, trace_url: str) -> None:
        self._spans = folder / "spans.jsonl"
        command = ["examples.fastapi_pools", "--port=0", f"--spans={self._spans}"]
        super().__init__(folder, trace_url, command)

    def spans(self) -> list[Any]:
        with self._spans.open("rb") as file:
            return list(read_spans(file))


LAUNCHED = Example


def tree(trace: Trace) -> set[tuple[Any, ...]]:
    """The spans of a trace, each with its service and its tag, and with those of its parent."""
    named = {
        node.span_id: (node.service, node.operation_name, node.tags.get("photo"))
        for node, _ in trace.walk()
    }
    return {(*named[node.span_id], named.get(node.parent_id or "")) for node, _ in trace.walk()}


def test_each_request_is_one_trace(start: Callable[[], Example]) -> None:
    """Of eight requests at once, each has its caller's trace, its own jobs, and those of its jobs.

    The server then ends without an error, and its pools with it.
    """
    server = start()
    albums = list(range(1, 9))
    waiting = albums.copy()
    answers = {}

    def request() -> None:
        album = waiting.pop()
        ids = {"ot-tracer-traceid": f"{album:x}", "ot-tracer-spanid": "7"}
        headers = {**ids, "ot-tracer-sampled": "true"}
        answers[album] = json.loads(server.get(f"/albums/{album}", **headers))

    on_threads(request, len(albums))
    assert answers == {
        album: {
            "thumbnails": [f"small-{album}-1.jpg", f"small-{album}-2.jpg"],
            "trace": f"{album:016x}",
        }
        for album in albums
    }
    wait_until(lambda: len(server.spans()) == 6 * len(albums), server.log)
    traces = {int(trace.trace_id, 16): trace for trace in Trace.from_spans(server.spans())}
    assert sorted(traces) == albums
    for album, trace in traces.items():
        root = ("albums", f"GET /albums/{album}", None)
        prepares = [("albums", "prepare", f"{album}-{number}.jpg") for number in (1, 2)]
        assert tree(trace) == {
            (*root, None),
            *((*prepare, root) for prepare in prepares),
            *(("thumbnails", "shrink", prepare[2], prepare) for prepare in prepares),
            ("albums", "count view", None, root),
        }
    server.process.terminate()
    assert server.process.wait(PATIENCE) == -signal.SIGTERM
    assert "Traceback" not in server.log()
