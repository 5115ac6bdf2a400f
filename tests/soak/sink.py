"""A backend to be killed: takes reports of Zipkin and OTLP, and notes ids before it answers.

    python tests/soak/sink.py PORT FILE REFUSE_EACH

The file gets the 16 hexadecimal digits of each span's id, in one write a report. What is written
outlives the process. One report in REFUSE_EACH is refused with 503, and not noted.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from opentracing_recorder._protobuf import read_fields


class Sink(ThreadingHTTPServer):
    """Listens on a port that another process may have reserved."""

    def __init__(self, port: int, file: int, refuse_each: int) -> None:
        self.file = file
        self.refuse_each = refuse_each
        self.reports = count(1)
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        refused = next(self.server.reports) % self.server.refuse_each == 0
        if not refused:
            ids = ids_in(self.headers["Content-Type"], body)
            os.write(self.server.file, "".join(ids).encode())
        self.send_response(503 if refused else 202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def ids_in(content_type: str, report: bytes) -> list[str]:
    """The ids of the spans in Zipkin's JSON, or in OTLP's ExportTraceServiceRequest."""
    if content_type != "application/x-protobuf":
        return [span["id"] for span in json.loads(report)]
    messages = [report]
    for key in (0x0A, 0x12, 0x12):  # ResourceSpans, ScopeSpans, Span
        messages = [
            inner for each in messages for found, inner in read_fields(each) if found == key
        ]
    return [dict(read_fields(span))[0x12].hex() for span in messages]


def main(port: str, path: str, refuse_each: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Sink(int(port), file, int(refuse_each)) as sink:
        print("ready", flush=True)
        sink.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
