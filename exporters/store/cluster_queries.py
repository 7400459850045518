"""Reading clusters by keyset pages: the largest or the newest first, each with its cases and an example."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.store import cursor
from exporters.store.model import Cluster
from exporters.store.query import ClusterOrder, ClusterQuery, Page
from exporters.store.tables import cases, clusters


def page(connection: sa.Connection, query: ClusterQuery) -> Page[Cluster]:
    """One page of clusters. Raises ``BadCursor``."""
    limit = cursor.page_size(query.limit)
    first = clusters.c.first_ns if query.order is ClusterOrder.NEWEST else clusters.c.traces
    conditions = (*_conditions(query), *cursor.beyond(query.cursor, first, clusters.c.fingerprint))
    ordered = sa.select(clusters).where(*conditions).order_by(first.desc(), clusters.c.fingerprint.desc())
    rows = connection.execute(ordered.limit(limit + 1)).all()
    shown = rows[:limit]
    more = cursor.encode(getattr(shown[-1], first.name), shown[-1].fingerprint) if len(rows) > limit else None
    made = _cases(connection, [row.fingerprint for row in shown])
    return Page(tuple(_cluster(row, made.get(row.fingerprint, [])) for row in shown), more)


def _conditions(query: ClusterQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [clusters.c.failing == sa.true(), clusters.c.traces > 0]
    if query.since_ns is not None:
        conditions.append(clusters.c.last_ns >= codec.clamped(query.since_ns))
    if query.service is not None:
        conditions.append(clusters.c.service == codec.key(query.service))
    return conditions


def _cases(connection: sa.Connection, fingerprints: Sequence[str]) -> dict[str, list[str]]:
    """The ids of each cluster's cases, the first that was made first; withdrawn ones are none."""
    kept = cases.c.fingerprint.in_(fingerprints) & (cases.c.status != CaseStatus.WITHDRAWN.value)
    query = sa.select(cases.c.fingerprint, cases.c.id).where(kept).order_by(cases.c.created_ns, cases.c.id)
    found: dict[str, list[str]] = {}
    for fingerprint, identity in connection.execute(query):
        found.setdefault(fingerprint, []).append(identity)
    return found


def _cluster(row: Any, made: Sequence[str]) -> Cluster:
    return Cluster(
        fingerprint=row.fingerprint,
        service=row.service,
        failures={check: tuple(codes) for check, codes in codec.from_json(row.failures).items()},
        traces=row.traces,
        first_ns=row.first_ns,
        last_ns=row.last_ns,
        trace_id=row.trace_id,
        input=row.preview,
        case_id=made[0] if made else None,
        cases=len(made),
    )
