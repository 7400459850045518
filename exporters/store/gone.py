"""The traces that go in one transaction: noted once, and named by each statement that removes what hangs on them.

SQLite has them in a table of the connection's own, in memory up to some 30,000 and then in a file beside the database
whose name is gone: to read thousands of numbers from a parameter, for one statement after the other, is a quarter of
what it takes to remove the traces. PostgreSQL has them in arrays: such a table needs a permission there, and rows in
the catalogue.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from exporters.store.many import OneOf

_NUMBERS, _IDS = "gone_numbers", "gone_ids"
_noted = sa.Table(
    "gone",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("trace_id", sa.String(32), nullable=False),
    prefixes=["TEMPORARY"],
)
_MAKE = sa.schema.CreateTable(_noted, if_not_exists=True)


class IsGone(OneOf):
    """That a column, which holds numbers or ids of traces, names one of those noted. For ``Gone.execute`` only."""

    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[Any]) -> None:
        super().__init__(column, _NUMBERS if isinstance(column.type, sa.Integer) else _IDS)


class Gone:
    """The traces that this transaction removes; none at first."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._arrays: dict[str, list[Any]] = {}
        if connection.dialect.name == "sqlite":
            connection.execute(_MAKE)
            connection.execute(sa.delete(_noted))  # those of the transaction before
        else:
            self._arrays = {_NUMBERS: [], _IDS: []}

    def add(self, chosen: sa.Select[Any], values: Mapping[str, Any] | None = None) -> int:
        """Note the traces of a query by their ``id`` and ``trace_id``, none of them twice; returns how many."""
        each = chosen.subquery()
        columns = each.c.id, each.c.trace_id
        if not self._arrays:
            noted = sa.insert(_noted).from_select(["number", "trace_id"], sa.select(*columns))
            return self.connection.execute(noted, values or {}, execution_options={"preserve_rowcount": True}).rowcount
        gathered = sa.select(*map(sa.func.array_agg, columns)).select_from(each)
        numbers, ids = self.connection.execute(gathered, values or {}).one()
        self._arrays[_NUMBERS] += numbers or ()
        self._arrays[_IDS] += ids or ()
        return len(numbers or ())

    def runs(self, length: int) -> Sequence[int]:
        """The runs that they are in, where so many numbers after one another, from 0 on, are a run."""
        if self._arrays:
            return sorted({number // length for number in self._arrays[_NUMBERS]})
        return self.connection.execute(sa.select(_noted.c.number // length).distinct()).scalars().all()

    def execute(self, statement: sa.Executable, values: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
        """Run a statement with ``IsGone`` in it."""
        return self.connection.execute(statement, {**self._arrays, **(values or {})})


@compiles(IsGone, "sqlite")
def _on_sqlite(element: IsGone, compiler: Any, **how: Any) -> str:
    noted = _noted.c.number if element.values.key == _NUMBERS else _noted.c.trace_id
    return f"{compiler.process(element.column, **how)} IN (SELECT {noted.name} FROM temp.{_noted.name})"  # noqa: S608 - names only
