"""Traces to judge again: the store knows something of them that their verdicts do not. Kept until the verdicts know it.

A row is made in the transaction that brings the news (feedback, or that some was forgotten), and goes in the one that
saves verdicts which know them. Until then it is due from time to time, for whichever replica asks first: so feedback is
heeded though the process that took it judges nothing, or died over it. One row a trace; it goes with its trace.
"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from checks.trace import Feedback
from exporters import codec
from exporters.packed import BESIDE, Packed
from exporters.store import feedback
from exporters.store.model import Claimed
from exporters.store.rows import chunks, upsert
from exporters.store.tables import reopenings as table

HOLD_NS = 60_000_000_000
"""How long a trace is left to the replica that took the news of it, before another one may have it."""
MOST_TRIES = 10
"""Replicas that may take a trace and not bring its verdicts, before it is given up."""


def put(connection: sa.Connection, trace_ids: Collection[str], due_ns: int) -> None:
    """Note stored traces as to be judged again; they may be claimed from ``due_ns`` on."""
    rows = [{"trace_id": one, "due_ns": codec.clamped(due_ns), "tries": 0} for one in sorted(trace_ids)]
    upsert(connection, table, rows)


def settle(connection: sa.Connection, judged_again: Mapping[str, Packed]) -> None:
    """Take out the traces whose new verdicts know all the feedback on them, and none that is gone."""
    noted = [
        trace_id
        for chunk in chunks(sorted(judged_again))
        for trace_id in connection.execute(sa.select(table.c.trace_id).where(table.c.trace_id.in_(chunk))).scalars()
    ]
    said = feedback.of_traces(connection, noted) if noted else {}
    done = [one for one in noted if _knows(judged_again[one].said, said.get(one, ()))]
    for chunk in chunks(done):
        connection.execute(sa.delete(table).where(table.c.trace_id.in_(chunk)))


def is_any_due(connection: sa.Connection, now_ns: int) -> bool:
    """Whether there is anything to claim."""
    return connection.execute(sa.select(table.c.trace_id).where(table.c.due_ns <= now_ns).limit(1)).first() is not None


def claim(connection: sa.Connection, now_ns: int, hold_ns: int, most: int) -> Claimed:
    """Take the traces that are due, those that waited longest first; nobody else gets them for ``hold_ns``."""
    due = (
        sa.select(table.c.trace_id, table.c.tries)
        .where(table.c.due_ns <= now_ns)
        .order_by(table.c.due_ns, table.c.trace_id)
        .limit(most)
        # Another replica is just claiming what is locked.
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(due).all()
    taken = tuple(row.trace_id for row in rows if row.tries < MOST_TRIES)
    vain = tuple(row.trace_id for row in rows if row.tries >= MOST_TRIES)
    held = {"due_ns": codec.clamped(now_ns + hold_ns), "tries": table.c.tries + 1}
    for chunk in chunks(taken):
        connection.execute(sa.update(table).where(table.c.trace_id.in_(chunk)).values(**held))
    for chunk in chunks(vain):
        connection.execute(sa.delete(table).where(table.c.trace_id.in_(chunk)))
    return Claimed(taken, vain)


def _knows(known: Sequence[Feedback], said: Sequence[Feedback]) -> bool:
    beside = {one for one in known if one.source in BESIDE}
    return beside <= set(said) <= set(known)
