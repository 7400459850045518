"""What a case was before its last change: its state, and whether a person's change stood then. Changes nothing.

Taking a change back is a change as well, so that taking it back does the first one again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import Case, CaseStatus
from exporters.store import cases as case_rows
from exporters.store.tables import case_history

UNDONE = "undone"
"""The action in the history."""


@dataclass(frozen=True, slots=True)
class Before:
    """A case before its last change, which ``left_by`` made.

    ``touched`` is whether a change by a person stood: one that was made and not taken back.
    """

    case: Case
    status: CaseStatus
    touched: bool
    left_by: str


def before(connection: sa.Connection, row: Any) -> Before | None:
    """The state before the last change of the case in this row; ``None`` where it was never changed."""
    last = connection.execute(_changes_of(row.id).where(case_history.c.revision == row.revision)).first()
    if last is None:
        return None
    touched = _was_touched(connection, row.id, row.revision - 1)
    return Before(codec.case_from_json(last.old_body), CaseStatus(last.old_status), touched, last.who)


def _changes_of(case_id: str) -> sa.Select[Any]:
    return sa.select(case_history).where(case_history.c.case_id == case_id)


def _was_touched(connection: sa.Connection, case_id: str, revision: int) -> bool:
    """Changes are missing where there were very many. They were an evaluation's, unless people made very many."""
    columns = (case_history.c.revision, case_history.c.who, case_history.c.action)
    changes = {row.revision: row for row in connection.execute(_changes_of(case_id).with_only_columns(*columns))}
    by_people = sum(change.who != case_rows.SIDECHECK for change in changes.values())
    stood = [False]
    for number in range(1, revision + 1):
        stood.append(_stands(changes.get(number), stood, by_people >= case_rows.PEOPLES_HISTORY))
    return stood[revision]


def _stands(change: Any, earlier: Sequence[bool], is_much_missing: bool) -> bool:
    if change is None:
        return earlier[-1] or is_much_missing
    if change.action == UNDONE:
        return earlier[-2]
    return earlier[-1] or change.who != case_rows.SIDECHECK
