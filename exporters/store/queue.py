"""The queue of a reviewer: the cases of a query in the order of the list, and where one stands among them.

Newest first, as everywhere: what failed today is looked at today. A case keeps its place when it was decided on and is
no longer of the queue, so that the next one stays the next one.
"""

from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.store import cursor
from exporters.store.case_queries import conditions_of
from exporters.store.query import CaseQuery, Place
from exporters.store.tables import cases


def place(connection: sa.Connection, query: CaseQuery, case_id: str) -> Place:
    """Who comes before and after this case, and how many are in the queue. ``query.cursor`` is not looked at.

    Of a case that does not exist nobody comes before, and the first of the queue comes after.
    """
    wanted = conditions_of(query)
    waiting = connection.execute(sa.select(sa.func.count()).select_from(cases).where(*wanted)).scalar_one()
    identity = codec.key(case_id)
    here = connection.execute(sa.select(cases.c.created_ns, cases.c.id).where(cases.c.id == identity)).first()
    if here is None:
        return Place(None, _first(connection, wanted, None), waiting)
    mark = cursor.encode(here.created_ns, here.id)
    return Place(_first(connection, wanted, mark, ascending=True), _first(connection, wanted, mark), waiting)


def _first(connection: sa.Connection, wanted: Any, mark: str | None, *, ascending: bool = False) -> str | None:
    order = (cases.c.created_ns, cases.c.id)
    beyond = cursor.beyond(mark, *order, ascending=ascending)
    ordered = sa.select(cases.c.id).where(*wanted, *beyond)
    ordered = ordered.order_by(*(order if ascending else (part.desc() for part in order)))
    return connection.execute(ordered.limit(1)).scalar()
