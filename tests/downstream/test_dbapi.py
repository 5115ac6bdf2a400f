"""DBAPI-OpenTracing around the standard library's SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from dbapi_opentracing import ConnectionTracing


@pytest.fixture
def connection(tracer: Any) -> Iterator[Any]:
    connection = sqlite3.connect(":memory:")
    yield ConnectionTracing(connection, tracer, span_tags={"db.instance": "orders"})
    connection.close()


def test_each_statement_is_a_span(tracer: Any, spans: Any, connection: Any) -> None:
    """Statements and the commit are children of the active span, in their order."""
    with tracer.start_active_span("request"):
        cursor = connection.cursor()
        cursor.execute("create table item (name text)")
        cursor.executemany("insert into item values (?)", [("tea",), ("pot",)])
        connection.commit()
    *statements, request = spans()
    assert [(span.operation_name, span.parent_id) for span in statements] == [
        ("Cursor.execute(create)", request.context.span_id),
        ("Cursor.executemany(insert)", request.context.span_id),
        ("Connection.commit()", request.context.span_id),
    ]
    assert statements[1].tags == {
        "db.type": "sql",
        "span.kind": "client",
        "db.statement": "insert into item values (?)",
        "db.instance": "orders",
        "db.rows_produced": 2,
    }


def test_a_broken_statement_is_an_error(spans: Any, connection: Any) -> None:
    """The database's exception passes through, and is on the span."""
    with pytest.raises(sqlite3.OperationalError):
        connection.cursor().execute("select * from nowhere")
    (span,) = spans()
    assert span.tags["error"] is True
    assert "no such table" in str(span.logs[0].key_values["error.object"])
