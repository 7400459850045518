"""Feedback that came beside the telemetry: kept first, then brought to its trace, now or once the trace is saved.

The same sender saying the same of the same thing within a minute of having said it last is one piece of feedback (a
client that lost the answer and sends again), and so is the same with the same time of its own at any distance (a
message that is read again). A thumb that flips and flips back is three. Senders without a user id count as one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from checks.trace import Feedback, FeedbackTarget
from exporters import codec
from exporters.packed import Packed
from exporters.store import forgetting, keys
from exporters.store.errors import TraceForgotten
from exporters.store.locks import Lock, take
from exporters.store.rows import CHUNK, chunks
from exporters.store.tables import feedback as table
from exporters.store.tables import traces

REPEAT_NS = 60_000_000_000
MAX_WAITING = 10_000
"""Pieces that may wait for their trace; the oldest go first. Their age is bounded by retention."""
MAX_PER_TRACE = 200
"""Pieces kept for one trace; the oldest go first."""

_COLUMNS = {"trace": traces.c.trace_id, "session": traces.c.session_id}
"""What can be named by a trace's own columns; the rest is in ``keys``."""


def add(
    connection: sa.Connection, target: FeedbackTarget, feedback: Feedback, now_ns: int, max_waiting: int = MAX_WAITING
) -> tuple[tuple[str, ...], int]:
    """Keep feedback. Returns the id of the trace it is about, nothing while that trace is not stored.

    And how many older pieces went, so that no more are kept than there may be.

    Raises:
        TraceForgotten: it names a trace that was forgotten.
    """
    take(connection, Lock.PEOPLE)
    row = _row(target, feedback, now_ns)
    if row["kind"] == "trace" and forgetting.among(connection, [row["value"]]):
        raise TraceForgotten("this trace was forgotten; nothing about it is kept")
    repeated = _repeated(connection, row)
    if repeated is not None:
        return () if repeated.trace_id is None else (repeated.trace_id,), 0
    row["trace_id"] = _resolved(connection, row["kind"], row["value"])
    connection.execute(sa.insert(table), row)
    if row["trace_id"] is None:
        return (), _keep_newest(connection, table.c.trace_id.is_(None), max_waiting)
    return (row["trace_id"],), _keep_newest(connection, table.c.trace_id == row["trace_id"], MAX_PER_TRACE)


def attach(connection: sa.Connection, batch: Sequence[Packed]) -> tuple[str, ...]:
    """Bring feedback that waited to the traces just saved; a session's goes to the latest of them.

    Returns the traces whose verdicts do not know it yet.
    """
    if not batch or connection.execute(_WAITS).first() is None:
        return ()  # as mostly
    named = _latest_by_name(batch)
    owners: dict[int, Packed] = {}
    news = set()
    for row in _waiting_for({value for _, value in named}, connection):
        owner = named.get((row.kind, row.value))
        if owner is not None:
            owners[row.id] = owner
            if codec.feedback_from_json(row.body)[0] not in owner.said:
                news.add(owner.trace_id)
    if owners:
        statement = sa.update(table).where(table.c.id == sa.bindparam("number")).values(trace_id=sa.bindparam("owner"))
        # Sorted: replicas that find the same feedback do not wait for each other in a circle.
        connection.execute(statement, [{"number": n, "owner": owners[n].trace_id} for n in sorted(owners)])
    return tuple(sorted(news))


_WAITS = sa.select(table.c.id).where(table.c.trace_id.is_(None)).limit(1)


def of_traces(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, tuple[Feedback, ...]]:
    """The feedback of these traces, oldest first; for one that is not stored, what waits for it under its own id."""
    found: dict[str, list[Feedback]] = defaultdict(list)
    owner = sa.func.coalesce(table.c.trace_id, table.c.value)
    for chunk in chunks(trace_ids):
        waits = table.c.trace_id.is_(None) & (table.c.kind == "trace") & table.c.value.in_(chunk)
        for condition in (table.c.trace_id.in_(chunk), waits):
            for trace_id, body in connection.execute(
                sa.select(owner, table.c.body).where(condition).order_by(table.c.id)
            ):
                found[trace_id] += codec.feedback_from_json(body)
    return {trace_id: tuple(items) for trace_id, items in found.items()}


def waiting(connection: sa.Connection) -> int:
    """How many pieces wait for their trace."""
    return connection.execute(sa.select(sa.func.count()).where(table.c.trace_id.is_(None))).scalar_one()


def named(target: FeedbackTarget) -> tuple[str, str]:
    """What a target names, as columns hold it: kind and bounded value.

    Raises:
        ValueError: it names nothing.
    """
    for kind in ("trace", "span", "session", "response"):
        value = getattr(target, f"{kind}_id")
        if value is not None:
            return kind, codec.key(value.lower() if kind in ("trace", "span") else value)
    raise ValueError("feedback must name a trace, a span, a session or a response")


def _row(target: FeedbackTarget, feedback: Feedback, now_ns: int) -> dict[str, Any]:
    kind, value = named(target)
    return {
        "kind": kind,
        "value": value,
        "sender": codec.digest_of(kind, value, feedback.user_id),
        "digest": codec.digest_of(feedback.score, feedback.thumbs_up, feedback.comment, feedback.span_id),
        "time_ns": codec.clamped(feedback.time_ns),
        "received_ns": codec.clamped(now_ns),
        "body": codec.feedback_to_json([feedback]),
        "user_id": None if feedback.user_id is None else codec.key(feedback.user_id),
    }


def _repeated(connection: sa.Connection, row: Mapping[str, Any]) -> Any:
    """The row that already says this, or ``None``."""
    same_sender = sa.select(table).where(table.c.sender == row["sender"])
    last = connection.execute(same_sender.order_by(table.c.received_ns.desc(), table.c.id.desc()).limit(1)).first()
    if last is None:
        return None
    if last.digest == row["digest"] and abs(row["received_ns"] - last.received_ns) <= REPEAT_NS:
        return last
    if not row["time_ns"]:
        return None
    exact = same_sender.where(table.c.digest == row["digest"], table.c.time_ns == row["time_ns"])
    return connection.execute(exact.limit(1)).first()


def _resolved(connection: sa.Connection, kind: str, value: str) -> str | None:
    """The latest stored trace with this key."""
    if kind in _COLUMNS:
        return _latest(connection, _COLUMNS[kind] == value)
    numbers = keys.find(connection, kind, value)
    return _latest(connection, traces.c.id.in_(numbers[-CHUNK:])) if numbers else None


def _latest(connection: sa.Connection, same: sa.ColumnElement[bool]) -> str | None:
    query = sa.select(traces.c.trace_id).where(same).order_by(traces.c.time_ns.desc(), traces.c.id.desc())
    return connection.execute(query.limit(1)).scalar()


def _keep_newest(connection: sa.Connection, same: sa.ColumnElement[bool], limit: int) -> int:
    """Remove the oldest beyond ``limit``; returns how many."""
    ordered = sa.select(table.c.id).where(same).order_by(table.c.received_ns.desc(), table.c.id.desc())
    return connection.execute(sa.delete(table).where(table.c.id.in_(ordered.limit(limit).offset(limit)))).rowcount


def _waiting_for(values: Collection[str], connection: sa.Connection) -> Iterator[Any]:
    for chunk in chunks(sorted(values)):
        waits = table.c.trace_id.is_(None) & table.c.value.in_(chunk)
        yield from connection.execute(sa.select(table.c.id, table.c.kind, table.c.value, table.c.body).where(waits))


def _latest_by_name(batch: Sequence[Packed]) -> dict[tuple[str, str], Packed]:
    named: dict[tuple[str, str], Packed] = {}
    for packed in sorted(batch, key=lambda each: (each.start_ns, each.trace_id)):
        own = [("trace", packed.trace_id), *packed.keys]
        named.update(
            dict.fromkeys(own if packed.session_id is None else [*own, ("session", packed.session_id)], packed)
        )
    return named
