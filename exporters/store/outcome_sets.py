"""Which checks ended how on a trace. Most traces share a few combinations, the sets: a trace's row names one by number.

So nothing is written for the outcomes of a trace but that number, and the index over it, which is ordered by time for
each set, serves lists and charts of all checks. Whatever is asked of one check is asked of the sets that it is in.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from checks.report import Outcome
from exporters import codec
from exporters.packed import Packed
from exporters.store.locks import Lock, take
from exporters.store.many import OneOf
from exporters.store.rows import put
from exporters.store.tables import outcome_set_checks as checks
from exporters.store.tables import outcome_sets as table
from exporters.store.tables import traces

Outcomes = tuple[tuple[str, str], ...]
"""Pairs of check and outcome, by check: ``Packed.outcomes``."""


def numbers(connection: sa.Connection, batch: Iterable[Packed]) -> dict[Outcomes, int]:
    """The numbers of the sets that these traces have. Those that are missing are made.

    The caller holds ``Lock.PEOPLE``, at least shared: so none of them is removed before the traces are there.
    """
    by_digest = {_digest(outcomes): outcomes for outcomes in {packed.outcomes for packed in batch} if outcomes}
    found = _known(connection, by_digest)
    # Sorted: replicas that make the same sets do not wait for each other in a circle.
    missing = sorted(by_digest.keys() - found.keys())
    if missing:
        put(connection, table, ("digest",), [(digest,) for digest in missing], unique=("digest",))
        found |= _known(connection, missing)
        rows = [(found[digest], check, outcome) for digest in missing for check, outcome in by_digest[digest]]
        put(connection, checks, ("outcome_set", "check_name", "outcome"), rows)
    return {(): 0} | {outcomes: found[digest] for digest, outcomes in by_digest.items()}


def having(check: str | None, outcome: Outcome | None) -> sa.Select[Any]:
    """The numbers of the sets with this check, with this outcome; ``None`` is any."""
    own = sa.select(checks.c.outcome_set)
    if check is not None:
        own = own.where(checks.c.check_name == codec.key(check))
    if outcome is not None:
        own = own.where(checks.c.outcome == outcome.value)
    return own


def first_of(connection: sa.Connection, keys: sa.Select[Any], sets: sa.Select[Any], most: int | None) -> sa.Select[Any]:
    """The sort keys (time and number, in order) whose traces are of these sets; the first ``most``, ``None`` is all.

    SQLite reads no more of a set than may be among the first, and PostgreSQL where it is told so.
    """
    if most is None or connection.dialect.name != "postgresql":
        return keys.where(traces.c.outcome_set.in_(sets))
    each = sets.subquery()
    first = keys.where(traces.c.outcome_set == each.c.outcome_set).limit(most).lateral()
    time, number = first.c
    return sa.select(time, number).join_from(each, first, sa.true()).order_by(time.desc(), number.desc())


def remove_unused(connection: sa.Connection) -> None:
    """Remove the sets that no trace has any more."""
    if connection.execute(sa.select(table.c.id).where(_UNUSED).limit(1)).first() is not None:
        take(connection, Lock.PEOPLE)  # no save is under way that has found one of them
        connection.execute(sa.delete(table).where(_UNUSED))


_UNUSED = ~sa.exists().where(traces.c.outcome_set == table.c.id)
_KNOWN = sa.select(table.c.digest, table.c.id).where(OneOf(table.c.digest, "digests"))


def _known(connection: sa.Connection, digests: Collection[str]) -> dict[str, int]:
    return {row.digest: row.id for row in connection.execute(_KNOWN, {"digests": digests})}


@lru_cache(maxsize=1024)
def _digest(outcomes: Outcomes) -> str:
    return codec.digest_of(*outcomes)
