"""What model calls cost, by service and UTC day, of the day that is not over.

A trace counts for the day that it began on. Those that are stored are added up in an index; what those cost that
retention or somebody's wish removed before their day was over is kept beside, as one sum a service and day. So the sum
is right after a restart, and the same for all replicas of one store. Nothing is written for it when traces are saved.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from exporters.store.gone import Gone, IsGone
from exporters.store.rows import chunks, insert_of
from exporters.store.tables import spending, traces

DAY_NS = 86_400 * 1_000_000_000


def spent(connection: sa.Connection, day: int, services: Sequence[str]) -> dict[str, float]:
    """Dollars that each of these services cost on a day (counted from 1970-01-01, UTC)."""
    found = dict.fromkeys(services, 0.0)
    for chunk in chunks(services):
        for service, dollars in connection.execute(_stored(day, chunk)):
            found[service] += dollars or 0
        for service, dollars in connection.execute(_removed(day).where(spending.c.service.in_(chunk))):
            found[service] += dollars
    return found


def spent_by_all(connection: sa.Connection, day: int) -> dict[str, float]:
    """The same of every service that has stored traces, of whatever day, or had some of this one that were removed."""
    stored = by_service(connection, day * DAY_NS, (day + 1) * DAY_NS)
    found = {service: dollars or 0.0 for service, dollars in stored.items()}
    for service, dollars in connection.execute(_removed(day)):
        found[service] = found.get(service, 0.0) + dollars
    return found


def by_service(connection: sa.Connection, since_ns: int, until_ns: int) -> dict[str, float | None]:
    """Dollars that stored traces which began in this time cost, by service; ``None``: no call in it had a price.

    All services with stored traces are in it.
    """
    return {row.name: row.dollars for row in connection.execute(services_with_cost(since_ns, until_ns))}


def services_with_cost(since_ns: int, until_ns: int) -> sa.Select[Any]:
    """The query of that: an index is gone through from one service to the next, and no trace is read.

    Measured with 300,000 traces of 1,000 services: 50 ms on SQLite, 120 ms on PostgreSQL.
    """
    first = sa.select(sa.func.min(traces.c.service).label("name"))
    each = first.cte("each", recursive=True)
    following = sa.select(sa.func.min(traces.c.service)).where(traces.c.service > each.c.name).scalar_subquery()
    each = each.union_all(sa.select(following).where(each.c.name.is_not(None)))
    own = sa.select(sa.func.sum(traces.c.cost)).where(traces.c.service == each.c.name, _within(since_ns, until_ns))
    dollars = own.correlate(each).scalar_subquery().label("dollars")
    return sa.select(each.c.name, dollars).where(each.c.name.is_not(None))


def _within(since_ns: int, until_ns: int) -> sa.ColumnElement[bool]:
    return (traces.c.time_ns >= since_ns) & (traces.c.time_ns < until_ns)


def _stored(day: int, services: Sequence[str]) -> sa.Select[Any]:
    own = sa.select(traces.c.service, sa.func.sum(traces.c.cost))
    of_day = _within(day * DAY_NS, (day + 1) * DAY_NS)
    return own.where(traces.c.service.in_(services), of_day).group_by(traces.c.service)


def _removed(day: int) -> sa.Select[Any]:
    return sa.select(spending.c.service, spending.c.removed).where(spending.c.day == day)


def leaving(gone: Gone, now_ns: int) -> list[tuple[int, str, float]]:
    """What traces that go cost this day, and the next by other clocks: (day, service, dollars), in this order.

    What began later than that, by the clock of its app, is in none: it would not expire.
    """
    today = now_ns // DAY_NS
    day = (traces.c.time_ns // DAY_NS).label("day")
    of_days = _within(today * DAY_NS, (today + 2) * DAY_NS)
    own = sa.select(day, traces.c.service, sa.func.sum(traces.c.cost).label("dollars"))
    own = own.where(IsGone(traces.c.id), of_days, traces.c.cost > 0).group_by("day", traces.c.service)
    found = gone.execute(own.order_by("day", traces.c.service))
    return [(row.day, row.service, row.dollars) for row in found]


def keep(connection: sa.Connection, left: Iterable[tuple[int, str, float]]) -> None:
    """Keep what traces cost that were just removed: what ``leaving`` gave before, in its order.

    This is the last thing that a transaction does: whoever waits for one of these rows holds none of a trace.
    """
    rows = [{"day": day, "service": service, "removed": dollars, "told": 0} for day, service, dollars in left]
    if rows:
        statement = insert_of(connection, spending)
        more = {"removed": spending.c.removed + statement.excluded.removed}
        connection.execute(statement.on_conflict_do_update(index_elements=["day", "service"], set_=more), rows)


def tell(connection: sa.Connection, day: int, service: str, percent: int) -> bool:
    """Whether nobody was told yet that a service used up so many percent of its day's budget: the caller is to."""
    statement = insert_of(connection, spending)
    made = statement.values(day=day, service=service, removed=0.0, told=percent).on_conflict_do_update(
        index_elements=["day", "service"], set_={"told": percent}, where=spending.c.told < percent
    )
    return connection.execute(made, execution_options={"preserve_rowcount": True}).rowcount == 1


def expire(connection: sa.Connection, now_ns: int) -> None:
    """Let go of the days that are over; of yesterday not yet, for clocks differ."""
    connection.execute(sa.delete(spending).where(spending.c.day < now_ns // DAY_NS - 1))
