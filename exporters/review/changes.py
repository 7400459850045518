"""What differs between two states of a case, and what was changed since a revision: for whoever looked meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.shape import to_json
from exporters.review.fields import FIELDS, write_json
from exporters.store import CaseChange, StoredCase

_APART = ("expected", "metadata", "forbiddenToolCalls")
"""Keys of the public shape of which ``FIELDS`` has the parts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field before and after, as texts; an empty text is nothing."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a case: who, when (nanoseconds since the epoch), why, what (``action``), and what differs."""

    revision: int
    time_ns: int
    who: str
    why: str
    action: str
    old_status: CaseStatus
    status: CaseStatus
    differences: tuple[Difference, ...] = ()


def at_revision(stored: StoredCase, revision: int) -> Case:
    """The case as it was at this revision; as it is, where that is no longer known."""
    return next((c.old_case for c in stored.history if c.revision == revision + 1), stored.case)


def since(stored: StoredCase, revision: int = 0) -> tuple[Edit, ...]:
    """The changes that were made after this revision, newest first. ``stored`` comes with its history."""
    return tuple(edit for edit in _edits(stored) if edit.revision > revision)


def _edits(stored: StoredCase) -> Iterator[Edit]:
    case, status = stored.case, stored.status
    for change in stored.history:
        yield _edit(change, case, status)
        case, status = change.old_case, change.old_status


def _edit(change: CaseChange, case: Case, status: CaseStatus) -> Edit:
    return Edit(
        revision=change.revision,
        time_ns=change.time_ns,
        who=change.who,
        why=change.why,
        action=change.action,
        old_status=change.old_status,
        status=status,
        differences=tuple(differences(change.old_case, case)),
    )


def differences(before: Case, after: Case) -> Iterator[Difference]:
    """The parts of the public shape that differ, but for who reviewed it."""
    old, new = to_json(before), to_json(after)
    for key in old:
        if key not in _APART and old[key] != new[key]:
            yield Difference(key, write_json(old[key]), write_json(new[key]))
    for name, one in FIELDS.items():
        was, now = one.of(old), one.of(new)
        if was != now:
            yield Difference(name, one.write(was), one.write(now))
