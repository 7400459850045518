"""What goes, and when: old traces, then the oldest while there are too many bytes; feedback that waited in vain.

Age counts from the last evaluation by the sidecar's clock, so an app whose clock is wrong loses nothing. Failing traces
that nobody reviewed are spared by age, and by size as long as others can go; but the limit in bytes holds even where
everything fails. Cases stay, but for those that nobody ever touched: they have as long as a failing trace that nobody
reviewed. They do not count for the limit in bytes, else many cases would leave no room for traces. Everything goes in
small transactions, so that saves get in between; of many replicas one removes at a time, so that not each of them
removes what is too much.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from exporters.store import cases as case_rows
from exporters.store import clusters as cluster_rows
from exporters.store import keys, outcome_sets, spending
from exporters.store.engine import Database
from exporters.store.gone import Gone, IsGone
from exporters.store.locks import Lock, take, take_if_free
from exporters.store.many import OneOf
from exporters.store.model import Lost, Removed, unheeded
from exporters.store.tables import feedback, forgotten, metadata, traces

BATCH = 2 * keys.RUN
"""Traces that go in one transaction, within some 0.3 s. Their ids lie all over an index, each page of which is written
once a transaction, and each goes through the whole of the runs of keys that it takes from: half of this costs a quarter
more a trace."""
MOST_CASES = 5_000
"""Cases that go in one call; far fewer are made in a day."""
MOST_S = 2.0
"""How long one call goes on: a process that is to end waits for it. Measured: 18 us a trace, so with the pauses some
50,000, of an SQLite file that nobody else writes to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``age_ns`` holds for traces, ``flagged_age_ns`` for failing ones that nobody reviewed, ``max_bytes`` for all."""

    age_ns: int
    max_bytes: int
    flagged_age_ns: int


def retain(
    database: Database,
    limits: Limits,
    now_ns: int,
    lost: Lost = unheeded,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> Removed:
    """Remove what is over the limits, for ``MOST_S`` seconds by ``monotonic``; what is left is for the next call.

    After each batch there is a ``pause`` as long as that took: what came meanwhile waits to be saved.

    Raises ``StoreError``; what was removed until then stays removed.

    ``lost`` is told of feedback that waited in vain, and of failing traces that nobody reviewed and for which there was
    no room.
    """
    removed = Removed(feedback=_expire_waiting(database, now_ns - limits.age_ns))
    if removed.feedback:
        lost("feedback", "waited_too_long", removed.feedback)
    limits = replace(limits, max_bytes=limits.max_bytes + _bytes_of_cases(database))
    until = monotonic() + MOST_S
    began = monotonic()
    while batch := _remove_batch(database, limits, now_ns):
        if batch.over_size and batch.flagged:
            lost("flagged", "store_full", batch.flagged)
        removed = replace(
            removed,
            aged=removed.aged + batch.aged,
            over_size=removed.over_size + batch.over_size,
            flagged=removed.flagged + batch.flagged,
        )
        ended = monotonic()
        pause(ended - began)
        if ended >= until:
            return replace(removed, is_unfinished=True)
        began = monotonic()
    _remove_unused_sets(database)
    removed = replace(removed, cases=_remove_unseen_cases(database, now_ns - limits.flagged_age_ns))
    _forget_clusters(database, now_ns - limits.flagged_age_ns)
    _expire_forgotten(database, now_ns - max(limits.age_ns, limits.flagged_age_ns))
    _expire_spending(database, now_ns)
    return removed


def used_bytes(connection: sa.Connection) -> int:
    """Bytes that the store takes on disk; on SQLite without pages that are free to be used again."""
    if connection.dialect.name == "postgresql":
        sizes = (sa.func.pg_total_relation_size(sa.cast(name, _REGCLASS)) for name in metadata.tables)
        return sum(int(connection.execute(sa.select(size)).scalar_one()) for size in sizes)
    return _pages(connection)


def remove_traces(connection: sa.Connection, trace_ids: Sequence[str], now_ns: int) -> None:
    """Delete traces with all that hangs on them, whether or not foreign keys would do so: table by table is faster.

    Their cases stay, and what they cost in a day that is not over stays counted. The last thing that a transaction does
    with traces: see ``spending.keep``.
    """
    gone = Gone(connection)
    gone.add(_NAMED, {"ids": trace_ids})
    _remove(gone, now_ns)


def _remove(gone: Gone, now_ns: int) -> None:
    costs = spending.leaving(gone, now_ns)
    keys.remove(gone)
    for statement in _REMOVE:
        gone.execute(statement)
    spending.keep(gone.connection, costs)


def _removals() -> Iterator[sa.Delete]:
    """The statements that remove all rows which refer to some traces, by numbers or ids, and last the traces."""
    for table in metadata.sorted_tables:
        for link in table.foreign_keys:
            if link.column.table is traces:
                yield sa.delete(table).where(IsGone(link.parent))
    yield sa.delete(traces).where(IsGone(traces.c.id))


_NAMED = sa.select(traces.c.id, traces.c.trace_id).where(OneOf(traces.c.trace_id, "ids")).with_for_update()
_REMOVE = tuple(_removals())


def _remove_batch(database: Database, limits: Limits, now_ns: int) -> Removed | None:
    """Remove the oldest traces of the first rule that is broken; ``None`` where none is."""
    with _turn(database.unlinked()) as connection:
        if connection is None:
            return None
        gone = Gone(connection)
        for flagged, age_ns in ((False, limits.age_ns), (True, max(limits.age_ns, limits.flagged_age_ns))):
            count = gone.add(_oldest(flagged, BATCH).where(traces.c.evaluated_ns < now_ns - age_ns))
            if count:
                _remove(gone, now_ns)
                return Removed(aged=count, flagged=count if flagged else 0)
        excess = _stored_bytes(connection) - limits.max_bytes
        if excess > 0:
            return _remove_bytes(gone, excess, now_ns)
    return None


def _remove_bytes(gone: Gone, excess: int, now_ns: int) -> Removed | None:
    """Free so many bytes, of failing traces what the others do not free.

    Both at once: where failing ones fill the store, a few others come in each pause between two batches. A batch for
    those alone costs as much as a whole one, and while they come it is never the failing ones' turn. Where the others
    free too little and are less than a batch, all of them go: no failing one goes before them.
    """
    passing, freed = _add_oldest(gone, flagged=False, limit=BATCH, worth=excess)
    failing = 0
    if passing < BATCH and freed < excess:
        failing, _ = _add_oldest(gone, flagged=True, limit=BATCH - passing, worth=excess - freed)
    if not passing + failing:
        return None  # only cases are left
    _remove(gone, now_ns)
    return Removed(over_size=passing + failing, flagged=failing)


def _add_oldest(gone: Gone, flagged: bool, limit: int, worth: int) -> tuple[int, int]:
    """Let as many of the oldest traces go as free so many bytes, at most ``limit``; their number and their bytes."""
    each = _oldest(flagged, limit).subquery()
    # As rows, they would be objects by the thousand, which leave the memory of a busy process in pieces.
    sizes = sa.select(sa.func.aggregate_strings(sa.cast(each.c.stored_bytes, sa.Text), ","))
    freed = list(accumulate(map(int, filter(None, (gone.connection.execute(sizes).scalar() or "").split(",")))))
    count = min(bisect_left(freed, worth) + 1, len(freed))
    return (gone.add(_oldest(flagged, count)), freed[count - 1]) if count else (0, 0)


def _oldest(flagged: bool, limit: int) -> sa.Select[Any]:
    """The traces that were judged first."""
    by_age = (traces.c.evaluated_ns, traces.c.id)
    return (
        sa.select(*by_age, traces.c.trace_id, traces.c.stored_bytes)
        .where(traces.c.flagged == sa.literal(flagged))
        .order_by(*by_age)
        .limit(limit)
        # Another replica removes, or is just judging again, what is locked.
        .with_for_update(skip_locked=True)
    )


def _stored_bytes(connection: sa.Connection) -> int:
    """What the limit in bytes is held against.

    PostgreSQL gives space back only when it vacuums, so there the sizes noted with the traces are added up.
    """
    if connection.dialect.name == "postgresql":
        return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(traces.c.stored_bytes), 0))).scalar_one())
    return _pages(connection)


def _pages(connection: sa.Connection) -> int:
    page_count, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (page_count - free) * size


def _expire_waiting(database: Database, before_ns: int) -> int:
    with _turn(database.write()) as connection:
        if connection is None:
            return 0
        waited = feedback.c.trace_id.is_(None) & (feedback.c.received_ns < before_ns)
        return connection.execute(sa.delete(feedback).where(waited)).rowcount


def _bytes_of_cases(database: Database) -> int:
    """What cases take of the bytes that traces are held against. On PostgreSQL those are the traces' alone."""
    if not database.is_sqlite:
        return 0
    with database.read() as connection:
        return case_rows.stored_bytes(connection)


def _remove_unused_sets(database: Database) -> None:
    with _turn(database.write()) as connection:
        if connection is not None:
            outcome_sets.remove_unused(connection)


def _remove_unseen_cases(database: Database, before_ns: int) -> int:
    with _turn(database.write()) as connection:
        if connection is None:
            return 0
        take(connection, Lock.CASES)
        return case_rows.remove_unseen(connection, before_ns, MOST_CASES)


def _forget_clusters(database: Database, before_ns: int) -> None:
    """Drop counters of failures that did not come again and of which no case is kept."""
    with _turn(database.write()) as connection:
        if connection is None:
            return
        take(connection, Lock.CASES)
        cluster_rows.remove_unseen(connection, before_ns)


def _expire_forgotten(database: Database, before_ns: int) -> None:
    """Let go of the hashes of forgotten traces that are older than anything that could still come."""
    with _turn(database.write()) as connection:
        if connection is not None:
            connection.execute(sa.delete(forgotten).where(forgotten.c.forgotten_ns < before_ns))


def _expire_spending(database: Database, now_ns: int) -> None:
    with _turn(database.write()) as connection:
        if connection is not None:
            spending.expire(connection, now_ns)


@contextmanager
def _turn(transaction: AbstractContextManager[sa.Connection]) -> Iterator[sa.Connection | None]:
    """The transaction, where this is the one replica that removes at this moment; ``None`` for the others."""
    with transaction as connection:
        yield connection if take_if_free(connection, Lock.RETENTION) else None


class _Regclass(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "regclass"


_REGCLASS = _Regclass()
