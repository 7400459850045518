"""One save: a batch of evaluated traces in one transaction. Owns the order of its parts, which is free of deadlocks."""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from exporters.dataset.case import CaseStatus
from exporters.record import Record
from exporters.store import candidates, cases, feedback, forgetting, overtaken, reopenings, traces
from exporters.store.candidates import Outcomes
from exporters.store.engine import Lock, take, upsert
from exporters.store.model import CaseLimits, SaveResult
from exporters.store.tables import traces as table


def save(
    connection: sa.Connection,
    records: Sequence[Record],
    status: CaseStatus,
    limits: CaseLimits,
    now_ns: int,
    hold_ns: int = 0,
) -> SaveResult:
    """Write ``records``; of one trace the last counts. Writing the same again changes nothing.

    What is to be judged again is left to the caller for ``hold_ns``.
    """
    take(connection, Lock.PEOPLE, shared=True)
    forgotten = forgetting.unwanted(connection, records)
    latest = {record.trace_id: record for record in records if record.trace_id not in forgotten}
    # Sorted by id: replicas that save the same traces lock their rows in the same order.
    batch = [latest[trace_id] for trace_id in sorted(latest)]
    result = _write(connection, batch, status, limits, now_ns)
    reopenings.put(connection, result.reopen, now_ns + hold_ns)
    return replace(result, forgotten=tuple(sorted(forgotten)))


def _write(
    connection: sa.Connection, batch: Sequence[Record], status: CaseStatus, limits: CaseLimits, now_ns: int
) -> SaveResult:
    rows = [traces.row_of(record) for record in batch]
    prior = traces.lock(connection, rows)
    late = overtaken.among(connection, batch, prior)
    batch = [record for record in batch if record.trace_id not in late]
    rows = [row for row in rows if row["trace_id"] not in late]
    sizes = traces.write_payloads(connection, batch)
    revisions = traces.write_verdicts(connection, batch, prior, now_ns)
    reopen = feedback.attach(connection, {record.trace_id: record for record in batch})
    reopenings.settle(connection, {r.trace_id: r for r in batch if r.replaces_ns is not None})
    outcomes = Outcomes()
    if any(record.case is not None or prior[record.trace_id].verdicts for record in batch):
        take(connection, Lock.CASES)
        outcomes = candidates.settle(connection, batch, prior, status, limits, now_ns)
        candidates.count_clusters(connection, batch, prior, now_ns)
        forgetting.note_owners(connection, list(outcomes.statuses))
    for row, record in zip(rows, batch, strict=True):
        row["revision"], row["stored_bytes"] = revisions[record.trace_id], sizes[record.trace_id]
        row["fingerprint"] = candidates.fingerprint_of(record)
        row["flagged"] = record.is_failing and outcomes.statuses.get(record.trace_id) not in cases.REVIEWED
    upsert(connection, table, rows)
    return SaveResult(outcomes.created, outcomes.suppressed, outcomes.withdrawn, reopen, overtaken=tuple(sorted(late)))
