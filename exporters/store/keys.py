"""The ids by which a trace can be named besides its own and its session's: its spans', its responses', its users'.

Owns how they are laid out. Ids are random: one index over all of them would be touched at as many places as ids come
in, and each place is a page to write, more of them the more traces are kept. So the keys lie in *runs*, those of traces
that were saved one after another. Writing touches one run; looking a key up, which is rare, asks every run.
"""

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from exporters.packed import Packed
from exporters.store.gone import Gone, IsGone
from exporters.store.rows import CHUNK, put
from exporters.store.tables import trace_keys as table

RUN = 1 << 13
"""Traces in a run. With four keys each, a run is some 2 MiB: it stays in the page cache while it is written, and a
million traces are 122 runs to ask."""


def write(connection: sa.Connection, batch: Mapping[int, Packed]) -> None:
    """Keep the keys of traces, by their numbers."""
    rows = [(number // RUN, kind, value, number) for number, packed in batch.items() for kind, value in packed.keys]
    put(connection, table, ("run", "kind", "value", "trace"), rows)


def find(connection: sa.Connection, kind: str, value: str) -> list[int]:
    """The numbers of the traces with this key."""
    found: list[int] = []
    for runs in _runs(connection):
        query = sa.select(table.c.trace).where(table.c.run.in_(runs), table.c.kind == kind, table.c.value == value)
        found += connection.execute(query).scalars()
    return found


def having(connection: sa.Connection, kind: str, value: str, number: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The condition that the trace with this number has this key."""
    runs = [table.c.run.in_(runs) for runs in _runs(connection)]
    own = sa.select(table.c.trace).where(sa.or_(sa.false(), *runs), table.c.kind == kind, table.c.value == value)
    return number.in_(own)


def users_of(connection: sa.Connection, number: int) -> list[str]:
    """The users of one trace. Looks through all of the run's: not for many traces."""
    own = (table.c.run == number // RUN, table.c.kind == "user", table.c.trace == number)
    return list(connection.execute(sa.select(table.c.value).where(*own)).scalars())


def remove(gone: Gone) -> None:
    """Remove the keys of traces that go.

    Goes through the whole of their runs: best for many that were saved together.
    """
    for run in gone.runs(RUN):
        gone.execute(_REMOVE, {"this": run})


_REMOVE = sa.delete(table).where(table.c.run == sa.bindparam("this"), IsGone(table.c.trace))


def _runs(connection: sa.Connection) -> Iterator[Sequence[int]]:
    """The runs that there are, in parts that fit into one IN list; long gaps are jumped over."""
    first = sa.select(sa.func.min(table.c.run))
    start = connection.execute(first).scalar()
    while start is not None:
        yield range(start, start + CHUNK)
        start = connection.execute(first.where(table.c.run >= start + CHUNK)).scalar()
