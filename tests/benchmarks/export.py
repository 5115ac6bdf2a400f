"""The cost of a span from its start to the backend's acknowledgement, beside that of other tracers.

Run by ``make bench``. Each tracer is a program in ``exports``, run in a process of its own against
the same local server; the programs take turns, and the best round of each counts. The server reads
and counts the spans, so that a tracer that loses some is found out.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_COUNT = 20_000
_ROUNDS = 5
_BUDGET = 1 / 8
"""Of the CPU time of OpenTelemetry's SDK."""

_PROGRAMS = ("opentracing_zipkin", "opentelemetry_zipkin")


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append(body)  # read later: now the tracer waits
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def _run(program: str, url: str) -> tuple[float, float]:
    """The microseconds of CPU for a span, and spans a second, of one run."""
    path = Path(__file__).with_name("exports") / f"{program}.py"
    _Sink.bodies.clear()
    command = [sys.executable, str(path), url, str(_COUNT)]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    arrived = sum(len(json.loads(body)) for body in _Sink.bodies)
    if arrived != _COUNT + _COUNT // 10:
        sys.exit(f"{program}: {arrived} spans arrived, not {_COUNT + _COUNT // 10}")
    spent = json.loads(result)
    return spent["cpu"] / _COUNT * 1e6, _COUNT / spent["clock"]


def main() -> None:
    """Measure every program and print one table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/api/v2/spans"
    rounds = [[_run(program, url) for program in _PROGRAMS] for _ in range(_ROUNDS)]
    server.shutdown()
    server.server_close()
    cpu = [min(each[0] for each in runs) for runs in zip(*rounds)]
    print(f"{'start to acknowledgement':34}{'µs CPU':>8}{'spans/s':>12}{'ratio':>8}{'budget':>8}")
    for index, program in enumerate(_PROGRAMS):
        rate = max(each[index][1] for each in rounds)
        budget = f"{_BUDGET:.3f}" if index == 0 else ""
        print(f"{program:34}{cpu[index]:8.1f}{rate:12.0f}{cpu[index] / cpu[1]:8.3f}{budget:>8}")


if __name__ == "__main__":
    main()
