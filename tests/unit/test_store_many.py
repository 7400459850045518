"""One of many values, in one parameter: found by an index, however many they are."""

import pytest
import sqlalchemy as sa
from store_builders import a_record, save, trace_id

from exporters.store.many import OneOf
from exporters.store.tables import traces


@pytest.mark.parametrize(
    ("column", "wanted", "found"),
    [
        (traces.c.trace_id, [], []),
        (traces.c.trace_id, [trace_id(2), trace_id(9), trace_id(2)], [trace_id(2)]),
        (traces.c.trace_id, {trace_id(n) for n in range(1, 2_000)}, [trace_id(1), trace_id(2), trace_id(3)]),
        (traces.c.trace_id, [f"{trace_id(1)}\0", f"{trace_id(2)}\0{trace_id(3)}"], []),
        (traces.c.id, range(2, 2**62, 2**50), [trace_id(2)]),
        (traces.c.service, ["o'brien", 'a "b"', "x\\y", "größe \U0001f600"], [trace_id(1), trace_id(3)]),
    ],
    ids=["none", "twice", "thousands", "a NUL", "large numbers", "odd texts"],
)
def test_rows_with_one_of_the_values_are_found(store, column, wanted, found):
    save(store, a_record(1, service='a "b"'), a_record(2), a_record(3, service="größe \U0001f600"))
    with store._database.read() as connection:
        query = sa.select(traces.c.trace_id).where(OneOf(column, "wanted")).order_by(traces.c.trace_id)
        assert connection.execute(query, {"wanted": wanted}).scalars().all() == found


def test_they_are_found_in_an_index_and_other_rows_are_not_read(store):
    save(store, *(a_record(n) for n in range(1, 40)))
    with store._database.write() as connection:
        if store.system == "postgresql":
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        query = sa.select(traces.c.trace_id).where(OneOf(traces.c.trace_id, "wanted"))
        compiled = query.compile(connection)
        if store.system == "sqlite":
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ('["1"]',)).all())
        else:
            plan = str(connection.exec_driver_sql(f"EXPLAIN {compiled}", {"wanted": ["1"]}).all())
    assert "SEARCH traces USING" in plan or "Index Only Scan using uq_traces_trace_id" in plan, plan
