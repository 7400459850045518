"""Writing evaluated traces: one row each, its payload, its verdicts (earlier ones go to the history), its keys."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from checks.report import Verdict
from exporters.record import Record
from exporters.store import codec
from exporters.store.engine import chunks, upsert
from exporters.store.tables import finding_codes, payloads, trace_keys, traces, verdict_history, verdicts

PREVIEW = 200
"""Characters of input and output that a list shows."""
HISTORY = 50
"""Earlier sets of verdicts kept for a trace; a flood of feedback must not grow it without bound."""
BESIDE = frozenset({"api", "kafka"})
"""Sources of feedback that is not part of the telemetry."""
ROW_BYTES = 1_000
KEY_BYTES = 150
"""What rows and their index entries take beside the payload, roughly."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What stood in a trace's row before this save; all of it empty for a new trace."""

    revision: int
    evaluated_ns: int
    fingerprint: str | None
    verdicts: tuple[Verdict, ...] = ()


def row_of(record: Record) -> dict[str, Any]:
    """The trace's row; ``fingerprint``, ``revision``, ``flagged`` and ``stored_bytes`` as of a new one."""
    return {
        "trace_id": record.trace_id,
        "time_ns": codec.clamped(record.start_ns or record.evaluated_ns),
        "service": codec.key(record.service),
        "convention": codec.key(record.convention),
        "closed_by": record.closed_by.value,
        "start_ns": codec.clamped(record.start_ns),
        "end_ns": codec.clamped(record.end_ns),
        "duration_ns": codec.clamped(record.duration_ns),
        "span_count": record.span_count,
        "truncated": record.truncated,
        "session_id": _key(record.session_id),
        "user_id": _key(record.user_id),
        "model": _key(record.view.get("model")),
        "input": _preview(record.view.get("input")),
        "output": _preview(record.view.get("output")),
        "failing": record.is_failing,
        "flagged": record.is_failing,
        "fingerprint": None,
        "revision": 0,
        "evaluated_ns": codec.clamped(record.evaluated_ns),
        "stored_bytes": 0,
    }


def lock(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> dict[str, Prior]:
    """Make the rows that are missing, hold all of them until the transaction ends, and tell what stood there.

    Inserting first is what makes two replicas that save one trace at once wait for each other. ``rows`` come sorted by
    id, so that they do not wait in a circle.
    """
    upsert(connection, traces, rows, update=())
    ids = [row["trace_id"] for row in rows]
    columns = (traces.c.trace_id, traces.c.revision, traces.c.evaluated_ns, traces.c.fingerprint)
    held: list[Any] = []
    for chunk in chunks(ids):
        query = sa.select(*columns).where(traces.c.trace_id.in_(chunk)).order_by(traces.c.trace_id).with_for_update()
        held += connection.execute(query)
    # Read only now: another replica may have replaced them while this one waited for the rows.
    earlier = verdicts_of(connection, ids)
    return {
        row.trace_id: Prior(row.revision, row.evaluated_ns, row.fingerprint, earlier.get(row.trace_id, ()))
        for row in held
    }


def verdicts_of(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, tuple[Verdict, ...]]:
    """The verdicts of these traces, each set in the order in which it was given."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for chunk in chunks(trace_ids):
        query = (
            sa.select(verdicts.c.trace_id, verdicts.c.body)
            .where(verdicts.c.trace_id.in_(chunk))
            .order_by(verdicts.c.trace_id, verdicts.c.position)
        )
        for trace_id, body in connection.execute(query):
            found[trace_id].append(codec.verdict_from_json(body))
    return {trace_id: tuple(items) for trace_id, items in found.items()}


def write_payloads(connection: sa.Connection, records: Iterable[Record]) -> dict[str, int]:
    """Keep the telemetry, the view and the keys. Returns about how many bytes each trace takes."""
    rows, keys, sizes = [], [], {}
    for record in records:
        row = _payload(record)
        own = [{"kind": kind, "value": value, "trace_id": record.trace_id} for kind, value in keys_of(record)]
        rows.append(row)
        keys += own
        blobs = sum(len(row[name]) for name in ("spans", "logs", "view"))
        sizes[record.trace_id] = ROW_BYTES + blobs + KEY_BYTES * (len(own) + 2 * len(record.verdicts))
    upsert(connection, payloads, rows)
    upsert(connection, trace_keys, keys, update=())
    return sizes


def write_verdicts(
    connection: sa.Connection, records: Sequence[Record], prior: Mapping[str, Prior], now_ns: int
) -> dict[str, int]:
    """Put each record's verdicts in the place of the earlier ones. Returns the new revision of each trace."""
    judged_again = [record.trace_id for record in records if prior[record.trace_id].verdicts]
    for table in (verdicts, finding_codes):
        for chunk in chunks(judged_again):
            connection.execute(sa.delete(table).where(table.c.trace_id.in_(chunk)))
    upsert(connection, verdicts, [row for record in records for row in _verdict_rows(record)])
    upsert(connection, finding_codes, [row for record in records for row in _code_rows(record)], update=())
    changed = [r for r in records if _differ(prior[r.trace_id].verdicts, r.verdicts)]
    _remember(connection, [(record.trace_id, prior[record.trace_id]) for record in changed], now_ns)
    moved = {record.trace_id for record in changed}
    return {record.trace_id: prior[record.trace_id].revision + (record.trace_id in moved) for record in records}


def _remember(connection: sa.Connection, replaced: Sequence[tuple[str, Prior]], now_ns: int) -> None:
    rows = [
        {
            "trace_id": trace_id,
            "revision": prior.revision,
            "evaluated_ns": prior.evaluated_ns,
            "replaced_ns": codec.clamped(now_ns),
            "verdicts": codec.verdicts_to_json(prior.verdicts),
        }
        for trace_id, prior in replaced
    ]
    upsert(connection, verdict_history, rows)
    old = [(trace_id, prior.revision - HISTORY) for trace_id, prior in replaced if prior.revision >= HISTORY]
    for trace_id, revision in old:
        gone = (verdict_history.c.trace_id == trace_id) & (verdict_history.c.revision <= revision)
        connection.execute(sa.delete(verdict_history).where(gone))


def _differ(old: Sequence[Verdict], new: Sequence[Verdict]) -> bool:
    """Whether judging again came to another result; how long it took is no result."""
    timeless = [{v.check: replace(v, duration_ns=0) for v in each} for each in (old, new)]
    return bool(old) and timeless[0] != timeless[1]


def _verdict_rows(record: Record) -> list[dict[str, Any]]:
    time_ns = codec.clamped(record.start_ns or record.evaluated_ns)
    by_check = {codec.key(verdict.check): verdict for verdict in record.verdicts}
    return [
        {
            "trace_id": record.trace_id,
            "check_name": check,
            "position": position,
            "outcome": verdict.outcome.value,
            "time_ns": time_ns,
            "body": codec.verdict_to_json(verdict),
        }
        for position, (check, verdict) in enumerate(by_check.items())
    ]


def _code_rows(record: Record) -> list[dict[str, Any]]:
    time_ns = codec.clamped(record.start_ns or record.evaluated_ns)
    found = {(codec.key(v.check), codec.key(f.code)) for v in record.verdicts for f in v.findings}
    return [
        {"trace_id": record.trace_id, "check_name": check, "code": code, "time_ns": time_ns}
        for check, code in sorted(found)
    ]


def _payload(record: Record) -> dict[str, Any]:
    return {
        "trace_id": record.trace_id,
        "spans": record.spans,
        "logs": record.logs,
        "view": codec.packed(record.view),
        "feedback": codec.feedback_to_json(record.feedback),
    }


def keys_of(record: Record) -> list[tuple[str, str]]:
    """The ids by which a trace is found, kind and bounded value, sorted."""
    named = {("trace", record.trace_id), *((kind, codec.key(value)) for kind, value in record.keys)}
    if record.session_id:
        named.add(("session", codec.key(record.session_id)))
    # What a user said within the telemetry can only be forgotten together with the trace: so it is that user's too.
    users = {record.user_id, *(said.user_id for said in record.feedback if said.source not in BESIDE)}
    named.update(("user", codec.key(user)) for user in users if user)
    return sorted(named)


def _key(value: object) -> str | None:
    return None if value is None else codec.key(str(value))


def _preview(value: object) -> str | None:
    return codec.clean(value[:PREVIEW]) if isinstance(value, str) else None
