"""Taking a case in as a file has it: new, changed, or there already. Owns what then stays of the one that is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as with_parts
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import Case, CaseStatus, Source
from exporters.dataset.formats.jsonl import line, read_line
from exporters.store import cases as case_rows
from exporters.store import reviews
from exporters.store.cases import NO_PAST, Change, Past
from exporters.store.errors import NotFound
from exporters.store.locks import Lock, take
from exporters.store.tables import cases

SERVICE = "import"
"""The service of a case that names none."""


class Fate(StrEnum):
    """What became of a case that was to be taken in."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """There is another one with this id, which was to be kept."""
    FORGOTTEN = "forgotten"
    """Its trace was forgotten on demand: it must not come back."""
    OTHER_TRACE = "other_trace"
    """The one with this id was made of another trace."""
    CONFLICT = "conflict"
    """What the one with this id was before is not known as it is now: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A case as it was read, at ``revision``: ``past`` takes the place of what it was by then and before."""

    revision: int
    past: Past


def bring(
    connection: sa.Connection,
    case: Case,
    status: CaseStatus,
    by: Change,
    replace: bool,
    seen: Mapping[str, Seen] | None = None,
) -> Fate:
    """Take a case in; ``replace`` and ``seen`` as in ``Datasets.bring``."""
    take(connection, Lock.PEOPLE)
    take(connection, Lock.CASES)
    query = sa.select(cases).where(cases.c.id == codec.key(case.id)).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        return _add(connection, case, status, by)
    # As it would be written: what a file cannot hold (NaN, lone surrogates) is no change.
    kept = read_line(line(codec.case_from_json(row.body)))
    if case.source.trace_id and case.source.trace_id != kept.source.trace_id:
        return Fate.OTHER_TRACE
    wanted = _completed(case, kept)
    before = CaseStatus(row.status)
    after = status if status is CaseStatus.PROMOTED else before
    if after is before and kept == wanted:
        return Fate.UNCHANGED
    if not replace:
        return Fate.KEPT
    known = Seen(row.revision, NO_PAST) if seen is None else seen.get(case.id)
    if known is None or known.revision != row.revision:
        return Fate.CONFLICT
    _write(connection, row, wanted, after, by)
    case_rows.rewrite(connection, wanted, known.past)
    return Fate.CHANGED


def _add(connection: sa.Connection, case: Case, status: CaseStatus, by: Change) -> Fate:
    named = case if case.source.service else with_parts(case, source=with_parts(case.source, service=SERVICE))
    try:
        row = reviews.insert(connection, named, by.now_ns)
    except NotFound:
        return Fate.FORGOTTEN
    _write(connection, row, named, status, by)
    return Fate.ADDED


def _write(connection: sa.Connection, row: Any, case: Case, status: CaseStatus, by: Change) -> None:
    case_rows.change(connection, row, case, status, by, "imported")
    case_rows.flag(connection, row.trace_id, status)


def _completed(case: Case, kept: Case) -> Case:
    """What a line leaves out of where its case came from stays as it is known; all else is as the line has it."""
    source = Source(
        trace_id=kept.source.trace_id,
        service=case.source.service or kept.source.service,
        model=case.source.model or kept.source.model,
        failed_checks=case.source.failed_checks or kept.source.failed_checks,
    )
    return with_parts(
        case,
        source=source,
        fingerprint=case.fingerprint or kept.fingerprint,
        reviewed_by=case.reviewed_by or kept.reviewed_by,
        redacted=case.redacted or kept.redacted,
    )
