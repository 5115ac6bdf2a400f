"""A recorder as a vendor writes it: finished spans into a SQLite table.

    python examples/sqlite_recorder.py
"""

from __future__ import annotations

import json
import sqlite3
import threading

from opentracing_recorder import BasicSpan, BasicTracer, Recorder


class SQLiteRecorder(Recorder):
    """One row a span. For a backend across a network, record into a queue instead of waiting."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.Lock()
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

    def close(self, timeout: float | None = None) -> bool:
        with self._lock:
            self._database.close()
        return True


def main() -> None:
    """Record a few spans, and ask the database which were slowest."""
    recorder = SQLiteRecorder(":memory:")
    with BasicTracer(recorder) as tracer:
        with tracer.start_active_span("breakfast"):
            for minutes in (3, 5, 4):
                with tracer.start_active_span("boil egg") as scope:
                    scope.span.set_tag("minutes", minutes)
        query = "SELECT operation, json_extract(span, '$.tags.minutes') FROM spans ORDER BY rowid"
        for operation, minutes in recorder._database.execute(query):
            print(f"{operation:10} {minutes or ''}".rstrip())


if __name__ == "__main__":
    main()
