"""One of many values: the condition, with all of them in one parameter.

``IN`` takes a parameter a value: that is another statement for each number of values, which SQLAlchemy words anew each
time, and that takes longer than to run it. A statement of these is made once, when its module is loaded.
"""

from collections.abc import Collection
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from exporters import codec


class OneOf(sa.ColumnElement[bool]):
    """That a column has one of the values in the parameter ``name``: a collection of ids, or of numbers."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy declares it
        ("column", InternalTraversal.dp_clauseelement),
        ("values", InternalTraversal.dp_clauseelement),
    ]
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values = sa.bindparam(name, type_=_Values(isinstance(column.type, sa.Integer)))

    def self_group(self, against: Any = None) -> Self:  # noqa: ARG002 - whatever it stands in
        """As it is: SQLite would not find ``(...) = 1`` in an index."""
        return self


class _Values(sa.types.TypeDecorator[Collection[Any]]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, numbers: bool) -> None:
        super().__init__()
        self.numbers = numbers

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name != "postgresql":
            return sa.Text()
        return ARRAY(sa.BigInteger() if self.numbers else sa.Text())

    def process_bind_param(self, value: Collection[Any] | None, dialect: sa.Dialect) -> Any:
        values = list(value or ())
        if not self.numbers:  # no stored text has a NUL, and for SQLite's JSON a text would end there
            values = [text for text in values if "\0" not in text]
        return values if dialect.name == "postgresql" else codec.to_json(values)


@compiles(OneOf)
def _on_sqlite(element: OneOf, compiler: Any, **how: Any) -> str:
    column, values = (compiler.process(part, **how) for part in (element.column, element.values))
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - a column and a place for a parameter


@compiles(OneOf, "postgresql")
def _on_postgresql(element: OneOf, compiler: Any, **how: Any) -> str:
    column, values = (compiler.process(part, **how) for part in (element.column, element.values))
    return f"{column} = ANY ({values})"
