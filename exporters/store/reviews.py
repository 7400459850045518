"""What people do to cases: promote, dismiss, edit, undo, add. Each says who, when and why, and keeps the old value."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import Case, CaseStatus, ExampleType
from exporters.store import cases as case_rows
from exporters.store import forgetting, undoing
from exporters.store.cases import NO_PAST, Change, Past
from exporters.store.errors import Conflict, NotFound
from exporters.store.locks import Lock, take
from exporters.store.tables import cases

FIXED = frozenset({"id", "fingerprint", "source"})
"""What ties a case to its trace and stays."""
EDITABLE = frozenset({field.name for field in fields(Case)} - FIXED | {"status"})


def decide(
    connection: sa.Connection,
    identity: str,
    status: CaseStatus,
    by: Change,
    expected_revision: int | None = None,
) -> str:
    """Promote or dismiss the case with this id, or of the trace with this id. Returns the case's id.

    Raises:
        NotFound: there is none.
        Conflict: it is no longer at ``expected_revision``.
    """
    row = _held(connection, identity, expected_revision)
    if row.status != status.value:
        _apply(connection, row, codec.case_from_json(row.body), status, by)
    return str(row.id)


def edit(
    connection: sa.Connection,
    identity: str,
    changes: Mapping[str, Any],
    by: Change,
    expected_revision: int | None = None,
    past: Past = NO_PAST,
) -> str:
    """Replace fields of a case (those of ``EDITABLE``), and of its earlier states ``past``. Returns the case's id.

    Raises:
        NotFound, Conflict: as ``decide``.
        ValueError: a field that is not of ``EDITABLE``, or a status or kind that does not exist.
    """
    unknown = sorted(set(changes) - EDITABLE)
    if unknown:
        raise ValueError(f"{unknown[0]!r} of a case cannot be changed; what can be is {', '.join(sorted(EDITABLE))}")
    row = _held(connection, identity, expected_revision)
    status = CaseStatus(changes.get("status", row.status))
    kept = codec.case_from_json(row.body)
    values = {name: value for name, value in changes.items() if name != "status"}
    case = replace(kept, **{**values, "kind": ExampleType(changes.get("kind", kept.kind))})
    if status.value != row.status or codec.case_to_json(case) != row.body:
        _apply(connection, row, case, status, by)
    case_rows.rewrite(connection, case, past)
    return str(row.id)


def edit_by(connection: sa.Connection, identity: str, change: Callable[[Case], Mapping[str, Any]], by: Change) -> bool:
    """Replace those fields of a case that ``change`` says of it. Returns whether any is another now.

    Raises:
        NotFound, ValueError: as ``edit``.
    """
    kept = codec.case_from_json(_held(connection, identity, None).body)
    changes = {name: value for name, value in change(kept).items() if getattr(kept, name) != value}
    if changes:
        edit(connection, identity, changes, by)
    return bool(changes)


def undo(connection: sa.Connection, identity: str, by: Change, expected_revision: int | None = None) -> str:
    """Take back the last change of the case with this id, or of the trace with this id. Returns the case's id.

    Raises:
        NotFound: there is none.
        Conflict: it is no longer at ``expected_revision``; or that is ``None`` and another than ``by.who`` made the
            last change; or nothing was changed yet.
    """
    row = _held(connection, identity, expected_revision)
    before = undoing.before(connection, row)
    if before is None:
        raise Conflict("nothing of this case was changed yet: there is nothing to undo")
    if expected_revision is None and before.left_by != codec.clean(by.who):
        raise Conflict("the last change of this case was made by someone else: look at it, and name its revision")
    case_rows.change(connection, row, before.case, before.status, by, undoing.UNDONE, touched=before.touched)
    case_rows.flag(connection, row.trace_id, before.status)
    return str(row.id)


def add(connection: sa.Connection, case: Case, status: CaseStatus, by: Change) -> str:
    """Add a case that a person made; one that is there already only gets the status. Returns the case's id.

    Raises:
        NotFound: its trace was forgotten.
    """
    take(connection, Lock.PEOPLE)
    take(connection, Lock.CASES)
    row = _find(connection, codec.key(case.id))
    if row is not None:
        return decide(connection, row.id, status, by)
    row = insert(connection, case, by.now_ns)
    _apply(connection, row, case, status, by, action="added")
    return str(row.id)


def insert(connection: sa.Connection, case: Case, now_ns: int) -> Any:
    """Put a person's case in as a candidate, to be changed at once. The caller holds ``Lock.CASES``. Returns its row.

    Raises:
        NotFound: its trace was forgotten.
    """
    if forgetting.among(connection, [case.source.trace_id]):
        raise NotFound("the trace of this case was forgotten")
    case_rows.insert(connection, case, CaseStatus.CANDIDATE, now_ns, automatic=False)
    trace_id = codec.key(case.source.trace_id)
    forgetting.note_owners(connection, {trace_id: forgetting.owners_of(connection, trace_id)})
    return _held(connection, codec.key(case.id), None)


def _apply(
    connection: sa.Connection,
    row: Any,
    case: Case,
    status: CaseStatus,
    by: Change,
    action: str | None = None,
) -> None:
    changed = row.status != status.value
    if changed and status in case_rows.REVIEWED:
        case = replace(case, reviewed_by=by.who)
    action = action or (status.value if changed else "edited")
    case_rows.change(connection, row, case, status, by, action)
    case_rows.flag(connection, row.trace_id, status)


def _held(connection: sa.Connection, identity: str, expected_revision: int | None) -> Any:
    take(connection, Lock.PEOPLE)
    row = _find(connection, identity)
    if row is None:
        raise NotFound("no case has this id, nor does a trace with this id have one")
    if expected_revision is not None and row.revision != expected_revision:
        raise Conflict(
            f"the case is at revision {row.revision}, not {expected_revision}: someone changed it since; read it again"
        )
    return row


def _find(connection: sa.Connection, identity: str) -> Any:
    value = codec.key(identity)
    for column in (cases.c.id, cases.c.trace_id):
        query = sa.select(cases).where(column == value).order_by(cases.c.created_ns, cases.c.id).limit(1)
        row = connection.execute(query.with_for_update()).first()
        if row is not None:
            return row
    return None
