"""Decisions of people on cases, with a look at what they let in: no promotion, edit or undo brings personal data.

Owns when a case is looked at and against which revision of it. How is the matter of ``AdmitCases``, what is changed
that of the store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.gate import AdmitCases, Asked, admitted
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.review import edits
from exporters.store import NO_PAST, Conflict, NotFound, Past, Seen, Store, StoredCase

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
    admit: AdmitCases | None
    now: Callable[[], int]

    def promote(self, identity: str, by: Reviewer, attempts: int = ATTEMPTS) -> StoredCase:
        """Take the case with this id, or of the trace with this id, into the dataset.

        Raises:
            NotFound: there is none.
            Conflict: it is not at the revision that was given, or is changed again and again.
            RedactionFailed, RedactionUnavailable: it holds what must not be written; it could not be looked at.
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
        changes = _differences(stored.case, admitted(self.admit, Asked(stored.case, stored.case, redact=False)))
        if not changes:
            return self.store.promote(stored.case.id, who, why, now, revision)
        changes |= {"status": CaseStatus.PROMOTED, "reviewed_by": who}
        return self.store.edit_case(stored.case.id, changes, who, why, now, revision)

    def undo(self, case_id: str, by: Reviewer, *, redact: bool = False) -> StoredCase:
        """Take the last change of a case back. What is in the dataset by that may have got in by older rules, or raw.

        With ``redact`` what must not be written is replaced in it; then it is a change that leads there.

        Raises:
            NotFound, Conflict: as the store's ``undo_case``; with that replaced, the case is as it is now.
            RedactionFailed: it would be in the dataset with what must not be written.
            RedactionUnavailable: it, or what it was before, could not be looked at.
        """
        stored, revision = self.store.case(case_id), by.revision
        last = stored.history[0] if stored and stored.history else None
        if stored is None or last is None or self.admit is None or last.old_status is not CaseStatus.PROMOTED:
            return self.store.undo_case(case_id, by.who, by.why, self.now(), revision)
        clean = admitted(self.admit, Asked(last.old_case, last.old_case, redact))
        # What was looked at is what comes back; whose change it was is for the store to say.
        revision = last.revision if revision is None and last.who == by.who else revision
        if revision is None or not redact or clean == last.old_case:
            return self.store.undo_case(case_id, by.who, by.why, self.now(), revision)
        return self._put_back(stored, clean, replace(by, revision=revision))

    def _put_back(self, stored: StoredCase, case: Case, by: Reviewer) -> StoredCase:
        """Let a case be in the dataset as it was, but for what was replaced in it."""
        changes = _differences(stored.case, case)
        if stored.status is CaseStatus.PROMOTED and not changes:
            raise Conflict("with that replaced, the case is as it is now: there is nothing to undo")
        changes |= {"status": CaseStatus.PROMOTED}
        past = self._past(stored)
        return self.store.edit_case(case.id, changes, by.who, by.why, self.now(), by.revision, past)

    def _past(self, before: StoredCase) -> Past:
        """What a case is and was, redacted, for its history once it is changed.

        One in which that cannot be done is as the case is then; who changed it, when and why stays. May raise
        ``RedactionUnavailable``: that they were not looked at says nothing of what they hold.
        """
        if self.admit is None:
            return NO_PAST
        states = {change.revision: change.old_case for change in before.history}
        states[before.revision + 1] = before.case
        answers = self.admit([Asked(case, case, redact=True) for case in states.values()])
        cleaned = (None if isinstance(answer, RedactionFailed) else answer for answer in answers)
        return dict(zip(states, cleaned, strict=True))

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

        It is replaced in the case's history, too: what was taken out of a case must not be found beside it.

        Raises:
            ApiError: a part that does not exist, cannot be changed or has another form.
            Conflict: the case was changed since ``before`` was read.
            RedactionFailed: it would hold what must not be written, and was not to be redacted.
            RedactionUnavailable: it, or what it was before, could not be looked at.
        """
        changes, past = edits.changes(before.case, parts), NO_PAST
        is_decided = status is not None and status is not before.status
        if self.admit is not None and (changes or redact or (is_decided and status is CaseStatus.PROMOTED)):
            after = admitted(self.admit, Asked(replace(before.case, **changes), before.case, redact))
            changes = _differences(before.case, after)
            past = self._past(before) if redact else past
        if is_decided:
            changes |= {"status": status, **({"reviewed_by": by.who} if status in REVIEWED else {})}
        # Merged with what was just read, so it must still be that, also where the client did not ask for it.
        revision = before.revision if by.revision is None else by.revision
        return self.store.edit_case(before.case.id, changes, by.who, by.why, self.now(), revision, past)

    def seen(self, case_id: str) -> Seen | None:
        """A case that is to be replaced, what it is and was redacted; ``None`` where that is not to be known now."""
        stored = self.store.case(case_id)
        try:
            return None if stored is None else Seen(stored.revision, self._past(stored))
        except RedactionUnavailable:
            return None


def _differences(before: Case, after: Case) -> dict[str, Any]:
    values: Mapping[str, tuple[Any, Any]] = {
        f.name: (getattr(before, f.name), getattr(after, f.name)) for f in fields(Case)
    }
    return {name: new for name, (old, new) in values.items() if new != old}
