"""Taking back the last change of a case. Owns what stands afterwards: as if the change had not been made.

Taking back is a change as well, so that taking it back does the first change again.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.store import cases as case_rows
from exporters.store import reviews
from exporters.store.cases import SIDECHECK, Change
from exporters.store.errors import Conflict
from exporters.store.tables import case_history

UNDONE = "undone"
"""The action in the history."""


def undo(connection: sa.Connection, identity: str, by: Change, expected_revision: int | None = None) -> str:
    """Take back the last change of the case with this id, or of the trace with this id. Returns the case's id.

    Raises:
        NotFound: there is none.
        Conflict: it is no longer at ``expected_revision``; or that is ``None`` and another than ``by.who`` made the
            last change; or nothing was changed yet.
    """
    row = reviews.held(connection, identity, expected_revision)
    last = connection.execute(_changes_of(row.id).where(case_history.c.revision == row.revision)).first()
    if last is None:
        raise Conflict("nothing of this case was changed yet: there is nothing to undo")
    if expected_revision is None and last.who != codec.clean(by.who):
        raise Conflict("the last change of this case was made by someone else: look at it, and name its revision")
    case, status = codec.case_from_json(last.old_body), CaseStatus(last.old_status)
    touched = _was_touched(connection, row.id, row.revision - 1)
    case_rows.change(connection, row, case, status, by, UNDONE, touched=touched)
    case_rows.flag(connection, row.trace_id, status)
    return str(row.id)


def _changes_of(case_id: str) -> sa.Select[Any]:
    return sa.select(case_history).where(case_history.c.case_id == case_id)


def _was_touched(connection: sa.Connection, case_id: str, revision: int) -> bool:
    """Whether a person's change stood at this revision: one that was made and not taken back.

    Changes are missing where there were very many. They were an evaluation's, unless people made very many.
    """
    columns = (case_history.c.revision, case_history.c.who, case_history.c.action)
    changes = {row.revision: row for row in connection.execute(_changes_of(case_id).with_only_columns(*columns))}
    unknown = sum(change.who != SIDECHECK for change in changes.values()) >= case_rows.PEOPLES_HISTORY
    stood = [False]
    for number in range(1, revision + 1):
        stood.append(_stands(changes.get(number), stood, unknown=unknown))
    return stood[revision]


def _stands(change: Any, before: Sequence[bool], *, unknown: bool) -> bool:
    if change is None:
        return before[-1] or unknown
    if change.action == UNDONE:
        return before[-2]
    return before[-1] or change.who != SIDECHECK
