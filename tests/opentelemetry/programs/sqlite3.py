"""The sqlite3 of Python: statements under a span, and a failing one."""

from __future__ import annotations

import sqlite3

from opentelemetry import trace
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor


def run() -> list[str]:
    SQLite3Instrumentor().instrument()
    cursor = sqlite3.connect(":memory:").cursor()
    with trace.get_tracer("shop").start_as_current_span("order"):
        cursor.execute("CREATE TABLE item (name TEXT)")
        cursor.executemany("INSERT INTO item VALUES (?)", [("pear",), ("plum",)])
        names = [name for (name,) in cursor.execute("SELECT name FROM item").fetchall()]
    try:
        cursor.execute("SELECT name FROM missing")
    except sqlite3.OperationalError as error:
        names.append(str(error))
    return names
