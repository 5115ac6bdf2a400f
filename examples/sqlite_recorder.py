"""A recorder such as a vendor's: it writes finished spans into a SQLite table.

    python examples/sqlite_recorder.py

`SQLiteRecorder` is the whole of it: one method gets each span, on the thread that finished it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from typing import Any

from opentracing_recorder import BasicSpan, BasicTracer, Recorder


class SQLiteRecorder(Recorder):
    """Writes one row for each span. For a backend over a network, derive from BatchRecorder."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.RLock()  # a finalizer may finish a span meanwhile
        with self._lock, self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS spans"
                " (trace_id TEXT, span_id TEXT, operation TEXT, seconds REAL, span TEXT)"
            )

    def record_span(self, span: BasicSpan) -> None:
        fields = span.to_dict()
        row = [fields[key] for key in ("trace_id", "span_id", "operation_name", "duration")]
        with self._lock, self._database:
            self._database.execute(
                "INSERT INTO spans VALUES (?, ?, ?, ?, ?)", [*row, json.dumps(fields)]
            )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(sql).fetchall()

    def close(self, timeout: float | None = None) -> bool:
        with self._lock:
            self._database.close()
        return True


def main() -> None:
    """Record a few spans, and query the database for the longest."""
    recorder = SQLiteRecorder(":memory:")
    with BasicTracer(recorder) as tracer:
        now = time.time()  # explicit times, so that the example need not wait for the eggs
        breakfast = tracer.start_span("breakfast", start_time=now)
        for size, minutes in (("S", 4), ("L", 6), ("M", 5)):
            egg = tracer.start_span("boil egg", breakfast, tags={"size": size}, start_time=now)
            egg.finish(now + 60 * minutes)
        breakfast.finish(now + 60 * 8)
        query = "SELECT operation, seconds, span FROM spans ORDER BY seconds DESC"
        for operation, seconds, span in recorder.query(query):
            print(f"{seconds:5.0f} s  {operation:10} {json.loads(span)['tags']}")


if __name__ == "__main__":
    main()
