"""The traces that a transaction removes are noted once, and each statement names them."""

import pytest
import sqlalchemy as sa
from store_builders import a_record, save, trace_id

from exporters.store.gone import Gone, IsGone
from exporters.store.tables import traces


@pytest.fixture
def connection(store):
    save(store, *(a_record(n) for n in range(1, 5)))
    with store._database.write() as connection:
        yield connection


def chosen(*numbers):
    ids = [trace_id(n) for n in numbers]
    return sa.select(traces.c.id, traces.c.trace_id).where(traces.c.trace_id.in_(ids))


def named(gone, column):
    query = sa.select(traces.c.trace_id).where(IsGone(column)).order_by(traces.c.trace_id)
    return gone.execute(query).scalars().all()


@pytest.mark.parametrize("column", [traces.c.id, traces.c.trace_id], ids=["number", "id"])
def test_those_noted_are_found_by_number_and_by_id(connection, column):
    gone = Gone(connection)
    assert named(gone, column) == []
    assert [gone.add(chosen(2)), gone.add(chosen()), gone.add(chosen(1, 4))] == [1, 0, 2]
    assert named(gone, column) == [trace_id(1), trace_id(2), trace_id(4)]


def test_those_noted_before_are_noted_no_more(connection):
    Gone(connection).add(chosen(1))
    gone = Gone(connection)
    gone.add(chosen(3))
    assert named(gone, traces.c.id) == [trace_id(3)]


def test_the_runs_that_they_are_in(connection):
    gone = Gone(connection)
    assert list(gone.runs(2)) == []
    gone.add(chosen(1, 2, 4))
    assert sorted(gone.runs(2)) == [0, 1, 2]
    assert sorted(gone.runs(10)) == [0]


@pytest.mark.parametrize("column", [traces.c.id, traces.c.trace_id], ids=["number", "id"])
def test_they_are_found_in_an_index_and_other_rows_are_not_read(connection, column):
    gone = Gone(connection)
    gone.add(chosen(2))
    removal = sa.delete(traces).where(IsGone(column)).compile(connection)
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {removal}")
    else:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN {removal}", gone._arrays)
    assert any("SEARCH traces USING" in str(step) or "Index Scan" in str(step) for step in plan)
