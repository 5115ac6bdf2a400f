"""Files that a real Zipkin wrote are read, and one that is written here is taken by it."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from opentracing import tags
from opentracing_recorder import (
    BasicTracer,
    InMemoryRecorder,
    NotASpan,
    Trace,
    read_spans,
    write_spans,
)
from opentracing_recorder.__main__ import main
from opentracing_recorder.zipkin import ZipkinTracer

from ...browser import Page
from .conftest import MakeTracer
from .test_zipkin import called
from .zipkin_server import ZipkinServer

pytestmark = pytest.mark.needs_os

TAGS = [tags.SPAN_KIND, tags.PEER_SERVICE, tags.PEER_PORT, tags.ERROR]


def record(make_tracer: MakeTracer, **options: Any) -> str:
    """Record a trace of two services, of which one calls the other; return its id."""
    shop: ZipkinTracer = make_tracer("files-shop", **options)
    stock: ZipkinTracer = make_tracer("files-stock", **options)
    with shop.start_active_span("checkout") as scope:
        peer = {tags.SPAN_KIND: "client", tags.PEER_SERVICE: "files-stock", tags.PEER_PORT: 80}
        with shop.start_active_span("call", tags=peer) as call:
            server = stock.start_span(
                "get", child_of=called(stock, call.span), tags={tags.SPAN_KIND: "server"}
            )
            server.set_tag(tags.ERROR, "sold out").log_kv({"event": "retry", "attempt": 2})
            server.log_kv({"event": "last"}).finish()
        trace_id: str = scope.span.context.to_trace_id()
    assert shop.flush(30)
    assert stock.flush(30)
    return trace_id


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def whole(source: Any) -> list[dict[str, Any]]:
    skipped: list[NotASpan] = []
    spans = list(read_spans(source, skipped.append))
    assert skipped == []
    return spans


OUTLINE = """\
checkout
  call span.kind='client' peer.service='files-stock' peer.port=80
    get ! span.kind='server' error='sold out'"""


@pytest.mark.parametrize("one_span_per_rpc", [False, True])
def test_the_answers_of_its_api_are_read(
    one_span_per_rpc: bool, zipkin: ZipkinServer, make_tracer: MakeTracer, tmp_path: Path
) -> None:
    """A trace, and the list of all traces, have the tree, the kinds, the error and the logs."""
    trace_id = record(make_tracer, one_span_per_rpc=one_span_per_rpc)
    zipkin.trace(trace_id, spans=3)
    one = whole(fetch(f"{zipkin.url}/api/v2/trace/{trace_id}"))
    (tree,) = Trace.from_spans(one)
    assert tree.outline(TAGS) == OUTLINE
    assert tree.services == ["files-shop", "files-stock"]
    (server,) = (each for each in one if each["operation_name"] == "get")
    assert [log["fields"] for log in server["logs"]] == [
        {"event": "retry", "attempt": 2},
        {"event": "last"},
    ]
    assert server.get("shared", False) is one_span_per_rpc
    path = tmp_path / "traces.json"
    path.write_bytes(fetch(f"{zipkin.url}/api/v2/traces?serviceName=files-shop&limit=100"))
    assert path.read_bytes().startswith(b"[[")
    assert [each for each in whole(path) if each["trace_id"] == trace_id] == one


def test_the_download_of_its_page_is_read(
    zipkin: ZipkinServer, make_tracer: MakeTracer, page: Page
) -> None:
    """The file that the page of a trace makes in the browser has the same spans."""
    trace_id = record(make_tracer)
    zipkin.trace(trace_id, spans=3)
    page.open(f"{zipkin.url}/zipkin/traces/{trace_id}")
    page.wait_for(f"(window.wanted = {BUTTON}) !== undefined")
    page.run(NOTE_DOWNLOADS)
    page.run("window.wanted.click()")
    downloaded = page.run("window.downloaded")
    (tree,) = Trace.from_spans(whole(downloaded))
    assert tree.outline(TAGS) == OUTLINE


# In a menu, which is in the page before it is opened.
BUTTON = "[...document.querySelectorAll('li')].find((li) => li.textContent === 'Download JSON')"

NOTE_DOWNLOADS = """
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob) => {
        window.downloaded = blob.text();
        return make(blob);
    };
"""


def test_what_is_written_is_taken_by_its_api(
    zipkin: ZipkinServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of ``convert --to zipkin`` is accepted, and comes back as it was."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="files-converted", trace_id_bits=128)
    now = int(time.time())
    with tracer.start_active_span("checkout", start_time=now, tags={"items": 3}) as scope:
        with tracer.start_active_span("charge", tags={"error": True}) as charge:
            charge.span.log_kv({"event": "error", "message": "late"})
        tracer.start_span("unfinished", start_time=now)
    ours, theirs = tmp_path / "spans.jsonl", tmp_path / "zipkin.json"
    unfinished = {**recorder.spans[0].to_dict(), "duration": None, "span_id": "00000000000000aa"}
    write_spans([*(each.to_dict() for each in recorder.spans), unfinished], ours)
    assert main(["convert", str(ours), "--to", "zipkin", "-o", str(theirs)]) == 0
    request = urllib.request.Request(
        f"{zipkin.url}/api/v2/spans",
        theirs.read_bytes(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
    trace_id = scope.span.context.to_trace_id()
    zipkin.trace(trace_id, spans=3)
    back = whole(fetch(f"{zipkin.url}/api/v2/trace/{trace_id}"))
    key = lambda each: each["span_id"]  # noqa: E731
    assert sorted(back, key=key) == sorted(whole(theirs), key=key)
    assert capsys.readouterr() == ("", "")
    assert json.loads(theirs.read_bytes())[0]["localEndpoint"] == {"serviceName": "files-converted"}
