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
from exporters.store.engine import Lock, put, take
from exporters.store.many import OneOf
from exporters.store.tables import outcome_set_checks as checks
from exporters.store.tables import outcome_sets as table
from exporters.store.tables import traces

MOST_MERGED = 100
"""Sets whose traces are read one beside the other in the order of time; SQLite takes at most 500 in one statement."""

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


def merged(
    connection: sa.Connection, keys: sa.Select[Any], sets: sa.Select[Any]
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Those of the sort keys whose traces are of these sets, for whoever wants the first of them in order of time.

    Databases then read each set in that order and merge, and stop early. Of very many sets they sort what there is.
    """
    found = connection.execute(sets.distinct().limit(MOST_MERGED + 1)).scalars().all()
    if not found or len(found) > MOST_MERGED:
        return keys.where(traces.c.outcome_set.in_(sets))
    return sa.union_all(*(keys.where(traces.c.outcome_set == number) for number in found))


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
