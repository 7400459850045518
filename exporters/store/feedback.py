"""Feedback that came beside the telemetry: kept first, then brought to its trace, now or once the trace is saved.

The same sender saying the same of the same thing within a minute of having said it last is one piece of feedback (a
client that lost the answer and sends again), and so is the same with the same time of its own at any distance (a
message that is read again). A thumb that flips and flips back is three. Senders without a user id count as one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from checks.trace import Feedback, FeedbackTarget
from exporters.record import Record
from exporters.store import codec, forgetting
from exporters.store.engine import Lock, chunks, take
from exporters.store.errors import TraceForgotten
from exporters.store.tables import feedback as table
from exporters.store.tables import trace_keys, traces

REPEAT_NS = 60_000_000_000
MAX_WAITING = 10_000
"""Pieces that may wait for their trace; the oldest go first. Their age is bounded by retention."""
MAX_PER_TRACE = 200
"""Pieces kept for one trace; the oldest go first."""


def add(
    connection: sa.Connection, target: FeedbackTarget, feedback: Feedback, now_ns: int, max_waiting: int = MAX_WAITING
) -> tuple[str, ...]:
    """Keep feedback. Returns the id of the trace it is about, nothing while that trace is not stored.

    Raises:
        TraceForgotten: it names a trace that was forgotten.
    """
    take(connection, Lock.PEOPLE)
    row = _row(target, feedback, now_ns)
    if row["kind"] == "trace" and forgetting.among(connection, [row["value"]]):
        raise TraceForgotten("this trace was forgotten; nothing about it is kept")
    repeated = _repeated(connection, row)
    if repeated is not None:
        return () if repeated.trace_id is None else (repeated.trace_id,)
    row["trace_id"] = _resolved(connection, row["kind"], row["value"])
    connection.execute(sa.insert(table), row)
    if row["trace_id"] is None:
        _keep_newest(connection, table.c.trace_id.is_(None), max_waiting)
    else:
        _keep_newest(connection, table.c.trace_id == row["trace_id"], MAX_PER_TRACE)
    return () if row["trace_id"] is None else (row["trace_id"],)


def attach(connection: sa.Connection, records: Mapping[str, Record]) -> tuple[str, ...]:
    """Bring feedback that waited to the traces just saved; a session's goes to the latest of them.

    Returns the traces whose verdicts do not know it yet.
    """
    found: dict[int, tuple[int, str, Feedback]] = {}
    for chunk in chunks(list(records)):
        for row in connection.execute(_waiting_for(chunk)):
            number, trace_id, body = row.id, row.trace_id, row.body
            said = codec.feedback_from_json(body)[0]
            found[number] = max(
                found.get(number, (-1, "", said)), (records[trace_id].start_ns, trace_id, said), key=_order
            )
    if found:
        statement = sa.update(table).where(table.c.id == sa.bindparam("number")).values(trace_id=sa.bindparam("owner"))
        # Sorted: replicas that find the same feedback do not wait for each other in a circle.
        connection.execute(statement, [{"number": n, "owner": found[n][1]} for n in sorted(found)])
    news = {trace_id for _, trace_id, said in found.values() if said not in records[trace_id].feedback}
    return tuple(sorted(news))


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
    """What a target names, as ``trace_keys`` holds it: kind and bounded value.

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
    query = (
        sa.select(traces.c.trace_id)
        .join(trace_keys, trace_keys.c.trace_id == traces.c.trace_id)
        .where(trace_keys.c.kind == kind, trace_keys.c.value == value)
        .order_by(traces.c.time_ns.desc(), traces.c.trace_id.desc())
    )
    return connection.execute(query.limit(1)).scalar()


def _keep_newest(connection: sa.Connection, same: sa.ColumnElement[bool], limit: int) -> None:
    ordered = sa.select(table.c.id).where(same).order_by(table.c.received_ns.desc(), table.c.id.desc())
    connection.execute(sa.delete(table).where(table.c.id.in_(ordered.limit(limit).offset(limit))))


def _waiting_for(trace_ids: Iterable[str]) -> sa.Select[Any]:
    same_key = (trace_keys.c.kind == table.c.kind) & (trace_keys.c.value == table.c.value)
    return (
        sa.select(table.c.id, trace_keys.c.trace_id, table.c.body)
        .join(trace_keys, same_key)
        .where(table.c.trace_id.is_(None), trace_keys.c.trace_id.in_(trace_ids))
    )


def _order(candidate: tuple[int, str, Feedback]) -> tuple[int, str]:
    return candidate[:2]
