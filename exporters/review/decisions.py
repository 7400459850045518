"""What a reviewer does to one case, for the API and the page alike: decide, edit, undo, try the expectation.

Owns what these mean in terms of the store. Not the form in which they are asked for or answered.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.gate import AdmitCases
from exporters.dataset.shape import to_json
from exporters.review import edits
from exporters.review.admission import Admission, Reviewer
from exporters.review.answers import ApiError, not_found
from exporters.review.trial import Recorded, Trial, tried
from exporters.store import NotFound, Store, StoredCase, StoredTrace

DraftCase = Callable[[str], Case | None]
"""The case that a stored trace makes, by its id; ``None`` where it makes none. May raise ``RedactionFailed``."""

ShowTrace = Callable[[StoredTrace], StoredTrace]
"""A stored trace with its view; may take seconds. One that has none shows nothing."""


def as_stored(trace: StoredTrace) -> StoredTrace:
    """A ``ShowTrace`` for whom nobody makes views."""
    return trace


class Desk:
    """The cases of one store. ``admit_cases`` looks at a case before it is promoted or changed; ``None``: none is."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        draft_case: DraftCase | None = None,
        admit_cases: AdmitCases | None = None,
        show_trace: ShowTrace = as_stored,
    ) -> None:
        self._store = store
        self._now = now
        self._draft_case = draft_case
        self._show_trace = show_trace
        self._admission = Admission(store, admit_cases, now)

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

    def promote_trace(self, trace_id: str, by: Reviewer) -> StoredCase:
        """Take the trace's case into the dataset; one that has none gets it now.

        Raises:
            ApiError: there is no such trace, or it makes no case.
            Conflict, RedactionFailed: someone else changed the case; no case could be made that may be kept.
        """
        try:
            return self.promote(trace_id, by)
        except NotFound:
            case = self._drafted(trace_id)
            return self._store.add_case(case, CaseStatus.PROMOTED, by.who, by.why, self._now())

    def dismiss_trace(self, trace_id: str, by: Reviewer) -> StoredCase:
        """Set the trace's case aside. Raises ``ApiError`` where there is none, ``Conflict``."""
        try:
            return self.dismiss(trace_id, by)
        except NotFound:
            self._known(trace_id)
            raise ApiError(409, "no_case", "this trace has no case that could be dismissed") from None

    def undo(self, case_id: str, by: Reviewer, *, redact: bool = False) -> StoredCase:
        """Take the last change back; with ``redact``, without what must not be written.

        Raises ``NotFound``, ``Conflict``, ``RedactionFailed``.
        """
        return self._admission.undo(case_id, by, redact=redact)

    def trial(self, case: Case, parts: Mapping[str, Any], output: str | None = None) -> Trial:
        """Try the case, with these parts edited, against what was recorded and against ``output``."""
        edited = self.edited(case, parts)
        expected = edited.expectation
        needs_calls = bool(expected.expected_tool_calls or expected.forbidden_tool_calls)
        return tried(to_json(edited), recorded(case, self.trace(case, is_shown=needs_calls)), output)

    def edited(self, case: Case, parts: Mapping[str, Any]) -> Case:
        """The case with these parts edited, which is not kept."""
        return replace(case, **edits.changes(case, parts))

    def trace(self, case: Case, *, is_shown: bool = True) -> StoredTrace | None:
        """The trace that the case was made of, while it is stored; with its view where that ``is_shown``."""
        found = self._store.trace(case.source.trace_id) if case.source.trace_id else None
        return self._show_trace(found) if found is not None and is_shown else found

    def _drafted(self, trace_id: str) -> Case:
        """A case of a trace that has none: nothing is wrong with it, or there were enough of its kind already."""
        self._known(trace_id)
        case = self._draft_case(trace_id) if self._draft_case else None
        if case is None:
            raise ApiError(409, "no_case", "no case can be made of this trace: promotion.mode is off")
        return case

    def _known(self, trace_id: str) -> None:
        if not self._store.known([trace_id]):
            raise not_found("trace")


def recorded(case: Case, trace: StoredTrace | None) -> Recorded:
    """What is known of the run that the case was made of. The answer is the case's own: redacted, as it is exported."""
    if trace is None:
        return Recorded(case.observed_output)
    calls = None if trace.view is None or trace.view_problem else trace.view.get("tool_calls") or ()
    return Recorded(case.observed_output, calls, trace.duration_ns / 1e6)
