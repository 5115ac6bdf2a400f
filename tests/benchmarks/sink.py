"""A backend that takes spans of Zipkin and of OTLP as fast as it can, and counts them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink:
    """Serves from entering to leaving a with statement, on a port of its own."""

    def __init__(self) -> None:
        self._bodies: list[tuple[str, bytes]] = []
        bodies = self._bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                # Read later: now the tracer waits.
                bodies.append((self.headers["Content-Type"], body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take_count(self) -> int:
        """How many spans have arrived since the last call."""
        bodies = self._bodies[:]
        del self._bodies[: len(bodies)]
        return sum(
            _spans_of_otlp(body) if "protobuf" in kind else len(json.loads(body))
            for kind, body in bodies
        )

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spans_of_otlp(request: bytes) -> int:
    """The number of spans in an ExportTraceServiceRequest of opentelemetry-proto."""
    return sum(
        1
        for resource_spans in _fields(request, 0x0A)
        for scope_spans in _fields(resource_spans, 0x12)
        for _ in _fields(scope_spans, 0x12)
    )


def _fields(message: bytes, key: int) -> Iterator[bytes]:
    """The fields with a key, of a message all of whose fields are messages or texts."""
    position = 0
    while position < len(message):
        found, size, shift = message[position], 0, 0
        while True:
            position += 1
            size |= (message[position] & 0x7F) << shift
            shift += 7
            if message[position] < 0x80:
                break
        start, position = position + 1, position + 1 + size
        if found == key:
            yield message[start:position]
