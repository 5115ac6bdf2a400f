"""A backend that takes spans in Zipkin's JSON as fast as it can, and counts them."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink:
    """Serves from entering to leaving a with statement, on a port of its own."""

    def __init__(self) -> None:
        self._bodies: list[tuple[bool, bytes]] = []
        bodies = self._bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Read later: now the tracer waits.
                bodies.append((self.headers.get("Content-Encoding") == "gzip", body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v2/spans"

    def take_count(self) -> int:
        """How many spans have arrived since the last call."""
        bodies = self._bodies[:]
        del self._bodies[: len(bodies)]
        return sum(
            len(json.loads(gzip.decompress(body) if packed else body)) for packed, body in bodies
        )

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
