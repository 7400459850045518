"""What a reviewer does to one case, for the API and the page alike: decide, edit, undo, try the expectation.

Owns what these mean in terms of the store. Not the form in which they are asked for or answered.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.shape import to_json
from exporters.review import edits
from exporters.review.admission import Admission, AdmitCase, Reviewer
from exporters.review.answers import not_found
from exporters.review.trial import Recorded, Trial, tried
from exporters.store import Store, StoredCase, StoredTrace


class Desk:
    """The cases of one store. ``admit`` looks at a case before it is promoted or changed; ``None``: none is."""

    def __init__(self, store: Store, now: Callable[[], int], admit: AdmitCase | None = None) -> None:
        self._store = store
        self._now = now
        self._admission = Admission(store, admit, now)

    def case(self, case_id: str) -> StoredCase:
        """A case with its history. Raises ``ApiError`` where there is none."""
        found = self._store.case(case_id)
        if found is None:
            raise not_found("case")
        return found

    def edit(
        self,
        case_id: str,
        parts: Mapping[str, Any],
        by: Reviewer,
        status: CaseStatus | None = None,
        *,
        redact: bool = False,
    ) -> StoredCase:
        """Replace parts of the public shape, and the status.

        Raises:
            ApiError: there is no such case, or a part cannot be changed to that.
            Conflict: someone else changed the case since.
            RedactionFailed: it would hold what must not be written, and that was not to be replaced.
        """
        return self._admission.edit(self.case(case_id), parts, by, status, redact=redact)

    def promote(self, case_id: str, by: Reviewer) -> StoredCase:
        """Take the case into the dataset. Raises ``NotFound``, ``Conflict``, ``RedactionFailed``."""
        return self._admission.promote(case_id, by)

    def dismiss(self, case_id: str, by: Reviewer) -> StoredCase:
        """Set the case aside. Raises ``NotFound``, ``Conflict``."""
        return self._store.dismiss(case_id, by.who, by.why, self._now(), by.revision)

    def undo(self, case_id: str, by: Reviewer) -> StoredCase:
        """Take the last change back. Raises ``NotFound``, ``Conflict``."""
        return self._store.undo_case(case_id, by.who, by.why, self._now(), by.revision)

    def trial(self, case: Case, parts: Mapping[str, Any], output: str | None = None) -> Trial:
        """Try the case, with these parts edited, against what was recorded and against ``output``."""
        return tried(to_json(self.edited(case, parts)), recorded(case, self.trace(case)), output)

    def edited(self, case: Case, parts: Mapping[str, Any]) -> Case:
        """The case with these parts edited, which is not kept."""
        return replace(case, **edits.changes(case, parts))

    def trace(self, case: Case) -> StoredTrace | None:
        """The trace that the case was made of, while it is stored."""
        return self._store.trace(case.source.trace_id) if case.source.trace_id else None


def recorded(case: Case, trace: StoredTrace | None) -> Recorded:
    """What is known of the run that the case was made of. The answer is the case's own: redacted, as it is exported."""
    if trace is None:
        return Recorded(case.observed_output)
    return Recorded(case.observed_output, trace.view.get("tool_calls") or (), trace.duration_ns / 1e6)
