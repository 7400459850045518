"""A case's row and its history: making one, changing one. Who may do it, and when, is for the callers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.formats.jsonl import FORM, line
from exporters.store.many import OneOf
from exporters.store.rows import chunks, upsert
from exporters.store.tables import case_checks, case_history, case_tags, cases, dataset_lines, traces

SIDECHECK = "sidecheck"
"""Who changed a case when no person did."""
REVIEWED = (CaseStatus.PROMOTED, CaseStatus.DISMISSED)
HISTORY = 50
"""Earlier versions of a case that its trace's new verdicts replaced; older ones go."""
PEOPLES_HISTORY = 500
"""The same of those that people replaced: far more than a reviewer makes, fewer than a script gone wrong does."""


Past = Mapping[int, Case | None]
"""Earlier states of a case, each by the revision that replaced it; ``None``: it is to be as the case is by then."""
NO_PAST: Past = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes a case, why and when; ``automatic`` where no person does."""

    who: str
    why: str
    now_ns: int
    automatic: bool = False


_INSERT = sa.insert(cases)


def insert(connection: sa.Connection, case: Case, status: CaseStatus, now_ns: int, *, automatic: bool) -> None:
    """Add a case that is not there yet."""
    row = {
        **_columns_of(case, status, 0),
        "id": codec.key(case.id),
        "trace_id": codec.key(case.source.trace_id),
        "automatic": automatic,
        "touched": False,
        "created_ns": codec.clamped(now_ns),
        "updated_ns": codec.clamped(now_ns),
    }
    connection.execute(_INSERT, row)
    _write_names(connection, case)


def change(
    connection: sa.Connection,
    row: Any,
    case: Case,
    status: CaseStatus,
    by: Change,
    action: str,
    *,
    touched: bool | None = None,
) -> None:
    """Replace a case and its status; what was there before goes to the history. ``row`` is the case's row as read.

    ``touched`` is whether a person's decision or edit stands then; ``None``: what ``by`` adds to what the row says.
    """
    revision = row.revision + 1
    before = {
        "case_id": row.id,
        "revision": revision,
        "time_ns": codec.clamped(by.now_ns),
        "who": codec.clean(by.who),
        "why": codec.clean(by.why),
        "action": action,
        "old_status": row.status,
        "old_body": row.body,
    }
    connection.execute(sa.insert(case_history), before)
    _trim_history(connection, before)
    values = {
        **_columns_of(case, status, revision),
        "updated_ns": codec.clamped(by.now_ns),
        "touched": row.touched or not by.automatic if touched is None else touched,
    }
    connection.execute(sa.update(cases).where(cases.c.id == row.id).values(**values))
    for table in (case_checks, case_tags):
        connection.execute(sa.delete(table).where(table.c.case_id == row.id))
    _write_names(connection, case)


def rewrite(connection: sa.Connection, case: Case, past: Past) -> None:
    """Put other states in the place of earlier ones of a case that is by now as given."""
    own = case_history.c.case_id == codec.key(case.id)
    for revision, state in past.items():
        this = sa.update(case_history).where(own, case_history.c.revision == revision)
        connection.execute(this.values(old_body=codec.case_to_json(state or case)))


def of_traces(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, Any]:
    """The row of each trace's case, held until the transaction ends; of several the first that was made."""
    found: dict[str, Any] = {}
    for row in connection.execute(_OF_TRACES, {"ids": trace_ids}):
        found.setdefault(row.trace_id, row)
    return found


_OF_TRACES = (
    sa.select(cases).where(OneOf(cases.c.trace_id, "ids")).order_by(cases.c.created_ns, cases.c.id).with_for_update()
)


def flag(connection: sa.Connection, trace_id: str, status: CaseStatus) -> None:
    """Let retention spare a failing trace until its case is reviewed."""
    flagged = sa.and_(traces.c.failing, sa.literal(status not in REVIEWED))
    connection.execute(sa.update(traces).where(traces.c.trace_id == trace_id).values(flagged=flagged))


def _trim_history(connection: sa.Connection, added: Mapping[str, Any]) -> None:
    is_own = added["who"] == SIDECHECK
    most = HISTORY if is_own else PEOPLES_HISTORY
    if added["revision"] <= most:
        return
    own = case_history.c.case_id == added["case_id"]
    alike = own & ((case_history.c.who == SIDECHECK) == sa.literal(is_own))
    newest = sa.select(case_history.c.revision).where(alike).order_by(case_history.c.revision.desc())
    last = connection.execute(newest.limit(1).offset(most)).scalar()
    if last is not None:
        connection.execute(sa.delete(case_history).where(alike, case_history.c.revision <= last))


def remove_unseen(connection: sa.Connection, before_ns: int, most: int) -> int:
    """Remove cases that no person ever touched and that did not change since ``before_ns``; returns how many."""
    unseen = (
        sa.select(cases.c.id)
        .where(cases.c.status.in_([CaseStatus.CANDIDATE.value, CaseStatus.WITHDRAWN.value]))
        .where(cases.c.created_ns < before_ns, cases.c.updated_ns < before_ns)  # the first has an index
        .where(cases.c.touched == sa.false())
        .limit(most)
        # Another replica is just changing what is locked.
        .with_for_update(skip_locked=True)
    )
    gone = connection.execute(unseen).scalars().all()
    for chunk in chunks(gone):
        connection.execute(sa.delete(cases).where(cases.c.id.in_(chunk)))
    return len(gone)


def stored_bytes(connection: sa.Connection) -> int:
    """Bytes of the cases, of their history and versions, of SQLite; without what it takes to keep and to find them."""
    texts = (cases.c.body, case_history.c.old_body, dataset_lines.c.line)
    bodies = (sa.cast(text, sa.LargeBinary) for text in texts)
    sizes = (connection.execute(sa.select(sa.func.sum(sa.func.length(body)))).scalar() for body in bodies)
    return sum(int(size or 0) for size in sizes)


def line_of(body: str) -> bytes:
    """The line that a version of the dataset has of a case with this body."""
    return line(codec.case_from_json(body))


def _columns_of(case: Case, status: CaseStatus, revision: int) -> Mapping[str, Any]:
    """What a case is at a revision: its body, and what repeats a part of it or is made of it, to search and compare."""
    body = codec.case_to_json(case)
    return {
        "status": status.value,
        "revision": revision,
        "fingerprint": codec.key(case.fingerprint),
        "kind": case.kind.value,
        "service": codec.key(case.source.service),
        "split": None if case.split is None else codec.key(case.split),
        "body": body,
        "digest": hashlib.sha256(line_of(body)).hexdigest() if status is CaseStatus.PROMOTED else None,
        "digest_revision": revision,
        "digest_form": FORM,
    }


def _write_names(connection: sa.Connection, case: Case) -> None:
    """The checks and the tags by which the case is found."""
    identity = codec.key(case.id)
    for table, column, names in (
        (case_checks, case_checks.c.check_name, case.source.failed_checks),
        (case_tags, case_tags.c.tag, case.tags),
    ):
        rows = [{"case_id": identity, column.name: name} for name in sorted({codec.key(name) for name in names})]
        upsert(connection, table, rows, update=())
