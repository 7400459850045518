"""Reading cases: the list by keyset pages, all of them in a stream, one with its history."""

from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.store import cursor
from exporters.store.model import CaseChange, StoredCase
from exporters.store.query import CaseQuery, Page
from exporters.store.tables import case_checks, case_history, case_tags, cases, clusters


def page(connection: sa.Connection, query: CaseQuery, *, oldest_first: bool = False) -> Page[StoredCase]:
    """One page of cases, newest first unless told otherwise. Raises ``BadCursor``."""
    limit = cursor.page_size(query.limit)
    conditions = (
        *conditions_of(query),
        *cursor.beyond(query.cursor, cases.c.created_ns, cases.c.id, ascending=oldest_first),
    )
    order = (cases.c.created_ns, cases.c.id)
    ordered = _selected().where(*conditions).order_by(*(order if oldest_first else (part.desc() for part in order)))
    rows = connection.execute(ordered.limit(limit + 1)).all()
    more = cursor.encode(rows[limit - 1].created_ns, rows[limit - 1].id) if len(rows) > limit else None
    return Page(tuple(_stored(row) for row in rows[:limit]), more)


def one(connection: sa.Connection, case_id: str) -> StoredCase | None:
    """A case with its history."""
    row = connection.execute(_selected().where(cases.c.id == codec.key(case_id))).first()
    return None if row is None else _stored(row, _history(connection, row.id))


def of_trace(connection: sa.Connection, trace_id: str) -> StoredCase | None:
    """The case that was made of a trace, with its history."""
    own = sa.select(cases.c.id).where(cases.c.trace_id == codec.key(trace_id)).order_by(cases.c.created_ns, cases.c.id)
    case_id = connection.execute(own.limit(1)).scalar()
    return None if case_id is None else one(connection, case_id)


def count(connection: sa.Connection) -> dict[CaseStatus, int]:
    """The number of cases in every status."""
    found = connection.execute(sa.select(cases.c.status, sa.func.count()).group_by(cases.c.status))
    counted = {CaseStatus(status): number for status, number in found}
    return {status: counted.get(status, 0) for status in CaseStatus}


def conditions_of(query: CaseQuery) -> list[sa.ColumnElement[bool]]:
    """What holds for the cases of a query."""
    conditions: list[sa.ColumnElement[bool]] = []
    if query.statuses:
        conditions.append(cases.c.status.in_([status.value for status in query.statuses]))
    if query.kinds:
        conditions.append(cases.c.kind.in_([kind.value for kind in query.kinds]))
    if query.since_ns is not None:
        conditions.append(cases.c.created_ns >= codec.clamped(query.since_ns))
    if query.until_ns is not None:
        conditions.append(cases.c.created_ns < codec.clamped(query.until_ns))
    if query.service is not None:
        conditions.append(cases.c.service == codec.key(query.service))
    if query.fingerprint is not None:
        conditions.append(cases.c.fingerprint == codec.key(query.fingerprint))
    if query.check is not None:
        failed = sa.select(case_checks.c.case_id).where(case_checks.c.check_name == codec.key(query.check))
        conditions.append(cases.c.id.in_(failed))
    if query.split is not None:
        conditions.append(cases.c.split == codec.key(query.split))
    tagged = (sa.select(case_tags.c.case_id).where(case_tags.c.tag == codec.key(tag)) for tag in query.tags)
    conditions.extend(cases.c.id.in_(one) for one in tagged)
    return conditions


def _selected() -> sa.Select[Any]:
    same = clusters.c.fingerprint == cases.c.fingerprint
    return sa.select(cases, sa.func.coalesce(clusters.c.traces, 0).label("cluster_size")).outerjoin(clusters, same)


def _stored(row: Any, history: tuple[CaseChange, ...] = ()) -> StoredCase:
    return StoredCase(
        case=codec.case_from_json(row.body),
        status=CaseStatus(row.status),
        revision=row.revision,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
        cluster_size=row.cluster_size,
        history=history,
    )


def _history(connection: sa.Connection, case_id: str) -> tuple[CaseChange, ...]:
    own = sa.select(case_history).where(case_history.c.case_id == case_id)
    return tuple(
        CaseChange(
            revision=row.revision,
            time_ns=row.time_ns,
            who=row.who,
            why=row.why,
            action=row.action,
            old_status=CaseStatus(row.old_status),
            old_case=codec.case_from_json(row.old_body),
        )
        for row in connection.execute(own.order_by(case_history.c.revision.desc()))
    )
