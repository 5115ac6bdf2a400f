"""SQLAlchemy-OpenTracing, written for opentracing 1.x, on a current SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
import sqlalchemy_opentracing


@pytest.fixture
def engine(tracer: Any) -> Iterator[Any]:
    engine = sqlalchemy.create_engine("sqlite://")
    sqlalchemy_opentracing.init_tracing(tracer, trace_all_engines=False)
    sqlalchemy_opentracing.register_engine(engine)
    yield engine
    sqlalchemy_opentracing.unregister_engine(engine)
    sqlalchemy_opentracing._clear_tracer()
    engine.dispose()


def test_a_statement_is_a_child_of_the_span_it_was_given(
    tracer: Any, spans: Any, engine: Any
) -> None:
    """`set_parent_span` makes the statement's span a child."""
    table = sqlalchemy.Table(
        "item", sqlalchemy.MetaData(), sqlalchemy.Column("name", sqlalchemy.String)
    )
    request = tracer.start_span("request")
    with engine.begin() as connection:
        table.create(connection)
        statement = sqlalchemy.insert(table).values(name="tea")
        sqlalchemy_opentracing.set_parent_span(statement, request)
        connection.execute(statement)
    *_, insert = spans()
    assert (insert.operation_name, insert.parent_id) == ("insert", request.context.span_id)
    assert insert.tags["component"] == "sqlalchemy"
    assert insert.tags["db.type"] == "sql"


def test_a_broken_statement_is_an_error(spans: Any, engine: Any) -> None:
    """The database's exception passes through, and is on the span."""
    with pytest.raises(sqlalchemy.exc.OperationalError), engine.begin() as connection:
        connection.execute(sqlalchemy.text("select * from nowhere"))
    (span,) = spans()
    assert span.tags["error"]
