"""What differs between two states of a case, and what was changed since a revision: for whoever looked meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

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
    """One change of a case, the status that it led to, and what differs since."""

    change: CaseChange
    status: CaseStatus
    differences: tuple[Difference, ...] = ()


def at_revision(stored: StoredCase, revision: int) -> Case:
    """The case as it was at this revision; as it is, where that is no longer known."""
    return next((c.old_case for c in stored.history if c.revision == revision + 1), stored.case)


def since(stored: StoredCase, revision: int) -> tuple[Edit, ...]:
    """The changes that were made after this revision, newest first. ``stored`` comes with its history."""
    return tuple(takewhile(lambda edit: edit.change.revision > revision, edits(stored)))


def edits(stored: StoredCase) -> Iterator[Edit]:
    """The changes of a case that comes with its history, newest first; each is made when it is asked for."""
    case, status = stored.case, stored.status
    for change in stored.history:
        yield Edit(change, status, tuple(differences(change.old_case, case)))
        case, status = change.old_case, change.old_status


def differences(before: Case, after: Case) -> Iterator[Difference]:
    """The parts of the public shape that differ, but for who reviewed it."""
    old, new = to_json(before), to_json(after)
    for key in old:
        if key not in _APART and old[key] != new[key]:
            yield Difference(key, write_json(old[key]), write_json(new[key]))
    if old["expected"]["checks"] != new["expected"]["checks"]:
        yield Difference("checks", write_json(old["expected"]["checks"]), write_json(new["expected"]["checks"]))
    for name, one in FIELDS.items():
        was, now = one.of(old), one.of(new)
        if was != now:
            yield Difference(name, one.write(was), one.write(now))
