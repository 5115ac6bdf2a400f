"""A server that remembers the headers it received, for the programs of clients."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

URL = f"http://127.0.0.1:{os.environ['PORT']}"


@contextmanager
def server() -> Iterator[list[dict[str, str]]]:
    """Answers ``/fail`` with 500, and everything else with 200; yields the headers of requests."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append({key.lower(): value for key, value in self.headers.items()})
            self.send_response(500 if self.path == "/fail" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def carried(received: list[dict[str, str]]) -> list[list[object]]:
    """Of each request: the form and flags of its traceparent, its trace state and baggage."""
    return [
        [
            [len(part) for part in each.get("traceparent", "").split("-")],
            each.get("traceparent", "")[-2:],
            each.get("tracestate"),
            each.get("baggage"),
        ]
        for each in received
    ]
