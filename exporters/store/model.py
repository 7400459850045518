"""What goes into the store and what comes out of it, as plain data. Knows no SQL."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.report import Verdict
from checks.trace import CloseReason, Feedback
from exporters.dataset.case import Case, CaseStatus


@dataclass(frozen=True, slots=True)
class CaseLimits:
    """How many cases may be made without a person.

    ``per_cluster`` is for each fingerprint, withdrawn ones not counted; ``per_day`` for each UTC day.
    """

    per_cluster: int = 5
    per_day: int = 200


@dataclass(frozen=True, slots=True)
class Opened:
    """A kind of failure that was not known: which checks failed, each with its codes, and the first such trace."""

    fingerprint: str
    service: str
    failures: Mapping[str, tuple[str, ...]]
    trace_id: str


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What a save did beyond writing. ``reopen`` names saved traces that are to be judged again.

    They have feedback that their verdicts do not know, or a place for their case, which was not drafted.
    ``forgotten`` names traces that were not saved, since they are to be forgotten; ``overtaken`` those that were not,
    since another replica saved something of them that these records do not know: they have to be judged with it.
    ``opened`` are the kinds of failure that were not known, ``joined`` counts the traces that joined each cluster.
    ``places`` tells, for each family of traces of which a new case was asked for, whether the last found a place.
    """

    cases_created: int = 0
    cases_suppressed_by_cap: int = 0
    cases_withdrawn: int = 0
    reopen: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    overtaken: tuple[str, ...] = ()
    opened: tuple[Opened, ...] = ()
    joined: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, bool] = field(default_factory=dict)

    @property
    def clusters_opened(self) -> Mapping[str, int]:
        """How many kinds of failure were not known, by service."""
        return Counter(one.service for one in self.opened)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Traces to judge again, for this replica to do; ``given_up`` are those that several tried in vain."""

    trace_ids: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What is needed to judge a trace again. ``data`` is its telemetry as it is stored: ``Packed.data``.

    ``verdicts`` is ``None`` for a trace that was never judged and only has feedback waiting. ``feedback`` is what came
    beside the telemetry; what stands in spans and logs is not repeated here. ``judged_feedback`` is all the feedback
    that ``verdicts`` know, from both. ``evaluated_ns`` tells this evaluation from others of the trace.
    """

    data: bytes = b""
    span_count: int = 0
    verdicts: tuple[Verdict, ...] | None = None
    feedback: tuple[Feedback, ...] = ()
    truncated: bool = False
    judged_feedback: tuple[Feedback, ...] = ()
    evaluated_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Traces that failed in the same way.

    ``failures`` has the codes of each failed check; ``traces`` counts all that ever joined, removed ones too. Times are
    those of the first and the last save. ``trace_id`` is the last that joined, ``input`` the first 200 characters of
    what was asked there, as a case shows it; both are ``None`` where that trace was forgotten. ``case_id`` is the first
    of its ``cases``.
    """

    fingerprint: str
    service: str
    failures: Mapping[str, tuple[str, ...]]
    traces: int
    first_ns: int
    last_ns: int
    trace_id: str | None = None
    input: str | None = None
    case_id: str | None = None
    cases: int = 0


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of the list of traces. ``input`` and ``output`` are the first 200 characters.

    ``cost`` is in dollars, of the model calls that have a price, ``None`` where none has; ``unpriced_calls`` of them
    have none, so that it is the least that the trace cost. ``None``: the trace was judged before that was counted.
    """

    trace_id: str
    service: str
    convention: str
    closed_by: CloseReason
    start_ns: int
    end_ns: int
    duration_ns: int
    span_count: int
    truncated: bool
    failing: bool
    evaluated_ns: int
    model: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    input: str | None = None
    output: str | None = None
    cost: float | None = None
    unpriced_calls: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    case_id: str | None = None
    case_status: CaseStatus | None = None


@dataclass(frozen=True, slots=True)
class VerdictSet:
    """Verdicts that were replaced: given at ``evaluated_ns``, replaced at ``replaced_ns``."""

    evaluated_ns: int
    replaced_ns: int
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class StoredTrace(TraceSummary):
    """All that is kept of a trace. ``feedback`` is oldest first, ``history`` newest first.

    ``view`` is that of ``checks.view``, ``None`` until it is made of the rest: only earlier versions kept it. One that
    could not be made is empty, and ``view_problem`` says why. ``costs`` are the dollars of each model call in order of
    time, and empty where none has a price.
    """

    view: Mapping[str, Any] | None = None
    view_problem: str | None = None
    costs: tuple[float | None, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    history: tuple[VerdictSet, ...] = ()
    spans: bytes = b""
    logs: bytes = b""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One change of a case: what it was before. ``revision`` is the one that the change made."""

    revision: int
    time_ns: int
    who: str
    why: str
    action: str
    old_status: CaseStatus
    old_case: Case


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case and where it stands. ``cluster_size`` is how many traces failed the same way.

    ``history`` (newest first) is filled where one case is read, and empty in lists.
    """

    case: Case
    status: CaseStatus
    revision: int
    created_ns: int
    updated_ns: int
    cluster_size: int = 0
    history: tuple[CaseChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """The store's gauges. ``cases`` has every status; ``bytes`` is what they and the rest take."""

    cases: Mapping[CaseStatus, int]
    bytes: int
    waiting_feedback: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """What retention removed: traces by age and by size, feedback that waited in vain, cases that nobody touched.

    ``flagged`` of those traces were failing ones that nobody had reviewed. ``is_unfinished`` says that time was up, and
    there may be more.
    """

    aged: int = 0
    over_size: int = 0
    flagged: int = 0
    feedback: int = 0
    cases: int = 0
    is_unfinished: bool = False


Lost = Callable[[str, str, int], None]
"""Told what was kept and goes before its time, why, and how many. Called on any thread, once it is gone for good."""


def unheeded(_what: str, _why: str, _count: int) -> None:
    """A ``Lost`` for those that do not count."""


@dataclass(frozen=True, slots=True)
class ForgetTarget:
    """What is to be forgotten: one trace, or all traces of one user or one session. Exactly one of the three is set.

    Raises:
        ValueError: none of them is set, or more than one.
    """

    trace_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None

    def __post_init__(self) -> None:
        if sum(bool(value) for value in (self.trace_id, self.user_id, self.session_id)) != 1:
            raise ValueError("name exactly one of a trace, a user and a session")

    @property
    def kind(self) -> str:
        """``trace``, ``user`` or ``session``."""
        return "trace" if self.trace_id else "user" if self.user_id else "session"

    @property
    def value(self) -> str:
        """The id that is set; that of a trace in small letters."""
        return (self.trace_id or "").lower() or self.user_id or self.session_id or ""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed.

    ``trace_ids`` are the traces that will not be taken in again, ``traces`` counts those of them that were stored.
    ``promoted`` of the ``cases`` had been taken into the dataset; they are gone from these ``versions`` of it, too.
    ``reopen`` are other people's traces whose verdicts knew removed feedback. ``unstored`` traces were open or in the
    journal, ``quarantined`` ones had files of their own; the store fills in neither. ``erased`` says that no remains
    are left in the database's files; where it is false, they go when the database writes over them (SQLite: the disk
    was full or a reader held on; PostgreSQL: vacuum).
    """

    trace_ids: tuple[str, ...] = ()
    traces: int = 0
    feedback: int = 0
    cases: int = 0
    promoted: int = 0
    reopen: tuple[str, ...] = ()
    unstored: int = 0
    quarantined: int = 0
    erased: bool = False
    versions: tuple[int, ...] = ()
