"""Decisions of people on cases, with a look at what they let in: no promotion, edit or undo brings personal data.

Owns when a case is looked at and against which revision of it. How is the matter of ``AdmitCase``, what is changed that
of the store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from exporters.dataset.case import Case, CaseStatus
from exporters.review import edits
from exporters.store import Conflict, NotFound, Store, StoredCase

AdmitCase = Callable[[Case, Case | None, bool], Case]
"""The case as it may stand in the dataset, by: the case, what it was before (``None``: nothing), whether to redact it.

May raise ``exporters.dataset.redact.RedactionFailed``.
"""

REVIEWED = (CaseStatus.PROMOTED, CaseStatus.DISMISSED)
ATTEMPTS = 3
"""An evaluation may refresh a candidate while it is looked at."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who acts, and why; ``revision`` is that of the case they saw (``None``: whatever it is now)."""

    who: str
    why: str = ""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Promotes and edits cases. ``admit`` is ``None`` where no case is looked at."""

    store: Store
    admit: AdmitCase | None
    now: Callable[[], int]

    def promote(self, identity: str, by: Reviewer, attempts: int = ATTEMPTS) -> StoredCase:
        """Take the case with this id, or of the trace with this id, into the dataset.

        Raises:
            NotFound: there is none.
            Conflict: it is not at the revision that was given, or is changed again and again.
            RedactionFailed: it holds what must not be written.
        """
        stored = self.store.case(identity) or self.store.case_of_trace(identity)
        if stored is None:
            raise NotFound("no case has this id, nor does a trace with this id have one")
        try:
            return self._promote(stored, by)
        except Conflict:
            if by.revision is not None or attempts == 1:
                raise
            return self.promote(identity, by, attempts - 1)

    def _promote(self, stored: StoredCase, by: Reviewer) -> StoredCase:
        revision = stored.revision if by.revision is None else by.revision
        who, why, now = by.who, by.why, self.now()
        if self.admit is None or stored.status is CaseStatus.PROMOTED:
            return self.store.promote(stored.case.id, who, why, now, revision)
        changes = _differences(stored.case, self.admit(stored.case, stored.case, False))
        if not changes:
            return self.store.promote(stored.case.id, who, why, now, revision)
        changes |= {"status": CaseStatus.PROMOTED, "reviewed_by": who}
        return self.store.edit_case(stored.case.id, changes, who, why, now, revision)

    def undo(self, case_id: str, by: Reviewer) -> StoredCase:
        """Take the last change of a case back. What is in the dataset by that may have got in by older rules, or raw.

        Raises:
            NotFound, Conflict: as the store's ``undo_case``.
            RedactionFailed: it would be in the dataset with what must not be written.
        """
        stored, revision = self.store.case(case_id), by.revision
        last = stored.history[0] if stored and stored.history else None
        if self.admit is not None and last is not None and last.old_status is CaseStatus.PROMOTED:
            self.admit(last.old_case, last.old_case, False)
            # What was looked at is what comes back; whose change it was is for the store to say.
            revision = last.revision if revision is None and last.who == by.who else revision
        return self.store.undo_case(case_id, by.who, by.why, self.now(), revision)

    def edit(
        self,
        before: StoredCase,
        parts: Mapping[str, Any],
        by: Reviewer,
        status: CaseStatus | None = None,
        *,
        redact: bool = False,
    ) -> StoredCase:
        """Change parts of a case's public shape, and its status; with ``redact``, replace what must not be written.

        Raises:
            ApiError: a part that does not exist, cannot be changed or has another form.
            Conflict: the case was changed since ``before`` was read.
            RedactionFailed: it would hold what must not be written, and was not to be redacted.
        """
        changes = edits.changes(before.case, parts)
        is_decided = status is not None and status is not before.status
        if self.admit is not None and (changes or redact or (is_decided and status is CaseStatus.PROMOTED)):
            after = self.admit(replace(before.case, **changes), before.case, redact)
            changes = _differences(before.case, after)
        if is_decided:
            changes |= {"status": status, **({"reviewed_by": by.who} if status in REVIEWED else {})}
        # Merged with what was just read, so it must still be that, also where the client did not ask for it.
        revision = before.revision if by.revision is None else by.revision
        return self.store.edit_case(before.case.id, changes, by.who, by.why, self.now(), revision)


def _differences(before: Case, after: Case) -> dict[str, Any]:
    values: Mapping[str, tuple[Any, Any]] = {
        f.name: (getattr(before, f.name), getattr(after, f.name)) for f in fields(Case)
    }
    return {name: new for name, (old, new) in values.items() if new != old}
