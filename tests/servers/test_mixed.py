"""Both APIs and OpenTelemetry's instrumentation, in servers that fork: one tree a request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from ..http_server import ScriptedServer
from .test_servers import GUNICORN, LONGEST_EXIT, UWSGI, WORKERS, Load, Server

pytestmark = pytest.mark.needs_os

ANSWERS = 100  # at least, before the reload, and again before the end

# What the application makes, OpenTelemetry's instrumentation included, is made before the fork.
GUNICORN_PRELOAD = [*GUNICORN, "--preload", "mixed_app:app"]
SERVERS = {
    "gunicorn": GUNICORN_PRELOAD,
    "gunicorn, threads": [*GUNICORN_PRELOAD, "--worker-class=gthread", "--threads=4"],
    "gunicorn, gevent": [*GUNICORN_PRELOAD, "--worker-class=gevent"],
    # At SIGTERM with --die-on-term, uWSGI ends workers that are busy without Python's exit.
    "uWSGI": [
        *(part for part in UWSGI if part not in ("--die-on-term", "--wsgi=app")),
        "--hook-master-start=unix_signal:15 gracefully_kill_them_all",
        "--wsgi=mixed_app:app",
    ],
}

LAUNCHED = Server


def trees(spans: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Of each trace: its spans' names, each with its parent's, sorted."""
    names = {"": "", **{span["id"]: span["name"] for span in spans}}
    found = defaultdict(list)
    for span in spans:
        pair = span["name"], names.get(span.get("parentId", ""), "missing")
        found[span["traceId"]].append(pair)
    return {trace: sorted(pairs) for trace, pairs in found.items()}


@pytest.mark.parametrize("name", SERVERS)
def test_each_request_is_one_tree_when_workers_are_reloaded(
    name: str, start: Callable[..., Server], backend: ScriptedServer
) -> None:
    """All workers answer, each span arrives once, and a request's spans are one tree."""
    server = start(SERVERS[name], {})
    load = Load(server.port)
    load.run_until(ANSWERS, WORKERS)
    server.reload()
    load.run_until(2 * ANSWERS, 2 * WORKERS)
    load.stop()
    seconds = server.stop()
    spans = backend.spans()
    print(
        f"{name}, both APIs: {len(load.traces)} requests, {len(load.failures)} of them reset; "
        f"{len(load.processes)} processes; {len(spans)} spans arrived; ended in {seconds:.1f} s"
    )
    assert max(Counter(span["id"] for span in spans).values()) == 1
    arrived = trees(spans)
    tree = [("get /", ""), ("order", "get /"), ("price", "order"), ("select", "price")]
    assert [each for each in arrived.values() if each != tree] == []
    assert {trace.decode() for trace in load.traces} <= set(arrived)
    assert len(set(load.traces)) == len(load.traces)
    assert len(arrived) <= len(load.traces) + len(load.failures)
    assert seconds < LONGEST_EXIT
    assert "Traceback" not in server.log()
