"""SQLAlchemy on SQLite: a transaction, a statement for many rows, and a failing one."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError


def run() -> list[str]:
    engine = create_engine("sqlite://")
    SQLAlchemyInstrumentor().instrument(engine=engine)
    with trace.get_tracer("shop").start_as_current_span("order"), engine.begin() as connection:
        connection.execute(text("CREATE TABLE item (name TEXT)"))
        rows = [{"name": "pear"}, {"name": "plum"}]
        connection.execute(text("INSERT INTO item VALUES (:name)"), rows)
        names = [row.name for row in connection.execute(text("SELECT name FROM item"))]
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT name FROM missing"))
    except OperationalError as error:
        names.append(str(error.orig))
    return names
