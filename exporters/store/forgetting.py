"""Forgetting on demand: a trace, or all traces of a user or a session, with everything that was made of them.

What is left is a hash of each trace's id, so that telemetry which comes again (a replay, a late span, a client that
sends twice) is known as unwanted; and one of the user's or session's id, for the traces that another replica has open
or that nobody has read yet. The hashes go when retention would have let go of the trace itself.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.packed import Packed
from exporters.store import clusters, keys, outcome_sets, retention, versions
from exporters.store.locks import Lock, take
from exporters.store.model import ForgetTarget, Forgotten
from exporters.store.rows import chunks, upsert
from exporters.store.tables import case_owners, cases, feedback, payloads, traces
from exporters.store.tables import forgotten as table


def forget(connection: sa.Connection, target: ForgetTarget, also: Collection[str], now_ns: int) -> Forgotten:
    """Remove all that is known of the target, and of the traces in ``also``, which are the target's too.

    No save is under way meanwhile, on no replica: what comes after this transaction finds the hashes.
    """
    take(connection, Lock.PEOPLE)
    take(connection, Lock.CASES)
    ids = {*_traces_of(connection, target), *also}
    found_cases = _cases_of(connection, target, sorted(ids))
    ids.update(row.trace_id for row in found_cases)
    gone = sorted(ids)
    said, reopen = _remove_feedback(connection, target, gone)
    case_ids = [row.id for row in found_cases]
    in_versions = versions.forget(connection, case_ids)
    _remove_cases(connection, case_ids)
    stored = _remove_traces(connection, gone, now_ns)
    digests = {_digest(target.kind, codec.key(target.value)), *(_digest("trace", trace_id) for trace_id in gone)}
    _remember(connection, dict.fromkeys(digests, now_ns))
    promoted = sum(row.status == CaseStatus.PROMOTED.value for row in found_cases)
    return Forgotten(tuple(gone), stored, said, len(found_cases), promoted, reopen, versions=in_versions)


def among(connection: sa.Connection, trace_ids: Iterable[str]) -> set[str]:
    """Those of ``trace_ids`` that are to be forgotten."""
    if not _is_any(connection):
        return set()
    by_digest = {_digest("trace", trace_id): trace_id for trace_id in trace_ids}
    return {by_digest[digest] for digest in _remembered(connection, by_digest)}


def unwanted(connection: sa.Connection, batch: Sequence[Packed]) -> set[str]:
    """The ids of the traces that are to be forgotten; of those not known yet, too.

    These are the traces of a forgotten user or session that were begun before the forgetting, by their own clock.
    """
    if not _is_any(connection):
        return set()
    owners: defaultdict[str, list[Packed]] = defaultdict(list)
    for packed in batch:
        for kind, value in packed.owners:
            owners[_digest(kind, value)].append(packed)
    own = among(connection, [packed.trace_id for packed in batch])
    late: dict[str, int] = {}
    for digest, forgotten_ns in _remembered(connection, owners).items():
        begun = (packed for packed in owners[digest] if packed.time_ns <= forgotten_ns)
        late.update((packed.trace_id, forgotten_ns) for packed in begun if packed.trace_id not in own)
    _remember(connection, {_digest("trace", trace_id): forgotten_ns for trace_id, forgotten_ns in late.items()})
    return own | late.keys()


def note_owners(connection: sa.Connection, owners: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Remember whose traces the cases were made of (kind and value), for the time when the traces are gone."""
    rows = []
    for chunk in chunks(sorted(trace_id for trace_id, own in owners.items() if own)):
        for row in connection.execute(sa.select(cases.c.id, cases.c.trace_id).where(cases.c.trace_id.in_(chunk))):
            rows += [{"kind": kind, "value": value, "case_id": row.id} for kind, value in owners[row.trace_id]]
    upsert(connection, case_owners, rows, update=())


def owners_of(connection: sa.Connection, trace_id: str) -> tuple[tuple[str, str], ...]:
    """Whose a stored trace is, as ``note_owners`` takes it; nobody's where it is not stored."""
    own = sa.select(traces.c.id, traces.c.session_id).where(traces.c.trace_id == trace_id)
    row = connection.execute(own).first()
    if row is None:
        return ()
    users = tuple(("user", user) for user in keys.users_of(connection, row.id))
    return (*users, ("session", row.session_id)) if row.session_id else users


def _is_any(connection: sa.Connection) -> bool:
    """Whether anything was ever forgotten: mostly not, and to hash every id would take longer than all the rest."""
    return connection.execute(_ANY).first() is not None


_ANY = sa.select(table.c.digest).limit(1)


def _digest(kind: str, value: str) -> str:
    """A trace id is random, so its hash tells nothing of it; a user's id can be guessed, and the guess confirmed."""
    return codec.digest_of("forgotten", value) if kind == "trace" else codec.digest_of("forgotten", kind, value)


def _remember(connection: sa.Connection, digests: Mapping[str, int]) -> None:
    """Keep hashes, each with the time of the forgetting."""
    rows = [{"digest": digest, "forgotten_ns": codec.clamped(digests[digest])} for digest in sorted(digests)]
    upsert(connection, table, rows)


def _remembered(connection: sa.Connection, digests: Collection[str]) -> dict[str, int]:
    """Those of ``digests`` that are kept, each with the time of the forgetting."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(digests)):
        kept = sa.select(table.c.digest, table.c.forgotten_ns).where(table.c.digest.in_(chunk))
        found.update((row.digest, row.forgotten_ns) for row in connection.execute(kept))
    return found


def _traces_of(connection: sa.Connection, target: ForgetTarget) -> set[str]:
    value = codec.key(target.value)
    if target.kind == "trace":
        return {value}  # also one that never came, or is gone already
    if target.kind == "session":
        return set(connection.execute(sa.select(traces.c.trace_id).where(traces.c.session_id == value)).scalars())
    found: set[str] = set()
    for chunk in chunks(keys.find(connection, "user", value)):
        found.update(connection.execute(sa.select(traces.c.trace_id).where(traces.c.id.in_(chunk))).scalars())
    return found


def _cases_of(
    connection: sa.Connection, target: ForgetTarget, trace_ids: Sequence[str]
) -> list[sa.Row[tuple[str, str, str]]]:
    """Rows of (case id, its trace's id, its status)."""
    found: dict[str, sa.Row[tuple[str, str, str]]] = {}
    owned = (case_owners.c.kind == target.kind) & (case_owners.c.value == codec.key(target.value))
    conditions = [cases.c.id.in_(sa.select(case_owners.c.case_id).where(owned))]
    conditions += [cases.c.trace_id.in_(chunk) for chunk in chunks(trace_ids)]
    for condition in conditions:
        rows = connection.execute(sa.select(cases.c.id, cases.c.trace_id, cases.c.status).where(condition))
        found.update({row.id: row for row in rows})
    return list(found.values())


def _remove_cases(connection: sa.Connection, case_ids: Sequence[str]) -> None:
    for chunk in chunks(case_ids):
        connection.execute(sa.delete(cases).where(cases.c.id.in_(chunk)))


def _remove_feedback(
    connection: sa.Connection, target: ForgetTarget, trace_ids: Sequence[str]
) -> tuple[int, tuple[str, ...]]:
    """Remove feedback on these traces and of this user. Returns how much, and the other traces that it was on."""
    conditions: list[sa.ColumnElement[bool]] = [
        feedback.c.trace_id.in_(chunk) | ((feedback.c.kind == "trace") & feedback.c.value.in_(chunk))
        for chunk in chunks(trace_ids)
    ]
    value = codec.key(target.value)
    if target.kind == "session":
        conditions.append((feedback.c.kind == "session") & (feedback.c.value == value))
    if target.kind == "user":
        conditions.append(feedback.c.user_id == value)
    judged: set[str] = set()
    number = 0
    for condition in conditions:
        judged.update(connection.execute(sa.select(feedback.c.trace_id).where(condition)).scalars().all())
        number += connection.execute(sa.delete(feedback).where(condition)).rowcount
    others = sorted({trace_id for trace_id in judged if trace_id is not None} - set(trace_ids))
    if target.kind == "user":
        _take_out(connection, others, value)
    return number, tuple(others)


def _take_out(connection: sa.Connection, trace_ids: Sequence[str], user_id: str) -> None:
    """Take what a user said out of the feedback that the verdicts on other people's traces knew."""
    for chunk in chunks(trace_ids):
        known = sa.select(payloads.c.trace, payloads.c.feedback).join(traces, traces.c.id == payloads.c.trace)
        for number, body in connection.execute(known.where(traces.c.trace_id.in_(chunk))).all():
            kept = [said for said in codec.feedback_from_json(body) if codec.key(said.user_id or "") != user_id]
            own = payloads.c.trace == number
            connection.execute(sa.update(payloads).where(own).values(feedback=codec.feedback_to_json(kept)))


def _remove_traces(connection: sa.Connection, trace_ids: Sequence[str], now_ns: int) -> int:
    """Remove traces, each from its cluster's count too. Returns how many were stored."""
    clustered: Counter[str] = Counter()
    stored = 0
    for chunk in chunks(trace_ids):
        found = connection.execute(sa.select(traces.c.fingerprint).where(traces.c.trace_id.in_(chunk))).scalars().all()
        stored += len(found)
        clustered.update(fingerprint for fingerprint in found if fingerprint is not None)
    retention.remove_traces(connection, trace_ids, now_ns)
    outcome_sets.remove_unused(connection)
    clusters.forget(connection, trace_ids, clustered)
    return stored
