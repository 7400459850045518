"""One save: a batch of evaluated traces in one transaction. Owns the order of its parts, which is free of deadlocks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from exporters.dataset.case import CaseStatus
from exporters.packed import Packed
from exporters.store import candidates, cases, clusters, feedback, forgetting, overtaken, reopenings, traces
from exporters.store.candidates import Outcomes
from exporters.store.locks import Lock, take
from exporters.store.model import CaseLimits, Opened, SaveResult
from exporters.store.traces import Prior


def save(
    connection: sa.Connection,
    packed: Sequence[Packed],
    status: CaseStatus,
    limits: CaseLimits,
    now_ns: int,
    hold_ns: int = 0,
) -> SaveResult:
    """Write evaluated traces; of one trace the last counts. Writing the same again changes nothing.

    What is to be judged again is left to the caller for ``hold_ns``.
    """
    take(connection, Lock.PEOPLE, shared=True)
    forgotten = forgetting.unwanted(connection, packed)
    latest = {each.trace_id: each for each in packed if each.trace_id not in forgotten}
    # Sorted by id: replicas that save the same traces lock their rows in the same order.
    batch = [latest[trace_id] for trace_id in sorted(latest)]
    result = _write(connection, batch, status, limits, now_ns)
    reopenings.put(connection, result.reopen, now_ns + hold_ns)
    return replace(result, forgotten=tuple(sorted(forgotten)))


def _write(
    connection: sa.Connection, batch: Sequence[Packed], status: CaseStatus, limits: CaseLimits, now_ns: int
) -> SaveResult:
    prior = traces.insert(connection, batch)
    late = overtaken.among(connection, batch, prior)
    batch = [each for each in batch if each.trace_id not in late]
    changed = traces.write(connection, batch, prior, now_ns)
    reopen = feedback.attach(connection, batch)
    reopenings.settle(connection, {each.trace_id: each for each in batch if each.replaces_ns is not None})
    outcomes, opened, joined = Outcomes(), tuple[Opened, ...](), Counter[str]()
    if any(each.fingerprint is not None or prior[each.trace_id].verdicts for each in batch):
        take(connection, Lock.CASES)
        unplaced = batch
        batch, opened = clusters.join(connection, batch, prior, now_ns)
        joined = _joined(batch, prior)
        traces.note_clusters(connection, _moved(unplaced, batch, prior))
        outcomes = candidates.settle(connection, batch, prior, status, limits, now_ns)
        clusters.count(connection, batch, prior, now_ns)
        forgetting.note_owners(connection, {e.trace_id: e.owners for e in batch if e.trace_id in outcomes.statuses})
    _bring_up_to_date(connection, batch, prior, changed, outcomes)
    made = outcomes.created, outcomes.suppressed, outcomes.withdrawn
    reopen = tuple(sorted({*reopen, *outcomes.undrafted}))
    late_ids = tuple(sorted(late))
    return SaveResult(*made, reopen, overtaken=late_ids, opened=opened, joined=joined, places=outcomes.places)


def _joined(batch: Sequence[Packed], prior: Mapping[str, Prior]) -> Counter[str]:
    """How many traces are in each cluster that were not before."""
    new = [(each.fingerprint, prior[each.trace_id].fingerprint) for each in batch]
    return Counter(fingerprint for fingerprint, before in new if fingerprint is not None and fingerprint != before)


def _moved(before: Sequence[Packed], after: Sequence[Packed], prior: Mapping[str, Prior]) -> dict[int, str]:
    """The clusters of traces whose rows, just made, name another one; by the rows' numbers."""
    pairs = zip(before, after, strict=True)
    new = [one for old, one in pairs if one.fingerprint != old.fingerprint and prior[one.trace_id].is_new]
    return {prior[one.trace_id].number: one.fingerprint for one in new if one.fingerprint is not None}


def _bring_up_to_date(
    connection: sa.Connection,
    batch: Sequence[Packed],
    prior: Mapping[str, Prior],
    changed: frozenset[str],
    outcomes: Outcomes,
) -> None:
    """Rows that were there before get their new columns; those just made are right, unless a case is reviewed."""
    reviewed = {each.trace_id for each in batch if outcomes.statuses.get(each.trace_id) in cases.REVIEWED}
    before = [each for each in batch if not prior[each.trace_id].is_new]
    traces.update(
        connection,
        [(e, prior[e.trace_id], e.trace_id in changed, e.is_failing and e.trace_id not in reviewed) for e in before],
    )
    new = [prior[trace_id].number for trace_id in reviewed if prior[trace_id].is_new]
    traces.unflag(connection, sorted(new))
