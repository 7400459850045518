"""Writing many rows at once, in the words of each database, and past what SQLAlchemy would do to each value."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

CHUNK = 500
"""Ids in one IN list; SQLite before 3.32 takes 999 parameters."""


def insert_of(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ``ON CONFLICT``; both kinds of database share the clause, SQLAlchemy has it twice."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def new_numbers(connection: sa.Connection, table: sa.Table, count: int) -> Sequence[int]:
    """So many numbers, ascending, that no row of ``table`` has or gets as its ``id``."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        each = sa.select(sa.func.nextval(sequence)).select_from(sa.func.generate_series(1, count))
        return sorted(connection.execute(each).scalars())
    last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0  # nobody else writes meanwhile
    return range(last + 1, last + 1 + count)


def put(
    connection: sa.Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    update: Sequence[str] | None = (),
    unique: Sequence[str] = (),
) -> int:
    """Insert rows, whose values stand in the order of ``columns``; returns how many were inserted or updated.

    Where the primary key is taken, the columns in ``update`` are set (all of the rest for ``None``). ``unique`` names
    other columns to look at instead of the primary key. The values go to the driver as they are: texts, bytes, numbers
    and booleans only.
    """
    if not rows:
        return 0
    to_set = None if update is None else tuple(update)
    text = _insert_of(connection.dialect, table, columns, to_set, tuple(unique))
    # SQLAlchemy would look at each value of each row on its way to the driver, which takes longer than to write it.
    return connection.exec_driver_sql(text, list(rows), execution_options=_COUNTED).rowcount


_COUNTED = {"preserve_rowcount": True}


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    update: Sequence[str] | None = None,
    unique: Sequence[str] = (),
) -> None:
    """The same for rows with names, all of them the same ones; what is there already is updated, unless told else."""
    if rows:
        columns = tuple(rows[0])
        put(connection, table, columns, [tuple(map(row.__getitem__, columns)) for row in rows], update, unique)


@lru_cache
def _insert_of(
    dialect: sa.Dialect,
    table: sa.Table,
    columns: tuple[str, ...],
    update: tuple[str, ...] | None,
    unique: tuple[str, ...],
) -> str:
    """The statement as the driver takes it, with its parameters in the order of ``columns``."""
    keys = unique or tuple(column.name for column in table.primary_key)
    in_order = sa.table(table.name, *(sa.column(name, table.c[name].type) for name in columns))
    is_postgres = dialect.name == "postgresql"
    statement = (postgresql if is_postgres else sqlite).insert(in_order)
    names = [name for name in columns if name not in keys] if update is None else update
    if names:
        new = {name: statement.excluded[name] for name in names}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    # By names, psycopg would ask for a dictionary a row.
    by_place: Any = type(dialect)
    return str(statement.compile(dialect=by_place(paramstyle="format") if is_postgres else dialect))


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` in parts that fit into one IN list."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
